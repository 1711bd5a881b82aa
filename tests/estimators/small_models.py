"""Models small enough to be exported in a moment, and backends of them beside MMPose's own forward pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from occbench.estimators.backends import Backend, Raw, make_backend
from occbench.system.compat import setup_mmpose

SIZE = (64, 48)  # height, width of the crops
EXPORTED = ("openvino", "onnxruntime")
PREPROCESSOR = {
    "type": "PoseDataPreprocessor",
    "mean": [123.675, 116.28, 103.53],
    "std": [58.395, 57.12, 57.375],
    "bgr_to_rgb": True,
}
HEADS: dict[str, dict[str, Any]] = {
    "heatmap": {
        "type": "HeatmapHead",
        "in_channels": 16,
        "out_channels": 17,
        "deconv_out_channels": None,
        "decoder": {"type": "MSRAHeatmap", "input_size": (48, 64), "heatmap_size": (12, 16), "sigma": 1},
    },
    "simcc": {
        "type": "SimCCHead",
        "in_channels": 16,
        "out_channels": 17,
        "input_size": (48, 64),
        "in_featuremap_size": (12, 16),
        "simcc_split_ratio": 2.0,
        "deconv_out_channels": None,
        "decoder": {"type": "SimCCLabel", "input_size": (48, 64), "sigma": 6.0, "simcc_split_ratio": 2.0},
    },
    "regression": {
        "type": "RLEHead",
        "in_channels": 16,
        "num_joints": 17,
        "decoder": {"type": "RegressionLabel", "input_size": (48, 64)},
    },
}


def build(head: str = "heatmap", seed: int = 0, **preprocessor: Any) -> Any:
    """A ResNet of one stage with batch norms that do something, random weights, in evaluation mode."""
    setup_mmpose()
    from mmpose.models import build_pose_estimator

    config: dict[str, Any] = {
        "type": "TopdownPoseEstimator",
        "data_preprocessor": {**PREPROCESSOR, **preprocessor},
        "backbone": {
            "type": "ResNet",
            "depth": 18,
            "num_stages": 1,
            "strides": (1,),
            "dilations": (1,),
            "out_indices": (0,),
            "stem_channels": 16,
            "base_channels": 16,
        },
        "head": HEADS[head],
        "test_cfg": {"flip_test": True},
    }
    if head == "regression":
        config["neck"] = {"type": "GlobalAveragePooling"}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = build_pose_estimator(config).eval()
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                for tensor, low, high in (
                    (module.weight.data, 0.5, 1.5),
                    (module.bias.data, -0.5, 0.5),
                    (module.running_mean, -0.5, 0.5),
                    (module.running_var, 0.5, 1.5),
                ):
                    tensor.uniform_(low, high)
    return model


def crops(count: int, seed: int = 0) -> np.ndarray:
    """Noise, smooth enough to be an image."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (count, SIZE[0] // 8, SIZE[1] // 8, 3), dtype=np.uint8)
    return coarse.repeat(8, axis=1).repeat(8, axis=2)


def oracle(estimator: Any, images: np.ndarray, flip: bool = False) -> Raw:
    """MMPose's own preprocessing of single crops and its forward pass, eager."""
    from mmpose.structures import PoseDataSample

    single = [torch.from_numpy(image.transpose(2, 0, 1).copy()) for image in images]
    with torch.inference_mode():
        inputs = estimator.data_preprocessor({"inputs": single, "data_samples": [PoseDataSample() for _ in single]})
        output = estimator(inputs["inputs"].flip(-1) if flip else inputs["inputs"], None, mode="tensor")
    return output if isinstance(output, tuple) else (output,)


def assert_close(found: Raw | None, expected: Raw, tolerance: float = 1e-5) -> None:
    """Within a part of the range of each tensor."""
    assert found is not None
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == torch.float32
        assert ours.shape == theirs.shape
        assert float((ours - theirs).abs().max()) <= tolerance * float(theirs.max() - theirs.min())


def make(name: str, estimator: Any, cache: Path, weights: str = "0", **options: Any) -> Backend:
    """A backend with what does not matter filled in."""
    settings = {"precision": "fp32", "device": "cpu", "sample": crops(4), "config_sha256": "c", **options}
    return make_backend(name, estimator, weights_sha256=weights, cache=cache, **settings)
