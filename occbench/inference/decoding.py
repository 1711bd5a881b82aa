"""Raw head outputs of a whole batch -> keypoints and scores, as MMPose decodes them one sample at a time.

What is large (averaging with the mirrored crops, blurring, finding maxima) is done where the tensors are; the few
values around each maximum then go through the NumPy arithmetic that MMPose 1.3 applies to one sample, in its precision
and its order. MMPose decides the corner cases: which of two equal maxima counts, what becomes of a map without a
positive value, where a refinement stops at the border.

Only what is known to take this path through MMPose is decoded here; see :func:`find_decoder`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Literal, Protocol

import cv2
import numpy as np

from ..compat import setup_mmpose

if TYPE_CHECKING:
    import torch
    from torch import nn

Raw = tuple["torch.Tensor", ...]
"""What a head's ``forward`` returns, float32; a lone tensor is a tuple of one, a list of stages a tuple of them."""

Arrays = tuple[np.ndarray, np.ndarray]
Mirror = tuple[int, ...]
Border = Literal["constant", "reflect"]

OPTIONS = frozenset(
    {"flip_test", "flip_mode", "shift_heatmap", "shift_coords", "output_heatmaps", "output_keypoint_indices"}
)
"""All of ``test_cfg`` that MMPose's top-down estimator and these heads read."""


class Decoder(Protocol):
    """Decodes the raw outputs of a batch of B crops."""

    def __call__(self, raw: Raw, flipped: Raw | None) -> tuple[np.ndarray, np.ndarray]:
        """Keypoints, shape (B, K, 2), float32, crop px, and their scores, shape (B, K), float32.

        Args:
            raw: Output of the head; left as it is.
            flipped: Its output for the mirrored crops, not mirrored back; None without flip test.

        Raises:
            ValueError: The flip test is on and ``flipped`` is None, or the other way round.
        """


@dataclass(frozen=True)
class _Decoder:
    """Averages with the output for the mirrored crops where the flip test is on, then decodes."""

    decode: Callable[[Raw], Arrays]
    merge: Callable[[Raw, Raw], Raw] | None

    def __call__(self, raw: Raw, flipped: Raw | None) -> Arrays:
        import torch

        if (self.merge is None) != (flipped is None):
            expected = "without" if self.merge is None else "with"
            raise ValueError(f"this decoder is one for predictions {expected} flip test")
        with torch.inference_mode():
            if self.merge is not None and flipped is not None:
                raw = self.merge(raw, flipped)
            keypoints, scores = self.decode(raw)
        return keypoints.astype(np.float32), scores.astype(np.float32)


def find_decoder(head: nn.Module, test_cfg: Mapping[str, Any], flip_indices: Sequence[int]) -> Decoder | None:
    """The decoder whose figures are those of ``head.predict``.

    There is one for HeatmapHead, ViPNASHead and CPMHead with MSRAHeatmap (also unbiased: DARK) or UDPHeatmap, for
    RegressionHead and RLEHead with RegressionLabel, and for SimCCHead and RTMCCHead with SimCCLabel; for these very
    classes only, since a subclass may decode differently. The crops must have the codec's ``input_size``.

    Args:
        head: A head of MMPose, its codec in ``decoder``.
        test_cfg: Of the estimator.
        flip_indices: For each keypoint, which one it is in the mirror.

    Returns:
        None where the head, its codec or an option is none of those: MMPose itself must decode.
    """
    setup_mmpose()
    from mmpose.codecs import MSRAHeatmap, RegressionLabel, SimCCLabel, UDPHeatmap
    from mmpose.models.heads import CPMHead, HeatmapHead, RegressionHead, RLEHead, RTMCCHead, SimCCHead, ViPNASHead

    if not set(test_cfg) <= OPTIONS or test_cfg.get("output_keypoint_indices") is not None:
        return None
    mirror = tuple(int(i) for i in flip_indices) if test_cfg.get("flip_test", False) else None
    codec: Any = getattr(head, "decoder", None)
    head_type, codec_type = type(head), type(codec)
    if head_type in (HeatmapHead, ViPNASHead, CPMHead) and codec_type is MSRAHeatmap:
        return _msra_decoder(codec, head.out_channels, test_cfg, mirror)
    if head_type in (HeatmapHead, ViPNASHead, CPMHead) and codec_type is UDPHeatmap:
        return _udp_decoder(codec, head.out_channels, test_cfg, mirror)
    if head_type in (SimCCHead, RTMCCHead) and codec_type is SimCCLabel:
        return _simcc_decoder(codec, head.out_channels, mirror)
    if head_type in (RegressionHead, RLEHead) and codec_type is RegressionLabel:
        return _regression_decoder(codec, head.num_joints, test_cfg, mirror)
    return None


