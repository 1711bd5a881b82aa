"""The cascade (Section 3.2): a first look at the whole crop, then a look at every joint, stage after stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor, nn

from ...system.errors import OccbenchError
from ..pooling import sizes_are_constants
from .boxes import joint_side, refine, sample_boxes
from .network import DeepPoseNetwork


@MODELS.register_module()
class DeepPoseCascade(BaseModule):
    """A backbone whose outputs are the poses of every stage.

    Its input is a canvas: the first stage's crop at ``canvas`` times its resolution. The first stage reads it averaged
    down (which is free of aliases); later ones sample squares of side sigma x diameter around the joints of the stage
    before, one joint after the other, and of a network's outputs only those of the joint count. A square may leave
    the canvas: there are zeros then, as outside of a photo. What hides a person must be painted on the canvas, since
    that is what every stage reads.

    Args:
        keypoints: K.
        ends: A shoulder and the opposite hip (in the paper the left shoulder and the right hip), whose distance is the
            diameter of a pose.
        stages: S; each has a network of its own.
        sigma: Side of a joint's square, in diameters: 1 on FLIC, 2 on LSP.
        canvas: Canvas px per px of the first stage's input, a whole number.
        network: Arguments of :class:`~.network.DeepPoseNetwork`.

    Raises:
        OccbenchError: An argument is not what it can be.
    """

    def __init__(
        self,
        keypoints: int = 14,
        ends: Sequence[int] = (9, 2),
        stages: int = 3,
        sigma: float = 2.0,
        canvas: int = 3,
        network: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if stages < 1 or canvas < 1 or int(canvas) != canvas:
            raise OccbenchError(
                f"a cascade has at least one stage and a canvas of a whole number of times the input's px, but got "
                f"stages={stages}, canvas={canvas}"
            )
        if not sigma > 0:
            raise OccbenchError(
                f"sigma is the side of a joint's box in diameters of the pose and must be above 0, but got "
                f"sigma={sigma}; the paper has 1.0 on FLIC and 2.0 on LSP"
            )
        first, second = (int(end) for end in ends)
        if first == second or not (0 <= first < keypoints and 0 <= second < keypoints):
            raise OccbenchError(
                f"a cascade needs a shoulder and the opposite hip among its {keypoints} keypoints, whose distance is "
                f"the diameter of a pose, but got ends={tuple(ends)}"
            )
        self.keypoints = keypoints
        self.ends = (first, second)
        self.sigma = float(sigma)
        self.canvas = int(canvas)
        self.networks = nn.ModuleList(DeepPoseNetwork(keypoints, **(network or {})) for _ in range(stages))

    @property
    def size(self) -> int:
        """Side of every stage's input, px."""
        return int(self.networks[0].size)

    @property
    def side(self) -> int:
        """Side of the canvas, px."""
        return self.canvas * self.size

    def forward(self, canvas: Tensor) -> tuple[Tensor, ...]:
        """Poses of every stage, shape (B, K, 2), canvas units, of canvases (B, 3, side, side), normalised."""
        canvas = self._checked(canvas)
        poses = [self.networks[0](self.first_view(canvas))]
        for network in self.networks[1:]:
            poses.append(self.look_again(network, canvas, poses[-1]))
        return tuple(poses)

    def first_view(self, canvas: Tensor) -> Tensor:
        """What the first stage reads, shape (B, 3, size, size)."""
        return F.avg_pool2d(canvas, self.canvas) if self.canvas > 1 else canvas

    def look_again(self, network: nn.Module, canvas: Tensor, poses: Tensor) -> Tensor:
        """The poses that a later stage makes of those of the stage before; both (B, K, 2), canvas units."""
        side = joint_side(poses, self.ends, self.sigma)
        found = [
            network(sample_boxes(canvas, poses[:, joint], side, self.size))[:, joint] for joint in range(self.keypoints)
        ]
        return refine(poses, torch.stack(found, 1), side)

    def init_weights(self) -> None:
        """Set the weights of every stage."""
        for network in self.networks:
            network.init_weights()
        self._is_init = True  # as MMEngine marks it

    def _checked(self, canvas: Tensor) -> Tensor:
        with sizes_are_constants():
            height, width = (int(side) for side in canvas.shape[-2:])
        if (height, width) != (self.side, self.side):
            raise OccbenchError(
                f"this cascade reads a canvas of {self.side}x{self.side} px ({self.canvas} times the {self.size} px of "
                f"its stages), but got {width}x{height} (width x height); set the crop's input_size to it"
            )
        return canvas
