"""What a run says about itself in its manifest."""

from __future__ import annotations

import math
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..attacks import Cutouts
from ..data.persons import Dataset, DetectorFiles
from ..estimators.protocol import CropEstimator, PhotoEstimator, window_of
from ..evaluation.boxes import box_figures
from ..inference.predictions import CellPredictions
from ..system.download import sha256
from ..weights.recipes import recipe_of
from . import skeleton
from .manifest import git_commit, versions
from .place import WHOLE_PHOTOS
from .source import relative_to

__all__ = ["WHOLE_PHOTOS", "ModelFiles", "boxes_name", "cell", "occluders", "run", "sha256"]


@dataclass(frozen=True)
class ModelFiles:
    """Where a model comes from.

    Attributes:
        name: For tables.
        config: Its MMPose config.
        checkpoint: Its weights.
        published: Figures that others published for it, by name.
        trusted: Whether the checkpoint was unpickled without restrictions.
    """

    name: str
    config: Path
    checkpoint: Path
    published: dict[str, float]
    trusted: bool = False


def boxes_name(dataset: Dataset) -> str:
    """The boxes, for tables: ``gt``, ``jitter:S``, ``detector:NAME``, or the detections' file name."""
    if dataset.detector is not None:
        return dataset.detector.label
    if dataset.detections is not None:
        return dataset.detections.stem
    return "gt" if dataset.jitter is None else f"jitter:{dataset.jitter:g}"


def run(
    model: CropEstimator | PhotoEstimator,
    files: ModelFiles,
    dataset: Dataset,
    limit: int | None,
    out: Path,
    crop: tuple[int, int],
) -> dict[str, Any]:
    """Host, model, data, boxes, skeleton and versions of a run in the folder ``out``.

    Args:
        model: The estimator.
        files: Where it comes from.
        dataset: Photos and persons.
        limit: How many photos were asked for.
        out: The folder.
        crop: Width and height of the crops that an attack's sizes are said in, px.
    """
    return {
        "host": platform.node(),
        "model": _model(model, files, crop),
        "data": _data(dataset, limit, out),
        "boxes": _boxes(dataset, out) | ({"source": WHOLE_PHOTOS} if model.sees == "photo" else {}),
        "skeleton": skeleton.noted(dataset),
        "versions": versions(),
        "git_commit": git_commit(),
    }


def occluders(cutouts: Cutouts, out: Path) -> dict[str, Any]:
    """The cut-outs that fill ``object`` painted, and their licence; those without a folder come with occbench."""
    folder = cutouts.folder
    return {
        "folder": None if folder is None else str(folder.absolute()),
        "relative": relative_to(out, {"folder": folder}),
        "n": len(cutouts.all),
        "sha256": cutouts.sha256,
        "licence": cutouts.licence,
    }


def cell(predictions: CellPredictions) -> dict[str, Any]:
    """One cell: what was hidden; how many boxes it changed, changed only because somebody else in the photo is hidden
    (``n_neighbours``), or had not room for every decoy (``n_short``)."""
    attack = predictions.attack
    about: dict[str, Any] = {"slug": predictions.slug, "attack": None}
    if attack is not None:
        about |= asdict(attack) | {"attack": attack.name, "placement": str(attack.placement)}
        about |= {"n_attacked": int(predictions.attacked.sum()), "n_short": int((predictions.missing > 0).sum())}
        own = np.isfinite(predictions.centres).any((1, 2))
        about["n_neighbours"] = int((predictions.attacked & ~own).sum())
    return about


def _model(model: CropEstimator | PhotoEstimator, files: ModelFiles, crop: tuple[int, int]) -> dict[str, Any]:
    reference = {} if model.sees == "crop" else {"sees": model.sees, "crop": list(crop)}
    return {
        "name": files.name,
        "config": str(files.config),
        "config_sha256": model.config_sha256,
        "config_from_elsewhere": list(model.from_elsewhere),
        "checkpoint": str(files.checkpoint),
        "weights_sha256": model.weights_sha256,
        "trusted": files.trusted,
        "input_size": list(model.input_size),
        "flip": model.flip,
        "scales": list(model.scales) or [1.0],
        "published": files.published,
        "augmentation": recipe_of(model.meta),
        **reference,
        **({"visibility": model.visibility} if model.visibility else {}),
        **({} if (window := window_of(model)) is None else {"window": window}),
    }


def _data(dataset: Dataset, limit: int | None, out: Path) -> dict[str, Any]:
    truth = dataset.truth
    files = {"annotations": dataset.annotations, "images": dataset.images, "description": dataset.description}
    return {
        "name": dataset.name,
        **{name: None if path is None else str(path.absolute()) for name, path in files.items()},
        "relative": relative_to(out, files),
        "annotations_sha256": sha256(dataset.annotations),
        "description_sha256": None if dataset.description is None else sha256(dataset.description),
        "n_images": len(dataset.photos),
        "n_persons": int(((truth.num_keypoints > 0) & ~truth.crowd).sum()),
        "categories": sorted(dataset.categories),
        "synthetic": dataset.synthetic,
        "skipped_images": list(dataset.skipped),
        "findings": [finding.record() for finding in dataset.findings],
        "limit": limit,
    }


def _boxes(dataset: Dataset, out: Path) -> dict[str, Any]:
    file = dataset.detections
    return {
        "source": dataset.box_source,
        "jitter": dataset.jitter,
        "file": None if file is None else str(file.absolute()),
        "relative": relative_to(out, {"file": file}),
        "sha256": None if file is None else sha256(file),
        "detector": None if dataset.detector is None else _detector(dataset.detector),
        **asdict(dataset.box_counts()),
        "figures": None if file is None else _box_figures(dataset),
    }


def _detector(files: DetectorFiles) -> dict[str, Any]:
    known = {"config": str(files.config), "checkpoint": str(files.checkpoint)}
    return asdict(files) | known | {"config_from_elsewhere": list(files.config_from_elsewhere)}


def _box_figures(dataset: Dataset) -> dict[str, float | None]:
    """Box AP of detections against the annotated persons; what is not measurable is None."""
    corners = np.array([person.box for person in dataset.persons], dtype=np.float64).reshape(-1, 4)
    found = box_figures(
        dataset.truth,
        np.array([person.photo.id for person in dataset.persons], dtype=np.int64),
        np.column_stack([corners[:, :2], corners[:, 2:] - corners[:, :2]]),
        np.array([person.score for person in dataset.persons], dtype=np.float64),
    )
    return {name: value if math.isfinite(value) else None for name, value in asdict(found).items()}
