"""Heads of MMPose that return the raw outputs they are given, and their own ``predict`` as the oracle."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from occbench.estimators.batch_decoder import Raw
from occbench.estimators.decoding import find_decoder
from occbench.system.compat import setup_mmpose

CROPS, MIRROR = 6, [0, 2, 1, 4, 3]
KEYPOINTS = len(MIRROR)
INPUT_SIZE, MAP_SIZE = (96, 128), (24, 32)  # width, height
HEATMAPS = {"input_size": INPUT_SIZE, "heatmap_size": MAP_SIZE}
LENGTHS = (192, 256)  # of SimCC's vectors
FLIPS: dict[str, dict[str, Any]] = {
    "no-flip": {"flip_test": False},
    "flip": {"flip_test": True, "flip_mode": "heatmap"},
    "shift": {"flip_test": True, "shift_heatmap": True, "shift_coords": False},
}


def build(head: dict[str, Any], codec: dict[str, Any]) -> Any:
    """A head whose ``forward`` returns what it is given: raw outputs instead of features."""
    setup_mmpose()
    from mmpose.registry import MODELS

    built = MODELS.build({**copy.deepcopy(head), "decoder": copy.deepcopy(codec)})
    built.forward = lambda raw: raw
    return built


def heatmap_head(codec: dict[str, Any], kind: str = "HeatmapHead", channels: int = KEYPOINTS) -> Any:
    head: dict[str, Any] = {"type": kind, "in_channels": 8, "out_channels": channels, "deconv_out_channels": None}
    if kind == "CPMHead":
        head["num_stages"] = 2
    return build(head, codec)


def simcc_head(codec: dict[str, Any], kind: str = "SimCCHead") -> Any:
    head: dict[str, Any] = {"type": kind, "in_channels": 8, "out_channels": KEYPOINTS, "input_size": INPUT_SIZE}
    head["in_featuremap_size"] = (3, 4)
    if kind == "SimCCHead":
        head["deconv_out_channels"] = None
    else:
        head["gau_cfg"] = {
            "hidden_dims": 16,
            "s": 8,
            "expansion_factor": 2,
            "dropout_rate": 0.0,
            "drop_path": 0.0,
            "act_fn": "SiLU",
            "use_rel_bias": False,
            "pos_enc": False,
        }
    return build(head, codec)


def regression_head(kind: str, codec: dict[str, Any] | None = None) -> Any:
    head = {"type": kind, "in_channels": 8, "num_joints": KEYPOINTS}
    return build(head, codec or {"type": "RegressionLabel", "input_size": INPUT_SIZE})


def oracle(head: Any, test_cfg: dict[str, Any], raw: Raw, flipped: Raw | None) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints (B, K, 2) and scores (B, K) of ``head.predict``, which may write into what it is given."""
    from mmpose.structures import PoseDataSample

    sample = PoseDataSample(metainfo={"flip_indices": MIRROR, "input_size": INPUT_SIZE})

    def output(tensors: Raw) -> Any:
        clones = tuple(tensor.clone() for tensor in tensors)
        return clones if len(clones) > 1 else clones[0]

    features = output(raw) if flipped is None else [output(raw), output(flipped)]
    with np.errstate(all="ignore"):
        found = head.predict(features, [sample] * len(raw[0]), test_cfg)
    found = found[0] if isinstance(found, tuple) else found
    return np.concatenate([f.keypoints for f in found]), np.concatenate([f.keypoint_scores for f in found])


def refine_in_double(keypoints: np.ndarray, heatmaps: np.ndarray, blur_kernel_size: int) -> np.ndarray:
    """MMPose's ``refine_keypoints_dark`` as it calculates under NumPy 1: float32 scalars times a number are doubles."""
    from mmpose.codecs.utils.refinement import gaussian_blur

    maps = gaussian_blur(heatmaps, blur_kernel_size)
    maps = np.log(np.maximum(maps, 1e-10))
    height, width = maps.shape[1:]
    for k, (x, y) in enumerate(keypoints[0, :, :2].astype(int)):
        if not (1 < x < width - 2 and 1 < y < height - 2):
            continue
        near = maps[k, y - 2 : y + 3, x - 2 : x + 3]
        slope = 0.5 * np.array([near[2, 3] - near[2, 1], near[3, 2] - near[1, 2]], np.float64)
        mixed = 0.25 * float(near[3, 3] - near[1, 3] - near[3, 1] + near[1, 1])
        near = near.astype(np.float64)
        dxx = 0.25 * (near[2, 4] - 2 * near[2, 2] + near[2, 0])
        dyy = 0.25 * (near[4, 2] - 2 * near[2, 2] + near[0, 2])
        if dxx * dyy - mixed**2 != 0:
            keypoints[0, k, :2] -= np.linalg.inv([[dxx, mixed], [mixed, dyy]]) @ slope
    return keypoints


