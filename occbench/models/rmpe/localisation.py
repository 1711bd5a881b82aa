"""The localisation net: from a crop to the affine map under which the person in it is best looked at."""

from __future__ import annotations

from collections.abc import Sequence

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
        self._start_as_identity()

    def forward(self, images: Tensor) -> Tensor:
        """Affine maps, shape (B, 2, 3), float32 at least, of images (B, 3, H, W), normalised."""
        found: Tensor = self.theta(self.pool(self.blocks(self.stem(images))).flatten(1))
        return (found if found.dtype.itemsize > 2 else found.float()).unflatten(1, (2, 3))

    def init_weights(self) -> None:
        """He et al.'s convolutions, and the identity."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                assert module.bias is not None
                nn.init.zeros_(module.bias)
        self._start_as_identity()
        self._is_init = True  # as MMEngine marks it

    def _start_as_identity(self) -> None:
        nn.init.zeros_(self.theta.weight)
        self.theta.bias.data = self.theta.bias.new_tensor(IDENTITY)
