"""`occbench attack --model FILE.onnx`: a run like any other, with the figures of the model it was made of."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from .conftest import Answer, Occbench, People, Refusal, TinyModel

SPECIFICATION = """\
output: heatmaps
mean: [123.675, 116.28, 103.53]
std: [58.395, 57.12, 57.375]
refine: quarter
"""


@pytest.fixture(scope="module")
def network(tiny: TinyModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model as an ONNX file, its specification beside it."""
    import torch

    from occbench.estimators.backends.network import Forward
    from occbench.estimators.pose_model import PoseModel

    path = tmp_path_factory.mktemp("onnx") / "net.onnx"
    model = Forward(PoseModel(tiny.config, tiny.weights)._model).eval()
    with torch.inference_mode():
        names = {"input_names": ["input"], "dynamic_axes": {"input": {0: "n"}}, "opset_version": 17}
        torch.onnx.export(model, (torch.zeros(2, 3, 64, 48),), str(path), dynamo=False, **names)
    (path.parent / "spec.yaml").write_text(SPECIFICATION)
    return path


def attack(occbench: Occbench, people: People, out: str, *options: object) -> Answer:
    return occbench(
        *("attack", "--data", people.annotations, "--json", "--kind", "keypoint-blackout", "--target", "nose"),
        *("--radius", 3, "--bootstrap", 20, "--out", out, *options),
    )


def test_a_run_of_a_file_is_the_run_of_its_model(
    occbench: Occbench, people: People, tiny: TinyModel, network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = network.parent / "spec.yaml"
    theirs = attack(occbench, people, "torch", "--model", tiny.config, "--checkpoint", tiny.weights)
    ours = attack(occbench, people, "onnx", "--model", network, "--spec", spec)
    assert (theirs.code, ours.code) == (0, 0), ours.err
    assert "occbench: guessed of net.onnx: layout nchw, size 48 x 64, outputs " in ours.err
    expected, found = (pd.read_csv(tmp_path / name / "cells.csv") for name in ("torch", "onnx"))
    assert found["value"].max() > 0.1
    np.testing.assert_allclose(found["value"], expected["value"], atol=1e-4)

    manifest = json.loads((tmp_path / "onnx" / "manifest.json").read_text())
    backend = manifest["backend"]
    assert (backend["name"], backend["device"], manifest["choices"]["backend"]) == ("onnxruntime", "cpu", "onnxruntime")
    assert backend["specification"]["refine"] == "quarter"
    assert backend["guessed"] == ["layout", "maps", "outputs", "size"]
    assert manifest["model"]["checkpoint"] == str(network)
    assert manifest["model"]["weights_sha256"] == manifest["identity"]["weights_sha256"]

    again = attack(occbench, people, "onnx", "--model", network, "--spec", spec)
    assert json.loads(again.out)["computed"] == 0
    assert occbench("verify", "onnx").code == 0
    assert occbench("compare", "torch", "onnx").code == 0

    other = tmp_path / "other.yaml"
    other.write_text(SPECIFICATION + "padding: 1.1\n")
    refused = attack(occbench, people, "onnx", "--model", network, "--spec", other)
    assert refused.code == 2
    assert "another config (config_sha256" in refused.err


def test_options_that_an_onnx_file_does_not_have(refuses: Refusal, people: People, network: Path) -> None:
    command = ("attack", "--data", people.annotations, "--kind", "keypoint-blackout")
    refuses((*command, "--model", network, "--checkpoint", "x.pth"), "leave --checkpoint out")
    refuses((*command, "--model", network, "--spec", "hrnt"), "unknown specification 'hrnt'", "hrnet")
    refuses((*command, "--model", "hrnet-mini", "--spec", "hrnet"), "--spec describes an ONNX file")
    refuses((*command, "--model", "gone.onnx"), "there is no ONNX file")
    refuses((*command, "--model", network, "--backend", "openvino"), "run by ONNX Runtime")
