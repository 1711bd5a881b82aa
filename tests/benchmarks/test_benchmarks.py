"""The benchmark of the engine, on a CPU and few persons: it runs, and what it compares is equal."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from occbench.data.synthetic import embedded_sample
from occbench.weights.zoo import find_model

from ..conftest import CHECKOUT


def suite(*options: str) -> str:
    """What `benchmarks/suite.py` prints for three persons."""
    annotations, _ = embedded_sample()
    weights = find_model("hrnet-mini").checkpoint
    command = [sys.executable, str(CHECKOUT / "benchmarks" / "suite.py"), "--data", str(annotations)]
    command += ["--model", "hrnet-mini", "--checkpoint", str(weights), "--persons", "3", "--every", "42"]
    command += ["--repetitions", "1", "--batch-size", "2", "--threads", "1", *options]
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_suite_beside_mmpose() -> None:
    _, images = embedded_sample()
    printed = suite("--backends", "torch,onnxruntime", "--images", str(images))
    for backend in ("torch", "onnxruntime"):
        assert f"{backend}: keypoints of 3 cells equal MMPose's" in printed
        assert re.search(rf"^\| {backend} \|( [0-9.]+ \|){{6}}$", printed, re.MULTILINE), printed
    assert "persons x 3 cells" in printed


def test_suite_alone_on_made_up_photos() -> None:
    printed = suite("--backends", "torch,torch:bf16", "--alone")
    assert "mmpose" not in printed
    assert re.search(r"^\| torch:bf16 floor \|", printed, re.MULTILINE), printed
