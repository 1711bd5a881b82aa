"""The main job: a model, a data set and a suite of attacks become a run folder, in four steps.

:func:`opened` holds the folder and says what is there, :func:`predict` computes the cells that are not,
:func:`.score.score` makes the tables from them, and :func:`report` writes what people read. The processes of a run
share the chunks of persons; the first of them opens the folder, and when all are done puts the pieces together, scores
and reports. What is there already of the same identity is used, whoever computed it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..attacks import Attack
from ..data.findings import warnings_of
from ..data.persons import Dataset
from ..estimators.protocol import window_of
from ..inference.engine import run_cells
from ..inference.photo_engine import run_photos
from ..runs import durable
from ..runs.folder import open_run
from ..runs.identity import Identity
from ..runs.manifest import is_run, read_manifest, write_manifest
from ..runs.parquet import read_identity
from ..runs.store import CALLS, DETECTIONS, REFERENCE, Found, Store, find_cells, in_order, tidy
from ..system.distributed import Ranks
from ..system.errors import OccbenchError
from ..system.progress import Progress
from ..tables.finished import FinishedRun
from ..tables.rates import require_measurable
from .examples import write_examples
from .folders import run_folders
from .job import Job
from .ready import ready, use
from .redetect import Redetection
from .summary import manifest_of, name_of

if TYPE_CHECKING:
    from .score import Scored


def measure(
    job: Job,
    build: Callable[[Path], Path],
    progress: Progress,
    ranks: Ranks | None = None,
    *,
    overwrite: bool = False,
    take_over: bool = False,
) -> dict[str, Any] | None:
    """Predict what is not there yet, score, and report.

    Args:
        job: What.
        build: Makes the report of a finished run folder.
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
    with opened(job, progress, ranks, overwrite=overwrite, take_over=take_over) as run:
        predicted = predict(run, ranks, progress)
        if not ranks.first:
            return None

        from .score import score  # with pandas, which takes as long to import as many crops to predict

        scored = score(run.finished(), run.store, progress)
        return report(run, predicted, scored, build, progress, started)


@dataclass(frozen=True, eq=False)
class Opened:
    """A run folder that is held.

    Attributes:
        job: What is measured there.
        context: What decides the predictions of every cell.
        found: What was there already.
        attacks: Those of the run in the order of its tables: the job's, and those of earlier commands.
        store: Where cells go.
        created: When the run was begun; empty in all processes but the first.
    """

    job: Job
    context: Identity
    found: Found
    attacks: Sequence[Attack]
    store: Store
    created: str

    def finished(self) -> FinishedRun:
        """The run, when all its cells are there."""
        job = self.job
        how = job.redetect is not None, job.settings.scope, job.model.visibility, window_of(job.model)
        return FinishedRun(job.out, job.dataset, job.scoring, job.crops.input_size, self.attacks, job.names, *how)


@contextmanager
def opened(
    job: Job, progress: Progress, ranks: Ranks, *, overwrite: bool = False, take_over: bool = False
) -> Iterator[Opened]:
    """Step 1: refuse what cannot be measured, ready the model, hold the folder, and see what of it is there.

    Arguments and errors as of :func:`measure`.
    """
    _check(job)
    ready(job, progress, ranks, overwrite)
    context = job.identity()
    held: AbstractContextManager[None] = nullcontext()
    if ranks.first:
        held = open_run(
            *(job.out, job.choices, job.shared(context), job.settings.seed),
            overwrite=overwrite,
            take_over=take_over,
            say=progress.note,
        )
    with held:
        created = _begin(job, context, progress) if ranks.first else ""
        ranks.wait()
        found = find_cells(job.out, context, job.attacks, job.settings.seed)
        attacks = in_order([*job.attacks, *found.kept], job.dataset.skeleton)
        store = Store(job.out, context, job.settings.seed, found.reused)
        yield Opened(job, context, found, attacks, store, created)


def _check(job: Job) -> None:
    skeleton = job.dataset.skeleton
    if job.model.keypoints not in (None, len(skeleton.keypoints)):
        raise OccbenchError(
            f"model {job.files.name!r} predicts {job.model.keypoints} keypoints, but {job.dataset.name!r} has "
            f"{len(skeleton.keypoints)}: choose a model of its keypoints"
        )
    job.model.require(skeleton)
    require_measurable(job.dataset)


def _begin(job: Job, context: Identity, progress: Progress) -> str:
    """Say what is there and what is to be done, and mark the run as unfinished until it is; when it was created."""
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
    created: str = before.get("created") or datetime.now(timezone.utc).isoformat(timespec="seconds")
    if len(found.reused) < wanted or not before.get("complete"):
        content = job.content(context, [*job.attacks, *found.kept])
        begun = {"complete": False, "command": list(job.command), "created": created, "name": name_of(job)}
        write_manifest(job.out, {**begun, "choices": job.choices, "identity": content})
    return created


@dataclass(frozen=True, eq=False)
class Predicted:
    """What is known when all predictions are there.

    Attributes:
        backend: What computed them, for the manifest.
        reference: Where the clean cell in full precision lies, beside a run in reduced precision.
        redetected: By the attack's slug how the boxes in its photos met the annotated persons, where it was asked for.
    """

    backend: dict[str, Any]
    reference: Path | None = None
    redetected: dict[str, Any] | None = None


