"""The main job: a model, a data set and a suite of attacks become a run folder."""

from __future__ import annotations

import hashlib
import json
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from .attacks import Attack
from .data.coco import EDGES
from .data.persons import Dataset
from .download import sha256
from .errors import OccbenchError
from .examples import choose_examples, write_examples
from .inference.engine import CellPredictions, Predictions, run_cells
from .inference.model import PoseModel
from .inference.results import to_detections
from .progress import Progress
from .runs import git_commit, new_run, versions, write_cells, write_manifest, write_predictions
from .scoring import COLUMNS, ScoredCell, Scoring, covered_by_truth, score_cells


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


def measure(
    model: PoseModel,
    files: ModelFiles,
    dataset: Dataset,
    attacks: Sequence[Attack],
    out: Path,
    scoring: Scoring,
    *,
    seed: int = 0,
    batch_size: int = 32,
    device: str = "cpu",
    limit: int | None = None,
    command: Sequence[str] = (),
    overwrite: bool = False,
    progress: Progress,
) -> dict[str, Any]:
    """Predict, score and write a run.

    Args:
        model: The estimator.
        files: Where it comes from.
        dataset: Checked photos and persons.
        attacks: What is hidden, one cell each; the clean cell is always added.
        out: The run folder; it appears whole or not at all.
        scoring: How cells are scored.
        seed: Of the random placements.
        batch_size: Crops inferred at a time.
        device: For the manifest.
        limit: For the manifest: how many photos were asked for.
        command: For the manifest.
        overwrite: Whether a run in ``out`` may be replaced.
        progress: Told what is done.

    Returns:
        The manifest.

    Raises:
        OccbenchError: ``out`` is taken or cannot be written, or the model predicts other keypoints than the data has.
    """
    started = time.perf_counter()
    if model.keypoints not in (None, len(dataset.skeleton.keypoints)):
        raise OccbenchError(
            f"model {files.name!r} predicts {model.keypoints} keypoints, but {dataset.name!r} has "
            f"{len(dataset.skeleton.keypoints)}: choose a model of COCO's keypoints"
        )
    with new_run(out, overwrite) as folder:
        examples = choose_examples(dataset.persons, attacks, dataset.skeleton)
        with progress.stage("crops", len(dataset.persons) * (1 + len(attacks))) as advance:
            predictions = run_cells(
                model,
                dataset.persons,
                attacks,
                dataset.skeleton,
                scoring.protocol,
                seed,
                batch_size,
                set(examples.values()),
                advance,
            )
        (folder / "predictions").mkdir()
        cells = [_scored(folder, dataset, predictions, cell) for cell in predictions.cells]
        with progress.stage("scoring", len(cells)) as advance:
            table = score_cells(
                dataset.truth,
                dataset.sigmas,
                dataset.skeleton.keypoints,
                cells,
                scoring,
                lambda: advance(1),
            )
        boxes = "gt" if dataset.detections is None else dataset.detections.stem
        named = {"model": files.name, "dataset": dataset.name, "boxes": boxes, "protocol": scoring.protocol}
        write_cells(folder, table.assign(**named)[list(COLUMNS)])
        (folder / "examples").mkdir()
        write_examples(
            folder / "examples", examples, dataset.persons, predictions, dataset.skeleton, scoring.protocol, seed
        )
        manifest = {
            "command": list(command),
            "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "wall_seconds": round(time.perf_counter() - started, 1),
            "host": platform.node(),
            "device": device,
            "model": _about_model(model, files),
            "data": _about_data(dataset, limit),
            "boxes": _about_boxes(dataset),
            "protocol": scoring.protocol,
            "evaluator": scoring.evaluator,
            "bootstrap": scoring.draws,
            "seed": seed,
            "batch_size": batch_size,
            "skeleton": {
                "name": dataset.skeleton.name,
                "keypoints": list(dataset.skeleton.keypoints),
                "parts": {part: list(members) for part, members in dataset.skeleton.parts.items()},
                "edges": [list(edge) for edge in EDGES],
            },
            "cells": [_about_cell(cell) for cell in predictions.cells],
            "versions": versions(),
            "git_commit": git_commit(),
        }
        write_manifest(folder, manifest)
    return manifest


def _scored(folder: Path, dataset: Dataset, predictions: Predictions, cell: CellPredictions) -> ScoredCell:
    """A cell as detections, which are written down on the way."""
    found, kept = to_detections(dataset.persons, cell.keypoints, cell.scores, predictions.areas, dataset.sigmas)
    if not np.isfinite(found.keypoints).all() or not np.isfinite(found.scores).all():
        raise OccbenchError(f"the model predicts NaN or infinity in cell {_slug(cell)}: check the weights")
    write_predictions(folder / "predictions" / f"{_slug(cell)}.json", found, cell.scores[kept])
    return ScoredCell(cell.attack, found, covered_by_truth(dataset, cell.covered))


def _slug(cell: CellPredictions) -> str:
    return "clean" if cell.attack is None else cell.attack.slug


def _about_cell(cell: CellPredictions) -> dict[str, Any]:
    about: dict[str, Any] = {"slug": _slug(cell), "attack": None}
    if cell.attack is not None:
        about |= asdict(cell.attack) | {"attack": cell.attack.name, "placement": str(cell.attack.placement)}
        about |= {"n_attacked": int(cell.attacked.sum()), "n_short": int((cell.missing > 0).sum())}
    return about


def _about_model(model: PoseModel, files: ModelFiles) -> dict[str, Any]:
    content = json.dumps(model.config.to_dict(), sort_keys=True, default=str)
    return {
        "name": files.name,
        "config": str(files.config),
        "config_sha256": hashlib.sha256(content.encode()).hexdigest(),
        "checkpoint": str(files.checkpoint),
        "weights_sha256": sha256(files.checkpoint),
        "trusted": files.trusted,
        "input_size": list(model.crops.input_size),
        "flip": model.flip,
        "published": files.published,
    }


def _about_data(dataset: Dataset, limit: int | None) -> dict[str, Any]:
    truth = dataset.truth
    return {
        "name": dataset.name,
        "annotations": str(dataset.annotations),
        "annotations_sha256": sha256(dataset.annotations),
        "images": str(dataset.images),
        "n_images": len(dataset.photos),
        "n_persons": int(((truth.num_keypoints > 0) & ~truth.crowd).sum()),
        "synthetic": dataset.synthetic,
        "skipped_images": list(dataset.skipped),
        "limit": limit,
    }


def _about_boxes(dataset: Dataset) -> dict[str, Any]:
    file = dataset.detections
    return {
        "source": dataset.box_source,
        "file": None if file is None else str(file),
        "sha256": None if file is None else sha256(file),
        **asdict(dataset.box_counts()),
    }