def _is_kernel(size: Any) -> bool:
    """Whether MMPose can blur with it."""
    return isinstance(size, int) and size >= 3 and size % 2 == 1


# Heatmaps


def _msra_decoder(codec: Any, channels: int, test_cfg: Mapping[str, Any], mirror: Mirror | None) -> Decoder | None:
    if mirror is not None and (test_cfg.get("flip_mode", "heatmap") != "heatmap" or len(mirror) != channels):
        return None
    if codec.unbiased and not _is_kernel(codec.blur_kernel_size):
        return None
    decode = partial(_decode_dark if codec.unbiased else _decode_msra, codec)
    shift = bool(test_cfg.get("shift_heatmap", False))
    return _Decoder(decode, None if mirror is None else partial(_merge_heatmaps, mirror=mirror, shift=shift))


def _udp_decoder(codec: Any, channels: int, test_cfg: Mapping[str, Any], mirror: Mirror | None) -> Decoder | None:
    if codec.heatmap_type == "gaussian":
        decode, merge, mode, per_keypoint = _decode_udp, _merge_heatmaps, "heatmap", 1
    else:
        decode, merge, mode, per_keypoint = _decode_udp_combined, _merge_fields, "udp_combined", 3
    if mirror is not None and (test_cfg.get("flip_mode", "heatmap") != mode or per_keypoint * len(mirror) != channels):
        return None
    if not _is_kernel(codec.blur_kernel_size):
        return None
    shift = bool(test_cfg.get("shift_heatmap", False))
    return _Decoder(partial(decode, codec), None if mirror is None else partial(merge, mirror=mirror, shift=shift))


def _merge_heatmaps(raw: Raw, flipped: Raw, mirror: Mirror, shift: bool) -> Raw:
    """MMPose's ``flip_heatmaps`` in mode ``heatmap`` and the average; of the last stage."""
    mirrored = flipped[-1].index_select(1, _index(mirror, flipped[-1].device)).flip(-1)
    return (_mean(raw[-1], _shifted(mirrored) if shift else mirrored),)


def _merge_fields(raw: Raw, flipped: Raw, mirror: Mirror, shift: bool) -> Raw:
    """MMPose's ``flip_heatmaps`` in mode ``udp_combined`` and the average: x offsets change their sign."""
    fields = flipped[-1].unflatten(1, (-1, 3))
    mirrored = fields.index_select(1, _index(mirror, fields.device)).flip(-1)
    mirrored[:, :, 1].neg_()
    mirrored = mirrored.flatten(1, 2)
    return (_mean(raw[-1], _shifted(mirrored) if shift else mirrored),)


def _shifted(maps: torch.Tensor) -> torch.Tensor:
    """One px to the right; the first column stays."""
    import torch

    return torch.cat([maps[..., :1], maps[..., :-1]], -1)


def _mean(raw: torch.Tensor, mirrored: torch.Tensor) -> torch.Tensor:
    return (raw + mirrored).mul_(0.5)


@lru_cache
def _index(mirror: Mirror, device: torch.device) -> torch.Tensor:
    import torch

    return torch.tensor(mirror, device=device)


