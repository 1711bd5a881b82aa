"""ONNX files that no torch made: small networks written node by node, and what they compute in NumPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

KEYPOINTS = 17
WEIGHTS = np.random.default_rng(5).normal(size=(KEYPOINTS, 3)).astype(np.float32)
SIZE = (192, 256)  # width, height


def save(
    path: Path,
    nodes: list[Any],
    constants: dict[str, np.ndarray],
    picture: list[Any],
    outputs: dict[str, list[Any]],
    kind: int = TensorProto.FLOAT,
) -> Path:
    """Write a graph with one input, called ``picture``."""
    graph = helper.make_graph(
        nodes,
        "pose",
        [helper.make_tensor_value_info("picture", kind, picture)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path


def heatmaps(path: Path, nhwc: bool = True, batch: int | str = "n") -> Path:
    """17 mixtures of the colours of squares of 4 x 4 px: as TensorFlow exports look like, or channels first."""
    width, height = SIZE
    nodes = [
        helper.make_node("Transpose", ["picture"], ["planes"], perm=[0, 3, 1, 2] if nhwc else [0, 1, 2, 3]),
        helper.make_node("AveragePool", ["planes"], ["pooled"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Conv", ["pooled", "weights"], ["maps"]),
        helper.make_node("Transpose", ["maps"], ["heatmaps"], perm=[0, 2, 3, 1] if nhwc else [0, 1, 2, 3]),
    ]
    taken = [batch, height, width, 3] if nhwc else [batch, 3, height, width]
    given = [batch, height // 4, width // 4, KEYPOINTS] if nhwc else [batch, KEYPOINTS, height // 4, width // 4]
    return save(path, nodes, {"weights": WEIGHTS[..., None, None]}, taken, {"heatmaps": given})


def heatmaps_of(crops: np.ndarray) -> np.ndarray:
    """What :func:`heatmaps` gives for RGB crops (B, h, w, 3), channels first."""
    width, height = SIZE
    pooled = crops.reshape(len(crops), height // 4, 4, width // 4, 4, 3).mean((2, 4), dtype=np.float64)
    return np.einsum("bhwc,kc->bkhw", pooled, WEIGHTS).astype(np.float32)


def simcc(path: Path, swapped: bool = False) -> Path:
    """The largest value of each mixture of colours, by column and by row."""
    width, height = SIZE
    nodes = [
        helper.make_node("Conv", ["picture", "weights"], ["maps"]),
        helper.make_node("ReduceMax", ["maps"], ["along_x"], axes=[2], keepdims=0),
        helper.make_node("ReduceMax", ["maps"], ["along_y"], axes=[3], keepdims=0),
    ]
    outputs = {"along_x": ["n", KEYPOINTS, width], "along_y": ["n", KEYPOINTS, height]}
    if swapped:
        outputs = dict(reversed(outputs.items()))
    return save(path, nodes, {"weights": WEIGHTS[..., None, None]}, ["n", 3, height, width], outputs)


def coordinates(path: Path, shape: tuple[int, ...], kind: int = TensorProto.FLOAT, scores: bool = False) -> Path:
    """Mean colours, mixed and squeezed into 0 to 1: three numbers (or two, and a score) per keypoint, fixed batch."""
    each = 2 if scores else 3
    mixing = np.random.default_rng(6).normal(size=(3, KEYPOINTS * each)).astype(np.float32) / 200
    nodes = [
        helper.make_node("Cast", ["picture"], ["values"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["values"], ["mean"], axes=[1, 2], keepdims=0),
        helper.make_node("MatMul", ["mean", "mixing"], ["mixed"]),
        helper.make_node("Sigmoid", ["mixed"], ["flat"]),
        helper.make_node("Reshape", ["flat", "shape"], ["points"]),
    ]
    outputs: dict[str, list[Any]] = {"points": [1, *shape]}
    constants = {"mixing": mixing, "shape": np.array([1, *shape], np.int64)}
    if scores:
        nodes += [helper.make_node("MatMul", ["mean", "certain"], ["scores"])]
        constants["certain"] = np.full((3, KEYPOINTS), 0.001, np.float32)
        outputs["scores"] = [1, KEYPOINTS]
    return save(path, nodes, constants, [1, 192, 192, 3], outputs, kind)


def persons(path: Path, rows: np.ndarray, columns_first: bool = True) -> Path:
    """A network of 640 x 640 that finds the same persons in every photo: rows of numbers."""
    content = (rows.T if columns_first else rows)[None].astype(np.float32)
    nodes = [
        helper.make_node("ReduceMean", ["picture"], ["mean"], axes=[1, 2, 3], keepdims=1),
        helper.make_node("Reshape", ["mean", "shape"], ["flat"]),
        helper.make_node("Mul", ["flat", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "rows"], ["output0"]),
    ]
    constants = {"rows": content, "zero": np.zeros(1, np.float32), "shape": np.array([1, 1, 1], np.int64)}
    return save(path, nodes, constants, [1, 3, 640, 640], {"output0": list(content.shape)})
