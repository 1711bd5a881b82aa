"""Files that may not be read and folders that may not be written.

Root may everything, so where the tests run as root, the command runs without the two capabilities that say so: the
kernel then checks permissions as for anybody.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..command_line import Occbench, People, TinyModel, assert_refused
from .case import Record, Row, normalised

GROUP = "No permission"
_VERSION = 0x20080522  # of Linux' interface to capabilities
_MAY_EVERYTHING = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH


@contextlib.contextmanager
def as_anybody() -> Iterator[None]:
    """With root's right to read and write what it may not, where there is one, given up in this thread."""
    if os.geteuid():
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(_VERSION, 0)
    before = (ctypes.c_uint32 * 6)()  # twice effective, permitted, inheritable
    assert libc.capget(header, before) == 0
    less = (ctypes.c_uint32 * 6)(*before)
    less[0] &= ~_MAY_EVERYTHING & 0xFFFFFFFF
    assert libc.capset(header, less) == 0
    try:
        yield
    finally:
        assert libc.capset(header, before) == 0


@pytest.fixture
def folder(people: People, tiny: TinyModel) -> Path:
    """People, photos, a config and weights."""
    folder = people.annotations.parents[1]
    shutil.copy(tiny.config, folder / "tiny.py")
    shutil.copy(tiny.weights, folder / "tiny.pth")
    return folder


LOCKED = {
    "annotations": ("people/annotations.json", "annotation file 'people/annotations.json' cannot be read"),
    "a photo": ("people/images/000001.jpg", "000001.jpg' cannot be read (Permission denied)"),
    "the image folder": ("people/images", "cannot be read (Permission denied)"),
    "detections": ("boxes.json", "detections file 'boxes.json' cannot be read"),
    "a config": ("tiny.py", "tiny.py' cannot be read"),
    "weights": ("tiny.pth", "cannot read checkpoint tiny.pth: Permission denied"),
    "the folder of a run": ("", "--out 'run' cannot be written: Permission denied"),
}


@pytest.mark.parametrize("fed", LOCKED)
def test_what_may_not_be_touched(fed: str, folder: Path, occbench: Occbench, row: Record) -> None:
    name, words = LOCKED[fed]
    (folder / "boxes.json").write_text("[]")
    (folder / name).chmod(0o000 if name else 0o555)
    options = ["--model", "tiny.py", "--checkpoint", "tiny.pth", "--kind", "keypoint-blackout", "--target", "nose"]
    options += ["--data", "people/annotations.json", "--images", "people/images", "--device", "cpu", "--out", "run"]
    if name == "boxes.json":
        options += ["--boxes", name]
    before = sorted(folder.rglob("*"))
    with as_anybody():
        answer = occbench("attack", *options)
    (folder / name).chmod(0o755)
    assert sorted(folder.rglob("*")) == before
    assert_refused(answer, words)
    row(Row(GROUP, fed, normalised(answer.err, [folder]), answer.code), [words])
