"""MATLAB files, read with clear errors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from io import BytesIO
from pathlib import Path
from typing import Any, ParamSpec

import numpy as np

from ..system.errors import OccbenchError, quoted
from .matcheck import check_mat
from .persons import Dataset

Given = ParamSpec("Given")

MAX_BYTES = 2**30
"""Of a file that is read, and of what it unpacks to; the largest of the data sets has 13 MB."""


def read_mat(path: Path, what: str) -> dict[str, np.ndarray]:
    """The variables of a MATLAB file (level 4 or 5, as all of the data sets are).

    Args:
        path: The file.
        what: What it should be, for the message.

    Raises:
        OccbenchError: It is missing or no such file.
    """
    from scipy.io import loadmat

    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise OccbenchError(f"{what} {str(path)!r} has {size:,} bytes, more than the {MAX_BYTES:,} that are read")
        data = path.read_bytes()
        check_mat(data, MAX_BYTES)
        content: dict[str, Any] = loadmat(BytesIO(data))
    except FileNotFoundError:
        raise OccbenchError(f"{what} {str(path)!r} does not exist") from None
    except NotImplementedError as error:
        raise OccbenchError(
            f"{what} {str(path)!r} is a MATLAB 7.3 file, which is not read; save it with `save -v7`"
        ) from error
    except OccbenchError:
        raise
    except Exception as error:  # SciPy gives up on damaged files in many ways
        reason = quoted(str(error) or type(error).__name__)[1:-1]
        raise OccbenchError(f"{what} {str(path)!r} is no MATLAB file that can be read ({reason})") from error
    return {name: value for name, value in content.items() if isinstance(value, np.ndarray)}


def laid_out(read: Callable[Given, Dataset]) -> Callable[Given, Dataset]:
    """Make a reader of MATLAB structs refuse one that is nested otherwise, whatever it stumbles over in it.

    Args:
        read: A reader whose first argument is the file.
    """

    @wraps(read)
    def reads(*args: Given.args, **given: Given.kwargs) -> Dataset:
        try:
            return read(*args, **given)
        except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError) as error:
            raise OccbenchError(
                f"annotation file {str(args[0])!r} is not laid out as that of the data set "
                f"({quoted(str(error) or type(error).__name__)[1:-1]})"
            ) from error

    return reads


def variable(content: dict[str, np.ndarray], name: str, what: str) -> np.ndarray:
    """One variable of a file.

    Raises:
        OccbenchError: The file does not have it.
    """
    if name not in content:
        has = ", ".join(quoted(one, 40)[1:-1] for one in sorted(content)[:5]) or "nothing"
        raise OccbenchError(f"{what} has no variable {name!r} (it has {has})")
    return content[name]


def fields(struct: np.ndarray, names: Sequence[str], what: str) -> None:
    """Check that a struct has the fields.

    Raises:
        OccbenchError: It is no struct, or a field is missing.
    """
    missing = [name for name in names if name not in (struct.dtype.names or ())]
    if missing:
        raise OccbenchError(f"{what} has no field {missing[0]!r}")


def number(value: Any) -> float:
    """The number of a MATLAB value, also of one that is kept as text; NaN for an empty one."""
    array = np.asarray(value).ravel()
    if array.dtype == object and array.size:
        return number(array[0])
    try:
        return float(array[0]) if array.size else float("nan")
    except ValueError:
        return float("nan")


def text(value: Any) -> str:
    """The text of a MATLAB value; empty for one that is none."""
    array = np.asarray(value).ravel()
    if array.dtype == object and array.size:
        return text(array[0])
    return str(array[0]) if array.size and array.dtype.kind == "U" else ""
