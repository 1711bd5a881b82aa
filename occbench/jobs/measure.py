"""The main job: a model, a data set and a suite of attacks become a run folder.

The processes of a run share the chunks of persons; the first of them opens the folder, and when all are done puts the
pieces together, scores and reports. What is there already of the same identity is used, whoever computed it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from ..attacks import Attack
from ..data.persons import Dataset
from ..estimators.pose_model import PoseModel
from ..inference.engine import Chunk, Settings, plan, run_cells
from ..inference.predictions import GEOMETRY
from ..inference.scenes import People
from ..runs import about, durable
from ..runs.folder import DEFAULTS, open_run
from ..runs.identity import ENGINE, Identity, key_of, persons_sha256, photos_sha256
from ..runs.manifest import is_run, read_manifest, write_manifest
from ..runs.parquet import read_identity
from ..runs.store import DETECTIONS, REFERENCE, Store, find_cells, in_order, read_geometry, tidy
from ..system.distributed import Ranks
from ..system.errors import OccbenchError
from ..system.progress import Progress
from ..tables.finished import CellScores, as_csv
from ..tables.controls import CONTROL_COLUMNS, as_control_table
from ..tables.rates import GROUP_COLUMNS, as_group_table, metric_name, require_measurable
from ..tables.natural import NATURAL_COLUMNS, as_natural_table
from ..tables.scoring import COLUMNS, Row, Scoring, as_table
from ..tables.split import SPLIT, SPLIT_COLUMNS, Cell, as_split_table, split_rows
from .examples import write_examples
from .redetect import Finds, Redetection

PROBE = 8
"""Crops of the first persons, on which a backend is compared with torch before it is used."""


@dataclass(frozen=True, eq=False)
class Job:
    """What is to be measured.

    Attributes:
        model: The estimator.
        files: Where it comes from.
        dataset: Checked photos and persons.
        attacks: What is hidden, one cell each; the clean cell is always added.
        out: The run folder.
        scoring: How cells are scored.
        settings: How cells are computed.
        backend: What computes the forward passes.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        device: For the model.
        limit: How many photos were asked for.
        command: For the manifest.
        redetect: Makes the detector of the boxes, where it is to see the attacked photos too (scope image).
    """

    model: PoseModel
    files: about.ModelFiles
    dataset: Dataset
    attacks: Sequence[Attack]
    out: Path
    scoring: Scoring
    settings: Settings
    backend: str = "torch"
    precision: str = "fp32"
    device: str = "cpu"
    limit: int | None = None
    command: Sequence[str] = ()
    redetect: Callable[[], Finds] | None = None

    @cached_property
    def people(self) -> People | None:
        """For scope image, the labelled persons of each photo."""
        return self.dataset.people() if self.settings.scope == "image" else None


def measure(
    job: Job,
    report: Callable[[Path], Path],
    progress: Progress,
    ranks: Ranks | None = None,
    *,
    overwrite: bool = False,
    take_over: bool = False,
) -> dict[str, Any] | None:
    """Predict what is not there yet, score, and report.

    Args:
        job: What.
        report: Makes the report of a finished run folder.
        progress: Told what is done.
        ranks: This process among those that share the run.
        overwrite: Whether to begin anew where the folder holds a run.
        take_over: Whether to take a lock that a process of another machine left.

    Returns:
        The manifest; None in all processes but the first.

    Raises:
        OccbenchError: The folder is taken or cannot be written, or the model predicts other keypoints than the data.
    """
    started = time.perf_counter()
    ranks = ranks or Ranks()
    skeleton = job.dataset.skeleton
    if job.model.keypoints not in (None, len(skeleton.keypoints)):
        raise OccbenchError(
            f"model {job.files.name!r} predicts {job.model.keypoints} keypoints, but {job.dataset.name!r} has "
            f"{len(skeleton.keypoints)}: choose a model of its keypoints"
        )
    job.model.crops.require(skeleton)
    require_measurable(job.dataset)
    probe = list(job.model.crops.cut_all(job.dataset.persons[:PROBE]))
    job.model.use(job.backend, job.precision, probe, progress.say)
    choices = _choices(job)
    context = _context(job, choices)
    opened: AbstractContextManager[None] = nullcontext()
    if ranks.first:
        opened = open_run(job.out, choices, overwrite=overwrite, take_over=take_over, say=progress.note)
    backend = job.model.about_backend()
    with opened:
        began = _begin(job, choices, context, progress) if ranks.first else {}
        ranks.wait()
        there = find_cells(job.out, context, job.attacks, job.settings.seed)
        store = Store(job.out, context, job.settings.seed, there.reused)
        _predict(job, job.attacks, store, ranks, progress)
        again = _redetection(job, context)
        if again is not None:
            again.run(in_order([*job.attacks, *there.kept], skeleton), ranks, progress)
        backend["halvings"] = job.model.halvings
        reference = None
        if job.precision != "fp32":
            reference = _reference(job, context)
            job.model.use("torch", "fp32", probe)
            _predict(job, (), reference, ranks, progress)
        ranks.wait()
        if not ranks.first:
            return None
        manifest = _finish(job, context, store, reference, began, progress)
        if again is not None:
            manifest["redetect"] = _finish_split(job, again, store, began["cells"])
        manifest["backend"] = backend | manifest["backend"]
        manifest["wall_seconds"] = round(time.perf_counter() - started, 1)
        write_manifest(job.out, manifest)
        report(job.out)
        write_manifest(job.out, manifest)  # sealed anew, with the report
        return manifest


def _choices(job: Job) -> dict[str, Any]:
    """What makes a run what it is: a command with other ones is another run."""
    return {
        "model": job.files.name,
        "data": job.dataset.name,
        "boxes": about.boxes_name(job.dataset),
        "scope": job.settings.scope,
        "redetect": job.redetect is not None,
        "protocol": job.scoring.protocol,
        "flip": job.model.flip,
        "scales": ",".join(f"{scale:.10g}" for scale in job.model.scales) or None,
        "limit": job.limit,
        "backend": job.backend,
        "precision": job.precision,
        "device": job.device.split(":")[0],
        "batch_size": job.settings.batch_size,
    }


def _context(job: Job, choices: dict[str, Any]) -> Identity:
    """What decides the predictions of every cell."""
    photos = {person.photo.id: person.photo for person in job.dataset.persons}.values()
    decisive = {name: value for name, value in choices.items() if name != "redetect"}  # which only adds to the cells
    return {
        **{name: value for name, value in decisive.items() if (name, value) not in DEFAULTS.items()},
        "engine": ENGINE,
        "backend_version": job.model.about_backend()["version"],
        "weights_sha256": job.model.weights_sha256,
        "config_sha256": job.model.config_sha256,
        "annotations_sha256": about.sha256(job.dataset.annotations),
        "detections_sha256": None if job.dataset.detections is None else about.sha256(job.dataset.detections),
        "persons_sha256": persons_sha256(job.dataset),
        "photos_sha256": photos_sha256(photos),
    }


def _begin(job: Job, choices: dict[str, Any], context: Identity, progress: Progress) -> dict[str, Any]:
    """Say what is there and what is to be done, and mark the run as unfinished until it is done."""
    found = find_cells(job.out, context, job.attacks, job.settings.seed)
    wanted = 1 + len(job.attacks)
    if found.reused:
        progress.note(f"{len(found.reused)} of {wanted} cells are there already")
    reasons: dict[str, list[str]] = {}
    for slug, why in found.again.items():
        reasons.setdefault(why, []).append(slug)
    for why, slugs in reasons.items():
        progress.note(f"computed again, {why}: {', '.join(slugs)}")
    before = read_manifest(job.out) if is_run(job.out) else {}
    created = before.get("created") or datetime.now(timezone.utc).isoformat(timespec="seconds")
    began = {
        "created": created,
        "cells": in_order([*job.attacks, *found.kept], job.dataset.skeleton),
        "reused": len(found.reused),
        "computed": wanted - len(found.reused),
        "again": dict(found.again),
    }
    if len(found.reused) < wanted or not before.get("complete"):
        write_manifest(
            job.out, {"complete": False, "command": list(job.command), "created": created, "choices": choices}
        )
    return began


def _redetection(job: Job, context: Identity) -> Redetection | None:
    """The detector on the attacked photos, where that is asked for."""
    if job.redetect is None or job.people is None:
        return None
    return Redetection(job.out, job.model, job.redetect, job.dataset, job.people, job.settings, context)


def _finish_split(job: Job, again: Redetection, store: Store, attacks: Sequence[Attack]) -> dict[str, Any]:
    """Write split.csv; for the manifest, how the boxes of each attack met the annotated persons."""
    counts = again.finish(attacks)
    geometry = read_geometry(job.out)
    areas = geometry[:, GEOMETRY.index("scale_w")] * geometry[:, GEOMETRY.index("scale_h")]
    clean = Cell(job.dataset, areas, store.read(None))
    cells = (Cell(job.dataset, areas, store.read(attack)) for attack in attacks)
    table = as_split_table(split_rows(job.out, job.dataset, job.scoring, attacks, clean, cells))
    with durable.explained(job.out):
        durable.write(job.out / SPLIT, as_csv(table.assign(**_names(job))[list(SPLIT_COLUMNS)]))
    return counts


def _names(job: Job) -> dict[str, str]:
    """The columns that are the same in every row of a run's tables."""
    return {
        "model": job.files.name,
        "dataset": job.dataset.name,
        "boxes": about.boxes_name(job.dataset),
        "protocol": job.scoring.protocol,
    }


