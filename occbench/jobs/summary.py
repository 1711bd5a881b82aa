"""The manifest of a run that is measured: what it says about itself, but for the time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..attacks import Attack
from ..evaluation.cells import EVALUATION
from ..runs import about
from ..runs.manifest import is_run, read_manifest
from ..runs.parquet import read_cell
from ..tables.finished import FinishedRun
from ..tables.judge import judge
from ..tables.rates import metric_name
from .job import Job

if TYPE_CHECKING:
    from .measure import Opened, Predicted
    from .score import Scored


def name_of(job: Job) -> str | None:
    """What reports call the run: as asked for, else as before."""
    return job.name or (read_manifest(job.out).get("name") if is_run(job.out) else None)


def manifest_of(run: Opened, predicted: Predicted, scored: Scored) -> dict[str, Any]:
    """What the run says about itself, but for the time."""
    job, found = run.job, run.found
    dataset = replace(job.dataset, findings=(*job.dataset.findings, *scored.findings))
    wanted = 1 + len(job.attacks)
    clean_ap = float(scored.tables["cells"]["value"].iloc[0])
    full_ap = clean_ap if predicted.reference is None else _clean_ap(scored.run, predicted.reference)
    manifest = {
        "complete": True,
        "command": list(job.command),
        "created": run.created,
        "reused": len(found.reused),
        "computed": wanted - len(found.reused),
        "again": dict(found.again),
        "chunks": {"wanted": len(job.chunks) * wanted, "computed": run.store.computed},
        "choices": job.choices,
        "identity": job.content(run.context, run.attacks),
        "name": name_of(job),
        **about.run(job.model, job.files, dataset, job.limit, job.out, job.crops.input_size),
        "backend": {
            **predicted.backend,
            "clean_ap": clean_ap,
            "clean_ap_fp32": full_ap,
            "clean_ap_difference": clean_ap - full_ap,
        },
        "device": job.device,
        "scope": job.settings.scope,
        "protocol": job.scoring.protocol,
        "metric": metric_name(job.dataset),
        "evaluator": job.scoring.evaluator,
        "evaluation": EVALUATION,
        "bootstrap": job.scoring.draws,
        "seed": job.settings.seed,
        **({} if job.scoring.pose_nms is None else {"pose_nms": str(job.scoring.pose_nms)}),
        **({"occluders": about.occluders(job.cutouts, job.out)} if _paints_objects(run.attacks) else {}),
        "batch_size": job.settings.batch_size,
        "cells": scored.cells,
    }
    return manifest if predicted.redetected is None else manifest | {"redetect": predicted.redetected}


def _paints_objects(attacks: Sequence[Attack]) -> bool:
    return any(attack.fill == "object" for attack in attacks)


def _clean_ap(run: FinishedRun, reference: Path) -> float:
    """AP (or the figure of the data set's metric) over all keypoints of a clean cell that is none of the run's."""
    fast = replace(run.scoring, draws=0)
    return float(judge(run.dataset, fast, run.areas, read_cell(reference)).rows(None)[0]["value"])
