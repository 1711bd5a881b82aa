"""Figures published by the thesis "Tilting at windmills" (R. Pytel, TU Delft, 2020), and what compares with them.

AP in percent as printed. They are shown beside measured figures only for the same data, boxes and model, and marked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .load import Run

COLUMNS = ("ap", "ap50", "ap75", "ap_m", "ap_l", "ar")
"""Of Tables I and III, as columns of cells.csv."""

_VAL2017_PERSONS = 6352
_MPII_PERSONS = 2958


@dataclass(frozen=True)
class PublishedRow:
    """One row of a published table. ``figures``: in the order of :data:`COLUMNS` or :data:`JOINTS`, percent."""

    augmentation: str
    level: str
    removal: bool | None
    p: float | None
    figures: tuple[float, ...]


def _row(name: str, level: str, removal: bool | None, p: float | None, *figures: float) -> PublishedRow:
    return PublishedRow(name, level, removal, p, figures)


TABLE_1 = (
    _row("none", "", None, None, 65.3, 86.4, 72.6, 62.6, 70.7, 70.2),
    _row("baseline: flip, rotation, scale", "", None, None, 73.9, 90.0, 80.9, 70.4, 80.3, 78.3),
    _row("baseline: flip, rotation, scale, half-body", "", None, None, 74.3, 90.6, 81.7, 70.7, 80.7, 78.8),
    _row("blur", "keypoint", False, 0.2, 74.3, 90.4, 81.6, 70.8, 80.6, 78.7),
    _row("blur", "keypoint", False, 0.5, 74.5, 90.4, 81.8, 70.8, 80.8, 78.7),
    _row("cutout", "keypoint", False, 0.2, 74.3, 90.4, 81.7, 71.0, 80.3, 78.7),
    _row("cutout", "keypoint", False, 0.5, 74.5, 90.5, 81.7, 70.9, 80.7, 78.8),
    _row("cutout + blur", "keypoint", False, 0.2, 74.0, 90.4, 81.1, 70.4, 80.3, 78.4),
    _row("cutout + blur", "keypoint", False, 0.5, 74.3, 90.5, 81.1, 70.6, 80.6, 78.6),
    _row("blur", "part", True, 0.2, 74.3, 90.5, 81.7, 70.6, 80.8, 78.6),
    _row("blur", "part", True, 0.5, 74.0, 90.5, 81.1, 70.5, 80.4, 78.4),
    _row("blur", "part", False, 0.5, 74.1, 90.3, 81.1, 70.6, 80.2, 78.5),
    _row("cutout", "part", True, 0.2, 74.2, 90.5, 81.2, 70.8, 80.4, 78.6),
    _row("cutout", "part", True, 0.5, 74.2, 90.3, 81.1, 70.6, 80.4, 78.6),
    _row("cutout", "part", False, 0.5, 74.5, 90.5, 81.6, 70.9, 80.7, 78.8),
    _row("cutout + blur", "part", True, 0.2, 73.4, 90.3, 80.8, 69.9, 79.5, 77.8),
    _row("cutout + blur", "part", True, 0.5, 73.9, 90.4, 81.0, 70.5, 80.0, 78.3),
    _row("cutout + blur", "part", False, 0.5, 74.3, 90.4, 81.2, 70.6, 80.5, 78.6),
    _row("multi-keypoint", "keypoint", None, 0.2, 73.9, 90.1, 80.9, 70.5, 80.2, 78.3),
    _row("PartMix", "part", True, 0.5, 74.3, 90.5, 81.1, 70.7, 80.6, 78.7),
    _row("PartMix", "part", False, 0.5, 74.4, 90.7, 81.5, 71.1, 80.5, 78.8),
)
"""Table I: COCO val2017, HRNet-W32 at 256 x 192, Cascade R-CNN boxes."""

TABLE_3 = (
    _row("baseline", "", None, None, 67.1, 86.2, 73.0, 61.5, 76.1, float("nan")),
    _row("blur", "keypoint", None, None, 66.5, 86.3, 72.1, 60.6, 75.7, float("nan")),
    _row("cutout", "part", False, None, 66.6, 86.4, 72.9, 60.7, 75.6, float("nan")),
    _row("PartMix", "part", False, None, 67.0, 86.4, 73.0, 61.3, 75.8, float("nan")),
)
"""Table III: COCO val2017, HigherHRNet-W32 at 512 x 512, no boxes."""

JOINTS = ("Head", "Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "Mean")
"""Of Table II, as groups of groups.csv."""

PCKH = "PCKh@0.5"

TABLE_2 = (
    _row("baseline", "", None, None, 97.1, 95.9, 90.4, 86.4, 89.1, 87.2, 83.3, 90.3),
    _row("blur", "keypoint", False, 0.5, 97.3, 95.9, 90.5, 86.2, 89.2, 86.4, 83.1, 90.3),
    _row("cutout", "part", False, 0.5, 97.2, 96.3, 90.7, 86.7, 89.4, 86.7, 83.3, 90.5),
    _row("PartMix", "part", False, 0.5, 97.4, 96.2, 91.0, 86.8, 89.2, 86.7, 83.0, 90.5),
)
"""Table II: MPII validation set, HRNet-W32 at 256 x 256, PCKh@0.5."""

BY_DETECTOR = {
    "ground truth": ("gt", 76.5),
    "EfficientDet-D7": ("efficientdet", 75.0),
    "Faster R-CNN": ("faster", 74.4),
    "Cascade R-CNN": ("cascade", 74.3),
    "RetinaNet": ("retinanet", 74.1),
}
"""Fig. 10: AP of HRNet-W32 without occluding augmentation, by the boxes; with a word of their files' names."""

