"""The head of HigherHRNet: heatmaps and tags at the backbone's resolution, heatmaps at each doubled one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.structures import InstanceData, PixelData
from mmpose.models.backbones.resnet import BasicBlock
from mmpose.models.heads.base_head import BaseHead
from mmpose.registry import KEYPOINT_CODECS, MODELS
from torch import Tensor, nn

from ...system.errors import OccbenchError
from .aggregate import Maps, joined_scales, levels_of

INITIAL_STD = 1e-3


@MODELS.register_module()
class HigherHRNetHead(BaseHead):
    """HigherHRNet's head (Cheng et al., CVPR 2020), with any number of doubled resolutions; with none, AE-HRNet's.

    The first level reads the features by a 1x1 convolution and gives K heatmaps, then K tags. Each further level
    concatenates features and the level before it (the first of the two alone where ``concatenate`` says so), doubles
    them by a transposed 4x4 convolution, passes them through residual blocks, and gives K heatmaps.

    Args:
        in_channels: Of the features, of which the last one of a tuple is taken.
        num_keypoints: K.
        deconv_channels: Of each doubled resolution.
        blocks: Residual blocks at each of them.
        concatenate: Whether each doubled resolution reads the level before it besides the features.
        loss: Config of a :class:`~.loss.TaggedHeatmapLoss`.
        decoder: Config of a :class:`~.codec.TaggedHeatmaps`; None for a head that only gives its outputs.
        init_cfg: MMEngine's.

    Raises:
        OccbenchError: ``concatenate`` has another length than ``deconv_channels``.
    """

    def __init__(
        self,
        in_channels: int,
        num_keypoints: int = 17,
        deconv_channels: Sequence[int] = (32,),
        blocks: int = 4,
        concatenate: Sequence[bool] | None = None,
        loss: dict[str, Any] | None = None,
        decoder: dict[str, Any] | None = None,
        init_cfg: Any = None,
    ) -> None:
        super().__init__(init_cfg)
        concatenate = [True] * len(deconv_channels) if concatenate is None else list(concatenate)
        if len(concatenate) != len(deconv_channels):
            raise OccbenchError(
                f"concatenate of HigherHRNetHead says of each of deconv_channels whether it reads the level before it, "
                f"but got concatenate={concatenate}, deconv_channels={list(deconv_channels)}"
            )
        self.num_keypoints = num_keypoints
        self.concatenate = concatenate
        self.final_layers = nn.ModuleList([nn.Conv2d(in_channels, 2 * num_keypoints, 1)])
        self.deconv_layers = nn.ModuleList()
        channels, before = in_channels, 2 * num_keypoints
        for width, joined in zip(deconv_channels, concatenate, strict=True):
            self.deconv_layers.append(_doubled(channels + before * joined, width, blocks))
            self.final_layers.append(nn.Conv2d(width, num_keypoints, 1))
            channels, before = width, num_keypoints
        self.loss_module = MODELS.build(loss or {"type": "TaggedHeatmapLoss"})
        self.decoder: Any = None if decoder is None else KEYPOINT_CODECS.build(decoder)

    def forward(self, feats: Tensor | tuple[Tensor, ...]) -> list[Tensor]:
        """The outputs of every level: (B, 2K, H, W), heatmaps before tags, then (B, K, 2H, 2W), ..."""
        x = feats if isinstance(feats, Tensor) else feats[-1]
        outputs = [self.final_layers[0](x)]
        for joined, deconv, final in zip(self.concatenate, self.deconv_layers, self.final_layers[1:], strict=True):
            x = deconv(torch.cat([x, outputs[-1]], 1) if joined else x)
            outputs.append(final(x))
        return outputs

    def loss(self, feats: Any, batch_data_samples: Any, train_cfg: Any = {}) -> dict[str, Tensor]:  # noqa: B006
        """The losses by name; arguments as MMPose's."""
        heatmaps, tags = levels_of([output.float() for output in self.forward(feats)], self.num_keypoints)
        fields = [sample.gt_fields for sample in batch_data_samples]
        targets, masks = (
            [torch.stack([getattr(field, name)[i] for field in fields]) for i in range(len(heatmaps))]
            for name in ("heatmaps", "heatmap_mask")
        )
        indices = [sample.gt_instance_labels.keypoint_indices for sample in batch_data_samples]
        losses: dict[str, Tensor] = self.loss_module(heatmaps, tags, targets, masks, indices)
        return losses

    def predict(self, feats: Any, batch_data_samples: Any, test_cfg: Any = {}) -> Any:  # noqa: B006 (as MMPose's)
        """The persons of every photo, InstanceData with ``bbox_scores``; with ``output_heatmaps`` the maps as well.

        Of ``test_cfg`` count ``flip_test``, ``multiscale_test`` (the first scale is that of the coordinates and
        tags) and ``project2image`` (maps are brought to the size of the input before they are decoded; by default).
        """
        heatmaps, tags = self.maps(feats, batch_data_samples, test_cfg)
        height, width = batch_data_samples[0].metainfo["img_shape"][:2]
        steps = np.array([width / heatmaps.shape[3], height / heatmaps.shape[2]], np.float32)
        keypoints, joint_scores, scores = self.decoder.batch_decode(heatmaps, tags)
        found = [
            InstanceData(keypoints=points * steps, keypoint_scores=each, bbox_scores=whole)
            for points, each, whole in zip(keypoints, joint_scores, scores, strict=True)
        ]
        if not test_cfg.get("output_heatmaps", False):
            return found
        return found, [PixelData(heatmaps=one) for one in heatmaps]

    def maps(self, feats: Any, batch_data_samples: Any, test_cfg: Any) -> tuple[Tensor, Tensor]:
        """Heatmaps (B, K, H, W) and tags (B, K, H, W, T) as they are decoded; arguments as of :meth:`predict`."""
        scales = feats if test_cfg.get("multiscale_test", False) else [feats]
        mirror = None
        if test_cfg.get("flip_test", False):
            mirror = [int(i) for i in batch_data_samples[0].metainfo["flip_indices"]]
        outputs: list[Maps] = []
        for scale in scales:
            pair = [scale] if mirror is None else scale
            outputs.append([[output.float() for output in self.forward(one)] for one in pair])
        size = batch_data_samples[0].metainfo["img_shape"][:2] if test_cfg.get("project2image", True) else None
        return joined_scales(outputs, self.num_keypoints, mirror, size)

    def init_weights(self) -> None:
        """Convolutions normal with deviation .001, biases 0; batch norms 1 and 0 (Section 3 of the paper's code)."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.normal_(module.weight, std=INITIAL_STD)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.ones_(module.weight)
                nn.init.zeros_(module.bias)
        self._is_init = True  # as MMEngine marks it


def _doubled(inputs: int, width: int, blocks: int) -> nn.Sequential:
    """A transposed convolution to twice the resolution, and residual blocks."""
    up = nn.ConvTranspose2d(inputs, width, 4, stride=2, padding=1, bias=False)
    first = nn.Sequential(up, nn.BatchNorm2d(width), nn.ReLU(inplace=True))
    return nn.Sequential(first, *(nn.Sequential(BasicBlock(width, width)) for _ in range(blocks)))
