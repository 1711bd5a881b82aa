"""Random nonsense through the readers: whatever they are fed, they read it, or say in one line why not.

python -m tests.hostile.fuzz --n 2000
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from occbench.data.coco import read_coco
from occbench.data.matching import with_detections
from occbench.data.persons import Dataset
from occbench.data.results import read_results
from occbench.errors import OccbenchError
from occbench.scoring import Scoring, score_results

from ..data.builders import Content, keypoints, people

SHORTEST, LONGEST = 10, 1000
"""Characters of a message: it says something, and does not repeat the file."""

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


def detections() -> list[Content]:
    """Boxes that the people's annotations know."""
    return [
        {"image_id": i, "category_id": 1, "bbox": [5, 5, 40, 60], "score": s} for i, s in ((1, 0.9), (3, 0.5), (1, 0.1))
    ]


def results() -> list[Content]:
    """Persons found in the people's photos."""
    return [
        {"image_id": i, "category_id": 1, "keypoints": keypoints(9, 9), "score": s} for i, s in ((3, 0.9), (1, 0.2))
    ]


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


def read_annotations(path: Path) -> None:
    """Annotations: what is read is whole and finite."""
    dataset = read_coco(path, path.parent)
    truth = dataset.truth
    for numbers in (truth.keypoints, truth.bbox, truth.area, *(p.box for p in dataset.persons)):
        assert np.isfinite(numbers).all()
    for person in dataset.persons:
        assert np.isfinite(person.keypoints).all()
        assert (person.box[2:] > person.box[:2]).all()
        assert person.photo.path.is_relative_to(path.parent)
        assert ".." not in person.photo.path.parts
    assert dataset.persons


def read_boxes(path: Path, dataset: Dataset) -> None:
    """Detections, matched with the annotated persons."""
    found = with_detections(dataset, path).persons
    assert found
    for person in found:
        assert np.isfinite([*person.box, person.score]).all()


def read_predictions(path: Path, dataset: Dataset) -> None:
    """Results; what is read can be scored."""
    found = read_results(path, dataset)
    assert np.isfinite(found.keypoints).all()
    assert np.isfinite(found.scores).all()
    score_results(dataset, found, None, Scoring("corrected", "exact", 0, 0))


def fuzz(n: int, say: Callable[[str], None] = print, same: bool = False) -> dict[str, Counter[str]]:
    """Feed each reader ``n`` files; the same ones at each call if ``same``.

    Returns:
        For each reader, how many files it read and how many it refused.

    Raises:
        AssertionError: What was read, or said, is not as it must be.
        Exception: Anything but an OccbenchError came out of a reader: a fault of the reader.
    """
    counts: dict[str, Counter[str]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "people.json").write_bytes(text(people()))
        dataset = read_coco(folder / "people.json", folder)
        readers: dict[str, tuple[Callable[[], Any], Callable[[Path], None]]] = {
            "annotations": (people, read_annotations),
            "detections": (detections, lambda path: read_boxes(path, dataset)),
            "results": (results, lambda path: read_predictions(path, dataset)),
        }
        for what, (make, read) in readers.items():
            start, counts[what] = time.perf_counter(), Counter()
            _feed(n, make, read, folder / f"{what}.json", counts[what], same)
            took, done = time.perf_counter() - start, counts[what]
            answers = f"{done['read']} read, {done['refused']} refused, no traceback"
            say(f"{what}: {done.total()} files in {took:.0f} s: {answers}")
    return counts


def _feed(
    n: int, make: Callable[[], Any], read: Callable[[Path], None], path: Path, count: Counter[str], same: bool
) -> None:
    @settings(max_examples=n, deadline=None, database=None, derandomize=same, suppress_health_check=list(HealthCheck))
    @given(files(make))
    def feed(data: bytes) -> None:
        path.write_bytes(data)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # what numpy only warns of is a number that nobody checked
            try:
                read(path)
                count["read"] += 1
            except OccbenchError as error:
                said = str(error)
                assert SHORTEST < len(said.replace(str(path.parent), "")) < LONGEST, said[:2000]
                assert len(said.splitlines()) == 1, said
                count["refused"] += 1

    feed()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=2000, help="files for each reader")
    fuzz(parser.parse_args().n)
