"""A health check of annotations, photos and results, before hours are spent on them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..data.findings import Finding, worst_first
from ..data.nobody import on_nobody
from ..data.persons import Dataset
from ..data.photos import photo_findings, survey
from ..data.records import has_pictures
from ..data.sources import open_dataset
from ..system.errors import OccbenchError
from ..tables.results import score_results
from ..tables.scoring import Scoring


@dataclass(frozen=True)
class Health:
    """What a check found.

    Attributes:
        persons: Who would be measured.
        photos: Of the annotations.
        looked: How many photos were looked at; None where there is no image folder.
        findings: The worst first.
    """

    persons: int
    photos: int
    looked: int | None
    findings: tuple[Finding, ...]

    @property
    def is_usable(self) -> bool:
        """Whether nothing is to be refused."""
        return not any(finding.severity == "error" for finding in self.findings)

    def record(self) -> dict[str, Any]:
        """For JSON."""
        findings = [finding.record() for finding in self.findings]
        return {"persons": self.persons, "photos": self.photos, "photos_looked_at": self.looked, "findings": findings}


def check(data: str, images: Path | None = None, predictions: Path | None = None) -> Health:
    """Look at a data set, the photos that are there, and results.

    What a reader refuses is a finding like others; later steps are then left out.

    Args:
        data: As of :func:`~.data.sources.open_dataset`.
        images: Image folder; by default the one beside the annotations, if it is there.
        predictions: Results to check against the annotations, and to score.
    """
    try:
        dataset = open_dataset(data, images)
    except OccbenchError as error:
        return Health(0, 0, None, (_refused(error),))
    dataset, of_photos, looked = _photos(dataset, images is not None)
    findings = (*dataset.findings, *of_photos)
    if predictions is not None:
        findings += _scored(dataset, predictions)
    else:
        findings += on_nobody(dataset)
    truth = dataset.truth
    measured = int(((truth.num_keypoints > 0) & ~truth.crowd).sum())
    return Health(measured, len(dataset.photos), looked, tuple(worst_first(findings)))


def _scored(dataset: Dataset, predictions: Path) -> tuple[Finding, ...]:
    """What scoring finds."""
    try:
        return score_results(dataset, [predictions], None, Scoring("corrected", "exact", 0, 0)).findings
    except OccbenchError as error:
        return (_refused(error), *on_nobody(dataset))


def _refused(error: OccbenchError) -> Finding:
    return Finding("refused", 1, str(error))


def _photos(dataset: Dataset, asked: bool) -> tuple[Dataset, tuple[Finding, ...], int | None]:
    """Look at the photos, unless there is no folder of them: results can be scored without."""
    found, faults, looked = survey(dataset)
    absent = all(look.kind == "photo-missing" for _, look in faults) and len(faults) == looked
    if absent and not asked and not has_pictures(dataset.images):
        return dataset, (), None
    return found, photo_findings(faults, looked), looked
