"""What the engines, the runs and the jobs ask of an estimator, whatever computes it.

There are two kinds, told apart by ``sees``. A crop estimator gets one person's crop and gives one pose: MMPose's
top-down models, ONNX files of that make. A photo estimator gets a whole photo and gives any number of persons:
bottom-up and one-stage models, and everything that detects people itself (PROTOCOL section 9).

To add one: write a class that has the members of :class:`CropEstimator` or :class:`PhotoEstimator` (no inheritance is
needed), give its models a ``source`` in :mod:`occbench.weights.zoo`, and enter that source in :data:`~.make.MAKERS`.
Everything else (attacks, resuming, several processes, tables, the report) follows from ``sees``.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeAlias

import numpy as np

from ..attacks import Skeleton

if TYPE_CHECKING:
    from .backends.tuning import Choice
    from .crops import Crop, CropPipeline

Sees: TypeAlias = Literal["crop", "photo"]
"""What an estimator is given."""

Visibility: TypeAlias = Literal["", "beside", "scores"]
"""Whether an estimator says how visible a keypoint is: not at all, beside the keypoint scores, or as these."""

Say: TypeAlias = Callable[[str], None]
"""Told what takes long, and what falls back."""


class Poses(NamedTuple):
    """What was found in a batch of crops.

    Attributes:
        keypoints: Shape (B, K, 2), float32, image px.
        scores: Shape (B, K), float32: of the keypoints.
        earlier: Of a cascade of S stages, the keypoints of the earlier ones, shape (B, S - 1, K, 2), float32, image px.
        visibility: Where the network says that beside the scores, how visible each keypoint is, shape (B, K), float32.
    """

    keypoints: np.ndarray
    scores: np.ndarray
    earlier: np.ndarray | None = None
    visibility: np.ndarray | None = None


class Estimator(Protocol):
    """What both kinds have: who they are, for messages, identities and the manifest."""

    @property
    def sees(self) -> Sees:
        """What it is given."""

    @property
    def input_size(self) -> tuple[int, int]:
        """Width and height of the network's input, px; of a photo's, as configured: photos may give other sizes."""

    @property
    def keypoints(self) -> int | None:
        """How many keypoints it predicts; None where that is not known before it has predicted."""

    def require(self, skeleton: Skeleton) -> None:
        """Refuse a data set of other keypoints.

        Raises:
            OccbenchError: The keypoints are others; the message says which.
        """

    @property
    def flip(self) -> bool:
        """Whether it averages with the mirrored input."""

    @property
    def scales(self) -> tuple[float, ...]:
        """Of an image pyramid; empty for scale 1 alone."""

    @property
    def weights_sha256(self) -> str:
        """Of the file of its weights."""

    @property
    def config_sha256(self) -> str:
        """Of what else decides its predictions: its config with all that this inherits, or its specification."""

    @property
    def meta(self) -> Mapping[str, Any]:
        """What its weights say about themselves; empty for nothing."""

    @property
    def from_elsewhere(self) -> Sequence[str]:
        """Code from outside of its config's own tree that was trusted."""

    @property
    def visibility(self) -> Visibility:
        """Whether it says how visible a keypoint is."""

    @property
    def choice(self) -> Choice | None:
        """How it runs on a GPU, where that is chosen by timing; else None."""

    @property
    def halvings(self) -> int:
        """How often a batch had to be halved because the GPU's memory ran out."""

    def about_backend(self) -> dict[str, Any]:
        """What computes: at least ``name``, ``version``, ``precision`` and ``device``; for the manifest."""


class CropEstimator(Estimator, Protocol):
    """One pose per crop. Everything random or slow is over after :meth:`use`."""

    @property
    def crops(self) -> CropPipeline:
        """Cuts persons out of photos, as the network wants them."""

    def choose(
        self, backend: str, precision: str, sample: Sequence[Crop], batch_size: int, tune: str = ..., say: Say = ...
    ) -> Choice | None:
        """How it is to run on its GPU, for :meth:`use`; None where there is nothing to choose.

        Args:
            backend: As on the command line; so ``precision``.
            sample: Crops of the run.
            batch_size: Crops of a batch.
            tune: ``off`` or ``quick``.
            say: Told what takes long.

        Raises:
            OccbenchError: The combination does not work.
        """

    def use(
        self,
        backend: str,
        precision: str = ...,
        sample: Sequence[Crop] = ...,
        say: Say = ...,
        choice: Choice | None = ...,
        batch_size: int = ...,
    ) -> None:
        """Choose what computes; arguments as of :meth:`choose`.

        Raises:
            OccbenchError: It cannot run this model, or computes something else on the sample than the reference.
        """

    @property
    def earlier(self) -> int:
        """How many stages of a cascade come before the last; 0 for other models."""

    @property
    def ahead(self) -> int:
        """How many batches are best under way at a time, besides the one that is waited for."""

    def stack(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Crops (h, w, 3), uint8, BGR as one array, where the device can take them from; in any thread."""

    def start(self, images: np.ndarray, crops: Sequence[Crop]) -> Callable[[], Poses]:
        """Begin to estimate one pose per crop.

        Args:
            images: What the network sees, shape (B, h, w, 3), uint8, BGR: the crops' images, attacked or not; must not
                change until the result was asked for.
            crops: Whose they are.

        Returns:
            Waits for the poses; to be asked for in the order of the batches.
        """


def window_of(model: Estimator) -> int | None:
    """Side of the window around each coarse point that the model refines it in, crop px; None where it does not."""
    found: int | None = getattr(model, "window", None)
    return found


@dataclass(frozen=True, eq=False)
class PhotoInput:
    """A photo as its estimator wants it.

    Attributes:
        content: The estimator's own; whatever it made of the photo, and what it needs to undo that.
        alike: Inputs of which this is equal may stand together in a batch (the shape, mostly).
        scale: Network px per image px; NaN where there is no one such number.
    """

    content: Any
    alike: Hashable
    scale: float


@dataclass(frozen=True, eq=False)
class PhotoPoses:
    """The persons that were found in one photo, in the estimator's order (it breaks ties between equal scores).

    Attributes:
        keypoints: Shape (D, K, 2), float32, image px; D may be 0.
        keypoint_scores: Shape (D, K), float32.
        scores: Shape (D,), float32: of the persons; higher is more certain. They are the estimator's own: nothing is
            rescored or thinned out afterwards.
    """

    keypoints: np.ndarray
    keypoint_scores: np.ndarray
    scores: np.ndarray

    def __len__(self) -> int:
        return len(self.scores)


class PhotoEstimator(Estimator, Protocol):
    """Any number of persons per photo. The same input must give the same persons, whatever else is in the batch."""

    def use(self, backend: str, precision: str = ..., sample: Sequence[np.ndarray] = ..., say: Say = ...) -> None:
        """Choose what computes.

        Args:
            backend: As on the command line; so ``precision``.
            sample: Photos of the run, each (H, W, 3), uint8, BGR.
            say: Told what takes long, and what falls back.

        Raises:
            OccbenchError: It cannot run this model, or computes something else on the sample than the reference.
        """

    def prepare(self, picture: np.ndarray) -> PhotoInput:
        """A photo made ready; called in several threads at a time, ahead of :meth:`predict`.

        Args:
            picture: Shape (H, W, 3), uint8, BGR; attacked or not. It is not changed, and not kept.
        """

    def predict(self, inputs: Sequence[PhotoInput]) -> list[PhotoPoses]:
        """Find the persons of a batch.

        Args:
            inputs: What :meth:`prepare` gave for the photos, all alike.

        Returns:
            One per photo, in their order.
        """
