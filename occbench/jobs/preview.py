"""A contact sheet of persons under attacks: what is hidden, and with what."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..attacks import Attack, Cutouts
from ..data.persons import Dataset, Person
from ..estimators.crops import Crop, CropPipeline
from ..inference.engine import attack_crop
from ..inference.material import material_of
from ..inference.scenes import attacked_crop
from ..training.preview import Example, draw_sheet


def preview_attacks(
    dataset: Dataset,
    pipeline: CropPipeline,
    attacks: Sequence[Attack],
    out: Path,
    n: int = 6,
    *,
    scope: str = "person",
    protocol: str = "corrected",
    seed: int = 0,
    cutouts: Cutouts | None = None,
) -> Path:
    """Write crops of ``n`` persons, without and under each attack: a dot is a labelled keypoint, a cross a hidden one.

    Args:
        dataset: Whose persons; those with many labelled keypoints come first.
        pipeline: Cuts the crops.
        attacks: One column each.
        out: A PNG.
        n: How many persons at most.
        scope: ``person`` or ``image``.
        protocol: ``corrected`` or ``thesis``.
        seed: Chooses the persons, and what is drawn at random.
        cutouts: For fill ``object``; None for the drawn ones.

    Raises:
        OccbenchError: The picture cannot be written.
    """
    chosen = _chosen(dataset.persons, n, seed)
    material = material_of(dataset.persons, pipeline, dataset.skeleton, seed, cutouts)
    people = dataset.people() if scope == "image" else {}
    rows = []
    for crop in pipeline.cut_all(chosen):
        row = [_example(crop, crop.image, np.zeros(len(crop.keypoints), bool))]
        for attack in attacks:
            image, hidden = attack_crop(crop, attack, dataset.skeleton, protocol, seed, material)
            if scope == "image":
                image = attacked_crop(pipeline, crop, people, attack, dataset.skeleton, seed, material)
            row.append(_example(crop, image, hidden.cover(crop.keypoints)))
        rows.append(row)
    return draw_sheet(rows, ["clean", *(attack.name.replace(":", "\n") for attack in attacks)], out)


def _chosen(persons: Sequence[Person], n: int, seed: int) -> list[Person]:
    order = np.random.default_rng(seed).permutation(len(persons)).tolist()
    able = [persons[i] for i in order if persons[i].annotation is not None and persons[i].labelled.any()]
    return sorted(able[: 20 * n], key=lambda person: -int(person.labelled.sum()))[:n]


def _example(crop: Crop, image: np.ndarray, hidden: np.ndarray) -> Example:
    return Example(image[..., ::-1].copy(), crop.keypoints, crop.person.labelled & ~hidden)
