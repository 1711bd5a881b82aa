"""Fetch a file over HTTP once: resumed after a break, verified, and moved in place whole.

By hand, since neither pooch nor MMEngine resumes a broken transfer, and weights of 250 MB come over slow links.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import re
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

from .errors import OccbenchError

WAITS = (1.0, 2.0, 4.0)  # seconds before each new attempt
STALL = 30.0  # seconds without a byte after which an attempt is given up
MAX_BYTES = 8 * 2**30
_CHUNK = 2**18


class _Broken(Exception):
    """An attempt failed in a way that another one may mend."""


def sha256(path: Path) -> str:
    """Hex digest of the content of ``path``."""
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while chunk := file.read(2**20):
            digest.update(chunk)
    return digest.hexdigest()


def download(
    url: str,
    target: Path,
    *,
    prefix: str = "",
    otherwise: str = "",
    progress: bool | None = None,
    waits: Sequence[float] | None = None,
    max_bytes: int = MAX_BYTES,
) -> None:
    """Fetch ``url`` to ``target``, which appears only whole and verified.

    An interrupted transfer leaves ``target.part``, from which the next one goes on where the server allows it and
    still has the same content. An attempt that gets nowhere is repeated after each of ``waits``. Two processes that
    want the same file take turns, and the second finds it there.

    Args:
        url: An http or https address.
        target: Where the file shall lie; its folder is made.
        prefix: What the sha256 of the content starts with; empty: not checked.
        otherwise: What a user can do who cannot fetch it, for the error message.
        progress: Draw a progress bar on stderr; None: if that is a terminal.
        waits: Seconds before the second, third, ... attempt; None: ``WAITS``.
        max_bytes: Larger files are refused.

    Raises:
        OccbenchError: No network, no such file, wrong checksum, no space. Nothing is left at ``target``.
    """
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_name(target.name + ".lock")):
            if target.exists():
                return
            _fetch(url, part, bool(prefix), otherwise, progress, WAITS if waits is None else waits, max_bytes)
            found = sha256(part)
            if not found.startswith(prefix):
                _discard(part)
                raise OccbenchError(
                    f"wrong checksum of {url}: its sha256 should start with {prefix} but is {found[:12]}...; "
                    f"it was removed. Try again{', or ' + otherwise if otherwise else ''}"
                )
            with part.open("rb") as file:
                os.fsync(file.fileno())
            os.replace(part, target)
            _discard(part)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OccbenchError(
            f"cannot write {target} ({reason}); make room there or set OCCBENCH_CACHE to another folder"
        ) from error


def _fetch(
    url: str,
    part: Path,
    checked: bool,
    otherwise: str,
    progress: bool | None,
    waits: Sequence[float],
    max_bytes: int,
) -> None:
    """Fill ``part`` to the end, in as many attempts as ``waits`` allows without getting further."""
    furthest, failures = _size(part), 0
    while True:
        try:
            return _attempt(url, part, checked, progress, max_bytes)
        except _Broken as error:
            # A slow link that breaks often still arrives, as long as each attempt gets further than all before it.
            failures = 0 if _size(part) > furthest else failures + 1
            furthest = max(furthest, _size(part))
            if failures > len(waits):
                advice = f"; {otherwise}" if otherwise else ""
                raise OccbenchError(f"cannot fetch {url} ({error}){advice}") from error
            time.sleep(waits[max(failures - 1, 0)] if waits else 0)


def _attempt(url: str, part: Path, checked: bool, progress: bool | None, max_bytes: int) -> None:
    tag_file = _tag_file(part)
    have = _size(part)
    tag = tag_file.read_text("ascii", "ignore") if tag_file.is_file() else ""
    headers = {"User-Agent": "occbench", "Accept-Encoding": "identity"}
    if have and (tag or checked):  # without either, nobody would notice that the file changed in between
        headers["Range"] = f"bytes={have}-"
        if tag:
            headers["If-Range"] = tag
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=STALL)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:  # the part is longer than the file is now
            _discard(part)
            raise _Broken("the server cannot go on from where it broke") from error
        if error.code in (408, 425, 429) or error.code >= 500:
            raise _Broken(f"HTTP {error.code} {error.reason}") from error
        raise OccbenchError(f"{url} answers HTTP {error.code} {error.reason}; check the address") from error
    except (ValueError, http.client.InvalidURL) as error:  # spaces, control characters, a port that is no number
        raise OccbenchError(f"{url!r} is no valid address ({_reason(error)})") from error
    except (OSError, http.client.HTTPException) as error:
        raise _Broken(_reason(error)) from error
    with response:
        _check_is_file(url, response)
        start, total = _span(response)
        if start not in (0, have):
            _discard(part)
            raise _Broken("the server answered with another part of the file")
        if total is not None and total > max_bytes:
            _discard(part)
            raise OccbenchError(f"{url} has {total:,} bytes, more than the {max_bytes:,} that are accepted")
        _write_tag(tag_file, response)
        with part.open("ab" if start else "wb") as file, _bar(part.name, start, total, progress) as advance:
            for chunk in _chunks(response):
                file.write(chunk)
                advance(len(chunk))
                if file.tell() > max_bytes:
                    _discard(part)
                    raise OccbenchError(f"{url} sends more than the {max_bytes:,} bytes that are accepted")
    if total is not None and _size(part) != total:
        raise _Broken(f"it broke off after {_size(part):,} of {total:,} bytes")


def _chunks(response: Any) -> Iterator[bytes]:
    """What the network gives; its errors are kept apart from those of the disk."""
    while True:
        try:
            chunk = response.read(_CHUNK)
        except (OSError, http.client.HTTPException) as error:
            raise _Broken(_reason(error)) from error
        if not chunk:
            return
        yield chunk


def _check_is_file(url: str, response: Any) -> None:
    if not response.geturl().startswith(("http://", "https://")):
        raise OccbenchError(f"{url} leads to {response.geturl()}, which is not fetched")
    if response.headers.get_content_type() in ("text/html", "application/xhtml+xml"):
        raise OccbenchError(f"{url} answers with a web page, not with a file; give the address of the file itself")


def _span(response: Any) -> tuple[int, int | None]:
    """First byte of the answer and size of the whole file, where the server tells it."""
    if response.status == 206:
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if match is None:
            return -1, None
        return int(match[1]), None if match[2] == "*" else int(match[2])
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if length.isdigit() else None


def _write_tag(tag_file: Path, response: Any) -> None:
    """Keep what identifies this version of the file, so that a resumed transfer does not mix two versions."""
    tag = response.headers.get("ETag") or ""
    if not tag or tag.startswith("W/"):  # weak tags may not be used with ranges
        tag = response.headers.get("Last-Modified") or ""
    if tag and tag.isascii() and tag.isprintable():
        tag_file.write_text(tag, "ascii")
    else:
        tag_file.unlink(missing_ok=True)


def _tag_file(part: Path) -> Path:
    return part.with_name(part.name + ".tag")


def _discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    _tag_file(part).unlink(missing_ok=True)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", error)
    text = getattr(reason, "strerror", None) or str(reason) or type(error).__name__
    return str(text).splitlines()[0]


@contextlib.contextmanager
def _bar(name: str, start: int, total: int | None, progress: bool | None) -> Iterator[Any]:
    """A progress bar on stderr; gives the function that advances it by a number of bytes."""
    if not (sys.stderr.isatty() if progress is None else progress):
        yield lambda count: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(name.removesuffix(".part"), total=total, completed=start)
        yield lambda count: bar.advance(task, count)
