"""The estimator: MMPose's, with the flip test inside of the network and training in phases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmpose.models.pose_estimators import TopdownPoseEstimator
from mmpose.registry import MODELS
from torch import Tensor

from .head import CoarseToFineHead


@MODELS.register_module()
class CoarseToFineEstimator(TopdownPoseEstimator):
    """A top-down estimator whose fine network looks, in both pictures of a flip test, at what both say together.

    Two passes that know nothing of each other, of which results are averaged, would be two pairs of windows. So with
    ``test_cfg=dict(flip_test=True)`` what it gives in mode ``tensor`` has the mirrored crop averaged in.

    Args:
        args: As of MMPose's TopdownPoseEstimator.
        kwargs: Likewise; the head is a :class:`~.head.CoarseToFineHead`.
    """

    head: CoarseToFineHead

    def mirror_by(self, flip_indices: Sequence[int]) -> None:
        """Tell which joint each one is in the mirror."""
        self.head.mirror = tuple(int(i) for i in flip_indices)

    def set_phase(self, phase: str) -> None:
        """Train the coarse network, the fine one with the coarse one fixed, or both: one of ``head.PHASES``."""
        self.head.set_phase(phase)
        for part in (self.backbone, self.head.coarse):
            part.requires_grad_(phase != "fine")
        if self.head.fine is not None:
            self.head.fine.requires_grad_(phase != "coarse")
        self.train(self.training)

    def train(self, mode: bool = True) -> CoarseToFineEstimator:
        """As of a module; what is fixed stays as it is in testing, without dropout."""
        super().train(mode)
        if mode and self.head.phase == "fine":
            self.backbone.eval()
            self.head.coarse.eval()
        return self

    def _forward(self, inputs: Tensor, data_samples: Any = None) -> tuple[Tensor, ...]:
        feats = self.extract_feat(inputs)
        if not self.test_cfg.get("flip_test", False):
            return self.head.forward(feats)
        return self.head.forward_both(feats, self.extract_feat(inputs.flip(-1)))
