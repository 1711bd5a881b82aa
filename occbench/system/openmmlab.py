"""What MMPose and MMDet bring along, found without importing them."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from .errors import OccbenchError

MMPOSE = "mmpose==1.3.2"
"""The distribution of MMPose that fits. It is no dependency of this project, for it declares two packages that this
project does without and that need a compiler or NumPy 1: chumpy, which MMPose never imports, and xtcocotools, for which
:mod:`.coco_tools` stands in."""

INSTALL_MMPOSE = f"pip install --no-deps {MMPOSE}"
WITHOUT_MMPOSE = f"MMPose is not installed: `{INSTALL_MMPOSE}` installs it, and so does `occbench setup`"


def without(package: str) -> str:
    """What to say where another package of OpenMMLab is not installed that a config takes a part from."""
    return f"it needs the package {package}, which is not installed: pip install -c constraints.txt {package}"


def installed_configs(package: str) -> Path:
    """The folder of the configs that ``mmpose`` or ``mmdet`` brings, found without importing it.

    Raises:
        OccbenchError: The package is not installed, or without its configs.
    """
    name = {"mmpose": "MMPose", "mmdet": "MMDet"}[package]
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        if package == "mmpose":
            raise OccbenchError(WITHOUT_MMPOSE)
        raise OccbenchError(f"{name} is not installed: pip install -c constraints.txt {package}")
    root = Path(spec.origin).parent
    for folder in (root / ".mim" / "configs", root.parent / "configs"):  # installed; a source checkout
        if folder.is_dir():
            return folder
    raise OccbenchError(
        f"{name} at {root} has no configs: pip install --force-reinstall --no-deps "
        f"{MMPOSE if package == 'mmpose' else package}"
    )


def mmpose_configs() -> Path:
    """:func:`installed_configs` of MMPose."""
    return installed_configs("mmpose")


def installed_config(package: str, stem: str) -> Path | None:
    """The only config of that name (without ``.py``) among those of ``mmpose`` or ``mmdet``, if there is one."""
    if not re.fullmatch(r"[\w.-]+", stem):
        return None
    try:
        found = list(installed_configs(package).rglob(f"{stem}.py"))
    except OccbenchError:
        return None
    return found[0] if len(found) == 1 else None
