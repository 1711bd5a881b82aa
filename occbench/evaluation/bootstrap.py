"""Drops with intervals: the same resampled images for the clean and the attacked cell.

    weights = Weights.draw(images, draws=1000, rng=np.random.default_rng(0))
    clean = resample(prepare(truth, clean_detections, sigmas), weights)          # once
    attacked = resample(prepare(truth, attacked_detections, sigmas), weights)    # for each attack
    comparisons = compare(clean, attacked)

An image is the unit that is drawn, with all its persons: persons of one photo share light, crowd and occlusion.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .average_precision import curves, figures, match_masks
from .cells import UNLABELLED, Key, Protocol, cell_masks
from .intervals import Intervals, Method, intervals
from .matching import Matches
from .resampling import Drawn, draw_weights, leave_out_weights, resampled_area
from .signatures import changed_images, match_signatures
from .types import Detections, Figures, GroundTruth

MIN_PERSONS = 10
"""With fewer persons there is no interval: NaN."""


@dataclass(frozen=True, eq=False)
class Weights:
    """How often each image counts: in the bootstrap's draws and in the jackknife.

    Attributes:
        draws: Shape (B, I), int.
        leave_out: Shape (J, I), int; J is 0 without a jackknife, which BCa alone asks for.
    """

    draws: np.ndarray
    leave_out: np.ndarray

    @staticmethod
    def draw(images: int, draws: int = 1000, *, rng: np.random.Generator, jackknife: bool = True) -> Weights:
        """Draw for a number of images, sorted as in ``GroundTruth.image_ids``."""
        left = leave_out_weights(images) if jackknife else np.empty((0, images), dtype=np.int16)
        return Weights(draw_weights(images, draws, rng), left)

    @functools.cached_property
    def drawn(self) -> Drawn:
        """Both, one after the other, for the exact AP."""
        return Drawn(np.concatenate([self.draws, self.leave_out]))


@dataclass(frozen=True, eq=False)
class Prepared:
    """A cell, matched and scored: everything that does not depend on the draws.

    Attributes:
        figures: The ten figures by mask, in the order of the masks.
        matches: Who is right, in the same order.
    """

    figures: dict[Key, Figures]
    matches: Matches


@dataclass(frozen=True, eq=False)
class Resampled:
    """The APs (or rates) of a cell in the data and in every draw, in 0 to 1; NaN where no person counts.

    Attributes:
        keys: The masks' names.
        n: Shape (M,), int: persons that count; ``images``: shape (M,), int: images with such persons.
        ap: Shape (M,), float64: the printed figure, COCO's AP on 101 recall points or a rate.
        exact: Shape (M,), float64: the exact area under the same curves, or the rate: what drops are differences of.
        draws: Shape (B, M), float64: of ``exact``; ``leave_out``: shape (J, M), float64, likewise.
        signatures: Shape (M, I), uint64: differ where the predictions of an image that decide the figure do.
        weights: The draws that were used; two cells are comparable only under the same.
    """

    keys: tuple[Key, ...]
    n: np.ndarray
    images: np.ndarray
    ap: np.ndarray
    exact: np.ndarray
    draws: np.ndarray
    leave_out: np.ndarray
    signatures: np.ndarray
    weights: Weights


@dataclass(frozen=True)
class Comparison:
    """The drop of one AP, in AP points (x 100); clean minus attacked, so a loss is positive.

    The drop is of the exact area under the curves, since the last step of COCO's recall grid is luck worth up to .15
    points (PROTOCOL section 5).

    Attributes:
        key: None for all keypoints, a keypoint's index, or the name of another mask.
        n: Persons that count.
        clean: Clean AP x 100; ``attacked``: attacked AP x 100.
        drop: Of the exact areas; ``drop_lo`` and ``drop_hi``: its interval; ``drop_se``: its standard error.
        p: Two-sided p of "no drop", uncorrected; correct it over the family with `intervals.holm`.
        drop_grid: Clean minus attacked as printed.
        photos: Images in which anything that decides the AP changed.
    """

    key: Key
    n: int
    clean: float
    attacked: float
    drop: float
    drop_lo: float
    drop_hi: float
    drop_se: float
    p: float
    drop_grid: float
    photos: int


def prepare(
    truth: GroundTruth,
    detections: Detections,
    sigmas: np.ndarray,
    protocol: Protocol = "corrected",
    masks: Mapping[Key, np.ndarray | None] | None = None,
) -> Prepared:
    """Match and score one cell.

    Args:
        truth: Annotated persons.
        detections: Predicted persons.
        sigmas: Shape (K,): the keypoints' OKS sigmas.
        protocol: What becomes of persons without a counting keypoint, see PROTOCOL section 5.
        masks: By name, the keypoints that count, each (G, K) bool, or None for plain COCO. By default all keypoints
            (None) and each keypoint alone (its index).

    Raises:
        ValueError: Arrays that do not belong together, or an unknown protocol.
    """
    masks = cell_masks(len(truth), len(sigmas)) if masks is None else masks
    if protocol not in UNLABELLED:
        raise ValueError(f"protocol must be one of {', '.join(UNLABELLED)}, not {protocol!r}")
    matches = match_masks(truth, detections, sigmas, list(masks.values()), UNLABELLED[protocol])
    return Prepared({key: figures(curves(matches, m)) for m, key in enumerate(masks)}, matches)


def resample(prepared: Prepared, weights: Weights) -> Resampled:
    """Compute the APs of every draw.

    Raises:
        ValueError: Weights for another number of images.
    """
    images = prepared.matches.persons_by_image.shape[1]
    if weights.draws.shape[1] != images:
        raise ValueError(f"the weights are for {weights.draws.shape[1]} images, the cell has {images}")
    both = resampled_area(prepared.matches, weights.drawn)
    draws = len(weights.draws)
    return Resampled(
        keys=tuple(prepared.figures),
        n=np.array([f.n for f in prepared.figures.values()]),
        images=np.count_nonzero(prepared.matches.persons_by_image, axis=1),
        ap=np.array([f.ap for f in prepared.figures.values()]),
        exact=np.array([f.exact for f in prepared.figures.values()]),
        draws=both[:draws],
        leave_out=both[draws:],
        signatures=match_signatures(prepared.matches),
        weights=weights,
    )


def _or_none(leave_out: np.ndarray) -> np.ndarray | None:
    return leave_out if len(leave_out) else None


def ap_intervals(cell: Resampled, level: float = 0.95, method: Method = "percentile") -> Intervals:
    """Intervals of the cell's own APs, in 0 to 1. NaN below `MIN_PERSONS`.

    They are those of the exact areas, moved to the printed APs: the two differ by what the recall grid adds.
    """
    apart = cell.ap - cell.exact
    value = np.where(cell.n >= MIN_PERSONS, cell.ap, np.nan)
    return intervals(value, cell.draws + apart, _or_none(cell.leave_out + apart), cell.images, level, method)


def compare(clean: Resampled, attacked: Resampled, level: float = 0.95, method: Method = "student") -> list[Comparison]:
    """The drops from one cell to another, paired by image.

    Below `MIN_PERSONS`, and where fewer than `intervals.MIN_PHOTOS` images changed, the drop is given, but interval,
    standard error and p are NaN.

    Raises:
        ValueError: Cells of other masks, other persons or other draws.
    """
    if clean.keys != attacked.keys or not np.array_equal(clean.n, attacked.n):
        raise ValueError("the two cells do not score the same persons and keypoints")
    if clean.weights is not attacked.weights:
        raise ValueError("the two cells were resampled with different draws; use one Weights for both")
    drop = 100 * (clean.exact - attacked.exact)
    photos = changed_images(clean.signatures, attacked.signatures)
    enough = np.where(clean.n >= MIN_PERSONS, drop, np.nan)
    found = intervals(
        enough,
        100 * (clean.draws - attacked.draws),
        _or_none(100 * (clean.leave_out - attacked.leave_out)),
        clean.images,
        level,
        method,
        photos,
    )
    columns: Sequence[np.ndarray] = (
        clean.n,
        100 * clean.ap,
        100 * attacked.ap,
        drop,
        np.clip(found.lo, -100, 100),  # no drop is more than all
        np.clip(found.hi, -100, 100),
        found.se,
        found.p,
        100 * (clean.ap - attacked.ap),
        photos,
    )
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [Comparison(key, *row) for key, row in zip(clean.keys, rows, strict=True)]
