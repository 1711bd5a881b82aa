"""MATLAB files that SciPy itself would crash on, or make room for without an end."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from occbench.data.matcheck import check_mat
from occbench.data.matfile import read_mat
from occbench.data.mpii_mat import read_mpii_mat
from occbench.system.errors import OccbenchError

from ..data import set_builders as builders

LIMIT = 10**7
CONTENT: dict[str, Any] = {
    "numbers": np.arange(24.0).reshape(2, 3, 4),
    "one": 5,
    "none": np.zeros((0, 3)),
    "bytes": np.arange(7, dtype=np.uint8),
    "complex": np.array([[1 + 2j, 3]]),
    "true": np.array([[True, False]]),
    "text": ["a", "longer"],
    "empty text": "",
    "cells": np.array([[np.arange(3), "x", np.zeros((0, 0))]], dtype=object),
    "structs": builders.struct([{"a": 1, "b": "x"}, {"a": builders.struct([{"c": np.ones((2, 2))}])}]),
    "no structs": builders.struct([], ["a"]),
}


def mat(content: Any, compressed: bool = False) -> bytes:
    """A MATLAB file of level 5."""
    buffer = io.BytesIO()
    savemat(buffer, {name.replace(" ", "_"): value for name, value in content.items()}, do_compression=compressed)
    return buffer.getvalue()


@pytest.mark.parametrize("compressed", [False, True])
def test_what_scipy_writes_is_as_it_says(compressed: bool, tmp_path: Path) -> None:
    data = mat(CONTENT, compressed)
    check_mat(data, LIMIT)
    (tmp_path / "a.mat").write_bytes(data)
    read = read_mat(tmp_path / "a.mat", "file")
    assert len(read) == len(CONTENT)
    np.testing.assert_array_equal(read["numbers"], CONTENT["numbers"])


def test_level_4_is_read(tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {"numbers": np.eye(3)}, format="4")
    np.testing.assert_array_equal(read_mat(tmp_path / "a.mat", "file")["numbers"], np.eye(3))


MPII = 163  # where MPII's file says how many releases it has, in the highest byte


@pytest.mark.parametrize(
    ("at", "value", "words"),
    [
        pytest.param(MPII, 8, "elements, more than the file has room for", id="134 million structs"),
        pytest.param(MPII, 128, "elements, more than the file has room for", id="a negative size"),
        pytest.param(152, 6, "of type 6 where 5 is due", id="a size of another type"),
        pytest.param(156, 4, "has no size", id="one axis"),
        pytest.param(132, 255, "larger than what it is in", id="an array larger than the file"),
        pytest.param(188, 7, "have no names", id="field names of another length"),
        pytest.param(144, 17, "class 17", id="an object of MATLAB"),
    ],
)
def test_one_wrong_byte_costs_nothing(at: int, value: int, words: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = builders.mpii_mat(tmp_path / "a.mat", builders.mpii_json(rng, 2), builders.head_boxes(rng, 2))
    data = bytearray(path.read_bytes())
    data[at] = value
    path.write_bytes(data)
    start = time.perf_counter()
    with pytest.raises(OccbenchError, match="is no MATLAB file that can be read") as caught:
        read_mpii_mat(path, tmp_path)
    assert words in str(caught.value)
    assert time.perf_counter() - start < 1


def test_a_name_that_swallows_the_content_is_found() -> None:
    """SciPy reads on after the array, takes what it finds for its content, and crashes."""
    data = bytearray(mat({"a": np.array([[1.0]])}))
    at = data.index(b"\x01\0\1\0a")
    data[at : at + 8] = b"\x01\0\0\0\x10\0\0\0"
    with pytest.raises(ValueError, match=r"larger than|not as long|cut off"):
        check_mat(bytes(data), LIMIT)


def test_arrays_in_arrays_have_an_end() -> None:
    nest: Any = 1
    for _ in range(60):
        cell = np.empty((1, 1), dtype=object)
        cell[0, 0] = nest
        nest = cell
    with pytest.raises(ValueError, match="more than 50 deep"):
        check_mat(mat({"a": nest}), LIMIT)


def test_a_bomb_is_not_unpacked() -> None:
    data = mat({"a": np.zeros(10**6)}, compressed=True)
    assert len(data) < 20_000
    with pytest.raises(ValueError, match="unpacks to more than 1,000,000 bytes"):
        check_mat(data, 10**6)
    check_mat(data, LIMIT)


def test_structs_of_another_layout_are_one_line(tmp_path: Path) -> None:
    release = builders.struct([{"annolist": 1, "img_train": 2}])[:, :0]
    savemat(tmp_path / "a.mat", {"RELEASE": release})
    with pytest.raises(OccbenchError, match="is not laid out as that of the data set") as caught:
        read_mpii_mat(tmp_path / "a.mat", tmp_path)
    assert "\n" not in str(caught.value)
