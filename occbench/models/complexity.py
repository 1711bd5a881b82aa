"""Parameters and operations of a network, counted without computing anything."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..system.compat import setup_mmpose
from ..system.errors import OccbenchError


@dataclass(frozen=True)
class Complexity:
    """What a network costs.

    Attributes:
        parameters: Number of trainable values.
        flops: Multiplications and additions, counted one by one (a multiply-add is two), of convolutions, linear layers
            and matrix products for one image, as torch's ``FlopCounterMode`` counts them.
        input_size: Width and height of the image, px.
        flops_again: What a rule adds that counts transposed convolutions at the resolution of their output.
    """

    parameters: int
    flops: int
    input_size: tuple[int, int]
    flops_again: int = 0

    @property
    def gflops(self) -> float:
        """Thousand million multiplications and additions."""
        return self.flops / 1e9

    @property
    def published(self) -> float:
        """Thousand million multiply-adds as HigherHRNet's authors, and others, publish them as "GFLOPs"."""
        return (self.flops + self.flops_again) / 2e9


def measure_complexity(
    model: nn.Module, input_size: tuple[int, int], forward: Callable[[Tensor], Any] | None = None
) -> Complexity:
    """Count a network's parameters and operations.

    Args:
        model: Moved to torch's ``meta`` device by this: its weights are lost.
        input_size: Width and height, px.
        forward: Calls it with images (1, 3, H, W); None: it is called itself.
    """
    from torch.utils.flop_counter import FlopCounterMode

    model.to("meta")
    model.eval()  # MMPose's backbones return nothing here
    width, height = input_size
    again: list[int] = []

    def count(layer: nn.ConvTranspose2d, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        each = 2 * layer.weight[0].numel() * layer.in_channels  # operations of a pixel
        again.append(each * (output.shape[2:].numel() - inputs[0].shape[2:].numel()))

    hooks = [layer.register_forward_hook(count) for layer in model.modules() if isinstance(layer, nn.ConvTranspose2d)]
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        (forward or model)(torch.empty(1, 3, height, width, device="meta"))
    for hook in hooks:
        hook.remove()
    parameters = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return Complexity(parameters, counter.get_total_flops(), input_size, sum(again))


def config_complexity(path: Path) -> Complexity:
    """The complexity of an MMPose config's model, backbone to head, at the size of its crops.

    Raises:
        OccbenchError: The model cannot be built or counted.
    """
    setup_mmpose()
    from mmengine.config import Config
    from mmpose.models import build_pose_estimator

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of old torch that MMDet uses
            config = Config.fromfile(path)
            config.model.get("backbone", {}).pop("init_cfg", None)
            try:
                with torch.device("meta"):  # half a billion weights need no memory
                    model = build_pose_estimator(config.model)
            except (RuntimeError, NotImplementedError):  # it looks at values while it is built
                model = build_pose_estimator(config.model)
            return measure_complexity(model, _input_size(config), lambda images: model(images, None, mode="tensor"))
    except Exception as error:  # a config is Python, and so is a model
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise OccbenchError(f"the model of {path.name} cannot be counted: {reason[:120]}") from error


def _input_size(config: Any) -> tuple[int, int]:
    """Width and height of the crops, as the test pipeline cuts them."""
    for step in config.test_dataloader.dataset.pipeline:
        if "input_size" in step:
            width, height = step["input_size"]
            return int(width), int(height)
    raise ValueError("its test pipeline names no input_size")
