"""Files that were right once, and values that no reader expects."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

NUMBERS: list[Any] = [
    *(0, -0.0, -1, 1, 2, 3, 17, 18, 0.5, 1e-320, 80, 100, 1e5, 1e6, 1e7, 1e30, 1e39, 1e300, -1e300, 10**30, 10**4000),
    *(float("nan"), float("inf"), float("-inf"), 2**31, 2**53 + 1, 2**63 - 1, 2**63, -(2**63) - 1),
]
NASTY: list[Any] = [
    *(
        None,
        True,
        False,
        "",
        " ",
        "1",
        "1.5",
        "NaN",
        "1e999",
        "person",
        "a/b.jpg",
        "../a.jpg",
        "/a.jpg",
        "a\0b",
        "a\nb",
    ),
    *("\ud800", "😀", "<b>", "x" * 5000, [], {}, [[]], [None], [0] * 4, [0] * 51, ["x"] * 4, {"id": 1}),
    *([[1, 2, 3]] * 17, [1e300] * 51, [float("nan")] * 4),
]
"""Values that numbers, names and lists are replaced by."""

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from([*NUMBERS, *NASTY]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a tree of lists and objects."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(deeper for key, item in inner for deeper in places(item, (*path, key)))]


def at(tree: Any, path: tuple[Any, ...]) -> Any:
    """What stands at a place."""
    for step in path:
        tree = tree[step]
    return tree


def put(tree: Any, path: tuple[Any, ...], value: Any) -> Any:
    """The tree with another value at a place; ``...`` takes the place out."""
    if not path:
        return None if value is ... else value
    parent, key = at(tree, path[:-1]), path[-1]
    if value is ...:
        del parent[key]
    else:
        parent[key] = value
    return tree


@st.composite
def spoilt(draw: st.DrawFn, make: Callable[[], Any]) -> bytes:
    """A file that was right once: up to four values replaced, taken out or doubled, and then maybe its bytes."""
    tree = make()
    for _ in range(draw(st.sampled_from([1, 1, 1, 1, 2, 3, 0]))):
        blow = draw(st.sampled_from(["number"] * 3 + ["nasty"] * 2 + ["any", "gone"]))
        # A kind of place first, so that the many keypoints do not take all the blows.
        options = [path for path in places(tree) if blow != "number" or isinstance(at(tree, path), (int, float))]
        if not options:
            continue
        kinds = sorted({tuple(k for k in path if isinstance(k, str)) for path in options})
        kind = draw(st.sampled_from(kinds))
        path = draw(st.sampled_from([p for p in options if tuple(k for k in p if isinstance(k, str)) == kind]))
        values = {
            "number": st.sampled_from(NUMBERS),
            "nasty": st.sampled_from(NASTY),
            "any": JSON,
            "gone": st.just(...),
        }
        tree = put(tree, path, copy.deepcopy(draw(values[blow])))
    data = text(tree)
    harm = draw(st.sampled_from(["none"] * 9 + ["cut", "flip", "insert"]))
    where = draw(st.integers(0, len(data))) if harm != "none" else 0
    if harm == "cut":
        return data[:where]
    if harm == "flip" and where < len(data):
        return data[:where] + bytes([data[where] ^ (1 << draw(st.integers(0, 7)))]) + data[where + 1 :]
    if harm == "insert":
        return data[:where] + draw(st.binary(max_size=6)) + data[where:]
    return data


def text(tree: Any) -> bytes:
    """JSON, with what JSON does not have as Python spells it."""
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        return json.dumps(tree).encode()
    finally:
        sys.set_int_max_str_digits(limit)


def files(make: Callable[[], Any]) -> st.SearchStrategy[bytes]:
    """Spoilt files, any JSON and any bytes."""
    kinds = ["spoilt"] * 9 + ["json", "bytes"]
    of = {"spoilt": spoilt(make), "json": JSON.map(text), "bytes": st.binary(max_size=60)}
    return st.sampled_from(kinds).flatmap(of.__getitem__)


@st.composite
def hurt(draw: st.DrawFn, wholes: list[bytes]) -> bytes:
    """A binary file that was right once: cut off, bits turned, bytes replaced, put in or taken out."""
    data = draw(st.sampled_from(wholes))
    for _ in range(draw(st.integers(1, 4))):
        where = draw(st.integers(0, len(data)) | st.integers(0, min(len(data), 200)))  # headers take half of the blows
        harm = draw(st.sampled_from(["cut", "flip", "flip", "replace", "replace", "insert", "remove"]))
        size = draw(st.integers(1, 8))
        if harm == "cut":
            data = data[:where]
        elif harm == "flip":
            data = (
                data[:where]
                + bytes(b ^ (1 << draw(st.integers(0, 7))) for b in data[where : where + 1])
                + data[where + 1 :]
            )
        else:
            new = b"" if harm == "remove" else draw(st.binary(min_size=size, max_size=size) | st.just(b"\xff" * size))
            data = data[:where] + new + data[where + (0 if harm == "insert" else size) :]
    return data
