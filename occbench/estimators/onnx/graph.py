"""An ONNX file in ONNX Runtime: what it takes, what it gives, and runs of it."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...system.download import sha256
from ...system.errors import OccbenchError, quoted
from ..config import first_line

_DTYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
}


@dataclass(frozen=True)
class Input:
    """The input of a network.

    Attributes:
        name: In the graph.
        shape: A number per axis; None where it is free.
        dtype: What it takes.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: np.dtype[Any]


class Graph:
    """An ONNX file, loaded.

    Args:
        path: The file.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ...

    Attributes:
        path: As given.
        input: Its only input.
        outputs: The names of its outputs.
        version: Of ONNX Runtime.
        provider: Of ONNX Runtime, that computes.

    Raises:
        OccbenchError: ONNX Runtime is not installed, cannot read the file or has no such device, or the graph has no
            input of one picture.
    """

    def __init__(self, path: Path, device: str = "cpu") -> None:
        from ..backends.exports import import_optional
        from ..backends.runtimes import open_session

        self.path = path
        what = f"ONNX file {quoted(str(path), 300)}"
        package = import_optional("onnxruntime", "onnxruntime")
        if not path.is_file():
            raise OccbenchError(f"{what} does not exist")
        try:
            self._session = open_session(package, str(path), _providers(package, device))
        except Exception as error:  # its exceptions have no common base
            raise OccbenchError(f"{what} cannot be loaded by ONNX Runtime: {first_line(error)[:300]}") from error
        given = self._session.get_inputs()
        if len(given) != 1 or len(given[0].shape) != 4 or given[0].type not in _DTYPES:
            found = ", ".join(f"{one.name} {one.type} {one.shape}" for one in given)
            raise OccbenchError(f"{what} must have one input, of pictures (4 axes), but has {found}")
        shape = tuple(side if isinstance(side, int) and side > 0 else None for side in given[0].shape)
        self.input = Input(given[0].name, shape, np.dtype(_DTYPES[given[0].type]))
        self.outputs = tuple(one.name for one in self._session.get_outputs())
        self.version: str = package.__version__
        self.provider: str = self._session.get_providers()[0]

    @property
    def batch(self) -> int | None:
        """Pictures that it takes at a time, where it takes no other number."""
        return self.input.shape[0]

    def run(self, pictures: np.ndarray, names: Sequence[str] | None = None) -> list[np.ndarray]:
        """Outputs for pictures of the input's layout and dtype, (B, ...); a fixed batch is filled up and cut off.

        Args:
            pictures: Of the input's layout, any number.
            names: Outputs; None for all.

        Raises:
            OccbenchError: ONNX Runtime fails.
        """
        size = self.batch or len(pictures)
        pieces = []
        for start in range(0, len(pictures), size):
            piece = pictures[start : start + size]
            here = len(piece)
            if here < size:
                piece = np.concatenate([piece, np.repeat(piece[-1:], size - here, axis=0)])
            pieces.append([output[:here] for output in self._run(np.ascontiguousarray(piece), names)])
        return [np.concatenate(outputs) if len(outputs) > 1 else outputs[0] for outputs in zip(*pieces, strict=True)]

    def _run(self, pictures: np.ndarray, names: Sequence[str] | None) -> list[np.ndarray]:
        try:
            found: list[np.ndarray] = self._session.run(names, {self.input.name: pictures})
        except Exception as error:  # its exceptions have no common base
            raise OccbenchError(
                f"ONNX file {quoted(str(self.path), 300)} cannot be run on an input of {pictures.shape}: "
                f"{first_line(error)[:300]}"
            ) from error
        return found


def has_cuda() -> bool:
    """Whether ONNX Runtime is there with its CUDA provider."""
    try:
        package = importlib.import_module("onnxruntime")
    except ImportError:
        return False
    return "CUDAExecutionProvider" in package.get_available_providers()


def _providers(package: Any, device: str) -> list[Any]:
    if device == "cpu":
        return ["CPUExecutionProvider"]
    if not device.startswith("cuda") or "CUDAExecutionProvider" not in package.get_available_providers():
        raise OccbenchError(
            f"the ONNX Runtime that is installed cannot use device {device!r}: use --device cpu, or for CUDA "
            "pip install onnxruntime-gpu in place of onnxruntime"
        )
    number = int(device.partition(":")[2] or 0)
    exact = {"device_id": number, "use_tf32": 0, "cudnn_conv_algo_search": "DEFAULT"}  # the same bits each time
    return [("CUDAExecutionProvider", exact), "CPUExecutionProvider"]


def sha256_of(path: Path) -> str:
    """Of an ONNX file and, where its weights lie in files beside it, of these.

    Raises:
        OccbenchError: A file of weights is missing or lies elsewhere.
    """
    names = sorted(set(_beside(path)))
    if not names:
        return sha256(path)
    total = hashlib.sha256(bytes.fromhex(sha256(path)))
    for name in names:
        file = path.parent / name
        if not file.resolve().is_relative_to(path.parent.resolve()) or not file.is_file():
            raise OccbenchError(f"ONNX file {str(path)!r} has weights in {name!r}, which must lie beside it")
        total.update(bytes.fromhex(sha256(file)))
    return total.hexdigest()


def _beside(path: Path) -> Iterator[str]:
    from ..backends.exports import import_optional

    onnx = import_optional("onnx", "onnxruntime")
    graphs = [onnx.load(str(path), load_external_data=False).graph]
    while graphs:
        graph = graphs.pop()
        tensors = list(graph.initializer)
        for node in graph.node:
            for attribute in node.attribute:
                tensors += [attribute.t, *attribute.tensors]
                graphs += [attribute.g, *attribute.graphs] if attribute.HasField("g") else attribute.graphs
        for tensor in tensors:
            yield from (entry.value for entry in tensor.external_data if entry.key == "location")
