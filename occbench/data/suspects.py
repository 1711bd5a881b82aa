"""Results that can be read and still look wrong: other units, sides or axes swapped, other scores, ids of others.

Each check compares how results fit the annotated people with how they would under the mistake, and speaks only where
the mistake explains them better. Nothing is changed here.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .findings import Finding, found
from .health import repeated
from .naming import numbers_of_names
from .persons import Dataset

LOOKED_AT = 100
"""Results that are compared with the people of their photos; these are spread over the file."""
_NEAR = 0.15
"""Share of a person's size within which most of the keypoints must lie to fit."""


def look(image: np.ndarray, points: np.ndarray, scores: np.ndarray, dataset: Dataset) -> tuple[Finding, ...]:
    """What looks wrong with results.

    Args:
        image: Shape (D,), int64: image ids of the annotations.
        points: Shape (D, K, 2), float64, image px.
        scores: Shape (D,), float64.
        dataset: The annotations that they are of.
    """
    if not len(points):
        return ()
    return (
        *_conventions(points, scores),
        *_twice(image, points, scores),
        *(_contradiction(image, points, dataset) or otherwise(image, points, dataset)),
    )


def _twice(image: np.ndarray, points: np.ndarray, scores: np.ndarray) -> tuple[Finding, ...]:
    """People who are there twice, with the same score, and people without an extent."""
    rows = np.column_stack([image.astype(np.float64), scores, points.reshape(len(points), -1)])
    twice = len(repeated(rows))
    spots = int((points == points[:, :1]).all((1, 2)).sum()) if points.shape[1] > 1 else 0
    return (
        *found("results-twice", "{n} result[ is|s are] there twice, to the last digit", twice),
        *found("results-spots", "{n} result[ has|s have] all keypoints in one spot", spots),
    )


def _conventions(points: np.ndarray, scores: np.ndarray) -> tuple[Finding, ...]:
    """Coordinates and scores of other conventions."""
    shares = bool(points.min() >= -0.5 and points.max() <= 1.5 and points.max() > 0)
    below = int((scores < 0).sum())
    alike = len(scores) > 2 and bool((scores == scores[0]).all())
    return (
        *found(
            "results-normalised",
            "all keypoints of {n} result[|s] lie within 1 px of the photo's corner: are they shares of the photo, to "
            "be multiplied by its width and height?",
            len(points) if shares else 0,
        ),
        *found(
            "results-scores", "the score[ of {n} result is|s of {n} results are] negative: logits, distances?", below
        ),
        *found(
            "results-alike",
            "all {n} result[ has|s have] the same score, so AP goes by their order",
            len(scores) * alike,
        ),
    )


def _contradiction(image: np.ndarray, points: np.ndarray, dataset: Dataset) -> tuple[Finding, ...]:
    """Ids that fit the annotations, but people who fit the photos whose file names have these numbers."""
    names = numbers_of_names(dataset)
    other = np.array([names.get(number, -1) for number in image.tolist()], dtype=np.int64)
    if len(image) < 3 or (other < 0).any() or (other == image).all():
        return ()
    as_id, as_name = (_fit(ids, points, dataset) for ids in (image, other))
    if not (as_name > 0.6 and as_name > 2 * as_id):
        return ()
    return found(
        "results-contradict",
        "{n} results have ids of the annotations' photos, but {by_name} fit the people of the photos whose file "
        "names have these numbers, and {by_id} those of their ids",
        len(image),
        by_name=f"{as_name:.0%}",
        by_id=f"{as_id:.0%}",
    )


def _fit(image: np.ndarray, points: np.ndarray, dataset: Dataset) -> float:
    """The share of the results whose middle lies in a box of their photo."""
    boxes: dict[int, list[np.ndarray]] = {}
    for number, box in zip(dataset.truth.image.tolist(), dataset.truth.bbox, strict=True):
        boxes.setdefault(number, []).append(box)
    hits = 0
    for number, (x, y) in zip(image.tolist(), np.median(points, axis=1), strict=True):
        hits += any(b[0] <= x <= b[0] + b[2] and b[1] <= y <= b[1] + b[3] for b in boxes.get(number, []))
    return hits / len(image)


