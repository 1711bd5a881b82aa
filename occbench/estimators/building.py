"""An MMPose estimator from its config and its weights."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..system.errors import OccbenchError
from ..system.openmmlab import without
from ..weights.checkpoints import load_checkpoint, load_into
from .config import first_line


def build(
    config: Any, config_file: Path, checkpoint: Path, device: str = "cpu", trust: bool = False
) -> tuple[Any, Mapping[str, Any]]:
    """Build the model of a config, load its weights and move it to its device.

    Args:
        config: Of MMEngine; ImageNet weights that it would have fetched for the backbone are struck out of it.
        config_file: Where it was read, for messages.
        checkpoint: The weights; they must fit exactly.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``...
        trust: Unpickle the checkpoint even where that can run code.

    Returns:
        The model, ready for prediction, and what the checkpoint says about itself.

    Raises:
        OccbenchError: The config or the weights are not what they should be, or the device cannot be used.
    """
    import torch
    from mmpose.models import build_pose_estimator

    for package in _packages(config.model):
        if importlib.util.find_spec(package) is None:
            raise OccbenchError(f"the model of {str(config_file)!r} cannot be built: {without(package)}")
    # MMPose would fetch the backbone's ImageNet weights, which the checkpoint replaces anyway.
    config.model.get("backbone", {}).pop("init_cfg", None)
    for name in ("parallel", "parallel_checkpoint"):  # of a SymmetricSTN: what only a training has
        config.model.pop(name, None)
    try:
        model = build_pose_estimator(config.model)
    except (KeyError, TypeError, AttributeError, ValueError, AssertionError, ImportError) as error:
        raise OccbenchError(f"MMPose cannot build the model of {str(config_file)!r}: {first_line(error)}") from error
    weights, meta = load_checkpoint(checkpoint, trust=trust)
    load_into(model, weights, str(checkpoint))
    try:
        return model.to(torch.device(device)).eval(), meta
    except (RuntimeError, AssertionError) as error:
        raise OccbenchError(f"device {device!r} cannot be used: {first_line(error)}") from error


def _packages(part: Any) -> Iterator[str]:
    """The packages of OpenMMLab that the parts of a model are from, where the config names them."""
    if isinstance(part, Mapping):
        kind, scope = part.get("type"), part.get("_scope_")
        named = kind.partition(".")[0] if isinstance(kind, str) and "." in kind else ""
        yield from (name for name in (named, scope) if isinstance(name, str) and name.startswith("mm"))
        part = part.values()
    elif not isinstance(part, (list, tuple)):
        return
    for inner in part:
        yield from _packages(inner)
