"""What stands in for what MMPose asks for: mmcv's operators, against plain loops; and the rest."""

from __future__ import annotations

import importlib
import json
import math
import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError
from itertools import product
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
def test_torchs_compiler_is_imported_when_it_is_asked() -> None:
    code = """
import gc, sys
from occbench.system.compat import setup_mmpose
setup_mmpose()
print("torch._dynamo" in sys.modules, gc.isenabled())
import torch
from torchvision.ops.roi_align import is_compile_supported
known = is_compile_supported("cpu")
from torch._dynamo.utils import is_compile_supported as real
print(known == real("cpu"), torch.compiler.is_compiling(), torch._dynamo.is_compiling())
"""
    assert printed(code) == ["False True", "True False False"]


def printed(code: str) -> list[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()


def test_what_is_seldom_used_is_imported_when_it_is_used() -> None:
    code = """
import sys
from occbench.system.compat import _LATER, setup_mmpose
setup_mmpose()
print([name for name in (*_LATER, "sympy") if name in sys.modules])
from mmdet.utils.mot_error_visualize import Rectangle, plt
from mmengine.model.wrappers.fully_sharded_distributed import BackwardPrefetch, CPUOffload
from mmpose.datasets.transforms.common_transforms import RandomBBoxTransform, truncnorm
drawn = RandomBBoxTransform._truncnorm(size=(100, 4))
import matplotlib.patches, matplotlib.pyplot, scipy.stats, torch.distributed.fsdp
print(drawn.shape, abs(drawn).max() <= 1, truncnorm.rvs.__self__ is scipy.stats.truncnorm)
print(plt.rcParams is matplotlib.rcParams, plt.figure is matplotlib.pyplot.figure)
box = Rectangle((0, 0), 1, 1)
print(type(box) is matplotlib.patches.Rectangle, isinstance(box, Rectangle), isinstance(1, Rectangle))
print(BackwardPrefetch["BACKWARD_PRE"] is torch.distributed.fsdp.BackwardPrefetch.BACKWARD_PRE)
print(CPUOffload(offload_params=True) == torch.distributed.fsdp.CPUOffload(True))
"""
    assert printed(code) == ["[]", "(100, 4) True True", "True True", "True True False", "True", "True"]


def test_what_derives_from_it_is_there_where_it_is_imported_first() -> None:
    code = """
from occbench.system.compat import setup_mmpose
setup_mmpose()
from mmengine.model import MMFullyShardedDataParallel
from mmengine.optim.optimizer import ZeroRedundancyOptimizer
from occbench.system.errors import OccbenchError
for kind in (ZeroRedundancyOptimizer, MMFullyShardedDataParallel):
    try:
        kind([])
    except OccbenchError as error:
        print(error)
    except Exception as error:
        print("its own error")
"""
    optim, fsdp = "torch.distributed.optim", "torch.distributed.fsdp.fully_sharded_data_parallel"
    assert printed(code) == [
        f"ZeroRedundancyOptimizer is left out by occbench: import {optim} before it",
        f"MMFullyShardedDataParallel is left out by occbench: import {fsdp} before it",
    ]
    assert printed(f"import {optim}\n{code}").count("its own error") == 2


WHILE_ANOTHER_WRITES = """
import sys, threading
from pathlib import Path
from occbench.system.compat import _load_yapf
kept, written = Path(sys.argv[1]), Path(sys.argv[1]).read_bytes()
kept.write_bytes(written[:0 if sys.argv[2] == "nothing" else len(written) // 2])
if sys.argv[3] == "goes on":
    threading.Timer(0.3, kept.write_bytes, [written]).start()
_load_yapf(patience_s=20 if sys.argv[3] == "goes on" else 0.2)
"""


@pytest.mark.parametrize("so_far", ["nothing", "half"])
@pytest.mark.parametrize("then", ["goes on", "was killed"])
def test_another_process_that_writes_yapfs_grammar_is_waited_for(tmp_path: Path, so_far: str, then: str) -> None:
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", "import yapf"], env=environment, check=True)
    kept = min(tmp_path.rglob("*.pickle"))
    command = [sys.executable, "-c", WHILE_ANOTHER_WRITES, str(kept), so_far, then]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if then == "goes on":
        assert done.returncode == 0, done.stderr
    else:
        assert f"OccbenchError: yapf cannot read the grammar that it keeps: remove {tmp_path}" in done.stderr


def test_an_operator_that_is_missing_says_what_to_install() -> None:
    operators = sys.modules["mmcv._ext"]
    with pytest.raises(OccbenchError, match=r"'carafe_forward': install a full, compiled mmcv"):
        operators.carafe_forward(1, 2)


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


def test_what_is_read_once_is_nobodys_to_change() -> None:
    from mmpose.datasets.datasets.utils import parse_pose_metainfo

    said = {"from_file": "configs/_base_/datasets/coco.py"}
    first, second = parse_pose_metainfo(said), parse_pose_metainfo(said)
    first["sigmas"][:] = 0
    first["keypoint_name2id"].clear()
    assert second["sigmas"].all()
    assert parse_pose_metainfo(said)["keypoint_name2id"] == second["keypoint_name2id"] != {}


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


def plain_deform_conv(
    features: np.ndarray, weight: np.ndarray, offset: np.ndarray, stride: int, padding: int, dilation: int, groups: int
) -> np.ndarray:
    """Deformable convolution from its definition, of one picture (C, H, W), point by point."""
    outputs, _, kernel, _ = weight.shape
    _, rows, columns = offset.shape
    per_group = len(offset) // (2 * kernel * kernel)  # groups of channels that are shifted alike

    def at(channel: np.ndarray, y: float, x: float) -> float:
        total = 0.0
        for row in (int(np.floor(y)), int(np.floor(y)) + 1):
            for column in (int(np.floor(x)), int(np.floor(x)) + 1):
                if 0 <= row < channel.shape[0] and 0 <= column < channel.shape[1]:
                    total += channel[row, column] * (1 - abs(y - row)) * (1 - abs(x - column))
        return total

    out = np.zeros((outputs, rows, columns))
    for o, i, j in np.ndindex(*out.shape):
        first = o // (outputs // groups) * weight.shape[1]
        for c in range(weight.shape[1]):
            shift = (first + c) // (len(features) // per_group)
            for a, b in np.ndindex(kernel, kernel):
                place = 2 * (shift * kernel * kernel + a * kernel + b)
                y = i * stride - padding + a * dilation + offset[place, i, j]
                x = j * stride - padding + b * dilation + offset[place + 1, i, j]
                out[o, i, j] += weight[o, c, a, b] * at(features[first + c], y, x)
    return out


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "groups", "deform_groups"), [(1, 1, 1, 1, 1), (2, 0, 1, 2, 2), (1, 2, 2, 4, 1)]
)
def test_deformable_convolution_is_as_defined(
    compiled: bool,
    stride: int,
    padding: int,
    dilation: int,
    groups: int,
    deform_groups: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if compiled and not _mmcv_ops._compiled("deform_conv2d"):
        pytest.skip("torchvision's compiled operators do not load here")
    monkeypatch.setattr(_mmcv_ops, "_compiled", lambda name: compiled)
    rng = np.random.default_rng(0)
    features, weight = rng.normal(size=(4, 6, 7)), rng.normal(size=(4, 4 // groups, 3, 3))
    rows, columns = ((side + 2 * padding - 2 * dilation - 1) // stride + 1 for side in (6, 7))
    offset = rng.normal(0, 2, (deform_groups * 18, rows, columns))
    output = torch.empty(1, 4, rows, columns, dtype=torch.float64)
    nothing = torch.empty(0)
    sizes = {"kW": 3, "kH": 3, "dW": stride, "dH": stride, "padW": padding, "padH": padding}
    _mmcv_ops.deform_conv_forward(
        *(torch.from_numpy(array[None] if array.ndim == 3 else array) for array in (features, weight, offset)),
        output,
        nothing,
        nothing,
        **sizes,
        dilationW=dilation,
        dilationH=dilation,
        group=groups,
        deformable_group=deform_groups,
        im2col_step=1,
    )
    expected = plain_deform_conv(features, weight, offset, stride, padding, dilation, groups)
    np.testing.assert_allclose(output[0].numpy(), expected, atol=1e-10)


@stand_in
def test_deformable_operators_are_there() -> None:
    setup_mmpose()
    from mmcv.ops import DeformConv2d

    layer = DeformConv2d(4, 2, 3, padding=1)
    plain = torch.nn.functional.conv2d(features := torch.randn(1, 4, 5, 5), layer.weight, padding=1)
    torch.testing.assert_close(layer(features, torch.zeros(1, 18, 5, 5)), plain)


def plain_attention(
    value: np.ndarray, shapes: Sequence[tuple[int, int]], places: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Deformable attention over several maps from its definition: weighted bilinear values, zero outside of a map.

    Args:
        value: Shape (N, pixels of all maps, heads, channels).
        shapes: Height and width of each map.
        places: Shape (N, queries, heads, maps, points, 2), x y from 0 to 1 over a map.
        weights: Shape (N, queries, heads, maps, points).

    Returns:
        Shape (N, queries, heads * channels).
    """
    n, queries, heads, _, points, _ = places.shape
    found = np.zeros((n, queries, heads, value.shape[-1]))
    starts = np.cumsum([0, *(h * w for h, w in shapes)])
    for photo, query, head, level, point in np.ndindex(n, queries, heads, len(shapes), points):
        h, w = shapes[level]
        seen = value[photo, starts[level] : starts[level + 1], head].reshape(h, w, -1)
        x, y = places[photo, query, head, level, point] * (w, h) - 0.5
        weight = weights[photo, query, head, level, point]
        for column, row in product((math.floor(x), math.floor(x) + 1), (math.floor(y), math.floor(y) + 1)):
            if 0 <= column < w and 0 <= row < h:
                share = (1 - abs(x - column)) * (1 - abs(y - row))
                found[photo, query, head] += weight * share * seen[row, column]
    return found.reshape(n, queries, -1)


@stand_in
def test_deformable_attention_is_as_defined() -> None:
    setup_mmpose()
    from mmcv.ops.multi_scale_deform_attn import MultiScaleDeformableAttnFunction

    rng = np.random.default_rng(0)
    shapes = [(4, 5), (2, 3)]
    value = rng.normal(size=(2, 26, 3, 4))
    places = rng.uniform(-0.2, 1.2, (2, 6, 3, 2, 5, 2))
    weights = rng.uniform(size=(2, 6, 3, 2, 5))
    starts, as_tensors = torch.tensor([0, 20]), (torch.from_numpy(array) for array in (places, weights))
    found = MultiScaleDeformableAttnFunction.apply(
        torch.from_numpy(value), torch.tensor(shapes), starts, *as_tensors, 64
    )
    np.testing.assert_allclose(found.numpy(), plain_attention(value, shapes, places, weights), atol=1e-10)
