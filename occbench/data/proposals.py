"""Where a detector's boxes lie beside the annotated ones: a Gaussian for each edge, fitted, kept in a file, drawn from.

RMPE's proposal generator (ICCV 2017) trains on boxes that are distributed as a detector's: by P(offsets | pose). Its
published programs have one Gaussian for each edge of a box, of all persons alike or by clusters of their poses.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..system.errors import OccbenchError
from .jsonfile import read_json
from .persons import Dataset

EDGES = ("xmin", "ymin", "xmax", "ymax")
MIN_BOXES = 50
"""With fewer boxes, a cluster of poses has the Gaussians of all."""

MIN_JOINTS = 8
"""Persons with fewer labelled keypoints are in no cluster."""


@dataclass(frozen=True)
class Offsets:
    """Detected minus annotated edges, xmin ymin xmax ymax; of x in widths and of y in heights of the annotated box.

    Attributes:
        mean: Four.
        std: Four.
        n: Of so many boxes; 0 where that is not known.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    n: int = 0

    @classmethod
    def of(cls, offsets: np.ndarray) -> Offsets:
        """The mean and standard deviation of offsets, shape (N, 4)."""
        mean, std = (tuple(float(f"{v:.6g}") for v in values) for values in (offsets.mean(0), offsets.std(0)))
        return cls(mean, std, len(offsets))


PUBLISHED = Offsets((-0.0142, 0.0043, 0.0154, -0.0013), (0.1158, 0.068, 0.1337, 0.0711))
"""What was published with RMPE's successor."""


@dataclass(frozen=True, eq=False)
class Proposals:
    """Of what box offsets are drawn.

    Attributes:
        pooled: For persons of no cluster.
        poses: Shape (C, K, 2): the mean aligned pose of each cluster (:func:`aligned`); C may be 0.
        offsets: Of the clusters.
    """

    pooled: Offsets = PUBLISHED
    poses: np.ndarray | None = None
    offsets: tuple[Offsets, ...] = ()

    def of(self, keypoints: np.ndarray, labelled: np.ndarray) -> Offsets:
        """Those of a person's pose.

        Args:
            keypoints: Shape (K, 2), any unit.
            labelled: Shape (K,), bool.
        """
        if self.poses is None or not self.offsets or labelled.sum() < MIN_JOINTS:
            return self.pooled
        if len(labelled) != self.poses.shape[1]:
            raise OccbenchError(
                f"box offsets by poses of {self.poses.shape[1]} keypoints do not go with data of {len(labelled)}: fit "
                "them to data of the same keypoints"
            )
        return self.offsets[int(_distances(aligned(keypoints, labelled)[None], labelled[None], self.poses)[0].argmin())]


def offset_box(
    box: np.ndarray, unit: np.ndarray, size: tuple[int, int], offsets: Offsets, normals: np.ndarray
) -> np.ndarray:
    """A box whose edges are moved.

    Args:
        box: x1 y1 x2 y2, image px; grown or not.
        unit: Width and height that offsets are shares of: those of the box before it was grown.
        size: Width and height of the photo, px: the box stays 1 px inside of it at the near edges and 3 at the far
            ones, and keeps 2 px.
        offsets: Their distribution.
        normals: Shape (4,): standard normal draws.

    Returns:
        x1 y1 x2 y2, float64.
    """
    moved = np.asarray(offsets.mean) + np.asarray(offsets.std) * normals
    return _clipped(np.asarray(box, dtype=np.float64) + moved * np.tile(unit, 2), size)


def patch_of(box: np.ndarray, size: tuple[int, int], share: float, places: np.ndarray) -> np.ndarray:
    """A part of a box, of its aspect.

    Args:
        box: x1 y1 x2 y2, image px.
        size: Of the photo, as of :func:`offset_box`.
        share: Of both sides.
        places: Shape (2,): from 0, at the near edge in x and y, to 1, at the far one.

    Returns:
        x1 y1 x2 y2, float64; the far edges are 1 px further out.
    """
    start, sides = np.asarray(box[:2], dtype=np.float64), np.asarray(box[2:] - box[:2], dtype=np.float64)
    near = start + places * sides * (1 - share)
    return _clipped(np.concatenate([near, near + sides * share + 1]), size)


