"""What a config would run besides itself.

MMPose and MMDet configs are Python. The one that a user names is the user's own and runs; this looks, without running
it, for what else it would run: the files that it is based on and the modules that it imports.
"""

from __future__ import annotations

import ast
import importlib.resources
import json
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..system.errors import OccbenchError, quoted
from ..system.openmmlab import installed_configs

_PACKAGES = frozenset(
    {
        *("mmaction", "mmcls", "mmcv", "mmdeploy", "mmdet", "mmdet3d", "mmengine", "mmocr", "mmpose", "mmpretrain"),
        *("mmrotate", "mmseg", "mmtrack", "mmyolo", "numpy", "occbench", "torch", "torchvision"),
    }
)
"""Installed packages that a config may name: OpenMMLab's, this one, and what they stand on."""


def check_config(path: Path, trusted: bool) -> tuple[str, ...]:
    """Refuse a config that would run what its user has not named.

    The config itself runs, and so do MMPose's, MMDet's and this package's, the modules of OpenMMLab and torch, and the
    files of the config's own tree: its git checkout, else the nearest ``configs`` folder above it, else its own folder.
    From elsewhere is a base outside of these, a module of ``custom_imports`` or of an import, what is computed and not
    written down, and a file that somebody else owns or anybody can write.

    The config's own Python is not judged: it can do whatever its user can.

    Args:
        path: An MMPose or MMDet config, as the user named it.
        trusted: The user trusts what comes from elsewhere (``--trust-config``).

    Returns:
        What comes from elsewhere, for the record; nothing where ``trusted`` was not needed.

    Raises:
        OccbenchError: Something comes from elsewhere and is not trusted, or a file cannot be read.
    """
    start = Path(os.path.abspath(path))
    found = tuple(dict.fromkeys(_foreign(start, start, set())))
    if found and not trusted:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise OccbenchError(
            f"config {str(path)!r} is Python and would run code from elsewhere: {found[0]}{more}; "
            "if you trust that, add --trust-config"
        )
    return found


def _foreign(file: Path, start: Path, seen: set[Path]) -> Iterator[str]:
    """What ``file`` and everything that it is based on takes from elsewhere, in words."""
    if file.resolve() in seen or not file.is_file() or _is_packaged(file):
        return  # what is missing, MMEngine names
    seen.add(file.resolve())
    if file != start and not file.resolve().is_relative_to(_tree(start)):
        yield f"its base {quoted(str(file))} lies outside of {quoted(str(_tree(start)))}"
    yield from _open_to_others(file, start)
    bases: list[str] = []
    for kind, value in _names(file):
        if kind == "base":
            bases.append(value)
        elif kind == "module" and not _is_known(value):
            yield f"it imports the module {quoted(value)}"
        elif kind == "computed":
            yield f"its {value} is computed, in {quoted(str(file))}"
    for base in bases:
        if "::" not in base:  # else it lies in an installed package of OpenMMLab
            yield from _foreign(Path(os.path.abspath(file.parent / base)), start, seen)


def _is_packaged(file: Path) -> bool:
    """Whether it is one of MMPose's, MMDet's or of this package's."""
    own = Path(str(importlib.resources.files("occbench.configs")))
    folders = (installed_configs("mmpose"), installed_configs("mmdet"), own)
    return any(file.resolve().is_relative_to(folder.resolve()) for folder in folders)


def _tree(start: Path) -> Path:
    """The folder whose files belong to a config."""
    above = start.resolve().parents
    checkout = (folder for folder in above if (folder / ".git").exists())
    configs = (folder for folder in above if folder.name == "configs")
    return next(checkout, None) or next(configs, None) or above[0]


def _open_to_others(file: Path, start: Path) -> Iterator[str]:
    """Whether somebody else could have written it. The config itself may be anybody's: its user names it."""
    if os.name != "posix":
        return
    status, folder = file.stat(), file.resolve().parent.stat()
    if status.st_mode & stat.S_IWOTH:
        yield f"anybody can write {quoted(str(file))}"
    elif folder.st_mode & stat.S_IWOTH and not folder.st_mode & stat.S_ISVTX:
        yield f"anybody can write the folder of {quoted(str(file))}"
    elif status.st_uid not in (0, os.geteuid(), start.stat().st_uid):
        yield f"{quoted(str(file))} belongs to another user"


def _is_known(module: str) -> bool:
    top = module.partition(".")[0]
    return top in _PACKAGES or top in sys.stdlib_module_names


def _names(file: Path) -> Iterator[tuple[str, str]]:
    """What a config names, without running it: ``("base", path)``, ``("module", name)`` or ``("computed", field)``."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise OccbenchError(f"config {str(file)!r} cannot be read: {error}") from error
    if file.suffix != ".py":
        yield from _of_data(file, text)
        return
    try:
        code = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        if "{{" in text:  # MMEngine fills that in and then reads it
            yield "computed", "text"
        return  # else MMEngine says what is wrong
    for statement in code.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            name = statement.targets[0].id
            if name in ("_base_", "custom_imports"):
                yield from _of_field(name, _literal(statement.value))
    for node in ast.walk(code):
        if isinstance(node, ast.Import):
            yield from (("module", alias.name) for alias in node.names)
        elif isinstance(node, ast.keyword) and node.arg == "from_file":  # of a metainfo: a config, which runs
            yield from _of_field("_base_", _literal(node.value))
        elif isinstance(node, ast.Dict):
            named = (value for key, value in zip(node.keys, node.values, strict=True) if _is_from_file(key))
            for value in named:
                yield from _of_field("_base_", _literal(value))
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield "module", node.module or ""
        elif isinstance(node, ast.ImportFrom):  # `with read_base(): from .._base_.runtime import *`
            folders = [".."] * (node.level - 1)
            yield "base", str(Path(*folders, *(node.module or "").split("."))) + ".py"


def _is_from_file(key: ast.expr | None) -> bool:
    return isinstance(key, ast.Constant) and key.value == "from_file"


def _of_data(file: Path, text: str) -> Iterator[tuple[str, str]]:
    import yaml  # type: ignore[import-untyped]

    try:
        content = json.loads(text) if file.suffix == ".json" else yaml.safe_load(text)
    except (ValueError, RecursionError, yaml.YAMLError):
        return  # MMEngine says what is wrong
    if isinstance(content, dict):
        for name in ("_base_", "custom_imports"):
            if name in content:
                yield from _of_field(name, content[name])


def _of_field(name: str, value: Any) -> Iterator[tuple[str, str]]:
    kind = "base" if name == "_base_" else "module"
    if name == "custom_imports" and isinstance(value, dict):
        value = value.get("imports", ())
    for item in value if isinstance(value, (list, tuple)) else [value]:
        if isinstance(item, str) and "{{" not in item:
            yield kind, item
        elif item is not None:
            yield "computed", name


def _literal(node: ast.expr) -> Any:
    """A value that is written down, ``dict(...)`` included; ``...`` for one that is computed."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict" and not node.args:
        return {keyword.arg: _literal(keyword.value) for keyword in node.keywords}
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return ...
