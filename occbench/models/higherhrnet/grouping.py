"""From heatmaps and tags to persons: candidates, and the two published rules of putting them together.

A joint's candidates are the largest peaks of its heatmap. Joint after joint, from the head outwards, they are assigned
to the persons begun so far, whom they resemble by their tags (Newell et al., "Associative Embedding", 2017). What the
rules have in common: costs are 100 x the rounded distance to a person's mean tag, minus the candidate's score, in
double precision; in single precision the padding of 1e10 swamps them (78 persons for 52 in a crowded photo).

Ties: of all persons at the same rounded distance a candidate costs the same, so the assignment is not unique. It is the
one that the package ``munkres`` finds, on which MMPose depends, too; others may find another of the same cost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from munkres import Munkres

ORDER = (0, 1, 2, 3, 4, 5, 6, 11, 12, 7, 8, 9, 10, 13, 14, 15, 16)
"""COCO's joints, in the order in which they are grouped: head, shoulders, hips, elbows, wrists, knees, ankles."""

_NOBODY = 1e10
"""What it costs to join nobody: more than anybody."""


@dataclass(frozen=True)
class Rule:
    """What the published implementations do differently.

    Attributes:
        matched: Only so many persons, the first begun, are matched against; None for all.
        returned: Only so many, the first begun, are answered; None for all.
        always_shifts: A joint is moved by a quarter px in both axes, towards the smaller coordinate where its
            neighbours are equal; else it stays where they are equal, and within 1 px of the border.
        fills_between: A joint that is filled in is moved by a quarter px and half a px as well.
        fills_by_score: Filled in is where heatmap - rounded tag distance is largest; else where
            100 x the distance - heatmap is smallest.
    """

    matched: int | None
    returned: int | None
    always_shifts: bool
    fills_between: bool
    fills_by_score: bool


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "official": Rule(30, None, True, True, True),
        "mmpose": Rule(None, 30, False, False, False),
    }
)
"""By name: the authors' (HigherHRNet), and that of MMPose's codec ``AssociativeEmbedding``, which its published AP of
ae-hrnet is by."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """The largest peaks of every heatmap.

    Attributes:
        scores: Shape (K, M), float32: the heatmap there.
        places: Shape (K, M, 2), int64: x y, px of the map.
        tags: Shape (K, M, T), float32.
    """

    scores: np.ndarray
    places: np.ndarray
    tags: np.ndarray


class Group:
    """A person as far as it is put together."""

    def __init__(self, joints: int, tag_size: int) -> None:
        self.joints = np.zeros((joints, 3 + tag_size), np.float32)
        self.tags: list[np.ndarray] = []


def group(
    candidates: Candidates,
    rule: Rule,
    order: Sequence[int] = ORDER,
    threshold: float = 0.1,
    tag_threshold: float = 1.0,
) -> np.ndarray:
    """Put candidates together to persons by their tags.

    Args:
        candidates: Of every joint.
        rule: Whose.
        order: Of the joints.
        threshold: Candidates must score more.
        tag_threshold: A candidate joins a person whose mean tag is nearer than that; else it begins one.

    Returns:
        Shape (P, K, 3 + T), float32: x, y (px of the map), score, tags; zeros where a person has no such joint. In the
        order in which they were begun.
    """
    k, _, t = candidates.tags.shape
    groups: dict[float, Group] = {}
    for joint in order:
        chosen = candidates.scores[joint] > threshold
        rows = np.concatenate(
            [
                candidates.places[joint][chosen].astype(np.float64),
                candidates.scores[joint][chosen, None],
                candidates.tags[joint][chosen],
            ],
            axis=1,
        )
        joined = _assigned(rows, list(groups.values())[: rule.matched], tag_threshold) if groups else {}
        # Persons are begun and joined in the assignment's order: a later one with a tag that exists takes it over.
        for row, person in joined.items() if joined else ((i, None) for i in range(len(rows))):
            tag = rows[row, 3:].astype(np.float32)
            if person is None:
                person = groups.setdefault(float(tag[0]), Group(k, t))
                person.tags = []
            person.joints[joint] = rows[row]
            person.tags.append(tag)
    found = [person.joints for person in list(groups.values())[: rule.returned]]
    return np.array(found, np.float32).reshape(-1, k, 3 + t)


def _assigned(rows: np.ndarray, groups: Sequence[Group], tag_threshold: float) -> dict[int, Group | None]:
    """Whom each candidate joins; None for one that begins a person.

    Args:
        rows: Shape (N, 3 + T), float64: of the candidates of one joint.
        groups: Whom they may join.
        tag_threshold: As in :func:`group`.
    """
    if not len(rows):
        return {}
    means = np.array([np.mean(person.tags, axis=0) for person in groups])
    distance = np.linalg.norm(rows[:, None, 3:] - means[None], axis=2)
    cost = np.round(distance) * 100 - rows[:, 2:3]
    lacking = max(0, len(rows) - len(groups))
    cost = np.concatenate([cost, np.full((len(rows), lacking), _NOBODY)], axis=1)
    return {
        row: groups[column] if column < len(groups) and distance[row, column] < tag_threshold else None
        for row, column in Munkres().compute(cost.tolist())
    }


def by_truth(candidates: Candidates, points: np.ndarray, labelled: np.ndarray, threshold: float = 0.1) -> np.ndarray:
    """Put candidates together as the truth has them (PROTOCOL section 9): each joins the nearest person that lacks it.

    Of one joint the pair at the smallest distance is joined first. The distance to a person is that to the annotated
    joint; where that is not labelled, to the nearest of the person's joints that is.

    Args:
        candidates: Of every joint.
        points: Shape (N, K, 2): the annotated persons, px of the map.
        labelled: Shape (N, K), bool.
        threshold: Candidates must score more.

    Returns:
        Shape (P, K, 3 + T), float32, as of :func:`group`: the persons that any candidate joined, in the order of the
        annotation; those without a labelled joint are joined by nobody.
    """
    k, _, t = candidates.tags.shape
    anywhere = labelled.any(1)
    points, labelled = points[anywhere], labelled[anywhere]
    people = np.zeros((len(points), k, 3 + t), np.float32)
    for joint in range(k):
        (chosen,) = np.nonzero(candidates.scores[joint] > threshold)
        places = candidates.places[joint][chosen] + 0.5
        all_joints = np.linalg.norm(places[:, None, None] - points[None], axis=3)
        nearest = np.where(labelled, all_joints, np.inf).min(2, initial=np.inf)
        distance = np.where(labelled[:, joint], all_joints[..., joint], nearest)
        free, lacking = np.ones(len(chosen), bool), np.ones(len(points), bool)
        for pair in np.argsort(distance, axis=None, kind="stable"):
            row, person = divmod(int(pair), len(points))
            if free[row] and lacking[person]:
                free[row] = lacking[person] = False
                one = chosen[row]
                people[person, joint, :2] = candidates.places[joint, one]
                people[person, joint, 2] = candidates.scores[joint, one]
                people[person, joint, 3:] = candidates.tags[joint, one]
    return people[(people[..., 2] > 0).any(1)]
