"""Do the intervals cover, and do they keep quiet where there is nothing? On synthetic populations with a known answer.

    python benchmarks/coverage_drops.py --out coverage.jsonl
    python benchmarks/coverage_drops.py --null --out null.jsonl

Every repetition is a line of the file, so that a killed study goes on where it was.

Coverage: a population of 20,000 images, its clean and its attacked predictions are made up once; its drop is the truth.
Each repetition draws some of its images, computes the drop with its interval from them alone, and looks whether the
truth lies inside. Matching happens within images, so it is done once, for the population.

Exact null: 100 images, of which an attack changes a few, for better or worse; in each of them it is drawn by lot which
prediction is the clean one. So there is no drop, whatever the images are.

Errors are set after those of PP-TinyPose on real photos (docs/real-photos.md): in units of the keypoint's OKS sigma,
with tails as heavy, AP as high, and scores that tell as much of the error; a scenario of its own has a model that finds
little. Persons of one image share a difficulty (what makes resampling images, not persons, necessary). There is one
prediction a person, in their box.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np

from occbench.evaluation import average_precision, bootstrap, resampling
from occbench.evaluation.bootstrap import Prepared, Resampled, Weights
from occbench.evaluation.intervals import Method, distinguishable
from occbench.evaluation.matching import Matches
from occbench.evaluation.types import Detections, Figures, GroundTruth

SIGMAS = np.array([0.026, 0.079, 0.062, 0.107, 0.087, 0.089])
ERRORS = 0.19 * np.array([1.5, 1.0, 1.0, 1.0, 1.0, 1.0])
"""Scale of the errors, in 2 x sigma x sqrt(area): a nose is missed by more of its sigma than a shoulder."""
KEYS = {"AP, all keypoints": None, "the hidden keypoint": 0, "another keypoint": 1, "a rarely labelled one": 2}
RARE = 2
METHODS: tuple[Method, ...] = get_args(Method)
STUDENT, PERCENTILE, BCA = METHODS


@dataclass(frozen=True)
class Scenario:
    """What an attack does in the population.

    Attributes:
        name: For the table.
        hidden: Factor on the error of the hidden keypoint.
        others: Factor on the errors of the other keypoints.
        fresh: Share of every error that is drawn anew, so that persons change although nobody loses.
        weakness: Factor on all errors, also without the attack: a model that finds little.
    """

    name: str
    hidden: float
    others: float
    fresh: float
    weakness: float = 1.0


SCENARIOS = (
    Scenario("no drop: errors drawn anew", 1.0, 1.0, 0.5),
    Scenario("small drop", 1.06, 1.02, 0.2),
    Scenario("large drop", 2.0, 1.3, 0.4),
    Scenario("large drop, weak model", 2.5, 1.3, 0.4, weakness=5.0),
)


def population(rng: np.random.Generator, images: int) -> GroundTruth:
    """Persons in images; the last keypoint but a few is labelled in most of them, one in a tenth."""
    image = np.repeat(np.arange(images), rng.poisson(1, images) + (rng.random(images) < 0.9))
    g, k = len(image), len(SIGMAS)
    side = 30 * np.exp(rng.uniform(0, 2, g))
    visibility = np.where(rng.random((g, k)) < 0.75, 2, 0)
    visibility[:, RARE] = np.where(rng.random(g) < 0.1, 2, 0)
    corner = rng.uniform(0, 2000, (g, 2))
    return GroundTruth(
        image_ids=np.arange(images),
        image=image,
        keypoints=corner[:, None] + rng.uniform(0, 1, (g, k, 2)) * side[:, None, None],
        visibility=visibility,
        bbox=np.column_stack([corner, side, side]),
        area=side**2 * 0.6,
        num_keypoints=np.count_nonzero(visibility, axis=1),
        crowd=np.zeros(g, dtype=bool),
        ids=np.arange(g),
    )


def predictions(rng: np.random.Generator, truth: GroundTruth, scenario: Scenario) -> tuple[Detections, Detections]:
    """Clean and attacked predictions of the same persons."""
    of_image = rng.normal(0, 0.4, len(truth.image_ids))[truth.image]
    difficulty = np.exp(of_image + rng.normal(0, 0.4, len(truth)))
    size = scenario.weakness * difficulty * np.sqrt(truth.area)
    spread = size[:, None, None] * (2 * SIGMAS * ERRORS)[:, None]
    clean = rng.standard_t(3, size=(len(truth), len(SIGMAS), 2))
    fresh = rng.standard_t(3, size=clean.shape)
    changed = np.sqrt(1 - scenario.fresh) * clean + np.sqrt(scenario.fresh) * fresh
    # A sum of two heavy-tailed errors is not distributed as one; ranks put the distribution right.
    for c in range(2):
        for k in range(len(SIGMAS)):
            changed[np.argsort(changed[:, k, c]), k, c] = np.sort(clean[:, k, c])
    factor = np.full((len(SIGMAS), 1), scenario.others)
    factor[0] = scenario.hidden
    scores = difficulty**-0.5 * np.exp(rng.normal(0, 0.25, len(truth)))
    weaker = scores * np.exp(-0.05 * (scenario.hidden - 1) + rng.normal(0, 0.05, len(truth)))
    owner = np.arange(len(truth))
    return (
        Detections(truth.image, truth.keypoints + spread * clean, scores, owner),
        Detections(truth.image, truth.keypoints + spread * changed * factor, weaker, owner),
    )


def matched(truth: GroundTruth, detections: Detections) -> Matches:
    single = np.eye(len(SIGMAS), dtype=bool)[:, None].repeat(len(truth), axis=1)
    masks = [None if key is None else single[key] for key in KEYS.values()]
    return average_precision.match_masks(truth, detections, SIGMAS, masks)


def some_images(matches: Matches, images: np.ndarray) -> Matches:
    """The matches of these images alone; one that is named twice is there twice."""
    order = np.argsort(matches.image, kind="stable")
    start = np.searchsorted(matches.image[order], np.arange(matches.persons_by_image.shape[1] + 1))
    number = (start[1:] - start[:-1])[images]
    within = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number)
    mine = order[np.repeat(start[images], number) + within]
    image = np.repeat(np.arange(len(images)), number)
    by_score = np.argsort(-matches.scores[mine], kind="stable")
    return taken(matches, mine[by_score], image[by_score], matches.persons_by_image[:, images])


def taken(matches: Matches, mine: np.ndarray, image: np.ndarray, by_image: np.ndarray) -> Matches:
    return Matches(
        right=matches.right[:, mine],
        wrong=matches.wrong[:, mine],
        scores=matches.scores[mine],
        owner=matches.owner[mine],
        # Of the area ranges only the first, all persons, is looked at here.
        persons=np.column_stack([by_image.sum(axis=1), np.zeros((len(by_image), 2), dtype=np.int64)]),
        image=image.astype(np.int32),
        persons_by_image=by_image,
    )


def mixed(first: Matches, second: Matches, swapped: np.ndarray) -> Matches:
    """The first cell, but the second in the swapped images; ``swapped``: shape (I,), bool."""
    parts = [np.flatnonzero(~swapped[first.image]), np.flatnonzero(swapped[second.image])]
    both = [taken(m, p, m.image[p], m.persons_by_image) for m, p in zip((first, second), parts, strict=True)]
    scores = np.concatenate([m.scores for m in both])
    order = np.argsort(-scores, kind="stable")
    return Matches(
        right=np.concatenate([m.right for m in both], axis=1)[:, order],
        wrong=np.concatenate([m.wrong for m in both], axis=1)[:, order],
        scores=scores[order],
        owner=np.concatenate([m.owner for m in both])[order],
        persons=both[0].persons,
        image=np.concatenate([m.image for m in both])[order],
        persons_by_image=first.persons_by_image,
    )


def figures(matches: Matches) -> dict[bootstrap.Key, Figures]:
    return {key: average_precision.figures(average_precision.curves(matches, m)) for m, key in enumerate(KEYS.values())}


def resampled(parts: list[Matches], draws: int, rng: np.random.Generator) -> list[Resampled]:
    """Cells of the same images under the same draws."""
    weights = Weights.draw(parts[0].persons_by_image.shape[1], draws, rng=rng)
    return [bootstrap.resample(Prepared(figures(part), part), weights) for part in parts]


def compared(parts: list[Matches], draws: int, rng: np.random.Generator) -> dict[str, list[bootstrap.Comparison]]:
    """By method the comparison of a pair of cells."""
    clean, attacked = resampled(parts, draws, rng)
    return {method: bootstrap.compare(clean, attacked, method=method) for method in METHODS}


def world(scenario: Scenario, seed: int) -> tuple[list[Matches], list[float]]:
    """The population's clean and attacked cell, and by key its drop in points."""
    rng = np.random.default_rng([seed, 0])
    truth = population(rng, 20_000)
    cells = [matched(truth, d) for d in predictions(rng, truth, scenario)]
    ones = np.ones((1, len(truth.image_ids)), dtype=np.int16)
    clean, attacked = (resampling.weighted_area(matches, ones)[0] for matches in cells)
    return cells, (100 * (clean - attacked)).tolist()


