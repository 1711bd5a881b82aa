"""The numbers in words: a claim only where its interval bears it, and what cannot be told from zero said to be so."""

from __future__ import annotations

import math
from collections.abc import Sequence

from occbench.evaluation.bootstrap import MIN_PERSONS

from ..reading.drops import Drop
from ..reading.names import counted, hiding, listed, number, order_fills, plural, points, spoken
from .calibration import LevelConfidence
from .controls import Estimate, MarkerEffect, decoys_in
from .dose import THRESHOLDS, Critical, Dose
from .matrix import MatrixRow
from .overall import MeanDrop, TargetRow


def _lost(drop: Drop) -> str:
    return points(drop.value, drop.low, drop.high)


def _gained(drop: Drop) -> str:
    return points(-drop.value, -drop.high, -drop.low)


def level_sentences(level: str, rows: Sequence[TargetRow], n: float, resampled: bool) -> list[str]:
    """What hiding each target costs over all keypoints.

    Args:
        level: ``keypoint`` or ``part``.
        rows: One per attacked target.
        n: Persons that counted.
        resampled: Whether the run has intervals at all.
    """
    drops = [(row.target, fill, drop) for row in rows for fill, drop in row.drops.items() if not math.isnan(drop.value)]
    if not drops:
        return [f"No {level}'s drop could be measured."]
    if not any(drop.has_interval for _, _, drop in drops):
        return [_unhedged(drops, n, resampled)]
    losses = sorted((d for d in drops if d[2].clear and d[2].value > 0), key=lambda d: -d[2].value)
    gains = sorted((d for d in drops if d[2].clear and d[2].value < 0), key=lambda d: d[2].value)
    targets = list(dict.fromkeys(target for target, _, _ in drops))
    if not losses and not gains:
        most = max(drop.high for _, _, drop in drops if drop.has_interval)
        subject = f"None of the {len(targets)} {plural(level)}" if len(targets) > 1 else spoken(targets[0]).capitalize()
        verb = "has a drop that can" if len(targets) > 1 else "has no drop that can"
        return [f"{subject} {verb} be told from zero; the intervals reach up to {number(most, 1)} points."]
    said = []
    if losses:
        several_fills = len({fill for _, fill, _ in drops}) > 1
        said.append(_losses(level, losses, gains, targets, several_fills))
    if gains:
        target, fill, drop = gains[0]
        among = len({target for target, _, _ in gains})
        rest = f"; so does hiding {counted(among - 1, 'other')}" if among > 1 else ""
        said.append(f"{hiding(fill, target)} helps: a gain of {_gained(drop)}{rest}.")
    return said


def _losses(
    level: str,
    losses: list[tuple[str, str, Drop]],
    gains: list[tuple[str, str, Drop]],
    targets: Sequence[str],
    several_fills: bool,
) -> str:
    target, fill, drop = losses[0]
    first = f"{hiding(fill, target)} costs {_lost(drop)}"
    losing = {t for t, _, _ in losses}
    others = len(targets) - len(losing)
    if len(targets) == 1:
        return first + "."
    if len(losing) == 1:
        clear = {t for t, _, _ in gains} - losing
        return first + (f"; no other {level} loses clearly." if clear else f"; no other {level} differs from zero.")
    rest = "all" if not others else f"{len(losing)} of {len(targets)}"
    under = " under at least one fill" if several_fills else ""
    return f"{first}, the most of {len(targets)} {plural(level)}; {rest} lose clearly{under}."


def _unhedged(drops: Sequence[tuple[str, str, Drop]], n: float, resampled: bool) -> str:
    target, fill, drop = max(drops, key=lambda d: d[2].value)
    why = "The run has no intervals, so chance is not ruled out"
    if n < MIN_PERSONS:
        why = f"n = {n:.0f} is too small to say anything: intervals need {MIN_PERSONS} persons"
    elif resampled:
        why = "These drops have no intervals, so chance is not ruled out"
    return f"{why}; the largest measured drop is {number(drop.value, 1)} points ({hiding(fill, target).lower()})."


def fill_sentence(level: str, means: Sequence[MeanDrop]) -> str | None:
    """Which fill costs most on average, where the intervals of the means tell them apart; None elsewhere."""
    known = sorted((m for m in means if m.mean.has_interval), key=lambda m: -m.mean.value)
    if len(known) < 2 or known[0].mean.low <= max(m.mean.high for m in known[1:]):
        return None
    first = known[0].mean
    return f"Of the fills, {known[0].fill} costs most: {_lost(first)} on average over the {plural(level)}."


def own_gain_sentence(fill: str, rows: Sequence[MatrixRow]) -> str | None:
    """Keypoints that are found better when hidden, which is what a marker reader does; None where there are none."""
    known = [row for row in rows if not math.isnan(row.own_loss.value)]
    better = sorted(
        (row for row in known if row.own_loss.clear and row.own_loss.value < 0), key=lambda r: r.own_loss.value
    )
    if not better:
        return None
    most = better[0].own_loss
    return (
        f"Under {fill}, {len(better)} of {counted(len(known), 'keypoint')} {'is' if len(better) == 1 else 'are'} found "
        f"better when hidden than when seen (the most: "
        f"{spoken(better[0].target)}, by {_gained(most)}): a sign that the model reads the occluder as a marker."
    )


