"""An ONNX file that estimates the pose of the person in a crop."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ...attacks import Skeleton
from ...system.compat import setup_mmpose
from ...system.errors import OccbenchError, quoted
from ..crops import Crop
from ..protocol import Poses, Say, Sees, Visibility
from . import check_backend
from .cropping import pipeline_of
from .graph import Graph, sha256_of
from .guess import completed, keypoints_of
from .pictures import as_input
from .poses import reader
from .specification import Specification


class OnnxFile:
    """What both kinds of ONNX estimators have; see :class:`~..protocol.Estimator`.

    Args:
        path: The file.
        given: What its user says about it.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ...
        flip: Whether to average with the mirrored crop; None for what the specification says.

    Attributes:
        graph: The network.
        specification: Complete.
        guessed: What of it was guessed, by field.
        input_size: Width and height of the network's input, px.

    Raises:
        OccbenchError: The file cannot be used, or is not what the specification says.
    """

    scales: tuple[float, ...] = ()
    choice = None
    halvings = 0
    ahead = 0
    earlier = 0
    visibility: Visibility = ""
    meta: ClassVar[Mapping[str, Any]] = {}
    from_elsewhere: tuple[str, ...] = ()

    def __init__(self, path: Path, given: Specification, device: str = "cpu", flip: bool | None = None) -> None:
        setup_mmpose()
        self._path, self._device = path, device
        self.graph = Graph(path, device)
        self.specification, self.guessed = completed(given, self.graph)
        if flip is not None:
            self.specification = self.specification.model_copy(update={"flip": flip})
        width, height = self.specification.size or (0, 0)
        self.input_size = (width, height)

    @property
    def keypoints(self) -> int | None:
        """How many keypoints the data must have."""
        return keypoints_of(self.specification)

    @property
    def flip(self) -> bool:
        """Whether the flip test is on."""
        return self.specification.flip

    @cached_property
    def weights_sha256(self) -> str:
        """Of the ONNX file and of files with its weights beside it."""
        return sha256_of(self._path)

    @cached_property
    def config_sha256(self) -> str:
        """Of the complete specification."""
        return hashlib.sha256(json.dumps(self.specification.model_dump(), sort_keys=True).encode()).hexdigest()

    def about_backend(self) -> dict[str, Any]:
        """What computes, and the specification with what of it was guessed; for the manifest."""
        return {
            "name": "onnxruntime",
            "version": self.graph.version,
            "precision": "fp32",
            "device": self._device,
            "provider": self.graph.provider,
            "specification": self.specification.model_dump(),
            "guessed": sorted(self.guessed),
        }

    @property
    def guesses(self) -> str:
        """What was guessed, in words."""
        return ", ".join(f"{field} {_said(value)}" for field, value in self.guessed.items())

    def check_finite(self, arrays: Sequence[np.ndarray]) -> None:
        """Refuse outputs that are no numbers.

        Raises:
            OccbenchError: There are such.
        """
        if not all(np.isfinite(array).all() for array in arrays):
            raise OccbenchError(
                f"ONNX file {quoted(str(self._path), 300)} gives numbers that are not finite: look at scale, mean and "
                "std of its specification"
            )


class OnnxCrops(OnnxFile):
    """A top-down network; see :class:`~..protocol.CropEstimator`. Arguments and errors as of :class:`OnnxFile`."""

    sees: ClassVar[Sees] = "crop"

    def __init__(self, path: Path, given: Specification, device: str = "cpu", flip: bool | None = None) -> None:
        super().__init__(path, given, device, flip)
        self.crops = pipeline_of(self.specification)
        shapes = [output.shape[1:] for output in self._run(np.zeros((1, *self.input_size[::-1], 3), np.uint8))]
        self._read = reader(self.specification, self.crops.flip_indices, shapes)

    def require(self, skeleton: Skeleton) -> None:
        """See :meth:`~..crops.CropPipeline.require`."""
        self.crops.require(skeleton)

    def choose(
        self,
        backend: str,
        precision: str,
        sample: Sequence[Crop],
        batch_size: int,
        tune: str = "off",
        say: Say = lambda line: None,
    ) -> None:
        """There is nothing to choose."""

    def use(
        self,
        backend: str,
        precision: str = "fp32",
        sample: Sequence[Crop] = (),
        say: Say = lambda line: None,
        choice: Any = None,
        batch_size: int = 16,
    ) -> None:
        """ONNX Runtime computes. Arguments as of :meth:`~..protocol.CropEstimator.use`.

        Raises:
            OccbenchError: Another backend or precision is asked for, or the outputs for the sample are not finite.
        """
        check_backend(backend, precision)
        if sample:
            self.check_finite(self._run(np.stack([crop.image for crop in sample])))

    def stack(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Crops (h, w, 3) as one array."""
        return np.stack(images)

    def start(self, images: np.ndarray, crops: Sequence[Crop]) -> Callable[[], Poses]:
        """See :meth:`~..protocol.CropEstimator.start`; it is over when this returns."""
        mirrored = self._run(images[:, :, ::-1]) if self.flip else None
        keypoints, scores = self._read(self._run(images), mirrored)
        size = np.array(self.input_size, dtype=np.float64)
        center = np.stack([crop.center for crop in crops])[:, None]
        scale = np.stack([crop.scale for crop in crops])[:, None]
        found = Poses((keypoints / size * scale + center - 0.5 * scale).astype(np.float32), scores)
        return lambda: found

    def _run(self, images: np.ndarray) -> list[np.ndarray]:
        pictures = as_input(images, self.specification, self.graph.input.dtype)
        return self.graph.run(pictures, self.specification.outputs)


def _said(value: Any) -> str:
    return " x ".join(map(str, value)) if isinstance(value, list) else str(value)