def _clipped(box: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    far = np.maximum(np.array(size, dtype=np.float64) - 3, 1)
    near = np.clip(box[:2], 1, far)
    return np.concatenate([near, np.clip(box[2:], near + 2, np.maximum(far, near + 2))])


def aligned(keypoints: np.ndarray, labelled: np.ndarray) -> np.ndarray:
    """A pose of which the labelled keypoints have the mean (0, 0) and the root mean square distance 1 from it.

    Args:
        keypoints: Shape (K, 2).
        labelled: Shape (K,), bool; at least one.

    Returns:
        Shape (K, 2), float64; 0 where not labelled.
    """
    shown = keypoints[labelled].astype(np.float64)
    centred = shown - shown.mean(0)
    size = np.sqrt(np.square(centred).sum(1).mean())
    result = np.zeros(keypoints.shape)
    result[labelled] = centred / max(float(size), 1e-9)
    return result


def fit_proposals(dataset: Dataset, clusters: int = 1, seed: int = 0) -> Proposals:
    """Fit box offsets to detections: of the boxes that are matched to annotated persons (IoU >= .5, one to one).

    Args:
        dataset: With detections.
        clusters: How many clusters of poses; 1: all persons together.
        seed: Of the clusters.

    Raises:
        OccbenchError: Too few boxes are matched.
    """
    row = {int(i): g for g, i in enumerate(dataset.truth.ids)}
    matched = [person for person in dataset.persons if person.annotation is not None]
    if len(matched) < MIN_BOXES:
        raise OccbenchError(
            f"{len(matched)} detections are matched to annotated persons, but box offsets need at least {MIN_BOXES}: "
            "give more photos, or the detections of these"
        )
    boxes = np.stack([person.box for person in matched]).astype(np.float64)
    truth = dataset.truth.bbox[[row[person.annotation] for person in matched if person.annotation is not None]]
    corners = np.concatenate([truth[:, :2], truth[:, :2] + truth[:, 2:]], axis=1)
    offsets = (boxes - corners) / np.tile(np.maximum(truth[:, 2:], 1), 2)
    pooled = Offsets.of(offsets)
    labelled = np.stack([person.labelled for person in matched])
    posed = np.flatnonzero(labelled.sum(1) >= MIN_JOINTS)
    if clusters <= 1:
        return Proposals(pooled)
    if len(posed) < clusters:
        raise OccbenchError(
            f"{len(posed)} of the matched persons have {MIN_JOINTS} labelled keypoints, too few for {clusters} "
            "clusters: give a smaller --clusters"
        )
    poses = np.stack([aligned(matched[i].keypoints, labelled[i]) for i in posed])
    means, member = _clustered(poses, labelled[posed], clusters, np.random.default_rng(seed))
    sizes = [int((member == c).sum()) for c in range(clusters)]
    own = [Offsets.of(offsets[posed[member == c]]) if sizes[c] >= MIN_BOXES else pooled for c in range(clusters)]
    return Proposals(pooled, means, tuple(own))


def _distances(poses: np.ndarray, labelled: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Mean squared distances over the labelled keypoints of poses (N, K, 2) from means (C, K, 2): shape (N, C)."""
    squares = np.square(poses[:, None] - means[None]).sum(-1) * labelled[:, None]
    result: np.ndarray = squares.sum(-1) / labelled.sum(1)[:, None]
    return result


def _clustered(
    poses: np.ndarray, labelled: np.ndarray, clusters: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """K-means over the labelled keypoints, begun as k-means++: mean poses (C, K, 2), and whose each pose is (N,)."""
    means = poses[[int(rng.integers(len(poses)))]]
    while len(means) < clusters:
        far = _distances(poses, labelled, means).min(1)
        total = far.sum()
        chance = far / total if total > 0 else np.full(len(far), 1 / len(far))
        means = np.concatenate([means, poses[[int(rng.choice(len(poses), p=chance))]]])
    member = np.full(len(poses), -1)
    for _ in range(100):
        nearest = _distances(poses, labelled, means).argmin(1)
        if (nearest == member).all():
            break
        member = nearest
        for c in range(clusters):
            mine = member == c
            seen = labelled[mine].sum(0)[:, None]
            means[c] = np.divide(poses[mine].sum(0), seen, out=means[c].copy(), where=seen > 0)
    return means, member


def write_proposals(path: Path, found: Proposals, about: Mapping[str, Any]) -> None:
    """Write box offsets, with what else is known of them.

    Raises:
        OccbenchError: The file cannot be written.
    """
    content: dict[str, Any] = {**about, "edges": EDGES, "pooled": vars(found.pooled)}
    if found.poses is not None:
        content["clusters"] = [
            {**vars(offsets), "pose": np.round(pose, 6).tolist()}
            for pose, offsets in zip(found.poses, found.offsets, strict=True)
        ]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".partial")
        partial.write_text(json.dumps(content, indent=1) + "\n")
        partial.replace(path)
    except OSError as error:
        raise OccbenchError(f"cannot write {str(path)!r}: {error.strerror}") from error


def read_proposals(path: Path) -> Proposals:
    """Read what :func:`write_proposals` wrote.

    Raises:
        OccbenchError: It is missing, or is something else.
    """
    content = read_json(path, "file of box offsets")
    try:
        clusters = content.get("clusters", [])
        poses = np.array([one["pose"] for one in clusters], dtype=np.float64) if clusters else None
        if poses is not None and (poses.ndim != 3 or poses.shape[2] != 2):
            raise ValueError("poses")
        return Proposals(_read(content["pooled"]), poses, tuple(_read(one) for one in clusters))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise OccbenchError(
            f"{str(path)!r} holds no box offsets: `occbench fit-proposals --out FILE.json` writes them"
        ) from error


def _read(content: Mapping[str, Any]) -> Offsets:
    values = [tuple(float(v) for v in content[name]) for name in ("mean", "std")]
    if any(len(v) != 4 or not np.isfinite(v).all() for v in values) or min(values[1]) < 0:
        raise ValueError("offsets")
    return Offsets(values[0], values[1], int(content.get("n", 0)))
