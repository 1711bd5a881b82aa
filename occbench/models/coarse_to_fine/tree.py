"""The spatial model: a tree over joints with the person's torso at its root (Section 3.3; their [21])."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

import torch
import torch.nn.functional as F
from mmpose.registry import MODELS
from torch import Tensor, nn

from ...system.errors import OccbenchError

Edge = tuple[int, int]
"""Parent and child."""


def marginals(unary: Tensor, edges: Sequence[Edge], priors: Sequence[Tensor]) -> Tensor:
    """Exact marginals of a tree over locations by sum-product message passing; shape (B, N, H, W), each sums to 1.

    Args:
        unary: What is known of each node's location, at least 0, shape (B, N, H, W).
        edges: N - 1 pairs of parent and child, from the root on.
        priors: Of each edge, the weight of the displacement child - parent + (H - 1, W - 1), shape (2H - 1, 2W - 1).
    """
    reach = (unary.shape[2] - 1, unary.shape[3] - 1)

    def passed(belief: Tensor, prior: Tensor) -> Tensor:
        message = F.conv2d(belief[:, None], prior[None, None], padding=reach)[:, 0].clamp(min=0)
        return message / message.sum((1, 2), keepdim=True).clamp(min=torch.finfo(message.dtype).tiny)

    beliefs = list(unary.unbind(1))
    up: list[Tensor] = [torch.empty(0)] * len(edges)
    for i in reversed(range(len(edges))):
        parent, child = edges[i]
        up[i] = passed(beliefs[child], priors[i])
        beliefs[parent] = beliefs[parent] * up[i]
    floor = torch.finfo(unary.dtype).tiny
    for i, (parent, child) in enumerate(edges):
        without = beliefs[parent] / up[i].clamp(min=floor)
        beliefs[child] = beliefs[child] * passed(without, priors[i].flip(0, 1))
    found = torch.stack(beliefs, 1)
    return found / found.sum((2, 3), keepdim=True)


def most_likely(unary: Tensor, edges: Sequence[Edge], priors: Sequence[Tensor]) -> Tensor:
    """The likeliest locations of all nodes together by max-product; (row, column), shape (N, 2), of one crop.

    Arguments as of :func:`marginals`, without B.
    """
    _, height, width = unary.shape
    rows, columns = (
        grid.flatten() for grid in torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    )
    down, right = rows - rows[:, None] + height - 1, columns - columns[:, None] + width - 1  # (parent, child)
    scores = list(unary.log().flatten(1))
    best: list[Tensor] = [torch.empty(0)] * len(edges)
    for i in reversed(range(len(edges))):
        parent, child = edges[i]
        value, best[i] = (priors[i].log()[down, right] + scores[child]).max(1)
        scores[parent] = scores[parent] + value
    chosen = [0] * len(unary)
    root = edges[0][0] if edges else 0
    chosen[root] = int(scores[root].argmax())
    for i, (parent, child) in enumerate(edges):
        chosen[child] = int(best[i][chosen[parent]])
    return torch.tensor([(int(rows[cell]), int(columns[cell])) for cell in chosen])


@MODELS.register_module()
class PersonTree(nn.Module):
    """Coarse heatmaps -> marginals of a tree whose root is the given torso: joints of other people are attenuated.

    In a top-down crop the person is chosen already, and the torso is its middle. Displacements are counted while the
    coarse network is trained, in crops as they are then: turned, scaled, and (with ``shift_prob`` 0) centred.

    Args:
        keypoints: K.
        edges: Pairs of parent and child joints, from the root on; -1 is the torso, the first parent.
        size: Width and height of the heatmaps.
        blur: Deviation of the Gaussian that displacements are smoothed by, cells.
        floor: Added to heatmaps and displacements, whose negative values count as 0: no joint is impossible.

    Raises:
        OccbenchError: The edges are no tree over the joints with the torso at its root.
    """

    counts: Tensor
    root: Tensor

    def __init__(
        self, keypoints: int, edges: Sequence[Edge], size: tuple[int, int], blur: float = 1.5, floor: float = 1e-3
    ) -> None:
        super().__init__()
        known = {-1}
        for parent, child in edges:
            if parent not in known or child in known or not 0 <= child < keypoints:
                raise OccbenchError(f"edges of a person's tree go from the torso (-1) outwards, but got {tuple(edges)}")
            known.add(child)
        if len(known) != keypoints + 1:
            raise OccbenchError(f"a person's tree has all {keypoints} joints, but {keypoints + 1 - len(known)} are not")
        self.edges = [(parent % (keypoints + 1), child) for parent, child in edges]  # the torso is node K
        self.size = (int(size[0]), int(size[1]))
        shape = (len(edges), 2 * self.size[1] - 1, 2 * self.size[0] - 1)
        self.register_buffer("counts", torch.zeros(shape))
        root = torch.zeros(self.size[1], self.size[0])
        columns, rows = ({math.floor(middle), math.ceil(middle)} for middle in self.torso)
        for row, column in product(rows, columns):  # between cells: all around it
            root[row, column] = 1
        self.register_buffer("root", root, persistent=False)
        self.blur = blur
        self.floor = floor

    @property
    def torso(self) -> tuple[float, float]:
        """Column and row of the crop's middle, cells."""
        return (self.size[0] - 1) / 2, (self.size[1] - 1) / 2

    @torch.no_grad()
    def count(self, cells: Tensor, weights: Tensor, shape: Sequence[int]) -> None:
        """Count the displacements of labelled joints.

        Args:
            cells: Columns and rows, with fractions, shape (B, K, 2).
            weights: Shape (B, K): 0 for joints that do not count.
            shape: Height and width of the heatmaps.

        Raises:
            OccbenchError: The heatmaps have another size.
        """
        if tuple(shape) != (self.size[1], self.size[0]):
            raise OccbenchError(f"the person's tree is made for heatmaps of {self.size}, but got {tuple(shape)[::-1]}")
        torso = torch.tensor(self.torso, dtype=cells.dtype, device=cells.device).expand(len(cells), 1, 2)
        nodes = torch.cat([cells, torso], 1)
        counted = torch.cat([weights > 0, weights.new_ones(len(weights), 1).bool()], 1)
        reach = torch.tensor([self.size[0] - 1, self.size[1] - 1], device=cells.device)
        for i, (parent, child) in enumerate(self.edges):
            both = counted[:, parent] & counted[:, child]
            apart = ((nodes[:, child] - nodes[:, parent])[both].round().long() + reach).clamp(min=0)
            column, row = torch.minimum(apart, 2 * reach).unbind(1)
            self.counts[i].index_put_((row, column), torch.ones(len(row), device=cells.device), accumulate=True)

    def priors(self) -> Tensor:
        """Of each edge, shape (N - 1, 2 h - 1, 2 w - 1), each sums to 1."""
        steps = torch.arange(-round(3 * self.blur), round(3 * self.blur) + 1, device=self.counts.device)
        kernel = torch.exp(-0.5 * (steps / self.blur).square())
        kernel = kernel / kernel.sum()
        share = self.counts / self.counts.sum((1, 2), keepdim=True).clamp(min=1)
        rows = F.conv2d(share[:, None], kernel[None, None, :, None], padding=(len(kernel) // 2, 0))
        smooth = F.conv2d(rows, kernel[None, None, None], padding=(0, len(kernel) // 2))[:, 0]
        floor = self.floor / smooth[0].numel()
        return (smooth + floor) / (smooth + floor).sum((1, 2), keepdim=True)

    def forward(self, heatmaps: Tensor) -> Tensor:
        """Marginals of the joints, shape (B, K, h, w), each scaled to its heatmap's maximum, which stays the score."""
        torso = self.root.to(heatmaps.dtype).expand(len(heatmaps), 1, -1, -1)
        unary = torch.cat([heatmaps.clamp(min=0) + self.floor, torso], 1)
        found = marginals(unary, self.edges, list(self.priors()))[:, :-1]
        return found / found.amax((2, 3), keepdim=True) * heatmaps.amax((2, 3), keepdim=True)
