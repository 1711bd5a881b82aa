"""Archives that would write outside of their folder, or without an end."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from occbench.system import archives
from occbench.system.archives import unpack
from occbench.system.errors import OccbenchError

from .case import Record, Row, normalised

GROUP = "Archives of data sets"
Member = tuple[str | tarfile.TarInfo | zipfile.ZipInfo, bytes]
Make = Callable[[Path], object]


def link(name: str, kind: bytes, to: str = "") -> tarfile.TarInfo:
    """A member of a tar file that is no file."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, to
    return info


def tar(*members: Member, mode: str = "w:gz") -> Make:
    """A tar file of such members."""

    def make(path: Path) -> None:
        with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
            for name, data in members:
                info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(str(name))
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))

    return make


def zipped(*members: Member) -> Make:
    """A zip file of such members."""

    def make(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in members:
                assert not isinstance(name, tarfile.TarInfo)
                archive.writestr(name, data)

    return make


def changed(make: Make, change: Callable[[bytes], bytes]) -> Make:
    """An archive, and then something happens to it."""

    def both(path: Path) -> None:
        make(path)
        path.write_bytes(change(path.read_bytes()))

    return both


def flipped(at: int) -> Callable[[bytes], bytes]:
    """One bit turned."""
    return lambda data: data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def encrypted(data: bytes) -> bytes:
    """A zip file that says that its members are encrypted."""
    return data.replace(b"\x14\0\0\0\x08", b"\x14\0\1\0\x08")


def zip_link() -> zipfile.ZipInfo:
    """A symbolic link, as zip files hold them."""
    info = zipfile.ZipInfo("link")
    info.external_attr = 0o120777 << 16
    return info


def long_header(path: Path) -> None:
    """A name of 50 MB."""
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("a")
        info.pax_headers = {"comment": "0" * 50_000_000}
        archive.addfile(info)


NOISE = np.random.default_rng(0).bytes(5000)
TWO = tar(("a", NOISE[:512]), ("b", NOISE[:512]), mode="w")

BAD: dict[str, tuple[Make, str]] = {
    "a tar member ../a": (tar(("../a", b"x")), "leaves the folder: '../a'"),
    "a tar member /a": (tar(("/a", b"x")), "leaves the folder"),
    "a zip member a/../../b": (zipped(("a/../../b", b"x")), "leaves the folder"),
    "a zip member a\\..\\..\\b": (zipped(("a\\..\\..\\b", b"x")), "leaves the folder"),
    "a zip member C:\\a": (zipped(("C:\\a", b"x")), "leaves the folder"),
    "a symbolic link in a tar": (tar((link("a", tarfile.SYMTYPE, "/etc"), b""), ("a/b", b"x")), "a link"),
    "a hard link in a tar": (tar(("a", b"x"), (link("b", tarfile.LNKTYPE, "a"), b"")), "a link"),
    "a device in a tar": (tar((link("a", tarfile.CHRTYPE), b"")), "a device"),
    "a pipe in a tar": (tar((link("a", tarfile.FIFOTYPE), b"")), "a pipe"),
    "a symbolic link in a zip": (zipped((zip_link(), b"/etc")), "a link"),
    "a member twice": (tar(("a", b"x"), ("a", b"y")), "the member 'a' twice"),
    "a member in a member": (zipped(("a", b"x"), ("a/b", b"y")), "cannot be unpacked"),
    "a zip of 50 MB of zeros": (zipped(("a", bytes(50_000_000))), "more than 200 times its size"),
    "a tar.gz of 50 MB of zeros": (tar(("a", bytes(50_000_000))), "more than 200 times its size"),
    "a tar header of 50 MB": (long_header, "a header of 50,000,018 bytes"),
    "more bytes than allowed": (tar(("a", bytes(1_500_000)), mode="w"), "more than the 1,000,000 bytes"),
    "more members than allowed": (tar(*((f"{i}", b"") for i in range(11))), "more than the 10 members"),
    "a tar.gz that is cut off": (changed(tar(("a", NOISE)), lambda data: data[:2000]), "is damaged"),
    "a tar that is cut off between two members": (changed(TWO, lambda data: data[:1024]), "between two members"),
    "a zip that is cut off": (changed(zipped(("a", NOISE)), lambda data: data[:2000]), "is damaged"),
    "a zip with one bit turned": (changed(zipped(("a", NOISE)), flipped(1000)), "Bad CRC-32"),
    "a tar.gz with one bit turned": (changed(tar(("a", NOISE)), flipped(3000)), "is damaged"),
    "an encrypted zip": (changed(zipped(("a", b"x")), encrypted), "encrypted"),
    "a name of 300 characters": (zipped(("a" * 300, b"x")), "File name too long"),
    "0 bytes": (lambda path: path.touch(), "is damaged"),
    "text": (lambda path: path.write_text("hello " * 999), "is damaged"),
    "no file": (lambda path: None, "No such file"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_archive_leaves_nothing(name: str, tmp_path: Path, row: Record) -> None:
    make, words = BAD[name]
    most = 10**12 if "MB" in name else 1_000_000
    (tmp_path / "place").mkdir()
    make(tmp_path / "archive")
    with pytest.raises(OccbenchError, match="archive") as caught:
        unpack(tmp_path / "archive", tmp_path / "place" / "data", max_bytes=most, max_members=10)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert [path.name for path in (tmp_path / "place").iterdir()] in ([], [".data.lock"])
    assert sorted(path.name for path in tmp_path.iterdir()) in (["archive", "place"], ["place"])
    row(Row(GROUP, name, normalised(str(caught.value), [tmp_path]), 2), [words])


GOOD: Sequence[Member] = (("b/c.txt", b"hello"), ("b/d/e.bin", NOISE), ("empty", b""))


@pytest.mark.parametrize(
    "make",
    [
        zipped(*GOOD, ("folder/", b"")),
        *(tar(*GOOD, (link("folder", tarfile.DIRTYPE), b""), mode=mode) for mode in ("w", "w:gz", "w:bz2", "w:xz")),
    ],
    ids=["zip", "tar", "gz", "bz2", "xz"],
)
def test_a_good_archive_is_unpacked_whole(make: Make, tmp_path: Path) -> None:
    make(tmp_path / "archive")
    folder = tmp_path / "not" / "yet" / "there"
    left = folder.with_name(".there.part")
    left.mkdir(parents=True)
    (left / "half").touch()  # of a process that was killed
    unpack(tmp_path / "archive", folder, max_bytes=10_000)
    for name, data in GOOD:
        assert (folder / str(name)).read_bytes() == data
    assert (folder / "folder").is_dir()
    assert len(list(folder.rglob("*"))) == 6
    assert sorted(path.name for path in folder.parent.iterdir()) == [".there.lock", "there"]
    with pytest.raises(OccbenchError, match="it is there already"):
        unpack(tmp_path / "archive", folder, max_bytes=10_000)


def test_permissions_of_an_archive_are_not_taken_over(tmp_path: Path) -> None:
    info = link("a", tarfile.REGTYPE)
    info.mode = 0o6777
    tar((info, b"x"))(tmp_path / "archive")
    unpack(tmp_path / "archive", tmp_path / "data", max_bytes=10)
    assert (tmp_path / "data" / "a").stat().st_mode & 0o7111 == 0


def test_an_interrupted_unpacking_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    zipped(*GOOD)(tmp_path / "archive")
    monkeypatch.setattr(archives._Budget, "grow", interrupted)
    with pytest.raises(KeyboardInterrupt):
        unpack(tmp_path / "archive", tmp_path / "data", max_bytes=10_000)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".data.lock", "archive"]