LOSSES = {
    ("keypoint", "nose", "blackout"): 5.0,
    ("keypoint", "nose", "meanout"): 4.4,
    ("keypoint", "nose", "blur"): 1.2,
    ("part", "upper_body", "blackout"): 44.0,
    ("part", "left_side", "blackout"): 24.0,
    ("part", "right_side", "blackout"): 24.0,
}
"""Text to Figs 5 and 7: overall losses of HRNet-W32, AP points, as far as they are given in numbers."""


def on_val2017(run: Run) -> bool:
    """Whether a run is on all of COCO val2017."""
    data = run.manifest.data
    whole = data.limit is None and not data.skipped_images and data.n_persons == _VAL2017_PERSONS
    return whole and "val2017" in data.name and not data.synthetic


def is_hrnet_w32(run: Run, size: tuple[int, int] = (192, 256)) -> bool:
    """Whether the model is HRNet-W32 at ``size`` (width, height)."""
    name = run.manifest.model.name.lower().replace("_", "-")
    named = name in ("hrnet", "hrnet-w32", "hrnet-mpii") or name.startswith("hrnet-w32-") or "hm-hrnet-w32" in name
    return named and run.manifest.model.input_size == size


def on_mpii(run: Run) -> bool:
    """Whether a run is on all of MPII's validation set, ground-truth boxes."""
    data = run.manifest.data
    whole = data.limit is None and not data.skipped_images and data.n_persons == _MPII_PERSONS
    return whole and "mpii" in data.name and run.manifest.boxes.source == "gt" and not data.synthetic


def is_higher_hrnet(run: Run) -> bool:
    """Whether the model is HigherHRNet."""
    return "higherhrnet" in "".join(c for c in run.manifest.model.name.lower() if c.isalnum())


def detector(run: Run) -> str | None:
    """Which of the thesis' box sources the run has, by :data:`BY_DETECTOR`; None for another."""
    boxes = run.manifest.boxes
    said = "gt" if boxes.source == "gt" else (boxes.file or "").replace("\\", "/").rsplit("/", 1)[-1].lower()
    said = said if boxes.detector is None else boxes.detector.name.lower()
    for name, (word, _) in BY_DETECTOR.items():
        if said == word if word == "gt" else word in said:
            return name
    return None


def comparable_table(runs: Sequence[Run]) -> tuple[str, tuple[PublishedRow, ...]] | None:
    """The published table that any of the runs compares with, and its name; None where none does."""
    for run in runs:
        if not on_val2017(run):
            continue
        if is_hrnet_w32(run) and detector(run) == "Cascade R-CNN":
            return "Table I", TABLE_1
        if is_higher_hrnet(run):
            return "Table III", TABLE_3
    return None


def comparable_losses(run: Run, level: str) -> dict[tuple[str, str], float]:
    """Published overall losses by target and fill that compare with a run's; empty where none does.

    The published code made them, so only the protocol that repeats its faults compares.
    """
    if not (on_val2017(run) and is_hrnet_w32(run) and run.manifest.protocol == "thesis"):
        return {}
    return {(target, fill): loss for (kind, target, fill), loss in LOSSES.items() if kind == level}
