"""MMPose's bottom-up and one-stage estimators: a whole photo in, any number of persons out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..attacks import Skeleton
from ..system.compat import setup_mmpose
from ..system.download import sha256
from ..system.errors import OccbenchError
from ..weights.trust import check_config
from .building import build
from .config import first_line, hash_of_config, load_config
from .metainfo import Described, tested_dataset
from .person_scores import MODES, person_scores, score_mode
from .protocol import PhotoInput, PhotoPoses, Say, Sees, Visibility
from .visibility import AS_SCORES

ONE_BY_ONE = ("CIDHead", "DEKRHead")
"""Heads of MMPose that decode one photo at a time, whatever stands in the batch."""


class PhotoModel:
    """A ``BottomupPoseEstimator`` of MMPose, ready to predict: its own test pipeline, test step and scores.

    Args:
        config_file: An MMPose config.
        checkpoint: Its weights; they must fit exactly.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``...
        flip: Whether to average with the mirrored photo; None for what the config says.
        trust: Unpickle the checkpoint even where that can run code.
        trust_config: Let the config run code from elsewhere.
        scales: Must be empty: there is no pyramid here.

    Attributes:
        config: As MMPose reads it.
        meta: What the checkpoint says about itself.
        from_elsewhere: What of the config's code is from elsewhere, and was trusted.

    Raises:
        OccbenchError: The config or the weights are not what they should be, or an option is not for this model.
    """

    sees: ClassVar[Sees] = "photo"
    scales: tuple[float, ...] = ()
    choice = None
    halvings = 0

    def __init__(
        self,
        config_file: Path,
        checkpoint: Path,
        device: str = "cpu",
        flip: bool | None = None,
        trust: bool = False,
        trust_config: bool = False,
        scales: Sequence[float] = (),
    ) -> None:
        setup_mmpose()
        self.from_elsewhere = check_config(config_file, trust_config)
        self.config = load_config(config_file)
        if scales:
            raise OccbenchError(
                "--scales averages the heatmaps of one person's crops, but this model sees whole photos"
            )
        test = self.config.model.setdefault("test_cfg", {})
        if flip and "flip_test" not in test:
            raise OccbenchError(f"the model of {str(config_file)!r} has no flip test: leave --flip out")
        if flip is not None and "flip_test" in test:
            test["flip_test"] = flip
        if test.get("multiscale_test"):
            raise OccbenchError(
                f"config {str(config_file)!r} asks for multiscale_test, which MMPose 1.3 itself cannot put into a "
                "batch: set model.test_cfg.multiscale_test=False"
            )
        dataset = tested_dataset(self.config)
        self._described = Described(self.config, dataset)
        self._steps = _steps(dataset["pipeline"], config_file)
        self.input_size = _input_size(dataset["pipeline"], self.config)
        self._mode, self._least = score_mode(self.config)
        if self._mode not in MODES:
            raise OccbenchError(
                f"config {str(config_file)!r} has score_mode {self._mode!r}; known are {', '.join(MODES)}"
            )
        self._model, self.meta = build(self.config, config_file, checkpoint, device, trust)
        self._tags = _remember(self._model)
        self._checkpoint, self._device = checkpoint, device

    @property
    def keypoints(self) -> int | None:
        """How many keypoints the config's data set has."""
        return len(self._described.keypoints)

    def require(self, skeleton: Skeleton) -> None:
        """See :meth:`~.metainfo.Described.require`."""
        self._described.require(skeleton)

    @property
    def visibility(self) -> Visibility:
        """``scores`` where the keypoint scores are what the head says about visibility."""
        return "scores" if type(self._model.head).__name__ in AS_SCORES else ""

    @property
    def flip(self) -> bool:
        """Whether the flip test is on."""
        return bool(self._model.test_cfg.get("flip_test", False))

    @cached_property
    def weights_sha256(self) -> str:
        """Of the checkpoint file."""
        return sha256(self._checkpoint)

    @cached_property
    def config_sha256(self) -> str:
        """Of the config's content, with all that it inherits and with the keypoints' description beside it."""
        content, file = hash_of_config(self.config), self._described.file
        return content if file is None else hashlib.sha256((content + sha256(file)).encode()).hexdigest()

    def about_backend(self) -> dict[str, Any]:
        """What computes, for the manifest."""
        import torch

        plain = {"name": "torch", "version": torch.__version__, "precision": "fp32", "device": self._device}
        return {**plain, "threads": torch.get_num_threads(), "decoding": "MMPose's test_step"}

    def use(
        self,
        backend: str,
        precision: str = "fp32",
        sample: Sequence[np.ndarray] = (),
        say: Say = lambda line: None,
    ) -> None:
        """MMPose computes, in torch and full precision.

        Args:
            backend: ``torch``; so ``precision``: ``fp32``.
            sample: Not needed.
            say: Not needed.

        Raises:
            OccbenchError: Another backend or precision is asked for.
        """
        if (backend, precision) != ("torch", "fp32"):
            raise OccbenchError(
                "models that see whole photos are run by MMPose itself, which runs on --backend torch in fp32 only"
            )

    def prepare(self, picture: np.ndarray) -> PhotoInput:
        """Through the config's test pipeline. Arguments as of :meth:`~.protocol.PhotoEstimator.prepare`."""
        size = picture.shape[:2]
        results: dict[str, Any] = {"img": picture, "img_path": "", "img_id": 0, "id": [], "ori_shape": size}
        results |= {"img_shape": size, **self._described.of_samples}
        for step in self._steps:
            results = step(results)
        inputs, sample = results["inputs"], results["data_samples"]
        ratio = np.asarray(sample.metainfo["input_size"]) / np.asarray(sample.metainfo["input_scale"])
        return PhotoInput((inputs, sample), (tuple(inputs.shape), tuple(sample.metainfo["img_shape"])), float(ratio[0]))

    def predict(self, inputs: Sequence[PhotoInput]) -> list[PhotoPoses]:
        """By MMPose's own test step. Arguments as of :meth:`~.protocol.PhotoEstimator.predict`."""
        import torch

        if len(inputs) > 1 and type(self._model.head).__name__ in ONE_BY_ONE:
            return [poses for one in inputs for poses in self.predict([one])]
        images, samples = ([one.content[i] for one in inputs] for i in (0, 1))
        with torch.inference_mode():
            found = self._model.test_step({"inputs": images, "data_samples": samples})
        poses = [self._poses(sample.pred_instances) for sample in found]
        if self._tags is None:
            return poses
        kept = zip(poses, found, self._tags.last, strict=True)
        return [replace(one, regroup=partial(self._regrouped, maps, sample.metainfo)) for one, sample, maps in kept]

    def _regrouped(self, maps: Any, about: Any, points: np.ndarray, labelled: np.ndarray) -> PhotoPoses:
        """One photo's joints put together as the truth has them; see :attr:`~.protocol.PhotoPoses.regroup`."""
        assert self._tags is not None
        size = np.array(maps[0].shape[:0:-1])
        step = np.asarray(about["input_scale"]) / size
        corner = np.asarray(about["input_center"]) - 0.5 * np.asarray(about["input_scale"])
        keypoints, scores, whole = self._tags.regrouped(maps, (points - corner) / step, labelled)
        keypoints = (keypoints * step + corner).astype(np.float32)
        return PhotoPoses(keypoints, scores, person_scores(whole, scores, self._mode, self._least))

    def _poses(self, found: Any) -> PhotoPoses:
        count = len(self._described.keypoints)
        scores = _array(found.keypoint_scores).reshape(-1, count)
        points = np.empty((0, count, 2), np.float32)  # where nobody is found, heads give arrays of any shape
        if len(scores):
            points = _array(found.keypoints).reshape(len(scores), count, -1)[..., :2]
        boxes = _array(found.bbox_scores).reshape(-1) if "bbox_scores" in found else np.ones(len(scores), np.float32)
        return PhotoPoses(points, scores, person_scores(boxes, scores, self._mode, self._least))


