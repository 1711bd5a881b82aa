"""Cut-outs with an outline of their own, fitted over what they hide (PROTOCOL section 10, fill object)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import sha256
from pathlib import Path

import cv2
import numpy as np
import scipy

from .regions import Region, Size

OPAQUE = 128
"""Alpha from which a pixel counts as hidden: .5."""

_SIDE = 64  # px of the outline that places are sought on
_STEP, _MEND = 1.06, 1.03  # by how much sizes grow in the search, and where a drawn outline misses a pixel
_TRIES = 200


@dataclass(frozen=True, eq=False)
class Cutout:
    """A picture of an object with its outline.

    Attributes:
        name: Of its file.
        picture: Shape (h, w, 4), uint8, BGRA, not premultiplied; some of it is opaque.

    Raises:
        ValueError: It has another shape, or nothing of it is opaque.
    """

    name: str
    picture: np.ndarray

    def __post_init__(self) -> None:
        picture = self.picture
        if picture.ndim != 3 or picture.shape[2] != 4 or picture.dtype != np.uint8:
            raise ValueError(f"cut-out {self.name!r} must be of 8-bit colour with alpha (RGBA)")
        if not (picture[..., 3] >= OPAQUE).any():
            raise ValueError(f"nothing of cut-out {self.name!r} is opaque (alpha from .5 up)")

    @cached_property
    def premultiplied(self) -> np.ndarray:
        """Shape (h, w, 4), uint8: colours times alpha, so that resampling draws no colour from outside."""
        alpha = self.picture[..., 3:].astype(np.uint16)
        colour = (self.picture[..., :3] * alpha + 127) // 255
        return np.concatenate([colour, alpha], axis=2).astype(np.uint8)

    @cached_property
    def sketch(self) -> Sketch:
        """Its outline at low resolution."""
        return self.stretched(*self.picture.shape[1::-1])

    def stretched(self, width: float, height: float) -> Sketch:
        """Its outline at low resolution, with other proportions."""
        longest = max(width, height)
        columns, rows = (max(1, round(_SIDE * side / longest)) for side in (width, height))
        alpha = cv2.resize(self.picture[..., 3], (columns, rows), interpolation=cv2.INTER_AREA)
        if not (alpha >= OPAQUE).any():  # a few pixels of a large picture
            alpha = np.where(alpha == alpha.max(), np.uint8(255), np.uint8(0))
        framed = np.pad((alpha >= OPAQUE).astype(np.uint8), 1)
        # SciPy's distances are exact. OpenCV's differ in the last bit from one run to the next, and with it the place.
        return Sketch((scipy.ndimage.distance_transform_edt(framed)[1:-1, 1:-1] - 0.5).astype(np.float32))


@dataclass(frozen=True, eq=False)
class Sketch:
    """Where in an outline which disc fits.

    Attributes:
        depth: Shape (rows, columns), float32: the radius of the largest disc inside the outline around each pixel, px
            of the sketch; below 0 outside.
    """

    depth: np.ndarray

    @cached_property
    def deepest(self) -> tuple[float, float, float]:
        """x, y and radius of the largest disc inside, px of the sketch."""
        y, x = np.unravel_index(np.argmax(self.depth), self.depth.shape)
        return float(x), float(y), float(self.depth[y, x])

    def holding(self, points: np.ndarray, radius: float) -> tuple[float, float, float]:
        """The smallest size at which the outline holds a disc around each of several points, and where it then lies.

        Sizes are tried upwards in steps of 6 %, places pixel by pixel of the sketch.

        Args:
            points: Shape (N, 2), x y, px of the crop.
            radius: Of the discs, px of the crop.

        Returns:
            Px of the crop per px of the sketch, and x, y in the sketch of the middle of the points.
        """
        offsets = points - points.mean(0)
        rows, columns = self.depth.shape
        spread = np.ptp(points, axis=0)
        scale = max(radius / self.deepest[2], spread[0] / columns, spread[1] / rows)
        framed = np.pad(self.depth, _SIDE, constant_values=-1.0)
        for _ in range(_TRIES):
            shifts = np.rint(offsets / scale).astype(int)
            room = np.full(self.depth.shape, np.inf, np.float32)
            for dx, dy in {(dx, dy) for dx, dy in shifts.tolist()}:
                x, y = _SIDE + dx, _SIDE + dy
                np.minimum(room, framed[y : y + rows, x : x + columns], out=room)
            if room.max() * scale >= radius:
                y, x = np.unravel_index(np.argmax(room), room.shape)
                return scale, float(x), float(y)
            scale *= _STEP
        raise RuntimeError(f"no size of an outline holds discs of {radius:g} px around {len(points)} points")


@dataclass(frozen=True)
class Fit:
    """How a cut-out lies in a crop.

    Attributes:
        x: Of its left edge, px of the crop, where pixels have their middles at whole numbers.
        y: Of its upper edge, likewise.
        width: Px of the crop.
        height: Likewise.
    """

    x: float
    y: float
    width: float
    height: float

    def grown(self, factor: float, about: tuple[float, float]) -> Fit:
        """Larger by a factor, what lies at ``about`` staying where it is."""
        x, y = (centre + factor * (at - centre) for at, centre in zip((self.x, self.y), about, strict=True))
        return Fit(x, y, factor * self.width, factor * self.height)


def fit_disc(cutout: Cutout, centre: tuple[float, float], radius: float) -> Fit:
    """A cut-out scaled so that the largest disc inside its outline has ``radius``, that disc around ``centre``."""
    x, y, depth = cutout.sketch.deepest
    return _fit(cutout.sketch, radius / depth, (x, y), centre)


def fit_points(cutout: Cutout, points: np.ndarray, radius: float, extent: tuple[float, float]) -> Fit:
    """A cut-out at the smallest size at which it covers a disc of ``radius`` around each of ``points``.

    Its proportions are kept, unless it would then be larger than the crop: it takes those of the points' rectangle.

    Args:
        cutout: Which.
        points: Shape (N, 2), x y in crop px.
        radius: Crop px.
        extent: Height and width of the crop, px.
    """
    centre = (float(points[:, 0].mean()), float(points[:, 1].mean()))
    scale, x, y = cutout.sketch.holding(points, radius)
    fit = _fit(cutout.sketch, scale, (x, y), centre)
    if fit.height <= extent[0] and fit.width <= extent[1]:
        return fit
    width, height = np.ptp(points, axis=0) + 2 * radius
    sketch = cutout.stretched(float(width), float(height))
    scale, x, y = sketch.holding(points, radius)
    return _fit(sketch, scale, (x, y), centre)


def _fit(sketch: Sketch, scale: float, at: tuple[float, float], centre: tuple[float, float]) -> Fit:
    rows, columns = sketch.depth.shape
    x, y = (middle - scale * (place + 0.5) for middle, place in zip(centre, at, strict=True))
    return Fit(float(x), float(y), float(scale * columns), float(scale * rows))


def cover(cutout: Cutout, fit: Fit, needed: np.ndarray, about: tuple[float, float], size: Size) -> Region:
    """Draw a cut-out, made larger by steps of 3 % until it hides every pixel that it must.

    Args:
        cutout: Which.
        fit: Where it should lie.
        needed: Shape (H, W), bool: what it must hide.
        about: x, y in crop px: what stays where it is.
        size: Height and width of the crop, px.

    Returns:
        Its region, as :func:`draw` gives it.
    """
    for _ in range(_TRIES):
        region = draw(cutout, fit, about, size)
        if region is not None:
            missed = needed.copy()
            missed[region.window] &= ~region.mask
            if not missed.any():
                return region
        fit = fit.grown(_MEND, about)
    raise RuntimeError(f"cut-out {cutout.name!r} cannot be made to cover what it must")


def draw(cutout: Cutout, fit: Fit, centre: tuple[float, float], size: Size) -> Region | None:
    """The pixels that a cut-out lies on, with its colours and alpha; None where it hides none of the crop."""
    source = cutout.premultiplied
    h, w = source.shape[:2]
    # Shrunk by areas first, or the affine below would skip pixels.
    rows, columns = max(1, min(h, round(fit.height))), max(1, min(w, round(fit.width)))
    if (rows, columns) != (h, w):
        source = cv2.resize(source, (columns, rows), interpolation=cv2.INTER_AREA)
    sx, sy = fit.width / columns, fit.height / rows
    x0, y0 = fit.x + sx / 2, fit.y + sy / 2  # the middle of the first pixel
    left, top = max(0, int(np.floor(x0 - sx))), max(0, int(np.floor(y0 - sy)))
    right = min(size[1], int(np.ceil(x0 + sx * columns)) + 1)
    bottom = min(size[0], int(np.ceil(y0 + sy * rows)) + 1)
    if left >= right or top >= bottom:
        return None
    matrix = np.array([[sx, 0, x0 - left], [0, sy, y0 - top]])
    drawn = cv2.warpAffine(source, matrix, (right - left, bottom - top), flags=cv2.INTER_LINEAR)
    mask = drawn[..., 3] >= OPAQUE
    return Region(top, left, mask, centre, drawn[..., :3], drawn[..., 3]) if mask.any() else None


@dataclass(frozen=True, eq=False)
class Cutouts:
    """Cut-outs to choose from.

    Attributes:
        all: In the order of their names.
        licence: Who made them, and what may be done with them, in short; None where nothing says so.
        folder: Where they lie; None for the drawn ones that come with the program.
    """

    all: tuple[Cutout, ...]
    licence: str | None
    folder: Path | None = None

    @cached_property
    def sha256(self) -> str:
        """Of names and pixels."""
        total = sha256()
        for cutout in self.all:
            total.update(f"{cutout.name}:{cutout.picture.shape};".encode())
            total.update(np.ascontiguousarray(cutout.picture).tobytes())
        return total.hexdigest()


@lru_cache(maxsize=1)
def drawn_cutouts() -> Cutouts:
    """The cut-outs that come with the program, drawn by :mod:`.drawing`."""
    folder = Path(__file__).parent / "cutouts"
    pictures = {
        path.stem: cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
        for path in sorted(folder.glob("*.png"))
    }
    found = (Cutout(name, picture) for name, picture in pictures.items() if picture is not None)
    return Cutouts(tuple(found), "drawn for occbench, under its licence")
