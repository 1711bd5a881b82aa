"""The sentences, on hand-made tables: no claim without an interval that bears it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from occbench.evaluation.changes import Compared, Group, Measure
from occbench.reports.findings.calibration import Calibration, LevelConfidence
from occbench.reports.findings.changes import comparison_reading
from occbench.reports.findings.controls import Estimate, MarkerEffect
from occbench.reports.findings.dose import Curve, Dose
from occbench.reports.findings.matrix import MatrixRow
from occbench.reports.findings.overall import MeanDrop, TargetRow
from occbench.reports.findings.sentences import (
    confidence_sentences,
    dose_sentences,
    fill_sentence,
    level_sentences,
    marker_evidence,
    marker_verdicts,
    own_gain_sentence,
)
from occbench.reports.findings.shares import Share, excess_sentences
from occbench.reports.reading.drops import Drop


def sure(value: float, half: float = 0.5) -> Drop:
    return Drop(value, value - half, value + half, 0.001)


def unsure(value: float, half: float = 1.0) -> Drop:
    return Drop(value, value - half, value + half, 0.6)


def rows(**drops: Drop) -> list[TargetRow]:
    return [TargetRow(target, 20, {"blackout": drop}) for target, drop in drops.items()]


def test_one_target_costs_and_no_other_differs_from_zero() -> None:
    said = level_sentences(
        "keypoint", rows(nose=sure(2.75, 0.65), left_hip=unsure(0.2), left_eye=unsure(-0.1)), 300, True
    )
    assert said == ["Blacking out the nose costs 2.8 points [2.1, 3.4]; no other keypoint differs from zero."]


def test_one_costs_and_another_helps() -> None:
    said = level_sentences("keypoint", rows(nose=sure(2.75, 0.65), left_hip=sure(-1.3)), 300, True)
    assert said == [
        "Blacking out the nose costs 2.8 points [2.1, 3.4]; no other keypoint loses clearly.",
        "Blacking out the left hip helps: a gain of 1.3 points [0.8, 1.8].",
    ]


def test_several_cost() -> None:
    said = level_sentences("part", rows(head=sure(20), hip=unsure(0), left_arm=sure(10)), 300, True)
    assert said == ["Blacking out the head costs 20.0 points [19.5, 20.5], the most of 3 parts; 2 of 3 lose clearly."]
    several = [TargetRow(name, 20, {"blackout": sure(20), "blur": unsure(1)}) for name in ("head", "left_arm")]
    said = level_sentences("part", several, 300, True)
    assert said[0].endswith("the most of 2 parts; all lose clearly under at least one fill.")


def test_several_help() -> None:
    said = level_sentences("keypoint", rows(nose=sure(-2), left_hip=sure(-1), left_eye=sure(-3)), 300, True)
    assert said == ["Blacking out the left eye helps: a gain of 3.0 points [2.5, 3.5]; so does hiding 2 others."]


def test_nothing_is_distinguishable_from_zero() -> None:
    said = level_sentences("keypoint", rows(nose=unsure(0.6), left_hip=unsure(-0.3)), 300, True)
    assert said == [
        "None of the 2 keypoints has a drop that can be told from zero; the intervals reach up to 1.6 points."
    ]
    said = level_sentences("keypoint", rows(nose=unsure(0.6)), 300, True)
    assert said == ["The nose has no drop that can be told from zero; the intervals reach up to 1.6 points."]


def test_an_interval_without_zero_is_no_claim_where_many_were_tried() -> None:
    lucky = Drop(1.0, 0.1, 1.9, 0.4)  # p after Holm's correction
    said = level_sentences("keypoint", rows(nose=lucky, left_hip=unsure(0.0)), 300, True)
    assert said[0].startswith("None of the 2 keypoints")


def test_n_is_too_small_to_say() -> None:
    said = level_sentences("keypoint", rows(nose=Drop(25.0), left_hip=Drop(-3.0)), 4, True)
    assert said == [
        "n = 4 is too small to say anything: intervals need 10 persons; the largest measured drop is 25.0 points "
        "(blacking out the nose)."
    ]


@pytest.mark.parametrize(("resampled", "why"), [(False, "The run has no intervals"), (True, "These drops have no")])
def test_without_intervals_chance_is_not_ruled_out(resampled: bool, why: str) -> None:
    (said,) = level_sentences("keypoint", rows(nose=Drop(2.0)), 300, resampled)
    assert said.startswith(why)
    assert "chance is not ruled out" in said


def test_nothing_was_measurable() -> None:
    assert level_sentences("part", rows(hip=Drop(math.nan)), 300, True) == ["No part's drop could be measured."]
    assert level_sentences("part", [], 300, True) == ["No part's drop could be measured."]


def test_one_target_alone() -> None:
    assert level_sentences("part", rows(head=sure(20)), 300, True) == [
        "Blacking out the head costs 20.0 points [19.5, 20.5]."
    ]


def test_the_costliest_fill_is_named_only_where_intervals_tell() -> None:
    means = [MeanDrop("part", "blackout", sure(5), 11), MeanDrop("part", "blur", sure(2), 11)]
    assert (
        fill_sentence("part", means)
        == "Of the fills, blackout costs most: 5.0 points [4.5, 5.5] on average over the parts."
    )
    assert fill_sentence("part", [means[0], MeanDrop("part", "blur", sure(4.5), 11)]) is None
    assert fill_sentence("part", means[:1]) is None
    assert fill_sentence("part", [MeanDrop("part", f, Drop(1.0), 11) for f in ("blackout", "blur")]) is None


def matrix_row(target: str, own: Drop) -> MatrixRow:
    return MatrixRow(target, frozenset([target]), Drop(0.0), {target: own})


def test_own_gains_are_a_sign_of_marker_reading() -> None:
    found = own_gain_sentence("blackout", [matrix_row("nose", sure(3)), matrix_row("left_hip", sure(-12.8, 3.2))])
    assert found is not None
    assert found.startswith("Under blackout, 1 of 2 keypoints is found better when hidden")
    assert "(the most: the left hip, by 12.8 points [9.6, 16.0])" in found
    assert own_gain_sentence("blackout", [matrix_row("nose", unsure(-3, 4))]) is None


def effect(value: Drop, gain: Drop, pull: float = math.nan) -> MarkerEffect:
    return MarkerEffect("blackout", "decoys:6", value, gain, 17, 15, pull, 0.1)


@pytest.mark.parametrize(
    ("value", "gain", "begins"),
    [
        (
            sure(8),
            sure(7),
            "This model reads the blackout occluder as a marker: what it hides is found 7.0 points",
        ),
        (
            sure(8),
            sure(-2),
            "The lone blackout occluder helps this model by 8.0 points [7.5, 8.5] over one among decoys;",
        ),
        (sure(8), unsure(1, 2), "The lone blackout occluder helps this model"),
        (
            unsure(1, 2),
            unsure(1, 2),
            "No sign that this model reads occluders of blackout as markers of what they hide.",
        ),
        (unsure(1, 2), sure(-4), "No sign that this model reads occluders of blackout as markers of what they hide."),
        (
            unsure(1, 2),
            sure(7),
            "What the blackout occluder hides is found 7.0 points [6.5, 7.5] better than",
        ),
        (sure(-3), sure(-4), "This model does not read the blackout occluder as a marker"),
        (
            Drop(8.0),
            Drop(7.0),
            "Whether the model reads occluders of blackout as markers cannot be said without intervals.",
        ),
    ],
)
def test_marker_verdict(value: Drop, gain: Drop, begins: str) -> None:
    (said,) = marker_verdicts([effect(value, gain)])
    assert said.startswith(begins)


def test_verdicts_of_several_fills() -> None:
    several = [
        effect(unsure(1, 2), unsure(1)),
        effect(sure(8), sure(7)),
        replace(effect(unsure(0), unsure(1)), fill="blur"),
    ]
    first, second = marker_verdicts(several)
    assert first.startswith("This model reads the blackout occluder as a marker")
    assert second == "No sign that this model reads occluders of blackout and blur as markers of what they hide."


def test_marker_evidence() -> None:
    assert marker_evidence(effect(sure(8), sure(7), 1.25), "keypoint") == (
        "Blackout, mean over 17 keypoints: marker effect against 6 decoys 8.0 points [7.5, 8.5], clear and "
        "positive for 15; gain over nothing hidden 7.0 points [6.5, 7.5]. Among the decoys, predictions move 1.2 px "
        "towards the true occluder and 0.1 px towards a decoy."
    )
    assert "move 4.0 px away from the true" in marker_evidence(effect(Drop(8.0), Drop(7.0), -4), "keypoint")
    assert "px" not in marker_evidence(effect(Drop(8.0), Drop(7.0)), "keypoint")


def dose(*drops: Drop) -> Dose:
    radii = tuple(6.0 + 6 * i for i in range(len(drops)))
    return Dose("keypoint", "centred", radii, (Curve("", "blur", radii, drops),), {"blur": 17}, (), math.nan, 0)


def test_dose_sentences() -> None:
    assert dose_sentences(dose(sure(0), sure(2), sure(8))) == [
        "Blur: the mean drop first exceeds (points) 1 at 9.0 px [7.5, 10.5] and 5 at 15.0 px [14.5, 15.5]."
    ]
    assert dose_sentences(dose(sure(3), sure(4))) == ["Blur: the mean drop first exceeds (points) 1 at ≤ 6 px."]
    assert dose_sentences(dose(Drop(0.1), Drop(0.2))) == [
        "Blur: the mean drop stays below 1 point up to 12 px; there it is 0.2 points."
    ]


def test_confidence_sentences() -> None:
    def made(score: float, similarity: float, n: int) -> Calibration:
        return Calibration((), 0.05, (), (), (), n, score, similarity, Estimate(0.123, 0.1, 0.15), 8 / 9)

    found = LevelConfidence("keypoint", made(0.8, 0.78, 5000), {"blur": made(0.7, 0.4, 321)}, {}, {})
    assert confidence_sentences(found) == [
        "Hidden by blur, keypoints have a mean score of 0.70 at a mean similarity to the truth of 0.40, from 0.80 and "
        "0.78 without occlusion: the model claims 0.30 more than it delivers (n = 321). Calibration error 0.123 "
        "[0.100, 0.150], mean over cells."
    ]


def test_less_loss_has_its_interval_by_how_much_less() -> None:
    nan = math.nan
    rows = [
        Share("all", fill, "all", nan, nan, nan, 9, 0.5, 3.0, nan, Estimate(5.0), Estimate(value, low, high))
        for fill, value, low, high in (
            ("blackout", 0.3, 0.1, 0.4),
            ("blur", -1.7, -1.9, -1.5),
            ("meanout", 0.1, -1.0, 1.2),
        )
    ]
    (said,) = excess_sentences(rows)
    assert "more under blackout 0.3 [0.1, 0.4]; less under blur 1.7 [1.5, 1.9]." in said
    assert "meanout" not in said


def compared(clean: tuple[float, float], drops: dict[str, tuple[float, float]]) -> Compared:
    """A model beside a baseline: clean APs and drops by fill, the model's first, and intervals of two points."""
    own, base = ([Measure("ap", "clean", "", "", 1, value)] for value in clean)
    changes = [Measure("ap", "clean", "", "", 1, clean[0] - clean[1])]
    for fill, (mine, theirs) in drops.items():
        less = theirs - mine
        for side, value in ((own, mine), (base, theirs)):
            side.append(Measure("drop", "part", fill, "", 11, value))
        changes.append(Measure("drop", "part", fill, "", 11, less, less - 1, less + 1, 0.001, 0.001))
    return Compared(Group("new", (1,)), Group("old", (0,)), ((1, 0),), tuple(own), tuple(base), tuple(changes))


def test_who_loses_fewer_points_of_a_lower_ap_is_not_called_robust() -> None:
    (said,) = comparison_reading([compared((80, 40), {"blackout": (30, 20)})])
    assert said.startswith(
        "Whether new is more robust than old cannot be said under part blackout (loses 10.0 points more [9.0, 11.0], "
        "but 38 % of its AP against 50 %): the model of lower AP has less to lose."
    )
    (said,) = comparison_reading([compared((80, 40), {"blackout": (30, 20), "blur": (10, 12), "meanout": (1, 1)})])
    assert said.startswith(
        "new is more robust than old under part blur (loses 2.0 points less [1.0, 3.0]); under the other 1 kind of "
        "attack no difference can be told from chance. Whether new is more robust than old cannot be said under part "
    )
    (said,) = comparison_reading([compared((80, 40), {"blackout": (50, 20)})])
    assert said.startswith("new is less robust than old under part blackout (loses 30.0 points more")
