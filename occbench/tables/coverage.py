"""Which photos results are of, and whether they belong to the annotations at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..data.findings import Finding, counted, found
from ..data.persons import Dataset
from ..data.results import Results, lacking

NEAR_0 = 0.05
"""A clean value below it says that results and annotations do not belong together, rather than how good a model is."""


def near_0(value: float, n: int) -> tuple[Finding, ...]:
    """The finding that a clean value over ``n`` persons is near 0."""
    text = "the clean value over {n} person[|s] is {value:.4f}: poses and annotations hardly belong together"
    return found("ap-near-0", text, n if value < NEAR_0 else 0, value=value)


def nothing_hidden(cells: Sequence[Mapping[str, Any]]) -> tuple[Finding, ...]:
    """The finding that attacks changed no box, as where nobody has what they hide; ``cells`` of a manifest."""
    empty = [cell["slug"] for cell in cells if cell.get("n_attacked") == 0]
    return found("nothing-hidden", "{n} attack[ has|s have] nothing to hide in anybody", empty)


def on_the_same_photos(
    dataset: Dataset, files: Sequence[Results], count_missed: bool
) -> tuple[Dataset, list[Results], tuple[Finding, ...]]:
    """The photos that all of several files have results for.

    Who has no result in any of them stays, and is missed in all. Where a file has none at all, nobody was found in it,
    and nothing is left out.

    Args:
        dataset: Of the annotations.
        files: The results, clean ones first.
        count_missed: Whether to leave nothing out: nobody was found in photos without a result.

    Returns:
        The data set and the results without the photos that only some have results for; and what is to be said.
    """
    truth = dataset.truth
    peopled = len(np.unique(truth.image[(truth.num_keypoints > 0) & ~truth.crowd]))
    without = [set(lacking(one, dataset)) for one in files]
    findings: tuple[Finding, ...] = ()
    for one, photos in zip(files, without, strict=True):
        text = "{file} has no result for {n} of {of} with people"
        findings += found(
            "results-lack-photos", text, _names(dataset, photos), file=one.what, of=counted(peopled, "photo")
        )
    some, every = without[0].union(*without[1:]), without[0].intersection(*without[1:])
    differ = some - every
    if len(files) < 2 or not differ or count_missed or any(len(photos) == peopled for photos in without):
        return dataset, list(files), findings
    shares = " and ".join(f"{peopled - len(photos):,} of {peopled:,}" for photos in without)
    text = (
        "the results are of {shares} photos with people; {n} [has|have] results in some files only (where a photo "
        "without a result is one where nobody was found, add --count-missed)"
    )
    left = [one.without(differ) for one in files]
    return dataset.without(differ), left, found("results-differ", text, _names(dataset, differ), shares=shares)


def _names(dataset: Dataset, photos: set[int]) -> list[str]:
    return [dataset.photos[number].file_name for number in sorted(photos)]