def sample(cells: list[Matches], images: int, rng: np.random.Generator) -> list[Matches]:
    """Both cells in some of the population's images."""
    chosen = np.sort(rng.integers(0, cells[0].persons_by_image.shape[1], images))
    return [some_images(matches, chosen) for matches in cells]


def drawn_by_lot(changed: int, rng: np.random.Generator) -> list[Matches]:
    """Two cells of 100 images that differ in so many of them, by lot which is the clean one."""
    truth = population(rng, 100)
    clean, attacked = (matched(truth, d) for d in predictions(rng, truth, SCENARIOS[0]))
    hit = np.zeros(100, dtype=bool)
    hit[rng.choice(np.unique(truth.image), changed, replace=False)] = True
    swapped = hit & (rng.random(100) < 0.5)
    return [mixed(clean, attacked, swapped), mixed(clean, attacked, hit & ~swapped)]


def coverage(out: Path, images: int, scenario: Scenario, repetitions: int, draws: int, seed: int) -> list[dict]:
    """The repetitions of one scenario, those on file and the missing ones: by key the truth and what was found."""
    found = recorded(out, images=images, scenario=scenario.name, draws=draws, seed=seed)
    missing = sorted(set(range(repetitions)) - set(found))
    if missing:
        cells, true = world(scenario, seed)
    for repetition in missing:
        rng = np.random.default_rng([seed, images, SCENARIOS.index(scenario), repetition])
        both = compared(sample(cells, images, rng), draws, rng)
        rows = {m: [[c.n, c.drop, c.drop_lo, c.drop_hi, c.drop_se, c.p] for c in r] for m, r in both.items()}
        line = {"images": images, "scenario": scenario.name, "draws": draws, "seed": seed, "repetition": repetition}
        found[repetition] = record(out, {**line, "true": true, **rows})
    return [found[r] for r in range(repetitions)]


