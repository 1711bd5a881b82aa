"""Do intervals over photos and seeds cover?

    python benchmarks/coverage_seeds.py

A change between two recipes is drawn from a population in which every photo, every seed and every pair of both has a
part of its own, as in crossed random effects; its truth is 0. Each repetition sees some photos and a few seeds, and
makes an interval from a bootstrap of the photos and the spread of the seeds: by the rule of
`occbench.evaluation.replicates`, and by the one before it (one Student's t for the sum, with Satterthwaite's degrees of
freedom).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np
from scipy import stats

from occbench.evaluation.replicates import Replicated, over_replicates

SHARES = (0.0, 0.2, 0.5, 0.8, 1.0)
"""Of the variance of a mean over the seeds, what the seeds bring; the photos bring the rest."""

PAIRED = 0.1
"""Of the photos' variance, what a photo and a seed bring together."""


def measured(
    rng: np.random.Generator, photos: int, seeds: int, share: float, draws: int
) -> tuple[np.ndarray, np.ndarray]:
    """A quantity by seed, shape (S,), and in every draw of the photos, shape (B, S); its truth is 0."""
    by_photo = np.sqrt((1 - share) * photos)
    table = by_photo * rng.normal(size=(photos, 1)) + np.sqrt(share * seeds) * rng.normal(size=(1, seeds))
    table = table + np.sqrt(PAIRED) * by_photo * rng.normal(size=(photos, seeds))
    times = rng.multinomial(photos, np.full(photos, 1 / photos), size=draws)
    return table.mean(0), times @ table / photos


def before(found: Replicated, photos: int, seeds: int) -> float:
    """The half-width of the rule before."""
    parts = found.se_photos**2, found.se_replicates**2
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / (photos - 1) + parts[1] ** 2 / (seeds - 1))
    return float(stats.t.ppf(0.975, freedom)) * found.se


def rows(photos: int, repetitions: int, draws: int, seed: int) -> Iterator[str]:
    """One line of the table per number of seeds and share."""
    for seeds in (2, 3, 5):
        for share in SHARES:
            rng = np.random.default_rng([seed, seeds, int(100 * share)])
            covered = np.zeros(2)
            widths = np.zeros(2)
            for _ in range(repetitions):
                found = over_replicates(*measured(rng, photos, seeds, share, draws), photos)
                halves = np.array([found.hi - found.value, before(found, photos, seeds)])
                covered += abs(found.value) <= halves
                widths += 2 * halves
            new, old = 100 * covered / repetitions
            wide, narrow = widths / repetitions
            yield f"| {seeds} | {share:.0%} | {new:.1f} % | {old:.1f} % | {wide:.1f} / {narrow:.1f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=60)
    parser.add_argument("--repetitions", type=int, default=2000)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print("| seeds | of the variance, seeds bring | covers | the rule before | mean width, new / before |")
    print("|---|---|---|---|---|")
    for line in rows(options.photos, options.repetitions, options.draws, options.seed):
        print(line, flush=True)


if __name__ == "__main__":
    main()
