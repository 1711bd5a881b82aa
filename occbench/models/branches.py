"""Initialisation by the number of branches of every layer (Section 4.1, Eq. 15), for any network torch.fx can trace.

The walk reads the traced graph. Convolutions and linear layers are its *layers*. From a layer's input it goes back, and
from its output forward, through whatever has one tensor as its input (normalisation, activation, pooling, resizing,
reshaping), up to another layer, an addition or a concatenation.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.fx import Graph, Node, Tracer

from ..system.errors import unknown_name

LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
NORMALISATIONS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm, nn.GroupNorm, nn.LayerNorm)
_ADDITIONS = frozenset({operator.add, operator.iadd, torch.add, "add", "add_"})
_CONCATENATIONS = frozenset({torch.cat, torch.concat, torch.concatenate, torch.hstack, torch.vstack})
_SHAPES = frozenset({"shape", "size", "dim", "numel", "dtype", "device", "ndim"})
_UNCHANGED = (nn.Identity, nn.Upsample, nn.Dropout, nn.Dropout2d)
_UNCHANGED_CALLS = frozenset({torch.nn.functional.interpolate, torch.nn.functional.dropout})


@dataclass(frozen=True)
class Branches:
    """Of one layer.

    Attributes:
        into: Branches added into its input (C_i); of a concatenated input, the most of any of its parts.
        out: Branches that leave its output (C_o).
    """

    into: int
    out: int


def count_branches(model: nn.Module) -> dict[str, Branches]:
    """The branches into and out of every convolution and linear layer of a network.

    Into: the terms of the sum that the layer reads. Terms of sums that are added up at once, as in a + b + c or
    in the sum of two resized residual outputs, count one by one; a sum that is used elsewhere too is one term.
    Out: the uses of the layer's output, or of the first sum or concatenation that it goes into where nothing else uses
    it before (whose gradient it gets). A layer that is used several times has the most of any use.

    Args:
        model: A network that ``torch.fx`` can trace.

    Returns:
        By the layer's name in ``model.named_modules()``.

    Raises:
        Exception: What torch.fx raises for a network that it cannot trace (its control flow hangs on values).
    """
    walk = _Walk(model)
    found: dict[str, Branches] = {}
    for node in walk.graph.nodes:
        if walk.is_layer(node):
            name, before = str(node.target), found.get(str(node.target), Branches(1, 1))
            into = walk.terms_read(node.args[0] if node.args else next(iter(node.kwargs.values())))
            found[name] = Branches(max(before.into, into), max(before.out, walk.uses(node)))
    return found


class _Tracer(Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Subclasses of the layers, as mmcv has them, are layers too."""
        return isinstance(m, LAYERS + NORMALISATIONS) or super().is_leaf_module(m, module_qualified_name)


