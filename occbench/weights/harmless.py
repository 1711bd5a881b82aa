"""What checkpoints of training frameworks hold besides tensors, and how such a file is read without running it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

_LOGS = ("mmengine.logging.history_buffer.HistoryBuffer",)
"""MMEngine's (and so this project's) training checkpoints keep their logs."""

_ARRAYS = (
    *("numpy.ndarray", "numpy.dtype", "numpy.core.multiarray._reconstruct", "numpy.core.multiarray.scalar"),
    *("numpy._core.multiarray._reconstruct", "numpy._core.multiarray.scalar"),  # numpy 2
)

_SETTINGS = ("argparse.Namespace", *(f"pathlib.{name}" for name in ("PosixPath", "WindowsPath", "PurePosixPath")))
"""The command line of a training, as DETR, MAE and those after them keep it."""

_TIMES = ("datetime.datetime", "datetime.timedelta", "datetime.date")
"""When a training was, and how long."""

_METHODS = ("builtins.getattr", "__builtin__.getattr")
"""How a pickle writes the methods of a ``HistoryBuffer``."""

HARMLESS_GLOBALS = frozenset((*_LOGS, *_ARRAYS, *_SETTINGS, *_TIMES, *_METHODS))
"""Names that a checkpoint may hold beside torch's own. None of them is called: a :class:`Left` stands for each."""


class Left:
    """Stands in for an object of a checkpoint that is left where it is: takes everything and does nothing."""

    def __new__(cls, *_: Any) -> Left:
        return super().__new__(cls)

    def __init__(self, *_: Any) -> None: ...

    def __setstate__(self, state: object) -> None: ...


def left_out() -> contextlib.AbstractContextManager[Any]:
    """While it lasts, ``torch.load(weights_only=True)`` reads files that hold :data:`HARMLESS_GLOBALS`.

    They come out as :class:`Left`; none of the real classes and functions is so much as imported. With a torch before
    2.6, which cannot do that, such files are refused as before.
    """
    import torch

    version = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2])
    if version < (2, 6):
        return contextlib.nullcontext()
    names: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [(Left, name) for name in HARMLESS_GLOBALS]
    return torch.serialization.safe_globals(names)
