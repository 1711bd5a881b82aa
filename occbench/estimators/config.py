"""Configs of MMPose and MMDet: read, and hashed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from ..system.compat import setup_mmpose
from ..system.errors import OccbenchError

CROPS = ("TopdownPoseEstimator", "CoarseToFineEstimator")
"""The estimators that see one person's crop: MMPose's, and that of :mod:`occbench.models.coarse_to_fine`."""


def hash_of_config(config: Any) -> str:
    """sha256 of the content of an MMEngine config, with all that it inherits."""
    return hashlib.sha256(json.dumps(config.to_dict(), sort_keys=True, default=str).encode()).hexdigest()


def first_line(error: BaseException) -> str:
    """The first line of what went wrong."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def read_config(path: Path) -> Any:
    """Read an MMPose config.

    Raises:
        OccbenchError: It is missing, broken, or no pose model's.
    """
    config = load_config(path)
    if config.model.get("type") not in CROPS:
        raise OccbenchError(
            f"config {str(path)!r} is a {config.model.get('type')}; attacks work in the crop of one person, "
            "so the model must be a TopdownPoseEstimator"
        )
    return config


def load_config(path: Path) -> Any:
    """Read a config of MMPose or MMDet.

    Raises:
        OccbenchError: It is missing, broken, or defines no model.
    """
    setup_mmpose()
    from mmengine.config import Config

    if not path.is_file():
        raise OccbenchError(f"config {str(path)!r} does not exist")
    try:
        config = Config.fromfile(path)
    except (Exception, SystemExit) as error:  # a config is Python: anything can go wrong in it
        raise OccbenchError(f"config {str(path)!r} cannot be read: {type(error).__name__}: {error}") from error
    if "model" not in config:
        raise OccbenchError(f"config {str(path)!r} defines no 'model'")
    if not isinstance(config.model, dict):
        raise OccbenchError(f"config {str(path)!r} has a 'model' that is no dictionary")
    return config
