"""What a specification leaves out, told from the graph: its input's shape, and the outputs' for a black picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...attacks import SKELETONS
from ...system.errors import OccbenchError, quoted, unknown_name
from .graph import Graph
from .specification import Specification, parsed

MOST_CLASSES = 90
"""Of a whole-photo network: more columns are no classes."""

Shapes = Mapping[str, tuple[int, ...]]
"""By an output's name its shape, without the axis of the batch."""


def completed(given: Specification, graph: Graph) -> tuple[Specification, dict[str, Any]]:
    """A specification that leaves nothing out, and what of it was guessed, by field.

    Args:
        given: By the user.
        graph: The network.

    Raises:
        OccbenchError: The graph does not tell something, or is not what the specification says; the message names the
            field that mends it.
    """
    what = f"ONNX file {quoted(str(graph.path), 300)}"
    layout, size = _input(given, graph, what)
    shapes = _shapes(given, graph, layout, size)
    output, names, more = _outputs(given, shapes, size, what)
    found = {"layout": layout, "size": list(size), "output": output, "outputs": list(names), **more}
    guessed = {field: value for field, value in found.items() if getattr(given, field) is None}
    return parsed(given.model_dump() | guessed, what), guessed


def keypoints_of(given: Specification) -> int:
    """How many keypoints the data has."""
    return len(SKELETONS[given.keypoints].keypoints) if isinstance(given.keypoints, str) else len(given.keypoints)


def numbers_of_a_keypoint(given: Specification, shape: Sequence[int]) -> int:
    """2 or 3 for an output of coordinates, 1 for one of scores, 0 for any other.

    Args:
        given: By the user.
        shape: Of the output, for one picture.
    """
    count = keypoints_of(given)
    axes = [side for side in shape if side != 1]
    if len(axes) == 2:
        return axes[1] if _fits(given, axes[0], count) and axes[1] in (2, 3) else 0
    if len(axes) != 1:
        return 0
    if given.keep is not None:
        return int(axes[0] > max(given.keep))
    return next((each for each in (1, 2, 3) if axes[0] == each * count), 0)


def columns_of(shape: Sequence[int], keypoints: int) -> tuple[int, int, int] | None:
    """How a tensor of boxes and poses is read: the axis of its columns, those of classes, those of a keypoint (2, 3).

    Args:
        shape: Of one photo; two axes that are longer than 1.
        keypoints: Of a person.
    """
    for each in (3, 2):
        for axis, length in enumerate(shape):
            classes = length - 4 - each * keypoints
            if 1 <= classes <= MOST_CLASSES:
                return axis, classes, each
    return None


def _input(given: Specification, graph: Graph, what: str) -> tuple[str, tuple[int, int]]:
    shape = graph.input.shape
    layout = given.layout or ("nchw" if shape[1] == 3 else "nhwc" if shape[3] == 3 else None)
    if layout is None:
        raise OccbenchError(f"{what}: its input {_text(shape)} does not tell where the colours are: say layout")
    colours, height, width = (shape[i] for i in ((1, 2, 3) if layout == "nchw" else (3, 1, 2)))
    if colours not in (3, None):
        raise OccbenchError(f"{what}: its input {_text(shape)} has {colours} colours in layout {layout}, not 3")
    size = given.size or (width, height)
    if None in size:
        raise OccbenchError(f"{what}: its input {_text(shape)} has no fixed size: say size: [width, height]")
    for asked, has in zip(size, (width, height), strict=True):
        if has not in (asked, None):
            raise OccbenchError(f"{what}: its input is {width} x {height}, not size: {list(size)}")
    return layout, (int(size[0]), int(size[1]))  # type: ignore[arg-type]  # checked above


def _shapes(given: Specification, graph: Graph, layout: str, size: tuple[int, int]) -> Shapes:
    names = given.outputs or list(graph.outputs)
    for name in names:
        if name not in graph.outputs:
            raise unknown_name("output", name, graph.outputs)
    width, height = size
    picture = np.zeros((1, 3, height, width) if layout == "nchw" else (1, height, width, 3), graph.input.dtype)
    return {name: output.shape[1:] for name, output in zip(names, graph.run(picture, names), strict=True)}


def _outputs(
    given: Specification, shapes: Shapes, size: tuple[int, int], what: str
) -> tuple[str, list[str], dict[str, Any]]:
    """The kind of output, the names of the outputs that are read, and further fields."""
    count = keypoints_of(given)
    if given.keep is not None and len(given.keep) != count:
        raise OccbenchError(f"{what}: keep names {len(given.keep)} keypoints, but the data has {count}")
    kinds = [given.output] if given.output else ["heatmaps", "simcc", "coordinates", "persons"]
    for kind in kinds:
        found = _READERS[kind](given, shapes, size, count)
        if found is not None:
            return kind, *found
    listed = ", ".join(f"{name} {_text(shape)}" for name, shape in shapes.items())
    wanted = f"{given.output} of {count} keypoints" if given.output else f"output of {count} keypoints that is known"
    raise OccbenchError(f"{what}: its outputs ({listed}) are no {wanted}: say output, outputs, keypoints or keep")


def _fits(given: Specification, channels: int, count: int) -> bool:
    return channels == count if given.keep is None else channels > max(given.keep)


_Found = tuple[list[str], dict[str, Any]] | None


def _heatmaps(given: Specification, shapes: Shapes, size: tuple[int, int], count: int) -> _Found:
    for name, shape in reversed(list(shapes.items())):  # of several stages the last
        if len(shape) != 3:
            continue
        for maps, channels, sides in (("nchw", shape[0], shape[1:]), ("nhwc", shape[2], shape[:2])):
            ratio = size[0] / sides[1], size[1] / sides[0]
            fits = _fits(given, channels, count) and min(sides) > 1 and abs(ratio[0] / ratio[1] - 1) < 0.1
            if fits and given.maps in (None, maps):
                return [name], {"maps": maps}
    return None


def _simcc(given: Specification, shapes: Shapes, size: tuple[int, int], count: int) -> _Found:
    vectors = [(name, shape) for name, shape in shapes.items() if len(shape) == 2 and _fits(given, shape[0], count)]
    if len(vectors) != 2:
        return None
    for pair in (vectors, vectors[::-1]):
        bins = [shape[1] / side for (_, shape), side in zip(pair, size, strict=True)]
        if bins[0] == bins[1] >= 1:
            return [name for name, _ in pair], {}
    return None


def _coordinates(given: Specification, shapes: Shapes, size: tuple[int, int], count: int) -> _Found:
    flat = {name: numbers_of_a_keypoint(given, shape) for name, shape in shapes.items()}
    points = [name for name, each in flat.items() if each in (2, 3)]
    scores = [name for name, each in flat.items() if each == 1]
    if len(points) != 1 or len(scores) > 1:
        return None
    return [points[0], *(scores if flat[points[0]] == 2 else [])], {}


def _persons(given: Specification, shapes: Shapes, size: tuple[int, int], count: int) -> _Found:
    channels = count if given.keep is None else 0
    for name, shape in shapes.items():
        if len(shape) == 2 and channels and columns_of(shape, channels) is not None:
            return [name], {}
    return None


_READERS = {"heatmaps": _heatmaps, "simcc": _simcc, "coordinates": _coordinates, "persons": _persons}


def _text(shape: Sequence[int | None]) -> str:
    return "[" + ", ".join("?" if side is None else str(side) for side in shape) + "]"
