"""A head that says how visible each keypoint is: kept beside the scores, and measured in knows.csv."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from occbench.attacks import COCO, Attack
from occbench.data.coco import read_coco
from occbench.data.persons import Dataset
from occbench.data.synthetic import generate
from occbench.estimators.config import read_config
from occbench.estimators.pose_model import PoseModel
from occbench.inference.engine import predict_cells
from occbench.inference.plan import Settings
from occbench.jobs.job import Job
from occbench.jobs.measure import measure
from occbench.jobs.reopen import finished_run
from occbench.runs.about import ModelFiles
from occbench.runs.manifest import read_manifest
from occbench.runs.parquet import read_cell, write_cell
from occbench.system.compat import setup_mmpose
from occbench.system.progress import Progress
from occbench.tables.knows import KnowsTable
from occbench.tables.scoring import Scoring
from occbench.weights.zoo import find_model

ARM = Attack("part", "meanout", "left_arm")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    annotations = generate(3, 4, tmp_path_factory.mktemp("people") / "set")
    return read_coco(annotations, annotations.parent / "images")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> PoseModel:
    """MMPose's config with a visibility branch, on ResNet-18, with random weights."""
    setup_mmpose()
    import torch
    from mmpose.models import build_pose_estimator

    config = read_config(find_model("td-hm-vis_res50_8xb64-210e_coco-aic-256x192-merge").config_path)
    config.model.backbone.update(depth=18, init_cfg=None)
    config.model.head.pose_cfg.update(in_channels=512, deconv_out_channels=(16, 16, 16))
    folder = tmp_path_factory.mktemp("model")
    config.dump(folder / "vis.py")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = build_pose_estimator(config.model)
        torch.nn.init.normal_(net.head.pose_head.final_layer.weight)
        torch.nn.init.normal_(net.head.vis_head[2].weight, std=0.5)
    torch.save(net.state_dict(), folder / "vis.pth")
    return PoseModel(folder / "vis.py", folder / "vis.pth")


def test_visibility_is_that_of_the_branch(model: PoseModel, dataset: Dataset) -> None:
    """Of both images of the flip test, the mirrored one's sides exchanged."""
    import torch

    assert model.visibility == "beside"
    (clean, attacked), _ = predict_cells(model, dataset.persons, [ARM], COCO)
    crops = list(model.crops.cut_all(dataset.persons))
    inputs = [torch.from_numpy(crop.image.transpose(2, 0, 1).copy()) for crop in crops]
    net = model._model
    with torch.inference_mode():
        batch = net.data_preprocessor({"inputs": inputs, "data_samples": []})["inputs"]
        plain, mirrored = (net.head.vis_forward(net.extract_feat(one)).numpy() for one in (batch, batch.flip(-1)))
    expected = (plain + mirrored[:, list(COCO.flip_indices)]) / 2
    np.testing.assert_allclose(clean.visibility, expected, atol=1e-5)
    assert np.ptp(expected) > 0.05
    changed = (attacked.visibility != clean.visibility).any(1)
    np.testing.assert_array_equal(changed, attacked.attacked)
    assert changed.any()


def test_a_run_keeps_and_measures_it(model: PoseModel, dataset: Dataset, tmp_path: Path) -> None:
    files = ModelFiles("vis", Path(__file__), Path(__file__), {})
    job = Job(model, files, dataset, [ARM], tmp_path / "run", Scoring(draws=20), Settings())
    assert measure(job, lambda out: out, Progress(False)) is not None
    assert read_manifest(job.out)["model"]["visibility"] == "beside"
    cell = read_cell(job.out / "predictions" / f"{ARM.slug}.parquet")
    assert cell.visibility.shape == cell.scores.shape
    table = pd.read_csv(job.out / "knows.csv")
    hidden = table[table["kind"] == "hidden"].iloc[0]
    mean = cell.visibility[cell.covered & cell.attacked[:, None]].mean()
    assert hidden["visibility"] == pytest.approx(mean, rel=1e-5)
    assert 0 <= hidden["auroc_visibility"] <= 1
    assert hidden["auroc_visibility"] != hidden["auroc"]
    again = KnowsTable().of(finished_run(job.out))
    np.testing.assert_allclose(again["auroc_visibility"], table["auroc_visibility"])


def test_cells_without_it_are_as_they_were(model: PoseModel, dataset: Dataset, tmp_path: Path) -> None:
    (clean,), _ = predict_cells(model, dataset.persons[:1], [], COCO)
    with_it, without = tmp_path / "with.parquet", tmp_path / "without.parquet"
    write_cell(with_it, clean, {})
    write_cell(without, replace(clean, visibility=np.zeros((1, 0), np.float32)), {})
    np.testing.assert_array_equal(read_cell(with_it).visibility, clean.visibility)
    assert read_cell(without).visibility.shape == (1, 0)
    assert b"visibility" in with_it.read_bytes()
    assert b"visibility" not in without.read_bytes()