class _Walk:
    """Counts on one graph."""

    def __init__(self, model: nn.Module) -> None:
        self.graph: Graph = _Tracer().trace(model)
        self.modules = dict(model.named_modules())
        self.sizes: set[Node] = set()  # nodes whose value is a shape or the like, and no tensor
        for node in self.graph.nodes:
            asks = node.op in ("call_function", "call_method") and (
                node.target in _SHAPES or (node.target is getattr and node.args[1] in _SHAPES)
            )
            of_sizes = bool(node.all_input_nodes) and all(n in self.sizes for n in node.all_input_nodes)
            if asks or (of_sizes and node.op != "output"):
                self.sizes.add(node)

    def is_layer(self, node: Node) -> bool:
        return node.op == "call_module" and isinstance(self.modules[str(node.target)], LAYERS)

    def inputs(self, node: Node) -> list[Node]:
        """Its tensors, one that is given twice twice."""
        found: list[Node] = []
        torch.fx.node.map_arg((node.args, node.kwargs), found.append)
        return [n for n in found if n not in self.sizes]

    def users(self, node: Node) -> list[Node]:
        """What reads it, once for every time."""
        users = (user for user in node.users if user not in self.sizes)
        return [user for user in users for n in self.inputs(user) if n is node]

    def is_sum(self, node: Node) -> bool:
        return node.op in ("call_function", "call_method") and node.target in _ADDITIONS

    def is_concatenation(self, node: Node) -> bool:
        return node.op == "call_function" and node.target in _CONCATENATIONS

    def is_passed(self, node: Node) -> bool:
        """Whether it has one tensor as its input, and is no layer."""
        return node.op.startswith("call_") and not self.is_layer(node) and len(self.inputs(node)) == 1

    def keeps_values(self, node: Node) -> bool:
        """Whether it only resizes, in evaluation."""
        if node.op == "call_module":
            return isinstance(self.modules[str(node.target)], _UNCHANGED)
        return node.target in _UNCHANGED_CALLS

    def terms_read(self, node: Any) -> int:
        """Branches added into what is read at ``node``."""
        if self.is_sum(node):
            return sum(self.terms_of(term) for term in self.inputs(node))
        if self.is_concatenation(node):
            return max(self.terms_read(part) for part in self.inputs(node))
        return self.terms_read(self.inputs(node)[0]) if self.is_passed(node) else 1

    def terms_of(self, term: Node) -> int:
        """How many terms a term of a sum is itself made of."""
        if len(self.users(term)) > 1:
            return 1
        if self.is_sum(term):
            return sum(self.terms_of(inner) for inner in self.inputs(term))
        return self.terms_of(self.inputs(term)[0]) if self.is_passed(term) and self.keeps_values(term) else 1

    def uses(self, node: Node, joins: bool = True) -> int:
        """Branches that leave ``node``; ``joins``: a sum or a concatenation is followed, not counted."""
        users = self.users(node)
        joins = joins and len(users) == 1
        total = 0
        for user in users:
            if self.is_sum(user) or self.is_concatenation(user):
                total += self.uses(user) if joins else 1
            elif self.is_passed(user):
                total += self.uses(user, joins)
            else:
                total += 1
        return max(1, total)


# Variances


def _by_branches(inputs: int, outputs: int, branches: Branches) -> float:
    alpha = 0.5  # ReLU
    return 1 / (alpha**2 * (branches.into * inputs + branches.out * outputs))


SCHEMES: Mapping[str, Callable[[int, int, Branches], float]] = {
    "branches": _by_branches,
    "xavier": lambda inputs, outputs, branches: 2 / (inputs + outputs),
    "msr": lambda inputs, outputs, branches: 2 / inputs,
}
"""Var[w] by n_i, n_o and the branches: Eq. 15, Glorot and Bengio's, He et al.'s (forward)."""


def initialise(model: nn.Module, scheme: str = "branches", generator: torch.Generator | None = None) -> None:
    """Set every convolution and linear layer to normal weights of zero mean and the scheme's variance; biases to 0.

    Normalisations begin as the identity.

    Args:
        model: A network; for ``branches`` one that torch.fx can trace.
        scheme: ``"branches"`` (Eq. 15), ``"xavier"`` or ``"msr"``.
        generator: Draws the weights; None for torch's own.

    Raises:
        OccbenchError: There is no such scheme.
    """
    if scheme not in SCHEMES:
        raise unknown_name("initialisation", scheme, SCHEMES)
    counted = count_branches(model) if scheme == "branches" else {}
    for name, module in model.named_modules():
        if isinstance(module, LAYERS):
            inputs, outputs = fans(module)
            variance = SCHEMES[scheme](inputs, outputs, counted.get(name, Branches(1, 1)))
            nn.init.normal_(module.weight, std=math.sqrt(variance), generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, NORMALISATIONS) and module.weight is not None:
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)


def fans(layer: nn.Module) -> tuple[int, int]:
    """Values that one output of a layer is made of (n_i), and outputs that one of its inputs goes into (n_o)."""
    weight = layer.weight
    area = weight[0, 0].numel()
    return weight.shape[1] * area, weight.shape[0] * area // getattr(layer, "groups", 1)