def null(out: Path, changed: int, repetitions: int, draws: int, seed: int) -> list[dict]:
    """Repetitions of the exact null, likewise; an attack that changes so many of 100 images."""
    found = recorded(out, changed=changed, draws=draws, seed=seed)
    for repetition in sorted(set(range(repetitions)) - set(found)):
        rng = np.random.default_rng([seed, 1, changed, repetition])
        both = compared(drawn_by_lot(changed, rng), draws, rng)
        rows = {m: [[c.photos, c.drop, c.drop_lo, c.drop_hi, c.p] for c in r] for m, r in both.items()}
        line = {"changed": changed, "draws": draws, "seed": seed, "repetition": repetition, **rows}
        found[repetition] = record(out, line)
    return [found[r] for r in range(repetitions)]


def recorded(out: Path, **what: object) -> dict[int, dict]:
    """By repetition the lines on file that are of this study."""
    lines = out.read_text().splitlines() if out.is_file() else []
    parsed = [json.loads(line) for line in lines if line.endswith("}")]  # a kill may leave half of the last line
    return {line["repetition"]: line for line in parsed if all(line.get(key) == value for key, value in what.items())}


def record(out: Path, line: dict) -> dict:
    with out.open("a") as file:
        file.write(json.dumps(line) + "\n")
    return line


