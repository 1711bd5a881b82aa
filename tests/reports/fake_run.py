"""A small run folder made by hand, for tests of the report."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from occbench.attacks import COCO
from occbench.evaluation.cells import EVALUATION

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
ATTRACTION_COLUMNS = ["attraction", "attraction_decoys"]

Cell = tuple[str, str, str, float, str]
"""Level, fill, target, radius in crop px, placement."""


@dataclass(frozen=True)
class Body:
    """A skeleton: keypoints, parts and what is drawn between keypoints."""

    keypoints: list[str]
    parts: dict[str, list[str]]
    edges: list[list[str]]

    def clean_ap(self) -> dict[str, float]:
        """Another one for every keypoint, and over all of them."""
        return {"all": 0.7606, **{k: 0.70 + 0.02 * (i % 8) for i, k in enumerate(self.keypoints)}}


TINY = Body(KEYPOINTS, PARTS, EDGES)
PEOPLE = Body(list(COCO.keypoints), {p: list(k) for p, k in COCO.parts.items()}, [list(e) for e in COCO.edges])
CLEAN_AP = TINY.clean_ap()


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
    body: Body = TINY,
    extras: bool = False,
) -> Path:
    """Write a run folder.

    Args:
        folder: Where; made if need be.
        cells: The attacked cells.
        loss: AP points lost by a keypoint (or ``"all"``) in a cell; None leaves the row's numbers empty.
        intervals: Add 95 % intervals of +-1 AP point around every drop, and the p that goes with them.
        examples: Add crops and predictions.
        changes: Values to set in the manifest, by dotted path.
        body: Whose keypoints.
        extras: Add attraction, confidence.csv and persons.parquet, which runs of schema 1 lack.
    """
    cells = default_cells() if cells is None else cells
    folder.mkdir(parents=True, exist_ok=True)
    manifest = fake_manifest(cells, body)
    for path, value in (changes or {}).items():
        *parents, last = path.split(".")
        place = manifest
        for step in parents:
            place = place[step]
        place[last] = value
    (folder / "manifest.json").write_text(json.dumps(manifest))
    write_rows(folder / "cells.csv", fake_rows(cells, loss, intervals, body, extras), intervals, extras)
    if examples:
        write_fake_examples(folder / "examples", cells, body)
    if extras:
        write_fake_confidence(folder / "confidence.csv", cells)
        pd.DataFrame({"torso": [60.0, 64.0, np.nan, 70.0]}).to_parquet(folder / "persons.parquet")
    return folder


def slug_of(cell: Cell) -> str:
    level, fill, target, radius, placement = cell
    return f"{level}-{fill}_{target}_r{radius:g}_{placement}".replace(":", "-").replace("/", "-")


def fake_manifest(cells: Sequence[Cell], body: Body = TINY) -> dict[str, Any]:
    """A manifest with every field that a run writes."""
    entries: list[dict[str, Any]] = [{"slug": "clean", "attack": None}]
    for i, cell in enumerate(cells):
        level, fill, target, radius, placement = cell
        entry = {"slug": slug_of(cell), "name": f"{level}-{fill}:{target}", "level": level, "fill": fill}
        counts = {"n_attacked": 25 + i, "n_neighbours": 5, "n_short": 0}
        entries.append({**entry, "target": target, "radius": radius, "placement": placement, **counts})
    return {
        "schema": 2,
        "complete": True,
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
        "evaluator": "exact",
        "evaluation": EVALUATION,
        "bootstrap": 1000,
        "backend": {"name": "torch", "version": "2.13.0", "precision": "fp32"},
        "seed": 0,
        "batch_size": 32,
        "skeleton": {
            "name": "tiny",
            "keypoints": body.keypoints,
            "parts": body.parts,
            "sigmas": [0.05] * len(body.keypoints),
            "edges": body.edges,
        },
        "cells": entries,
        "versions": {"python": "3.11"},
        "git_commit": None,
    }


def fake_rows(
    cells: Iterable[Cell],
    loss: Callable[[Cell, str], float | None],
    intervals: bool,
    body: Body = TINY,
    extras: bool = False,
) -> Iterable[dict[str, Any]]:
    """Rows of cells.csv; an own keypoint of a part has no persons in whom it is outside the region."""
    head = {"model": "tiny", "dataset": "dev", "boxes": "gt", "protocol": "corrected"}
    for keypoint, ap in body.clean_ap().items():
        interval = {"ap_lo": ap - 0.05, "ap_hi": ap + 0.05} if intervals else {}
        yield {**head, "level": "clean", "keypoint": keypoint, "n": 30, **_figures(ap), **interval}
    for cell in cells:
        level, fill, target, radius, placement = cell
        keys = {"level": level, "fill": fill, "target": target, "radius": radius, "placement": placement}
        for keypoint, clean in body.clean_ap().items():
            row: dict[str, Any] = {**head, **keys, "keypoint": keypoint, "n": 30}
            points = loss(cell, keypoint)
            if points is not None:
                row |= {**_figures(clean - points / 100), "drop": points}
                if intervals:
                    p = math.erfc(abs(points) / 0.51 / math.sqrt(2))
                    row |= {"drop_lo": points - 1, "drop_hi": points + 1, "drop_se": 0.51, "p": p}
                    row |= {"ap_lo": clean - points / 100 - 0.05, "ap_hi": clean - points / 100 + 0.05}
                own = [target] if level == "keypoint" else body.parts.get(target, [])
                if level == "part" and keypoint not in (*own, "all"):
                    row |= {"n_remaining": 11, "drop_remaining": points / 2}
                if extras and keypoint in own:
                    row["attraction"] = None if placement == "placebo" else 1.5
                    row["attraction_decoys"] = 0.25 if placement.startswith(("decoys", "placebo")) else None
            yield row


def _figures(ap: float) -> dict[str, float]:
    names = ["ap", "ap50", "ap75", "ap_m", "ap_l", "ar", "ar50", "ar75", "ar_m", "ar_l"]
    return {name: round(ap - 0.001 * i, 6) for i, name in enumerate(names)}


def write_rows(file: Path, rows: Iterable[dict[str, Any]], intervals: bool = False, extras: bool = False) -> None:
    """Write cells.csv; what a row lacks stays empty."""
    columns = COLUMNS + (INTERVAL_COLUMNS if intervals else []) + (ATTRACTION_COLUMNS if extras else [])
    with file.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, columns)
        writer.writeheader()
        writer.writerows(rows)


def write_fake_confidence(file: Path, cells: Iterable[Cell]) -> None:
    """Scores that stay high where the similarity falls, the more the larger the occluder."""
    keys = ["level", "fill", "target", "radius", "placement"]
    rows: list[dict[str, Any]] = []

    def add(cell: tuple[Any, ...], group: str, offset: float, n: int) -> None:
        edges = [i / 20 for i in range(8, 20)]
        bins = [(low, n + i, low + 0.025, low + 0.025 - offset) for i, low in enumerate(edges)]
        total = sum(b[1] for b in bins)
        head = {**dict(zip(keys, cell, strict=True)), "keypoints": group}
        score, right = (sum(b[1] * b[i] for b in bins) / total for i in (2, 3))
        rows.append({**head, "n": total, "score": score, "similarity": right, "error": abs(offset)})
        for low, count, mean, similar in bins:
            rows.append({**head, "score_lo": low, "score_hi": low + 0.05, "n": count, "score": mean})
            rows[-1] |= {"similarity": similar, "error": abs(offset)}

    add(("clean", "", "", "", ""), "visible", -0.05, 30)
    for cell in cells:
        add(cell, "hidden", 0.03 * cell[3] / 2, 4)
        add(cell, "visible", -0.04, 26)
    names = [*keys, "keypoints", "score_lo", "score_hi", "n", "score", "similarity", "error"]
    pd.DataFrame(rows)[names].to_csv(file, index=False)


KINDS = {"worst": -0.6, "median": -0.1, "improved": 0.2}


def write_fake_examples(folder: Path, cells: Sequence[Cell], body: Body = TINY) -> None:
    """Crops of 48 x 64 px; per target of the first cell the worst, the median and an improved person."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(7)
    crop = cv2.resize(rng.integers(60, 200, (8, 6, 3), dtype=np.uint8), (48, 64), interpolation=cv2.INTER_CUBIC)
    n = len(body.keypoints)
    truth: list[list[float] | None] = [[6.0 + 36 * i / n, 8.0 + 48 * i / n] for i in range(n)]
    entries = []
    first = {(cell[0], cell[2]): cell for cell in reversed(cells)}
    for cell in (c for c in cells if first[c[0], c[2]] is c):
        level, fill, target, radius, placement = cell
        for person, (kind, change) in enumerate(KINDS.items(), 12):
            slug = slug_of(cell)
            cv2.imwrite(str(folder / f"person-{person}.png"), crop)
            cv2.imwrite(str(folder / f"{slug}-{kind}.png"), crop // 2)
            clean = [[point[0] + 0.5, point[1]] for point in truth if point is not None]
            entries.append(
                {
                    "slug": slug,
                    "name": f"{level}-{fill}:{target}",
                    "level": level,
                    "fill": fill,
                    "target": target,
                    "radius": radius,
                    "placement": placement,
                    "kind": kind,
                    "oks_clean": 0.7,
                    "oks_attacked": round(0.7 + change, 4),
                    "person": person,
                    "image": "folder/000000000785.jpg",
                    "clean": f"person-{person}.png",
                    "attacked": f"{slug}-{kind}.png",
                    "truth": [None, *truth[1:]],
                    "clean_keypoints": clean,
                    "attacked_keypoints": [[x + 2.0, y + 2.0] for x, y in clean],
                    "clean_scores": [0.9] * n,
                    "attacked_scores": [0.5] * n,
                }
            )
    (folder / "examples.json").write_text(json.dumps(entries))


def full_cells() -> list[Cell]:
    """Both levels under two fills, three sizes of two keypoints, and controls of one."""
    cells = default_cells()
    sizes = [("keypoint", f, t, r, "centred") for f in ("blackout", "blur") for t in KEYPOINTS[:1] for r in (9.0, 12.0)]
    cells += [("keypoint", f, "left_hip", r, "centred") for f in ("blackout", "blur") for r in (9.0, 12.0)]
    controls = [("keypoint", "blackout", "nose", 6.0, p) for p in ("jittered", "decoys:6", "placebo")]
    return [*cells, *sizes, *controls]


FULL_CELLS = full_cells()
FULL: dict[str, Any] = {"intervals": True, "extras": True}
"""Arguments of a run that lacks nothing."""
