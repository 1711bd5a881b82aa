"""What goes into the evaluation and what comes out: arrays in image space, and the ten COCO figures."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """Annotated persons, in the order of the annotation file (that order breaks ties, as in pycocotools).

    Attributes:
        image_ids: Shape (I,), int64: every image that is evaluated, sorted, also those without persons.
        image: Shape (G,), int64: the image id of each annotation.
        keypoints: Shape (G, K, 2), float64, image px.
        visibility: Shape (G, K), int: 0 not labelled, 1 labelled but occluded, 2 labelled and visible.
        bbox: Shape (G, 4), float64: x, y, width, height in image px.
        area: Shape (G,), float64, image px squared.
        num_keypoints: Shape (G,), int, as annotated; 0 makes COCO ignore the person.
        crowd: Shape (G,), bool.
        ids: Shape (G,), int64: annotation ids.
    """

    image_ids: np.ndarray
    image: np.ndarray
    keypoints: np.ndarray
    visibility: np.ndarray
    bbox: np.ndarray
    area: np.ndarray
    num_keypoints: np.ndarray
    crowd: np.ndarray
    ids: np.ndarray

    @property
    def k(self) -> int:
        """Number of keypoints per person."""
        return int(self.keypoints.shape[1])

    def __len__(self) -> int:
        return int(self.image.shape[0])


@dataclass(frozen=True, eq=False)
class Detections:
    """Predicted persons, in the order of the results file (that order breaks ties between equal scores).

    Attributes:
        image: Shape (D,), int64: image ids, each of them one of ``GroundTruth.image_ids``.
        keypoints: Shape (D, K, 2), float64, image px.
        scores: Shape (D,), float64; higher is more certain.
        owner: Shape (D,), int: whom each belongs to, as an index into the persons of the truth; -1 for nobody. With
            boxes the person whose box it is or to whom the box is matched. None: not known, so that the evaluation
            finds out by OKS (`owners`).
    """

    image: np.ndarray
    keypoints: np.ndarray
    scores: np.ndarray
    owner: np.ndarray | None = None

    def some(self, which: np.ndarray) -> Detections:
        """Some of them: indices, or shape (D,), bool."""
        owner = None if self.owner is None else self.owner[which]
        return Detections(self.image[which], self.keypoints[which], self.scores[which], owner)

    def __len__(self) -> int:
        return int(self.image.shape[0])


@dataclass(frozen=True)
class Figures:
    """COCO's ten keypoint figures and the exact AP, each in 0 to 1, and how many persons counted. NaN: no such number.

    Attributes:
        n: Persons that are neither crowd nor ignored.
        ap: Mean over OKS thresholds 0.50, 0.55, ..., 0.95; ``ap50`` and ``ap75`` at one threshold.
        ap_m: Persons of medium area (32 x 32 to 96 x 96 image px); ``ap_l``: larger ones.
        ar: Average recall, at most 20 detections per image; its variants as for ``ap``.
        exact: As ``ap``, but the area under the same interpolated curves instead of their mean at 101 recall points:
            what drops are differences of (PROTOCOL section 5).
    """

    n: int
    ap: float
    ap50: float
    ap75: float
    ap_m: float
    ap_l: float
    ar: float
    ar50: float
    ar75: float
    ar_m: float
    ar_l: float
    exact: float

    def as_array(self) -> np.ndarray:
        """COCO's ten figures, without ``n`` and ``exact``. Shape: (10,), float64."""
        return np.array([getattr(self, f.name) for f in fields(self)[1:-1]], dtype=np.float64)


def check(truth: GroundTruth, detections: Detections, sigmas: np.ndarray) -> None:
    """Refuse arrays that do not belong together.

    Raises:
        ValueError: Shapes that differ, an image id that is not evaluated, or numbers that are not finite.
    """
    g, d, k = len(truth), len(detections), len(sigmas)
    shapes = {
        "truth.keypoints": (truth.keypoints, (g, k, 2)),
        "truth.visibility": (truth.visibility, (g, k)),
        "truth.bbox": (truth.bbox, (g, 4)),
        "truth.area": (truth.area, (g,)),
        "truth.num_keypoints": (truth.num_keypoints, (g,)),
        "truth.crowd": (truth.crowd, (g,)),
        "detections.keypoints": (detections.keypoints, (d, k, 2)),
        "detections.scores": (detections.scores, (d,)),
    }
    for name, (array, shape) in shapes.items():
        if array.shape != shape:
            raise ValueError(f"{name} must have shape {shape}, but has {array.shape}")
        if not np.isfinite(array).all():
            raise ValueError(f"{name} holds a number that is not finite")
    if not truth.image_ids.size:
        raise ValueError("truth.image_ids is empty: there is no image to evaluate")
    if np.any(np.diff(truth.image_ids) <= 0):
        raise ValueError("truth.image_ids must be sorted and without repeats")
    for name, image in (("truth.image", truth.image), ("detections.image", detections.image)):
        place = np.minimum(np.searchsorted(truth.image_ids, image), len(truth.image_ids) - 1)
        unknown = image[truth.image_ids[place] != image]
        if unknown.size:
            raise ValueError(f"{name} names an image that is not in truth.image_ids: {unknown.min()}")
    owner = detections.owner
    if owner is None:
        return
    if owner.shape != (d,):
        raise ValueError(f"detections.owner must have shape {(d,)}, but has {owner.shape}")
    if owner.size and not -1 <= owner.min() <= owner.max() < g:
        raise ValueError(f"detections.owner must be indices of {g} persons, or -1, but runs to {owner.max()}")
    if np.any(truth.image[owner[owner >= 0]] != detections.image[owner >= 0]):
        raise ValueError("detections.owner names a person of another image")
