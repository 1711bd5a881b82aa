"""``occbench train`` for cascades, which are trained stage after stage."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..system.errors import OccbenchError

if TYPE_CHECKING:
    from ..data.persons import Dataset
    from ..system.progress import Progress
    from ..training import Settings


def open_checked(data: str, images: Path | None, skip_unreadable: bool, strict: bool, progress: Progress) -> Dataset:
    """A data set of any format that attacks read, every photo with a person checked.

    Raises:
        OccbenchError: It cannot be read, or a photo cannot.
    """
    from ..data.findings import refuse_errors, warnings_of
    from ..data.photos import check_photos
    from ..data.sources import open_dataset

    dataset = open_dataset(data, images)
    refuse_errors(dataset.findings, data, strict)
    for line in warnings_of(dataset.findings, data):
        progress.note(line)
    return check_photos(dataset, skip_unreadable)


def train_cascade(
    config: Path,
    data: Dataset,
    val: Dataset | None,
    out: Path,
    settings: Settings,
    given: Mapping[str, Any],
    *,
    stage: int | None,
    resume: bool,
    dry_run: bool,
    progress: Progress,
) -> str:
    """Train, and return what is printed: where the weights are; of a dry run, its plan.

    Args:
        config: Of a cascade.
        data: The persons to train on.
        val: Persons by whom every stage is judged; or None.
        out: The folder.
        settings: What the other options say.
        given: What was given of epochs, draws, batch_size, lr and decay; the config says the rest.
        stage: The last one to train.
        resume: Go on in ``out``.
        dry_run: Only say what would be done.
        progress: Told what is done.

    Raises:
        OccbenchError: An option is none for cascades, or what the training raises.
    """
    from ..estimators.config import load_config
    from ..training.cascade import CascadeSettings
    from ..training.cascade import plan as cascade_plan
    from ..training.cascade import train_cascade as run

    refused = {
        "--aug": settings.augmentation.names != ("none",),
        "--init": settings.init is not None,
        "--freeze-stages": settings.freeze_stages >= 0,
        "--freeze-norm": settings.freeze_norm,
        "--amp": settings.amp,
    }
    for option, is_given in refused.items():
        if is_given:
            raise OccbenchError(f"{option} is not for a cascade, which is trained stage after stage; leave it out")
    own = dict(load_config(config).get("cascade_training", {}))
    chosen = CascadeSettings.of({**own, "seed": settings.seed, "bf16": settings.bf16, **given})
    if dry_run:
        return "\n".join(cascade_plan(config, data, chosen))
    return str(run(config, data, out, chosen, val=val, until=stage, resume=resume, progress=progress))
