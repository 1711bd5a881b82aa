"""Exact AP of resampled data sets: images drawn with replacement, each counting as often as it was drawn.

Matching happens within an image, so it does not depend on how often the image was drawn: only the running sums of
true and false positives do, and weights do there what copies of the image would. What "the replicated data set" is has
to be said where scores are equal: the copies of one detection stand together, in the order the detections have in the
data set itself.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy

from . import compiled
from .matching import THRESHOLDS, Matches, bit

_ROWS_AT_ONCE = 2048
_DETECTIONS_AT_ONCE = 700
"""The weights of so few images stay in the second-level cache, however many images there are."""
_MASKS_AT_ONCE = 18


def draw_weights(images: int, draws: int, rng: np.random.Generator) -> np.ndarray:
    """How often each image is drawn, with replacement, in each draw. Shape: (draws, images), int16."""
    weights = np.empty((draws, images), dtype=np.int16)
    for row in weights:
        row[:] = np.bincount(rng.integers(0, images, images), minlength=images)
    return weights


def leave_out_weights(images: int, groups: int = 100) -> np.ndarray:
    """Weights 1, but 0 for every group of images in turn: a jackknife. Shape: (min(groups, images), images)."""
    groups = min(groups, images)
    return (np.arange(images)[None] % groups != np.arange(groups)[:, None]).astype(np.int16)


@dataclass(frozen=True, eq=False)
class Drawn:
    """How often images count, in the forms that :func:`resampled_area` reads, each made once for all cells.

    Attributes:
        weights: Shape (B, I), int from 0 up: how often each image counts in each draw.
    """

    weights: np.ndarray

    @functools.cached_property
    def blocks(self) -> np.ndarray:
        """The draws block by block, zeros behind the last. Shape: (blocks, I, `compiled.BLOCK`), float32."""
        draws, images = self.weights.shape
        count = -(-draws // compiled.BLOCK)
        padded = np.zeros((count * compiled.BLOCK, images), dtype=np.float32)
        padded[:draws] = self.weights
        return np.ascontiguousarray(padded.reshape(count, compiled.BLOCK, images).transpose(0, 2, 1))

    @functools.cached_property
    def bytes(self) -> np.ndarray | None:
        """The same as uint8; None where some weight is larger."""
        fit = self.weights.max(initial=0) <= np.iinfo(np.uint8).max
        return self.blocks.astype(np.uint8) if fit else None

    def by_draw(self, values: np.ndarray) -> np.ndarray:
        """Values by block, shape (blocks, ..., BLOCK), brought to the shape (B, ...)."""
        rows = np.moveaxis(values, -1, 1)
        return rows.reshape(-1, *rows.shape[2:])[: len(self.weights)]


def weighted_area(matches: Matches, weights: np.ndarray) -> np.ndarray:
    """Exact AP with image weights: the area under the interpolated curves of the replicated data set, to rounding.

    Args:
        matches: What `average_precision.match_masks` computed.
        weights: Shape (B, I), int from 0 up: how often each image counts.

    Returns:
        Shape (B, M), float64; NaN where no person counts.
    """
    result = np.full((len(weights), len(matches.right)), np.nan)
    persons = weights.astype(np.int64) @ matches.persons_by_image.T
    for b, m in zip(*np.nonzero(persons), strict=True):
        weight = weights[b, matches.image].astype(np.int64)
        total = 0.0
        for t in range(len(THRESHOLDS)):
            gain = weight * (matches.right[m] & bit(t, 0) != 0)
            hit, miss = np.cumsum(gain), np.cumsum(weight * (matches.wrong[m] & bit(t, 0) != 0))
            precision = hit / np.maximum(hit + miss, 1)
            # A replicated detection's copies stand together, so all of them reach the precision of the last.
            total += gain @ np.maximum.accumulate(precision[::-1])[::-1]
        result[b, m] = total / (len(THRESHOLDS) * persons[b, m])
    return result


def resampled_area(matches: Matches, drawn: Drawn) -> np.ndarray:
    """Exact AP with image weights, fast: all masks, thresholds and draws together, in single precision.

    Precision only rises while detections are right, so its envelope is decided at the last of each run of right ones.
    The runs of all curves are walked from the worst score to the best at once, one numpy call for a step of all curves
    and draws; the sums of weights within the runs are products of a sparse matrix with the weights.

    The sums of weights are exact; precision is rounded to 24 bits, so that the result is within 2e-6 of
    `weighted_area`.

    Args:
        matches: What `average_precision.match_masks` computed.
        drawn: How often each of I images counts, in B draws.

    Returns:
        Shape (B, M), float64; NaN where no person counts.
    """
    persons = drawn.by_draw(matches.persons_by_image.astype(np.float32) @ drawn.blocks)
    total = np.empty(persons.shape)
    for first in range(0, len(matches.right), _MASKS_AT_ONCE):
        group = np.arange(len(matches.right))[first : first + _MASKS_AT_ONCE]
        total[:, group] = drawn.by_draw(_summed_precision(matches, group, drawn).sum(axis=2, dtype=np.float64))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(persons > 0, total / (len(THRESHOLDS) * persons), np.nan)


def _summed_precision(matches: Matches, masks: np.ndarray, drawn: Drawn) -> np.ndarray:
    """Sum of the interpolated precision over the true positives. Shape: (blocks, masks, 10, BLOCK), float32."""
    count = len(masks) * len(THRESHOLDS)
    if compiled.is_worth(count * len(matches.image) * len(drawn.weights)) and drawn.bytes is not None:
        each = (_flags(bits[masks]) for bits in (matches.right, matches.wrong))
        right, wrong = (flags.reshape(len(masks), len(THRESHOLDS), -1) for flags in each)
        return compiled.summed_precision(right, wrong, matches.image, drawn.blocks, drawn.bytes, _DETECTIONS_AT_ONCE)
    curves = _Curves(matches, masks)
    summed = np.empty((len(drawn.blocks), count, compiled.BLOCK), dtype=np.float32)
    for block, weight in zip(summed, drawn.blocks, strict=True):
        block[:] = curves.summed_precision(weight)
    return summed.reshape(-1, len(masks), len(THRESHOLDS), compiled.BLOCK)


class _Curves:
    """The precision curves of several masks, mask * 10 + threshold, and their running sums under weights."""

    def __init__(self, matches: Matches, masks: np.ndarray) -> None:
        images, detections = matches.persons_by_image.shape[1], len(matches.image)
        self._right, self._wrong = (
            np.array([np.bincount(matches.image[flags], minlength=images) for flags in _flags(bits[masks])])
            .reshape(-1, images)
            .astype(np.float32)
            for bits in (matches.right, matches.wrong)
        )
        starts = range(0, detections, _DETECTIONS_AT_ONCE)
        self._stretches = [_Stretch.of(matches, masks, s, s + _DETECTIONS_AT_ONCE) for s in starts]

    def summed_precision(self, weight: np.ndarray) -> np.ndarray:
        """Sum of the interpolated precision over the true positives; ``weight``: shape (I, B), float32.

        Returns:
            Shape (C, B), float32.
        """
        right, wrong = self._right @ weight, self._wrong @ weight
        envelope, total = np.zeros_like(right), np.zeros_like(right)
        state = (right, wrong, envelope, total)
        for stretch in reversed(self._stretches):
            part = tuple(array[stretch.curves] for array in state)
            stretch.walk(weight, *part)
            for array, values in zip(state, part, strict=True):
                array[stretch.curves] = values
        return total


@dataclass(frozen=True, eq=False)
class _Stretch:
    """Neighbours in score order, and the runs that the curves have among them, to be walked from the worst to the best.

    All curves are in the same stretch at the same time, so the weights they look up are few and stay in the cache.

    Attributes:
        curves: Shape (C,), int: the curve of most runs first, so that the curves which still have runs at any step are
            the first ones.
        active: Shape (steps,), int: how many curves have a run at each step.
        blocks: Sparse matrices (rows, I): the images of the detections of a step's runs; a step has ``active`` rows
            of right ones and then as many of the wrong ones that come before them in score order.
    """

    curves: np.ndarray
    active: np.ndarray
    blocks: list[scipy.sparse.csr_matrix]

    @staticmethod
    def of(matches: Matches, masks: np.ndarray, low: int, high: int) -> _Stretch:
        right = _flags(matches.right[masks, low:high])
        judged = right | _flags(matches.wrong[masks, low:high])
        curve, place = np.nonzero(judged)
        flag = right[judged]
        # A run ends where a wrong one follows a right one of the same curve.
        first = np.searchsorted(curve, np.arange(len(judged)))
        before = np.append(False, flag[:-1])
        before[first[first < len(flag)]] = False
        ended = np.cumsum(before & ~flag)
        run = ended - np.append(ended, 0)[first][curve]
        number = np.bincount(curve, minlength=len(judged))
        number[number > 0] = run[(first + number - 1)[number > 0]] + 1

        curves = np.argsort(-number, kind="stable")
        active = np.searchsorted(-number[curves], -np.arange(number.max(initial=0)), side="left")
        rows_before = 2 * np.append(0, np.cumsum(active))
        rank = np.empty_like(curves)
        rank[curves] = np.arange(len(curves))
        step = number[curve] - 1 - run
        row = rows_before[step] + np.where(flag, 0, active[step]) + rank[curve]
        by_row = np.argsort(row.astype(np.min_scalar_type(rows_before[-1])), kind="stable")
        start = np.append(0, np.cumsum(np.bincount(row, minlength=rows_before[-1])))
        indices = matches.image[low:high][place[by_row]]
        width = matches.persons_by_image.shape[1]
        return _Stretch(curves, active, list(_split(indices, start, rows_before, width)))

    def walk(
        self,
        weight: np.ndarray,
        right: np.ndarray,
        wrong: np.ndarray,
        envelope: np.ndarray,
        total: np.ndarray,
    ) -> None:
        """Take the stretch's detections off the running sums, in place.

        Args:
            weight: Shape (I, B), float32.
            right: Shape (C, B), float32, like all that follow, in the order of ``curves``: true positives up to here.
            wrong: False positives up to here.
            envelope: Highest precision from here on.
            total: Sum of the interpolated precision over the true positives from here on.
        """
        here = np.empty_like(right)
        with np.errstate(invalid="ignore"):
            for n, gain, loss in self._steps(weight):
                r, w, e, h = right[:n], wrong[:n], envelope[:n], here[:n]
                np.add(r, w, out=h)
                np.divide(r, h, out=h)
                np.fmax(e, h, out=e)  # 0 / 0, nothing drawn yet, is no number and is passed over
                np.subtract(r, gain, out=r)
                np.subtract(w, loss, out=w)
                np.multiply(gain, e, out=h)
                np.add(total[:n], h, out=total[:n])

    def _steps(self, weight: np.ndarray) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Step by step: active curves, and the weights of the right and the wrong detections of their runs."""
        step = 0
        for block in self.blocks:
            sums = block @ weight
            row = 0
            while row < len(sums):
                n = int(self.active[step])
                yield n, sums[row : row + n], sums[row + n : row + 2 * n]
                row += 2 * n
                step += 1


def _flags(bits: np.ndarray) -> np.ndarray:
    """Of (M, D) bits those of all thresholds at any area. Shape: (M * 10, D), bool."""
    each = np.array([bit(t, 0) for t in range(len(THRESHOLDS))])
    return (bits[:, None] & each[:, None] != 0).reshape(len(bits) * len(each), bits.shape[1])


def _split(indices: np.ndarray, start: np.ndarray, before: np.ndarray, width: int) -> Iterator[scipy.sparse.csr_matrix]:
    """Cut the rows into matrices of whole steps, of about `_ROWS_AT_ONCE` rows."""
    ones = np.ones(0, dtype=np.float32)
    step, steps = 0, len(before) - 1
    while step < steps:
        last = max(step + 1, int(np.searchsorted(before, before[step] + _ROWS_AT_ONCE, side="right")) - 1)
        rows = start[before[step] : before[last] + 1]
        low, high = int(rows[0]), int(rows[-1])
        if high - low > len(ones):
            ones = np.ones(high - low, dtype=np.float32)
        parts = (ones[: high - low], indices[low:high], (rows - low).astype(np.int32))
        yield scipy.sparse.csr_matrix(parts, shape=(len(rows) - 1, width))
        step = last
