"""Models as ONNX files in the cache: made once, checked whenever they are read.

ONNX is data: a graph of named operators and their weights. Neither OpenVINO nor ONNX Runtime runs code out of it, as
long as no library of custom operators is registered, and none is here.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import importlib
import inspect
import io
import json
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from ...system.errors import OccbenchError
from ...system.paths import cache_dir
from .network import FromCrops, is_standard

FORMAT = 1
"""Goes up when exports are made differently, so that older ones are not used any more."""

OPSET = 17
INPUT = "images"


def import_optional(name: str, backend: str) -> Any:
    """A package that only ``backend`` needs.

    Raises:
        OccbenchError: It is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise OccbenchError(
            f"--backend {backend} needs the package {name}, which cannot be imported ({error}); "
            f'install it with: pip install "occbench[{backend}]"'
        ) from error


def exported(
    backend: str,
    estimator: Any,
    input_size: Sequence[int],
    weights_sha256: str,
    config_sha256: str,
    cache: Path | None,
    say: Callable[[str], None],
) -> bytes:
    """The estimator as an ONNX model: crops (B, h, w, 3), uint8, BGR, any B -> the head's output.

    Args:
        backend: For messages.
        estimator: In evaluation mode.
        input_size: Height and width of the crops.
        weights_sha256: With the next, what the export is known by.
        config_sha256: Of the config.
        cache: Where exports are kept; None: ``exports`` in the cache folder.
        say: Told when it takes long.

    Raises:
        OccbenchError: A package is missing, the model cannot be exported, or the cache cannot be written.
    """
    import_optional(backend, backend)
    onnx = import_optional("onnx", backend)
    parts = [FORMAT, OPSET, torch.__version__, onnx.__version__, weights_sha256, config_sha256, *input_size]
    key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
    path = (cache_dir() / "exports" if cache is None else cache) / f"{key}.onnx+sha256"
    content = _read(path)
    if content is None:
        say(f"exporting the model for {backend}; this is done once")
        content = _export(backend, estimator, input_size)
        _write(path, content)
    return content


def _export(backend: str, estimator: Any, input_size: Sequence[int]) -> bytes:
    preprocessor = estimator.data_preprocessor
    if not is_standard(preprocessor) or any(side % preprocessor.pad_size_divisor for side in input_size):
        # Mirroring crops and padding them may only be swapped where nothing is padded.
        raise OccbenchError(
            f"--backend {backend} cannot run this model: its data_preprocessor pads crops, or is not MMPose's; "
            "use --backend torch"
        )
    file = io.BytesIO()
    options: dict[str, Any] = {}
    if "dynamo" in inspect.signature(torch.onnx.export).parameters:
        options["dynamo"] = False  # the other exporter needs one more package
    try:
        with torch.inference_mode(), _quiet():
            torch.onnx.export(
                FromCrops(copy.deepcopy(estimator)).eval(),
                (torch.zeros(2, *input_size, 3, dtype=torch.uint8),),
                file,
                input_names=[INPUT],
                dynamic_axes={INPUT: {0: "batch"}},
                opset_version=OPSET,
                **options,
            )
    except Exception as error:  # a model's Python can do anything
        raise cannot_run(backend, "its export to ONNX failed", error) from error
    return file.getvalue()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without warnings, and without the megabytes that torch 2.13 prints when an operator cannot be exported."""
    log = getattr(torch._C, "_jit_onnx_log", None)
    torch._C._jit_onnx_log = lambda *parts: None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch._C._jit_onnx_log = log


def cannot_run(backend: str, what: str, error: Exception) -> OccbenchError:
    """The error for a model that a backend does not take."""
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
    return OccbenchError(f"--backend {backend} cannot run this model: {what} ({reason}); use --backend torch")


def _read(path: Path) -> bytes | None:
    """The model in ``path``; None where there is none, or not as it was written."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    digest, model = content[:32], content[32:]
    return model if hashlib.sha256(model).digest() == digest else None


def _write(path: Path, model: bytes) -> None:
    """Put the model behind its sha256 into ``path``, which others see whole or not at all."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(hashlib.sha256(model).digest())
                file.write(model)
            os.replace(name, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise
    except OSError as error:
        raise OccbenchError(
            f"cannot write {path} ({error.strerror or error}); make room there or set OCCBENCH_CACHE to another folder"
        ) from error
