"""Do the intervals cover? Samples of images from a large synthetic population whose drop is known.

    python benchmarks/coverage.py

A population of 20,000 images, its clean and its attacked predictions are made up once; its drop is the truth. Each
repetition takes some of its images, computes the drop with its interval from them alone, and looks whether the truth
lies inside. Matching happens within images, so it is done once, for the population.

Persons of one image share a difficulty (what makes resampling images, not persons, necessary), errors and scores go
together as they do in a network's predictions, and a quarter of the persons are seen as two detections.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import numpy as np

from occbench.evaluation import average_precision, bootstrap, resampling
from occbench.evaluation.bootstrap import Prepared, Weights
from occbench.evaluation.matching import Matches
from occbench.evaluation.types import Detections, Figures, GroundTruth

SIGMAS = np.array([0.026, 0.079, 0.062, 0.107, 0.087, 0.089])
KEYS = {"AP, all keypoints": None, "the hidden keypoint": 0, "another keypoint": 1, "a rarely labelled one": 2}
RARE = 2


@dataclass(frozen=True)
class Scenario:
    """What an attack does in the population.

    Attributes:
        name: For the table.
        hidden: Factor on the error of the hidden keypoint.
        others: Factor on the errors of the other keypoints.
        fresh: Share of every error that is drawn anew, so that persons change although nobody loses.
    """

    name: str
    hidden: float
    others: float
    fresh: float


SCENARIOS = (
    Scenario("no drop: errors drawn anew", 1.0, 1.0, 0.5),
    Scenario("small drop", 1.15, 1.02, 0.2),
    Scenario("large drop", 2.5, 1.3, 0.4),
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
    """Clean and attacked predictions of the same detections."""
    again = np.flatnonzero(rng.random(len(truth)) < 0.25)
    who = np.concatenate([np.arange(len(truth)), again])
    of_image = rng.normal(0, 0.5, len(truth.image_ids))[truth.image]
    difficulty = np.exp(-2.6 + of_image[who] + rng.normal(0, 0.5, len(who)) + 0.7 * (np.arange(len(who)) >= len(truth)))
    spread = difficulty[:, None, None] * np.sqrt(truth.area[who])[:, None, None]
    clean = rng.standard_t(4, size=(len(who), len(SIGMAS), 2))
    fresh = rng.standard_t(4, size=clean.shape)
    changed = np.sqrt(1 - scenario.fresh) * clean + np.sqrt(scenario.fresh) * fresh
    # A sum of two heavy-tailed errors is not distributed as one; ranks put the distribution right.
    for c in range(2):
        for k in range(len(SIGMAS)):
            changed[np.argsort(changed[:, k, c]), k, c] = np.sort(clean[:, k, c])
    factor = np.full((len(SIGMAS), 1), scenario.others)
    factor[0] = scenario.hidden
    scores = np.exp(-2 * difficulty + rng.normal(0, 0.3, len(who)))
    weaker = scores * np.exp(-0.05 * (scenario.hidden - 1) + rng.normal(0, 0.05, len(who)))
    place, image = truth.keypoints[who], truth.image[who]
    return (
        Detections(image, place + spread * clean, scores),
        Detections(image, place + spread * changed * factor, weaker),
    )


def some_images(matches: Matches, images: np.ndarray) -> Matches:
    """The matches of these images alone."""
    place = np.full(matches.persons_by_image.shape[1], -1)
    place[images] = np.arange(len(images))
    mine = place[matches.image] >= 0
    by_image = matches.persons_by_image[:, images]
    return Matches(
        right=matches.right[:, mine],
        wrong=matches.wrong[:, mine],
        scores=matches.scores[mine],
        # Of the area ranges only the first, all persons, is looked at here.
        persons=np.column_stack([by_image.sum(axis=1), np.zeros((len(by_image), 2), dtype=np.int64)]),
        image=place[matches.image[mine]].astype(np.int32),
        persons_by_image=by_image,
    )


def figures(matches: Matches) -> dict[bootstrap.Key, Figures]:
    return {key: average_precision.figures(average_precision.curves(matches, m)) for m, key in enumerate(KEYS.values())}


def simulate(
    scenario: Scenario, images: int, repetitions: int, draws: int, seed: int
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The true drops, shape (Q,), and by method the comparisons: (repetitions, Q, [n, drop, lo, hi, se, p])."""
    rng = np.random.default_rng([seed, images])
    truth = population(rng, 20_000)
    single = np.eye(len(SIGMAS), dtype=bool)[:, None].repeat(len(truth), axis=1)
    masks = [None if key is None else single[key] for key in KEYS.values()]
    cells = [average_precision.match_masks(truth, d, SIGMAS, masks) for d in predictions(rng, truth, scenario)]
    ones = np.ones((1, len(truth.image_ids)), dtype=np.int16)
    clean, attacked = (resampling.weighted_ap(matches, ones)[0] for matches in cells)
    rows: dict[str, list] = {"bca": [], "percentile": []}
    for _ in range(repetitions):
        chosen = np.sort(rng.choice(len(truth.image_ids), images, replace=False))
        parts = [some_images(matches, chosen) for matches in cells]
        weights = Weights.draw(images, draws, rng=rng)
        pair = [bootstrap.resample(Prepared(figures(part), part), weights) for part in parts]
        for method, found in rows.items():
            compared = bootstrap.compare(pair[0], pair[1], method=method)  # type: ignore[arg-type]
            found.append([(c.n, c.drop, c.drop_lo, c.drop_hi, c.drop_se, c.p) for c in compared])
    return 100 * (clean - attacked), {method: np.array(found) for method, found in rows.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=1000)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--images", type=int, nargs="+", default=[60, 150])
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    start = time.perf_counter()
    print(
        "| images | scenario | of | persons | true drop | mean drop | BCa covers | percentile covers "
        "| truth below / above percentile interval | mean width BCa / percentile | mean s.e. / true s.e. | p < 0.05 |"
    )
    print("|" + "---|" * 12)
    for images in args.images:
        for scenario in SCENARIOS:
            true, found = simulate(scenario, images, args.repetitions, args.draws, args.seed)
            for q, name in enumerate(KEYS):
                inside, width = {}, {}
                for method, rows in found.items():
                    _, drop, lo, hi, se, p = rows[:, q].T
                    known = np.isfinite(lo)
                    inside[method] = np.mean((lo <= true[q]) & (true[q] <= hi), where=known)
                    width[method] = np.mean(hi - lo, where=known)
                    if method == "percentile":
                        below, above = np.mean(true[q] < lo, where=known), np.mean(true[q] > hi, where=known)
                print(
                    f"| {images} | {scenario.name} | {name} | {np.mean(rows[:, q, 0]):.0f} | {true[q]:.2f} "
                    f"| {drop.mean():.2f} | {100 * inside['bca']:.1f} % | {100 * inside['percentile']:.1f} % "
                    f"| {100 * below:.1f} / {100 * above:.1f} % | {width['bca']:.2f} / {width['percentile']:.2f} "
                    f"| {np.mean(se, where=known):.2f} / {drop.std(ddof=1):.2f} "
                    f"| {100 * np.mean(p < 0.05, where=known):.1f} % |",
                    flush=True,
                )
    print(f"\n{args.repetitions} repetitions of {args.draws} draws, {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
