"""The numbers in words. A claim is made only where its interval bears it; what cannot be told from zero is said to be so."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from occbench.evaluation.bootstrap import MIN_PERSONS

from .calibration import LevelConfidence
from .controls import MarkerEffect, decoys_in
from .dose import THRESHOLDS, Critical, Dose
from .drops import Drop
from .matrix import MatrixRow
from .names import counted, hiding, listed, number, order_fills, plural, span, spoken
from .overall import MeanDrop, TargetRow


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
        return [f"{subject} {verb} be told from zero; the intervals reach up to {number(most, 1)} AP points."]
    said = []
    if losses:
        said.append(_losses(level, losses, gains, targets))
    if gains:
        target, fill, drop = gains[0]
        among = len({target for target, _, _ in gains})
        rest = f"; so does hiding {counted(among - 1, 'other')}" if among > 1 else ""
        said.append(f"{hiding(fill, target)} helps: a gain of {span(-drop.high, -drop.low)} AP points{rest}.")
    return said


def _losses(
    level: str, losses: list[tuple[str, str, Drop]], gains: list[tuple[str, str, Drop]], targets: Sequence[str]
) -> str:
    target, fill, drop = losses[0]
    first = f"{hiding(fill, target)} costs {span(drop.low, drop.high)} AP points"
    losing = {t for t, _, _ in losses}
    others = len(targets) - len(losing)
    if len(targets) == 1:
        return first + "."
    if len(losing) == 1:
        clear = {t for t, _, _ in gains} - losing
        return first + (f"; no other {level} loses clearly." if clear else f"; no other {level} differs from zero.")
    rest = "all" if not others else f"{len(losing)} of {len(targets)}"
    return f"{first}, the most of {len(targets)} {plural(level)}; {rest} lose clearly under at least one fill."


def _unhedged(drops: Sequence[tuple[str, str, Drop]], n: float, resampled: bool) -> str:
    target, fill, drop = max(drops, key=lambda d: d[2].value)
    why = "The run has no intervals, so chance is not ruled out"
    if n < MIN_PERSONS:
        why = f"n = {n:.0f} is too small to say anything: intervals need {MIN_PERSONS} persons"
    elif resampled:
        why = "These drops have no intervals, so chance is not ruled out"
    return f"{why}; the largest measured drop is {number(drop.value, 1)} AP points ({hiding(fill, target).lower()})."


def fill_sentence(level: str, means: Sequence[MeanDrop]) -> str | None:
    """Which fill costs most on average, where the intervals of the means tell them apart; None elsewhere."""
    known = sorted((m for m in means if m.mean.has_interval), key=lambda m: -m.mean.value)
    if len(known) < 2 or known[0].mean.low <= max(m.mean.high for m in known[1:]):
        return None
    first = known[0].mean
    return f"Of the fills, {known[0].fill} costs most: {span(first.low, first.high)} AP points per {level} on average."


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
        f"Under {fill}, {len(better)} of {counted(len(known), 'keypoint')} "
        f"{'is' if len(better) == 1 else 'are'} found better when hidden than in the clean crop (up to "
        f"{span(-most.high, -most.low)} AP points, {spoken(better[0].target)}): a sign that the model reads the occluder as a "
        "marker."
    )


def marker_sentence(effect: MarkerEffect, level: str) -> str:
    """Whether the model reads the occluder of one fill as a marker of what it hides."""
    value, gain = effect.effect, effect.gain
    among = counted(decoys_in(effect.placement), "decoy")
    over = f"mean over {counted(effect.n, level)}"
    if not value.has_interval:
        return (
            f"{effect.fill.capitalize()}: without intervals nothing can be said about chance; the mean marker effect is "
            f"{number(value.value, 1)} AP points."
        )
    size = f"{span(value.low, value.high)} AP points"
    if not value.clear:
        verdict = (
            f"No sign that this model reads the {effect.fill} occluder as a marker: what it hides is found {size} better "
            f"without decoys than among {among} ({over}), and that includes zero"
        )
    elif value.value < 0:
        verdict = (
            f"This model does not read the {effect.fill} occluder as a marker: what it hides is found worse without decoys "
            f"than among {among}, by {span(-value.high, -value.low)} AP points ({over})"
        )
    elif gain.clear and gain.value > 0:
        verdict = (
            f"This model reads the {effect.fill} occluder as a marker: what it hides is found {span(gain.low, gain.high)} AP "
            f"points better than in the clean crop, and {size} better than among {among} ({over}; clear for "
            f"{effect.n_clear})"
        )
    else:
        verdict = (
            f"The lone {effect.fill} occluder helps this model: what it hides is found {size} better than among {among} "
            f"({over}). Nothing is found better than in the clean crop, so some of that may be what the decoys cost"
        )
    return f"{verdict}.{_attraction(effect)}"


def _attraction(effect: MarkerEffect) -> str:
    if math.isnan(effect.attraction) or math.isnan(effect.attraction_decoys):
        return ""
    return (
        f" Among the decoys, predictions move {number(effect.attraction, 1)} px towards the true occluder and "
        f"{number(effect.attraction_decoys, 1)} px towards a decoy."
    )


def dose_sentences(dose: Dose) -> list[str]:
    """At which size the mean drop becomes noticeable."""
    said = []
    for curve in dose.means:
        reached = [(t, c) for t in THRESHOLDS if math.isfinite((c := curve.critical(t)).value)]
        if not reached:
            last = curve.drops[-1]
            end = f" ({span(last.low, last.high)})" if last.has_interval else ""
            said.append(
                f"{curve.fill.capitalize()}: the mean drop stays below {THRESHOLDS[0]:g} AP point up to "
                f"{curve.radii[-1]:g} px; there it is {number(last.value, 1)}{end}."
            )
            continue
        steps = listed(f"{t:g} at {_at(c, curve.radii)}" for t, c in reached)
        said.append(f"{curve.fill.capitalize()}: the mean drop first exceeds (AP points) {steps}.")
    return said


def _at(found: Critical, radii: Sequence[float]) -> str:
    def size(radius: float) -> str:
        return (
            f"≤ {radii[0]:g}" if radius <= radii[0] else f"> {radii[-1]:g}" if math.isinf(radius) else number(radius, 1)
        )

    interval = "" if math.isnan(found.low) or math.isnan(found.high) else f" ({size(found.low)} to {size(found.high)})"
    return f"{size(found.value)} px{interval}"


def confidence_sentences(found: LevelConfidence) -> list[str]:
    """What becomes of the scores of hidden keypoints."""
    said = []
    for fill in order_fills(found.hidden):
        hidden = found.hidden[fill]
        claim = hidden.mean_score - hidden.mean_similarity
        before = ""
        if found.clean is not None:
            before = f", from {number(found.clean.mean_score, 2)} and {number(found.clean.mean_similarity, 2)} on clean crops"
        word = "more" if claim >= 0 else "less"
        said.append(
            f"Hidden by {fill}, keypoints have a mean score of {number(hidden.mean_score, 2)} at a mean similarity to the "
            f"truth of {number(hidden.mean_similarity, 2)}{before}: the model claims {number(abs(claim), 2)} {word} than it "
            f"delivers (n = {hidden.n})."
        )
    return said


def comparison_sentence(level: str, fill: str, means: Mapping[str, Drop]) -> str | None:
    """Which run loses least on average under one fill, as far as the intervals tell; None with fewer than two."""
    known = {name: drop for name, drop in means.items() if not math.isnan(drop.value)}
    if len(known) < 2:
        return None
    if not all(drop.has_interval for drop in known.values()):
        return f"{level.capitalize()}s, {fill}: without intervals in every run, chance is not ruled out."
    order = sorted(known, key=lambda name: known[name].value)
    best, rest = known[order[0]], [known[name] for name in order[1:]]
    if best.high < min(drop.low for drop in rest):
        against = "the other" if len(rest) == 1 else "each of the others"
        return (
            f"{level.capitalize()}s, {fill}: {order[0]} loses less than {against} "
            f"({span(best.low, best.high)} AP points on average against {listed(span(d.low, d.high) for d in rest)})."
        )
    return f"{level.capitalize()}s, {fill}: the intervals of the best two overlap, so they cannot be told apart."
