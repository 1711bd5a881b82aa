"""Batched decoding against the oracle, MMPose's own ``head.predict``, on the same raw outputs."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from occbench.compat import setup_mmpose
from occbench.inference import decoding, heatmaps
from occbench.inference.decoding import Raw, find_decoder

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


def compare(
    head: Any,
    test_cfg: dict[str, Any],
    make: Callable[[np.random.Generator], Raw],
    atol: float = 1e-5,
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


@pytest.mark.parametrize("codec", [CODECS["dark"], CODECS["udp"]], ids=["dark", "udp"])
def test_steps_that_magnify_every_rounding(codec: dict[str, Any]) -> None:
    """Noise, as models with random weights put it out, has maxima that are nearly flat."""
    head = heatmap_head(codec)
    for seed in range(40):
        compare(head, {}, lambda rng: to_raw(rng.normal(0, 1, SHAPE)), seed=seed)


def fields_of(maps: Callable[[np.random.Generator], np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Label maps, each with two maps of offsets."""
    offsets = rng.normal(0, 0.5, (2, *SHAPE))
    return np.stack([maps(rng), *offsets], 2).reshape(CROPS, 3 * KEYPOINTS, *SHAPE[2:])


@pytest.mark.parametrize("maps", MAPS.values(), ids=MAPS.keys())
@pytest.mark.parametrize("flip", FLIPS.values(), ids=FLIPS.keys())
def test_label_maps_with_offsets(flip: dict[str, Any], maps: Callable[[np.random.Generator], np.ndarray]) -> None:
    head = heatmap_head(COMBINED, channels=3 * KEYPOINTS)
    compare(head, {**flip, "flip_mode": "udp_combined"}, lambda rng: to_raw(fields_of(maps, rng)))


@pytest.mark.parametrize("flip", FLIPS.values(), ids=FLIPS.keys())
@pytest.mark.parametrize("kind", ["ViPNASHead", "CPMHead"])
def test_heads_like_the_heatmap_head(kind: str, flip: dict[str, Any]) -> None:
    stages = 2 if kind == "CPMHead" else 1
    compare(heatmap_head(CODECS["msra"], kind), flip, lambda rng: to_raw(*(peaked(rng) for _ in range(stages))))


def cases() -> dict[str, tuple[Any, dict[str, Any], Callable[[np.random.Generator], Raw]]]:
    """One head of each kind with realistic outputs: by name the head, its test_cfg and what makes the outputs."""
    found: dict[str, tuple[Any, dict[str, Any], Callable[[np.random.Generator], Raw]]] = {
        name: (heatmap_head(codec), {"flip_test": True}, lambda rng: to_raw(peaked(rng)))
        for name, codec in CODECS.items()
    }
    combined = heatmap_head(COMBINED, channels=3 * KEYPOINTS)
    found["combined"] = (
        combined,
        {"flip_test": True, "flip_mode": "udp_combined"},
        lambda rng: to_raw(fields_of(peaked, rng)),
    )
    for name, codec in SIMCC.items():
        found[f"simcc-{name}"] = simcc_head(codec), {"flip_test": True}, partial(vectors, kind="peaked")
    found["rle"] = regression_head("RLEHead"), {"flip_test": True}, partial(coordinates, numbers=4)
    return found


