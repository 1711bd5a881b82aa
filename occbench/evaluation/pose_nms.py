"""Parametric pose NMS: of the poses of one photo that are of the same person, one is kept (RMPE, ICCV 2017).

    d(P_i, P_j) = K + lambda H
    K = sum of tanh(c_i^n / sigma1) tanh(c_j^n / sigma1) over the joints n where k_j^n is near k_i^n
    H = sum over joints of exp(-|k_i^n - k_j^n|^2 / sigma2)

The most confident pose is kept, the poses that are like it go, and so on. The text has poses go whose d is smaller than
the threshold, but d is a similarity: they go where it is larger (:attr:`PoseNms.eta`). What the published programs do
differs from the formula and from each other, so there are three rules by name (:data:`RULES`), all of whose constants
can be changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from math import inf, isfinite
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from ..system.errors import OccbenchError, unknown_name
from .pose_scores import pose_scores

FITTED = ("sigma1", "sigma2", "weight", "eta")
"""The four parameters of the paper."""

_PAIRS_AT_ONCE = 2**17
"""How many pairs of poses are compared at once, for some 50 MB."""

SCORES = ("box", "product", "sum")


@dataclass(frozen=True)
class PoseNms:
    """A rule with its constants.

    Attributes:
        name: Of the rule.
        sigma1: Of the scores in K.
        sigma2: Of the distances in H: image px squared, shares of ``reach`` or image px, as ``distance`` says.
        weight: lambda.
        eta: A pose goes whose d is larger.
        joints: How many joints a pose has for which eta is meant; with K joints, eta x K / joints is compared.
        distance: How far joints are apart in H: ``squared`` image px, as printed; ``share`` of the reach; ``px``.
        near: Which joints K counts: those in a ``box`` of ``share`` of the kept pose's box in width and height, as
            printed, or within the ``reach`` of each other, or within one ``px``.
        share: The reach is this share of the longer side of the kept pose's box.
        matches: A pose also goes with so many joints within the reach and ``match_px`` of the kept one's; 0: none does.
        match_px: See ``matches``, image px.
        merge: What becomes of the joints of the poses that go, within the reach and ``merge_px`` of the kept one's: the
            joint is their mean, weighted by their scores, and has the ``largest`` score or that mean's (``weighted``);
            or ``nothing``.
        merge_px: See ``merge``, image px.
        least: A pose is dropped whose largest joint score is below it, before merging or after.
        floor: What a joint score of 0 is taken for.
        score: What the result is worth: as its ``box``; the ``product`` of that and the mean of the joint scores over
            .2, as without pose NMS; or the ``sum`` of box score, mean and 1.25 x largest joint score.
    """

    name: str
    sigma1: float
    sigma2: float
    weight: float
    eta: float
    joints: int
    distance: Literal["squared", "share", "px"]
    near: Literal["box", "reach", "px"]
    share: float = 0.1
    matches: int = 0
    match_px: float = inf
    merge: Literal["largest", "weighted", "nothing"] = "nothing"
    merge_px: float = inf
    least: float = 0.0
    floor: float = 0.0
    score: Literal["box", "product", "sum"] = "box"

    def __str__(self) -> str:
        usual = RULES[self.name]
        changed = [
            f"{f.name}={_text(own)}" for f in fields(self) if (own := getattr(self, f.name)) != getattr(usual, f.name)
        ]
        return self.name + (":" + ",".join(changed) if changed else "")

    @classmethod
    def parse(cls, text: str) -> PoseNms:
        """A rule by its name, with constants of its own behind a colon: ``alphapose:eta=20,score=product``.

        Raises:
            OccbenchError: There is no such rule or constant, or the constant cannot have this value.
        """
        name, _, given = text.partition(":")
        if name not in RULES:
            raise unknown_name("pose NMS rule", name, RULES)
        pairs = [part.partition("=") for part in given.split(",") if part]
        return RULES[name].changed({key.strip(): value.strip() for key, _, value in pairs})

    def changed(self, constants: Mapping[str, str | float]) -> PoseNms:
        """With other constants.

        Raises:
            OccbenchError: There is no such constant, or it cannot have this value.
        """
        numbers = [f.name for f in fields(self) if isinstance(getattr(self, f.name), (int, float))]
        values: dict[str, Any] = {}
        for key, value in constants.items():
            if key == "score":
                if value not in SCORES:
                    raise unknown_name("score of pose NMS", str(value), SCORES)
                values[key] = value
                continue
            if key not in numbers:
                raise unknown_name("constant of pose NMS", key, [*numbers, "score"])
            values[key] = self._number(key, value)
        return replace(self, **values)

    def _number(self, key: str, value: str | float) -> float:
        counts = isinstance(getattr(self, key), int)
        try:
            number: float = int(value) if counts else float(value)
        except ValueError:
            number = -1
        least_is_0 = key in ("matches", "least", "floor", "weight", "eta")
        if number < 0 or (number == 0 and not least_is_0) or not (isfinite(number) or key.endswith("_px")):
            kind = "a whole number" if counts else "a number"
            bound = "of at least 0" if least_is_0 else "above 0"
            raise OccbenchError(f"{key} of pose NMS must be {kind} {bound}, but got {value!r}")
        return number


def _text(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.10g}"


RULES: Mapping[str, PoseNms] = MappingProxyType(
    {
        "paper": PoseNms("paper", 0.01, 2.08, 2.08, 22.48, 16, "squared", "box", score="product"),
        "rmpe2017": PoseNms("rmpe2017", 0.01, 2.08, 2.08, 22.48, 16, "share", "reach", merge="largest", score="box"),
        "alphapose": PoseNms(
            *("alphapose", 1.0, 2.65, 1.7, 22.48, 17, "px", "px"),
            matches=5,
            match_px=7,
            merge="weighted",
            merge_px=15,
            least=0.3,
            floor=1e-5,
            score="sum",
        ),
    }
)
"""``paper``: the formula as printed, with the constants that the authors published (they print none; fit your own).
``rmpe2017``: their demo of 2017. ``alphapose``: its successor's, for bodies."""


