"""What the retraining experiment consists of, and what one model is worth: figures in every draw of the photos."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from occbench.evaluation.replicates import Replicated, over_replicates
from occbench.jobs.paired import Measured
from occbench.runs import durable
from occbench.system.errors import OccbenchError

Quantity: TypeAlias = tuple[str, str, str, str]
"""What is measured, level, fill, placement; the last three are empty where they do not apply."""

Track: TypeAlias = np.ndarray
"""Shape (1 + B,): a quantity in the data, then in every draw of the photos."""

CLEAN: Quantity = ("clean_ap", "", "", "")
BASELINE = "none"
START = "start"
"""The folder of the weights that all trainings start from, at epoch 0 of the curve."""
VERSION = 3
"""Counted up when the same predictions give other figures."""


@dataclass(frozen=True)
class Plan:
    """What the experiment consists of.

    Attributes:
        out: Its folder; ``RECIPE-SEED/suite`` and ``RECIPE-SEED/controls`` are runs.
        runs: The recipes, in the order of the tables, and which of the two runs each of them has.
        seeds: Of the trainings.
        targets: Keypoints of the controls.
        fills: Of the controls.
        placements: Of the controls: centred, decoys:N, placebo.
        epochs: Of the trainings, where the weights of every epoch were attacked, too (``RECIPE-SEED/epoch-N``); else 0.
        validated: Whether the epoch that counts was chosen by validation. Otherwise it is the last, which
            ``RECIPE-SEED/controls`` is of.
    """

    out: Path
    runs: Mapping[str, tuple[str, ...]]
    seeds: tuple[int, ...]
    targets: tuple[str, ...]
    fills: tuple[str, ...]
    placements: tuple[str, ...]
    epochs: int = 0
    validated: bool = False

    @property
    def recipes(self) -> tuple[str, ...]:
        """Their names, in the order of the tables."""
        return tuple(self.runs)


Figures: TypeAlias = Mapping[Quantity, Track]


def exact_area(run: Measured, slug: str, weights: np.ndarray) -> Track:
    """AP of one cell over all keypoints by the exact area, which drops are differences of; AP points."""
    found = run.resampled(slug, weights)
    return 100 * np.concatenate([found.exact, found.draws[:, 0]])


def printed(run: Measured, weights: np.ndarray) -> Track:
    """The clean AP as COCO prints it, AP points."""
    found = run.resampled("clean", weights)
    return 100 * np.concatenate([found.ap, found.draws[:, 0] + found.ap[0] - found.exact[0]])


def suite_figures(suite: Measured) -> dict[Quantity, Track]:
    """Clean AP, and the mean over the targets of the overall drop by level and fill, AP points."""
    weights = suite.weights()
    clean = exact_area(suite, "clean", weights)
    drops: dict[Quantity, list[Track]] = {}
    for cell in suite.manifest["cells"]:
        if cell["attack"] is not None:
            drops.setdefault(("mean_drop", cell["level"], cell["fill"], ""), []).append(
                clean - exact_area(suite, cell["slug"], weights)
            )
    return {CLEAN: printed(suite, weights), **{quantity: np.mean(tracks, axis=0) for quantity, tracks in drops.items()}}


def control_figures(controls: Measured) -> dict[Quantity, Track]:
    """Clean AP, and by fill and placement: own loss, marker effect (points), attraction (px), means over the targets.

    The marker effect also of each target, which then stands where the level does."""
    weights = controls.weights()
    keypoints = controls.manifest["skeleton"]["keypoints"]
    cells = [cell for cell in controls.manifest["cells"] if cell["attack"] is not None]
    own: dict[tuple[str, str, str], Track] = {}
    indices = [keypoints.index(target) for target in dict.fromkeys(cell["target"] for cell in cells)]
    found = controls.resampled("clean", weights, indices)
    clean = {keypoints[k]: 100 * np.concatenate([[found.exact[i]], found.draws[:, i]]) for i, k in enumerate(indices)}
    pulls: dict[Quantity, list[Track]] = {}
    for cell in cells:
        fill, placement, target = cell["fill"], cell["placement"], cell["target"]
        k = keypoints.index(target)
        attacked = controls.resampled(cell["slug"], weights, [k])
        own[fill, placement, target] = 100 * np.concatenate([attacked.exact, attacked.draws[:, 0]])
        true, elsewhere = controls.attraction(cell["slug"], k, weights)
        pulls.setdefault(("attraction", "keypoint", fill, placement), []).append(true)
        pulls.setdefault(("attraction_elsewhere", "keypoint", fill, placement), []).append(elsewhere)
    losses: dict[Quantity, list[Track]] = {}
    for (fill, placement, target), ap in own.items():
        losses.setdefault(("own_loss", "keypoint", fill, placement), []).append(clean[target] - ap)
        if placement.startswith("decoys") and (fill, "centred", target) in own:
            effect = own[fill, "centred", target] - ap
            losses.setdefault(("marker_effect", "keypoint", fill, placement), []).append(effect)
            losses["marker_effect", target, fill, placement] = [effect]
    means = {quantity: np.mean(tracks, axis=0) for quantity, tracks in {**losses, **pulls}.items()}
    return {CLEAN: printed(controls, weights), **means}


FIGURES = {"suite": suite_figures, "controls": control_figures}


def figures_of(folder: Path, runs: Sequence[str]) -> tuple[dict[Quantity, Track], int] | None:
    """The figures of one model and the number of photos, kept beside its runs; None where one is not finished."""
    try:
        measured = [Measured.open(folder / run) for run in runs]
    except OccbenchError:
        return None
    seals = [one.manifest["seal"]["sha256"] for one in measured]
    key = hashlib.sha256(f"{VERSION} {seals}".encode()).hexdigest()
    images = len(measured[0].dataset.truth.image_ids)
    kept = folder / f"figures-{'-'.join(runs)}.npz"
    if kept.is_file():
        with np.load(kept, allow_pickle=False) as arrays:
            if str(arrays["key"]) == key:
                return {_quantity(name): arrays[name] for name in arrays.files if name != "key"}, images
    figures: dict[Quantity, Track] = {}
    for run, one in zip(runs, measured, strict=True):
        figures |= FIGURES[run](one)
    file = io.BytesIO()
    np.savez(file, **{"key": np.array(key), **{"|".join(quantity): track for quantity, track in figures.items()}})
    durable.write(kept, file.getvalue())
    return figures, images


def _quantity(name: str) -> Quantity:
    what, level, fill, placement = name.split("|")
    return what, level, fill, placement


def over_seeds(tracks: Sequence[Track], images: int) -> Replicated:
    """The mean over the seeds, with its interval over photos and seeds."""
    both = np.stack(tracks)
    return over_replicates(both[:, 0], both[:, 1:].T, images)
