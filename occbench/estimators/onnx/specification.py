"""What an ONNX file does not say about itself: how its input is made and its output read. A small YAML file.

Every field may be left out; what the graph tells is guessed (:mod:`.guess`), the rest is as below. A specification may
begin with a ready one (``like: rtmpose``) and say only what differs.
"""

from __future__ import annotations

import importlib.resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ...data.jsonfile import first_fault
from ...data.yamlfile import read_yaml
from ...system.errors import OccbenchError, quoted, unknown_name

Name = Annotated[str, Field(min_length=1, max_length=200)]
Side = Annotated[int, Field(ge=8, le=8192)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Colours = Annotated[list[Number], Field(min_length=3, max_length=3)]
Positive = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]

Layout = Literal["nchw", "nhwc"]
Output = Literal["heatmaps", "simcc", "coordinates", "persons"]


class Specification(BaseModel):
    """How a network is used.

    Attributes:
        output: What it gives. ``heatmaps`` (a map per keypoint), ``simcc`` (two vectors per keypoint: along x and along
            y), ``coordinates`` (of one person), or ``persons``: boxes and poses of a whole photo in one tensor. The
            first three see a crop. Guessed.
        outputs: Names of the outputs that are read, in the order ``[x, y]`` (simcc) or ``[coordinates, scores]``.
            Guessed.
        keypoints: ``coco``, ``mpii``, or names in the order of the data set.
        flip_pairs: Of keypoints with names of their own, which change places in the mirror; None: every ``left_*`` with
            its ``right_*``.
        keep: Of more keypoints than the data set has, those that it has, in its order: numbers from 0.
        size: Width and height of the input, px. Guessed.
        layout: Of the input. Guessed.
        colours: Order of the input's channels.
        scale: What values (0 to 255) are multiplied with first; then ``mean`` is subtracted, and divided by ``std``.
        mean: Of each channel, in the network's order.
        std: Likewise.
        padding: Crop: what a person's box is multiplied with.
        aspect: Crop: ``keep`` grows the box to the input's ratio, ``stretch`` distorts it.
        udp: Crop: cut as UDP does it (corners on corners), and heatmaps decoded that way.
        flip: Whether outputs for the mirrored input are averaged in; not of ``persons``.
        shift: Heatmaps: those of the mirrored crop are moved by a px (MMPose's ``shift_heatmap``).
        maps: Heatmaps: their layout. Guessed.
        refine: Heatmaps: ``quarter`` of a px towards the larger neighbour, or ``dark``; simcc: ``dark`` or ``none``.
        blur: Heatmaps: px of the kernel that DARK and UDP blur with; odd.
        sigma: simcc with ``dark``: of the vectors along x and y, in bins.
        order: Coordinates: whether x or y comes first.
        unit: Coordinates: shares of the input's sides, or its ``px``.
        boxes: Persons: ``middle`` (x, y of the middle, width, height) or ``corners`` (x1, y1, x2, y2).
        least: Persons: a score below this is no person.
        nms: Persons: of two boxes with a larger IoU the better one stays; None where the network does that itself.
        fill: Persons: the grey level around a photo that does not fill the input.
        place: Persons: where in the input the photo lies, ``middle`` or ``corner`` (top left).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    output: Output | None = None
    outputs: list[Name] | None = Field(default=None, min_length=1, max_length=8)
    keypoints: Literal["coco", "mpii"] | Annotated[list[Name], Field(min_length=1, max_length=1000)] = "coco"
    flip_pairs: list[Annotated[list[Name], Field(min_length=2, max_length=2)]] | None = None
    keep: Annotated[list[Annotated[int, Field(ge=0, lt=1000)]], Field(min_length=1)] | None = None
    size: Annotated[list[Side], Field(min_length=2, max_length=2)] | None = None
    layout: Layout | None = None
    colours: Literal["rgb", "bgr"] = "rgb"
    scale: Positive = 1.0
    mean: Colours = [0.0, 0.0, 0.0]
    std: Annotated[list[Positive], Field(min_length=3, max_length=3)] = [1.0, 1.0, 1.0]
    padding: Annotated[float, Field(gt=0.1, le=10)] = 1.25
    aspect: Literal["keep", "stretch"] = "keep"
    udp: bool = False
    flip: bool = False
    shift: bool = False
    maps: Layout | None = None
    refine: Literal["quarter", "dark", "none"] | None = None
    blur: Annotated[int, Field(ge=3, le=99)] = 11
    sigma: Annotated[list[Positive], Field(min_length=2, max_length=2)] = [4.9, 5.66]
    order: Literal["xy", "yx"] = "xy"
    unit: Literal["share", "px"] = "share"
    boxes: Literal["middle", "corners"] = "middle"
    least: Share = 0.05
    nms: Share | None = 0.65
    fill: Annotated[int, Field(ge=0, le=255)] = 114
    place: Literal["middle", "corner"] = "middle"

    @model_validator(mode="after")
    def _agrees(self) -> Specification:
        if self.blur % 2 == 0:
            raise ValueError(f"blur is the size of a kernel and must be odd, not {self.blur}")
        if self.aspect == "stretch" and self.udp:
            raise ValueError("aspect: stretch and udp: true exclude each other")
        if self.flip and self.output == "persons":
            raise ValueError("flip is for networks that see one person's crop, not for output: persons")
        if (self.output, self.refine) in (("simcc", "quarter"), ("heatmaps", "none")):
            raise ValueError(f"refine: {self.refine} is not for output: {self.output}")
        if isinstance(self.keypoints, str) and self.flip_pairs is not None:
            raise ValueError("flip_pairs are for keypoints that are given by their names")
        return self


READY = ("rtmpose", "vitpose", "hrnet", "simplebaseline", "yolo-pose", "movenet")
"""Names of specifications that are ready."""


def read_specification(source: str | None) -> Specification:
    """A specification from a YAML file, or a ready one.

    Args:
        source: A path that ends in ``.yaml`` or ``.yml``, a name of :data:`READY`, or None for one that says nothing.

    Raises:
        OccbenchError: It is missing or broken; the message names the field.
    """
    if source is None:
        return Specification()
    return parsed(*_values(source, ()))


def parsed(values: Any, what: str) -> Specification:
    """A specification from plain values, as a run's manifest has it.

    Args:
        values: These.
        what: Where they are from, for the message.

    Raises:
        OccbenchError: They are none.
    """
    try:
        return Specification.model_validate(values)
    except ValidationError as error:
        raise first_fault(error, what) from error


def _values(source: str, seen: tuple[str, ...]) -> tuple[dict[str, Any], str]:
    """What a specification says, on top of what it is like; and what it is called in messages."""
    if source in READY:
        path = Path(str(importlib.resources.files("occbench"))) / "assets" / "onnx" / f"{source}.yaml"
    elif source.endswith((".yaml", ".yml")) and not seen:
        path = Path(source).expanduser()
    else:
        raise OccbenchError(f"{unknown_name('specification', source, READY)}, or give a FILE.yaml")
    what = f"specification {quoted(str(path), 300)}"
    values = read_yaml(path, what, "fields such as output, size and mean (docs/onnx.md)")
    base = values.pop("like", None)
    if base is None:
        return values, what
    if not isinstance(base, str):
        raise OccbenchError(f"{what}: like: name one of {', '.join(READY)}")
    return {**_values(base, (*seen, source))[0], **values}, what