def compare(
    head: Any,
    test_cfg: dict[str, Any],
    make: Callable[[np.random.Generator], Raw],
    atol: float = 1e-5,
    rtol: float = 1e-6,
    seed: int = 7,
) -> None:
    """Decode made-up outputs both ways."""
    rng = np.random.default_rng(seed)
    raw, flipped = make(rng), make(rng) if test_cfg.get("flip_test") else None
    given = [tensor.clone() for tensor in (*raw, *(flipped or ()))]
    decoder = find_decoder(head, test_cfg, MIRROR)
    assert decoder is not None
    keypoints, scores = decoder(raw, flipped)
    assert keypoints.shape == (CROPS, KEYPOINTS, 2)
    assert keypoints.dtype == scores.dtype == np.float32
    for before, after in zip(given, (*raw, *(flipped or ())), strict=True):
        np.testing.assert_array_equal(before, after)  # a backend may own them
    wanted_keypoints, wanted_scores = oracle(head, test_cfg, raw, flipped)
    np.testing.assert_allclose(keypoints, wanted_keypoints, atol=atol, rtol=rtol)
    np.testing.assert_allclose(scores, wanted_scores, atol=1e-7, rtol=0)


def to_raw(*arrays: np.ndarray) -> Raw:
    import torch

    return tuple(torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32)) for array in arrays)


# Heatmaps, (CROPS, KEYPOINTS, height, width)

SHAPE = (CROPS, KEYPOINTS, MAP_SIZE[1], MAP_SIZE[0])


def bumps(rng: np.random.Generator, x: np.ndarray, y: np.ndarray, sigma: float = 2.0) -> np.ndarray:
    """Gaussians of random height around points (CROPS, KEYPOINTS), with noise, as networks put them out."""
    height = rng.uniform(0.02, 1, SHAPE[:2])[..., None, None]
    rows, columns = np.arange(SHAPE[2])[:, None], np.arange(SHAPE[3])
    distances = (columns - x[..., None, None]) ** 2 + (rows - y[..., None, None]) ** 2
    return height * np.exp(-distances / (2 * sigma**2)) + rng.normal(0, 0.01, SHAPE) * height


def peaked(rng: np.random.Generator) -> np.ndarray:
    return bumps(rng, rng.uniform(-1, SHAPE[3], SHAPE[:2]), rng.uniform(-1, SHAPE[2], SHAPE[:2]))


CODECS: dict[str, dict[str, Any]] = {
    "msra": {"type": "MSRAHeatmap", "sigma": 2, **HEATMAPS},
    "dark": {"type": "MSRAHeatmap", "sigma": 2, "unbiased": True, **HEATMAPS},
    "dark-17": {"type": "MSRAHeatmap", "sigma": 3, "unbiased": True, "blur_kernel_size": 17, **HEATMAPS},
    "udp": {"type": "UDPHeatmap", **HEATMAPS},
    "udp-3": {"type": "UDPHeatmap", "blur_kernel_size": 3, **HEATMAPS},
}
COMBINED = {"type": "UDPHeatmap", "heatmap_type": "combined", **HEATMAPS}
SIMCC: dict[str, dict[str, Any]] = {
    "plain": {"type": "SimCCLabel", "input_size": INPUT_SIZE},
    "rtmpose": {"type": "SimCCLabel", "input_size": INPUT_SIZE, "sigma": (4.9, 5.66), "normalize": False},
    "dark": {"type": "SimCCLabel", "input_size": INPUT_SIZE, "sigma": (4.9, 5.66), "use_dark": True},
    "dark-ratio-3": {"type": "SimCCLabel", "input_size": INPUT_SIZE, "simcc_split_ratio": 3.0, "use_dark": True},
}
