"""Training of a cascade: its draws, its stages, resuming, and what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from occbench.cli import app
from occbench.data.persons import Dataset
from occbench.data.sources import open_dataset
from occbench.data.synthetic import generate
from occbench.estimators.config import read_config
from occbench.estimators.crops import CropPipeline
from occbench.estimators.pose_model import PoseModel
from occbench.models.deeppose.displacements import Displacements
from occbench.system.errors import OccbenchError
from occbench.training.cascade import CascadeSettings, is_cascade, train_cascade
from occbench.training.cascade import stage as stage_module
from occbench.training.cascade.canvases import Canvases, cut_canvases
from occbench.training.cascade.draws import Batch, first_batch, later_batch
from occbench.weights.zoo import find_model

SMALL = """
_base_ = ['{base}']
side = 128
codec = dict(type='CentredLabel', input_size=(side, side))
model = dict(
    backbone=dict(canvas=2, network=dict(size=64, widths=(4, 4, 4, 4, 4), units=8, dropout=0.5, norm='batch')),
    head=dict(decoder=codec))
test_dataloader = dict(dataset=dict(pipeline=[
    dict(type='LoadImage'), dict(type='GetBBoxCenterScale'), dict(type='TopdownAffine', input_size=(side, side)),
    dict(type='PackPoseInputs')]))
