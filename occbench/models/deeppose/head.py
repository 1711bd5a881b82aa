"""The head of a cascade: the stages' poses as they are, the last of them decoded."""

from __future__ import annotations

from typing import Any

import torch
from mmpose.models.heads.base_head import BaseHead
from mmpose.registry import KEYPOINT_CODECS, MODELS
from torch import Tensor

from ...system.errors import OccbenchError


@MODELS.register_module()
class CascadeHead(BaseHead):
    """Decodes the last stage of a :class:`~.cascade.DeepPoseCascade`; it has no weights of its own.

    Args:
        num_joints: K.
        stages: S, as the backbone has them.
        decoder: A CentredLabel with the size of the canvas.
    """

    def __init__(self, num_joints: int, stages: int, decoder: dict[str, Any]) -> None:
        super().__init__()
        self.num_joints = num_joints
        self.stages = stages
        self.decoder = KEYPOINT_CODECS.build(decoder)

    def forward(self, feats: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The poses of every stage, shape (B, K, 2), canvas units."""
        return tuple(feats)

    def predict(self, feats: Any, batch_data_samples: Any, test_cfg: Any = {}) -> Any:  # noqa: B006 (as MMPose's)
        """The poses of the last stage; with flip test averaged with those of the mirrored canvases, which are whole."""
        if test_cfg.get("flip_test", False):
            found, flipped = (self.forward(part)[-1] for part in feats)
            poses = (found + mirrored(flipped, batch_data_samples[0].metainfo["flip_indices"])) * 0.5
        else:
            poses = self.forward(feats)[-1]
        return self.decode(poses.unsqueeze(1))

    def loss(self, feats: Any, batch_data_samples: Any, train_cfg: Any = {}) -> Any:  # noqa: B006 (as MMPose's)
        """Refused: each stage is trained on simulated predictions of the one before.

        Raises:
            OccbenchError: Always.
        """
        raise OccbenchError("a cascade is trained stage after stage, by `occbench train --model deeppose-cascade`")


def mirrored(poses: Tensor, flip_indices: Any) -> Tensor:
    """Poses (B, K, 2), canvas units, in the mirror image."""
    swapped = poses[:, torch.as_tensor(list(flip_indices), device=poses.device)]
    return torch.stack([-swapped[..., 0], swapped[..., 1]], -1)
