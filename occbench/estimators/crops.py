"""Persons become crops, through the model's own MMPose pipeline (PROTOCOL section 1)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..attacks import Skeleton
from ..data.persons import Person, Photo
from ..data.photos import decode
from ..system.compat import setup_mmpose
from ..system.errors import OccbenchError
from .metainfo import Described, tested_dataset

AFFINES = ("TopdownAffine", "StretchedAffine")
"""What cuts a crop out of a photo: MMPose's, and :mod:`.stretched`."""


@dataclass(frozen=True, eq=False)
class Crop:
    """One person as the network sees it.

    Attributes:
        person: Who.
        image: Shape (h, w, 3), uint8, BGR: the network's input before normalisation.
        keypoints: Shape (K, 2), float64: the person's keypoints in crop px (where they are not labelled: anything).
        sample: MMPose's packed PoseDataSample.
        center: Shape (2,): of the box that was cut out, image px.
        scale: Shape (2,): width and height of that box, image px.
        canvas: How many of its px are one of those that sizes of attacks are given in: more than 1 where the model
            looks at the crop at several resolutions, and the first of them is coarser.
    """

    person: Person
    image: np.ndarray
    keypoints: np.ndarray
    sample: Any
    center: np.ndarray
    scale: np.ndarray
    canvas: int = 1

    def to_crop(self, points: np.ndarray) -> np.ndarray:
        """Predicted points (K, 2) from image px to crop px: the inverse of what MMPose does after decoding."""
        size = np.array([self.image.shape[1], self.image.shape[0]])
        return (points - self.center + 0.5 * self.scale) / self.scale * size


class CropPipeline:
    """The test pipeline of an MMPose top-down config, taken apart at the affine.

    MMPose's transforms do all the work, so a crop here has the bytes that it has in MMPose's test loop.

    Args:
        config: An MMEngine config with a test (or validation) dataloader.

    Attributes:
        input_size: Width and height of a crop, px.
        canvas: See :class:`Crop`.

    Raises:
        OccbenchError: The pipeline is not top-down.
    """

    def __init__(self, config: Any) -> None:
        setup_mmpose()
        from mmpose.registry import TRANSFORMS

        from . import stretched  # noqa: F401  # registers it

        dataset = tested_dataset(config)
        self._described = Described(config, dataset)
        steps = list(dataset["pipeline"])
        types = [str(step.get("type", "?")).rsplit(".", 1)[-1] for step in steps]
        affines = [i for i, kind in enumerate(types) if kind in AFFINES]
        if len(affines) != 1 or types[-1] != "PackPoseInputs":
            raise OccbenchError(
                f"this config is not top-down: its test pipeline is {' > '.join(types) or 'empty'}, "
                "but needs one TopdownAffine and PackPoseInputs at its end"
            )
        self._affine = affines[0]
        try:
            transforms = [TRANSFORMS.build(step) for step in steps]
        except (KeyError, TypeError, ValueError, AssertionError) as error:
            raise OccbenchError(f"MMPose cannot build the test pipeline of this config: {error}") from error
        self._transforms: list[Callable[[dict[str, Any]], dict[str, Any]]] = transforms
        # MMPose says so for every data set that annotates a box's middle and size, which is as it should be.
        warnings.filterwarnings("ignore", message='Use the existing "bbox_center"')

        size = steps[self._affine]["input_size"]
        self.input_size: tuple[int, int] = (int(size[0]), int(size[1]))  # width, height
        self.canvas = int((config.get("model", {}).get("backbone") or {}).get("canvas", 1))

    @property
    def metainfo_file(self) -> Path | None:
        """The file beside the config that describes its keypoints; None for one of MMPose's."""
        return self._described.file

    @property
    def keypoints(self) -> tuple[str, ...]:
        """See :attr:`~.metainfo.Described.keypoints`."""
        return self._described.keypoints

    @property
    def flip_indices(self) -> tuple[int, ...]:
        """See :attr:`~.metainfo.Described.flip_indices`."""
        return self._described.flip_indices

    def require(self, skeleton: Skeleton) -> None:
        """See :meth:`~.metainfo.Described.require`."""
        self._described.require(skeleton)

    def cut(self, person: Person, picture: np.ndarray) -> Crop:
        """Cut a person out of a decoded photo (H, W, 3; uint8, BGR)."""
        results: dict[str, Any] = {
            "img": picture,
            "img_path": str(person.photo.path),
            "img_id": person.photo.id,
            "id": person.id,
            "bbox": person.box[None],
            "bbox_score": np.array([person.score], dtype=np.float32),
            "keypoints": person.keypoints[None],
            "keypoints_visible": np.minimum(1, person.visibility[None]).astype(np.float32),
            "category_id": 1,
            **self._described.of_samples,
        }
        if person.center is not None and person.scale is not None:
            results |= {"bbox_center": person.center[None], "bbox_scale": person.scale[None]}
        for transform in self._transforms[: self._affine + 1]:
            results = transform(results)
        image = results["img"]
        keypoints = np.asarray(results["transformed_keypoints"][0], dtype=np.float64)[:, :2]
        for transform in self._transforms[self._affine + 1 :]:
            results = transform(results)
        sample = results["data_samples"]
        center, scale = np.array(sample.input_center), np.array(sample.input_scale)
        return Crop(person, image, keypoints, sample, center, scale, self.canvas)

    def cut_all(self, persons: Iterable[Person]) -> Iterator[Crop]:
        """Crops of all persons in order; a photo that several persons in a row share is decoded once."""
        photo: Photo | None = None
        picture = np.empty(0)
        for person in persons:
            if person.photo is not photo:
                photo, picture = person.photo, decode(person.photo)
            yield self.cut(person, picture)
