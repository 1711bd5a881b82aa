"""How the stages of a cascade are measured: PDJ from .05 to .5 of the torso, PCP strict and loose by limb."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .pck import pcp_hits
from .rates import METRICS, RateMetric, RateTable

MIN_DIAMETER = 0.05
"""A pose whose shoulder and opposite hip are nearer than this share of the canvas' side has joint boxes as if they were
so far apart (DeepPose has no such floor)."""

FRACTIONS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
"""Of the torso, in PDJ's curve."""

LOOSE = "PCP@0.5 loose"
"""The rule of the paper's footnote: the mean of the distances of both ends, not each of them."""


def stage_metric(keypoints: Sequence[str], name: str = "PDJ", fractions: tuple[float, ...] = FRACTIONS) -> RateMetric:
    """The joints and limbs of LSP and FLIC, as far as a skeleton has them.

    Args:
        keypoints: Of the skeleton.
        name: Of the share of joints within a fraction of the torso.
        fractions: Those.
    """
    lsp, flic = METRICS["pck"], METRICS["pdj"]
    joints = {**lsp.joints, "Head": (*lsp.joints["Head"], *flic.joints["Head"])}
    limbs = {name: ends for name, ends in lsp.limbs.items() if all(set(pair) <= set(keypoints) for pair in ends)}
    return RateMetric(
        name,
        "torso",
        fractions,
        {group: found for group, names in joints.items() if (found := tuple(j for j in names if j in keypoints))},
        limbs=limbs,
        averaged=tuple(name for name in lsp.averaged if name in limbs),
    )


def stage_tables(
    predicted: np.ndarray, truth: np.ndarray, labelled: np.ndarray, lengths: np.ndarray, keypoints: Sequence[str]
) -> list[RateTable]:
    """What a stage has right: PDJ at every fraction, PCP strict and loose where there are limbs.

    Args:
        predicted: Shape (G, K, 2), image px; NaN for a person without a prediction.
        truth: Shape (G, K, 2), image px.
        labelled: Shape (G, K), bool.
        lengths: Shape (G,): torsos, image px; NaN where a person has none.
        keypoints: K names.
    """
    metric = stage_metric(keypoints)
    tables = metric.tables(predicted, truth, labelled, lengths, keypoints)
    if not metric.limbs:
        return tables
    at = {name: i for i, name in enumerate(keypoints)}
    ends = np.array([(at[a], at[b]) for limbs in metric.limbs.values() for a, b in limbs])
    return [*tables, RateTable(LOOSE, pcp_hits(predicted, truth, labelled, ends, loose=True), tables[-1].groups)]
