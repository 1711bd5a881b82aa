"""The model of a run made ready: on its backend, and on a GPU in the way that the run began with."""

from __future__ import annotations

from ..estimators.backends.tuning import Choice
from ..estimators.crops import Crop
from ..runs.manifest import is_run, read_manifest
from ..system.distributed import Ranks
from ..system.progress import Progress
from .job import Job

PROBE = 8
"""Crops of the first persons, on which a backend is compared with torch before it is used."""


def probe(job: Job) -> list[Crop]:
    """The crops that backends are compared on."""
    return list(job.model.crops.cut_all(job.dataset.persons[:PROBE]))


def ready(job: Job, progress: Progress, ranks: Ranks, overwrite: bool) -> None:
    """Ready the model, in the same way in all processes.

    Args:
        job: What is to be measured.
        progress: Told what takes long, and what falls back.
        ranks: This process among those of the run.
        overwrite: Whether the run begins anew where there is one.

    Raises:
        OccbenchError: The backend cannot be used.
    """
    crops, batch_size = probe(job), job.settings.batch_size
    choice = None
    if ranks.first:
        choice = None if overwrite else _begun_with(job)
        choice = choice or job.model.choose(job.backend, job.precision, crops, batch_size, job.tune, progress.say)
    job.model.use(job.backend, job.precision, crops, progress.say, ranks.share(choice), batch_size)


def _begun_with(job: Job) -> Choice | None:
    if not job.device.startswith("cuda") or not is_run(job.out):
        return None
    known = (read_manifest(job.out).get("identity") or {}).get("on_gpu")
    return None if known is None else Choice(**known)
