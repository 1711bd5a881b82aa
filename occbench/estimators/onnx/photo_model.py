"""An ONNX file that finds the persons of a whole photo: boxes and poses in one tensor, as YOLO-pose exports have it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np

from ...attacks import Skeleton
from ...system.errors import OccbenchError
from ..metainfo import Described
from ..protocol import PhotoInput, PhotoPoses, Say, Sees
from . import check_backend
from .crop_model import OnnxFile
from .cropping import dataset_of
from .guess import columns_of, keypoints_of
from .pictures import as_input
from .specification import Specification

CANDIDATES, MOST = 1000, 100
"""Boxes of a photo that are thinned out, best first, and persons that are left."""


class OnnxPhotos(OnnxFile):
    """A one-stage network; see :class:`~..protocol.PhotoEstimator`. Arguments and errors as of :class:`OnnxFile`."""

    sees: ClassVar[Sees] = "photo"

    def __init__(self, path: Path, given: Specification, device: str = "cpu", flip: bool | None = None) -> None:
        if flip:
            raise OccbenchError(
                "an ONNX file that sees whole photos has no flip test: who is found in a photo and who in its mirror "
                "image are two lists of persons, not outputs that can be averaged; leave --flip out"
            )
        super().__init__(path, given, device, flip)
        self._described = Described({}, dataset_of(self.specification))

    def require(self, skeleton: Skeleton) -> None:
        """See :meth:`~..metainfo.Described.require`."""
        self._described.require(skeleton)

    def use(
        self,
        backend: str,
        precision: str = "fp32",
        sample: Sequence[np.ndarray] = (),
        say: Say = lambda line: None,
    ) -> None:
        """ONNX Runtime computes. Arguments as of :meth:`~..protocol.PhotoEstimator.use`.

        Raises:
            OccbenchError: Another backend or precision is asked for, or the outputs for the sample are not finite.
        """
        check_backend(backend, precision)
        for picture in sample:
            pictures, *_ = self.prepare(picture).content
            self.check_finite(self.graph.run(pictures, self.specification.outputs))

    def prepare(self, picture: np.ndarray) -> PhotoInput:
        """A photo, resized so that it just fits into the input, with grey around it. As of the protocol."""
        width, height = self.input_size
        ratio = min(width / picture.shape[1], height / picture.shape[0])
        inner = max(1, round(picture.shape[1] * ratio)), max(1, round(picture.shape[0] * ratio))
        resized = cv2.resize(picture, inner, interpolation=cv2.INTER_LINEAR)
        middle = self.specification.place == "middle"
        left, top = ((width - inner[0]) // 2, (height - inner[1]) // 2) if middle else (0, 0)
        whole = np.full((height, width, 3), self.specification.fill, np.uint8)
        whole[top : top + inner[1], left : left + inner[0]] = resized
        pictures = as_input(whole[None], self.specification, self.graph.input.dtype)
        return PhotoInput((pictures, ratio, left, top), pictures.shape, ratio)

    def predict(self, inputs: Sequence[PhotoInput]) -> list[PhotoPoses]:
        """One photo at a time, so that none depends on what else is in the batch. As of the protocol."""
        found = []
        for one in inputs:
            pictures, ratio, left, top = one.content
            (output,) = self.graph.run(pictures, self.specification.outputs)
            points, keypoint_scores, scores = persons_of(np.squeeze(output[0]), self.specification)
            points = (points - np.array([left, top], np.float32)) / np.float32(ratio)
            found.append(PhotoPoses(points, keypoint_scores, scores))
        return found


def persons_of(output: np.ndarray, specification: Specification) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The persons in a tensor of boxes and poses, best first.

    Args:
        output: Shape (columns, N) or (N, columns); columns: box, score (of each class, the person's first; or score and
            class, where the network has thinned out its boxes itself), x, y and perhaps a score of each keypoint.
        specification: Complete.

    Returns:
        Keypoints (D, K, 2), px of the input, their scores (D, K), and scores of the persons (D,); all float32.
    """
    count = keypoints_of(specification)
    read = columns_of(output.shape, count)
    assert read is not None  # else the specification could not be completed
    axis, classes, each = read
    rows = np.asarray(output.T if axis == 0 else output, dtype=np.float32)
    boxes, scores, poses = rows[:, :4], rows[:, 4], rows[:, 4 + classes :].reshape(-1, count, each)
    if specification.nms is None and classes == 2:
        scores = np.where(rows[:, 5] == 0, scores, 0)
    elif classes > 1:
        scores = np.where(rows[:, 4 : 4 + classes].argmax(1) == 0, scores, 0)
    best = np.argsort(-scores, kind="stable")[:CANDIDATES]
    best = best[scores[best] >= max(specification.least, 1e-9)]
    if specification.nms is not None and len(best):
        best = best[_thinned(boxes[best], scores[best], specification)]
    best = best[:MOST]
    points, person_scores = poses[best, :, :2], scores[best]
    keypoint_scores = poses[best, :, 2] if each == 3 else np.repeat(person_scores[:, None], count, 1)
    return np.ascontiguousarray(points), np.ascontiguousarray(keypoint_scores), person_scores


def _thinned(boxes: np.ndarray, scores: np.ndarray, specification: Specification) -> np.ndarray:
    import torch

    from ...system.mmcv_ops import nms

    if specification.boxes == "middle":
        boxes = np.concatenate([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], axis=1)
    kept = nms(torch.from_numpy(np.ascontiguousarray(boxes)), torch.from_numpy(scores), float(specification.nms or 0))
    return np.asarray(kept)