def _reference(job: Job, context: Identity) -> Store:
    """Where the clean cell goes that torch predicts in full precision."""
    import torch

    full = {**context, "backend": "torch", "precision": "fp32", "backend_version": torch.__version__}
    store = Store(job.out, full, job.settings.seed, clean=REFERENCE)
    if read_identity(store.path(None)) != (None, store.identity(None)):
        return store
    return Store(job.out, full, job.settings.seed, [None], REFERENCE)


def _predict(job: Job, attacks: Sequence[Attack], store: Store, ranks: Ranks, progress: Progress) -> None:
    """This process' share of what is missing."""
    settings = replace(job.settings, rank=ranks.rank, ranks=ranks.count)
    total = sum(map(len, _chunks(job)[ranks.rank :: ranks.count])) * (1 + len(attacks))
    with progress.stage("crops", total) as advance:
        data = job.dataset
        run_cells(job.model, data.persons, attacks, data.skeleton, settings, store, advance, job.people)


def _chunks(job: Job) -> list[Chunk]:
    return plan(job.dataset.persons, job.settings)


def _finish(
    job: Job, context: Identity, store: Store, reference: Store | None, began: dict[str, Any], progress: Progress
) -> dict[str, Any]:
    """Put the cells together, score them, and write all that a report is made from; the manifest but for the time."""
    out, dataset = job.out, job.dataset
    for attack in (None, *job.attacks):
        store.finish(attack, _chunks(job), dataset)
    cells: list[Attack | None] = [None, *began["cells"]]
    if reference is not None:
        reference.finish(None, _chunks(job), dataset)
    for slug in tidy(out, cells, reference is not None):
        progress.note(f"{slug} is dropped: it was measured with other content, and is not asked for again")
    rows, groups, confidence, counts = _score(job, store, cells, progress)
    progress.say("natural occlusion and controls")
    scores = CellScores(out, dataset, job.scoring, job.model.crops.input_size)
    natural, controls = scores.natural(cells), scores.controls(cells)
    table = as_table(rows)
    named = _names(job)
    with durable.explained(out):
        durable.write(out / "cells.csv", as_csv(table.assign(**named)[list(COLUMNS)]))
        durable.write(out / "confidence.csv", as_csv(pd.DataFrame(confidence)))
        _keep_detections(out, dataset)
        (out / "groups.csv").unlink(missing_ok=True)
        if groups:
            grouped = as_group_table(groups).assign(**named)[list(GROUP_COLUMNS)]
            durable.write(out / "groups.csv", as_csv(grouped))
        (out / "natural.csv").unlink(missing_ok=True)
        if natural:
            beside = as_natural_table(natural).assign(**named)[list(NATURAL_COLUMNS)]
            durable.write(out / "natural.csv", as_csv(beside))
        (out / "controls.csv").unlink(missing_ok=True)
        if controls:
            placed = as_control_table(controls).assign(**named)[list(CONTROL_COLUMNS)]
            durable.write(out / "controls.csv", as_csv(placed))
        progress.say("examples")
        read = (store.read(attack) for attack in cells)
        write_examples(out / "examples", dataset, read, job.model.crops, job.settings)
    clean_ap = float(table["value"].iloc[0])
    full_ap = clean_ap if reference is None else CellScores.clean_ap(out, dataset, job.scoring, reference.path(None))
    return {
        "complete": True,
        "command": list(job.command),
        "created": began["created"],
        "reused": began["reused"],
        "computed": began["computed"],
        "again": began["again"],
        "chunks": {"wanted": len(_chunks(job)) * (1 + len(job.attacks)), "computed": store.computed},
        "choices": _choices(job),
        "identity": {name: value for name, value in context.items() if name not in _choices(job)},
        **about.run(job.model, job.files, dataset, job.limit),
        "backend": {"clean_ap": clean_ap, "clean_ap_fp32": full_ap, "clean_ap_difference": clean_ap - full_ap},
        "device": job.device,
        "scope": job.settings.scope,
        "protocol": job.scoring.protocol,
        "metric": metric_name(dataset),
        "evaluator": job.scoring.evaluator,
        "bootstrap": job.scoring.draws,
        "seed": job.settings.seed,
        "batch_size": job.settings.batch_size,
        "cells": counts,
    }


def _keep_detections(out: Path, dataset: Dataset) -> None:
    """A detector's boxes belong to the run, as a COCO results file; others are a file of the user's own."""
    (out / DETECTIONS).unlink(missing_ok=True)
    if dataset.detector is not None and dataset.detections is not None:
        durable.write(out / DETECTIONS, dataset.detections.read_bytes())


def _score(
    job: Job, store: Store, cells: Sequence[Attack | None], progress: Progress
) -> tuple[list[Row], list[Row], list[Row], list[dict[str, Any]]]:
    """The rows of every cell, those of its groups and its confidence, and its line of the manifest; kept on disk."""
    scores = CellScores(job.out, job.dataset, job.scoring, job.model.crops.input_size)
    rows: list[Row] = []
    groups: list[Row] = []
    confidence: list[Row] = []
    counts: list[dict[str, Any]] = []
    with progress.stage("scoring", len(cells)) as advance:
        for attack in cells:
            scored = scores.kept_or_computed(attack, key_of(store.identity(attack)), key_of(store.identity(None)))
            rows += scored["rows"]
            groups += scored["groups"]
            confidence += scored["confidence"]
            counts.append(scored["about"])
            advance(1)
    return rows, groups, confidence, counts