@dataclass(frozen=True, eq=False)
class _Peaks:
    """Where N maps have their maxima.

    Attributes:
        x: Shape (N,), int64: column, -1 where no value is positive.
        y: Shape (N,), int64: row, -1 where no value is positive.
        values: Shape (N,), float32.
    """

    x: torch.Tensor
    y: torch.Tensor
    values: np.ndarray

    @property
    def locations(self) -> np.ndarray:
        """Shape (N, 2), float32, px of the map."""
        return np.stack([self.x.cpu().numpy(), self.y.cpu().numpy()], -1).astype(np.float32)


def _argmax(rows: torch.Tensor) -> torch.Tensor:
    """Of each row of (N, L) the first maximum, shape (N,), int64."""
    import torch

    if rows.device.type == "cpu":  # there, NumPy's is ten times as fast
        return torch.from_numpy(rows.numpy().argmax(1))
    return rows.argmax(1)


def _peaks(maps: torch.Tensor) -> _Peaks:
    """The maxima of maps, shape (N, H, W), as MMPose's ``get_heatmap_maximum`` finds them."""
    rows = maps.flatten(1)
    index = _argmax(rows)
    values = rows.gather(1, index[:, None])[:, 0]
    nowhere, width = values <= 0, maps.shape[-1]
    x, y = (index % width).masked_fill(nowhere, -1), (index // width).masked_fill(nowhere, -1)
    return _Peaks(x, y, values.cpu().numpy())


def _around(maps: torch.Tensor, peaks: _Peaks, radius: int) -> np.ndarray:
    """The squares around the maxima, shape (N, 2 * radius + 1, 2 * radius + 1); over the border, its value goes on."""
    import torch

    count, height, width = maps.shape
    offsets = torch.arange(-radius, radius + 1, device=maps.device)
    rows = (peaks.y[:, None, None] + offsets[:, None]).clamp_(0, height - 1)
    columns = (peaks.x[:, None, None] + offsets).clamp_(0, width - 1)
    found: np.ndarray = maps[torch.arange(count, device=maps.device)[:, None, None], rows, columns].cpu().numpy()
    return found


def _split(heatmaps: torch.Tensor) -> tuple[torch.Tensor, tuple[int, int]]:
    """Heatmaps (B, K, H, W) as (B * K, H, W), and (B, K)."""
    return heatmaps.flatten(0, 1).contiguous(), (heatmaps.shape[0], heatmaps.shape[1])


def _decode_msra(codec: Any, raw: Raw) -> Arrays:
    """MSRAHeatmap.decode: from the maximum a quarter px towards its higher neighbour, but not at the border."""
    maps, shape = _split(raw[-1])
    height, width = maps.shape[1:]
    peaks = _peaks(maps)
    near, points = _around(maps, peaks, 1), peaks.locations
    x, y = points.T
    slope_x = np.where((x > 1) & (x < width - 1) & (y > 0) & (y < height), near[:, 1, 2] - near[:, 1, 0], 0)
    slope_y = np.where((y > 1) & (y < height - 1) & (x > 0) & (x < width), near[:, 2, 1] - near[:, 0, 1], 0)
    points += np.sign(np.stack([slope_x, slope_y], -1)) * 0.25
    return (points * codec.scale_factor).reshape(*shape, 2), peaks.values.reshape(shape)


def _decode_dark(codec: Any, raw: Raw) -> Arrays:
    """MSRAHeatmap.decode with ``unbiased``: a Newton step on the log of the blurred map, but not at the border."""
    maps, shape = _split(raw[-1])
    height, width = maps.shape[1:]
    peaks = _peaks(maps)
    blurred = _blurred(maps, codec.blur_kernel_size, codec.blur_kernel_size)
    scale = _restore(peaks.values, blurred)
    near = np.log(np.maximum(_around(blurred, peaks, 2) * scale[:, None, None], 1e-10))
    points = peaks.locations
    x, y = points.T
    dx = 0.5 * (near[:, 2, 3] - near[:, 2, 1])
    dy = 0.5 * (near[:, 3, 2] - near[:, 1, 2])
    dxx = 0.25 * (near[:, 2, 4] - 2 * near[:, 2, 2] + near[:, 2, 0])
    dxy = 0.25 * (near[:, 3, 3] - near[:, 1, 3] - near[:, 3, 1] + near[:, 1, 1])
    dyy = 0.25 * (near[:, 4, 2] - 2 * near[:, 2, 2] + near[:, 0, 2])
    steps = (x > 1) & (x < width - 2) & (y > 1) & (y < height - 2) & (dxx * dyy - dxy**2 != 0)
    slope = np.stack([dx, dy], -1)[steps, :, None]
    hessian = np.stack([dxx, dxy, dxy, dyy], -1)[steps].reshape(-1, 2, 2)
    points[steps] += (-np.linalg.inv(hessian) @ slope)[:, :, 0]
    return (points * codec.scale_factor).reshape(*shape, 2), peaks.values.reshape(shape)


def _decode_udp(codec: Any, raw: Raw) -> Arrays:
    """UDPHeatmap.decode of Gaussian maps: a Newton step on the logarithm of the blurred map, wherever the maximum is.

    For a map without a positive value, MMPose's indices run into the last row of the sample's previous map (the first
    map: its last one). What it then says has no meaning, but its figures are compared with others', so it is said here.
    """
    maps, (batch, count) = _split(raw[-1])
    peaks = _peaks(maps)
    blurred = _blurred(maps, codec.blur_kernel_size, codec.blur_kernel_size)
    scale = _restore(peaks.values, blurred)
    ends = blurred[:, -1, [-1, 0]].cpu().numpy() * scale[:, None]
    previous = np.roll(ends.reshape(batch, count, 2), 1, axis=1).reshape(-1, 2)
    near, previous = (
        np.log(np.clip(values, 1e-3, 50.0)) for values in (_around(blurred, peaks, 1) * scale[:, None, None], previous)
    )
    points = peaks.locations
    nowhere = points[:, 0] < 0
    for row, column, end in ((0, 0, 0), (1, 0, 0), (0, 1, 1)):
        near[:, row, column] = np.where(nowhere, previous[:, end], near[:, row, column])
    here, left, right, up, down = near[:, 1, 1], near[:, 1, 0], near[:, 1, 2], near[:, 0, 1], near[:, 2, 1]
    slope = np.stack([0.5 * (right - left), 0.5 * (down - up)], -1)[..., None]
    dxx, dyy = right - 2 * here + left, down - 2 * here + up
    dxy = 0.5 * (near[:, 2, 2] - right - down + here + here - left - up + near[:, 0, 0])
    hessian = np.stack([dxx, dxy, dxy, dyy], -1).reshape(-1, 2, 2) + np.finfo(np.float32).eps * np.eye(2)
    singular = np.linalg.det(hessian) == 0  # MMPose stops with an error there; here the maximum itself is taken
    inverse = np.linalg.inv(np.where(singular[:, None, None], np.eye(2), hessian))
    points -= np.where(singular[:, None], 0, np.einsum("imn,ink->imk", inverse, slope)[..., 0])
    return _udp_to_crop(codec, points).reshape(batch, count, 2), peaks.values.reshape(batch, count)


def _decode_udp_combined(codec: Any, raw: Raw) -> Arrays:
    """UDPHeatmap.decode of label maps with offsets.

    For a map without a positive value, MMPose's index is that of the last but one row of the previous map, as above.
    """
    import torch

    fields = raw[-1].unflatten(1, (-1, 3))
    batch, count, _, height, width = fields.shape
    size = 2 * codec.blur_kernel_size + 1
    peaks = _peaks(_blurred(_split(fields[:, :, 0])[0], size, size, "reflect"))
    nowhere = peaks.x < 0
    flat = torch.where(nowhere, height * width - width - 1, peaks.y * width + peaks.x)
    maps = torch.arange(batch * count, device=fields.device).view(batch, count)
    maps = torch.where(nowhere, maps.roll(1, 1).flatten(), maps.flatten())
    offsets = fields[:, :, 1:].flatten(0, 1).flatten(2)[maps, :, flat].cpu().numpy()
    points = peaks.locations + offsets * (codec.radius_factor * max(width, height))
    return _udp_to_crop(codec, points).reshape(batch, count, 2), peaks.values.reshape(batch, count)


def _udp_to_crop(codec: Any, points: np.ndarray) -> np.ndarray:
    width, height = codec.heatmap_size
    crop: np.ndarray = points / [width - 1, height - 1] * codec.input_size
    return crop


# Blurring


def _restore(maxima: np.ndarray, blurred: torch.Tensor) -> np.ndarray:
    """What gives blurred maps (N, ...) their maxima (N,) back, shape (N,), float32; NaN for maps of zeros."""
    with np.errstate(divide="ignore", invalid="ignore"):
        factor: np.ndarray = maxima / blurred.flatten(1).amax(1).cpu().numpy()
    return factor


def _blurred(maps: torch.Tensor, width: int, height: int, border: Border = "constant") -> torch.Tensor:
    """Gaussian blur of maps (N, H, W), float32, with OpenCV's kernel of this size; beyond the border are zeros."""
    import torch

    if maps.device.type == "cpu":
        return torch.from_numpy(_blurred_by_opencv(maps.numpy(), width, height, border))
    return _blurred_by_matrices(maps, width, height, border)


def _blurred_by_opencv(maps: np.ndarray, width: int, height: int, border: Border) -> np.ndarray:
    """The maps one below the other in one picture: each gets the bits that it gets alone, as in MMPose."""
    x, y = width // 2, height // 2
    padded = np.pad(maps, ((0, 0), (y, y), (x, x)), border)
    picture = cv2.GaussianBlur(padded.reshape(-1, padded.shape[2]), (width, height), 0)
    blurred: np.ndarray = picture.reshape(padded.shape)[:, y : y + maps.shape[1], x : x + maps.shape[2]]
    return blurred


def _blurred_by_matrices(maps: torch.Tensor, width: int, height: int, border: Border) -> torch.Tensor:
    """Rows and columns times band matrices; in double precision, for TensorFloat-32 would be used in single."""
    columns = _blur_matrix(maps.shape[1], height, border, maps.device)
    rows = _blur_matrix(maps.shape[2], width, border, maps.device)
    return (columns @ maps.double() @ rows.T).float()


@lru_cache
def _blur_matrix(length: int, size: int, border: Border, device: torch.device) -> torch.Tensor:
    import torch

    padded = np.pad(np.eye(length), ((size // 2, size // 2), (0, 0)), border)
    kernel = cv2.getGaussianKernel(size, 0, cv2.CV_32F)[:, 0]
    matrix = sum(weight * padded[i : i + length] for i, weight in enumerate(kernel.astype(np.float64)))
    return torch.tensor(matrix, device=device)


# SimCC


def _simcc_decoder(codec: Any, channels: int, mirror: Mirror | None) -> Decoder | None:
    if codec.decode_visibility or (mirror is not None and len(mirror) != channels):
        return None
    sizes = tuple(_simcc_kernel(sigma) for sigma in codec.sigma) if codec.use_dark else ()
    if not all(_is_kernel(size) for size in sizes):
        return None
    return _Decoder(
        partial(_decode_simcc, codec, sizes), None if mirror is None else partial(_merge_vectors, mirror=mirror)
    )


def _simcc_kernel(sigma: float) -> int:
    """The size of MMPose's blur."""
    size = int((sigma * 20 - 7) // 3)
    return size - (size % 2 == 0)


def _merge_vectors(raw: Raw, flipped: Raw, mirror: Mirror) -> Raw:
    """MMPose's ``flip_vectors`` and the average."""
    x, y = (vectors.index_select(1, _index(mirror, vectors.device)) for vectors in flipped)
    return _mean(raw[0], x.flip(-1)), _mean(raw[1], y)


def _decode_simcc(codec: Any, sizes: Sequence[int], raw: Raw) -> Arrays:
    """SimCCLabel.decode: the maxima of both vectors; the lower is the score, and if not positive, there is no point."""
    batch, count = raw[0].shape[:2]
    vectors = [axis.flatten(0, 1).contiguous() for axis in raw]
    indices = [_argmax(rows) for rows in vectors]
    maxima = [rows.gather(1, index[:, None])[:, 0].cpu().numpy() for rows, index in zip(vectors, indices, strict=True)]
    scores = np.where(maxima[0] > maxima[1], maxima[1], maxima[0])
    points = np.stack([index.cpu().numpy() for index in indices], -1).astype(np.float32)
    points[scores <= 0] = -1
    for axis, size in enumerate(sizes):
        points[:, axis] -= _simcc_step(vectors[axis], points[:, axis], maxima[axis], size)
    points /= codec.simcc_split_ratio
    return points.reshape(batch, count, 2), scores.reshape(batch, count)


def _simcc_step(rows: torch.Tensor, points: np.ndarray, maxima: np.ndarray, size: int) -> np.ndarray:
    """MMPose's ``refine_simcc_dark``: what to subtract from points (N,) on rows (N, L).

    Where there is no point (-1), the second value to the left is the row's last one, as in MMPose.
    """
    import torch

    length = rows.shape[1]
    blurred = _blurred(rows[:, None], size, 1)[:, 0]
    index = np.clip(points[:, None].astype(np.int64) + np.arange(-2, 3), 0, length - 1)
    index[points < 0, 0] = length - 1
    near = blurred.gather(1, torch.from_numpy(index).to(rows.device)).cpu().numpy()
    near = np.log(np.clip(near * _restore(maxima, blurred)[:, None], 1e-3, 50.0))
    slope = 0.5 * (near[:, 3] - near[:, 1])
    step: np.ndarray = slope / (1e-9 + 0.25 * (near[:, 4] - 2 * near[:, 2] + near[:, 0]))
    return step


# Regression


def _regression_decoder(codec: Any, joints: int, test_cfg: Mapping[str, Any], mirror: Mirror | None) -> Decoder | None:
    if mirror is None:
        return _Decoder(lambda raw: _decode_coordinates(codec, (_activated(raw[0]),)), None)
    if len(mirror) != joints:
        return None
    shift = 1.0 / codec.input_size[0] if test_cfg.get("shift_coords", True) else 0.0
    return _Decoder(partial(_decode_coordinates, codec), partial(_merge_coordinates, mirror=mirror, shift=shift))


def _activated(outputs: torch.Tensor) -> torch.Tensor:
    """Outputs (B, K, 2 or 4) with their sigmas, where there are any, as RLEHead decodes them."""
    import torch

    return torch.cat([outputs[..., :2], outputs[..., 2:].sigmoid()], -1)


def _merge_coordinates(raw: Raw, flipped: Raw, mirror: Mirror, shift: float) -> Raw:
    """MMPose's ``flip_coordinates`` and the average; ``shift`` is a px of the crop as a share of its width."""
    mirrored = _activated(flipped[0])
    mirrored[..., 0] = 1.0 - mirrored[..., 0] - shift
    return (_mean(_activated(raw[0]), mirrored.index_select(1, _index(mirror, mirrored.device))),)


def _decode_coordinates(codec: Any, raw: Raw) -> Arrays:
    """RegressionLabel.decode: the coordinates are shares of the crop; a score is one minus the mean sigma, or one."""
    outputs = raw[0].cpu().numpy()
    sigmas = outputs[..., 2:]
    scores = (1 - sigmas).mean(-1) if sigmas.shape[-1] else np.ones(outputs.shape[:2], np.float32)
    return outputs[..., :2] * np.array(codec.input_size), scores
