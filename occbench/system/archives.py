"""Unpack a zip or tar file of somebody else: nothing lands outside of the folder, nothing grows without a bound.

By hand: the filters of tarfile know names and links, but no zip files, no bounds, no name given twice, and no archive
that is refused whole.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import os
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from filelock import FileLock

from .errors import OccbenchError

if TYPE_CHECKING:
    from typing_extensions import Self

MAX_RATIO = 200
"""Bytes that one byte of an archive may unpack to; annotations as JSON reach 20, a bomb of zeros 1,000."""
_SMALL = 2**24
"""An archive may unpack to this much whatever its ratio."""
_MAX_HEADER = 2**20
"""Bytes of a tar header that holds a long name; tarfile reads it into memory as a whole."""
_NAMING = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
_CHUNK = 2**20
_DAMAGED = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, NotImplementedError)


@dataclass(frozen=True)
class _Member:
    """A file or folder of an archive. ``file``: its content, to be read before the next member; None for a folder."""

    name: str
    file: IO[bytes] | None


def unpack(archive: Path, folder: Path, *, max_bytes: int, max_members: int = 2_000_000) -> None:
    """Unpack a zip or tar (plain, gz, bz2, xz) file; ``folder`` appears only whole.

    Everything is written beside ``folder`` and moved there at the end. A refused archive leaves nothing; what a killed
    process leaves, the next call removes. Owners, times and permissions of the archive are not taken over. Files are
    not synced to the disk one by one: after a power cut some may be short, which the checks of photos and annotations
    find.

    Args:
        archive: The file; what it is, its content says and not its name.
        folder: Must not exist, or be empty; the folder that it lies in is made.
        max_bytes: The sum of its unpacked files may not be larger.
        max_members: It may not have more files and folders.

    Raises:
        OccbenchError: It is damaged or no archive; it goes over a limit; it has a member whose name is absolute, holds
            ``..`` or occurs twice, or that is a link or a device or encrypted; ``folder`` is in use or cannot be
            written.
    """
    what = f"archive {str(archive)!r}"
    try:
        packed = archive.stat().st_size
    except OSError as error:
        raise OccbenchError(f"{what} cannot be read: {error.strerror or error}") from error
    work = folder.with_name(f".{folder.name}.part")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f".{folder.name}.lock")):
            if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
                raise OccbenchError(
                    f"{what} cannot be unpacked to {str(folder)!r}: it is there already; remove it first"
                )
            shutil.rmtree(work, ignore_errors=True)
            try:
                work.mkdir()
                _write(archive, work, _Budget(what, packed, max_bytes, max_members))
                os.replace(work, folder)
            finally:
                shutil.rmtree(work, ignore_errors=True)
    except (*_DAMAGED, OSError, ValueError) as error:
        # An OSError of the system has a number; those of decompressors have none. ValueError: a name with a null.
        if isinstance(error, _DAMAGED) or (isinstance(error, OSError) and error.errno is None):
            raise OccbenchError(
                f"{what} is damaged or no zip or tar file ({_reason(error)}); fetch it again"
            ) from error
        raise OccbenchError(f"{what} cannot be unpacked to {str(folder)!r}: {_reason(error)}") from error


class _Budget:
    """Counts what comes out of an archive and stops it where it is too much."""

    def __init__(self, what: str, packed: int, max_bytes: int, max_members: int) -> None:
        self.what = what
        self.max_bytes, self.max_members = max_bytes, max_members
        self.by_ratio = max(_SMALL, MAX_RATIO * packed)
        self.members = self.bytes = 0

    def member(self) -> None:
        self.members += 1
        if self.members > self.max_members:
            raise OccbenchError(f"{self.what} has more than the {self.max_members:,} members that are accepted")

    def grow(self, count: int) -> None:
        self.bytes += count
        if self.bytes > self.max_bytes:
            raise OccbenchError(f"{self.what} unpacks to more than the {self.max_bytes:,} bytes that are accepted")
        if self.bytes > self.by_ratio:
            raise OccbenchError(
                f"{self.what} unpacks to more than {MAX_RATIO} times its size ({self.by_ratio:,} bytes), "
                "which no data set does"
            )


def _write(archive: Path, folder: Path, budget: _Budget) -> None:
    with contextlib.closing(_members(archive, budget)) as members:
        for member in members:
            budget.member()
            path = folder / _relative(member.name, budget.what)
            if member.file is None:
                path.mkdir(parents=True, exist_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                file = path.open("xb")
            except FileExistsError:
                raise OccbenchError(f"{budget.what} has the member {_short(member.name)} twice") from None
            with file:
                while chunk := member.file.read(_CHUNK):
                    budget.grow(len(chunk))
                    file.write(chunk)


def _relative(name: str, what: str) -> PurePosixPath:
    """The place of a member below the folder."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or re.match(r"[A-Za-z]:", name):
        raise OccbenchError(f"{what} has a member that leaves the folder: {_short(name)}")
    return path


