"""One person per target, kept as clean and attacked crops for the report (Fig. 1 of the thesis)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from .attacks import Attack, Skeleton, has_target
from .data.persons import Person
from .inference.engine import Predictions, attack_crop


def choose_examples(persons: Sequence[Person], attacks: Sequence[Attack], skeleton: Skeleton) -> dict[Attack, int]:
    """For each attack the position of the person to show; the same one for every fill and size of a target.

    It is the person with the most labelled keypoints, the largest box among equals, the first among those.
    """

    def rank(i: int) -> tuple[int, float]:
        x1, y1, x2, y2 = persons[i].box.tolist()
        return int(persons[i].labelled.sum()), (x2 - x1) * (y2 - y1)

    chosen: dict[Attack, int] = {}
    by_target: dict[tuple[str, str], int | None] = {}
    for attack in attacks:
        key = (attack.level, attack.target)
        if key not in by_target:
            known = ((i, p) for i, p in enumerate(persons) if p.annotation is not None)
            fit = [i for i, p in known if has_target(attack, skeleton, p.labelled)]
            by_target[key] = max(fit, key=rank, default=None)
        best = by_target[key]
        if best is not None:
            chosen[attack] = best
    return chosen


def write_examples(
    folder: Path,
    chosen: dict[Attack, int],
    persons: Sequence[Person],
    predictions: Predictions,
    skeleton: Skeleton,
    protocol: str,
    seed: int,
) -> None:
    """Write the crops as PNG without anything drawn on them, and examples.json beside them.

    Args:
        folder: Where; it must exist.
        chosen: From :func:`choose_examples`; attacks that left the person as it was are left out.
        persons: Everybody.
        predictions: With the crops of the chosen persons.
        skeleton: The data set's.
        protocol: ``"corrected"`` or ``"thesis"``.
        seed: Of the random placements.
    """
    clean = predictions.cells[0]
    entries: list[dict[str, Any]] = []
    for cell in predictions.cells[1:]:
        attack = cell.attack
        if attack is None or attack not in chosen or not cell.attacked[chosen[attack]]:
            continue
        i = chosen[attack]
        crop = predictions.crops[i]
        image, _ = attack_crop(crop, attack, skeleton, protocol, seed)
        before = f"person-{persons[i].id}.png"
        if not (folder / before).exists():
            _write_png(folder / before, crop.image)
        _write_png(folder / f"{attack.slug}.png", image)
        labelled = persons[i].labelled
        entries.append(
            {
                "slug": attack.slug,
                "name": attack.name,
                "level": attack.level,
                "fill": attack.fill,
                "target": attack.target,
                "radius": attack.radius,
                "placement": str(attack.placement),
                "person": persons[i].annotation,
                "image": persons[i].photo.file_name,
                "clean": before,
                "attacked": f"{attack.slug}.png",
                "truth": [
                    point if there else None for point, there in zip(_points(crop.keypoints), labelled, strict=True)
                ],
                "clean_keypoints": _points(crop.to_crop(clean.keypoints[i])),
                "attacked_keypoints": _points(crop.to_crop(cell.keypoints[i])),
                "clean_scores": np.round(clean.scores[i].astype(float), 4).tolist(),
                "attacked_scores": np.round(cell.scores[i].astype(float), 4).tolist(),
            }
        )
    (folder / "examples.json").write_text(json.dumps(entries, indent=1), encoding="utf-8")


def _points(points: np.ndarray) -> list[list[float]]:
    return np.round(points.astype(float), 2).tolist()


def _write_png(path: Path, image: np.ndarray) -> None:
    ok, data = cv2.imencode(".png", image)
    if not ok:
        raise RuntimeError(f"OpenCV could not encode {path.name}")
    path.write_bytes(data.tobytes())
