"""The maps of the last batch, kept to be put together once more as the truth has it."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmpose.codecs import AssociativeEmbedding
from torch import Tensor

from .codec import TaggedHeatmaps
from .grouping import by_truth


class Remembering:
    """A codec that decodes as the one inside it, and keeps what it decoded last.

    Args:
        decoder: A :class:`~.codec.TaggedHeatmaps`, or MMPose's AssociativeEmbedding.

    Attributes:
        last: The heatmaps (K, H, W) and tags (K, H, W, T) of every photo of the last batch.
    """

    def __init__(self, decoder: Any) -> None:
        self._decoder = decoder
        self._codec = decoder if isinstance(decoder, TaggedHeatmaps) else _as_ours(decoder)
        self.last: list[tuple[Tensor, Tensor]] = []

    def __getattr__(self, name: str) -> Any:
        if name == "_decoder":  # while it is copied
            raise AttributeError(name)
        return getattr(self._decoder, name)

    def batch_decode(self, heatmaps: Tensor, tags: Tensor) -> Any:
        """As the codec inside."""
        own = tags
        if not isinstance(self._decoder, TaggedHeatmaps):  # (B, T K, H, W)
            own = tags.unflatten(1, (-1, heatmaps.shape[1])).permute(0, 2, 3, 4, 1)
        self.last = list(zip(heatmaps, own, strict=True))
        return self._decoder.batch_decode(heatmaps, tags)

    def regrouped(
        self, maps: tuple[Tensor, Tensor], points: np.ndarray, labelled: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        """Keypoints, their scores and persons' scores (:meth:`~.codec.TaggedHeatmaps.finish`) under the true grouping.

        Args:
            maps: Of one photo.
            points: Shape (N, K, 2): the annotated persons, px of the maps.
            labelled: Shape (N, K), bool.
        """
        heatmaps, tags = maps
        people = by_truth(self._codec.find(heatmaps, tags), points, labelled, self._codec.threshold)
        return self._codec.finish(people, heatmaps.cpu().numpy(), tags.cpu().numpy())


def remember(head: Any) -> Remembering | None:
    """Let the head of a model with tags keep what it decodes; None for other models."""
    decoder: Any = getattr(head, "decoder", None)
    known = isinstance(decoder, TaggedHeatmaps) or (
        type(decoder) is AssociativeEmbedding and not decoder.use_udp and head.tag_per_keypoint
    )
    if not known:
        return None
    head.decoder = Remembering(decoder)
    return head.decoder


def _as_ours(decoder: AssociativeEmbedding) -> TaggedHeatmaps:
    """MMPose's codec as one of ours, with its rule and constants."""
    return TaggedHeatmaps(
        decoder.input_size,
        (decoder.heatmap_size,),
        rule="mmpose",
        order=decoder.decode_keypoint_order,
        nms=decoder.decode_nms_kernel,
        candidates=decoder.decode_topk,
        threshold=decoder.decode_keypoint_thr,
        tag_threshold=decoder.decode_tag_thr,
    )
