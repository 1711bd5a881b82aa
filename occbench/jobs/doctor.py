"""What of the surroundings works, and what to do about the rest."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..system.compat import FULL_MMCV, has_compiled_ops, import_mend, setup_mmpose
from ..system.errors import OccbenchError
from ..system.openmmlab import INSTALL_MMPOSE, MMPOSE
from ..system.paths import cache_dir, data_dir
from ..system.version import occbench_version
from ..weights.checkpoints import cached
from ..weights.detectors import list_detectors
from ..weights.zoo import list_models

REINSTALL = "install occbench again (in a clone: make install)"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        group: Heading that it belongs under.
        name: What was looked at.
        ok: Whether it is as it should be.
        found: What was found.
        mend: What to do where it is not ok; empty where nothing needs to be done.
        needed: Whether the main job, an attack on the embedded sample, needs it.
    """

    group: str
    name: str
    ok: bool
    found: str
    mend: str = ""
    needed: bool = True


def checks() -> list[Check]:
    """Look at everything, in the order in which one would mend it. Imports torch and MMPose where they are there."""
    return [*_versions(), *_imports(), *_operators(), _detectors(), *_devices(), *_places()]


def works(found: list[Check]) -> bool:
    """Whether the main job can run."""
    return all(check.ok for check in found if check.needed)


def _versions() -> Iterator[Check]:
    yield Check("versions", "occbench", True, occbench_version())
    fits = sys.version_info >= (3, 10)
    yield Check("versions", "python", fits, platform.python_version(), "" if fits else "use Python 3.10 or newer")
    wanted = _requirements()
    for names in (
        ("torch",),
        ("torchvision",),
        ("numpy",),
        ("mmpose",),
        ("mmdet",),
        ("mmcv", "mmcv-lite"),
        ("mmengine",),
        ("mmpretrain",),
        ("opencv-python", "opencv-python-headless", "opencv-contrib-python"),
        ("pycocotools",),
    ):
        yield _version(names, wanted)


def _version(names: tuple[str, ...], wanted: dict[str, str]) -> Check:
    """Whether one of the distributions that give the same module is installed in a version that fits."""
    asked = next((name for name in names if name in wanted), names[0])
    rule = wanted.get(asked, "")
    mend = INSTALL_MMPOSE if asked == "mmpose" else f'pip install -c constraints.txt "{asked}{rule}"'
    found = [(name, version) for name in names if (version := _installed(name)) is not None]
    if not found:
        return Check("versions", names[0], False, "not installed", mend)
    text = ", ".join(f"{name} {version}" for name, version in found)
    if len(found) > 1:
        spare = found[-1][0]
        return Check(
            "versions", names[0], False, f"{text} overwrite each other", f"pip uninstall {spare}", needed=False
        )
    fits = _fits(found[0][1], rule)
    return Check("versions", found[0][0], fits, text.split(" ")[-1], "" if fits else mend)


def _requirements() -> dict[str, str]:
    """Distribution name to version rule, as this package declares them, and MMPose."""
    try:
        declared = importlib.metadata.requires("occbench") or []
    except importlib.metadata.PackageNotFoundError:
        return {}
    rules = {}
    for line in (*declared, MMPOSE):
        match = re.match(r"([\w.-]+)\s*([^;]*)", line.partition(";")[0].strip())
        if match and "extra" not in line:
            rules[match[1].lower()] = match[2].strip()
    return rules


def _reinstall() -> str:
    """What to do where MMPose or what it needs does not work."""
    return REINSTALL if _installed("mmpose") else f"{INSTALL_MMPOSE} (or: occbench setup)"


def _fits(version: str, rule: str) -> bool:
    from packaging.specifiers import SpecifierSet

    return SpecifierSet(rule).contains(version, prereleases=True)


def _installed(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _imports() -> Iterator[Check]:
    for name in ("torch", "torchvision", "cv2", "pycocotools.mask"):
        yield _importable(name, _plain_import(name), REINSTALL, needed=name != "torchvision")
    yield _importable("mmpose.models and mmdet", setup_mmpose, _reinstall())


def _importable(name: str, load: Callable[[], object], mend: str, needed: bool = True) -> Check:
    try:
        load()
    except Exception as error:  # a broken installation can fail in any way
        cause = error.__cause__ if isinstance(error, OccbenchError) and error.__cause__ else error
        reason = (str(cause).splitlines() or [""])[0][:200]
        return Check("imports", name, False, f"{type(cause).__name__}: {reason}", import_mend(error) or mend, needed)
    return Check("imports", name, True, "imports", needed=needed)


def _plain_import(name: str) -> Callable[[], object]:
    def load() -> object:
        if name == "torchvision":
            from ..system.compat import _load_torchvision

            if _load_torchvision() is None:
                raise ImportError("not installed")
        return importlib.import_module(name)

    return load


def _operators() -> Iterator[Check]:
    group = "mmcv operators"
    try:
        compiled = has_compiled_ops()
    except ImportError:
        return  # there is no mmcv, which was said above
    kind = "compiled" if compiled else "stand-in in torch"
    for name, run in (("nms", _run_nms), ("roi_align", _run_roi_align)):
        try:
            right = run()
            found = kind if right else f"{kind}, but gives a wrong result"
        except Exception as error:
            right, found = False, f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:200]}"
        yield Check(group, name, right, found, "" if right else _reinstall())
    yield Check(
        group, "all others", compiled, kind if compiled else "absent; no pose model of `occbench ls models` needs them",
        "" if compiled else f"only for models or detectors that ask for them: {FULL_MMCV}", needed=False,
    )  # fmt: skip


