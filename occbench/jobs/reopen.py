"""A finished run opened again: the data set that it was measured on, its attacks, its predictions."""

from __future__ import annotations

from pathlib import Path

from ..attacks import Attack
from ..evaluation.pose_nms import PoseNms
from ..runs.manifest import Manifest, crop_size, read_manifest
from ..runs.parquet import read_identity
from ..runs.source import dataset_of
from ..runs.store import PREDICTIONS
from ..system.errors import OccbenchError
from ..tables.finished import FinishedRun
from ..tables.scoring import Scoring


def finished_run(run: Path, data: Path | None = None, images: Path | None = None) -> FinishedRun:
    """A run folder as its tables are made from it.

    Args:
        run: The run folder.
        data: The annotation file, where it has moved since.
        images: The image folder, likewise; photos themselves are not looked at.

    Raises:
        OccbenchError: It is no finished run, or its annotations or detections cannot be found or are others.
    """
    manifest = read_manifest(run)
    attacks = [attack_of(run, cell["slug"]) for cell in manifest["cells"]]
    return FinishedRun(
        run,
        dataset_of(manifest, data, images, run),
        scoring_of(manifest),
        crop_size(manifest),
        [attack for attack in attacks if attack is not None],
        _names(manifest),
        manifest.get("redetect") is not None,
        str(manifest.get("scope", "person")),
        str(manifest["model"].get("visibility", "")),
        manifest["model"].get("window"),
    )


def scoring_of(manifest: Manifest) -> Scoring:
    """How a run was scored."""
    rule = manifest.get("pose_nms")
    return Scoring(
        manifest["protocol"],
        manifest["evaluator"],
        manifest["bootstrap"],
        manifest["seed"],
        None if rule is None else PoseNms.parse(rule),
    )


def _names(manifest: Manifest) -> dict[str, str]:
    """The columns that are the same in every row of a run's tables."""
    file = manifest["boxes"].get("file")
    boxes = "gt" if file is None else Path(file).stem  # of a run from before choices were recorded
    return {
        "model": manifest["model"]["name"],
        "dataset": manifest["data"]["name"],
        "boxes": str((manifest.get("choices") or {}).get("boxes", boxes)),
        "protocol": manifest["protocol"],
    }


def attack_of(run: Path, slug: str) -> Attack | None:
    """The attack of a finished cell; None for the clean one."""
    found = read_identity(run / PREDICTIONS / f"{slug}.parquet")
    if found is None:
        raise OccbenchError(f"the predictions of cell {slug!r} of {str(run)!r} are missing or damaged")
    return found[0]
