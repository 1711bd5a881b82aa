"""An image pyramid: the same as a plain loop over MMPose's own transforms, forward pass and decoding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from occbench.attacks import COCO, Attack
from occbench.data.coco import read_coco
from occbench.data.synthetic import generate
from occbench.estimators.pose_model import PoseModel
from occbench.estimators.scales import averaged, parse_scales, rescaled
from occbench.inference.engine import attack_crop, predict_cells
from occbench.system.errors import OccbenchError
from occbench.weights.zoo import find_model

SIX = (0.8, 0.9, 1.0, 1.1, 1.2, 1.3)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(2, 3, tmp_path_factory.mktemp("people") / "set")


def mini(scales: tuple[float, ...], flip: bool | None = None) -> PoseModel:
    chosen = find_model("hrnet-mini")
    return PoseModel(chosen.config_path, Path(str(chosen.checkpoint)), flip=flip, scales=scales)


def plain_loop(model: PoseModel, image: np.ndarray, center: np.ndarray, scale: np.ndarray, flip: bool) -> np.ndarray:
    """One crop (h, w, 3): MMPose's TopdownAffine on the crop as if it were a photo, its forward pass, its flip, a loop
    over heatmap px for the average, and its codec; keypoints (K, 2) in image px."""
    import torch
    from mmpose.models.utils.tta import flip_heatmaps
    from mmpose.registry import TRANSFORMS

    estimator: Any = model._model
    height, width = image.shape[:2]
    affine = TRANSFORMS.build({"type": "TopdownAffine", "input_size": (width, height)})
    total: Any = 0
    count: Any = 0
    for size in SIX:
        box = {"bbox_center": np.array([[width / 2, height / 2]], np.float32)}
        box |= {"bbox_scale": np.array([[width / size, height / size]], np.float32)}
        seen = affine({"img": image, **box})["img"]
        with torch.no_grad():
            given = {"inputs": [torch.from_numpy(seen.transpose(2, 0, 1).copy())], "data_samples": []}
            inputs = estimator.data_preprocessor(given)["inputs"]
            maps = estimator(inputs, None, mode="tensor")
            if flip:
                mirrored = estimator(inputs.flip(-1), None, mode="tensor")
                cfg = estimator.test_cfg
                indices = list(model.crops.flip_indices)
                mirrored = flip_heatmaps(mirrored, indices, shift_heatmap=cfg.get("shift_heatmap", False))
                maps = (maps + mirrored) * 0.5
        maps = maps[0].numpy().astype(np.float64)
        rows, columns = maps.shape[1:]
        back, shows = np.zeros_like(maps), np.zeros((rows, columns))
        for y in range(rows):
            for x in range(columns):
                u, v = columns / 2 + size * (x - columns / 2), rows / 2 + size * (y - rows / 2)
                if not (0 <= u <= columns - 1 and 0 <= v <= rows - 1):
                    continue
                i, j = min(int(u), columns - 2), min(int(v), rows - 2)
                a, b = u - i, v - j
                upper = (1 - a) * maps[:, j, i] + a * maps[:, j, i + 1]
                lower = (1 - a) * maps[:, j + 1, i] + a * maps[:, j + 1, i + 1]
                back[:, y, x], shows[y, x] = (1 - b) * upper + b * lower, 1
        total, count = total + back, count + shows
    keypoints, _ = estimator.head.decoder.decode((total / np.maximum(count, 1)).astype(np.float32))
    found: np.ndarray = keypoints[0] / (width, height) * scale + center - 0.5 * scale
    return found


@pytest.mark.parametrize("flip", [True, False])
def test_six_scales_are_those_of_a_plain_loop(people: Path, flip: bool) -> None:
    model = mini(SIX, flip)
    persons = read_coco(people, people.parent / "images").persons[:2]
    attack = Attack("part", "blackout", "left_arm")
    crops = list(model.crops.cut_all(persons))
    model.use("torch", "fp32", crops)
    cells, _ = predict_cells(model, persons, [attack], COCO)
    for i, crop in enumerate(crops):
        hidden, _ = attack_crop(crop, attack, COCO, "corrected", 0)
        for cell, image in zip(cells, (crop.image, hidden), strict=True):
            expected = plain_loop(model, image, crop.center, crop.scale, flip)
            np.testing.assert_allclose(cell.keypoints[i], expected, atol=2e-3)
    assert cells[1].attacked.any()
    alone = mini((), flip)
    alone.use("torch", "fp32", crops)
    single, _ = predict_cells(alone, persons, [attack], COCO)
    assert np.abs(single[0].keypoints - cells[0].keypoints).max() > 0.05


@pytest.mark.parametrize("udp", [False, True])
def test_a_point_stays_where_it_is(udp: bool) -> None:
    """A spot that each scale shows where it belongs is found in its own place, by every scale that shows it."""
    import torch

    height, width = 64, 48
    factor = (191 / 47, 255 / 63) if udp else (4.0, 4.0)  # MMPose's two rules for crop px per heatmap px
    spot = np.array([17.0, 39.0])
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1)
    maps = []
    for scale in SIX:
        middle = np.array([96, 128]) / factor
        seen = middle + scale * (spot - middle)
        bump = np.exp(-((grid - seen) ** 2).sum(-1) / (2 * 2.0**2 * scale**2))
        maps.append((scale, torch.from_numpy(bump[None, None].astype(np.float32))))
    mean = averaged(maps, factor, (width * 4, height * 4))[0, 0].numpy()
    assert np.unravel_index(mean.argmax(), mean.shape) == (39, 17)
    assert mean.max() == pytest.approx(1, abs=0.05)
    ones = averaged([(s, torch.ones(1, 1, height, width)) for s in SIX], factor, (width * 4, height * 4))
    np.testing.assert_allclose(ones.numpy(), 1, atol=1e-6)  # no edge is darker for being shown by fewer scales


def test_the_hidden_region_is_the_same_at_every_scale() -> None:
    image = np.random.default_rng(0).integers(60, 256, (1, 64, 48, 3), dtype=np.uint8)
    hidden = image.copy()
    hidden[:, 20:31, 15:30] = 0
    for scale in SIX:
        before, after = rescaled(image, scale)[0], rescaled(hidden, scale)[0]
        changed = (before != after).any(-1)
        ys, xs = np.nonzero(changed)
        back = np.stack([(xs - 24) / scale + 24, (ys - 32) / scale + 32])
        assert (back.min(1) > [14 - 1, 19 - 1]).all()
        assert (back.max(1) < [30 + 1, 31 + 1]).all()
        assert changed.sum() == pytest.approx(11 * 15 * scale**2, rel=0.3)
        assert before.shape == image.shape[1:]
    corner = rescaled(image, 0.8)[0, 0, 0]
    assert corner.tolist() == [0, 0, 0]
    assert rescaled(image, 1.0) is image
    centre = cv2.warpAffine(image[0], np.float32([[1.3, 0, -0.3 * 24], [0, 1.3, -0.3 * 32]]), (48, 64))
    assert np.abs(rescaled(image, 1.3)[0].astype(int) - centre).max() <= 8  # cv2 rounds to 1/32 px


@pytest.mark.parametrize("name", ["rle", "rtmpose-m"])
def test_models_without_heatmaps_are_refused(name: str, tmp_path: Path) -> None:
    import torch
    from mmpose.models import build_pose_estimator

    chosen = find_model(name)
    from occbench.estimators.config import read_config

    config = read_config(chosen.config_path)
    config.model.get("backbone", {}).pop("init_cfg", None)
    torch.save(build_pose_estimator(config.model).state_dict(), tmp_path / "random.pth")
    with pytest.raises(OccbenchError, match=r"--scales averages heatmaps, but \w+Head of .* gives none"):
        PoseModel(chosen.config_path, tmp_path / "random.pth", scales=SIX)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (["x"], "numbers from 0.25 to 4"),
        (["nan", "1"], "numbers from 0.25 to 4"),
        (["0.1", "1"], "but got 0.1,1"),
        (["1", "5"], "but got 1,5"),
        (["1", "1.0"], "names a scale twice"),
        (["1.1", "1.2"], "never shows the whole crop"),
        ([str(1 + i / 100) for i in range(17)], "up to 16 numbers"),
    ],
)
def test_bad_scales(values: list[str], words: str) -> None:
    with pytest.raises(OccbenchError, match=words):
        parse_scales(values)


def test_scales_are_sorted_and_one_alone_is_none() -> None:
    assert parse_scales(["1.3", "0.8", "1"]) == (0.8, 1.0, 1.3)
    assert parse_scales(["1"]) == parse_scales([]) == ()
