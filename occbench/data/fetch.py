"""Data sets from where their authors publish them, into MMPose's layout.

Nothing of a set's licence is accepted on anybody's behalf: what asks for a form or for a browser is named, with the
folder that it belongs in.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from filelock import FileLock

from ..system.archives import unpack
from ..system.download import download
from ..system.errors import OccbenchError
from .fetchable import GB, Archive, Fetchable, Place
from .known import count_files

WORK = ".fetch"
"""Folder below the data folder for what is on its way."""
_SLACK = 2**26
"""Bytes that the disk must have besides."""


def fetch(
    wanted: Fetchable,
    root: Path,
    *,
    mirror: str = "",
    keep_archives: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> None:
    """Fetch what is not there yet, check it, and put it in its place.

    What is interrupted goes on where it was: a transfer at its last byte, an unpacked archive at the first file that is
    not in its place. Files that are there already are never replaced.

    Args:
        wanted: What.
        root: The data folder.
        mirror: Address to fetch from in place of the official hosts, which then are its first folders; empty for none.
        keep_archives: Whether the archives stay, below ``root``.
        say: Told what goes on, a line at a time.

    Raises:
        OccbenchError: The network, the disk or an archive is not as it should be; or something has to be fetched by
            hand, and the message says from where.
    """
    if not wanted.missing(root):
        say(f"{wanted.name} is complete in {root}")
        return
    todo = [one for one in wanted.archives if not all(_is_done(root, place) for place in one.places)]
    if todo:
        _require_space(wanted, todo, root)
        say(f"{wanted.name}: {wanted.terms}")
    for archive in wanted.archives:
        if archive in todo:
            _bring(archive, root, mirror, say)
        shutil.rmtree(_unpacked(root, archive), ignore_errors=True)
        if not keep_archives:
            (root / WORK / archive.name).unlink(missing_ok=True)
    missing = wanted.missing(root)
    if missing and wanted.by_hand:
        raise OccbenchError(
            f"{wanted.name} is not complete: {wanted.by_hand} (below {str(root)!r}), is to be fetched by hand "
            f"({wanted.terms}); missing: {missing}"
        )
    if missing:
        raise OccbenchError(f"{wanted.name} is fetched, but still misses {missing}: has it been published anew?")
    say(f"{wanted.name} is complete in {root}")


def _is_done(root: Path, place: Place) -> bool:
    """Whether a folder of an archive is in its place, wholly."""
    proof = root / place.proof
    there = proof.is_file() or (proof.is_dir() and count_files(proof) >= place.photos)
    return there and not _moving(root, place).exists()


def _moving(root: Path, place: Place) -> Path:
    """A file that is there while the folder is being filled, and names the folder of the archive."""
    return root / WORK / f"{'-'.join(place.target.parts)}.moving"


def _require_space(wanted: Fetchable, todo: list[Archive], root: Path) -> None:
    """Both an archive and what it unpacks to are there for a while; the largest of them last."""
    work = root / WORK
    needed = sum(one.unpacked for one in todo) + max(one.size for one in todo)
    here = sum(_size(work / one.name) + _size(work / f"{one.name}.part") for one in todo)
    place = next(folder for folder in (root, *root.absolute().parents) if folder.is_dir())
    free = shutil.disk_usage(place).free
    if free + here < needed + _SLACK:
        raise OccbenchError(
            f"{wanted.name} needs {_in_gb(needed)} GB for a while, but {str(place)!r} has {_in_gb(free)} GB free: make "
            "room, or set OCCBENCH_DATA to another folder"
        )


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _in_gb(count: int) -> str:
    return f"{count / GB:.1f}" if count > GB / 10 else f"{count / GB:.3f}"


def _unpacked(root: Path, archive: Archive) -> Path:
    return root / WORK / f"{archive.name}.unpacked"


def _bring(archive: Archive, root: Path, mirror: str, say: Callable[[str], None]) -> None:
    work = root / WORK
    file, folder = work / archive.name, _unpacked(root, archive)
    try:
        work.mkdir(parents=True, exist_ok=True)
        with FileLock(work / f"{archive.name}.busy"):
            if not folder.is_dir():
                address = _address(archive.url, mirror)
                say(f"fetching {address}")
                download(
                    address,
                    file,
                    prefix=archive.sha256,
                    otherwise=f"fetch {archive.url} yourself and put it at {str(file)!r}",
                    max_bytes=archive.size if archive.sha256 else 3 * archive.size + 2**26,
                )
                say(f"unpacking {archive.name}")
                unpack(file, folder, max_bytes=3 * archive.unpacked + 2**26)
            for place in archive.places:
                _put(archive, folder, place, root)
    except OSError as error:
        raise OccbenchError(f"{str(root)!r} cannot be written: {error.strerror or error}") from error


def _address(url: str, mirror: str) -> str:
    parts = urlsplit(url)
    return f"{mirror.rstrip('/')}/{parts.netloc}{parts.path}" if mirror else url


def _put(archive: Archive, folder: Path, place: Place, root: Path) -> None:
    """Move the folder of the archive that holds the marker to its place, file by file."""
    if _is_done(root, place):
        return
    moving = _moving(root, place)
    if moving.exists():  # interrupted: the marker may be gone
        source = folder / moving.read_text("utf-8")
    else:
        found = next((path for path in sorted(folder.rglob(place.marker)) if path.is_file()), None)
        if found is None:
            raise OccbenchError(f"archive {archive.name} has no {place.marker}: has it been published anew?")
        source = found.parent
        moving.write_text(str(source.relative_to(folder)), "utf-8")
    if source.is_dir():
        _merge(source, root / place.target)
    moving.unlink()


def _merge(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.iterdir()):
        there = target / path.name
        if path.is_dir():
            _merge(path, there)
        elif not there.exists():
            os.replace(path, there)
