"""The localisation net: from a crop to the affine map under which the person in it is best looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor, nn

from ...system.errors import OccbenchError

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


class _Block(nn.Module):
    """A basic block of ResNet whose convolutions have biases, with a bare 1x1 convolution where the channels change."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, 1)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1)
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        changes = stride != 1 or in_channels != channels
        self.skip: nn.Module = nn.Conv2d(in_channels, channels, 1, stride) if changes else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        out: Tensor = self.relu(self.bn2(self.conv2(y)) + self.skip(x))
        return out


@MODELS.register_module()
class LocalisationNet(BaseModule):
    """A ResNet-18 whose last layer gives the six numbers of an affine map; it starts as the identity.

    As the published training code has it: every convolution with a bias, no batch norm on the shortcuts; 11,182,598
    parameters at the default widths. The last pooling is over whatever is left of the crop (8x8 of 256x256).

    Args:
        widths: Channels of the stages; the stem has those of the first.
        blocks: Basic blocks of each stage.

    Raises:
        OccbenchError: A number is not what it can be.
    """

    def __init__(self, widths: Sequence[int] = (64, 128, 256, 512), blocks: int = 2) -> None:
        super().__init__()
        if not widths or min(*widths, blocks) < 1:
            raise OccbenchError(
                f"a localisation net has widths and blocks of at least 1, but got widths={tuple(widths)} and "
                f"blocks={blocks}"
            )
        self.stem = nn.Sequential(
            nn.Conv2d(3, widths[0], 7, 2, 3), nn.BatchNorm2d(widths[0]), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)
        )
        stages = []
        before = widths[0]
        for number, width in enumerate(widths):
            for block in range(blocks):
                stages.append(_Block(before, width, 2 if number and not block else 1))
                before = width
        self.blocks = nn.Sequential(*stages)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.theta = nn.Linear(before, 6)
        _start_as_identity(self.theta)

    def forward(self, images: Tensor) -> Tensor:
        """Affine maps, shape (B, 2, 3), float32 at least, of images (B, 3, H, W), normalised."""
        found: Tensor = self.theta(self.pool(self.blocks(self.stem(images))).flatten(1))
        return _maps(found)

    def init_weights(self) -> None:
        """He et al.'s convolutions, and the identity."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                assert module.bias is not None
                nn.init.zeros_(module.bias)
        _start_as_identity(self.theta)
        self._is_init = True  # as MMEngine marks it


@MODELS.register_module()
class BackboneLocalisation(BaseModule):
    """A backbone whose last features, averaged in cells of the crop, give the map; it starts as the identity.

    For short trainings, and not the published net: a backbone of the estimator's own kind starts from the weights of
    the plain estimator, and so knows what joints look like; and the last layer sees in which cell they are, which the
    average over the whole crop has lost.

    Args:
        backbone: Config of the backbone; the last of its outputs is used.
        channels: Of that output.
        cells: Rows and columns.
    """

    def __init__(self, backbone: Any, channels: int, cells: tuple[int, int] = (4, 3)) -> None:
        super().__init__()
        self.backbone = MODELS.build(backbone)
        self.pool = nn.AdaptiveAvgPool2d(cells)
        self.theta = nn.Linear(channels * cells[0] * cells[1], 6)
        _start_as_identity(self.theta)

    def forward(self, images: Tensor) -> Tensor:
        """As of :class:`LocalisationNet`."""
        features = self.backbone(images)
        last: Tensor = features if isinstance(features, Tensor) else features[-1]
        # By the number of cells: with equal weights in all of them it is the average over the crop.
        averages = self.pool(last).flatten(2)
        found: Tensor = self.theta((averages / averages.shape[-1]).flatten(1))
        return _maps(found)


def _start_as_identity(theta: nn.Linear) -> None:
    nn.init.zeros_(theta.weight)
    theta.bias.data = theta.bias.new_tensor(IDENTITY)


def _maps(found: Tensor) -> Tensor:
    """Six numbers each as maps (B, 2, 3), float32 at least."""
    return (found if found.dtype.itemsize > 2 else found.float()).unflatten(1, (2, 3))