def _members(archive: Path, budget: _Budget) -> Generator[_Member, None, None]:
    if zipfile.is_zipfile(archive):
        return _zip_members(archive, budget)
    return _tar_members(archive, budget)


def _zip_members(archive: Path, budget: _Budget) -> Generator[_Member, None, None]:
    with zipfile.ZipFile(archive) as content:
        for info in content.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _not_plain(budget.what, info.filename)
            if info.flag_bits & 1:
                raise OccbenchError(f"{budget.what} is encrypted; unpack it by hand")
            if info.is_dir():
                yield _Member(info.filename, None)
                continue
            with content.open(info) as file:
                yield _Member(info.filename, file)


def _tar_members(archive: Path, budget: _Budget) -> Generator[_Member, None, None]:
    class Info(tarfile.TarInfo):
        """A header: one whose name is absurdly long is not read into memory, and the end of the archive is noticed."""

        ended = False

        @classmethod
        def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
            cls.ended = len(buf) > 0 and not any(buf)
            info = super().frombuf(buf, encoding, errors)
            if info.type in _NAMING and info.size > _MAX_HEADER:
                raise tarfile.ReadError(f"a header of {info.size:,} bytes")
            return info

    # Read once from front to end: the index of a compressed tar would cost unpacking it twice. The decompressors are
    # Python's own, as that of tarfile does not look at gzip's checksum.
    with _decompressed(archive) as stream, tarfile.open(fileobj=stream, mode="r|", tarinfo=Info) as content:
        for info in content:
            content.members = []  # type: ignore[attr-defined]  # its index of all of them is not needed here
            if info.isdir():
                yield _Member(info.name, None)
            elif info.isreg() and not info.issparse():
                yield _Member(info.name, content.extractfile(info))
            else:
                raise _not_plain(budget.what, info.name)
        while rest := stream.read(_CHUNK):  # the checksum comes last
            budget.grow(len(rest))
    if not Info.ended:
        raise tarfile.ReadError("it is cut off between two members")


def _decompressed(archive: Path) -> IO[bytes] | gzip.GzipFile:
    """A tar file without its compression, whatever that is."""
    with archive.open("rb") as file:
        head = file.read(6)
    if head.startswith(b"\x1f\x8b"):
        return gzip.open(archive)
    if head.startswith(b"BZh"):
        return bz2.open(archive)
    if head == b"\xfd7zXZ\0":
        return lzma.open(archive)
    return archive.open("rb")


def _not_plain(what: str, name: str) -> OccbenchError:
    return OccbenchError(
        f"{what} has a member that is a link, a device or a pipe, which is not unpacked: {_short(name)}"
    )


def _short(name: str) -> str:
    return repr(name if len(name) <= 120 else f"{name[:117]}...")


def _reason(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).splitlines()[0]
