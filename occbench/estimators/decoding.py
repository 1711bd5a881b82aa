"""Raw head outputs of a whole batch -> keypoints and scores, as MMPose decodes them one sample at a time.

What is large (averaging with the mirrored crops, blurring, finding maxima) is done where the tensors are; the few
values around each maximum then go through the NumPy arithmetic that MMPose 1.3 applies to one sample, in its precision
and its order. MMPose decides the corner cases: which of two equal maxima counts, what becomes of a map without a
positive value, where a refinement stops at the border.

Only what is known to take this path through MMPose is decoded here; see :func:`find_decoder`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ..system.compat import setup_mmpose
from .heatmaps import (
    Arrays,
    blurred_maps,
    columns_of,
    first_maximum,
    refine_dark,
    refine_msra,
    refine_udp,
    refine_udp_combined,
    restoring_factor,
    search_dark,
    search_msra,
    search_udp,
    search_udp_combined,
    table_of,
)
from .kept import keep, mirror_of_all

if TYPE_CHECKING:
    import torch
    from torch import nn

Raw = tuple["torch.Tensor", ...]
"""What a head's ``forward`` returns, float32; a lone tensor is a tuple of one, a list of stages a tuple of them."""

Mirror = tuple[int, ...]

OPTIONS = frozenset(
    {"flip_test", "flip_mode", "shift_heatmap", "shift_coords", "output_heatmaps", "output_keypoint_indices"}
)
"""All of ``test_cfg`` that MMPose's top-down estimator and these heads read."""

PART_BYTES = 4 << 20
"""Raw output decoded at a time on a CPU."""