cascade_training = dict(epochs=4, draws=1, batch_size=8, lr=1e-3, optimizer='Adam', decay='cosine')
"""
SETTINGS = CascadeSettings(epochs=4, draws=1, batch_size=8, lr=1e-3, optimizer="Adam", decay="cosine")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "small.py"
    path.write_text(SMALL.format(base=find_model("deeppose-cascade-coco").config_path))
    return path


@pytest.fixture(scope="module")
def annotations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(4, 30, tmp_path_factory.mktemp("people") / "four")


@pytest.fixture(scope="module")
def people(annotations: Path) -> Dataset:
    return open_dataset(str(annotations))


# Draws


def marked(n: int = 12, side: int = 128, k: int = 17) -> Canvases:
    """Canvases with a square of a colour of its own at every joint."""
    truth = torch.rand(n, k, 2, generator=torch.Generator().manual_seed(0)) * 0.6 - 0.3
    images = torch.zeros(n, side, side, 3, dtype=torch.uint8)
    for person in range(n):
        for joint in range(k):
            x, y = ((truth[person, joint] + 0.5) * side).round().int().tolist()
            images[person, y - 4 : y + 4, x - 4 : x + 4] = 10 * joint + 10
    swap = torch.tensor([0, *(j + 1 if j % 2 else j - 1 for j in range(1, k))])
    return Canvases(images, truth, torch.ones(n, k).bool(), torch.full((n,), 0.2), torch.full((n,), 0.01), swap)


def share_found(data: Canvases, batch: Batch, joints: list[tuple[int, int]], size: int) -> float:
    """Of joints of crops, how many have their own colour where the target says that they are."""
    crops = batch.cut(data.images[batch.persons].permute(0, 3, 1, 2).float(), size)
    found = []
    for crop, joint in joints:
        target = batch.target[crop, joint]
        if target.abs().max() < 0.45:
            x, y = ((target + 0.5) * crops.shape[-1]).int().tolist()
            own = int(data.swap[joint]) if batch.mirror[crop] else joint
            found.append(abs(float(crops[crop, 0, y, x]) - (10 * own + 10)) < 5)
    assert len(found) > 10
    return float(np.mean(found))


def test_whole_crops_are_moved_turned_and_mirrored_with_their_targets() -> None:
    data, generator = marked(), torch.Generator().manual_seed(3)
    settings = replace(SETTINGS, batch_size=16, scale=1.3, rotate=40.0)
    batch = first_batch(data, settings, generator)
    assert batch.mirror.any()
    assert not batch.mirror.all()
    assert (batch.weight == 1).all()
    assert share_found(data, batch, [(i, j) for i in range(16) for j in range(17)], 64) > 0.9  # few lie below another


def test_boxes_of_simulated_predictions_hold_their_joint_where_the_target_says() -> None:
    data, generator = marked(), torch.Generator().manual_seed(3)
    spread = Displacements(torch.zeros(17, 2).double(), torch.eye(2).double().repeat(17, 1, 1) * 0.1, torch.ones(17))
    batch = later_batch(data, 2.0, spread, replace(SETTINGS, batch_size=40), generator)
    assert (batch.weight.sum(1) == 1).all()
    assert batch.mirror.any()
    assert share_found(data, batch, [(i, int(batch.weight[i].argmax())) for i in range(40)], 64) > 0.9


def test_displacements_in_px_are_as_wide_as_in_diameters_that_are_as_long() -> None:
    data = marked()
    assert data.lengths("px").tolist() == data.px.tolist()
    assert data.lengths("diam").tolist() == data.diameters.tolist()


def test_canvases_are_the_crops_of_an_attack(config: Path, people: Dataset) -> None:
    pipeline = CropPipeline(read_config(config))
    data = cut_canvases(pipeline, people)
    crops = list(pipeline.cut_all(people.persons))
    for i, crop in enumerate(crops):
        np.testing.assert_array_equal(data.images[i], crop.image)
        np.testing.assert_allclose((data.truth[i] + 0.5) * 128, crop.keypoints, atol=1e-3)
    assert pipeline.canvas == crops[0].canvas == 2
    at = {name: i for i, name in enumerate(people.skeleton.keypoints)}
    ends = data.truth[:, [at["left_shoulder"], at["right_hip"]]]
    known = data.labelled[:, [at["left_shoulder"], at["right_hip"]]].all(1)
    assert known.any()
    expected = torch.linalg.vector_norm(ends[:, 0] - ends[:, 1], dim=1)
    torch.testing.assert_close(data.diameters[known], expected[known])


# Training


def trained(config: Path, people: Dataset, out: Path, **options: Any) -> dict[str, torch.Tensor]:
    path = train_cascade(config, people, out, SETTINGS, **options)
    weights: dict[str, torch.Tensor] = torch.load(path, weights_only=True)["state_dict"]
    return weights


def test_one_command_trains_every_stage(config: Path, people: Dataset, tmp_path: Path) -> None:
    trained(config, people, tmp_path / "out", val=people)
    said = json.loads((tmp_path / "out" / "stages.json").read_text())
    assert [line["stage"] for line in said] == [1, 2, 3]
    assert "displacements" in said[0]
    assert "displacements" not in said[2]
    assert 0 <= said[2]["pdj@0.2 val"] <= 1
    model = PoseModel(config, tmp_path / "out" / "model.pth")
    assert model.earlier == 2
    assert model.meta["optimizer"] == "Adam"


class Stopped(Exception):
    pass


def test_stopped_and_resumed_is_the_same(
    config: Path, people: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage_module, "EVERY", 2)
    whole = trained(config, people, tmp_path / "whole", until=2)
    trained(config, people, tmp_path / "parts", until=1)
    save = stage_module._save

    def stop(path: Path, network: Any, optimizer: Any, step: int, losses: list[float]) -> None:
        save(path, network, optimizer, step, losses)
        if path.name == "stage-2.pth":
            raise Stopped

    monkeypatch.setattr(stage_module, "_save", stop)
    with pytest.raises(Stopped):
        trained(config, people, tmp_path / "parts", until=2, resume=True)
    monkeypatch.setattr(stage_module, "_save", save)
    parts = trained(config, people, tmp_path / "parts", until=2, resume=True)
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_refused_trainings(config: Path, people: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(OccbenchError, match="--stage must be one of the cascade's stages, 1 to 3, but got 4"):
        train_cascade(config, people, out, SETTINGS, until=4)
    with pytest.raises(OccbenchError, match="holds a training already"):
        train_cascade(config, people, out, SETTINGS)
    with pytest.raises(OccbenchError, match="--seed was 0 and is 1"):
        train_cascade(config, people, out, replace(SETTINGS, seed=1), resume=True)
    (out / "stage-1.pth").write_bytes(b"no checkpoint")
    with pytest.raises(OccbenchError, match=r"stage-1.pth' cannot be read .* train this stage anew"):
        train_cascade(config, people, out, SETTINGS, resume=True)


def test_nobody_with_a_diameter(config: Path, people: Dataset) -> None:
    at = people.skeleton.keypoints.index("left_hip"), people.skeleton.keypoints.index("right_hip")

    def without_hips(visibility: np.ndarray) -> np.ndarray:
        return np.where(np.isin(np.arange(17), at), 0, visibility)

    persons = tuple(replace(p, visibility=without_hips(p.visibility)) for p in people.persons)
    pipeline = CropPipeline(read_config(config))
    with pytest.raises(OccbenchError, match=r"nobody in .* has a shoulder and the opposite hip labelled"):
        cut_canvases(pipeline, replace(people, persons=persons))
    one = cut_canvases(pipeline, replace(people, persons=(*persons[1:], *people.persons)))
    assert one.measured.any()
    assert not one.measured[0]
    draws = later_batch(
        one,
        2.0,
        Displacements.measure(*[one.truth] * 2, one.labelled, one.lengths("diam")),
        SETTINGS,
        torch.Generator().manual_seed(0),
    )
    assert one.measured[draws.persons].all()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"optimizer": "Lion"}, "unknown optimizer"),
        ({"unit": "cm"}, "unknown unit"),
        ({"decay": "linear"}, "unknown decay"),
        ({"draws": 0}, "at least 1"),
        ({"sigma": 2}, "unknown setting of cascade_training 'sigma'"),
    ],
)
def test_bad_settings(change: dict[str, Any], says: str) -> None:
    with pytest.raises(OccbenchError, match=says):
        CascadeSettings.of(change)


def test_command_line(config: Path, annotations: Path, tmp_path: Path) -> None:
    def run(*options: str) -> tuple[int, str]:
        base = ["train", "--model", str(config), "--data", str(annotations), "--quiet"]
        found = CliRunner().invoke(app, [*base, *options])
        return found.exit_code, found.output

    code, said = run("--dry-run", "--epochs", "3")
    assert code == 0
    assert "stage 3" in said
    assert "Adam 0.001" in said
    code, said = run("--out", str(tmp_path / "out"), "--stage", "1", "--epochs", "1")
    assert code == 0
    assert said.strip().endswith("model.pth")
    assert (tmp_path / "out" / "stage-1.pth").is_file()
    assert not (tmp_path / "out" / "stage-2.pth").exists()


def test_only_a_cascade_is_one(config: Path) -> None:
    assert is_cascade(config)
    assert not is_cascade(find_model("hrnet-mini").config_path)
