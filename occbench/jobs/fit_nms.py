"""``occbench fit-nms``: the parameters of pose NMS fitted to the clean cell of a run over detected boxes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from ..data.jsonfile import read_json
from ..evaluation.average_precision import curves, figures, match_masks
from ..evaluation.fit_nms import Fitted, fit_nms
from ..evaluation.pose_nms import PoseNms
from ..inference.results import cell_detections
from ..runs import durable
from ..system.errors import OccbenchError
from ..system.progress import Progress
from .reopen import finished_run


@dataclass(frozen=True)
class NmsFit:
    """A fit on a run.

    Attributes:
        fitted: What it found.
        oks_nms: AP of the same predictions under OKS-NMS.
        persons: Annotated persons whom the AP is over.
        boxes: Whose poses were thinned out.
    """

    fitted: Fitted
    oks_nms: float
    persons: int
    boxes: int


def fit_run(
    run: Path,
    rule: PoseNms,
    data: Path | None = None,
    images: Path | None = None,
    progress: Progress | None = None,
) -> NmsFit:
    """Fit a rule so that the AP of a run's clean predictions is as high as it can be.

    Args:
        run: A finished run over detected boxes; of whatever scope and pose NMS, since the clean cell is before both.
        rule: Where to begin.
        data: The annotation file, where it has moved since.
        images: The image folder, likewise.
        progress: Shows what is done.

    Raises:
        OccbenchError: It is no finished run, or none over detected boxes that is scored by AP.
    """
    finished = finished_run(run, data, images)
    dataset = finished.dataset
    if dataset.metric != "oks" or dataset.detections is None or finished.clean.found is not None:
        raise OccbenchError(
            f"{str(run)!r} has no poses of detected boxes that are scored by AP: give a run of `occbench attack "
            "--boxes DETECTIONS.json` (or detector:NAME) with a model that is given crops"
        )

    def ap(of: PoseNms | None) -> float:
        found = cell_detections(dataset, finished.clean, finished.areas, of)
        matches = match_masks(dataset.truth, found, dataset.sigmas, [None], "ignore")
        return figures(curves(matches, 0)).exact

    fitted = fit_nms(rule, ap, progress)
    persons = int((~dataset.truth.crowd & (dataset.truth.num_keypoints > 0)).sum())
    return NmsFit(fitted, ap(None), persons, len(dataset.persons))


def write_rule(path: Path, run: Path, fit: NmsFit) -> None:
    """Write a fitted rule with what is known of it.

    Raises:
        OccbenchError: The file cannot be written.
    """
    about = {
        "rule": str(fit.fitted.rule),
        "run": run.name,
        "persons": fit.persons,
        "boxes": fit.boxes,
        "ap": fit.fitted.figure,
        "ap_before": fit.fitted.before,
        "ap_oks_nms": fit.oks_nms,
    }
    with durable.explained(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        durable.write(path, (json.dumps(about, indent=2) + "\n").encode())


def read_rule(path: Path) -> PoseNms:
    """Read what :func:`write_rule` wrote.

    Raises:
        OccbenchError: It is missing, or is something else.
    """
    content = read_json(path, "pose NMS file")
    rule = content.get("rule") if isinstance(content, dict) else None
    if not isinstance(rule, str):
        raise OccbenchError(f"{str(path)!r} is no rule of pose NMS: `occbench fit-nms RUN --out FILE.json` writes one")
    return PoseNms.parse(rule)
