"""Trainings in phases, and on keypoints that MMPose does not know: LSP's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from occbench.augmentations import UniformBBoxTransform
from occbench.estimators.pose_model import PoseModel
from occbench.system.errors import OccbenchError
from occbench.training import Settings, TrainingData, train, training_data
from occbench.training.phases import epochs_of
from occbench.training.plan import make_plan
from occbench.weights.zoo import find_model

from ..augmentations.conftest import people as people  # fixtures
from ..data.set_builders import head_boxes, lsp, mpii_json, mpii_mat, photo
from ..models.coarse_to_fine_models import small_config
from .test_training_resume import kill
from .training_runs import load, same

SETTINGS = Settings(epochs=3, batch_size=2, lr=1e-2)


@pytest.mark.parametrize(
    ("shares", "epochs", "expected"),
    [
        ({"coarse": 0.5, "fine": 0.2, "joint": 0.3}, 10, [5, 2, 3]),
        ({"coarse": 0.5, "fine": 0.2, "joint": 0.3}, 3, [1, 1, 1]),
        ({"coarse": 0.98, "fine": 0.01, "joint": 0.01}, 5, [3, 1, 1]),
        ({"coarse": 0.01, "fine": 0.98, "joint": 0.01}, 4, [1, 2, 1]),
        ({"coarse": 2, "fine": 1, "joint": 0}, 9, [6, 3]),
    ],
)
def test_epochs_of_phases(shares: dict[str, float], epochs: int, expected: list[int]) -> None:
    assert list(epochs_of(shares, epochs).values()) == expected


def test_too_few_epochs() -> None:
    with pytest.raises(OccbenchError, match=r"3 phases \(a, b, c\), which 2 epochs do not"):
        epochs_of({"a": 1, "b": 1, "c": 1}, 2)
    with pytest.raises(OccbenchError, match="shares above 0"):
        epochs_of({"a": 0}, 2)


def test_a_training_killed_in_its_second_phase_ends_as_an_undisturbed_one(
    people: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small_config(tmp_path, more="model['backbone']['norm'] = 'batch'\n")
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert "phases      1 epochs coarse, 1 epochs fine, 1 epochs joint" in list(
        make_plan(config, people, settings=SETTINGS, workers=0).lines()
    )
    train(config, people, whole, settings=SETTINGS, workers=0)
    with kill(monkeypatch, "iteration", 2):
        train(config, people, cut, settings=SETTINGS, workers=0)
    first, second = (load_runner(cut / f"epoch_{epoch}.pth") for epoch in (1, 2))
    changed = {
        name.rpartition(".")[0].split(".")[0:2][-1] for name in first if not torch.equal(first[name], second[name])
    }
    assert changed == {"fine"}
    train(config, people, cut, settings=SETTINGS, workers=0, resume=True)
    assert same(whole / "model.pth", cut / "model.pth")
    last = load(cut / "model.pth")["state_dict"]
    assert any(not torch.equal(last[name], second[name]) for name in last if name.startswith("backbone"))


def load_runner(path: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(path, weights_only=False)["state_dict"]
    return state


def test_lsp_is_trained_on_from_its_own_file(tmp_path: Path) -> None:
    folder = tmp_path / "lsp"
    lsp(folder, np.random.default_rng(0), photos=4)
    data = training_data(folder / "joints.mat")
    assert data.described
    described = find_model("coarse-to-fine-8x-lsp").config_path.parents[1] / "deeppose" / "lsp.py"
    more = f"test_dataloader['dataset']['metainfo'] = dict(from_file='{described}')\n"
    config = small_config(tmp_path, "coarse-to-fine-8x-lsp", more)
    weights = train(config, data, tmp_path / "out", data, Settings(epochs=3, batch_size=2), workers=0)
    own = PoseModel(tmp_path / "out" / "model.py", weights)
    assert own.crops.keypoints == data.skeleton.keypoints == PoseModel(config, weights).crops.keypoints
    assert own.keypoints == 14


def test_a_config_of_other_keypoints_and_matlab_files_that_mmpose_does_not_read(
    people: TrainingData, tmp_path: Path
) -> None:
    config = find_model("coarse-to-fine-narrow").config_path
    with pytest.raises(OccbenchError, match=r"made for the 14 keypoints of 'lsp' .* but the data have the 17"):
        train(config, people, tmp_path / "out", settings=SETTINGS, workers=0)
    rng = np.random.default_rng(0)
    mpii_mat(tmp_path / "mpii.mat", mpii_json(rng, 2), head_boxes(rng, 2))
    photo(tmp_path / "images" / "000000001.jpg")
    with pytest.raises(OccbenchError, match=r"not by 'mpii.mat': give mpii_train.json"):
        training_data(tmp_path / "mpii.mat")


def test_uniform_draws() -> None:
    transform = UniformBBoxTransform(
        shift_prob=0, scale_prob=1, rotate_prob=1, scale_factor=(0.5, 1.5), rotate_factor=20.0
    )
    np.random.seed(0)  # noqa: NPY002 (MMPose's transforms draw from it)
    box = {"bbox_center": np.zeros((4000, 2)), "bbox_scale": np.ones((4000, 2))}
    found = transform(dict(box))
    assert (found["bbox_center"] == 0).all()
    for drawn, low, high in ((1 / found["bbox_scale"][:, 0], 0.5, 1.5), (found["bbox_rotation"], -20, 20)):
        counts, _ = np.histogram(drawn, bins=8, range=(low, high))
        assert counts.sum() == 4000
        assert counts.min() > 400
