"""``occbench.evaluate``: anybody's results, by the metric of the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from ..system.errors import OccbenchError, unknown_name

if TYPE_CHECKING:
    from ..data.persons import Dataset
    from ..tables.results import Scores


def evaluate(
    truth: str | PathLike[str],
    results: str | PathLike[str] | Sequence[str | PathLike[str]],
    clean: str | PathLike[str] | None = None,
    *,
    images: str | PathLike[str] | None = None,
    protocol: str = "corrected",
    evaluator: str = "exact",
    bootstrap: int = 1000,
    seed: int = 0,
    count_missed: bool = False,
    strict: bool = False,
) -> Scores:
    """Score keypoint results of any framework: AP and AP per keypoint, or PCKh, PCK, PDJ.

    Args:
        truth: A name of ``occbench ls datasets``, or an annotation file.
        results: A COCO keypoint results file, or several; without ``clean``, drops are against the first of them.
        clean: Results without the attack; with them, drops and their intervals are given.
        images: The image folder, where the annotations lack the photos' sizes.
        protocol: ``corrected`` or ``thesis``.
        evaluator: ``exact``, or ``pycocotools``, which says the same slowly.
        bootstrap: Draws behind the intervals; 0 for none.
        seed: Of the draws.
        count_missed: With ``clean``: whether nobody was found in photos that only one file has results for; otherwise
            these are left out of both.
        strict: Whether to refuse annotations that are repaired or left out in part.

    Raises:
        OccbenchError: A file cannot be read, or results do not go with the truth.
    """
    options = (protocol, evaluator, bootstrap, seed, count_missed, strict)
    return scored(truth, results, clean, images, *options)[1]


def scored(
    truth: str | PathLike[str],
    results: str | PathLike[str] | Sequence[str | PathLike[str]],
    clean: str | PathLike[str] | None,
    images: str | PathLike[str] | None,
    protocol: str,
    evaluator: str,
    bootstrap: int,
    seed: int,
    count_missed: bool,
    strict: bool,
) -> tuple[Dataset, Scores]:
    """The data set and what :func:`evaluate` finds on it; arguments and errors are its."""
    if protocol not in ("corrected", "thesis"):
        raise unknown_name("protocol", protocol, ("corrected", "thesis"))
    if evaluator not in ("exact", "pycocotools"):
        raise unknown_name("evaluator", evaluator, ("exact", "pycocotools"))
    files = [Path(file) for file in ([results] if isinstance(results, (str, PathLike)) else results)]
    if not files:
        raise OccbenchError("no results given: name one or more RESULTS.json files")

    from ..data.findings import refuse_errors
    from ..data.sources import open_dataset
    from ..tables.results import score_results
    from ..tables.scoring import Scoring

    dataset = open_dataset(str(truth), None if images is None else Path(images))
    scoring = Scoring(protocol, evaluator, bootstrap, seed)  # type: ignore[arg-type]  # checked above
    refuse_errors(dataset.findings, str(truth), strict)
    scores = score_results(dataset, files, None if clean is None else Path(clean), scoring, count_missed)
    return dataset, replace(scores, findings=(*dataset.findings, *scores.findings))
