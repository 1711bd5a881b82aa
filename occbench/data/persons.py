"""What a data set gives to the engine: photos, persons with their boxes, and the truth to score against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ..attacks import Skeleton
from ..evaluation.types import GroundTruth
from .findings import Finding


@dataclass(frozen=True)
class Photo:
    """A photo of a data set.

    Attributes:
        id: Image id of the annotations.
        file_name: As annotated, relative to the image folder.
        path: Where it lies.
        width: Image px; 0 where it is not known.
        height: Likewise.
    """

    id: int
    file_name: str
    path: Path
    width: int
    height: int


@dataclass(frozen=True, eq=False)
class Person:
    """A box to estimate a pose in, and the labelled keypoints an attack may hide.

    Attributes:
        id: Annotation id; with detections the position in their file (MMPose breaks ties by it).
        annotation: Id of the annotated person the box stands for (it seeds random placements); None for nobody.
        photo: The photo.
        box: Shape (4,), float32: x1 y1 x2 y2 in image px.
        score: Of the box; 1 for an annotated one.
        keypoints: Shape (K, 2), float32: x y in image px.
        visibility: Shape (K,), int: COCO's 0, 1, 2; all 0 for a detection without a person.
        center: Shape (2,), float32: x y of the box's middle in image px, where the data set annotates that and a size
            (MPII); None where the box says it all.
        scale: Shape (2,), float32: width and height of that box in image px, before padding; None as for ``center``.
    """

    id: int
    annotation: int | None
    photo: Photo
    box: np.ndarray
    score: float
    keypoints: np.ndarray
    visibility: np.ndarray
    center: np.ndarray | None = None
    scale: np.ndarray | None = None

    @property
    def labelled(self) -> np.ndarray:
        """Shape (K,), bool: v > 0."""
        return self.visibility > 0


@dataclass(frozen=True)
class BoxCounts:
    """How the boxes met the annotated persons (PROTOCOL section 7).

    Attributes:
        n: Boxes.
        matched: Annotated persons with labelled keypoints for whom a box stands.
        missed: Those of them for whom none does; with ``matched`` all of them.
        unmatched: Boxes that stand for nobody.
    """

    n: int
    matched: int
    missed: int
    unmatched: int


@dataclass(frozen=True)
class DetectorFiles:
    """The detector that found the boxes.

    Attributes:
        name: For tables.
        config: Its MMDet config; ``config_sha256``: of the config's content, with all that it inherits.
        config_from_elsewhere: What of the config's code is from elsewhere, and was trusted.
        checkpoint: Its weights; ``weights_sha256``: of that file.
        trusted: Whether the checkpoint was unpickled without restrictions.
        min_score: Boxes below it were left out; None for what the config gives.
    """

    name: str
    config: Path
    config_sha256: str
    config_from_elsewhere: tuple[str, ...]
    checkpoint: Path
    weights_sha256: str
    trusted: bool
    min_score: float | None

    @property
    def label(self) -> str:
        """``detector:NAME``, or ``detector:NAME:SCORE`` where a lowest score was given."""
        return f"detector:{self.name}" + ("" if self.min_score is None else f":{self.min_score:g}")


@dataclass(frozen=True, eq=False)
class Dataset:
    """A read data set.

    Attributes:
        name: For tables.
        skeleton: Keypoints and parts.
        sigmas: Shape (K,): OKS sigmas.
        photos: By image id, in the order of the annotation file.
        persons: One per box, photo by photo.
        truth: What predictions are scored against.
        annotations: The annotation file.
        images: The image folder.
        detections: The detections file the boxes came from; None for annotated boxes.
        skipped: File names of photos left out because they could not be read.
        synthetic: Whether the people are drawn.
        metric: What the data set is scored with: ``"oks"`` (COCO's AP), or one of ``evaluation.rates.METRICS``.
        lengths: Shape (G,), float64, image px, by person of the truth: the length that errors are measured in (head,
            torso); NaN where it is not known. None where the metric needs none.
        levels: By image id the level that its figures are also given by (CrowdPose: easy, medium, hard); or None.
        jitter: Share of their size by which the annotated boxes were shifted and scaled; None for not.
        detector: What found the boxes of ``detections``; None where they came as a file.
        description: The YAML file that describes the keypoints; None where the format says what they are.
        annotated: The persons in their annotated boxes, where ``persons`` are a detector's; else None.
        findings: What was found out about its files.
        categories: The ids of the categories that are the persons, as text: those of results that are scored.
        image_names: The image ids of the annotations that are text, and the numbers that stand for them.
    """

    name: str
    skeleton: Skeleton
    sigmas: np.ndarray
    photos: dict[int, Photo]
    persons: tuple[Person, ...]
    truth: GroundTruth
    annotations: Path
    images: Path
    detections: Path | None = None
    skipped: tuple[str, ...] = ()
    synthetic: bool = False
    metric: str = "oks"
    lengths: np.ndarray | None = None
    levels: Mapping[int, str] | None = None
    jitter: float | None = None
    detector: DetectorFiles | None = None
    description: Path | None = None
    annotated: tuple[Person, ...] | None = None
    findings: tuple[Finding, ...] = ()
    categories: frozenset[str] = frozenset({"1"})
    image_names: Mapping[str, int] = field(default_factory=dict)

    @property
    def box_source(self) -> str:
        """``"gt"``, ``"jitter"``, ``"detections"`` (a file of them) or ``"detector"``."""
        if self.detector is not None:
            return "detector"
        if self.detections is not None:
            return "detections"
        return "gt" if self.jitter is None else "jitter"

    def owners(self) -> np.ndarray:
        """Whom each box stands for. Shape (N,), int: index into the persons of the truth; -1 for nobody."""
        row = {int(i): g for g, i in enumerate(self.truth.ids)}
        found = [-1 if p.annotation is None else row[p.annotation] for p in self.persons]
        return np.array(found, dtype=np.int64)

    def box_counts(self) -> BoxCounts:
        """How the boxes met the annotated persons."""
        owner = self.owners()
        measured = np.flatnonzero((self.truth.num_keypoints > 0) & ~self.truth.crowd)
        matched = np.isin(measured, owner)
        return BoxCounts(len(owner), int(matched.sum()), int((~matched).sum()), int((owner < 0).sum()))

    def people(self) -> dict[int, tuple[Person, ...]]:
        """The labelled persons of each photo, by image id: whom scope image hides (PROTOCOL section 7).

        Each in the box that stands for them, or in their annotated box where none does; in the order of the
        annotations.
        """
        boxes = {person.annotation: person for person in self.persons}
        found: dict[int, list[Person]] = {}
        for person in self.persons if self.annotated is None else self.annotated:
            if person.labelled.any():
                found.setdefault(person.photo.id, []).append(boxes.get(person.annotation, person))
        return {image: tuple(group) for image, group in found.items()}

    def without(self, dropped: set[int], skipped: tuple[str, ...] = ()) -> Dataset:
        """The data set without the photos ``dropped`` (image ids): neither inferred nor scored."""
        keep = ~np.isin(self.truth.image, list(dropped))
        truth = GroundTruth(
            image_ids=np.setdiff1d(self.truth.image_ids, list(dropped)),
            image=self.truth.image[keep],
            keypoints=self.truth.keypoints[keep],
            visibility=self.truth.visibility[keep],
            bbox=self.truth.bbox[keep],
            area=self.truth.area[keep],
            num_keypoints=self.truth.num_keypoints[keep],
            crowd=self.truth.crowd[keep],
            ids=self.truth.ids[keep],
        )
        return replace(
            self,
            photos={i: photo for i, photo in self.photos.items() if i not in dropped},
            persons=tuple(p for p in self.persons if p.photo.id not in dropped),
            annotated=self.annotated and tuple(p for p in self.annotated if p.photo.id not in dropped),
            truth=truth,
            lengths=None if self.lengths is None else self.lengths[keep],
            levels=None if self.levels is None else {i: a for i, a in self.levels.items() if i not in dropped},
            skipped=(*self.skipped, *skipped),
        )

    def at(self, paths: Mapping[int, Path]) -> Dataset:
        """The data set with some photos (by image id) at other paths."""
        photos = {i: replace(p, path=paths[i]) if i in paths else p for i, p in self.photos.items()}

        def moved(persons: tuple[Person, ...]) -> tuple[Person, ...]:
            return tuple(replace(p, photo=photos[p.photo.id]) if p.photo.id in paths else p for p in persons)

        return replace(
            self, photos=photos, persons=moved(self.persons), annotated=self.annotated and moved(self.annotated)
        )

    def first(self, limit: int) -> Dataset:
        """Only the first ``limit`` photos that have a person with labelled keypoints."""
        wanted = set(self.truth.image[(self.truth.num_keypoints > 0) & ~self.truth.crowd].tolist())
        kept = [i for i in self.photos if i in wanted][:limit]
        return self.without(set(self.photos) - set(kept))
