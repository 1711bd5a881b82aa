"""A small run folder made by hand, for tests of the report."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

KEYPOINTS = ["nose", "left_shoulder", "right_shoulder", "left_hip", "right_hip", "left_ankle", "right_ankle"]
PARTS = {"corpus": KEYPOINTS[1:5], "hip": KEYPOINTS[3:5]}
EDGES = [["nose", "left_shoulder"], ["left_shoulder", "left_hip"], ["left_hip", "left_ankle"]]
COLUMNS = [
    "model",
    "dataset",
    "boxes",
    "protocol",
    "level",
    "fill",
    "target",
    "radius",
    "placement",
    "keypoint",
    "n",
    "ap",
    "ap50",
    "ap75",
    "ap_m",
    "ap_l",
    "ar",
    "drop",
    "ar50",
    "ar75",
    "ar_m",
    "ar_l",
    "n_remaining",
    "drop_remaining",
]
INTERVAL_COLUMNS = ["drop_lo", "drop_hi", "drop_se", "p", "p_adjusted", "ap_lo", "ap_hi"]
CLEAN_AP = {"all": 0.7606, **{k: 0.70 + 0.02 * i for i, k in enumerate(KEYPOINTS)}}

Cell = tuple[str, str, str, float, str]
"""Level, fill, target, radius in crop px, placement."""


def plain_loss(cell: Cell, keypoint: str) -> float:
    """A loss in AP points that differs for every cell and keypoint: larger discs and own keypoints lose more."""
    level, fill, target, radius, _ = cell
    own = keypoint == target or keypoint in PARTS.get(target, [])
    base = {"blackout": 1.0, "meanout": 0.7, "blur": -0.4}[fill] * radius / 6
    names = [*KEYPOINTS, *PARTS, "all"]
    return base * (1 + 0.1 * names.index(keypoint) + 0.01 * names.index(target)) + (5 if own else 0) + (level == "part")


def default_cells() -> list[Cell]:
    """Two keypoints and two parts under two fills, centred, r 6."""
    targets = [("keypoint", "nose"), ("keypoint", "left_hip"), ("part", "corpus"), ("part", "hip")]
    return [(level, fill, target, 6.0, "centred") for level, target in targets for fill in ("blackout", "blur")]


def write_fake_run(
    folder: Path,
    cells: Sequence[Cell] | None = None,
    loss: Callable[[Cell, str], float | None] = plain_loss,
    intervals: bool = False,
    examples: bool = True,
    changes: dict[str, Any] | None = None,
) -> Path:
    """Write a run folder.

    Args:
        folder: Where; made if need be.
        cells: The attacked cells.
        loss: AP points lost by a keypoint (or ``"all"``) in a cell; None leaves the row's numbers empty.
        intervals: Add 95 % intervals of +-1 AP point around every drop.
        examples: Add crops and predictions.
        changes: Values to set in the manifest, by dotted path.
    """
    cells = default_cells() if cells is None else cells
    folder.mkdir(parents=True, exist_ok=True)
    manifest = fake_manifest(cells)
    for path, value in (changes or {}).items():
        *parents, last = path.split(".")
        place = manifest
        for step in parents:
            place = place[step]
        place[last] = value
    (folder / "manifest.json").write_text(json.dumps(manifest))
    write_rows(folder / "cells.csv", fake_rows(cells, loss, intervals), intervals)
    if examples:
        write_fake_examples(folder / "examples", cells)
    return folder


def slug_of(cell: Cell) -> str:
    level, fill, target, radius, placement = cell
    return f"{level}-{fill}_{target}_r{radius:g}_{placement}".replace(":", "-").replace("/", "-")


def fake_manifest(cells: Sequence[Cell]) -> dict[str, Any]:
    """A manifest with every field that a run writes."""
    entries: list[dict[str, Any]] = [{"slug": "clean", "attack": None}]
    for i, cell in enumerate(cells):
        level, fill, target, radius, placement = cell
        entry = {"slug": slug_of(cell), "name": f"{level}-{fill}:{target}", "level": level, "fill": fill}
        entries.append(
            {**entry, "target": target, "radius": radius, "placement": placement, "n_attacked": 20 + i, "n_short": 0}
        )
    return {
        "schema": 1,
        "occbench": "0.1.0",
        "command": ["occbench", "attack", "--model", "tiny", "--kind", "all"],
        "created": "2024-05-01T12:00:00Z",
        "wall_seconds": 12.3,
        "host": "somewhere",
        "device": "cpu",
        "model": {
            "name": "tiny",
            "config": "tiny.py",
            "config_sha256": "aa",
            "checkpoint": "tiny.pth",
            "weights_sha256": "0123456789abcdef0123456789abcdef",
            "input_size": [48, 64],
            "flip": True,
            "published": {"AP": 0.749, "AP@0.5": 0.9, "AR": 0.8},
        },
        "data": {
            "name": "dev",
            "annotations": "dev.json",
            "annotations_sha256": "bb",
            "images": "images",
            "n_images": 26,
            "n_persons": 30,
            "synthetic": False,
            "skipped_images": [],
            "limit": None,
        },
        "boxes": {"source": "gt", "file": None, "sha256": None, "n": 30, "matched": 30, "missed": 0, "unmatched": 0},
        "protocol": "corrected",
        "evaluator": "pycocotools",
        "seed": 0,
        "batch_size": 32,
        "skeleton": {"name": "tiny", "keypoints": KEYPOINTS, "parts": PARTS, "edges": EDGES},
        "cells": entries,
        "versions": {"python": "3.11"},
        "git_commit": None,
    }


def fake_rows(
    cells: Iterable[Cell], loss: Callable[[Cell, str], float | None], intervals: bool
) -> Iterable[dict[str, Any]]:
    """Rows of cells.csv; an own keypoint of a part has no persons in whom it is outside the region."""
    head = {"model": "tiny", "dataset": "dev", "boxes": "gt", "protocol": "corrected"}
    for keypoint, ap in CLEAN_AP.items():
        interval = {"ap_lo": ap - 0.05, "ap_hi": ap + 0.05} if intervals else {}
        yield {**head, "level": "clean", "keypoint": keypoint, "n": 30, **_figures(ap), **interval}
    for cell in cells:
        level, fill, target, radius, placement = cell
        keys = {"level": level, "fill": fill, "target": target, "radius": radius, "placement": placement}
        for keypoint, clean in CLEAN_AP.items():
            row: dict[str, Any] = {**head, **keys, "keypoint": keypoint, "n": 30}
            points = loss(cell, keypoint)
            if points is not None:
                row |= {**_figures(clean - points / 100), "drop": points}
                if intervals:
                    row |= {"drop_lo": points - 1, "drop_hi": points + 1, "drop_se": 0.5, "p": 0.04}
                if level == "part" and keypoint not in (*PARTS.get(target, []), "all"):
                    row |= {"n_remaining": 11, "drop_remaining": points / 2}
            yield row


def _figures(ap: float) -> dict[str, float]:
    names = ["ap", "ap50", "ap75", "ap_m", "ap_l", "ar", "ar50", "ar75", "ar_m", "ar_l"]
    return {name: round(ap - 0.001 * i, 6) for i, name in enumerate(names)}


def write_rows(file: Path, rows: Iterable[dict[str, Any]], intervals: bool = False) -> None:
    """Write cells.csv; what a row lacks stays empty."""
    columns = COLUMNS + (INTERVAL_COLUMNS if intervals else [])
    with file.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, columns)
        writer.writeheader()
        writer.writerows(rows)


def write_fake_examples(folder: Path, cells: Iterable[Cell]) -> None:
    """Crops of 48 x 64 px and predictions that miss the truth by two pixels when attacked."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(7)
    crop = rng.integers(0, 255, (64, 48, 3), dtype=np.uint8)
    cv2.imwrite(str(folder / "person-12.png"), crop)
    truth: list[list[float] | None] = [[6.0 + 6 * i, 8.0 + 7 * i] for i in range(len(KEYPOINTS))]
    clean = [[x + 0.5, y] for x, y in truth if True]  # type: ignore[misc]
    attacked = [[x + 2.0, y + 2.0] for x, y in clean]
    entries = []
    for cell in cells:
        level, fill, target, radius, placement = cell
        slug = slug_of(cell)
        cv2.imwrite(str(folder / f"{slug}.png"), crop // 2)
        entries.append(
            {
                "slug": slug,
                "name": f"{level}-{fill}:{target}",
                "level": level,
                "fill": fill,
                "target": target,
                "radius": radius,
                "placement": placement,
                "person": 12,
                "image": "000000000785.jpg",
                "clean": "person-12.png",
                "attacked": f"{slug}.png",
                "truth": [None, *truth[1:]],
                "clean_keypoints": clean,
                "attacked_keypoints": attacked,
                "clean_scores": [0.9] * len(KEYPOINTS),
                "attacked_scores": [0.5] * len(KEYPOINTS),
            }
        )
    (folder / "examples.json").write_text(json.dumps(entries))