@dataclass(frozen=True, eq=False)
class Kept:
    """The poses that are left; of one photo, the most confident first.

    Attributes:
        picked: Shape (M,), int: which pose each was.
        members: M arrays of ints: what went into each, itself among them; in the order of the poses.
        keypoints: Shape (M, K, 2), float64, image px.
        keypoint_scores: Shape (M, K), float64.
        scores: Shape (M,), float64: of the persons.
    """

    picked: np.ndarray
    members: tuple[np.ndarray, ...]
    keypoints: np.ndarray
    keypoint_scores: np.ndarray
    scores: np.ndarray

    @classmethod
    def joined(cls, parts: Sequence[Kept], joints: int) -> Kept:
        """Those of several photos, of poses of so many joints."""
        nothing = cls(np.empty(0, np.int64), (), np.empty((0, joints, 2)), np.empty((0, joints)), np.empty(0))
        arrays = {
            name: np.concatenate([getattr(part, name) for part in (nothing, *parts)])
            for name in ("picked", "keypoints", "keypoint_scores", "scores")
        }
        return cls(members=tuple(one for part in parts for one in part.members), **arrays)


def pose_nms(poses: np.ndarray, scores: np.ndarray, boxes: np.ndarray, box_scores: np.ndarray, rule: PoseNms) -> Kept:
    """Keep one of the poses of each person of a photo.

    Args:
        poses: Shape (N, K, 2), image px.
        scores: Of the joints, shape (N, K).
        boxes: Whose poses they are, shape (N, 4), x1 y1 x2 y2, image px.
        box_scores: Shape (N,).
        rule: By which.
    """
    poses, scores = np.asarray(poses, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    scores = np.where(scores == 0, rule.floor, scores)
    found = [
        (pick, members, *merged(pick, members, poses, scores, boxes, rule))
        for pick, members in suppressed(poses, scores, boxes, rule)
    ]
    found = [one for one in found if min(scores[one[0]].max(), one[3].max()) >= rule.least]
    k = scores.shape[1]
    keypoints = np.array([one[2] for one in found]).reshape(-1, k, 2)
    joints = np.array([one[3] for one in found]).reshape(-1, k)
    picked = np.array([one[0] for one in found], dtype=np.int64)
    total = person_scores(np.asarray(box_scores, dtype=np.float64)[picked], joints, rule)
    return Kept(picked, tuple(one[1] for one in found), keypoints, joints, total)


def suppressed(poses: np.ndarray, scores: np.ndarray, boxes: np.ndarray, rule: PoseNms) -> list[tuple[int, np.ndarray]]:
    """The poses that are kept, and of each the poses that go with it, itself included; arguments as of `pose_nms`."""
    count = len(poses)
    at_once = max(1, _PAIRS_AT_ONCE // max(count, 1))
    blocks = [
        alike(np.arange(i, min(i + at_once, count)), poses, scores, boxes, rule) for i in range(0, count, at_once)
    ]
    left, groups = np.ones(count, dtype=bool), []
    for pick in np.argsort(-scores.mean(1), kind="stable").tolist() if count else ():
        if left[pick]:
            block, row = divmod(pick, at_once)
            goes = blocks[block][row] & left
            goes[pick] = True
            groups.append((pick, np.flatnonzero(goes)))
            left &= ~goes
    return groups


def alike(picks: np.ndarray, poses: np.ndarray, scores: np.ndarray, boxes: np.ndarray, rule: PoseNms) -> np.ndarray:
    """Which poses would go with each of some, if it were kept; see :func:`similarities`. Shape (P, N), bool."""
    like = similarities(picks, poses, scores, boxes, rule) > rule.eta * poses.shape[1] / rule.joints
    if rule.matches:
        near = np.hypot(*_offsets(picks, poses)) <= np.minimum(reach(boxes[picks], rule), rule.match_px)[:, None, None]
        like |= near.sum(-1) >= rule.matches
    return np.asarray(like)


def similarities(
    picks: np.ndarray, poses: np.ndarray, scores: np.ndarray, boxes: np.ndarray, rule: PoseNms
) -> np.ndarray:
    """d of some poses and all.

    Args:
        picks: Shape (P,), int: P_i.
        poses: P_j, as of `pose_nms`; so the rest.

    Returns:
        Shape (P, N), float64.
    """
    across, down = _offsets(picks, poses)
    squared, share = across * across + down * down, reach(boxes[picks], rule)[:, None, None]
    if rule.near == "box":
        sides = rule.share * (boxes[picks, 2:] - boxes[picks, :2])[:, :, None, None]
        near = (np.abs(across) <= sides[:, 0] / 2) & (np.abs(down) <= sides[:, 1] / 2)
    else:
        near = np.sqrt(squared) <= (share if rule.near == "reach" else 1)
    confident = np.tanh(scores / rule.sigma1)
    k_sim = (near * (confident[picks, None] * confident)).sum(-1)
    distance = squared if rule.distance == "squared" else np.sqrt(squared)
    if rule.distance == "share":
        distance = distance / share
    h_sim = np.exp(distance / -rule.sigma2).sum(-1)
    return np.asarray(k_sim + rule.weight * h_sim)


def reach(boxes: np.ndarray, rule: PoseNms) -> np.ndarray:
    """Image px: the rule's share of the longer side of boxes (..., 4), x1 y1 x2 y2; without extent next to nothing."""
    return np.maximum(rule.share * (boxes[..., 2:] - boxes[..., :2]).max(-1), 1e-9)


def merged(
    pick: int, members: np.ndarray, poses: np.ndarray, scores: np.ndarray, boxes: np.ndarray, rule: PoseNms
) -> tuple[np.ndarray, np.ndarray]:
    """A kept pose with the poses that go with it: joints, shape (K, 2), and their scores, shape (K,).

    Args:
        pick: Which is kept.
        members: Which go into it, itself among them.
        poses: As of `pose_nms`; so the rest.
    """
    if rule.merge == "nothing" or len(members) == 1:
        return poses[pick], scores[pick]
    near = np.linalg.norm(poses[members] - poses[pick], axis=-1) <= min(reach(boxes[pick], rule), rule.merge_px)
    weights = np.where(near, scores[members], 0)
    total = weights.sum(0)
    known = total > 0
    share = np.divide(weights, total, out=np.zeros_like(weights), where=known)
    joints = np.where(known[:, None], (share[..., None] * poses[members]).sum(0), poses[pick])
    if rule.merge == "largest":
        return joints, np.where(known, weights.max(0), scores[pick])
    return joints, np.where(known, (share * weights).sum(0), scores[pick])


def person_scores(box_scores: np.ndarray, scores: np.ndarray, rule: PoseNms) -> np.ndarray:
    """What persons are worth, shape (N,), of the scores of their boxes (N,) and of their joints (N, K)."""
    if rule.score == "box" or not len(scores):
        return box_scores
    if rule.score == "sum":
        return np.asarray(scores.mean(1) + box_scores + 1.25 * scores.max(1))
    return pose_scores(box_scores, scores)


def _offsets(picks: np.ndarray, poses: np.ndarray) -> list[np.ndarray]:
    """How far the joints of all are across and down from those of some poses, shape (P, N, K) each, image px."""
    return [poses[..., axis] - poses[picks, None, :, axis] for axis in range(2)]