def otherwise(image: np.ndarray, points: np.ndarray, dataset: Dataset) -> tuple[Finding, ...]:
    """Results that fit hardly anybody as they are, but most people when read as other tools write them."""
    some = np.unique(np.linspace(0, len(image) - 1, LOOKED_AT).astype(int))
    people = _People(image[some], dataset)
    some = some[people.known]
    if len(some) < 3 or (as_is := people.fit(points[some])) > 0.5:
        return ()
    for said, read in _readings(points[some], people, dataset):
        would = people.fit(read)
        if would > 0.6 and would > 2 * as_is:
            text = "{as_is} of {looked} results that were looked at fit somebody, but {would} would {said}"
            shares = {"as_is": f"{as_is:.0%}", "would": f"{would:.0%}"}
            return found("results-otherwise", text, len(image), looked=len(some), said=said, **shares)
    return ()


class _People:
    """The annotated people of the photos of some results.

    Args:
        image: Shape (D,), int64.
        dataset: The annotations.

    Attributes:
        known: Shape (D,), bool: whose photo has people and a size.
        sizes: Shape (D', 2), width and height of the photos of those, px.
        rows: Who is annotated in these photos, by person of the truth.
    """

    def __init__(self, image: np.ndarray, dataset: Dataset) -> None:
        truth = dataset.truth
        measured = (truth.num_keypoints > 0) & ~truth.crowd
        of = {number: np.flatnonzero(measured & (truth.image == number)) for number in np.unique(image).tolist()}
        photos = dataset.photos
        self.known = np.array([len(of[i]) > 0 and photos[i].width * photos[i].height > 0 for i in image.tolist()])
        kept = image[self.known].tolist()
        self.sizes = np.array([(photos[i].width, photos[i].height) for i in kept], dtype=np.float64).reshape(-1, 2)
        self.rows = [of[i] for i in kept]
        self._truth = truth

    def fit(self, points: np.ndarray) -> float:
        """The share of the results, shape (D', K, 2), that lie on somebody of their photo."""
        truth, hits = self._truth, 0
        for found_, rows in zip(points, self.rows, strict=True):
            off = np.hypot(*np.moveaxis(truth.keypoints[rows] - found_, -1, 0))
            labelled = truth.visibility[rows] > 0
            near = labelled & (off < _NEAR * np.sqrt(truth.bbox[rows, 2:].prod(1))[:, None])
            hits += bool((2 * near.sum(1) > labelled.sum(1)).any())
        return hits / max(len(points), 1)

    def size(self) -> float:
        """How far the labelled keypoints lie from the photos' corners, px: the middle one."""
        rows = np.unique(np.concatenate(self.rows))
        return float(np.median(self._truth.keypoints[rows][self._truth.visibility[rows] > 0]))


def _readings(points: np.ndarray, people: _People, dataset: Dataset) -> Iterator[tuple[str, np.ndarray]]:
    """The results as other tools write them: what it would be, in words, and shape (D, K, 2), image px."""
    sizes = people.sizes[:, None]
    yield "with x and y in each other's place", points[..., ::-1]
    pairs = [tuple(map(dataset.skeleton.keypoints.index, pair)) for pair in dataset.skeleton.flip_pairs]
    if pairs:
        mirrored = points.copy()
        left, right = (list(side) for side in zip(*pairs, strict=True))
        mirrored[:, left], mirrored[:, right] = points[:, right], points[:, left]
        yield "with left and right in each other's place", mirrored
    yield "as percent of the photo", points / 100 * sizes
    yield "as shares of the photo", points * sizes
    yield "as shares of the photo from -1 to 1", (points + 1) / 2 * sizes
    said = points[(points > 1).all(axis=-1)]  # unlabelled keypoints are often written as 0 0
    middle = float(np.median(said)) if len(said) else 0.0
    factor = people.size() / middle if middle > 0 else 1.0
    if not 0.67 < factor < 1.5:
        yield f"{factor:.2g} times as large, as of photos of another size", points * factor
