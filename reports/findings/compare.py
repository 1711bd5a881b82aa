"""Several runs beside each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from occbench.runs.names import run_names

from ..reading.drops import NO_DROP, Drop, mean_of
from ..reading.load import LEVELS, Run
from ..reading.names import order_fills
from ..reading.slices import Slice, clean_row, main_slice
from .overall import overall_drops


@dataclass(frozen=True)
class LevelComparison:
    """The attacks of one level in every run.

    Attributes:
        level: ``keypoint`` or ``part``.
        fills: Those that any run has.
        targets: Those that every run that has the level attacked, in order.
        drops: By (run's label, target, fill): overall drop.
        means: By (run's label, fill): mean over ``targets``.
        aps: By (run's label, fill): mean attacked AP over ``targets``, a fraction; the fill ``"clean"`` is untouched.
    """

    level: str
    fills: tuple[str, ...]
    targets: tuple[str, ...]
    drops: dict[tuple[str, str, str], Drop]
    means: dict[tuple[str, str], Drop]
    aps: dict[tuple[str, str], float]


def compare_level(runs: Sequence[Run], labels: Sequence[str], level: str) -> LevelComparison | None:
    """Compare the main slices; None where fewer than two runs have the level.

    Means are over the targets that all of these runs attacked, so that like is compared with like.
    """
    parts = {label: part for run, label in zip(runs, labels, strict=True) if (part := main_slice(run, level))}
    if len(parts) < 2:
        return None
    fills = tuple(order_fills(fill for part in parts.values() for fill in part.fills))
    first = next(iter(parts.values()))
    targets = tuple(t for t in first.targets if all(t in part.targets for part in parts.values()))
    drops: dict[tuple[str, str, str], Drop] = {}
    means: dict[tuple[str, str], Drop] = {}
    aps: dict[tuple[str, str], float] = {}
    for run, label in zip(runs, labels, strict=True):
        clean = clean_row(run)
        if label not in parts or clean is None:
            continue
        aps[label, "clean"] = float(clean["ap"])
        for row in overall_drops(parts[label]):
            drops |= {(label, row.target, fill): drop for fill, drop in row.drops.items()}
        for fill in fills:
            mine = [drops.get((label, target, fill), NO_DROP) for target in targets]
            means[label, fill] = mean_of(mine)
            aps[label, fill] = _mean_ap(parts[label], fill, targets)
    return LevelComparison(level, fills, targets, drops, means, aps)


def _mean_ap(part: Slice, fill: str, targets: Sequence[str]) -> float:
    rows = part.overall[(part.overall["fill"] == fill) & part.overall["target"].isin(targets)]
    return float(rows["ap"].mean()) if len(rows) else math.nan


def run_labels(runs: Sequence[Run]) -> list[str]:
    """A name for each run: its user's, else its folder's, with those above it where it needs telling apart."""
    folders = run_names([run.path for run in runs])
    given = [run.manifest.name for run in runs]
    return [name if name and given.count(name) == 1 else own for name, own in zip(given, folders, strict=True)]


def recipe_label(run: Run) -> str:
    """How the model was trained, in a few words; ``not recorded`` where its checkpoint does not say."""
    recipe = run.manifest.model.augmentation
    if recipe is None:
        return "not recorded"
    return recipe.label if recipe.seed is None else f"{recipe.label}, seed {recipe.seed}"


def boxes_label(run: Run) -> str:
    """The boxes in a word or two: ``gt``, ``jitter 0.1``, the detector, the detections' file without its ending."""
    boxes = run.manifest.boxes
    if run.manifest.model.sees_photos:
        return "none (whole photo)"
    if boxes.jitter is not None:
        return f"jitter {boxes.jitter:g}"
    if boxes.detector is not None:
        floor = boxes.detector.min_score
        return boxes.detector.name + ("" if floor is None else f" from {floor:g}")
    if boxes.source == "gt" or not boxes.file:
        return boxes.source
    name = boxes.file.replace("\\", "/").rsplit("/", 1)[-1]
    return name.rsplit(".", 1)[0] or boxes.source


def differences(runs: Sequence[Run]) -> list[str]:
    """In what the runs differ besides the model, so that a reader does not compare unlike with unlike."""
    aspects: dict[str, set[Any]] = {
        "data": {(r.manifest.data.name, r.manifest.data.n_persons) for r in runs},
        "what the model is given (a person's crop, or the whole photo)": {r.manifest.model.sees for r in runs},
        "boxes": {(r.manifest.boxes.source, boxes_label(r)) for r in runs if not r.manifest.model.sees_photos},
        "scope": {r.manifest.scope for r in runs},
        "protocol": {r.manifest.protocol for r in runs},
        "pose NMS": {r.manifest.pose_nms for r in runs},
        "flip test": {r.manifest.model.flip for r in runs},
        "test scales": {r.manifest.model.scales for r in runs},
    }
    for level in LEVELS:
        parts = [p for p in (main_slice(r, level) for r in runs) if p is not None]
        aspects[f"radius or placement of the {level} attacks"] = {(p.size, p.placement) for p in parts}
        aspects[f"attacked {level}s"] = {p.targets for p in parts}
    return [name for name, values in aspects.items() if len(values) > 1]
