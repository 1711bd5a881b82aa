"""A network made ready for a GPU: batch norms folded into the convolutions, and what else makes those faster there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold_norms(network: nn.Module, run: Callable[[], object]) -> int:
    """Fold every batch norm into the convolution whose output it takes; in place.

    Which one that is, is observed in a forward pass; of several calls, in each. What else uses the convolution's output
    would now see it normalised: compare the network's output before and after.

    Args:
        network: In evaluation mode.
        run: A forward pass of it.

    Returns:
        How many were folded.
    """
    before: dict[nn.Module, list[nn.Module | None]] = {}  # of a norm, at each of its calls
    calls: Counter[nn.Module] = Counter()
    outputs: dict[int, tuple[nn.Module, torch.Tensor]] = {}  # tensors are kept, so that no other gets their number

    def seen(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        calls[module] += 1
        if isinstance(module, _ConvNd):
            outputs[id(output)] = (module, output)
        else:
            before.setdefault(module, []).append(outputs.get(id(inputs[0]), (None, None))[0])

    hooks = [
        module.register_forward_hook(seen) for module in network.modules() if isinstance(module, _ConvNd | _BatchNorm)
    ]
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
    places = {module: (parent, name) for parent in network.modules() for name, module in parent.named_children()}
    users = Counter(conv for convs in before.values() for conv in set(convs))
    folded = 0
    for norm, convs in before.items():
        conv = convs[0]
        if conv is None or set(convs) != {conv} or users[conv] > 1 or calls[conv] != calls[norm]:
            continue
        if norm.running_mean is None:
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


class Product(nn.Linear):
    """A convolution of single pixels as a matrix product, in the layout of its input: (B, C, h, w) -> (B, D, h, w)."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__(conv.in_channels, conv.out_channels, conv.bias is not None, device="meta")
        self.weight = nn.Parameter(conv.weight.detach().flatten(1), requires_grad=False)
        if conv.bias is not None:
            self.bias = nn.Parameter(conv.bias.detach(), requires_grad=False)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        if is_channels_last(input):
            return super().forward(input.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        product = torch.matmul(self.weight, input.flatten(2))
        if self.bias is not None:
            product += self.bias.to(product.dtype)[:, None]
        return product.unflatten(2, input.shape[2:])


def as_products(network: nn.Module) -> int:
    """Replace convolutions of single pixels by :class:`Product`; in place.

    Returns:
        How many were replaced.
    """
    count = 0
    for parent in [*network.modules()]:
        for name, conv in parent.named_children():
            if type(conv) is nn.Conv2d and conv.groups == 1 and _of_single_pixels(conv):
                setattr(parent, name, Product(conv))
                count += 1
    return count


def _of_single_pixels(conv: nn.Conv2d) -> bool:
    return (conv.kernel_size, conv.stride, conv.padding) == ((1, 1), (1, 1), (0, 0))


def is_channels_last(tensor: torch.Tensor) -> bool:
    """Whether the channels of (B, C, h, w) lie beside each other in memory, as in a slice of channels last, too."""
    return tensor.stride(1) == 1


def cast_weights(network: nn.Module, dtype: torch.dtype) -> None:
    """Cast what autocast would cast anew in every forward pass: weights of convolutions and linear layers; in place."""
    for module in network.modules():
        if isinstance(module, _ConvNd | nn.Linear):
            module.to(dtype)
