"""Disks that are full or read-only: small ones, mounted for the test.

Mounting takes rights that not every machine gives; where it does not, these tests are skipped.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..command_line import Occbench, assert_refused, leave_out_report
from .case import Place, Record, Row, normalised

GROUP = "Disks (small ones, mounted by the tests)"
Mount = Callable[[str], Path]


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """Mount a disk in memory with such options, or change those of the one that is mounted."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted: list[str] = []

    def mount(options: str) -> Path:
        first = not mounted
        call = ["mount", "-t", "tmpfs", "-o", options if first else f"remount,{options}", "tmpfs", str(disk)]
        done = subprocess.run(call, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"disks cannot be mounted here: {done.stderr.strip()}")
        mounted.append(options)
        return disk

    yield mount
    if mounted:
        subprocess.run(["umount", "-l", str(disk)], check=True)


SIZES = {
    "a disk of 4 kB": "size=4k",
    "a disk of 64 kB": "size=64k",
    "a disk of 160 kB": "size=160k",
    "a disk without a free inode": "nr_inodes=2",
}
"""Full at once, full in the middle of the run, full when the report is written."""


@pytest.mark.usefixtures("with_figures")
@pytest.mark.parametrize("fed", SIZES)
def test_a_full_disk_and_then_room_again(
    fed: str, place: Place, occbench: Occbench, mount: Mount, row: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "160" not in fed:  # plots take longer than the rest, and only that disk is full because of them
        leave_out_report(monkeypatch)
    disk = mount(SIZES[fed])
    command = place.attack_with(None, None, "--out", disk / "run")
    answer = occbench(*command)
    assert (answer.code, answer.out) == (2, "")
    said = answer.err.splitlines()
    assert "No space left on device" in said[-1], answer.err
    assert len(said) <= 2, answer.err
    row(Row(GROUP, fed, normalised(said[-1], [place.folder]), answer.code), ["No space left"])
    mount("size=64m,nr_inodes=1000")
    answer = occbench(*command)
    assert answer.code == 0, answer.err
    shutil.move(disk / "run", place.folder / "continued")
    assert occbench(*command).code == 0
    for name in [path.name for path in (disk / "run").iterdir() if path.suffix in (".csv", ".html")]:
        assert (place.folder / "continued" / name).read_bytes() == (disk / "run" / name).read_bytes()


def test_a_read_only_disk(place: Place, occbench: Occbench, mount: Mount, row: Record) -> None:
    disk = mount("ro")
    answer = occbench(*place.attack_with(None, None, "--out", disk / "run"))
    assert_refused(answer, "disk/run' cannot be written: Read-only file system")
    row(Row(GROUP, "a read-only disk", normalised(answer.err, [place.folder]), answer.code), ["Read-only file system"])
