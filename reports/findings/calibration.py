"""What a model's scores are worth: their distribution and calibration, of hidden and of visible keypoints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pandas as pd

from ..reading.load import Run
from ..reading.slices import Slice
from .controls import Estimate

HIDDEN, VISIBLE = "hidden", "visible"


@dataclass(frozen=True)
class Calibration:
    """Keypoints of one kind, pooled over cells.

    Attributes:
        edges: Lower ends of the score bins that hold any keypoint.
        width: Of a bin.
        share: Of the keypoints in each bin.
        score: Mean score in each bin.
        similarity: Mean similarity to the truth (exp(-e) as in OKS) in each bin: what a calibrated score equals.
        n: Keypoints; one that several cells hide counts in each.
        mean_score: Over all of them.
        mean_similarity: Over all of them.
        error: Expected calibration error: mean over the keypoints of their bin's |score - similarity|, by cell, and of
            those the mean over the cells; pooled, over- and under-confidence of different cells would cancel.
        ceiling: Mean similarity of predictions that lie where COCO's annotators mean; NaN where the run lacks it.
    """

    edges: tuple[float, ...]
    width: float
    share: tuple[float, ...]
    score: tuple[float, ...]
    similarity: tuple[float, ...]
    n: int
    mean_score: float
    mean_similarity: float
    error: Estimate
    ceiling: float


@dataclass(frozen=True)
class LevelConfidence:
    """Scores under the attacks of one level, by fill; ``clean`` has every labelled keypoint."""

    level: str
    clean: Calibration | None
    hidden: dict[str, Calibration]
    visible: dict[str, Calibration]
    targets: dict[tuple[str, str], Calibration]
    """Hidden keypoints by target and fill."""


def level_confidence(run: Run, part: Slice) -> LevelConfidence | None:
    """The scores of the main slice of a level; None where the run does not have them."""
    table = run.confidence
    rows = table[
        (table["level"] == part.level) & (table["radius"] == part.radius) & (table["placement"] == part.placement)
    ]
    if rows.empty:
        return None
    clean = table[(table["level"] == "clean") & (table["keypoints"] == VISIBLE)]

    def by_fill(group: str) -> dict[str, Calibration]:
        mine = {f: rows[(rows["fill"] == f) & (rows["keypoints"] == group)] for f in part.fills}
        return _known({fill: pooled(found) for fill, found in mine.items()})

    hidden = rows[rows["keypoints"] == HIDDEN]
    targets = {
        (target, fill): pooled(hidden[(hidden["target"] == target) & (hidden["fill"] == fill)])
        for target in part.targets
        for fill in part.fills
    }
    return LevelConfidence(part.level, pooled(clean), by_fill(HIDDEN), by_fill(VISIBLE), _known(targets))


Key = TypeVar("Key")


def _known(found: dict[Key, Calibration | None]) -> dict[Key, Calibration]:
    return {key: value for key, value in found.items() if value is not None}


def pooled(rows: pd.DataFrame) -> Calibration | None:
    """Several cells' rows of confidence.csv as one; None without a keypoint."""
    bins, wholes = rows[rows["score_lo"].notna() & (rows["n"] > 0)], rows[rows["score_lo"].isna()]
    if bins.empty:
        return None
    sums = (
        pd.DataFrame(
            {
                "lo": bins["score_lo"].round(6),
                "n": bins["n"],
                "score": bins["n"] * bins["score"],
                "similarity": bins["n"] * bins["similarity"],
            }
        )
        .groupby("lo")
        .sum()
    )
    n = sums["n"].to_numpy(dtype=float)
    score, similarity = (sums[name].to_numpy(dtype=float) / n for name in ("score", "similarity"))
    return Calibration(
        _floats(sums.index.to_numpy(dtype=float)),
        float((bins["score_hi"] - bins["score_lo"]).median()),
        _floats(n / n.sum()),
        _floats(score),
        _floats(similarity),
        round(float(n.sum())),
        float(np.average(score, weights=n)),
        float(np.average(similarity, weights=n)),
        Estimate(*(float(wholes[name].mean(skipna=False)) for name in ("error", "error_lo", "error_hi"))),
        float(wholes["ceiling"].mean()),
    )


def _floats(values: np.ndarray) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
