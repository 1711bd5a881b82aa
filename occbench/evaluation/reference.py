"""pycocotools as the judge: slow, and what every other COCO number here is measured against."""

from __future__ import annotations

import contextlib
import copy
import io
import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from .owners import owners
from .types import Detections, Figures, GroundTruth, check

Unlabelled = Literal["ignore", "box"]


@dataclass(frozen=True, eq=False)
class Curves:
    """Precision and recall as pycocotools accumulates them; -1 where no person counts.

    Attributes:
        precision: Shape (T=10, R=101, A=3), float64: OKS thresholds x recall points x (all, medium, large).
        recall: Shape (T=10, A=3), float64.
        counted: Shape (A=3,), int: persons that count in each area range.
        exact: Area under the interpolated curve over all recall, mean over the thresholds, persons of any area; NaN
            where no person counts.
    """

    precision: np.ndarray
    recall: np.ndarray
    counted: np.ndarray
    exact: float


def evaluate(
    truth: GroundTruth,
    detections: Detections,
    sigmas: np.ndarray,
    counted: np.ndarray | None = None,
    unlabelled: Unlabelled = "ignore",
) -> Figures:
    """The ten figures by pycocotools.

    Args:
        truth: Annotated persons.
        detections: Predicted persons.
        sigmas: Shape (K,): the keypoints' OKS sigmas.
        counted: Shape (G, K), bool: keypoints outside it are treated as not labelled. None: all count, and
            ``num_keypoints`` stays as annotated, which is plain COCO.
        unlabelled: A person left without a counted keypoint is ignored and the predictions that belong to them are
            left out ("ignore", protocol `corrected`), or they count and are compared with their doubled box ("box",
            protocol `thesis`). PROTOCOL section 5.

    Raises:
        ValueError: Arrays that do not belong together.
    """
    evaluator = _run(truth, detections, sigmas, counted, unlabelled)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluator.summarize()
    figures = [math.nan if s == -1 else float(s) for s in evaluator.stats]
    persons = int(_persons(evaluator)[0])
    return Figures(persons, *[*figures, _exact(evaluator, persons)])


def curves(
    truth: GroundTruth,
    detections: Detections,
    sigmas: np.ndarray,
    counted: np.ndarray | None = None,
    unlabelled: Unlabelled = "ignore",
) -> Curves:
    """Every entry of pycocotools' precision and recall. Arguments as for `evaluate`."""
    evaluator = _run(truth, detections, sigmas, counted, unlabelled)
    precision, recall = evaluator.eval["precision"], evaluator.eval["recall"]
    persons = _persons(evaluator)
    return Curves(precision[:, :, 0, :, 0], recall[:, 0, :, 0], persons, _exact(evaluator, int(persons[0])))


def labels(truth: GroundTruth, counted: np.ndarray | None, unlabelled: Unlabelled) -> tuple[np.ndarray, np.ndarray]:
    """Visibility and number of keypoints that COCO is to see under a mask.

    Returns:
        visibility: Shape (G, K), int: 0 outside the mask.
        num_keypoints: Shape (G,), int: 0 where COCO is to ignore the person.

    Raises:
        ValueError: A mask of another shape, or an unknown rule.
    """
    if unlabelled not in ("ignore", "box"):
        raise ValueError(f"unlabelled must be 'ignore' or 'box', not {unlabelled!r}")
    if counted is None:
        return truth.visibility, truth.num_keypoints
    if counted.shape != truth.visibility.shape:
        raise ValueError(f"counted must have shape {truth.visibility.shape}, but has {counted.shape}")
    visibility = np.where(counted, truth.visibility, 0)
    if unlabelled == "box":
        return visibility, truth.num_keypoints
    return visibility, np.where(truth.num_keypoints == 0, 0, np.count_nonzero(visibility > 0, axis=1))