def marker_verdicts(effects: Sequence[MarkerEffect]) -> list[str]:
    """Whether the model reads the occluders of each fill as markers of what they hide."""
    unhedged = [e for e in effects if not e.effect.has_interval]
    unclear = [e for e in effects if e.effect.has_interval and not e.effect.clear]
    gaining = [e for e in unclear if e.gain.clear and e.gain.value > 0]
    unseen = [e for e in unclear if e not in gaining]
    said = [_marker_verdict(e) for e in effects if e.effect.clear]
    said += [
        f"What the {e.fill} occluder hides is found {_lost(e.gain)} better than when it "
        "is seen, as if it were a marker; the difference to the same among decoys is too small to say."
        for e in gaining
    ]
    if unseen:
        said.append(f"No sign that this model reads {_occluders(unseen)} of what they hide.")
    if unhedged:
        said.append(f"Whether the model reads {_occluders(unhedged)} cannot be said without intervals.")
    return said


def _occluders(effects: Sequence[MarkerEffect]) -> str:
    return f"occluders of {listed(dict.fromkeys(e.fill for e in effects))} as markers"


def _marker_verdict(effect: MarkerEffect) -> str:
    value, gain = effect.effect, effect.gain
    if value.value < 0:
        return (
            f"This model does not read the {effect.fill} occluder as a marker: alone it hides more than among decoys."
        )
    if gain.clear and gain.value > 0:
        return (
            f"This model reads the {effect.fill} occluder as a marker: what it hides is found "
            f"{_lost(gain)} better than when seen, so centred {effect.fill} drops say "
            "little about robustness."
        )
    return (
        f"The lone {effect.fill} occluder helps this model by {_lost(value)} over one among "
        "decoys; nothing is found better than when seen, so some of that may be what the decoys cost."
    )


def marker_evidence(effect: MarkerEffect, level: str) -> str:
    """The numbers behind the verdict."""
    value, gain = effect.effect, effect.gain

    return (
        f"{effect.fill.capitalize()}, mean over {counted(effect.n, level)}: marker effect against "
        f"{counted(decoys_in(effect.placement), 'decoy')} {_lost(value)}, clear and positive for "
        f"{effect.n_clear}; gain over nothing hidden {_lost(gain)}.{_attraction(effect)}"
    )


def _attraction(effect: MarkerEffect) -> str:
    if math.isnan(effect.attraction) or math.isnan(effect.attraction_decoys):
        return ""

    def move(px: float) -> str:
        return f"{number(abs(px), 1)} px {'towards' if px >= 0 else 'away from'}"

    return (
        f" Among the decoys, predictions move {move(effect.attraction)} the true occluder and "
        f"{move(effect.attraction_decoys)} a decoy."
    )


def dose_sentences(dose: Dose) -> list[str]:
    """At which size the mean drop becomes noticeable."""
    said = []
    for curve in dose.means:
        reached = [(t, c) for t in THRESHOLDS if math.isfinite((c := curve.critical(t)).value)]
        if not reached:
            last = curve.drops[-1]
            said.append(
                f"{curve.fill.capitalize()}: the mean drop stays below {THRESHOLDS[0]:g} point up to "
                f"{curve.radii[-1]:g} px; there it is {_lost(last)}."
            )
            continue
        steps = listed(f"{t:g} at {_at(c, curve.radii)}" for t, c in reached)
        said.append(f"{curve.fill.capitalize()}: the mean drop first exceeds (points) {steps}.")
    return said


def _at(found: Critical, radii: Sequence[float]) -> str:
    def size(radius: float) -> str:
        return (
            f"≤ {radii[0]:g}" if radius <= radii[0] else f"> {radii[-1]:g}" if math.isinf(radius) else number(radius, 1)
        )

    ends = [size(radius) for radius in (found.low, found.high) if not math.isnan(radius)]
    says_more = len(ends) == 2 and set(ends) != {size(found.value)}
    return f"{size(found.value)} px" + (f" [{ends[0]}, {ends[1]}]" if says_more else "")


def _estimate(found: Estimate) -> str:
    ends = "" if math.isnan(found.low) else f" [{number(found.low, 3)}, {number(found.high, 3)}]"
    return f"{number(found.value, 3)}{ends}"


def confidence_sentences(found: LevelConfidence) -> list[str]:
    """What becomes of the scores of hidden keypoints."""
    said = []
    for fill in order_fills(found.hidden):
        hidden = found.hidden[fill]
        claim = hidden.mean_score - hidden.mean_similarity
        before = ""
        if found.clean is not None:
            before = (
                f", from {number(found.clean.mean_score, 2)} and {number(found.clean.mean_similarity, 2)} "
                "without occlusion"
            )
        word = "more" if claim >= 0 else "less"
        said.append(
            f"Hidden by {fill}, keypoints have a mean score of {number(hidden.mean_score, 2)} at a mean similarity to "
            f"the truth of {number(hidden.mean_similarity, 2)}{before}: the model claims {number(abs(claim), 2)} "
            f"{word} than it delivers (n = {hidden.n}). Calibration error {_estimate(hidden.error)}, mean over cells."
        )
    return said
