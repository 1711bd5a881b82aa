"""Which rule should make the intervals of drops? Candidates side by side, on the same samples and draws.

    python benchmarks/coverage_rules.py --out rules.jsonl

Samples are those of coverage_drops.py, of another seed: samples of populations with a known drop, and the exact null.
Every repetition is a line of the file, so that a killed study goes on where it was.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from coverage_drops import SCENARIOS, drawn_by_lot, record, recorded, resampled, sample, world
from scipy import stats

from occbench.evaluation.bootstrap import MIN_PERSONS, Resampled
from occbench.evaluation.intervals import MIN_PHOTOS
from occbench.evaluation.signatures import changed_images

KEYS = (0, 1)
"""AP over all keypoints, and of the hidden one."""


def rules(clean: Resampled, attacked: Resampled, key: int, freedom: float) -> dict[str, tuple[float, float]]:
    """By rule the ends of the interval of one drop, in points; ``freedom``: of Student's t."""
    value, draws, leave_out = (
        100 * (getattr(clean, name)[..., key] - getattr(attacked, name)[..., key])
        for name in ("exact", "draws", "leave_out")
    )
    t = stats.t.ppf([0.025, 0.975], freedom)
    widening = np.sqrt(1 + 1 / (clean.images[key] - 1))
    se = draws.std(ddof=1) * widening
    influence = leave_out.mean() - leave_out
    by_jackknife = np.sqrt((influence**2).sum() * (1 - 1 / len(influence)))
    johnson = (1 / 6 + t**2 / 3) * stats.skew(draws)
    johnson_jackknife = (1 / 6 + t**2 / 3) * (influence**3).sum() / (influence**2).sum() ** 1.5
    outwards = np.array([min(johnson[0], 0), max(johnson[1], 0)])
    percentile = np.quantile(draws, stats.norm.cdf(t * widening))

    times = clean.weights.draws
    mean = times @ influence / len(influence)
    spread = np.sqrt(times @ influence**2 - len(influence) * mean**2)
    studentized = np.quantile(len(influence) * mean / np.maximum(spread, 1e-9), [0.975, 0.025])

    kept = np.log(np.maximum(attacked.draws[:, key], 1e-9) / clean.draws[:, key])
    ratio = np.log(attacked.exact[key] / clean.exact[key]) + t[::-1] * kept.std(ddof=1) * widening
    found = {
        "percentile, expanded": percentile,
        "Student's t": value + t * se,
        "midway between these two": (percentile + value + t * se) / 2,
        "t, log of the ratio of APs": 100 * clean.exact[key] * (1 - np.exp(ratio)),
        "t, the draws' bias taken off": value + t * se - (draws.mean() - value),
        "t, jackknife's standard error": value + t * by_jackknife,
        "t, a quarter of Johnson's shift": value + (t + johnson / 4) * se,
        "t, half of Johnson's shift": value + (t + johnson / 2) * se,
        "t, Johnson's shift": value + (t + johnson) * se,
        "t, Johnson's shift, skewness by the jackknife": value + (t + johnson_jackknife) * se,
        "bootstrap-t": value - studentized * se,
        "t, Johnson's shift outwards alone": value + (t + outwards) * se,
        "the same, jackknife's standard error": value + (t + outwards) * by_jackknife,
    }
    return {rule: (float(ends[0]), float(ends[1])) for rule, ends in found.items()}


def intervals(cells: list[Resampled]) -> list[dict[str, tuple[float, float]] | None]:
    """Of AP and of the hidden keypoint's AP, by rule; None where the tool gives no interval."""
    clean, attacked = cells
    photos = changed_images(clean.signatures, attacked.signatures)
    known = [clean.n[key] >= MIN_PERSONS and photos[key] >= MIN_PHOTOS for key in KEYS]
    freedom = np.minimum(clean.images, photos) - 1
    return [rules(clean, attacked, key, freedom[key]) if known[key] else None for key in KEYS]


def repeated(args: argparse.Namespace, scenario: int | None, images: int) -> Iterator[dict]:
    """Repetitions of one scenario, or of the exact null in which so many images change."""
    kind = {"scenario": scenario, "images": images, "draws": args.draws, "seed": args.seed}
    found = recorded(args.out, **kind)
    wanted = range(args.repetitions if scenario is not None else args.null_repetitions)
    if scenario is not None and set(wanted) - set(found):
        cells, true = world(SCENARIOS[scenario], 0)
    for repetition in wanted:
        if repetition not in found:
            rng = np.random.default_rng([args.seed, images, 1 if scenario is None else scenario, repetition])
            parts = drawn_by_lot(images, rng) if scenario is None else sample(cells, images, rng)
            ends = intervals(resampled(parts, args.draws, rng))
            truth = [0.0, 0.0] if scenario is None else [true[key] for key in KEYS]
            found[repetition] = record(args.out, {**kind, "repetition": repetition, "true": truth, "ends": ends})
        yield found[repetition]


def misses(lines: list[dict], key: int) -> dict[str, np.ndarray]:
    """By rule the share of intervals, in %, that the truth lies below and above."""
    known = [line for line in lines if line["ends"][key] is not None]
    return {
        rule: 100
        * np.mean(
            [
                (line["true"][key] < lo, line["true"][key] > hi)
                for line in known
                for lo, hi in [line["ends"][key][rule]]
            ],
            axis=0,
        )
        for rule in known[0]["ends"][key]
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the file of repetitions, new or to go on with")
    parser.add_argument(
        "--images", type=int, default=60, help="below 100, so that the jackknife leaves out single ones"
    )
    parser.add_argument("--changed", type=int, nargs="+", default=[7, 9, 12, 15, 20, 30, 60], help="exact null")
    parser.add_argument("--repetitions", type=int, default=1600)
    parser.add_argument("--null-repetitions", type=int, default=300)
    parser.add_argument("--draws", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    studies = [list(repeated(args, scenario, args.images)) for scenario in range(3)]
    missed = [misses(lines, key) for lines in studies for key in KEYS]
    nulls = [
        {rule: sides.sum() for rule, sides in misses(list(repeated(args, None, changed)), 0).items()}
        for changed in args.changed
    ]
    print("| rule | covers, % | truth below, % | truth above, % | excludes 0 where there is nothing, % |")
    print("|---|---|---|---|---|")
    for rule in missed[0]:
        below, above = np.array([row[rule] for row in missed]).T
        ranges = [f"{np.min(x):.1f} to {np.max(x):.1f}" for x in (100 - below - above, below, above)]
        excluded = [row[rule] for row in nulls]
        print(f"| {rule} | {' | '.join(ranges)} | {min(excluded):.1f} to {max(excluded):.1f} |")


if __name__ == "__main__":
    main()
