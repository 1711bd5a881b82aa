"""Batched decoding against the oracle, MMPose's own ``head.predict``, on the same raw outputs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from occbench.estimators import batch_decoder, heatmaps
from occbench.estimators import coordinates as coordinate_decoders
from occbench.estimators.batch_decoder import Raw
from occbench.estimators.decoding import find_decoder

from .decoded_heads import (
    CODECS,
    COMBINED,
    CROPS,
    FLIPS,
    KEYPOINTS,
    LENGTHS,
    MIRROR,
    SHAPE,
    SIMCC,
    compare,
    heatmap_head,
    oracle,
    peaked,
    refine_in_double,
    regression_head,
    simcc_head,
    to_raw,
)


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


@pytest.mark.parametrize("maps", MAPS.values(), ids=MAPS.keys())
@pytest.mark.parametrize("flip", FLIPS.values(), ids=FLIPS.keys())
@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS.keys())
def test_heatmaps(
    codec: dict[str, Any], flip: dict[str, Any], maps: Callable[[np.random.Generator], np.ndarray]
) -> None:
    compare(heatmap_head(codec), flip, lambda rng: to_raw(maps(rng)))


NUMPY_1 = np.lib.NumpyVersion(np.__version__) < "2.0.0"


@pytest.mark.parametrize("name", ["dark", "udp", "dark in double"])
def test_steps_that_magnify_every_rounding(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Noise, as models with random weights put it out, has maxima that are nearly flat.

    Under NumPy 2 MMPose's DARK calculates in float32 (`0.5 * np.float32`, NEP 50), and here that is seen; in double
    precision, as under NumPy 1, it says what we say under both.
    """
    head = heatmap_head(CODECS[name.split()[0]])
    from mmpose.codecs import msra_heatmap

    if name == "dark in double":
        monkeypatch.setattr(msra_heatmap, "refine_keypoints_dark", refine_in_double)
    rtol = 1e-6 if NUMPY_1 or name != "dark" else 2e-3
    for seed in range(40):
        compare(head, {}, lambda rng: to_raw(rng.normal(0, 1, SHAPE)), rtol=rtol, seed=seed)


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
    monkeypatch.setattr(coordinate_decoders, "blurred_maps", blurred)
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
    monkeypatch.setattr(batch_decoder, "PART_BYTES", 2 * sum(tensor[:1].nbytes for tensor in raw))
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


def test_a_model_of_several_data_sets_gives_the_keypoints_of_one() -> None:
    """MMPose selects them after decoding."""
    head, kept = heatmap_head(CODECS["msra"]), [2, 0]
    raw = to_raw(peaked(np.random.default_rng(2)))
    every, some = find_decoder(head, {}, MIRROR), find_decoder(head, {"output_keypoint_indices": kept}, MIRROR)
    assert every is not None
    assert some is not None
    for whole, part in zip(every(raw, None), some(raw, None), strict=True):
        np.testing.assert_array_equal(part, whole[:, kept])


def test_the_mirror_knows_the_keypoints_that_are_kept() -> None:
    """The data set has fewer keypoints than the model."""
    head, kept = heatmap_head(CODECS["msra"], channels=7), [4, 1, 6, 2, 0]  # MIRROR is of five
    shape = (CROPS, 7, *SHAPE[2:])
    rng = np.random.default_rng(3)
    raw, flipped = (to_raw(rng.uniform(0, 1, shape)) for _ in range(2))
    some = find_decoder(head, {"flip_test": True, "output_keypoint_indices": kept}, MIRROR)
    few = find_decoder(heatmap_head(CODECS["msra"]), {"flip_test": True}, MIRROR)
    assert some is not None
    assert few is not None
    expected = few(*(tuple(tensor[:, kept] for tensor in tensors) for tensors in (raw, flipped)))
    for found, wanted in zip(some(raw, flipped), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)
