"""A network made ready for a GPU: batch norms folded into the convolutions before them, weights in the precision."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold_norms(network: nn.Module, run: Callable[[], object]) -> int:
    """Fold every batch norm into the convolution whose output it takes; in place.

    Which one that is, is observed in a forward pass. What else uses the convolution's output would now see it
    normalised: compare the network's output before and after.

    Args:
        network: In evaluation mode.
        run: A forward pass of it.

    Returns:
        How many were folded.
    """
    conv_of: dict[nn.Module, nn.Module] = {}
    calls: dict[nn.Module, int] = {}
    outputs: dict[int, tuple[nn.Module, torch.Tensor]] = {}  # tensors are kept, so that no other gets their number

    def seen(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        calls[module] = calls.get(module, 0) + 1
        if isinstance(module, _ConvNd):
            outputs[id(output)] = (module, output)
        elif id(inputs[0]) in outputs:
            conv_of[module] = outputs[id(inputs[0])][0]

    hooks = [
        module.register_forward_hook(seen) for module in network.modules() if isinstance(module, _ConvNd | _BatchNorm)
    ]
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
    places = {module: (parent, name) for parent in network.modules() for name, module in parent.named_children()}
    users = list(conv_of.values())
    folded = 0
    for norm, conv in conv_of.items():
        if calls[norm] > 1 or calls[conv] > 1 or users.count(conv) > 1 or norm.running_mean is None:
            continue
        grouped = isinstance(conv, _ConvTransposeNd) and conv.groups > 1  # torch scales the wrong axis there
        if grouped:
            continue
        for old, new in (
            (conv, fuse_conv_bn_eval(conv, norm, isinstance(conv, _ConvTransposeNd))),
            (norm, nn.Identity()),
        ):
            parent, name = places[old]
            setattr(parent, name, new)
        folded += 1
    return folded


def cast_weights(network: nn.Module, dtype: torch.dtype) -> None:
    """Cast what autocast would cast anew in every forward pass: weights of convolutions and linear layers; in place."""
    for module in network.modules():
        if isinstance(module, _ConvNd | nn.Linear):
            module.to(dtype)