@pytest.mark.parametrize("name", ["msra", "dark", "dark-17", "udp", "udp-3", "combined", "simcc-dark"])
def test_blur_of_the_gpu(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The blur that runs on a GPU, here on the CPU."""

    def blurred(maps: Any, width: int, height: int, border: heatmaps.Border = "constant") -> Any:
        return heatmaps.blurred_by_matrices(maps, width, height, border)

    monkeypatch.setattr(heatmaps, "blurred_maps", blurred)
    monkeypatch.setattr(decoding, "blurred_maps", blurred)
    compare(*cases()[name], atol=1e-3)


@pytest.mark.parametrize("border", ["constant", "reflect"])
@pytest.mark.parametrize("size", [3, 5, 7, 11, 23])
def test_both_blurs_are_one(size: int, border: heatmaps.Border) -> None:
    maps = to_raw(np.random.default_rng(0).normal(0, 1, (9, 32, 24)))[0]
    for width, height in ((size, size), (size, 1)):
        wanted = heatmaps.blurred_by_opencv(maps.numpy(), width, height, border)
        np.testing.assert_allclose(heatmaps.blurred_by_matrices(maps, width, height, border), wanted, atol=5e-7)


def test_on_a_gpu() -> None:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    for head, test_cfg, make in cases().values():
        rng = np.random.default_rng(7)
        raw, flipped = make(rng), make(rng)
        decoder = find_decoder(head, test_cfg, MIRROR)
        assert decoder is not None
        keypoints, scores = decoder(tuple(t.cuda() for t in raw), tuple(t.cuda() for t in flipped))
        wanted_keypoints, wanted_scores = oracle(head, test_cfg, raw, flipped)
        np.testing.assert_allclose(keypoints, wanted_keypoints, atol=1e-3)
        np.testing.assert_allclose(scores, wanted_scores, atol=1e-5)


@pytest.mark.parametrize("name", ["msra", "dark", "udp", "combined", "simcc-plain", "simcc-dark", "rle"])
def test_a_crop_decodes_alike_in_any_company(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Alone, in a batch, in parts of a batch, and in the memory layout that convolutions prefer."""
    import torch

    head, test_cfg, make = cases()[name]
    rng = np.random.default_rng(3)
    raw, flipped = make(rng), make(rng)
    decoder = find_decoder(head, test_cfg, MIRROR)
    assert decoder is not None
    keypoints, scores = decoder(raw, flipped)
    for crop in range(CROPS):
        alone = decoder(tuple(t[crop : crop + 1] for t in raw), tuple(t[crop : crop + 1] for t in flipped))
        np.testing.assert_array_equal(alone[0][0], keypoints[crop])
        np.testing.assert_array_equal(alone[1][0], scores[crop])
    monkeypatch.setattr(decoding, "PART_BYTES", 2 * sum(tensor[:1].nbytes for tensor in raw))
    layouts = (torch.channels_last, torch.contiguous_format) if raw[0].ndim == 4 else (torch.contiguous_format,)
    for layout in layouts:
        again = decoder(*(tuple(t.contiguous(memory_format=layout) for t in given) for given in (raw, flipped)))
        np.testing.assert_array_equal(again[0], keypoints)
        np.testing.assert_array_equal(again[1], scores)


def test_a_hessian_without_inverse_gives_no_step() -> None:
    """MMPose ends with an error there."""
    hessian = np.array([[[1.0, 1.0], [1.0, 1.0]], [[0.0, 0.0], [0.0, 0.0]], [[2.0, 0.0], [0.0, 4.0]]])
    steps = heatmaps.newton_steps(np.ones((3, 2), np.float32), hessian)
    np.testing.assert_array_equal(steps, [[0, 0], [0, 0], [-0.5, -0.25]])


# SimCC


def vectors(rng: np.random.Generator, kind: str) -> Raw:
    """SimCC outputs (CROPS, KEYPOINTS, length) of both axes."""
    found = []
    for sign, length in zip((1, -1), LENGTHS, strict=True):
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
            "one-axis": sign * rng.uniform(0.1, 1, shape),
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


@pytest.mark.parametrize(
    "kind", ["peaked", "borders", "noise", "negative", "flat", "plateaus", "ties", "mixed", "one-axis"]
)
@pytest.mark.parametrize("flip", FLIPS.values(), ids=FLIPS.keys())
@pytest.mark.parametrize("codec", SIMCC.values(), ids=SIMCC.keys())
def test_simcc(codec: dict[str, Any], flip: dict[str, Any], kind: str) -> None:
    compare(simcc_head(codec), flip, lambda rng: vectors(rng, kind))


@pytest.mark.parametrize("flip", FLIPS.values(), ids=FLIPS.keys())
def test_rtmpose(flip: dict[str, Any]) -> None:
    compare(simcc_head(SIMCC["rtmpose"], "RTMCCHead"), flip, lambda rng: vectors(rng, "peaked"))


# Regression


def coordinates(rng: np.random.Generator, numbers: int) -> Raw:
    return to_raw(rng.normal(0.5, 0.5, (CROPS, KEYPOINTS, numbers)))


@pytest.mark.parametrize("shift", [{}, {"shift_coords": False}], ids=["shift", "no-shift"])
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize(("kind", "numbers"), [("RegressionHead", 2), ("RLEHead", 4)])
def test_regression(kind: str, numbers: int, flip: bool, shift: dict[str, Any]) -> None:
    make = partial(coordinates, numbers=numbers)
    compare(regression_head(kind), {"flip_test": flip, **shift}, make)


# What is not decoded here


def refused() -> dict[str, tuple[Any, dict[str, Any], list[int]]]:
    """By reason a head, its test_cfg and flip indices that only MMPose decodes."""
    setup_mmpose()
    from mmpose.codecs import MSRAHeatmap
    from mmpose.models.heads import HeatmapHead

    class OtherHead(HeatmapHead):
        """Whatever it does."""

    class OtherCodec(MSRAHeatmap):
        """Whatever it does."""

    msra, flip = CODECS["msra"], {"flip_test": True}
    subclass = OtherHead(8, KEYPOINTS, deconv_out_channels=None, decoder=dict(msra))
    with_subclass = heatmap_head(msra)
    with_subclass.decoder = OtherCodec(INPUT_SIZE, MAP_SIZE, sigma=2)
    without = heatmap_head(msra)
    without.decoder = None
    megvii = {"type": "MegviiHeatmap", "kernel_size": 11, **HEATMAPS}
    integral = {"type": "IntegralRegressionLabel", "sigma": 2, **HEATMAPS}
    dsnt = build(
        {"type": "DSNTHead", "in_channels": 8, "in_featuremap_size": (3, 4), "num_joints": KEYPOINTS}, integral
    )
    return {
        "a subclass of a head": (subclass, {}, MIRROR),
        "a subclass of a codec": (with_subclass, {}, MIRROR),
        "no codec": (without, {}, MIRROR),
        "another codec": (heatmap_head(megvii), {}, MIRROR),
        "another head": (dsnt, {}, MIRROR),
        "a head with the codec of another": (heatmap_head(SIMCC["plain"]), {}, MIRROR),
        "regression with the codec of heatmaps": (regression_head("RLEHead", msra), {}, MIRROR),
        "an option that nobody reads": (heatmap_head(msra), {"rescale": True}, MIRROR),
        "some of the keypoints": (heatmap_head(msra), {"output_keypoint_indices": [0, 1]}, MIRROR),
        "a flip of offsets": (heatmap_head(msra), {**flip, "flip_mode": "offset"}, MIRROR),
        "a flip of labels with offsets": (heatmap_head(CODECS["udp"]), {**flip, "flip_mode": "udp_combined"}, MIRROR),
        "a plain flip of offsets": (heatmap_head(COMBINED, channels=3 * KEYPOINTS), flip, MIRROR),
        "the mirror of other keypoints": (heatmap_head(msra), flip, [0, 2, 1]),
        "the mirror of other vectors": (simcc_head(SIMCC["plain"]), flip, [0, 2, 1]),
        "the mirror of other joints": (regression_head("RLEHead"), flip, [0, 2, 1]),
        "a blur that MMPose refuses": (heatmap_head({**CODECS["dark"], "blur_kernel_size": 10}), {}, MIRROR),
        "a blur of one px": (heatmap_head({**CODECS["udp"], "blur_kernel_size": 1}), {}, MIRROR),
        "a blur of one bin": (simcc_head({**SIMCC["dark"], "sigma": 0.5}), {}, MIRROR),
        "visibility": (simcc_head({**SIMCC["plain"], "decode_visibility": True}), {}, MIRROR),
    }


def test_refuses_what_it_does_not_know() -> None:
    for reason, (head, test_cfg, mirror) in refused().items():
        assert find_decoder(head, test_cfg, mirror) is None, reason


def test_heatmaps_that_are_put_out_as_well_change_nothing() -> None:
    cfg = {"flip_test": True, "output_heatmaps": True}
    compare(heatmap_head(CODECS["msra"]), cfg, lambda rng: to_raw(peaked(rng)))


def test_refuses_a_flip_test_that_is_none() -> None:
    raw = to_raw(peaked(np.random.default_rng(0)))
    for flip, flipped in ((True, None), (False, raw)):
        decoder = find_decoder(heatmap_head(CODECS["msra"]), {"flip_test": flip}, MIRROR)
        assert decoder is not None
        with pytest.raises(ValueError, match="flip test"):
            decoder(raw, flipped)
