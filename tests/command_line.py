"""The command line in this process, a model small enough to run all of it in a second, and people to run it on.

The fixtures are those of the whole suite, so that a session makes the people and the model once: see conftest.py.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

OUTLINE = '<svg width="1pt" height="1pt" viewBox="0 0 1 1" xmlns="http://www.w3.org/2000/svg"></svg>'

CONFIG = """
default_scope = 'mmpose'
codec = dict(type='MSRAHeatmap', input_size=(48, 64), heatmap_size=(12, 16), sigma=1)
model = dict(
    type='TopdownPoseEstimator',
    data_preprocessor=dict(
        type='PoseDataPreprocessor', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True),
    backbone=dict(type='ResNet', depth=18, num_stages=1, strides=(1,), dilations=(1,), out_indices=(0,),
                  stem_channels=16, base_channels=16),
    head=dict(type='HeatmapHead', in_channels=16, out_channels=17, deconv_out_channels=None,
              loss=dict(type='KeypointMSELoss', use_target_weight=True), decoder=codec),
    test_cfg=dict(flip_test=False))
test_dataloader = dict(dataset=dict(type='CocoDataset', pipeline=[
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='TopdownAffine', input_size=codec['input_size']),
    dict(type='PackPoseInputs')]))
"""


@dataclass(frozen=True)
class People:
    """Three synthetic photos, seven persons.

    Attributes:
        annotations: COCO keypoints.
        images: The photos.
    """

    annotations: Path
    images: Path


@dataclass(frozen=True)
class TinyModel:
    """A model that has learnt the people by heart.

    Attributes:
        config: An MMPose config.
        weights: A plain state dict.
    """

    config: Path
    weights: Path


@dataclass(frozen=True)
class Answer:
    """What the command line said.

    Attributes:
        code: Exit code.
        out: Standard output.
        err: Standard error.
    """

    code: int
    out: str
    err: str


Occbench = Callable[..., Answer]


@pytest.fixture(scope="session")
def shared_people(tmp_path_factory: pytest.TempPathFactory) -> People:
    """The photos; not to be changed."""
    from occbench.data.synthetic import generate

    annotations = generate(3, 11, tmp_path_factory.mktemp("people") / "people")
    return People(annotations, annotations.parent / "images")


@pytest.fixture
def people(shared_people: People, tmp_path: Path) -> People:
    """A copy to spoil."""
    folder = tmp_path / "people"
    shutil.copytree(shared_people.annotations.parent, folder)
    return People(folder / shared_people.annotations.name, folder / shared_people.images.name)


@pytest.fixture(scope="session")
def tiny(shared_people: People, tmp_path_factory: pytest.TempPathFactory) -> TinyModel:
    """A few convolutions, fitted to the crops of the people in about a second."""
    import torch

    from occbench.data.coco import read_coco
    from occbench.estimators.crops import CropPipeline
    from occbench.estimators.pose_model import read_config
    from occbench.system.compat import setup_mmpose

    folder = tmp_path_factory.mktemp("tiny")
    config_file = folder / "tiny.py"
    config_file.write_text(CONFIG)
    setup_mmpose()
    from mmpose.models import build_pose_estimator
    from mmpose.registry import KEYPOINT_CODECS

    config = read_config(config_file)
    crops = list(CropPipeline(config).cut_all(read_coco(shared_people.annotations, shared_people.images).persons))
    codec = KEYPOINT_CODECS.build(config.codec)
    targets = [codec.encode(c.keypoints[None], c.person.labelled[None].astype(np.float32)) for c in crops]
    threads = torch.get_num_threads()
    with torch.random.fork_rng():
        torch.set_num_threads(1)  # what it learns is the same with any number
        torch.manual_seed(0)
        model = build_pose_estimator(config.model).train()
        images = torch.from_numpy(np.stack([crop.image.transpose(2, 0, 1) for crop in crops]))
        inputs = model.data_preprocessor({"inputs": list(images), "data_samples": [c.sample for c in crops]})["inputs"]
        heatmaps = torch.from_numpy(np.stack([target["heatmaps"] for target in targets]))
        weight = torch.from_numpy(np.stack([target["keypoint_weights"] for target in targets]).reshape(-1, 17, 1, 1))
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
        for _ in range(240):
            found = model(inputs, None, mode="tensor")
            loss = (weight * (1 + 10 * heatmaps) * (found - heatmaps) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    torch.set_num_threads(threads)
    weights = folder / "tiny.pth"
    torch.save(model.state_dict(), weights)
    return TinyModel(config_file, weights)


def _outlined(figure: object, stem: Path) -> str:
    """In place of ``write_figure``: its two files, with nothing drawn in them."""
    from occbench.reports.files import write_atomically

    write_atomically(stem.with_name(f"{stem.name}.svg"), OUTLINE.encode())
    write_atomically(stem.with_name(f"{stem.name}.png"), b"")
    return OUTLINE


def draw_outlines(patch: pytest.MonkeyPatch) -> None:
    """Have figures made and not drawn, which takes longer than the rest of a report."""
    patch.setattr("occbench.reports.page.plots.write_figure", _outlined)


@pytest.fixture
def without_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of a report that look at no figure."""
    draw_outlines(monkeypatch)


