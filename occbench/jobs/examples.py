"""Pictures for the report: for each target the person that lost most, the median one and the one that gained most."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..attacks import CENTRED, DEFAULT_RADIUS, FILLS, PLACEMENTS, Attack, Material
from ..data.persons import Dataset
from ..estimators.crops import Crop, CropPipeline
from ..inference.engine import attack_crop
from ..inference.plan import Settings
from ..inference.predictions import CellPredictions
from ..inference.scenes import attacked_crop
from ..tables.scoring import own_similarity

MAX_TARGETS = 40
"""Targets that get pictures; of more, those that lose most on average."""


@dataclass(frozen=True, eq=False)
class _Chosen:
    """One person under one attack, small enough to be held for every cell.

    Attributes:
        kind: ``"worst"``, ``"median"`` or ``"improved"``.
        attack: The attack.
        index: Of the person.
        clean_oks: OKS without the attack; ``attacked_oks``: under it.
        keypoints: Shape (K, 2), image px: the prediction under the attack; ``scores``: shape (K,).
    """

    kind: str
    attack: Attack
    index: int
    clean_oks: float
    attacked_oks: float
    keypoints: np.ndarray
    scores: np.ndarray


def write_examples(
    folder: Path,
    dataset: Dataset,
    cells: Iterable[CellPredictions],
    pipeline: CropPipeline,
    settings: Settings,
    material: Material | None = None,
) -> None:
    """Write the crops of the chosen persons as PNG without anything drawn on them, and examples.json beside them.

    Each target is shown once: under the first of its fills, centred and at the default radius where it was so attacked.

    Args:
        folder: Where; it is made, and what an earlier call left in it goes.
        dataset: Whose persons.
        cells: The clean cell first; each is looked at once and let go.
        pipeline: Cuts the persons out again.
        settings: How the cells were computed.
        material: What the fills beyond the thesis are made of in them.
    """
    read = iter(cells)
    clean = next(read)
    clean_oks = _oks(dataset, clean)
    groups: dict[tuple[str, str], tuple[float, list[_Chosen]]] = {}
    for cell in read:
        attack = cell.attack
        if attack is None:
            continue
        known = groups.get((attack.level, attack.target))
        if known is None or _rank(attack) < _rank(known[1][0].attack):
            loss, chosen = _choose(cell, attack, clean_oks, _oks(dataset, cell))
            if chosen:
                groups[attack.level, attack.target] = loss, chosen
    largest = sorted(groups, key=lambda key: -groups[key][0])[:MAX_TARGETS]
    examples = [example for key, (_, chosen) in groups.items() if key in largest for example in chosen]
    _write(folder, dataset, clean, examples, pipeline, settings, material)


def _oks(dataset: Dataset, cell: CellPredictions) -> np.ndarray:
    """OKS of each box with the person it stands for, shape (N,); NaN where that has no labelled keypoint.

    Where an estimator of whole photos did not find a person, it is 0.
    """
    similarity = own_similarity(dataset, np.nan_to_num(cell.keypoints, nan=np.inf))  # nobody is infinitely far off
    count = np.isfinite(similarity).sum(1)
    total = np.nansum(similarity, axis=1)
    return np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)


def _rank(attack: Attack) -> tuple[bool, int, bool, float, int]:
    """The attack with the lowest rank is the one that shows a target."""
    place = PLACEMENTS.index(attack.placement.kind)
    other_size = attack.radius != DEFAULT_RADIUS
    return attack.placement != CENTRED, place, other_size, attack.radius, FILLS.index(attack.fill)


def _choose(
    cell: CellPredictions, attack: Attack, clean: np.ndarray, attacked: np.ndarray
) -> tuple[float, list[_Chosen]]:
    """The mean loss of OKS over the attacked persons, and who is shown: nobody twice, improved only who improved."""
    change = attacked - clean
    candidates = np.flatnonzero(cell.attacked & np.isfinite(change))
    if not len(candidates):
        return 0.0, []
    order = candidates[np.argsort(change[candidates], kind="stable")]
    kinds = {"worst": int(order[0]), "median": int(order[(len(order) - 1) // 2])}
    if change[order[-1]] > 0:
        kinds["improved"] = int(order[-1])
    by_person: dict[int, str] = {}
    for kind in ("worst", "improved", "median") if change[order[0]] < 0 else ("improved", "worst", "median"):
        if kind in kinds:
            by_person.setdefault(kinds[kind], kind)
    shown = {kind: index for index, kind in by_person.items()}
    chosen = [
        _Chosen(kind, attack, i, float(clean[i]), float(attacked[i]), cell.keypoints[i].copy(), cell.scores[i].copy())
        for kind in kinds
        if (i := shown.get(kind)) is not None
    ]
    return -float(change[candidates].mean()), chosen


def _write(
    folder: Path,
    dataset: Dataset,
    clean: CellPredictions,
    examples: Sequence[_Chosen],
    pipeline: CropPipeline,
    settings: Settings,
    material: Material | None,
) -> None:
    files: dict[str, bytes] = {}
    entries: list[dict[str, Any]] = []
    wanted = sorted({example.index for example in examples})
    people = dataset.people() if settings.scope == "image" else {}
    crops = dict(zip(wanted, pipeline.cut_all([dataset.persons[i] for i in wanted]), strict=True))
    for example in examples:
        crop = crops[example.index]
        before, after = f"person-{example.index}.png", f"{example.attack.slug}-{example.kind}.png"
        if settings.scope == "image":
            how = (dataset.skeleton, settings.seed, material, settings.protocol)
            image = attacked_crop(pipeline, crop, people, example.attack, *how)
        else:
            image, _ = attack_crop(crop, example.attack, dataset.skeleton, settings.protocol, settings.seed, material)
        files[before] = files.get(before) or _png(crop.image)
        files[after] = _png(image)
        entries.append(_entry(example, crop, clean) | {"clean": before, "attacked": after})
    files["examples.json"] = json.dumps(entries, indent=1).encode()
    _replace(folder, files)


def _entry(example: _Chosen, crop: Crop, clean: CellPredictions) -> dict[str, Any]:
    attack, person, i = example.attack, crop.person, example.index
    truth = zip(_points(crop.keypoints), person.labelled, strict=True)
    return {
        "slug": attack.slug,
        "name": attack.name,
        "level": attack.level,
        "fill": attack.fill,
        "target": attack.target,
        "radius": attack.radius,
        "placement": str(attack.placement),
        "kind": example.kind,
        "oks_clean": round(example.clean_oks, 4),
        "oks_attacked": round(example.attacked_oks, 4),
        "person": person.annotation,
        "image": person.photo.file_name,
        "truth": [point if there else None for point, there in truth],
        "clean_keypoints": _points(crop.to_crop(clean.keypoints[i])),
        "attacked_keypoints": _points(crop.to_crop(example.keypoints)),
        "clean_scores": _scores(clean.scores[i]),
        "attacked_scores": _scores(example.scores),
    }


def _points(points: np.ndarray) -> list[list[float] | None]:
    """Rounded; None for a person who was not found."""
    return [point if np.isfinite(point).all() else None for point in np.round(points.astype(float), 2).tolist()]


def _scores(scores: np.ndarray) -> list[float | None]:
    return [score if np.isfinite(score) else None for score in np.round(scores.astype(float), 4).tolist()]


def _png(image: np.ndarray) -> bytes:
    ok, data = cv2.imencode(".png", image)
    if not ok:
        raise RuntimeError(f"OpenCV could not encode a crop of shape {image.shape}")
    return data.tobytes()


def _replace(folder: Path, files: Mapping[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.name not in files:
            path.unlink()
    for name, content in files.items():
        (folder / name).write_bytes(content)
