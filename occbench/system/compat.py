"""The one place that makes MMPose importable beside any torch and NumPy, without a compiler.

``mmpose.models`` imports ``mmcv.ops`` and ``mmdet`` unconditionally, and ``mmcv-lite`` has no compiled operators.
:func:`setup_mmpose` registers a stand-in for ``mmcv._ext`` where no compiled one is there: ``nms``,
``roi_align``, deformable convolution and attention work (they are what pose models and the common MMDet detectors need
at inference), every other operator says what to install. With a full mmcv it stays out of the way.

``mmpose.datasets`` and ``mmpose.evaluation`` import xtcocotools, in whose place there always is :mod:`.coco_tools`, and
MMEngine looks for packages through ``pkg_resources``, which setuptools 82 no longer has: here through importlib.
"""

from __future__ import annotations

import copy
import gc
import importlib
import importlib.machinery
import importlib.metadata
import importlib.util
import pickle
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, wraps
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from .errors import OccbenchError
from .openmmlab import WITHOUT_MMPOSE, mmpose_configs

FULL_MMCV = "install a full, compiled mmcv 2.1.0 (see 'A full mmcv' in docs/install.md)"


@cache
def setup_mmpose() -> None:
    """Make ``mmpose``, ``mmdet`` and this project's own modules importable and registered. Idempotent.

    Raises:
        OccbenchError: MMPose or one of its parts is not installed or does not fit.
    """
    if importlib.util.find_spec("mmpose") is None:
        raise OccbenchError(WITHOUT_MMPOSE)
    warnings.filterwarnings("ignore", message=".*torch.cuda.amp.autocast.*", category=FutureWarning)  # MMDet's
    warnings.filterwarnings("ignore", message="torch.meshgrid: in an upcoming release.*")  # MMDet's
    try:
        with _uncollected():
            _load_yapf()
            with _without_what_is_seldom_used():
                _load_torchvision()
                if not has_compiled_ops():
                    _register_ops()
                _look_for_packages_with_importlib()
                _register_coco_tools()
                import mmdet  # noqa: F401
                import mmpose.datasets
                import mmpose.evaluation
                import mmpose.models  # noqa: F401
                from mmengine.registry import DefaultScope

                _keep_to_own_metainfo()
    except (ImportError, AssertionError, AttributeError) as error:
        mend = import_mend(error) or "install occbench again, with the versions of its constraints.txt"
        raise OccbenchError(f"MMPose cannot be imported ({_reason(error)}): {mend}") from error
    if DefaultScope.get_current_instance() is None:
        DefaultScope.get_instance("occbench", scope_name="mmpose")


def import_mend(error: BaseException) -> str:
    """What installs the module that an import, or :func:`setup_mmpose`, failed for; empty where none is missing."""
    cause = error.__cause__ if isinstance(error, OccbenchError) and error.__cause__ is not None else error
    top = (cause.name or "").partition(".")[0] if isinstance(cause, ModuleNotFoundError) else ""
    if not top or top in ("mmpose", "xtcocotools"):
        return ""
    return f"pip install -c constraints.txt {_DISTRIBUTIONS.get(top, top)}"


_DISTRIBUTIONS = {"cv2": "opencv-python", "mmcv": "mmcv-lite", "PIL": "pillow", "pkg_resources": "'setuptools<81'"}
_DISTRIBUTIONS |= {"yaml": "pyyaml", "skimage": "scikit-image", "sklearn": "scikit-learn"}


