"""torchvision's Keypoint R-CNN: a whole photo in, persons with boxes, scores and keypoints out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..attacks import SKELETONS, Skeleton
from ..system.compat import setup_mmpose
from ..system.download import sha256
from ..system.errors import OccbenchError
from ..weights.checkpoints import load_checkpoint, load_into
from .config import first_line
from .protocol import PhotoInput, PhotoPoses, Say, Sees, Visibility

PERSON = 1
"""Its label of people."""


class KeypointRCNN:
    """``keypointrcnn_resnet50_fpn`` with torchvision's own transforms and thresholds.

    A person's score is that of the box. Scores of keypoints are the maxima of its heatmaps as they are: logits.

    Args:
        checkpoint: torchvision's weights; they must fit exactly.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``...
        flip: There is no flip test: None or False.
        trust: Unpickle the checkpoint even where that can run code.
        scales: Must be empty.

    Attributes:
        meta: What the checkpoint says about itself.

    Raises:
        OccbenchError: The weights are not what they should be, or an option is not for this model.
    """

    sees: ClassVar[Sees] = "photo"
    keypoints: int | None = 17
    flip = False
    scales: tuple[float, ...] = ()
    from_elsewhere: Sequence[str] = ()
    choice = None
    visibility: Visibility = ""
    halvings = 0

    def __init__(
        self,
        checkpoint: Path,
        device: str = "cpu",
        flip: bool | None = None,
        trust: bool = False,
        scales: Sequence[float] = (),
    ) -> None:
        setup_mmpose()  # torchvision may have operators of another torch
        import torch
        from torchvision.models.detection import keypointrcnn_resnet50_fpn

        if flip or scales:
            raise OccbenchError("Keypoint R-CNN has neither a flip test nor --scales: leave them out")
        weights, self.meta = load_checkpoint(checkpoint, trust=trust)
        model = keypointrcnn_resnet50_fpn(weights=None, weights_backbone=None)
        load_into(model, weights, str(checkpoint))
        try:
            self._model = model.to(torch.device(device)).eval()
        except (RuntimeError, AssertionError) as error:
            raise OccbenchError(f"device {device!r} cannot be used: {first_line(error)}") from error
        self._checkpoint, self._device = checkpoint, device
        self._least, self._most = model.transform.min_size[0], model.transform.max_size
        self.input_size = (self._most, self._least)

    def require(self, skeleton: Skeleton) -> None:
        """Refuse a data set of other keypoints.

        Raises:
            OccbenchError: They are not COCO's.
        """
        if skeleton.keypoints != SKELETONS["coco"].keypoints:
            raise OccbenchError(
                f"Keypoint R-CNN predicts the keypoints of COCO, but the data has those of {skeleton.name}"
            )

    @cached_property
    def weights_sha256(self) -> str:
        """Of the checkpoint file."""
        return sha256(self._checkpoint)

    @cached_property
    def config_sha256(self) -> str:
        """Of the settings that torchvision builds it with."""
        heads = self._model.roi_heads
        told = [self._least, self._most, heads.score_thresh, heads.nms_thresh, heads.detections_per_img]
        return hashlib.sha256(repr(told).encode()).hexdigest()

    def about_backend(self) -> dict[str, Any]:
        """What computes, for the manifest."""
        import torch
        import torchvision

        plain = {"name": "torch", "version": torch.__version__, "precision": "fp32", "device": self._device}
        return {**plain, "threads": torch.get_num_threads(), "decoding": f"torchvision {torchvision.__version__}"}

    def use(
        self, backend: str, precision: str = "fp32", sample: Sequence[np.ndarray] = (), say: Say = lambda line: None
    ) -> None:
        """torchvision computes, in torch and full precision.

        Raises:
            OccbenchError: Another backend or precision is asked for.
        """
        if (backend, precision) != ("torch", "fp32"):
            raise OccbenchError("Keypoint R-CNN is run by torchvision itself, on --backend torch in fp32 only")

    def prepare(self, picture: np.ndarray) -> PhotoInput:
        """RGB in 0 to 1; the resizing is in the model. Arguments as of :meth:`~.protocol.PhotoEstimator.prepare`."""
        import torch

        image = torch.from_numpy(np.ascontiguousarray(picture[..., ::-1].transpose(2, 0, 1))).float().div_(255)
        small, large = sorted(picture.shape[:2])
        scale = min(self._least / small, self._most / large)
        return PhotoInput(image, picture.shape, scale)

    def predict(self, inputs: Sequence[PhotoInput]) -> list[PhotoPoses]:
        """By torchvision's own forward pass, photo by photo: in a batch its coordinates move by rounding.

        Arguments as of :meth:`~.protocol.PhotoEstimator.predict`.
        """
        import torch

        with torch.inference_mode():
            return [_poses(self._model([one.content.to(self._device)])[0]) for one in inputs]


def _poses(found: Mapping[str, Any]) -> PhotoPoses:
    people = found["labels"] == PERSON
    keypoints, scores, boxes = (
        found[name][people].cpu().numpy().astype(np.float32) for name in ("keypoints", "keypoints_scores", "scores")
    )
    return PhotoPoses(keypoints[..., :2], scores, boxes)
