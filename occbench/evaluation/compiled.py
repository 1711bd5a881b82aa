"""`resampling`'s walk along the curves, compiled by numba where that is installed (``occbench[fast]``): the same bits.

A run of right detections is worth a difference of running sums, and the sum of all judged detections is shared by the
thresholds of a mask, so that only the ends of runs cost anything; all that a block of draws needs stays in the cache.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

BLOCK = 128
"""Draws at once: their weights, a byte each, stay in the second-level cache for some thousands of images."""
WORTH = 5e8
"""Detections times curves times draws below which loading numba takes longer than it saves."""
Walk: TypeAlias = Callable[..., None]


def is_worth(work: int) -> bool:
    """Whether there is enough to do, and numba is there; ``work``: curves times detections times draws."""
    return work >= WORTH and walk() is not None


def summed_precision(
    right: np.ndarray, wrong: np.ndarray, image: np.ndarray, blocks: np.ndarray, weights: np.ndarray, stretch: int
) -> np.ndarray:
    """Sum of the interpolated precision over the true positives, by mask, threshold and draw; where :func:`is_worth`.

    Args:
        right: Shape (M, T, D), bool: detections in order of score, by mask and threshold.
        wrong: Likewise.
        image: Shape (D,), int.
        blocks: Shape (blocks, I, BLOCK), float32: how often each image counts in each draw of a block.
        weights: The same as uint8.
        stretch: Detections after which a sum is rounded even within a run, as `resampling` does.

    Returns:
        Shape (blocks, M, T, BLOCK), float32.
    """
    counted = right | wrong
    kinds = right + 2 * wrong.astype(np.uint8)
    mask, place = np.nonzero(kinds.any(axis=1))
    starts = np.searchsorted(mask, np.arange(len(right) + 1))
    judged, hits = (_totals(flags, image, blocks) for flags in (counted, right))
    total = np.zeros_like(hits)
    compiled = walk()
    assert compiled is not None
    compiled(starts, place // stretch, kinds[mask, :, place], image[place], weights, hits, judged, total)
    return total


def _totals(flags: np.ndarray, image: np.ndarray, blocks: np.ndarray) -> np.ndarray:
    """The weights of all flagged detections; ``flags``: shape (M, T, D), bool. Shape: (blocks, M, T, BLOCK), float32.

    A mask mostly judges the same detections at all thresholds: what follows its like is not summed again.
    """
    rows = flags.reshape(-1, flags.shape[-1])
    new = np.append(True, (rows[1:] != rows[:-1]).any(axis=1))
    counts = np.array([np.bincount(image[row], minlength=blocks.shape[1]) for row in rows[new]], dtype=np.float32)
    sums = (counts @ blocks)[:, np.cumsum(new) - 1]
    return sums.reshape(len(blocks), *flags.shape[:2], -1)


@functools.cache
def walk() -> Walk | None:
    """The compiled function; None without numba. Compiled at its first call, and kept in a cache of numba's own."""
    try:
        import numba
    except ImportError:
        return None
    try:
        compiled: Walk = numba.njit(cache=True, error_model="numpy")(_walk)
    except RuntimeError:  # there is nowhere to keep it
        compiled = numba.njit(error_model="numpy")(_walk)
    return compiled


def _walk(
    starts: np.ndarray,
    stretch: np.ndarray,
    kinds: np.ndarray,
    image: np.ndarray,
    weights: np.ndarray,
    hits: np.ndarray,
    judged: np.ndarray,
    total: np.ndarray,
) -> None:
    """Walk every mask's judged detections from the worst score to the best, block of draws by block.

    Args:
        starts: Shape (M + 1,), int: where the detections of a mask begin among all N.
        stretch: Shape (N,), int, like all that follow in order of score within a mask: the stretch that each is in.
        kinds: Shape (N, T), uint8: 1 right, 2 wrong, 0 neither.
        image: Shape (N,), int.
        weights: Shape (blocks, I, BLOCK), uint8.
        hits: Shape (blocks, M, T, BLOCK), float32: all true positives; ``judged``: and the false ones, likewise.
        total: Likewise; is written.
    """
    thresholds = kinds.shape[1]
    seen = np.empty(BLOCK, np.float32)  # weights of all detections walked so far
    inside = np.empty(thresholds, np.bool_)  # whether in a run of right ones
    shape = (thresholds, BLOCK)
    left, right, began = np.empty(shape, np.float32), np.empty(shape, np.float32), np.empty(shape, np.float32)
    envelope, summed = np.empty(shape, np.float32), np.empty(shape, np.float32)
    for block in range(len(weights)):
        for mask in range(len(starts) - 1):
            seen[:] = 0
            inside[:] = False
            left[:] = judged[block, mask]
            right[:] = hits[block, mask]
            envelope[:] = 0
            summed[:] = 0
            for d in range(starts[mask + 1] - 1, starts[mask] - 1, -1):
                weight = weights[block, image[d]]
                ends = d + 1 < starts[mask + 1] and stretch[d] != stretch[d + 1]
                for t in range(thresholds):
                    kind = kinds[d, t]
                    if inside[t] and (ends or kind == 2):
                        for b in range(BLOCK):
                            gain = began[t, b] - (left[t, b] - seen[b])
                            summed[t, b] += gain * envelope[t, b]
                            right[t, b] -= gain
                        inside[t] = False
                    if kind == 0:
                        for b in range(BLOCK):
                            left[t, b] += np.float32(weight[b])
                    elif kind == 1 and not inside[t]:
                        for b in range(BLOCK):
                            began[t, b] = left[t, b] - seen[b]
                            precision = right[t, b] / began[t, b]
                            if precision > envelope[t, b]:  # 0 / 0, nothing drawn yet, is not
                                envelope[t, b] = precision
                        inside[t] = True
                for b in range(BLOCK):
                    seen[b] += np.float32(weight[b])
            for t in range(thresholds):
                if inside[t]:
                    for b in range(BLOCK):
                        summed[t, b] += (began[t, b] - (left[t, b] - seen[b])) * envelope[t, b]
                for b in range(BLOCK):
                    total[block, mask, t, b] = summed[t, b]