def _reason(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def has_compiled_ops() -> bool:
    """Whether the installed mmcv brings its own compiled operators."""
    loaded = sys.modules.get("mmcv._ext")
    if loaded is not None:
        return not isinstance(loaded, _StandIn)
    return importlib.util.find_spec("mmcv._ext") is not None


@contextmanager
def _uncollected() -> Iterator[None]:
    """Keep the garbage collector from looking through what is imported, again and again: a tenth of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


_LATER = (
    *("torch._dynamo", "torch._dynamo.utils"),  # torchvision, for one question when roi_align has no operators
    *("torch.distributed.optim", "torch.distributed.fsdp", "torch.distributed.fsdp.api"),  # MMEngine, with sympy
    "torch.distributed.fsdp.fully_sharded_data_parallel",
    *("scipy.stats", "scipy.io", "scipy.optimize", "matplotlib", "matplotlib.pyplot", "matplotlib.patches"),
)
"""What OpenMMLab and torchvision import at once and seldom use: half the time of all imports."""


class _Module(ModuleType):
    """Stands for a module that is imported when something of it is used."""

    __path__: list[str] = []  # noqa: RUF012  # none are found in it

    def __getattr__(self, name: str) -> _Name:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Name(name, (), {"of": self.__name__})


class _Name(type):
    """Stands for something of such a module: called, asked for its attributes or for its instances, it is imported.

    It is a class, for MMEngine registers some and derives others; those cannot be made then.
    """

    of: str

    def _real(cls) -> Any:
        if isinstance(sys.modules.get(cls.of), _Module):
            _forget_stand_ins()
        try:
            return getattr(importlib.import_module(cls.of), cls.__name__)
        except AttributeError:
            return importlib.import_module(f"{cls.of}.{cls.__name__}")

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if "of" not in vars(cls):
            raise OccbenchError(f"{cls.__name__} is left out by occbench: import {cls.of} before it")
        return cls._real()(*args, **kwargs)

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__") or "of" not in vars(cls):
            raise AttributeError(name)
        return getattr(cls._real(), name)

    def __getitem__(cls, key: Any) -> Any:
        return cls._real()[key]

    def __instancecheck__(cls, instance: Any) -> bool:
        return super().__instancecheck__(instance) or ("of" in vars(cls) and isinstance(instance, cls._real()))


@contextmanager
def _without_what_is_seldom_used() -> Iterator[None]:
    """Have nobody import those of ``_LATER`` that are not yet there: whoever uses one has it imported then."""
    for name in _LATER:
        sys.modules.setdefault(name, _Module(name))
    try:
        yield
    finally:
        _forget_stand_ins()


def _forget_stand_ins() -> None:
    for name in [name for name, module in sys.modules.items() if isinstance(module, _Module)]:
        del sys.modules[name]


def _load_yapf(patience_s: float = 5.0) -> None:
    """Import yapf, which MMEngine needs, also while another process does so for the first time on this machine.

    It keeps its grammar in a file, and gives that file its name before all of it is written.

    Args:
        patience_s: How long the other process may take.

    Raises:
        OccbenchError: What is kept is still not whole then.
    """
    until = time.monotonic() + patience_s
    while True:
        try:
            importlib.import_module("yapf")
            return
        except (EOFError, pickle.UnpicklingError) as error:
            if time.monotonic() > until:
                from platformdirs import user_cache_dir  # yapf's own dependency

                kept = user_cache_dir("YAPF", "Google")
                raise OccbenchError(f"yapf cannot read the grammar that it keeps: remove {kept}") from error
        time.sleep(0.1)


def _load_torchvision() -> Any | None:
    """Import torchvision, also where its compiled operators do not fit torch (a CPU torch beside PyPI's torchvision).

    There, torchvision fails at import because it registers fake kernels for operators that never were defined; with
    their schemas defined it imports and works. Of its operators nms has a plain stand-in, which its detectors need; for
    roi_align it has its own.
    """
    import torch

    from .mmcv_ops import plain_nms

    try:
        return importlib.import_module("torchvision")
    except ImportError:
        return None
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]
    library = torch.library.Library("torchvision", "FRAGMENT")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define(
        "qnms(Tensor dets, float scale, int zero_point, Tensor scores, float scores_scale, int scores_zero_point,"
        " float iou_threshold) -> Tensor"
    )
    library.impl("nms", plain_nms, "CPU")
    _KEEP.append(library)  # a Library takes its definitions along when it is collected
    module = importlib.import_module("torchvision")
    boxes: Any = importlib.import_module("torchvision.ops.boxes")
    boxes._assert_has_ops = lambda: None  # nms asks it, and is there now
    return module


_KEEP: list[Any] = []


def _keep_to_own_metainfo() -> None:
    """Make MMPose read what it says of a data set from its own configs.

    Its classes name ``configs/_base_/datasets/coco.py``, which MMPose looks for in the current folder first: a Python
    file there would run, whoever put it there.
    """
    from mmpose.datasets.datasets import utils

    configs, theirs = mmpose_configs(), utils.parse_pose_metainfo
    read = cache(lambda own: theirs({"from_file": str(own)}))

    @wraps(theirs)
    def parse_pose_metainfo(metainfo: dict[str, Any]) -> dict[str, Any]:
        own = configs / str(metainfo.get("from_file", "")).removeprefix("configs/")
        parsed: dict[str, Any] = copy.deepcopy(read(own)) if own.is_file() else theirs(metainfo)
        return parsed

    _replace("mmpose", theirs, parse_pose_metainfo)


def _look_for_packages_with_importlib() -> None:
    """Make MMEngine find installed packages, as the base of a config such as ``mmpose::...`` needs it."""
    from mmengine.config import utils
    from mmengine.utils import package_utils

    utils.load = cache(utils.load)  # all YAML files of a package, for each base that is named so
    _replace("mmengine", package_utils.is_installed, is_installed)
    _replace("mmengine", package_utils.get_installed_path, get_installed_path)


def is_installed(package: str) -> bool:
    """Whether there is a distribution, or a module, of that name; a namespace package does not count."""
    try:
        importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        spec = importlib.util.find_spec(package)
        return spec is not None and spec.origin is not None
    return True


def get_installed_path(package: str) -> str:
    """The folder of a module or, by the name of its distribution, of the first module that this one lists.

    Raises:
        PackageNotFoundError: There is neither.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        listed = importlib.metadata.distribution(package).read_text("top_level.txt") or package
        spec = importlib.util.find_spec(listed.split()[0])
    if spec is None or spec.origin is None:
        raise importlib.metadata.PackageNotFoundError(package)
    return str(Path(spec.origin).parent)


def _register_coco_tools() -> None:
    from . import coco_tools

    coco_tools.register()


def _replace(package: str, theirs: Callable[..., Any], ours: Callable[..., Any]) -> None:
    """Put a function into the place of another in every module of a package that holds it by its name."""
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] == package and vars(module).get(theirs.__name__) is theirs:
            setattr(module, theirs.__name__, ours)


class _StandIn(ModuleType):
    """``mmcv._ext`` in torch: knows every operator by name, runs some, and is clear about the others."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)

        def missing(*args: Any, **kwargs: Any) -> NoReturn:
            raise OccbenchError(f"this model needs the compiled mmcv operator {name!r}: {FULL_MMCV}")

        return missing


def _register_ops() -> None:
    from . import mmcv_ops

    module = _StandIn("mmcv._ext")
    module.__spec__ = importlib.machinery.ModuleSpec("mmcv._ext", loader=None)
    module.nms = mmcv_ops.nms  # type: ignore[attr-defined]
    module.roi_align_forward = mmcv_ops.roi_align_forward  # type: ignore[attr-defined]
    module.deform_conv_forward = mmcv_ops.deform_conv_forward  # type: ignore[attr-defined]
    module.ms_deform_attn_forward = mmcv_ops.ms_deform_attn_forward  # type: ignore[attr-defined]
    sys.modules["mmcv._ext"] = module
