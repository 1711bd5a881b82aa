"""One codec for bottom-up networks with tags, with both published rules of grouping by name."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from mmpose.codecs.base import BaseKeypointCodec
from mmpose.registry import KEYPOINT_CODECS
from torch import Tensor

from ...system.errors import OccbenchError, unknown_name
from .grouping import ORDER, RULES, Candidates, group
from .joints import adjust, fill
from .targets import heatmap_targets, tag_indices


@KEYPOINT_CODECS.register_module()
class TaggedHeatmaps(BaseKeypointCodec):
    """Heatmaps at several levels and tags at the first, after "Associative Embedding" (Newell et al., 2017).

    Encoded are ``heatmaps``, a list of (K, H, W), float32, one per level, and ``keypoint_indices``, (N, K, 2), int64:
    where each joint's tag is read at the first level (:func:`~.targets.tag_indices`). Coordinates of a level are those
    of the input times its share of it.

    Args:
        input_size: Width and height of the network's input, px.
        heatmap_sizes: Of the levels, the coarsest first.
        sigma: Of the Gaussians, px, at every level; -1: a 64th of the level's width.
        rule: Of decoding, one of :data:`~.grouping.RULES`.
        order: In which joints are grouped; by default COCO's from the head outwards, or as they come where there are
            not 17.
        nms: Side of the window that a peak is the largest of, px, odd.
        candidates: Peaks of each joint at most.
        threshold: Candidates must score more than that.
        tag_threshold: A candidate joins a person whose mean tag is nearer than that.
        people: Encoded are only so many persons of a photo, those that come first.

    Raises:
        OccbenchError: The rule is unknown, or a number is not what it can be.
    """

    label_mapping_table = {"keypoint_indices": "keypoint_indices"}  # noqa: RUF012 (as MMPose's)
    field_mapping_table = {"heatmaps": "heatmaps", "heatmap_mask": "heatmap_mask"}  # noqa: RUF012
    support_batch_decoding = True

    def __init__(
        self,
        input_size: tuple[int, int] = (512, 512),
        heatmap_sizes: Sequence[tuple[int, int]] = ((128, 128), (256, 256)),
        sigma: float = 2.0,
        rule: str = "official",
        order: Sequence[int] | None = None,
        nms: int = 5,
        candidates: int = 30,
        threshold: float = 0.1,
        tag_threshold: float = 1.0,
        people: int = 30,
    ) -> None:
        super().__init__()
        if rule not in RULES:
            raise unknown_name("rule", rule, RULES)
        if nms < 1 or nms % 2 == 0 or candidates < 1 or not heatmap_sizes or sigma == 0 or people < 1:
            raise OccbenchError(
                f"TaggedHeatmaps needs at least one level, a sigma that is not 0, an odd nms, and candidates and "
                f"people of at least 1, but got heatmap_sizes={tuple(heatmap_sizes)}, sigma={sigma}, nms={nms}, "
                f"candidates={candidates}, people={people}"
            )
        self.input_size = (int(input_size[0]), int(input_size[1]))
        self.heatmap_sizes = [(int(width), int(height)) for width, height in heatmap_sizes]
        self.sigma = sigma
        self.rule = RULES[rule]
        self.order = None if order is None else tuple(order)
        self.nms = nms
        self.candidates = candidates
        self.threshold = threshold
        self.tag_threshold = tag_threshold
        self.people = people

    def encode(self, keypoints: np.ndarray, keypoints_visible: np.ndarray | None = None) -> dict[str, Any]:
        """The targets of a photo.

        Args:
            keypoints: Shape (N, K, 2), px of the input.
            keypoints_visible: Shape (N, K); above .5 is labelled. None: all are.
        """
        points = np.asarray(keypoints, np.float64)[: self.people, :, :2]
        visible = np.ones(points.shape[:2], bool) if keypoints_visible is None else keypoints_visible > 0.5
        visible = visible[: self.people]
        scaled = [points * (np.array(size) / self.input_size) for size in self.heatmap_sizes]
        maps = [
            heatmap_targets(at, visible, size, size[0] / 64 if self.sigma < 0 else self.sigma)
            for at, size in zip(scaled, self.heatmap_sizes, strict=True)
        ]
        return {"heatmaps": maps, "keypoint_indices": tag_indices(scaled[0], visible, self.heatmap_sizes[0])}

    def find(self, heatmaps: Tensor, tags: Tensor) -> Candidates:
        """The candidates of one photo.

        Args:
            heatmaps: Shape (K, H, W).
            tags: Shape (K, H, W, T).
        """
        largest = _largest_around(_largest_around(heatmaps, self.nms // 2, 1), self.nms // 2, 2)
        peaks = torch.where(heatmaps == largest, heatmaps, 0).flatten(1)
        scores, index = peaks.topk(min(self.candidates, peaks.shape[1]))
        width, t = heatmaps.shape[2], tags.shape[-1]
        read = tags.flatten(1, 2).gather(1, index[..., None].expand(-1, -1, t))
        places = torch.stack([index % width, index // width], -1)
        return Candidates(*(values.cpu().numpy() for values in (scores, places, read)))

    def put_together(self, candidates: Candidates) -> np.ndarray:
        """The persons of a photo's candidates, as :func:`~.grouping.group` gives them."""
        joints = len(candidates.scores)
        order = self.order or (ORDER if joints == len(ORDER) else tuple(range(joints)))
        return group(candidates, self.rule, order, self.threshold, self.tag_threshold)

    def finish(self, people: np.ndarray, heatmaps: np.ndarray, tags: np.ndarray) -> tuple[np.ndarray, ...]:
        """Positions, scores and persons' scores of what was put together.

        Args:
            people: Shape (P, K, 3 + T).
            heatmaps: Shape (K, H, W), float32.
            tags: Shape (K, H, W, T), float32.

        Returns:
            Keypoints (P, K, 2), px of the map; their scores (P, K); the persons' (P,): the mean score of their joints
            before those that they lack are filled in. All float32.
        """
        scores = people[..., 2].mean(axis=1)
        done = fill(adjust(people, heatmaps, self.rule), heatmaps, tags, self.rule)
        return done[..., :2], done[..., 2], scores

    def decode(self, encoded: tuple[Tensor, Tensor]) -> tuple[np.ndarray, ...]:
        """The persons of one photo's heatmaps (K, H, W) and tags (K, H, W, T); as of :meth:`finish`."""
        heatmaps, tags = encoded
        people = self.put_together(self.find(heatmaps, tags))
        return self.finish(people, heatmaps.cpu().numpy(), tags.cpu().numpy())

    def batch_decode(self, heatmaps: Tensor, tags: Tensor) -> tuple[list[np.ndarray], ...]:
        """Of heatmaps (B, K, H, W) and tags (B, K, H, W, T): a list of each of what :meth:`finish` returns."""
        keypoints, joint_scores, scores = zip(*map(self.decode, zip(heatmaps, tags, strict=True)), strict=True)
        return list(keypoints), list(joint_scores), list(scores)


def _largest_around(heatmaps: Tensor, far: int, axis: int) -> Tensor:
    """The largest value up to ``far`` px away along an axis: what max_pool2d gives, several times as fast on a CPU."""
    length = heatmaps.shape[axis]
    padded = F.pad(heatmaps, (far, far, 0, 0) if axis == 2 else (0, 0, far, far), value=-math.inf)
    largest = padded.narrow(axis, 0, length)
    for start in range(1, 2 * far + 1):
        largest = torch.maximum(largest, padded.narrow(axis, start, length))
    return largest
