"""Batched decoding against the oracle, MMPose's own ``head.predict``, on the same raw outputs."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from occbench.compat import setup_mmpose
from occbench.inference import decoding
from occbench.inference.decoding import Raw, find_decoder

if TYPE_CHECKING:
    import torch

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
            **{"hidden_dims": 16, "s": 8, "expansion_factor": 2, "dropout_rate": 0.0, "drop_path": 0.0},
            **{"act_fn": "SiLU", "use_rel_bias": False, "pos_enc": False},
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


def compare(
    head: Any, test_cfg: dict[str, Any], make: Callable[[np.random.Generator], Raw], atol: float = 1e-5
) -> None:
    """Decode made-up outputs both ways."""
    rng = np.random.default_rng(7)
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
    np.testing.assert_allclose(keypoints, wanted_keypoints, atol=atol, rtol=1e-6)
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


def at_borders(rng: np.random.Generator) -> np.ndarray:
    """Maxima in the outer three rows and columns, on the pixel."""
    maps = rng.uniform(0, 0.5, SHAPE)
    for crop in range(SHAPE[0]):
        for keypoint in range(SHAPE[1]):
            x, y = (int(rng.choice([0, 1, 2, n // 2, n - 3, n - 2, n - 1])) for n in (SHAPE[3], SHAPE[2]))
            maps[crop, keypoint, y, x] = 1
    return maps


def flat(rng: np.random.Generator) -> np.ndarray:
    return np.broadcast_to(rng.choice([0.0, 0.3, -0.2, 1e-6], SHAPE[:2])[..., None, None], SHAPE)


def plateaus(rng: np.random.Generator) -> np.ndarray:
    return np.minimum(peaked(rng), 0.1)


def ties(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(-1, 3, SHAPE) / 2


def mixed(rng: np.random.Generator) -> np.ndarray:
    """In each crop some maps with a peak, some of zeros, some negative ones."""
    kinds = np.stack([peaked(rng), np.zeros(SHAPE), -rng.uniform(0.1, 1, SHAPE), flat(rng)])
    choice = rng.integers(0, len(kinds), SHAPE[:2])[None, ..., None, None]
    return np.take_along_axis(kinds, choice, axis=0)[0]


MAPS: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "peaked": peaked,
    "borders": at_borders,
    "noise": lambda rng: rng.normal(0, 1, SHAPE),
    "negative": lambda rng: -rng.uniform(0.1, 1, SHAPE),
    "flat": flat,
    "plateaus": plateaus,
    "ties": ties,
    "mixed": mixed,
}

CODECS: dict[str, dict[str, Any]] = {
    "msra": {"type": "MSRAHeatmap", "sigma": 2, **HEATMAPS},
    "dark": {"type": "MSRAHeatmap", "sigma": 2, "unbiased": True, **HEATMAPS},
    "dark-17": {"type": "MSRAHeatmap", "sigma": 3, "unbiased": True, "blur_kernel_size": 17, **HEATMAPS},
    "udp": {"type": "UDPHeatmap", **HEATMAPS},
    "udp-3": {"type": "UDPHeatmap", "blur_kernel_size": 3, **HEATMAPS},
}
COMBINED = {"type": "UDPHeatmap", "heatmap_type": "combined", **HEATMAPS}


@pytest.mark.parametrize("maps", MAPS.values(), ids=MAPS.keys())
@pytest.mark.parametrize("flip", FLIPS.values(), ids=FLIPS.keys())
@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS.keys())
def test_heatmaps(
    codec: dict[str, Any], flip: dict[str, Any], maps: Callable[[np.random.Generator], np.ndarray]
) -> None:
    compare(heatmap_head(codec), flip, lambda rng: to_raw(maps(rng)))


@pytest.mark.parametrize("maps", MAPS.values(), ids=MAPS.keys())
@pytest.mark.parametrize("flip", FLIPS.values(), ids=FLIPS.keys())
def test_label_maps_with_offsets(flip: dict[str, Any], maps: Callable[[np.random.Generator], np.ndarray]) -> None:
    def fields(rng: np.random.Generator) -> Raw:
        offsets = rng.normal(0, 0.5, (2, *SHAPE))
        return to_raw(np.stack([maps(rng), *offsets], 2).reshape(CROPS, 3 * KEYPOINTS, *SHAPE[2:]))

    cfg = {**flip, "flip_mode": "udp_combined"}
    compare(heatmap_head(COMBINED, channels=3 * KEYPOINTS), cfg, fields)


@pytest.mark.parametrize("flip", FLIPS.values(), ids=FLIPS.keys())
@pytest.mark.parametrize("kind", ["ViPNASHead", "CPMHead"])
def test_heads_like_the_heatmap_head(kind: str, flip: dict[str, Any]) -> None:
    stages = 2 if kind == "CPMHead" else 1
    compare(heatmap_head(CODECS["msra"], kind), flip, lambda rng: to_raw(*(peaked(rng) for _ in range(stages))))


@pytest.mark.parametrize("codec", [*CODECS.values(), COMBINED], ids=[*CODECS, "combined"])
@pytest.mark.parametrize("channels_last", [False, True])
def test_heatmaps_of_common_size(codec: dict[str, Any], channels_last: bool) -> None:
    """17 keypoints, 64 x 48, in either memory layout."""


def vectors(rng: np.random.Generator, kind: str) -> Raw:
    """SimCC outputs (CROPS, KEYPOINTS, length) of both axes."""
    found = []
    for length in LENGTHS:
        shape = (CROPS, KEYPOINTS, length)
        centre = rng.uniform(-1, length, shape[:2])[..., None]
        if kind == "borders":
            centre = rng.choice([0, 1, 2, 3, length - 3, length - 2, length - 1], shape[:2])[..., None]
        peaks = rng.uniform(0.05, 1, shape[:2])[..., None] * np.exp(-((np.arange(length) - centre) ** 2) / 72)
        kinds = {
            "noise": rng.normal(0, 1, shape),
            "negative": -rng.uniform(0.1, 1, shape),
            "flat": np.broadcast_to(rng.choice([0.0, 0.3, -0.2], shape[:2])[..., None], shape),
            "ties": rng.integers(-1, 3, shape) / 2,
            "plateaus": np.minimum(peaks, 0.1),
        }
        kinds["mixed"] = np.where(rng.random(shape[:2])[..., None] < 0.5, peaks, kinds["flat"])
        found.append(kinds.get(kind, peaks + rng.normal(0, 0.005, shape)))
    return to_raw(*found)


SIMCC: dict[str, dict[str, Any]] = {
    "plain": {"type": "SimCCLabel", "input_size": INPUT_SIZE},
    "rtmpose": {"type": "SimCCLabel", "input_size": INPUT_SIZE, "sigma": (4.9, 5.66), "normalize": False},
    "dark": {"type": "SimCCLabel", "input_size": INPUT_SIZE, "sigma": (4.9, 5.66), "use_dark": True},
    "dark-ratio-3": {"type": "SimCCLabel", "input_size": INPUT_SIZE, "simcc_split_ratio": 3.0, "use_dark": True},
}


@pytest.mark.parametrize("kind", ["peaked", "borders", "noise", "negative", "flat", "plateaus", "ties", "mixed"])
@pytest.mark.parametrize("flip", FLIPS.values(), ids=FLIPS.keys())
@pytest.mark.parametrize("codec", SIMCC.values(), ids=SIMCC.keys())
def test_simcc(codec: dict[str, Any], flip: dict[str, Any], kind: str) -> None:
    compare(simcc_head(codec), flip, lambda rng: vectors(rng, kind))


@pytest.mark.parametrize("flip", FLIPS.values(), ids=FLIPS.keys())
def test_rtmpose(flip: dict[str, Any]) -> None:
    compare(simcc_head(SIMCC["rtmpose"], "RTMCCHead"), flip, lambda rng: vectors(rng, "peaked"))


@pytest.mark.parametrize("shift", [{}, {"shift_coords": False}], ids=["shift", "no-shift"])
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize(("kind", "numbers"), [("RegressionHead", 2), ("RLEHead", 4)])
def test_regression(kind: str, numbers: int, flip: bool, shift: dict[str, Any]) -> None:
    def coordinates(rng: np.random.Generator) -> Raw:
        return to_raw(rng.normal(0.5, 0.5, (CROPS, KEYPOINTS, numbers)))

    compare(regression_head(kind), {"flip_test": flip, **shift}, coordinates)
