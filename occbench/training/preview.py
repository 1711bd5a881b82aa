"""A contact sheet of crops before and after each augmentation: the thesis' Fig. 9 for one's own data."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import redirect_stdout
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..system.errors import OccbenchError
from .augment import AUGMENTATIONS, Augmentation, check_donors
from .config import build_config
from .data import TrainingData
from .settings import Settings

SHOWN = tuple(name for name in AUGMENTATIONS if not name.startswith("cutout-blur"))
"""What a sheet shows unless asked otherwise."""

WELL_LABELLED = 10  # keypoints of a person that is worth showing


@dataclass(frozen=True, eq=False)
class Example:
    """A crop and its labels.

    Attributes:
        image: Shape (H, W, 3), uint8, RGB.
        points: Shape (K, 2): x y in crop px.
        labelled: Shape (K,), bool: the labels that the network is trained with.
    """

    image: np.ndarray
    points: np.ndarray
    labelled: np.ndarray


def augmented(
    config: Path, data: TrainingData, augmentations: Sequence[Augmentation], n: int = 6, seed: int = 0
) -> list[list[Example]]:
    """Crops before and after each augmentation.

    Args:
        config: The model, for the size of its crops.
        data: The persons; those with many labels are preferred.
        augmentations: One column each.
        n: How many persons at most.
        seed: Chooses the persons and what happens to them.

    Returns:
        For each person the plain crop, then one for every augmentation.

    Raises:
        OccbenchError: The config is not top-down, or the data do not go with it or with an augmentation.
    """
    from mmpose.registry import DATASETS, TRANSFORMS

    from .. import augmentations as _registered  # noqa: F401

    cfg = build_config(config, data, None, Settings(augmentation=Augmentation(("bare",))), workers=0)
    steps = [dict(step) for step in cfg.train_dataloader.dataset.pipeline]
    types = [step["type"] for step in steps]
    if "TopdownAffine" not in types:
        raise OccbenchError(f"config {config.stem} is not top-down: there are no crops of one person to show")
    for augmentation in augmentations:
        check_donors(augmentation.transforms, data)
    cfg.train_dataloader.dataset.pipeline = steps[1 : types.index("TopdownAffine") + 1]
    with redirect_stdout(io.StringIO()):  # reading COCO files prints what it does
        dataset = DATASETS.build(cfg.train_dataloader.dataset)
    transforms = [[TRANSFORMS.build(each) for each in augmentation.transforms] for augmentation in augmentations]
    rows = []
    for index in _chosen(dataset, n, seed):
        plain = dataset[index]
        row = [_example(plain)]
        for column, chain in enumerate(transforms):
            sample = {key: value if key == "dataset" else deepcopy(value) for key, value in plain.items()}
            np.random.seed([seed, index, column])  # noqa: NPY002 (the transforms draw from MMPose's random state)
            for transform in chain:
                sample = transform(sample)
            row.append(_example(sample))
        rows.append(row)
    return rows


def _chosen(dataset: Any, n: int, seed: int) -> list[int]:
    order = np.random.default_rng(seed).permutation(len(dataset)).tolist()
    labels = {i: int((dataset.get_data_info(i)["keypoints_visible"] > 0).sum()) for i in order[: 20 * n]}
    return sorted(labels, key=lambda i: labels[i] < WELL_LABELLED)[:n]


def _example(sample: dict[str, Any]) -> Example:
    points = np.asarray(sample["transformed_keypoints"][0], dtype=np.float64)[:, :2]
    return Example(sample["img"][..., ::-1].copy(), points, sample["keypoints_visible"][0] > 0)


def draw_sheet(rows: Sequence[Sequence[Example]], titles: Sequence[str], out: Path) -> Path:
    """Draw the crops with their labels: a dot where one is, a cross where one was removed.

    Args:
        rows: Of :func:`augmented`.
        titles: Of the columns.
        out: A PNG.

    Raises:
        OccbenchError: It cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height, width = rows[0][0].image.shape[:2]
    size = 1.5
    figure = Figure((size * len(titles), (size * height / width) * len(rows) + 0.3), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(rows), len(titles), squeeze=False)
    for r, row in enumerate(rows):
        for c, example in enumerate(row):
            axes = grid[r, c]
            axes.imshow(example.image, interpolation="nearest")
            kept, gone = example.labelled, row[0].labelled & ~example.labelled
            axes.plot(*example.points[kept].T, "o", ms=2, mfc="#3df53d", mec="black", mew=0.3)
            axes.plot(*example.points[gone].T, "x", ms=3.5, mec="#ff3b30", mew=1)
            axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), xticks=[], yticks=[])
            if r == 0:
                axes.set_title(titles[c], fontsize=7)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(out, dpi=200, format="png")
    except OSError as error:
        raise OccbenchError(f"cannot write {str(out)!r}: {error.strerror or error}") from error
    return out
