"""A bounded store of body parts cut out of training persons, for PartMix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from mmpose.datasets.transforms import LoadImage, TopdownAffine
from mmpose.structures.bbox import bbox_xyxy2cs

from ..attacks import Attack, Skeleton, place
from ..attacks.donors import kind_of

CROP = (192, 256)
"""Width and height of the crops that donors are cut from where samples are whole photos."""


@dataclass(frozen=True, eq=False)
class Donor:
    """A part of a training person.

    Attributes:
        person: Annotation id of whom it belongs to.
        part: Its name.
        patch: Shape (rows, columns, 3), uint8: the part's rectangle in the person's crop.
    """

    person: int
    part: str
    patch: np.ndarray

    @property
    def kind(self) -> str:
        """The part's name without its side."""
        return kind_of(self.part)


class DonorBank:
    """The whole parts of up to ``size`` random persons of a data set, read once and kept.

    Args:
        dataset: MMPose's.
        skeleton: Its keypoints and parts.
        parts: What is cut out: each of them of which a person has every keypoint labelled.
        size: How many persons give parts.
        radius: How far a part's rectangle reaches beyond its keypoints, px of the crop.
        input_size: Width and height of the crops.
        rng: Chooses the persons.
    """

    def __init__(
        self,
        dataset: Any,
        skeleton: Skeleton,
        parts: tuple[str, ...],
        size: int,
        radius: float,
        input_size: tuple[int, int],
        rng: np.random.Generator,
    ) -> None:
        load, affine = LoadImage(), TopdownAffine(input_size)
        persons: list[list[Donor]] = []
        for index in rng.permutation(len(dataset)):
            sample = dataset.get_data_info(int(index))
            whole = whole_parts(skeleton, parts, sample["keypoints_visible"])
            if not any(whole):
                continue
            photo = load.transform({"img_path": sample["img_path"]})["img"]
            for n, names in enumerate(whole):
                donors = _cut(photo, sample, n, names, skeleton, radius, affine) if names else []
                if donors:
                    persons.append(donors)
            if len(persons) >= size:
                break
        self.persons = persons[:size]
        self._others = {
            kind: [[d for d in donors if d.kind != kind] for donors in self.persons]
            for kind in {kind_of(part) for part in parts}
        }

    def draw(self, part: str, own: frozenset[int], rng: np.random.Generator) -> Donor | None:
        """A part of another kind than ``part`` of a random person who is not among ``own`` (annotation ids), or None.

        First the person is drawn, so that one with many parts is not drawn more often, then the part.
        """
        possible = [donors for donors in self._others[kind_of(part)] if donors and donors[0].person not in own]
        if not possible:
            return None
        donors = possible[rng.integers(len(possible))]
        return donors[rng.integers(len(donors))]


def whole_parts(skeleton: Skeleton, parts: tuple[str, ...], visible: np.ndarray) -> list[list[str]]:
    """For each person, those of ``parts`` whose keypoints are all labelled.

    Args:
        skeleton: Whose parts.
        parts: Names; those that the skeleton does not have are left out.
        visible: Shape (N, K) or (N, K, 2): MMPose's ``keypoints_visible``.
    """
    labelled = (visible[..., 0] if visible.ndim == 3 else visible) > 0
    members = {part: skeleton.indices("part", part) for part in parts if part in skeleton.parts}
    return [[part for part, indices in members.items() if person[indices].all()] for person in labelled]


def _cut(
    photo: np.ndarray,
    sample: dict[str, Any],
    n: int,
    parts: list[str],
    skeleton: Skeleton,
    radius: float,
    affine: TopdownAffine,
) -> list[Donor]:
    """The parts of person ``n`` of a sample, cut out of the crop that the network would see of them."""
    image, points = crop_of(photo, sample, n, affine)
    donors = []
    for part in parts:
        attack = Attack("part", "meanout", part, radius)
        labelled = np.ones(len(points), dtype=bool)  # every keypoint of the part is
        occluders = place(attack, skeleton, points, labelled, image.shape[:2], "corrected", np.random.default_rng(0))
        for region in occluders.regions:
            donors.append(Donor(person_ids(sample)[n], part, image[region.window].copy()))
    return donors


def crop_of(photo: np.ndarray, sample: dict[str, Any], n: int, affine: TopdownAffine) -> tuple[np.ndarray, np.ndarray]:
    """The crop that the network would see of person ``n`` of a sample, and the keypoints in it, (K, 2) float64."""
    center, scale = bbox_xyxy2cs(sample["bbox"][n : n + 1], padding=1.25)
    crop = affine.transform(
        {"img": photo, "bbox_center": center, "bbox_scale": scale, "keypoints": sample["keypoints"][n : n + 1]}
    )
    return crop["img"], np.asarray(crop["transformed_keypoints"][0], dtype=np.float64)[:, :2]


def person_ids(sample: dict[str, Any]) -> list[int]:
    """The annotation ids of a sample's persons: one top-down, several bottom-up."""
    ids = sample["id"]
    return [int(i) for i in ids] if isinstance(ids, (list, tuple, np.ndarray)) else [int(ids)]


def paste(image: np.ndarray, window: tuple[slice, slice], patch: np.ndarray) -> None:
    """Put ``patch`` into a window of ``image``, resized by area interpolation."""
    rows, columns = image[window].shape[:2]
    image[window] = cv2.resize(patch, (columns, rows), interpolation=cv2.INTER_AREA)
