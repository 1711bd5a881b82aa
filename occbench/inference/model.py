"""A pose model: an MMPose config, its weights, and prediction of crops by MMPose's own test step."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..checkpoints import load_into, load_state_dict
from ..compat import setup_mmpose
from ..errors import OccbenchError
from .crops import Crop, CropPipeline


class PoseModel:
    """A top-down pose estimator of MMPose, ready to predict.

    Args:
        config_file: An MMPose config.
        checkpoint: Its weights; they must fit exactly.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``...
        flip: Whether to average with the mirrored crop; None for what the config says.
        trust: Unpickle the checkpoint even where that can run code.

    Raises:
        OccbenchError: The config or the weights are not what they should be.
    """

    def __init__(
        self, config_file: Path, checkpoint: Path, device: str = "cpu", flip: bool | None = None, trust: bool = False
    ) -> None:
        setup_mmpose()
        import torch
        from mmpose.models import build_pose_estimator

        self.config = read_config(config_file)
        if flip is not None:
            self.config.model.setdefault("test_cfg", {})["flip_test"] = flip
        self.crops = CropPipeline(self.config)
        # MMPose would fetch the backbone's ImageNet weights, which the checkpoint replaces anyway.
        self.config.model.get("backbone", {}).pop("init_cfg", None)
        try:
            model = build_pose_estimator(self.config.model)
        except (KeyError, TypeError, AttributeError, ValueError, AssertionError, ImportError) as error:
            raise OccbenchError(f"MMPose cannot build the model of {str(config_file)!r}: {_reason(error)}") from error
        load_into(model, load_state_dict(checkpoint, trust=trust), str(checkpoint))
        try:
            self._model = model.to(torch.device(device)).eval()
        except (RuntimeError, AssertionError) as error:
            raise OccbenchError(f"device {device!r} cannot be used: {_reason(error)}") from error
        self._no_grad = torch.inference_mode

    @property
    def keypoints(self) -> int | None:
        """How many keypoints the config says it predicts; None where the head does not say."""
        head = self.config.model.get("head", {})
        count = head.get("out_channels") or head.get("num_joints")
        return count if isinstance(count, int) else None

    @property
    def flip(self) -> bool:
        """Whether the flip test is on."""
        return bool(self._model.test_cfg.get("flip_test", False))

    def predict(self, images: Sequence[np.ndarray], crops: Sequence[Crop]) -> tuple[np.ndarray, np.ndarray]:
        """Estimate one pose per crop.

        Args:
            images: What the network sees, each (h, w, 3), uint8, BGR: the crops' images, attacked or not.
            crops: Whose they are.

        Returns:
            Keypoints, shape (B, K, 2), float32, image px, and their scores, shape (B, K), float32.
        """
        from mmcv.transforms.formatting import to_tensor

        inputs = [to_tensor(np.ascontiguousarray(image.transpose(2, 0, 1))) for image in images]
        with self._no_grad():
            results = self._model.test_step({"inputs": inputs, "data_samples": [crop.sample for crop in crops]})
        found = [result.pred_instances for result in results]
        keypoints = np.concatenate([np.asarray(p.keypoints, dtype=np.float32)[..., :2] for p in found])
        scores = np.concatenate([np.asarray(p.keypoint_scores, dtype=np.float32) for p in found])
        return keypoints, scores


def _reason(error: BaseException) -> str:
    """The first line of what went wrong."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def read_config(path: Path) -> Any:
    """Read an MMPose config.

    Raises:
        OccbenchError: It is missing, broken, or no pose model's.
    """
    setup_mmpose()
    from mmengine.config import Config

    if not path.is_file():
        raise OccbenchError(f"config {str(path)!r} does not exist")
    try:
        config = Config.fromfile(path)
    except Exception as error:  # a config is Python: anything can go wrong in it
        raise OccbenchError(f"config {str(path)!r} cannot be read: {type(error).__name__}: {error}") from error
    if "model" not in config:
        raise OccbenchError(f"config {str(path)!r} defines no 'model'")
    if not isinstance(config.model, dict):
        raise OccbenchError(f"config {str(path)!r} has a 'model' that is no dictionary")
    if config.model.get("type") != "TopdownPoseEstimator":
        raise OccbenchError(
            f"config {str(path)!r} is a {config.model.get('type')}; attacks work in the crop of one person, "
            "so the model must be a TopdownPoseEstimator"
        )
    return config


def pick_device(name: str) -> str:
    """The device of a name; ``auto`` is the first GPU where there is one, else the CPU."""
    import torch

    if name != "auto":
        return name
    return "cuda" if torch.cuda.is_available() else "cpu"
