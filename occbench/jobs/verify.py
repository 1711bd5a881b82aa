"""Check a run: the hash of every file, and the figures from the predictions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd

from ..attacks import Attack
from ..data.persons import Dataset
from ..data.sources import KNOWN, open_dataset
from ..inference.predictions import GEOMETRY
from ..runs.manifest import Manifest, broken_seal, read_manifest
from ..runs.parquet import read_cell, read_identity, read_table
from ..runs.store import DETECTIONS, PERSONS, PREDICTIONS, read_geometry
from ..system.download import sha256
from ..system.errors import OccbenchError
from ..tables.finished import CellScores, as_csv
from ..tables.scoring import COLUMNS, Row, Scoring, as_table
from ..tables.split import SPLIT, SPLIT_COLUMNS, Cell, as_split_table, split_rows


def verify(
    run: Path,
    data: Path | None = None,
    images: Path | None = None,
    advance: Callable[[int, int], None] = lambda done, of: None,
) -> list[str]:
    """Everything that is wrong with a run; nothing for a run that is as it was written.

    Args:
        run: The run folder.
        data: The annotation file, where it has moved since.
        images: The image folder, likewise; photos themselves are not looked at.
        advance: Called with the number of cells that are scored again, and of how many.

    Raises:
        OccbenchError: It is no finished run, or its annotations or detections cannot be found or are others.
    """
    wrong = broken_seal(run)
    if wrong:
        return wrong  # figures from damaged predictions say nothing more
    manifest = read_manifest(run)
    dataset = dataset_of(manifest, data, images, run)
    ids = read_table(run / PERSONS)["id"].to_numpy()
    if ids.tolist() != [person.id for person in dataset.persons]:
        return [f"{PERSONS} lists other boxes than the annotations give"]
    scoring = Scoring(manifest["protocol"], manifest["evaluator"], manifest["bootstrap"], manifest["seed"])
    width, height = manifest["model"]["input_size"]
    scores = CellScores(run, dataset, scoring, (width, height))
    rows: list[Row] = []
    for done, cell in enumerate(manifest["cells"]):
        rows += scores.compute(attack_of(run, cell["slug"]))["rows"]
        advance(done + 1, len(manifest["cells"]))
    written = (run / "cells.csv").read_bytes()
    named = pd.read_csv(StringIO(written.decode()), dtype=str, keep_default_na=False, nrows=1).iloc[0]
    same = {name: named[name] for name in ("model", "dataset", "boxes", "protocol")}
    again = as_csv(as_table(rows).assign(**same)[list(COLUMNS)])
    wrong = [] if again == written else [_difference("cells.csv", written, again)]
    if manifest.get("redetect") is None:
        return wrong
    return wrong + _wrong_split(run, dataset, scoring, [cell["slug"] for cell in manifest["cells"]], same)


def _wrong_split(
    run: Path, dataset: Dataset, scoring: Scoring, slugs: Sequence[str], same: Mapping[str, str]
) -> list[str]:
    """What is wrong with split.csv, by the boxes and predictions that it is made from."""
    if not (run / SPLIT).is_file():
        return [f"{SPLIT} is missing"]
    geometry = read_geometry(run)
    areas = geometry[:, GEOMETRY.index("scale_w")] * geometry[:, GEOMETRY.index("scale_h")]

    def cell(slug: str) -> Cell:
        return Cell(dataset, areas, read_cell(run / PREDICTIONS / f"{slug}.parquet"))

    attacks = [attack for slug in slugs if (attack := attack_of(run, slug)) is not None]
    rows = split_rows(run, dataset, scoring, attacks, cell("clean"), (cell(attack.slug) for attack in attacks))
    written = (run / SPLIT).read_bytes()
    again = as_csv(as_split_table(rows).assign(**same)[list(SPLIT_COLUMNS)])
    return [] if again == written else [_difference(SPLIT, written, again)]


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


def _difference(name: str, written: bytes, again: bytes) -> str:
    """The first line of a table that is another one."""
    before, after = written.decode().splitlines(), again.decode().splitlines()
    if len(before) != len(after):
        return f"{name} has {len(before)} lines, but its predictions give {len(after)}"
    line = next(i for i, (old, new) in enumerate(zip(before, after, strict=True)) if old != new)
    return f"{name}, line {line + 1}: written {before[line][:160]!r}, but its predictions give {after[line][:160]!r}"
