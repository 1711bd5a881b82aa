"""Random small problems, nasty on purpose, on which every entry of precision and recall must be pycocotools'.

python -m tests.evaluation.fuzz --n 10000
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np

from occbench.evaluation import average_precision, reference
from occbench.evaluation.types import Detections, GroundTruth


@dataclass(frozen=True, eq=False)
class Problem:
    truth: GroundTruth
    detections: Detections
    sigmas: np.ndarray
    masks: list[np.ndarray | None]
    unlabelled: reference.Unlabelled


def problem(rng: np.random.Generator) -> Problem:
    """A small problem with whatever makes evaluators disagree: ties, duplicates, crowds, odd areas, nothing at all."""
    k = int(rng.choice([1, 2, 5, 9, 17, 17, 17, 23, 133], p=[0.1, 0.1, 0.1, 0.15, 0.15, 0.15, 0.15, 0.08, 0.02]))
    images = np.sort(rng.choice(1000, size=rng.integers(1, 6), replace=False)).astype(np.int64)
    g = int(rng.choice([0, 1, 3, 8, 15]))
    size = float(rng.choice([10, 60, 150, 1e6]))
    grid = float(rng.choice([0, 1, 5]))  # coordinates on a grid make equal distances, hence equal OKS

    def place(*shape: int) -> np.ndarray:
        xy = rng.uniform(-0.2, 1.2, shape) * size
        return np.round(xy / grid) * grid if grid else xy

    keypoints = place(g, k, 2)
    visibility = rng.choice([0, 1, 2], size=(g, k), p=rng.choice([[0.3, 0.2, 0.5], [0, 0, 1.0], [0.95, 0, 0.05]]))
    image = rng.choice(images, size=g)
    area = rng.choice([0, 1, 32.0**2, 96.0**2, 5e3, 5e4, 1e5**2, 1e12], size=g)
    area = np.where(rng.random(g) < 0.5, size**2 * rng.uniform(0, 1, g), area)
    bbox = np.concatenate([place(g, 2), np.abs(place(g, 2)) * rng.integers(0, 2, (g, 1))], axis=1)
    for i in range(1, g):  # the same person twice: every OKS is tied
        if rng.random() < 0.15:
            keypoints[i], visibility[i], area[i], image[i] = (
                keypoints[i - 1],
                visibility[i - 1],
                area[i - 1],
                image[i - 1],
            )
    labelled = np.count_nonzero(visibility, axis=1)
    num_keypoints = np.where(rng.random(g) < 0.1, rng.integers(0, 2, g), labelled)  # files do disagree with themselves
    truth = GroundTruth(
        image_ids=images,
        image=image,
        keypoints=keypoints,
        visibility=visibility,
        bbox=bbox,
        area=area.astype(np.float64),
        num_keypoints=num_keypoints,
        crowd=rng.random(g) < rng.choice([0, 0.2]),
        ids=np.arange(g),
    )
    return Problem(truth, _detections(rng, truth, size, place), *_scoring(rng, g, k))


def _detections(rng: np.random.Generator, truth: GroundTruth, size: float, place: object) -> Detections:
    k, g = truth.k, len(truth)
    d = int(rng.choice([0, 1, 5, 12, 30, 60], p=[0.05, 0.1, 0.35, 0.25, 0.15, 0.1]))
    found = place(d, k, 2)  # type: ignore[operator]
    image = rng.choice(truth.image_ids[: int(rng.integers(1, 6))], size=d)
    for i in range(d):
        if g and rng.random() < 0.7:  # a detection of a person: exact, or off by little or much
            who = rng.integers(g)
            noise = float(rng.choice([0, 0.02, 0.1, 0.3])) * np.sqrt(min(truth.area[who], size**2))
            found[i] = truth.keypoints[who] + rng.normal(size=(k, 2)) * noise
            image[i] = truth.image[who]
        elif i and rng.random() < 0.3:
            found[i], image[i] = found[i - 1], image[i - 1]
    scores = rng.random(d)
    if rng.random() < 0.5:
        scores = np.round(scores, 1)
    return Detections(image, found, scores, _owners(rng, truth, image) if rng.random() < 0.5 else None)


def _owners(rng: np.random.Generator, truth: GroundTruth, image: np.ndarray) -> np.ndarray:
    """Boxes of anybody in the image or of nobody, one to one."""
    owner = np.full(len(image), -1)
    for i in np.flatnonzero(rng.random(len(image)) < 0.7):
        free = np.setdiff1d(np.flatnonzero(truth.image == image[i]), owner)
        if len(free):
            owner[i] = rng.choice(free)
    return owner


def _scoring(
    rng: np.random.Generator, g: int, k: int
) -> tuple[np.ndarray, list[np.ndarray | None], reference.Unlabelled]:
    sigmas = rng.choice([0.025, 0.05, 0.1, 0.5], size=k) if rng.random() < 0.7 else rng.uniform(0.01, 0.2, k)
    one = np.zeros((g, k), dtype=bool)
    one[:, rng.integers(k)] = True
    masks: list[np.ndarray | None] = [None, one, rng.random((g, k)) < 0.5, np.zeros((g, k), dtype=bool)]
    return sigmas, masks, "ignore" if rng.random() < 0.5 else "box"


def difference(p: Problem) -> float:
    """The largest difference from pycocotools in any entry of precision, recall, person counts and exact areas."""
    matches = average_precision.match_masks(p.truth, p.detections, p.sigmas, p.masks, p.unlabelled)
    worst = 0.0
    for i, mask in enumerate(p.masks):
        ours = average_precision.curves(matches, i)
        theirs = reference.curves(p.truth, p.detections, p.sigmas, mask, p.unlabelled)
        for a, b in (
            (ours.precision, theirs.precision),
            (ours.recall, theirs.recall),
            (ours.counted, theirs.counted),
            (np.nan_to_num([ours.exact], nan=-1), np.nan_to_num([theirs.exact], nan=-1)),
        ):
            worst = max(worst, float(np.abs(a - b).max()))
    return worst


def main() -> None:
    parser = argparse.ArgumentParser(description="Fuzz the exact evaluator against pycocotools.")
    parser.add_argument("--n", type=int, default=10_000, help="number of random problems, each under four masks")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    worst, failures = 0.0, 0
    for i in range(args.n):
        apart = difference(problem(np.random.default_rng([args.seed, i])))
        worst = max(worst, apart)
        if apart > 1e-12:
            failures += 1
            print(f"problem {i} of seed {args.seed}: {apart:.3g} apart")
    print(f"{args.n} problems, {4 * args.n} evaluations; apart by more than 1e-12: {failures}; largest: {worst:.3g}")
    raise SystemExit(failures > 0)


if __name__ == "__main__":
    main()
