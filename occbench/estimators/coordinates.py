"""Decoders of heads that give coordinates: SimCC's vectors, regression, and the stages of a cascade."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from .batch_decoder import BatchDecoder, Mirror, Raw, index_of, is_kernel, mean
from .heatmaps import Arrays, blurred_maps, columns_of, first_maximum, restoring_factor, table_of

if TYPE_CHECKING:
    import torch

# SimCC


def simcc_decoder(codec: Any, channels: int, mirror: Mirror | None) -> BatchDecoder | None:
    """Of SimCCHead and RTMCCHead with SimCCLabel; None for what only MMPose decodes."""
    if codec.decode_visibility or len(codec.sigma) != 2 or (mirror is not None and len(mirror) != channels):
        return None
    sizes = tuple(_simcc_kernel(sigma) for sigma in codec.sigma) if codec.use_dark else ()
    if not all(is_kernel(size) for size in sizes):
        return None
    return BatchDecoder(
        partial(_search_simcc, sizes),
        partial(_refine_simcc, codec, len(sizes)),
        None if mirror is None else partial(_merge_vectors, mirror=mirror),
    )


def _simcc_kernel(sigma: float) -> int:
    """The size of MMPose's blur."""
    size = int((sigma * 20 - 7) // 3)
    return size - (size % 2 == 0)


def _merge_vectors(raw: Raw, flipped: Raw, mirror: Mirror) -> Raw:
    """MMPose's ``flip_vectors`` and the average."""
    x, y = (vectors.index_select(1, index_of(mirror, vectors.device)) for vectors in flipped)
    return mean(raw[0], x.flip(-1)), mean(raw[1], y)


def _search_simcc(sizes: Sequence[int], raw: Raw) -> torch.Tensor:
    """For :func:`_refine_simcc`: both maxima; of each that is blurred, its maximum then, and what is near."""
    import torch

    batch, count = raw[0].shape[:2]
    vectors = [axis.flatten(0, 1).contiguous() for axis in raw]
    indices = [first_maximum(rows) for rows in vectors]
    maxima = [rows.gather(1, index[:, None])[:, 0] for rows, index in zip(vectors, indices, strict=True)]
    nowhere = torch.where(maxima[0] > maxima[1], maxima[1], maxima[0]) <= 0
    points = [index.masked_fill(nowhere, -1) for index in indices]
    columns = [*points, *maxima]
    for rows, point, size in zip(vectors, points, sizes, strict=False):
        blurred = blurred_maps(rows[None], size, 1)[0]
        near = (point[:, None] + torch.arange(-2, 3, device=rows.device)).clamp_(0, rows.shape[1] - 1)
        columns += [blurred.amax(1), blurred.gather(1, near)]
    return table_of(columns, (batch, count))


def _refine_simcc(codec: Any, blurred: int, table: np.ndarray) -> Arrays:
    """SimCCLabel.decode: the maxima of both vectors; the lower is the score, and if not positive, there is no point."""
    (points, maxima, *near), shape = columns_of(table, 2, 2, *[0, 5] * blurred)
    scores = np.where(maxima[:, 0] > maxima[:, 1], maxima[:, 1], maxima[:, 0])
    for axis in range(blurred):
        points[:, axis] -= _simcc_step(maxima[:, axis], near[2 * axis], near[2 * axis + 1])
    points /= codec.simcc_split_ratio
    return points.reshape(*shape, 2), scores.reshape(shape)


def _simcc_step(maxima: np.ndarray, highest: np.ndarray, near: np.ndarray) -> np.ndarray:
    """MMPose's ``refine_simcc_dark``: what to subtract from N points, of what is near on the blurred vectors (N, 5)."""
    near = np.log(np.clip(near * restoring_factor(maxima, highest)[:, None], 1e-3, 50.0))
    slope = 0.5 * (near[:, 3] - near[:, 1])
    step: np.ndarray = slope / (1e-9 + 0.25 * (near[:, 4] - 2 * near[:, 2] + near[:, 0]))
    return step


# Regression


def regression_decoder(
    codec: Any, joints: int, test_cfg: Mapping[str, Any], mirror: Mirror | None
) -> BatchDecoder | None:
    """Of RegressionHead and RLEHead with RegressionLabel; None where the mirror is of other joints."""
    refine = partial(_refine_coordinates, codec)
    if mirror is None:
        return BatchDecoder(lambda raw: _activated(raw[0]), refine, None)
    if len(mirror) != joints:
        return None
    shift = 1.0 / codec.input_size[0] if test_cfg.get("shift_coords", True) else 0.0
    return BatchDecoder(lambda raw: raw[0], refine, partial(_merge_coordinates, mirror=mirror, shift=shift))


def _activated(outputs: torch.Tensor) -> torch.Tensor:
    """Outputs (B, K, 2 or 4) with their sigmas, where there are any, as RLEHead decodes them."""
    import torch

    return torch.cat([outputs[..., :2], outputs[..., 2:].sigmoid()], -1)


def _merge_coordinates(raw: Raw, flipped: Raw, mirror: Mirror, shift: float) -> Raw:
    """MMPose's ``flip_coordinates`` and the average; ``shift`` is a px of the crop as a share of its width."""
    mirrored = _activated(flipped[0])
    mirrored[..., 0] = 1.0 - mirrored[..., 0] - shift
    return (mean(_activated(raw[0]), mirrored.index_select(1, index_of(mirror, mirrored.device))),)


def _refine_coordinates(codec: Any, outputs: np.ndarray) -> Arrays:
    """RegressionLabel.decode: the coordinates are shares of the crop; a score is one minus the mean sigma, or one."""
    sigmas = outputs[..., 2:]
    scores = (1 - sigmas).mean(-1) if sigmas.shape[-1] else np.ones(outputs.shape[:2], np.float32)
    return outputs[..., :2] * np.array(codec.input_size), scores


# Cascades


def cascade_decoder(codec: Any, joints: int, stages: int, mirror: Mirror | None) -> BatchDecoder | None:
    """Of CascadeHead with CentredLabel, every stage; None where the mirror is of other joints."""
    if mirror is not None and len(mirror) != joints:
        return None
    merge = None if mirror is None else partial(_merge_stages, mirror=mirror)
    return BatchDecoder(_stages_beside, partial(_refine_centred, codec), merge, earlier=stages - 1)


def _stages_beside(raw: Raw) -> torch.Tensor:
    """The poses of every stage, (B, K, 2 S)."""
    import torch

    return torch.cat(raw, -1)


def _merge_stages(raw: Raw, flipped: Raw, mirror: Mirror) -> Raw:
    """The average with the mirrored canvases, stage by stage, around the middle of the canvas."""
    return tuple(mean(own, _turned(other, mirror)) for own, other in zip(raw, flipped, strict=True))


def _turned(poses: torch.Tensor, mirror: Mirror) -> torch.Tensor:
    mirrored = poses.index_select(1, index_of(mirror, poses.device))
    mirrored[..., 0].neg_()
    return mirrored


def _refine_centred(codec: Any, outputs: np.ndarray) -> Arrays:
    """CentredLabel.decode of every stage; regression has no scores."""
    size = np.tile(np.array(codec.input_size), outputs.shape[-1] // 2)
    return (outputs + np.float32(0.5)) * size, np.ones(outputs.shape[:2], np.float32)
