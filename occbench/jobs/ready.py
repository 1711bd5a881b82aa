"""The model of a run made ready: on its backend, and on a GPU in the way that the run began with."""

from __future__ import annotations

from collections.abc import Sequence

from ..data.photos import decode
from ..estimators.backends.tuning import Choice
from ..estimators.crops import Crop
from ..runs.manifest import is_run, read_manifest
from ..system.distributed import Ranks
from ..system.progress import Progress
from .job import Job

PROBE = 8
"""Crops of the first persons, on which a backend is compared with torch before it is used."""


PROBE_PHOTOS = 2
"""Photos, likewise."""


def probe(job: Job) -> list[Crop]:
    """The crops that backends are compared on."""
    return list(job.crops.cut_all(job.dataset.persons[:PROBE]))


def use(
    job: Job,
    backend: str,
    precision: str,
    progress: Progress,
    choice: Choice | None = None,
    crops: Sequence[Crop] | None = None,
) -> None:
    """Have the model of a run compute with a backend, which is compared on crops or photos of the run.

    Raises:
        OccbenchError: The backend cannot be used.
    """
    if job.by_crop is not None:
        sample = probe(job) if crops is None else crops
        job.by_crop.use(backend, precision, sample, progress.say, choice, job.settings.batch_size)
    if job.by_photo is not None:
        photos = list(job.dataset.photos.values())[:PROBE_PHOTOS]
        job.by_photo.use(backend, precision, [decode(photo) for photo in photos], progress.say)


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
    choice, model = None, job.by_crop
    crops = () if model is None else probe(job)
    if ranks.first and model is not None:
        choice = None if overwrite else _begun_with(job)
        how = (job.backend, job.precision, crops, job.settings.batch_size, job.tune, progress.say)
        choice = choice or model.choose(*how)
    use(job, job.backend, job.precision, progress, ranks.share(choice), crops)


def _begun_with(job: Job) -> Choice | None:
    if not job.device.startswith("cuda") or not is_run(job.out):
        return None
    known = (read_manifest(job.out).get("identity") or {}).get("on_gpu")
    return None if known is None else Choice(**known)