def judge(
    truth: GroundTruth,
    detections: Detections,
    sigmas: np.ndarray,
    counted: np.ndarray | None = None,
    unlabelled: Unlabelled = "ignore",
) -> COCOeval:
    """pycocotools' own evaluator, loaded but not yet run. Arguments as for `evaluate`."""
    check(truth, detections, sigmas)
    visibility, num_keypoints = labels(truth, counted, unlabelled)
    somebodys = np.zeros(len(detections), dtype=bool)
    if counted is not None and unlabelled == "ignore":
        owner = owners(truth, detections, sigmas)
        present = ~np.append(truth.crowd | (num_keypoints == 0), False)[owner]
        detections, somebodys = detections.some(present), owner[present] >= 0
    images = [{"id": int(i)} for i in truth.image_ids]
    # pycocotools takes an annotation with id 0 for "not matched", so persons are numbered from 1 here.
    persons = [
        {
            "id": i + 1,
            "image_id": int(truth.image[i]),
            "category_id": 1,
            "keypoints": np.column_stack([truth.keypoints[i], visibility[i]]).ravel().tolist(),
            "num_keypoints": int(num_keypoints[i]),
            "bbox": truth.bbox[i].tolist(),
            "area": float(truth.area[i]),
            "iscrowd": int(truth.crowd[i]),
        }
        for i in range(len(truth))
    ]
    results = [
        {
            "id": i + 1,
            "image_id": int(detections.image[i]),
            "category_id": 1,
            "keypoints": np.column_stack([xy, np.ones(len(xy))]).ravel().tolist(),
            "score": float(detections.scores[i]),
            "area": float(np.prod(xy.max(axis=0) - xy.min(axis=0))),  # as COCO.loadRes has it
            "somebodys": bool(somebodys[i]),
        }
        for i, xy in enumerate(detections.keypoints)
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        evaluator = _Judge(as_coco(images, persons), as_coco(images, results), "keypoints")
    evaluator.params.kpt_oks_sigmas = np.asarray(sigmas, dtype=np.float64)
    return evaluator


class _Judge(COCOeval):
    """pycocotools', in which a person who is ignored takes no prediction that is said to be somebody's."""

    def computeOks(self, imgId: int, catId: int) -> Any:
        similar = super().computeOks(imgId, catId)
        if len(similar):
            persons, found = self._gts[imgId, catId], self._dts[imgId, catId]
            best_first = np.argsort([-d["score"] for d in found], kind="stable")[: len(similar)]
            somebodys = np.array([found[i]["somebodys"] for i in best_first])
            ignored = np.array([bool(g["ignore"]) for g in persons])
            similar[np.ix_(somebodys, ignored)] = 0
        return similar


def _run(
    truth: GroundTruth,
    detections: Detections,
    sigmas: np.ndarray,
    counted: np.ndarray | None,
    unlabelled: Unlabelled,
) -> COCOeval:
    evaluator = judge(truth, detections, sigmas, counted, unlabelled)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluator.evaluate()
        evaluator.accumulate()
    return evaluator


def as_coco(images: list[dict[str, Any]], annotations: list[dict[str, Any]]) -> COCO:
    """pycocotools' data set of one category, person (1), without a file."""
    coco = COCO()
    coco.dataset = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "person"}],
    }
    coco.createIndex()
    return coco


def _exact(evaluator: COCOeval, persons: int) -> float:
    """Mean precision at every recall that can be reached, instead of at 101 points: the area under the curves."""
    if persons == 0:
        return math.nan
    params = copy.copy(evaluator.params)
    params.recThrs = np.arange(1, persons + 1) / persons
    params.areaRng, params.areaRngLbl = params.areaRng[:1], params.areaRngLbl[:1]
    official = evaluator.eval
    with contextlib.redirect_stdout(io.StringIO()):
        evaluator.accumulate(params)
    precision, evaluator.eval = evaluator.eval["precision"], official
    return float(precision.mean())


def _persons(evaluator: COCOeval) -> np.ndarray:
    """Persons that count in each area range. Shape: (A,)."""
    images = len(evaluator.params.imgIds)
    count = [
        sum(int(np.count_nonzero(e["gtIgnore"] == 0)) for e in evaluator.evalImgs[i : i + images] if e)
        for i in range(0, len(evaluator.evalImgs), images)
    ]
    return np.array(count, dtype=np.int64)
