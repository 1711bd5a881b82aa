"""``occbench attack --scales``: part of what a run is."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from .conftest import Occbench, People, Refusal, TinyModel, assert_refused


def test_a_run_over_an_image_pyramid(occbench: Occbench, tiny: TinyModel, people: People, tmp_path: Path) -> None:
    given = ["attack", "--model", tiny.config, "--checkpoint", tiny.weights, "--data", people.annotations]
    given += ["--images", people.images, "--kind", "part-blur", "--target", "head", "--bootstrap", "0"]
    out = tmp_path / "run"
    answer = occbench(*given, "--out", out, "--scales", "1.2,0.8", "--scales", "1")
    assert answer.code == 0, answer.err
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["model"]["scales"] == [0.8, 1.0, 1.2]
    assert manifest["choices"]["scales"] == "0.8,1,1.2"
    plain = tmp_path / "plain"
    assert occbench(*given, "--out", plain, "--scales", "1").code == 0
    manifest = json.loads((plain / "manifest.json").read_text())
    assert (manifest["model"]["scales"], manifest["choices"]["scales"]) == ([1.0], None)
    poses = [pd.read_parquet(run / "predictions" / "clean.parquet") for run in (out, plain)]
    assert not poses[0].equals(poses[1])
    assert_refused(occbench(*given, "--out", out), "scales")
    again = occbench(*given, "--out", out, "--scales", "0.8,1,1.2", "--json")
    assert json.loads(again.out)["computed"] == 0
    assert occbench("verify", out).code == 0


def test_bad_scales_are_refused(refuses: Refusal, no_model: None) -> None:
    given = ["attack", "--model", "hrnet-mini", "--data", "sample", "--kind", "all", "--scales"]
    refuses([*given, "0.8,x"], "--scales", "0.8,x")
    refuses([*given, "1.1,1.3"], "never shows the whole crop")