class Decoder(Protocol):
    """Decodes the raw outputs of a batch of B crops."""

    @property
    def factor(self) -> tuple[float, float] | None:
        """Crop px per heatmap px along x and y; None where the output is no plain heatmap."""

    @property
    def earlier(self) -> int:
        """How many stages of a cascade come before the last: the keypoints of all stand beside each other, 2 S wide."""

    def merged(self, raw: Raw, flipped: Raw | None) -> Raw:
        """Heatmaps (B, K, H, W) of the last stage, those of the mirrored crops averaged in; where there is a factor."""

    def __call__(self, raw: Raw, flipped: Raw | None) -> tuple[np.ndarray, np.ndarray]:
        """Keypoints, shape (B, K, 2), float32, crop px, and their scores, shape (B, K), float32.

        Args:
            raw: Output of the head; left as it is.
            flipped: Its output for the mirrored crops, not mirrored back; None without flip test.

        Raises:
            ValueError: The flip test is on and ``flipped`` is None, or the other way round.
        """

    def decoded(self, merged: Raw) -> tuple[np.ndarray, np.ndarray]:
        """Keypoints and scores, as of a call, from what :meth:`merged` gave."""

    def found(self, raw: Raw, flipped: Raw | None) -> torch.Tensor:
        """The first half of a call: what the second needs, a table (B, K, columns), float32, where the outputs are.

        It waits for no device, so that it can be a part of a CUDA graph.
        """

    def finished(self, found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The second half of a call."""


@dataclass(frozen=True)
class _Decoder:
    """Averages with the output for the mirrored crops where the flip test is on, then decodes."""

    search: Callable[[Raw], torch.Tensor]
    refine: Callable[[np.ndarray], Arrays]
    merge: Callable[[Raw, Raw], Raw] | None
    factor: tuple[float, float] | None = None
    earlier: int = 0

    def merged(self, raw: Raw, flipped: Raw | None) -> Raw:
        import torch

        self._check(flipped)
        with torch.inference_mode():
            return raw[-1:] if self.merge is None or flipped is None else self.merge(raw, flipped)

    def decoded(self, merged: Raw) -> Arrays:
        return replace(self, merge=None)(merged, None)

    def found(self, raw: Raw, flipped: Raw | None) -> torch.Tensor:
        import torch

        self._check(flipped)
        with torch.inference_mode():
            piece = _contiguous(raw)
            if self.merge is not None and flipped is not None:
                piece = self.merge(piece, _contiguous(flipped))
            return self.search(piece)

    def finished(self, found: np.ndarray) -> Arrays:
        keypoints, scores = self.refine(found)
        return keypoints.astype(np.float32), scores.astype(np.float32)

    def _check(self, flipped: Raw | None) -> None:
        if (self.merge is None) != (flipped is None):
            expected = "without" if self.merge is None else "with"
            raise ValueError(f"this decoder is one for predictions {expected} flip test")

    def __call__(self, raw: Raw, flipped: Raw | None) -> Arrays:
        pieces = [
            self.finished(self.found(_cut(raw, part), None if flipped is None else _cut(flipped, part)).cpu().numpy())
            for part in _parts(raw)
        ]
        keypoints, scores = (np.concatenate(arrays) for arrays in zip(*pieces, strict=True))
        return keypoints, scores


def _parts(raw: Raw) -> list[slice]:
    """Which crops are decoded at a time: on a GPU all, on a CPU as many as fit in its cache."""
    crops = len(raw[0])
    if raw[0].device.type != "cpu":
        return [slice(0, crops)]
    size = sum(tensor[:1].nbytes for tensor in raw)
    step = max(1, PART_BYTES // size)
    return [slice(start, start + step) for start in range(0, crops, step)]


def _cut(raw: Raw, crops: slice) -> Raw:
    return tuple(tensor[crops] for tensor in raw)


def _contiguous(raw: Raw) -> Raw:
    """In memory as ``(B, K, ...)``, whatever layout the backend prefers."""
    return tuple(tensor.contiguous() for tensor in raw)


def find_decoder(head: nn.Module, test_cfg: Mapping[str, Any], flip_indices: Sequence[int]) -> Decoder | None:
    """The decoder whose figures are those of ``head.predict``.

    There is one for HeatmapHead, ViPNASHead and CPMHead with MSRAHeatmap (also unbiased: DARK) or UDPHeatmap, for
    RegressionHead and RLEHead with RegressionLabel, for SimCCHead and RTMCCHead with SimCCLabel, and for CascadeHead
    with CentredLabel; for these very classes only, since a subclass may decode differently. The crops must have the
    codec's ``input_size``.

    Args:
        head: A head of MMPose, its codec in ``decoder``.
        test_cfg: Of the estimator.
        flip_indices: For each keypoint, which one it is in the mirror.

    Returns:
        None where the head, its codec or an option is none of those: MMPose itself must decode.
    """
    if not set(test_cfg) <= OPTIONS:
        return None
    kept = test_cfg.get("output_keypoint_indices")
    if kept is None:
        return _decoder_of(head, test_cfg, flip_indices)
    channels: Any = getattr(head, "out_channels", None) or getattr(head, "num_joints", 0)
    decoder = _decoder_of(head, test_cfg, mirror_of_all(flip_indices, kept, channels))
    return None if decoder is None else replace(decoder, refine=keep(decoder.refine, kept))


def _decoder_of(head: nn.Module, test_cfg: Mapping[str, Any], flip_indices: Sequence[int]) -> _Decoder | None:
    setup_mmpose()
    from mmpose.codecs import MSRAHeatmap, RegressionLabel, SimCCLabel, UDPHeatmap
    from mmpose.models.heads import CPMHead, HeatmapHead, RegressionHead, RLEHead, RTMCCHead, SimCCHead, ViPNASHead

    from ..models.deeppose import CascadeHead, CentredLabel

    mirror = tuple(int(i) for i in flip_indices) if test_cfg.get("flip_test", False) else None
    codec: Any = getattr(head, "decoder", None)
    head_type, codec_type = type(head), type(codec)
    if head_type in (HeatmapHead, ViPNASHead, CPMHead) and codec_type in (MSRAHeatmap, UDPHeatmap):
        return _heatmap_decoder(_reading(codec, codec_type is MSRAHeatmap), head.out_channels, test_cfg, mirror)
    if head_type in (SimCCHead, RTMCCHead) and codec_type is SimCCLabel:
        return _simcc_decoder(codec, head.out_channels, mirror)
    if head_type in (RegressionHead, RLEHead) and codec_type is RegressionLabel:
        return _regression_decoder(codec, head.num_joints, test_cfg, mirror)
    if head_type is CascadeHead and codec_type is CentredLabel:
        return _cascade_decoder(codec, head.num_joints, head.stages, mirror)
    return None


def decoder_of(codec: Any, test_cfg: Mapping[str, Any], flip_indices: Sequence[int]) -> Decoder | None:
    """The decoder of outputs that no head of MMPose made; ``codec`` is MSRAHeatmap, UDPHeatmap or SimCCLabel."""
    mirror = tuple(flip_indices) if test_cfg.get("flip_test", False) else None
    if type(codec).__name__ == "SimCCLabel":
        return _simcc_decoder(codec, len(flip_indices), mirror)
    reading = _reading(codec, type(codec).__name__ == "MSRAHeatmap")
    return _heatmap_decoder(reading, len(flip_indices), test_cfg, mirror)


def _is_kernel(size: Any) -> bool:
    """Whether MMPose can blur with it."""
    return isinstance(size, int) and size >= 3 and size % 2 == 1


# Heatmaps


@dataclass(frozen=True)
class _Reading:
    """How heatmaps of a codec are read.

    Attributes:
        search: What is large, where the tensors are.
        refine: The rest.
        codec: Of MMPose.
        fields: Maps of a keypoint: 1, or 3 where two give offsets.
        blurs: Whether the maps are blurred.
    """

    search: Callable[[torch.Tensor], torch.Tensor]
    refine: Callable[[np.ndarray], Arrays]
    codec: Any
    fields: int = 1
    blurs: bool = True


def _reading(codec: Any, msra: bool) -> _Reading:
    if msra and not codec.unbiased:
        return _Reading(search_msra, partial(refine_msra, codec), codec, blurs=False)
    if msra:
        return _Reading(partial(search_dark, codec), partial(refine_dark, codec), codec)
    if codec.heatmap_type == "gaussian":
        return _Reading(partial(search_udp, codec), partial(refine_udp, codec), codec)
    return _Reading(partial(search_udp_combined, codec), partial(refine_udp_combined, codec), codec, fields=3)


def _heatmap_decoder(
    reading: _Reading, channels: int, test_cfg: Mapping[str, Any], mirror: Mirror | None
) -> _Decoder | None:
    codec, combined = reading.codec, reading.fields == 3
    mode = "udp_combined" if combined else "heatmap"
    if mirror is not None and (
        test_cfg.get("flip_mode", "heatmap") != mode or reading.fields * len(mirror) != channels
    ):
        return None
    if reading.blurs and not _is_kernel(codec.blur_kernel_size):
        return None
    merge = _merge_fields if combined else _merge_heatmaps
    shift = bool(test_cfg.get("shift_heatmap", False))
    return _Decoder(
        lambda raw: reading.search(raw[-1]),
        reading.refine,
        None if mirror is None else partial(merge, mirror=mirror, shift=shift),
        None if combined else (float(codec.scale_factor[0]), float(codec.scale_factor[1])),
    )


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
    """The average, in the memory of ``mirrored``."""
    return mirrored.add_(raw).mul_(0.5)


@lru_cache
def _index(mirror: Mirror, device: torch.device) -> torch.Tensor:
    import torch

    return torch.tensor(mirror, device=device)


# SimCC


def _simcc_decoder(codec: Any, channels: int, mirror: Mirror | None) -> _Decoder | None:
    if codec.decode_visibility or len(codec.sigma) != 2 or (mirror is not None and len(mirror) != channels):
        return None
    sizes = tuple(_simcc_kernel(sigma) for sigma in codec.sigma) if codec.use_dark else ()
    if not all(_is_kernel(size) for size in sizes):
        return None
    return _Decoder(
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
    x, y = (vectors.index_select(1, _index(mirror, vectors.device)) for vectors in flipped)
    return _mean(raw[0], x.flip(-1)), _mean(raw[1], y)


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


def _regression_decoder(codec: Any, joints: int, test_cfg: Mapping[str, Any], mirror: Mirror | None) -> _Decoder | None:
    refine = partial(_refine_coordinates, codec)
    if mirror is None:
        return _Decoder(lambda raw: _activated(raw[0]), refine, None)
    if len(mirror) != joints:
        return None
    shift = 1.0 / codec.input_size[0] if test_cfg.get("shift_coords", True) else 0.0
    return _Decoder(lambda raw: raw[0], refine, partial(_merge_coordinates, mirror=mirror, shift=shift))


def _activated(outputs: torch.Tensor) -> torch.Tensor:
    """Outputs (B, K, 2 or 4) with their sigmas, where there are any, as RLEHead decodes them."""
    import torch

    return torch.cat([outputs[..., :2], outputs[..., 2:].sigmoid()], -1)


def _merge_coordinates(raw: Raw, flipped: Raw, mirror: Mirror, shift: float) -> Raw:
    """MMPose's ``flip_coordinates`` and the average; ``shift`` is a px of the crop as a share of its width."""
    mirrored = _activated(flipped[0])
    mirrored[..., 0] = 1.0 - mirrored[..., 0] - shift
    return (_mean(_activated(raw[0]), mirrored.index_select(1, _index(mirror, mirrored.device))),)


def _refine_coordinates(codec: Any, outputs: np.ndarray) -> Arrays:
    """RegressionLabel.decode: the coordinates are shares of the crop; a score is one minus the mean sigma, or one."""
    sigmas = outputs[..., 2:]
    scores = (1 - sigmas).mean(-1) if sigmas.shape[-1] else np.ones(outputs.shape[:2], np.float32)
    return outputs[..., :2] * np.array(codec.input_size), scores


# Cascades


def _cascade_decoder(codec: Any, joints: int, stages: int, mirror: Mirror | None) -> _Decoder | None:
    if mirror is not None and len(mirror) != joints:
        return None
    merge = None if mirror is None else partial(_merge_stages, mirror=mirror)
    return _Decoder(_stages_beside, partial(_refine_centred, codec), merge, earlier=stages - 1)


def _stages_beside(raw: Raw) -> torch.Tensor:
    """The poses of every stage, (B, K, 2 S)."""
    import torch

    return torch.cat(raw, -1)


def _merge_stages(raw: Raw, flipped: Raw, mirror: Mirror) -> Raw:
    """The average with the mirrored canvases, stage by stage, around the middle of the canvas."""
    return tuple(_mean(own, _turned(other, mirror)) for own, other in zip(raw, flipped, strict=True))


def _turned(poses: torch.Tensor, mirror: Mirror) -> torch.Tensor:
    mirrored = poses.index_select(1, _index(mirror, poses.device))
    mirrored[..., 0].neg_()
    return mirrored


def _refine_centred(codec: Any, outputs: np.ndarray) -> Arrays:
    """CentredLabel.decode of every stage; regression has no scores."""
    size = np.tile(np.array(codec.input_size), outputs.shape[-1] // 2)
    return (outputs + np.float32(0.5)) * size, np.ones(outputs.shape[:2], np.float32)
