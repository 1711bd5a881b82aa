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
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..system.compat import setup_mmpose
from .batch_decoder import BatchDecoder, Decoder, Mirror, Raw, index_of, is_kernel, mean
from .coarse_to_fine import coarse_to_fine_decoder
from .coordinates import cascade_decoder, regression_decoder, simcc_decoder
from .heatmaps import (
    Arrays,
    refine_dark,
    refine_msra,
    refine_udp,
    refine_udp_combined,
    search_dark,
    search_msra,
    search_udp,
    search_udp_combined,
)
from .kept import keep, mirror_of_all

if TYPE_CHECKING:
    import torch
    from torch import nn

OPTIONS = frozenset(
    {"flip_test", "flip_mode", "shift_heatmap", "shift_coords", "output_heatmaps", "output_keypoint_indices"}
)
"""All of ``test_cfg`` that MMPose's top-down estimator and these heads read."""


def find_decoder(head: nn.Module, test_cfg: Mapping[str, Any], flip_indices: Sequence[int]) -> Decoder | None:
    """The decoder whose figures are those of ``head.predict``.

    There is one for HeatmapHead, ViPNASHead and CPMHead with MSRAHeatmap (also unbiased: DARK) or UDPHeatmap, for
    RegressionHead and RLEHead with RegressionLabel, for SimCCHead and RTMCCHead with SimCCLabel, for CascadeHead with
    CentredLabel, and for CoarseToFineHead with JointPlaces; for these very classes only, since a subclass may decode
    differently. The crops must have the codec's ``input_size``.

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


def _decoder_of(head: nn.Module, test_cfg: Mapping[str, Any], flip_indices: Sequence[int]) -> BatchDecoder | None:
    setup_mmpose()
    from mmpose.codecs import MSRAHeatmap, RegressionLabel, SimCCLabel, UDPHeatmap
    from mmpose.models.heads import CPMHead, HeatmapHead, RegressionHead, RLEHead, RTMCCHead, SimCCHead, ViPNASHead

    from ..models.coarse_to_fine import CoarseToFineHead, JointPlaces
    from ..models.deeppose import CascadeHead, CentredLabel

    mirror = tuple(int(i) for i in flip_indices) if test_cfg.get("flip_test", False) else None
    codec: Any = getattr(head, "decoder", None)
    head_type, codec_type = type(head), type(codec)
    if head_type in (HeatmapHead, ViPNASHead, CPMHead) and codec_type in (MSRAHeatmap, UDPHeatmap):
        return _heatmap_decoder(_reading(codec, codec_type is MSRAHeatmap), head.out_channels, test_cfg, mirror)
    if head_type in (SimCCHead, RTMCCHead) and codec_type is SimCCLabel:
        return simcc_decoder(codec, head.out_channels, mirror)
    if head_type in (RegressionHead, RLEHead) and codec_type is RegressionLabel:
        return regression_decoder(codec, head.num_joints, test_cfg, mirror)
    if head_type is CascadeHead and codec_type is CentredLabel:
        return cascade_decoder(codec, head.num_joints, head.stages, mirror)
    if head_type is CoarseToFineHead and codec_type is JointPlaces:
        return coarse_to_fine_decoder(head)
    return None


def decoder_of(codec: Any, test_cfg: Mapping[str, Any], flip_indices: Sequence[int]) -> Decoder | None:
    """The decoder of outputs that no head of MMPose made; ``codec`` is MSRAHeatmap, UDPHeatmap or SimCCLabel."""
    mirror = tuple(flip_indices) if test_cfg.get("flip_test", False) else None
    if type(codec).__name__ == "SimCCLabel":
        return simcc_decoder(codec, len(flip_indices), mirror)
    reading = _reading(codec, type(codec).__name__ == "MSRAHeatmap")
    return _heatmap_decoder(reading, len(flip_indices), test_cfg, mirror)


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
) -> BatchDecoder | None:
    codec, combined = reading.codec, reading.fields == 3
    mode = "udp_combined" if combined else "heatmap"
    if mirror is not None and (
        test_cfg.get("flip_mode", "heatmap") != mode or reading.fields * len(mirror) != channels
    ):
        return None
    if reading.blurs and not is_kernel(codec.blur_kernel_size):
        return None
    merge = _merge_fields if combined else _merge_heatmaps
    shift = bool(test_cfg.get("shift_heatmap", False))
    return BatchDecoder(
        lambda raw: reading.search(raw[-1]),
        reading.refine,
        None if mirror is None else partial(merge, mirror=mirror, shift=shift),
        None if combined else (float(codec.scale_factor[0]), float(codec.scale_factor[1])),
    )


def _merge_heatmaps(raw: Raw, flipped: Raw, mirror: Mirror, shift: bool) -> Raw:
    """MMPose's ``flip_heatmaps`` in mode ``heatmap`` and the average; of the last stage."""
    mirrored = flipped[-1].index_select(1, index_of(mirror, flipped[-1].device)).flip(-1)
    return (mean(raw[-1], _shifted(mirrored) if shift else mirrored),)


def _merge_fields(raw: Raw, flipped: Raw, mirror: Mirror, shift: bool) -> Raw:
    """MMPose's ``flip_heatmaps`` in mode ``udp_combined`` and the average: x offsets change their sign."""
    fields = flipped[-1].unflatten(1, (-1, 3))
    mirrored = fields.index_select(1, index_of(mirror, fields.device)).flip(-1)
    mirrored[:, :, 1].neg_()
    mirrored = mirrored.flatten(1, 2)
    return (mean(raw[-1], _shifted(mirrored) if shift else mirrored),)


def _shifted(maps: torch.Tensor) -> torch.Tensor:
    """One px to the right; the first column stays."""
    import torch

    return torch.cat([maps[..., :1], maps[..., :-1]], -1)