def _detectors() -> Check:
    """Whether MMDet builds the smallest of the named detectors, as ``--boxes detector:NAME`` needs it."""
    group, mend = "detectors", "only for --boxes detector:NAME: " + _reinstall()
    try:
        from ..estimators.config import load_config
        from ..inference.detector import build_detector

        names = [detector.name for detector in list_detectors()]
        smallest = next(detector for detector in list_detectors() if detector.name == "rtmdet")
        build_detector(load_config(smallest.config_path), smallest.config_path)
    except Exception as error:  # a broken installation can fail in any way
        reason = (str(error).splitlines() or [""])[0][:200]
        return Check(group, "MMDet", False, f"{type(error).__name__}: {reason}", mend, needed=False)
    return Check(group, "MMDet", True, f"builds detectors: {', '.join(names)}", needed=False)


def _run_nms() -> bool:
    """Whether nms keeps the better of two boxes that overlap and the one apart."""
    setup_mmpose()
    import torch
    from mmcv.ops import nms

    boxes = torch.tensor([[0.0, 0, 10, 10], [1, 1, 11, 11], [50, 50, 60, 60]])
    _, kept = nms(boxes, torch.tensor([0.6, 0.9, 0.5]), iou_threshold=0.5)
    return bool(kept.tolist() == [1, 2])


def _run_roi_align() -> bool:
    """Whether roi_align averages a ramp to its value at the middle of the box."""
    setup_mmpose()
    import torch
    from mmcv.ops import roi_align

    ramp = torch.arange(16.0).expand(1, 1, 16, 16).contiguous()
    pooled = roi_align(ramp, torch.tensor([[0.0, 4, 4, 8, 8]]), (1, 1), 1.0, 2, "avg", True)
    return abs(float(pooled) - 5.5) < 1e-4  # pixel centres lie at whole numbers plus one half


def _devices() -> Iterator[Check]:
    group = "devices"
    try:
        import torch
    except Exception:
        return  # which was said above
    yield Check(group, "cpu", True, f"{os.cpu_count()} cores, {torch.get_num_threads()} threads used by torch")
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            gpu = torch.cuda.get_device_properties(index)
            found = f"{gpu.name}, {gpu.total_memory / 2**30:.0f} GiB"
            yield Check(group, f"cuda:{index}", True, found, needed=False)
    elif shutil.which("nvidia-smi"):
        mend = "install the CUDA build of torch (https://pytorch.org/get-started/locally)"
        build = torch.version.cuda or "without CUDA"
        yield Check(group, "cuda", False, f"there is a driver, but torch (built {build}) sees no GPU", mend, False)
    else:
        yield Check(group, "cuda", True, "no GPU; everything runs on the CPU", needed=False)


def _places() -> Iterator[Check]:
    yield from _package_files()
    cache = cache_dir()
    writable = os.access(_existing(cache), os.W_OK)
    mend = "" if writable else "set OCCBENCH_CACHE to a folder that you can write to"
    yield Check("files", "cache", writable, f"{cache}{'' if writable else ' cannot be written'}", mend)
    yield Check("files", "cached weights", True, cached_weights() or "none yet; fetched when a model is first used")
    annotations, images = data_dir() / "coco/annotations/person_keypoints_val2017.json", data_dir() / "coco/val2017"
    missing = [str(path) for path in (annotations, images) if not path.exists()]
    yield Check(
        "files", "coco-val2017", not missing, f"missing: {', '.join(missing)}" if missing else str(images.parent),
        "`occbench fetch coco-val2017` brings them into the folder 'coco' of $OCCBENCH_DATA "
        f"(now {data_dir().resolve()})" if missing else "", needed=False,
    )  # fmt: skip


def _package_files() -> Iterator[Check]:
    for model in list_models():
        if model.weights and model.checkpoint:
            path = Path(model.checkpoint)
            there = path.is_file()
            found = str(path) if there else f"{path} is missing"
            yield Check("files", f"weights of {model.name}", there, found, "" if there else REINSTALL)
    annotations, _images = sample_place()
    where = str(annotations.parent) if annotations.is_file() else f"will be generated in {annotations.parent}"
    yield Check("files", "sample", True, where)


def sample_place() -> tuple[Path, Path]:
    """Where the embedded sample's annotations and photos are once it has been generated. It is not generated here."""
    from ..data.synthetic import SAMPLE_VERSION
    from ..data.synthetic.generate import ANNOTATIONS, IMAGES

    folder = cache_dir() / f"synthetic-sample-v{SAMPLE_VERSION}"
    return folder / ANNOTATIONS, folder / IMAGES


def cached_weights() -> str:
    """Names of the zoo's models whose weights have been fetched already, or ``""``."""
    names = []
    for model in list_models():
        try:
            address = model.checkpoint
        except OccbenchError:  # MMPose is not installed
            continue
        if address and "://" in address and cached(address).is_file():
            names.append(model.name)
    return ", ".join(names)


def _existing(path: Path) -> Path:
    """The nearest folder above that is there already."""
    return next((folder for folder in (path, *path.parents) if folder.exists()), Path("/"))
