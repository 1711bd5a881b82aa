"""The metrics that count correct joints or limbs: what each data set prints, and its resampling.

metric = METRICS["pckh"]
tables = metric.tables(predicted, truth, labelled, heads, skeleton.keypoints)
clean = {t.name: resample_rates(t, image, weights) for t in tables}    # the same for an attacked cell
drops = compare(clean["PCKh@0.5"], attacked["PCKh@0.5"])               # of `bootstrap`
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from .bootstrap import Resampled, Weights
from .cells import Key
from .pck import Hits, pck_hits, pcp_hits
from .signatures import hit_signatures


@dataclass(frozen=True)
class Group:
    """Columns (joints or limbs) whose rates make one figure.

    Attributes:
        columns: Their indices.
        pooled: Whether a column weighs by how often it counts (MPII's mean); otherwise the figure is the mean of the
            columns' rates (how MPII prints a joint of both sides).
    """

    columns: tuple[int, ...]
    pooled: bool = False


@dataclass(frozen=True, eq=False)
class RateTable:
    """What was correct by one threshold, and the figures made of it.

    Attributes:
        name: E.g. ``PCKh@0.5``.
        hits: By person and column.
        groups: The figures by name: None for the one over everything, a column's index, or a word.
    """

    name: str
    hits: Hits
    groups: Mapping[Key, Group]


@dataclass(frozen=True)
class RateMetric:
    """A metric of a data set.

    Attributes:
        name: ``PCKh``, ``PCK`` or ``PDJ``.
        length: What errors are measured in, for messages.
        thresholds: Shares of the length; the first is the one that drops are given in.
        joints: The joints of each printed figure.
        uncounted: Joints that the figure over everything leaves out.
        limbs: The limbs of each printed PCP figure, by their ends; empty for no PCP.
        averaged: Those of ``limbs`` that PCP's figure over everything is the mean of.
    """

    name: str
    length: str
    thresholds: tuple[float, ...]
    joints: Mapping[str, tuple[str, ...]]
    uncounted: tuple[str, ...] = ()
    limbs: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    averaged: tuple[str, ...] = ()

    @property
    def main(self) -> str:
        """The name of the figure that drops are given in."""
        return f"{self.name}@{self.thresholds[0]:g}"

    def tables(
        self,
        predicted: np.ndarray,
        truth: np.ndarray,
        labelled: np.ndarray,
        lengths: np.ndarray,
        keypoints: Sequence[str],
    ) -> list[RateTable]:
        """What is correct by each threshold, and by PCP where the metric has it; the main one first.

        Args:
            predicted: Shape (G, K, 2), image px; NaN for a person without a prediction, who has nothing right.
            truth: Shape (G, K, 2), image px.
            labelled: Shape (G, K), bool.
            lengths: Shape (G,), image px; a person with NaN does not count.
            keypoints: K names.
        """
        at = {name: i for i, name in enumerate(keypoints)}
        groups: dict[Key, Group] = {
            None: Group(tuple(i for name, i in at.items() if name not in self.uncounted), pooled=True)
        }
        groups |= {i: Group((i,)) for i in at.values()}
        groups |= {name: Group(tuple(at[joint] for joint in joints)) for name, joints in self.joints.items()}
        found = [
            RateTable(f"{self.name}@{a:g}", pck_hits(predicted, truth, labelled, lengths, a), groups)
            for a in self.thresholds
        ]
        if self.limbs:
            ends = [(at[a], at[b]) for limbs in self.limbs.values() for a, b in limbs]
            hits = pcp_hits(predicted, truth, labelled, np.array(ends))
            found.append(RateTable("PCP@0.5", hits, self._limb_groups()))
        return found

    def _limb_groups(self) -> dict[Key, Group]:
        groups: dict[Key, Group] = {None: Group(())}
        first = 0
        for name, limbs in self.limbs.items():
            groups[name] = Group(tuple(range(first, first + len(limbs))))
            first += len(limbs)
        groups[None] = Group(tuple(i for name in self.averaged for i in groups[name].columns))
        return groups


def _both(*joints: str) -> tuple[str, ...]:
    return tuple(f"{side}_{joint}" for joint in joints for side in ("left", "right"))


def _sides(a: str, b: str) -> tuple[tuple[str, str], ...]:
    return tuple((f"{side}_{a}", f"{side}_{b}") for side in ("left", "right"))


_ARM = {joint.capitalize(): _both(joint) for joint in ("shoulder", "elbow", "wrist")}
_LEG = {joint.capitalize(): _both(joint) for joint in ("hip", "knee", "ankle")}

METRICS: Mapping[str, RateMetric] = MappingProxyType(
    {
        "pckh": RateMetric(
            "PCKh",
            "head size",
            (0.5, 0.1),
            {"Head": ("head_top",), **_ARM, **_LEG},
            uncounted=("pelvis", "thorax"),
        ),
        "pck": RateMetric(
            "PCK",
            "torso",
            (0.2, 0.1),
            {"Head": ("neck", "head_top"), **_ARM, **_LEG},
            limbs={
                "Upper arm": _sides("shoulder", "elbow"),
                "Lower arm": _sides("elbow", "wrist"),
                "Upper leg": _sides("hip", "knee"),
                "Lower leg": _sides("knee", "ankle"),
                "Head": (("neck", "head_top"),),
            },
            averaged=("Upper arm", "Lower arm", "Upper leg", "Lower leg"),
        ),
        "pdj": RateMetric(
            "PDJ", "torso", (0.2, 0.1, 0.05), {"Head": ("left_eye", "right_eye", "nose"), **_ARM, "Hip": _both("hip")}
        ),
    }
)
"""By :attr:`Dataset.metric`: MPII's; LSP's, with DeepPose's PCP of arms and legs; FLIC's."""


def resample_rates(table: RateTable, image: np.ndarray, weights: Weights | None) -> Resampled:
    """The figures of a table, in the data and in every draw of images; ``n`` counts persons.

    Args:
        table: What is correct.
        image: Shape (G,), int: position of each person's image among the images that are drawn from.
        weights: Draws of images; None for none.

    Raises:
        ValueError: An image that is not drawn from.
    """
    if weights is None:
        nothing = np.empty((0, int(image.max(initial=-1)) + 1))
        weights = Weights(nothing, nothing)
    images = weights.draws.shape[1]
    if image.size and not 0 <= image.min() <= image.max() < images:
        raise ValueError(f"the weights are for {images} images, but a person is in image {int(image.max())}")
    columns = table.hits.hit.shape[1]
    hit, number = np.zeros((images, columns)), np.zeros((images, columns))
    np.add.at(hit, image, table.hits.hit)
    np.add.at(number, image, table.hits.counted)
    groups = list(table.groups.values())
    counted = np.stack([table.hits.counted[:, g.columns].any(axis=1) for g in groups], axis=1)
    seen = np.zeros((images, len(groups)), dtype=bool)
    np.logical_or.at(seen, image, counted)
    value = _figures(hit.sum(axis=0)[None], number.sum(axis=0)[None], groups)[0]
    by_column = hit_signatures(table.hits, image, images)
    return Resampled(
        keys=tuple(table.groups),
        n=counted.sum(axis=0),
        images=seen.sum(axis=0),
        ap=value,
        exact=value,
        draws=_figures(weights.draws @ hit, weights.draws @ number, groups),
        leave_out=_figures(weights.leave_out @ hit, weights.leave_out @ number, groups),
        signatures=np.stack([_joined(by_column[list(g.columns)]) for g in groups]),
        weights=weights,
    )


def _joined(signatures: np.ndarray) -> np.ndarray:
    """Of (columns, I) signatures one for each image, other where one of them is. Shape: (I,), uint64."""
    odd = 2 * np.arange(len(signatures), dtype=np.uint64)[:, None] + np.uint64(1)
    return (signatures * odd).sum(axis=0, dtype=np.uint64)


def _figures(hit: np.ndarray, number: np.ndarray, groups: Sequence[Group]) -> np.ndarray:
    """Of (B, columns) sums the figures (B, groups); NaN where nothing counts."""
    result = np.full((len(hit), len(groups)), np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = hit / number
        for i, group in enumerate(groups):
            own = list(group.columns)
            if group.pooled:
                result[:, i] = hit[:, own].sum(axis=1) / number[:, own].sum(axis=1)
            else:
                there = number[:, own] > 0
                result[:, i] = np.where(there, rate[:, own], 0).sum(axis=1) / there.sum(axis=1)
    return result
