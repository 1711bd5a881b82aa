"""JSON files of others: read whole or not at all, and what is wrong with them said in one line."""

from __future__ import annotations

import codecs
import contextlib
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from ..system.errors import OccbenchError, quoted

MAX_JSON = 2**30
"""Bytes of a JSON file that is read: four times COCO's largest. In memory it may take 20 times as much."""

_FAR = 1e6
"""No photo's pixel lies further out; in float32 it stays finite and exact to a tenth."""

Id = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Coordinate = Annotated[float, Field(ge=-_FAR, le=_FAR, allow_inf_nan=False)]
Box = Annotated[list[Coordinate], Field(min_length=4, max_length=4)]
Side = Annotated[int, Field(gt=0, le=int(_FAR))]
Score = Annotated[float, Field(ge=-_FAR, le=_FAR, allow_inf_nan=False)]


def first_fault(error: ValidationError, what: str, rows: Sequence[int] = ()) -> OccbenchError:
    """One line from pydantic's report: where in the file, what is wrong, and how many more faults there are.

    Args:
        error: The report.
        what: The file.
        rows: Where the entries of its list of persons stand in the file, if not at their own numbers.
    """
    faults = error.errors(include_url=False, include_input=False)
    place = list(faults[0]["loc"])
    if rows and len(place) > 1 and isinstance(place[1], int):
        place[1] = rows[place[1]]
    where = "".join(f"[{at}]" if isinstance(at, int) else f".{at}" for at in place).lstrip(".")
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    wrong = re.sub(r" or instance of _\w+", "", faults[0]["msg"])  # a class of ours
    return OccbenchError(f"{what}: {where or 'file'}: {wrong}{more}")


def read_json(path: Path, what: str) -> Any:
    """Read a JSON file.

    Args:
        path: The file.
        what: What it should be, for the message.

    Raises:
        OccbenchError: It is missing, unreadable, no JSON, or has more than :data:`MAX_JSON` bytes.
    """
    name = f"{what} {quoted(str(path), 300)}"
    try:
        data = _bounded(path, name)
        wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))  # what PowerShell's > writes
        return json.loads(data.decode("utf-16" if wide else "utf-8-sig"))
    except FileNotFoundError:
        raise OccbenchError(f"{name} does not exist") from None
    except OSError as error:
        raise OccbenchError(f"{name} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise OccbenchError(f"{name} cannot be read: {error}: save it as UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise OccbenchError(f"{name} is not valid JSON: {error}") from error
    except MemoryError as error:
        raise OccbenchError(f"{name} does not fit into memory") from error


def encoding_of(path: Path) -> str:
    """``UTF-8 with a byte order mark`` or ``UTF-16`` for a text file that is not plain UTF-8; empty otherwise."""
    if not path.is_file():  # a pipe is read once
        return ""
    with contextlib.suppress(OSError), path.open("rb") as file:
        start = file.read(3)
        if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "UTF-16"
        return "UTF-8 with a byte order mark" if start == codecs.BOM_UTF8 else ""
    return ""


def _bounded(path: Path, name: str) -> bytes:
    """The bytes of a file, or of a pipe, if there are not too many of them."""
    size = path.stat().st_size
    if size <= MAX_JSON:
        with path.open("rb") as file:
            data = file.read(MAX_JSON + 1)  # of a pipe the size is not known beforehand
        if len(data) <= MAX_JSON:
            return data
    raise OccbenchError(f"{name} has {max(size, MAX_JSON + 1):,} bytes or more, but at most {MAX_JSON:,} are read")


@contextlib.contextmanager
def in_memory(what: str, number: int, things: str) -> Iterator[None]:
    """Say how many things there are where they do not fit into memory: nothing else bounds their number."""
    try:
        yield
    except MemoryError as error:
        raise OccbenchError(f"{what}: its {number:,} {things} do not fit into memory") from error
