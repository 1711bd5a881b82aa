"""Pose estimators that are ONNX files, each described by a small specification (docs/onnx.md)."""

from __future__ import annotations

from ...system.errors import OccbenchError


def check_backend(backend: str, precision: str) -> None:
    """Refuse what does not run ONNX files.

    Raises:
        OccbenchError: Another backend or precision is asked for.
    """
    if (backend, precision) != ("onnxruntime", "fp32"):
        raise OccbenchError(
            "an ONNX file is run by ONNX Runtime in the precision that it was made with: leave --backend and "
            "--precision out"
        )