def predict(run: Opened, ranks: Ranks, progress: Progress) -> Predicted:
    """Step 2: compute this process' share of what is missing; the first process then puts the cells together.

    Args:
        run: The run.
        ranks: This process among those that share it.
        progress: Told what is done.

    Raises:
        OccbenchError: The model predicts no numbers, or the folder cannot be written.
    """
    job = run.job
    _compute(job, job.attacks, run.store, ranks, progress)
    again = _redetection(run)
    if again is not None:
        again.run(run.attacks, ranks, progress)
    backend = job.model.about_backend() | {"halvings": job.model.halvings}
    reference = None
    if job.precision != "fp32":
        reference = _reference(run)
        use(job, "torch", "fp32", progress)
        _compute(job, (), reference, ranks, progress)
    ranks.wait()
    if not ranks.first:
        return Predicted(backend)
    _put_together(run, reference, progress)
    counts = None if again is None else again.finish(run.attacks)
    return Predicted(backend, None if reference is None else reference.path(None), counts)


def _compute(job: Job, attacks: Sequence[Attack], store: Store, ranks: Ranks, progress: Progress) -> None:
    settings = replace(job.settings, rank=ranks.rank, ranks=ranks.count)
    mine, cells, skeleton = job.chunks[ranks.rank :: ranks.count], 1 + len(attacks), job.dataset.skeleton
    if job.outside is not None:
        if ranks.count > 1:
            raise OccbenchError("what runs elsewhere is asked by one process: leave --launcher out")
        data, calls = job.dataset, job.out / CALLS
        with progress.stage("photos", len(data.photos) * cells, f"{cells} cells") as advance:
            run_folders(job.outside, job.crops, data, attacks, settings, store, calls, advance)
    elif job.by_photo is not None:
        with progress.stage("photos", sum(len(c.images) for c in mine) * cells, f"{cells} cells") as advance:
            run_photos(job.by_photo, job.crops, job.dataset, attacks, settings, store, advance)
    elif job.by_crop is not None:
        with progress.stage("crops", sum(map(len, mine)) * cells, f"{cells} cells") as advance:
            run_cells(
                job.by_crop,
                job.dataset.persons,
                attacks,
                skeleton,
                settings,
                store,
                advance,
                job.people,
                job.material,
            )


def _redetection(run: Opened) -> Redetection | None:
    """The detector on the attacked photos, where that is asked for."""
    job = run.job
    if job.redetect is None or job.people is None or job.by_crop is None:
        return None
    return Redetection(
        job.out, job.by_crop, job.redetect, job.dataset, job.people, job.settings, run.context, job.material
    )


def _reference(run: Opened) -> Store:
    """Where the clean cell goes that torch predicts in full precision."""
    import torch

    out, seed = run.job.out, run.job.settings.seed
    plain = {name: value for name, value in run.context.items() if name != "on_gpu"}  # there it goes by rule
    full = {**plain, "backend": "torch", "precision": "fp32", "backend_version": torch.__version__}
    store = Store(out, full, seed, clean=REFERENCE)
    if read_identity(store.path(None)) != (None, store.identity(None)):
        return store
    return Store(out, full, seed, [None], REFERENCE)


def _put_together(run: Opened, reference: Store | None, progress: Progress) -> None:
    """Make files of the cells' pieces, and drop what is not of the run."""
    job = run.job
    for attack in (None, *job.attacks):
        run.store.finish(attack, job.chunks, job.dataset)
    if reference is not None:
        reference.finish(None, job.chunks, job.dataset)
    for slug in tidy(job.out, [None, *run.attacks], reference is not None):
        progress.note(f"{slug} is dropped: its file is damaged, and it is not asked for again")
    with durable.explained(job.out):
        _keep_detections(job.out, job.dataset)


def _keep_detections(out: Path, dataset: Dataset) -> None:
    """A detector's boxes belong to the run, as a COCO results file; others are a file of the user's own."""
    (out / DETECTIONS).unlink(missing_ok=True)
    if dataset.detector is not None and dataset.detections is not None:
        durable.write(out / DETECTIONS, dataset.detections.read_bytes())


def report(
    run: Opened,
    predicted: Predicted,
    scored: Scored,
    build: Callable[[Path], Path],
    progress: Progress,
    started: float,
) -> dict[str, Any]:
    """Step 4: write the examples, the manifest and the report, and seal the run.

    Args:
        run: The run.
        predicted: What is known of its predictions.
        scored: Its figures.
        build: Makes the report of a finished run folder.
        progress: Told what is done.
        started: When the measurement began, by :func:`time.perf_counter`.

    Returns:
        The manifest.

    Raises:
        OccbenchError: The folder cannot be written.
    """
    job = run.job
    progress.say("examples")
    with durable.explained(job.out):
        cells = map(scored.run.read, scored.run.cells)
        write_examples(job.out / "examples", job.dataset, cells, job.crops, job.settings, job.material)
    manifest = manifest_of(run, predicted, scored)
    manifest["wall_seconds"] = round(time.perf_counter() - started, 1)
    write_manifest(job.out, manifest)
    build(job.out)
    write_manifest(job.out, manifest)  # sealed anew, with the report
    for line in warnings_of(scored.findings):
        progress.note(line)
    return manifest