def leave_out_report(patch: pytest.MonkeyPatch) -> None:
    """Have runs end without their report, which takes longer than a small run."""
    patch.setattr("occbench.reports.build_report", lambda runs, **_: runs[0] / "report.html")


@pytest.fixture
def with_figures() -> None:
    """For tests of commands that look at figures, or at a whole run: see :func:`occbench`."""


@pytest.fixture
def with_report() -> None:
    """For tests of attacks that look at the report, or at all files of a run: see :func:`occbench`."""


@pytest.fixture
def occbench(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Occbench:
    """Run a command line in this process, in a folder of its own.

    Without figures, except ``with_figures``, and ``attack`` without its report, except with one of the two.
    """
    from occbench.cli import main

    monkeypatch.chdir(tmp_path)
    if "with_figures" not in request.fixturenames:
        request.getfixturevalue("without_figures")
    reported = {"with_figures", "with_report"} & {*request.fixturenames}

    def run(*arguments: object) -> Answer:
        capfd.readouterr()
        code = 0
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["occbench", *map(str, arguments)])
            if "attack" in arguments[:2] and not reported:
                leave_out_report(patch)
            try:
                main()
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else int(end.code is not None)
        heard = capfd.readouterr()
        return Answer(code, heard.out, heard.err)

    return run


def assert_refused(answer: Answer, *words: str) -> None:
    """Exit code 2, nothing on stdout, and one line on stderr that has the words in it."""
    assert answer.code == 2, answer
    assert answer.out == ""
    assert answer.err.startswith("occbench: "), answer.err
    assert answer.err.endswith("\n")
    assert answer.err.count("\n") == 1, answer.err
    for word in words:
        assert word in answer.err
    assert "unexpected fault" not in answer.err


@dataclass(frozen=True)
class Refusal:
    """Runs a command line that must be refused without leaving anything behind.

    Attributes:
        run: The command line.
        folder: Where it could leave something.
    """

    run: Occbench
    folder: Path

    def __call__(self, arguments: Sequence[object], *words: str) -> None:
        before = sorted(self.folder.rglob("*"))
        answer = self.run(*arguments)
        assert_refused(answer, *words)
        assert sorted(self.folder.rglob("*")) == before


@pytest.fixture
def refuses(occbench: Occbench, tmp_path: Path) -> Refusal:
    """Asserts that a command line is refused, with words that its message must have."""
    return Refusal(occbench, tmp_path)


@pytest.fixture
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights are not even looked for: the fault must be found before."""

    def loaded(*_: object, **__: object) -> None:
        raise AssertionError("the weights were looked for")

    monkeypatch.setattr("occbench.weights.checkpoints.resolve", loaded)
