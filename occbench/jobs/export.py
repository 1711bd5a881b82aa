"""A run in the formats of others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..evaluation.pose_nms import Kept
from ..evaluation.pose_scores import pose_scores
from ..inference.predictions import CellPredictions, FoundPersons
from ..inference.results import kept_persons, merged_persons
from ..reports.reading.drops import NO_DROP, drop_of, records
from ..reports.tables.formats import to_latex
from ..reports.tables.table import Column, Row, Table
from ..runs import durable
from ..runs.manifest import Manifest, read_manifest
from ..runs.parquet import read_cell, read_table
from ..runs.store import PERSONS, PREDICTIONS
from ..system.errors import OccbenchError
from ..tables.all import read_table as table_of
from .reopen import scoring_of

FORMATS = ("coco", "csv", "parquet", "latex")


def export(run: Path, form: str, out: Path) -> list[Path]:
    """Write a run in another format.

    ``coco``: COCO keypoint results of every cell as they were evaluated (scored and thinned out by OKS-NMS; of models
    that see whole photos everybody whom they found), which `occbench evaluate` and pycocotools read; for data that is
    scored by one pose per annotated person (PCKh, PCK, PDJ) those of every person, with their ``annotation_id``.
    ``csv``: cells.csv and one predictions.csv with a row per cell and box. ``parquet``: the same two,
    typed. ``latex``: the drop of AP by target and fill, with its interval
    (booktabs).

    Args:
        run: A finished run folder.
        form: One of :data:`FORMATS`.
        out: The folder for the files; it is made.

    Returns:
        The files.

    Raises:
        OccbenchError: The run is unfinished or damaged, or ``out`` cannot be written.
    """
    manifest = read_manifest(run)
    if not manifest["complete"] or manifest["seal"] is None or not (run / PERSONS).is_file():
        raise OccbenchError(f"{run} is unfinished or of an old occbench: give its command again, then export it")
    with durable.explained(out):
        if form == "coco":
            return [_write(out / f"{slug}.json", json.dumps(found).encode()) for slug, found in _coco(run, manifest)]
        if form == "latex":
            return [_write(out / "drops.tex", latex(table_of(run, "cells")).encode())]
        cells = pd.read_csv(run / "cells.csv")
        poses = _poses(run, manifest)
        if form == "csv":
            tables = {"cells.csv": cells, "predictions.csv": poses}
            return [_write(out / name, table.to_csv(index=False).encode()) for name, table in tables.items()]
        tables = {"cells.parquet": cells, "predictions.parquet": poses}
        return [_write(out / name, table.to_parquet(index=False)) for name, table in tables.items()]


def _write(path: Path, content: bytes) -> Path:
    durable.write(path, content)
    return path


def _cells(run: Path, manifest: Manifest) -> Iterator[CellPredictions]:
    for cell in manifest["cells"]:
        yield read_cell(run / PREDICTIONS / f"{cell['slug']}.parquet")


def _coco(run: Path, manifest: Manifest) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    persons = read_table(run / PERSONS)
    ids, images = persons["id"].to_numpy(), persons["image_id"].to_numpy()
    boxes, areas = persons["score"].to_numpy(), persons["area"].to_numpy()
    sigmas = np.array(manifest["skeleton"]["sigmas"])
    by_person = manifest.get("metric", "AP") != "AP"  # scored by one pose per annotated person
    whose = persons["annotation"].tolist()
    rule = scoring_of(manifest).pose_nms
    for cell in _cells(run, manifest):
        if cell.found is not None and not by_person:
            yield cell.slug, _as_found(cell.found)
            continue
        scores = pose_scores(boxes, cell.scores)
        kept = [i for i, person in enumerate(whose) if not pd.isna(person) and np.isfinite(cell.scores[i]).all()]
        if rule is not None and not by_person:
            corners = persons[["x1", "y1", "x2", "y2"]].to_numpy(np.float64)
            found = merged_persons(ids, images, corners, boxes, cell.keypoints, cell.scores, rule)
            yield cell.slug, _as_merged(found, images)
            continue
        if not by_person:
            kept = kept_persons(ids, images, cell.keypoints, scores, areas, sigmas)
        triples = np.concatenate([cell.keypoints, cell.scores[..., None]], axis=-1)
        yield (
            cell.slug,
            [
                {
                    "image_id": int(images[i]),
                    "category_id": 1,
                    # The shortest text that reads back as the same float32.
                    "keypoints": [float(str(value)) for value in triples[i].ravel()],
                    "score": float(scores[i]),
                    **({"annotation_id": int(whose[i])} if by_person else {}),
                }
                for i in kept
            ],
        )


def _as_found(found: FoundPersons) -> list[dict[str, Any]]:
    """Everybody whom an estimator of whole photos found, with its own scores."""
    triples = np.concatenate([found.keypoints, found.keypoint_scores[..., None]], axis=-1).reshape(len(found), -1)
    return [
        {
            "image_id": int(image),
            "category_id": 1,
            "keypoints": [float(str(value)) for value in row],
            "score": float(str(score)),
        }
        for image, row, score in zip(found.image, triples, found.scores, strict=True)
    ]


def _as_merged(found: Kept, images: np.ndarray) -> list[dict[str, Any]]:
    """The persons that pose NMS leaves; ``images``: of the boxes, image ids."""
    triples = np.concatenate([found.keypoints, found.keypoint_scores[..., None]], axis=-1)
    return [
        {"image_id": int(images[i]), "category_id": 1, "keypoints": pose.ravel().tolist(), "score": float(score)}
        for i, pose, score in zip(found.picked, triples, found.scores, strict=True)
    ]


def _poses(run: Path, manifest: Manifest) -> pd.DataFrame:
    persons = read_table(run / PERSONS)[["id", "annotation", "image_id", "file_name", "score"]]
    names = manifest["skeleton"]["keypoints"]
    tables = []
    for cell in _cells(run, manifest):
        table = persons.assign(cell=cell.slug, attacked=cell.attacked)
        values = np.concatenate([cell.keypoints, cell.scores[..., None]], axis=-1).reshape(len(cell), -1)
        columns = [f"{name}_{what}" for name in names for what in ("x", "y", "score")]
        tables.append(pd.concat([table, pd.DataFrame(values, columns=columns)], axis=1))
    return pd.concat(tables, ignore_index=True)


def latex(cells: pd.DataFrame) -> str:
    """The drop of AP over all keypoints, a line per target, size and placement, a column per level and fill."""
    overall = cells[(cells["keypoint"] == "all") & (cells["level"] != "clean")]
    clean = cells[(cells["keypoint"] == "all") & (cells["level"] == "clean")].iloc[0]
    kinds = list(dict.fromkeys(zip(overall["level"], overall["fill"], strict=True)))
    columns = [Column("target", "hidden"), Column("radius", "r, px", "px"), Column("placement", "placement")]
    columns += [Column(f"{level}_{fill}", fill, "points", group=f"{level}s") for level, fill in kinds]
    rows = []
    for (target, radius, placement), mine in overall.groupby(["target", "radius", "placement"], sort=False):
        found = {(row["level"], row["fill"]): drop_of(row) for row in records(mine)}
        drops = [found.get(kind, NO_DROP) for kind in kinds]
        rows.append(Row((str(target), float(str(radius)), str(placement), *drops)))
    caption = (
        f"Drop of {clean['metric']} in points [95 % interval] of {clean['model']} on {clean['dataset']}, boxes "
        f"{clean['boxes']}, protocol {clean['protocol']}: clean {clean['value']:.4f}, n = {clean['n']:.0f} persons."
    )
    return to_latex(Table("drops", caption, tuple(columns), tuple(rows)))