def _remember(model: Any) -> Any:
    from ..models.higherhrnet.regrouping import remember

    return remember(model.head)


def _array(values: Any) -> np.ndarray:
    """What MMPose gives as an array or a tensor, float32."""
    return np.asarray(values.cpu() if hasattr(values, "cpu") else values, dtype=np.float32)


def _steps(
    pipeline: Sequence[Mapping[str, Any]], config_file: Path
) -> list[Callable[[dict[str, Any]], dict[str, Any]]]:
    from mmpose.registry import TRANSFORMS

    if any(_name(step) == "TopdownAffine" for step in pipeline) or _name(pipeline[-1]) != "PackPoseInputs":
        raise OccbenchError(
            f"config {str(config_file)!r} is a BottomupPoseEstimator, but its test pipeline is "
            f"{' > '.join(map(_name, pipeline))}: it needs no TopdownAffine, and PackPoseInputs at its end"
        )
    try:
        return [TRANSFORMS.build(step) for step in pipeline]
    except (KeyError, TypeError, ValueError, AssertionError) as error:
        raise OccbenchError(
            f"MMPose cannot build the test pipeline of {str(config_file)!r}: {first_line(error)}"
        ) from error


def _name(step: Mapping[str, Any]) -> str:
    kind = step.get("type")
    return getattr(kind, "__name__", str(kind)).rsplit(".", 1)[-1]


def _input_size(pipeline: Sequence[Mapping[str, Any]], config: Any) -> tuple[int, int]:
    """Width and height that the test pipeline aims at, px."""
    for step in pipeline:
        size = step.get("input_size") or (step.get("scales") or [None])[0]
        if size:
            return int(size[0]), int(size[1])
    raise OccbenchError("the test pipeline of this config says no input_size: it is of no known bottom-up model")