def print_coverage(images: int, scenario: Scenario, lines: list[dict]) -> None:
    for q, name in enumerate(KEYS):
        true = lines[0]["true"][q]
        n, drop, _, _, se, p = np.array([line[STUDENT][q] for line in lines], dtype=np.float64).T
        known = np.isfinite(se)
        covered, widths = [], []
        for method in METHODS:
            lo, hi = np.array([line[method][q] for line in lines], dtype=np.float64).T[2:4]
            below, above = (100 * np.mean(missed, where=known) for missed in (true < lo, true > hi))
            covered.append(f"{100 - below - above:.1f} ({below:.1f} / {above:.1f})")
            widths.append(np.mean(hi - lo, where=known))
        print(
            f"| {images} | {known.sum()} | {scenario.name} | {name} | {n.mean():.0f} | {true:.2f} | {drop.mean():.2f} "
            f"| {' | '.join(covered)} | {widths[0]:.2f} | {np.mean(se, where=known):.2f} / {drop.std(ddof=1):.2f} "
            f"| {100 * np.mean(p < 0.05, where=known):.1f} |",
            flush=True,
        )


def print_null(changed: int, lines: list[dict]) -> None:
    rows = {m: np.array([line[m] for line in lines], dtype=np.float64).reshape(-1, 5) for m in (STUDENT, PERCENTILE)}
    photos, _, lo, hi, p = rows[STUDENT].T
    known = np.isfinite(lo)
    said = "- | - | - | -"
    if known.any():
        alone = rows[PERCENTILE].T
        told = [(lo > 0) | (hi < 0), p < 0.05, distinguishable(lo, hi, p), (alone[2] > 0) | (alone[3] < 0)]
        said = " | ".join(f"{100 * np.mean(what, where=known):.1f} %" for what in told)
    print(f"| {changed} | {len(photos)} | {photos.mean():.1f} | {known.sum()} | {said} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the file of repetitions, new or to go on with")
    parser.add_argument("--null", action="store_true", help="the exact null instead of coverage")
    parser.add_argument("--images", type=int, nargs="+", default=[60, 500, 2346])
    parser.add_argument("--scenarios", type=int, nargs="+", default=[*range(len(SCENARIOS))], help="by number, from 0")
    parser.add_argument("--changed", type=int, nargs="+", default=[3, 5, 6, 7, 8, 9, 12, 15, 20, 30])
    parser.add_argument("--repetitions", type=int, default=1000)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    start = time.perf_counter()
    if args.null:
        print(
            "| images changed | drops | photos changed, mean | with an interval | it excludes 0 | p < 0.05 | both "
            "| the percentile interval alone |"
        )
        print("|" + "---|" * 8)
        for changed in args.changed:
            print_null(changed, null(args.out, changed, args.repetitions, args.draws, args.seed))
    else:
        print(
            "| images | repetitions | scenario | of | persons | true drop | mean | covers, % (truth below / above) "
            "| percentile alone | BCa | mean width | mean s.e. / true s.e. | p < 0.05, % |"
        )
        print("|" + "---|" * 13)
        for images in args.images:
            for scenario in (SCENARIOS[number] for number in args.scenarios):
                lines = coverage(args.out, images, scenario, args.repetitions, args.draws, args.seed)
                print_coverage(images, scenario, lines)
    print(f"\n{args.repetitions} repetitions of {args.draws} draws, {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
