"""OpenVINO and ONNX Runtime on the CPU: an ONNX model -> a backend."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ...system.errors import OccbenchError
from .exports import INPUT, cannot_run, import_optional

if TYPE_CHECKING:
    from . import Raw

_HINTS = {"fp32": ("f32", "FP32"), "bf16": ("bf16", "BF16"), "fp16": ("f16", "FP16")}  # our name: hint, capability


class ExportBackend:
    """An export in a runtime; see :class:`occbench.estimators.backends.Backend`.

    Args:
        run: Crops (B, h, w, 3), uint8, BGR -> outputs.
        about: For the manifest.
    """

    largest_difference = float("nan")
    halvings = 0

    def __init__(self, run: Callable[[np.ndarray], Sequence[np.ndarray]], about: dict[str, Any]) -> None:
        self._run = run
        self._about = about

    def __call__(self, images: np.ndarray, flip: bool) -> tuple[Raw, Raw | None]:
        """See :class:`occbench.estimators.backends.Backend`."""
        images = np.ascontiguousarray(images)
        if not flip:
            return self._outputs(images), None
        mirrored = torch.from_numpy(images).flip(2).numpy()  # five times as fast as numpy's
        return self._outputs(images), self._outputs(mirrored)

    def describe(self) -> dict[str, Any]:
        """See :class:`occbench.estimators.backends.Backend`."""
        return {**self._about, "largest_difference": float(f"{self.largest_difference:.2g}")}

    def _outputs(self, images: np.ndarray) -> Raw:
        return tuple(torch.from_numpy(output).float() for output in self._run(images))


def openvino(model: bytes, precision: str) -> ExportBackend:
    """An ONNX file's content, compiled.

    Raises:
        OccbenchError: OpenVINO is not installed, does not take the model, or the processor lacks the precision.
    """
    package = import_optional("openvino", "openvino")
    core = package.Core()
    hint, capability = _HINTS[precision]
    offered = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if capability not in offered:
        here = [name for name, (_, other) in _HINTS.items() if other in offered]
        raise OccbenchError(f"--backend openvino runs in {' or '.join(here)} on this processor, not in {precision}")
    settings = {
        "INFERENCE_PRECISION_HINT": hint,  # by default bf16 on processors with matrix units for it
        "PERFORMANCE_HINT": "LATENCY",  # one batch at a time, by all threads
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "ENABLE_CPU_PINNING": False,  # several processes would be pinned to the same cores
    }
    try:
        compiled = core.compile_model(core.read_model(model), "CPU", settings)
    except RuntimeError as error:
        raise cannot_run("openvino", "OpenVINO refuses it", error) from error
    request = compiled.create_infer_request()

    def run(images: np.ndarray) -> list[np.ndarray]:
        results = request.infer([images], share_inputs=True)
        return [results[i] for i in range(len(results))]

    threads = int(compiled.get_property("INFERENCE_NUM_THREADS"))
    return ExportBackend(run, _about("openvino", package.__version__, precision, threads))


def onnxruntime(model: bytes, precision: str) -> ExportBackend:
    """An ONNX file's content in a session.

    Raises:
        OccbenchError: ONNX Runtime is not installed, or does not take the model.
    """
    package = import_optional("onnxruntime", "onnxruntime")
    try:
        session = open_session(package, model, ["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no common base
        raise cannot_run("onnxruntime", "ONNX Runtime refuses it", error) from error

    def run(images: np.ndarray) -> list[np.ndarray]:
        outputs: list[np.ndarray] = session.run(None, {INPUT: images})
        return outputs

    return ExportBackend(run, _about("onnxruntime", package.__version__, precision, torch.get_num_threads()))


def open_session(package: Any, model: bytes | str, providers: list[Any]) -> Any:
    """A session of ONNX Runtime that uses torch's number of threads and gives the same bits each time.

    Args:
        package: ``onnxruntime``.
        model: The file's content, or its path.
        providers: What computes, best first.
    """
    options = package.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 3
    # Its threads wait for the next operator by spinning, but should not go on with that after the last one.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return package.InferenceSession(model, options, providers=providers)


def _about(name: str, version: str, precision: str, threads: int) -> dict[str, Any]:
    return {"name": name, "version": version, "precision": precision, "device": "cpu", "threads": threads}
