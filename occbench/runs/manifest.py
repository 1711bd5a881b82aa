"""manifest.json: what was measured, with what, how; and the hash of every file of the run."""

from __future__ import annotations

import contextlib
import hashlib
import json
import platform
import subprocess
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..data.jsonfile import first_fault
from ..system.download import sha256
from ..system.errors import OccbenchError
from ..system.version import occbench_version
from . import durable
from .lock import NAME as LOCK
from .shape import Begun, Sealed
from .store import WORK

NAME = "manifest.json"
SCHEMA = 2
PACKAGES = (
    *("torch", "torchvision", "numpy", "mmpose", "mmdet", "mmpretrain", "mmcv", "mmcv-lite", "mmengine"),
    "opencv-python",
)

Manifest = dict[str, Any]


def is_run(folder: Path) -> bool:
    """Whether a folder is a run of occbench, of any schema, finished or not."""
    try:
        content = json.loads((folder / NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and "occbench" in content and "schema" in content


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a run, brought to the present schema.

    Raises:
        OccbenchError: It is missing, damaged, or of a newer occbench.
    """
    path = folder / NAME
    if not path.is_file():
        raise OccbenchError(f"{folder} is no run folder: it has no {NAME}; name the --out of `occbench attack`")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise OccbenchError(f"{path} cannot be read ({error}); give the command of the run again") from error
    if not isinstance(content, dict) or not isinstance(content.get("schema"), int) or "occbench" not in content:
        raise OccbenchError(f"{path} is no manifest of a run: it has no schema number")
    if content["schema"] < 1:
        raise OccbenchError(f"{path} is no manifest of a run: it has schema {content['schema']}")
    if content["schema"] > SCHEMA:
        raise OccbenchError(
            f"{path} has schema {content['schema']}, this occbench knows up to {SCHEMA}; "
            f"use occbench {content['occbench']} or newer"
        )
    for schema in range(content["schema"], SCHEMA):
        content = MIGRATIONS[schema](content)
    try:
        (Begun if content.get("seal") is None else Sealed).model_validate(content)
    except ValidationError as error:
        raise first_fault(error, f"{path} is no manifest of a run") from error
    return content


def crop_size(manifest: Manifest) -> tuple[int, int]:
    """Width and height, px, of the crops that a run's attacks are said in: the model's own, or the reference crops."""
    model = manifest["model"]
    width, height = model.get("crop") or model["input_size"]
    return width, height


def sees_photos(manifest: Manifest) -> bool:
    """Whether a run's model sees whole photos, and needs no boxes."""
    return bool(manifest["model"].get("sees") == "photo")


def _from_1(content: Manifest) -> Manifest:
    """Schema 1 was written whole or not at all, knew one backend, and had predictions as COCO JSON without hashes."""
    backend = {"name": "torch", "precision": "fp32", "device": content.get("device", "cpu")}
    backend["version"] = content.get("versions", {}).get("torch")
    return {**content, "schema": 2, "complete": True, "backend": backend, "seal": None}


MIGRATIONS: Mapping[int, Callable[[Manifest], Manifest]] = {1: _from_1}
"""From each old schema to the next."""


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write manifest.json, durably, sealed with the hash of every other file of a run that is complete."""
    content: Manifest = {"schema": SCHEMA, "occbench": occbench_version(), **manifest}
    content["seal"] = None
    if content["complete"]:
        content["seal"] = {"files": {name: sha256(folder / name) for name in files_of(folder)}}
        content["seal"]["sha256"] = hashlib.sha256(_text(content)).hexdigest()
    with durable.explained(folder):
        durable.write(folder / NAME, _text(content))


def reseal(folder: Path) -> None:
    """Seal a run anew, after its report was made again."""
    manifest = read_manifest(folder)
    if manifest["complete"] and manifest["seal"] is not None:
        write_manifest(folder, {key: value for key, value in manifest.items() if key not in ("schema", "occbench")})


def files_of(folder: Path) -> list[str]:
    """Every file of a run but its manifest, its lock and unfinished ones, as sorted paths with forward slashes."""
    names = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file() or path.is_symlink())
    return sorted(
        name.as_posix()
        for name in names
        if str(name) not in (NAME, LOCK) and name.parts[0] != WORK and not name.name.startswith(durable.TEMPORARY)
    )


def broken_seal(folder: Path) -> list[str]:
    """What of a run is not as it was sealed: files by name, each with what is wrong.

    Raises:
        OccbenchError: The manifest cannot be read, or the run was never sealed.
    """
    manifest = read_manifest(folder)
    seal = manifest.get("seal")
    if not manifest["complete"] or not isinstance(seal, dict) or not isinstance(seal.get("files"), dict):
        raise OccbenchError(f"{folder} is not sealed: it is unfinished or of an old occbench; give its command again")
    wrong = []
    told = {**manifest, "seal": {"files": seal["files"]}}
    told_hash = hashlib.sha256(_text(told)).hexdigest()
    if seal.get("sha256") != told_hash or (folder / NAME).read_bytes() != _text(manifest):
        wrong.append(f"{NAME} was changed")
    there = set(files_of(folder))
    for name, expected in seal["files"].items():
        if name not in there:
            wrong.append(f"{name} is missing")
        elif sha256(folder / name) != expected:
            wrong.append(f"{name} was changed")
    return wrong + [f"{name} is no file of the run" for name in sorted(there - set(seal["files"]))]


def _text(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, allow_nan=False) + "\n").encode()


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide a result."""
    found = {"python": platform.python_version()}
    for package in (*PACKAGES, "pycocotools"):
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def git_commit() -> str | None:
    """Commit of the checkout that occbench runs from, with ``-dirty`` where it was changed; None outside of one."""
    here = Path(__file__).resolve().parents[1]
    if not (here.parent / ".git").exists():
        return None
    try:
        call = ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
        return subprocess.run(call, capture_output=True, text=True, check=True, timeout=10).stdout.strip() or None
    except (OSError, subprocess.SubprocessError):
        return None
