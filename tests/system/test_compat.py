"""What stands in for what MMPose asks for: mmcv's operators, against plain loops; and the rest."""

from __future__ import annotations

import importlib
import json
import math
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import pytest
import torch

from occbench.data.synthetic import generate
from occbench.system import mmcv_ops as _mmcv_ops
from occbench.system.compat import has_compiled_ops, setup_mmpose
from occbench.system.errors import OccbenchError
from occbench.system.openmmlab import INSTALL_MMPOSE, WITHOUT_MMPOSE

setup_mmpose()
stand_in = pytest.mark.skipif(has_compiled_ops(), reason="a full mmcv is installed: its own operators are used")


def plain_nms(boxes: np.ndarray, scores: np.ndarray, threshold: float, offset: int) -> list[int]:
    def iou(a: np.ndarray, b: np.ndarray) -> float:
        w = max(0.0, min(a[2], b[2]) - max(a[0], b[0]) + offset)
        h = max(0.0, min(a[3], b[3]) - max(a[1], b[1]) + offset)
        area = [(c[2] - c[0] + offset) * (c[3] - c[1] + offset) for c in (a, b)]
        return w * h / (area[0] + area[1] - w * h)

    kept: list[int] = []
    for i in np.argsort(-scores, kind="stable"):
        if all(iou(boxes[i], boxes[j]) <= threshold for j in kept):
            kept.append(int(i))
    return kept


def plain_roi_align(
    feature: np.ndarray, box: np.ndarray, size: tuple[int, int], scale: float, ratio: int, aligned: bool
) -> np.ndarray:
    channels, height, width = feature.shape
    x1, y1, x2, y2 = box * scale - (0.5 if aligned else 0)
    w, h = x2 - x1, y2 - y1
    if not aligned:
        w, h = max(w, 1), max(h, 1)
    ny = ratio or math.ceil(h / size[0])
    nx = ratio or math.ceil(w / size[1])

    def at(y: float, x: float) -> np.ndarray:
        if y < -1 or y > height or x < -1 or x > width:
            return np.zeros(channels)
        y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
        y0, x0 = int(y), int(x)
        y9, x9 = min(y0 + 1, height - 1), min(x0 + 1, width - 1)
        top = feature[:, y0, x0] * (1 - x + x0) + feature[:, y0, x9] * (x - x0)
        bottom = feature[:, y9, x0] * (1 - x + x0) + feature[:, y9, x9] * (x - x0)
        return top * (1 - y + y0) + bottom * (y - y0)

    out = np.zeros((channels, *size))
    for i in range(size[0]):
        for j in range(size[1]):
            for a in range(ny):
                for b in range(nx):
                    y = y1 + (i + (a + 0.5) / ny) * h / size[0]
                    x = x1 + (j + (b + 0.5) / nx) * w / size[1]
                    out[:, i, j] += at(y, x) / (ny * nx)
    return out


@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 0.9])
def test_nms_keeps_what_the_plain_loop_keeps(offset: int, threshold: float) -> None:
    rng = np.random.default_rng(offset)
    for n in (0, 1, 7, 60):
        corner = rng.uniform(0, 40, (n, 2))
        boxes = np.hstack([corner, corner + rng.uniform(1, 30, (n, 2))])
        scores = np.round(rng.uniform(0, 1, n), 1)  # with ties
        kept = _mmcv_ops.nms(torch.from_numpy(boxes), torch.from_numpy(scores), threshold, offset)
        assert kept.tolist() == plain_nms(boxes, scores, threshold, offset)


@stand_in
@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("ratio", [0, 2])
def test_roi_align_through_mmcv_equals_the_plain_loop(aligned: bool, ratio: int) -> None:
    from mmcv.ops import roi_align

    rng = np.random.default_rng(3)
    features = rng.normal(size=(2, 3, 12, 15))
    rois = np.array([[0, 3.0, 4, 31, 40], [1, -9, -7, 20, 22], [1, 30, 10, 90, 80], [0, 8, 8, 8.5, 8.5]])
    ours = roi_align(torch.from_numpy(features), torch.from_numpy(rois), (3, 4), 0.25, ratio, "avg", aligned)
    for r, roi in enumerate(rois):
        plain = plain_roi_align(features[int(roi[0])], roi[1:], (3, 4), 0.25, ratio, aligned)
        np.testing.assert_allclose(ours[r].numpy(), plain, atol=1e-6)


@stand_in
def test_an_operator_that_is_missing_says_what_to_install() -> None:
    operators = sys.modules["mmcv._ext"]
    with pytest.raises(OccbenchError, match=r"'deform_conv_forward': install a full, compiled mmcv"):
        operators.deform_conv_forward(1, 2)


def test_mmengine_finds_packages_without_pkg_resources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mmengine.config import Config
    from mmengine.config import config as configs
    from mmengine.utils import get_installed_path, is_installed

    monkeypatch.setitem(sys.modules, "pkg_resources", None)  # as with setuptools 82
    for package, module in (("mmpose", "mmpose"), ("mmdet", "mmdet"), ("opencv-python", "cv2")):
        assert is_installed(package)
        assert Path(get_installed_path(package)) == Path(str(importlib.import_module(module).__file__)).parent
    assert configs.is_installed is is_installed
    assert not is_installed("no_such_package")
    with pytest.raises(PackageNotFoundError):
        get_installed_path("no_such_package")
    path = tmp_path / "config.py"
    path.write_text("_base_ = 'mmpose::_base_/datasets/coco.py'\n")
    assert Config.fromfile(path).dataset_info.dataset_name == "coco"


WITHOUT_IT = """
import contextlib, io, json, sys
sys.modules['mmpose'] = None
from occbench.cli import main
answers = []
for words in json.loads(sys.argv[1]):
    sys.argv, out, err, code = ['occbench', *words], io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            code = end.code
    answers.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(answers))
"""
COMMANDS = (
    ["attack", "--model", "hrnet", "--data", "sample", "--kind", "all"],
    ["attack", "--model", "hrnet-mini", "--data", "PEOPLE", "--kind", "all", "--boxes", "gt", "--out", "OUT"],
    ["train", "--data", "PEOPLE", "--aug", "partmix", "--out", "OUT"],
    ["preview-aug", "--data", "PEOPLE", "--aug", "blur-part"],
    ["ls", "models", "--complexity"],
)


def test_without_mmpose_every_command_says_how_to_install_it(tmp_path: Path) -> None:
    """One process for all of them: what one command imports must not hide the lack from the next."""
    names = {"PEOPLE": str(generate(1, 3, tmp_path / "people")), "OUT": str(tmp_path / "out")}
    words = json.dumps([[names.get(word, word) for word in command] for command in COMMANDS])
    call = [sys.executable, "-c", WITHOUT_IT, words]
    done = subprocess.run(call, capture_output=True, text=True, cwd=tmp_path, timeout=300, check=True)
    assert json.loads(done.stdout) == [[2, "", f"occbench: {WITHOUT_MMPOSE}\n"]] * len(COMMANDS)
    assert INSTALL_MMPOSE in WITHOUT_MMPOSE
    assert not (tmp_path / "out").exists()
