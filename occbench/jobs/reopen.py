"""A finished run opened again: the data set that it was measured on, its attacks, its predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..attacks import Attack
from ..data.persons import Dataset
from ..data.sources import KNOWN, open_dataset
from ..runs.manifest import Manifest, read_manifest
from ..runs.parquet import read_identity
from ..runs.store import DETECTIONS, PREDICTIONS
from ..system.download import sha256
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
    width, height = manifest["model"]["input_size"]
    attacks = [attack_of(run, cell["slug"]) for cell in manifest["cells"]]
    return FinishedRun(
        run,
        dataset_of(manifest, data, images, run),
        Scoring(manifest["protocol"], manifest["evaluator"], manifest["bootstrap"], manifest["seed"]),
        (width, height),
        [attack for attack in attacks if attack is not None],
        _names(manifest),
        manifest.get("redetect") is not None,
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


def dataset_of(
    manifest: Manifest, data: Path | None = None, images: Path | None = None, run: Path | None = None
) -> Dataset:
    """The data set that a run was measured on.

    Args:
        manifest: Of the run.
        data: The annotation file, where it has moved since.
        images: The image folder, likewise.
        run: The run folder, which keeps a detector's boxes; None to look for them where they were found.

    Raises:
        OccbenchError: Its annotations or detections cannot be found, or are others.
    """
    about, boxes = manifest["data"], manifest["boxes"]
    name = about["name"]
    source = str(data) if data is not None else name if name in KNOWN else about["annotations"]
    folder = images
    if folder is None and source == about["annotations"] and Path(about["images"]).is_dir():
        folder = Path(about["images"])
    file = boxes.get("file")
    if run is not None and boxes["source"] == "detector":
        file = str(run / DETECTIONS)
    noise = str((manifest.get("choices") or {}).get("boxes", "gt")) if boxes.get("source") == "jitter" else "gt"
    dataset = open_dataset(source, folder, noise if file is None else file, manifest["seed"])
    _same(dataset.annotations, about["annotations_sha256"], "--data")
    if file is not None:
        _same(Path(file), boxes["sha256"], "the detections")
    if about["limit"]:
        dataset = dataset.first(about["limit"])
    if about["skipped_images"]:
        skipped = {photo.id for photo in dataset.photos.values() if photo.file_name in set(about["skipped_images"])}
        dataset = dataset.without(skipped, tuple(about["skipped_images"]))
    return dataset


def _same(path: Path, expected: Any, what: str) -> None:
    if sha256(path) != expected:
        raise OccbenchError(f"{str(path)!r} is not the file that was measured on (its sha256 differs): give {what}")
