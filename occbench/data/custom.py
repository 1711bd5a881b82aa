"""A data set of the user's own: COCO's format, with keypoints described in a small YAML file.

name: birds
annotations: annotations/val.json   # relative to this file
images: images                      # relative to this file; --images overrules it
keypoints: [beak, left_eye, right_eye, tail]
sigmas: [0.03, 0.025, 0.025, 0.08]  # one per keypoint, or {beak: 0.03, ...}
flip_pairs: [[left_eye, right_eye]] # by default every left_* with its right_*
parts: {head: [beak, left_eye, right_eye]}
skeleton: [[beak, left_eye], [beak, right_eye], [beak, tail]]
categories: [bird]                  # names or ids; by default all that have these keypoints
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from ..attacks import Skeleton
from ..system.errors import OccbenchError, quoted, unknown_name
from .coco import read_coco
from .jsonfile import first_fault, read_json
from .persons import Dataset
from .yamlfile import read_yaml


def _in_one_word(name: Any) -> Any:
    """``left eye`` as ``left_eye``: names are words of commands and of tables."""
    return "_".join(name.split()) if isinstance(name, str) else name


Name = Annotated[str, BeforeValidator(_in_one_word), Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
Categories = Annotated[list[int | str], BeforeValidator(lambda one: one if isinstance(one, list) else [one])]
Sigma = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
Pair = Annotated[list[Name], Field(min_length=2, max_length=2)]


class _Description(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    name: Name
    annotations: str = Field(min_length=1)
    images: str | None = None
    keypoints: list[Name] = Field(min_length=1, max_length=1000)
    sigmas: list[Sigma] | dict[Name, Sigma]
    flip_pairs: list[Pair] | None = None
    parts: dict[Name, Annotated[list[Name], Field(min_length=2)]] = {}
    skeleton: list[Pair] = []
    categories: Categories | None = Field(default=None, validation_alias=AliasChoices("categories", "category"))

    @field_validator("sigmas", mode="before")
    @classmethod
    def _as_floats(cls, value: Any) -> Any:
        # Strict otherwise: "0.1" is a mistake, but 1 is a number.
        if isinstance(value, list):
            return [float(one) if type(one) is int and abs(one) < 2**53 else one for one in value]
        if isinstance(value, dict):
            return {key: float(one) if type(one) is int and abs(one) < 2**53 else one for key, one in value.items()}
        return value


@dataclass(frozen=True)
class CustomSet:
    """What a description says.

    Attributes:
        name: For tables.
        skeleton: Keypoints, parts, flip pairs, sigmas, edges.
        annotations: COCO annotation file.
        images: Image folder; None where it is not said.
        categories: Ids or names of the categories that are the persons; None for all that have the keypoints.
    """

    name: str
    skeleton: Skeleton
    annotations: Path
    images: Path | None
    categories: tuple[str, ...] | None = None


def read_description(path: Path) -> CustomSet:
    """Read and check a YAML description.

    Raises:
        OccbenchError: It is missing, no YAML, or contradicts itself; the message names the field.
    """
    what = f"data set description {quoted(str(path))}"
    try:
        given = _Description.model_validate(read_yaml(path, what, "name, annotations, keypoints and sigmas"))
    except ValidationError as error:
        raise first_fault(error, what) from error
    pairs = _sides(given.keypoints) if given.flip_pairs is None else [(a, b) for a, b in given.flip_pairs]
    for field, names in (
        ("flip_pairs", (name for pair in pairs for name in pair)),
        ("parts", (name for members in given.parts.values() for name in members)),
        ("skeleton", (name for edge in given.skeleton for name in edge)),
        ("sigmas", given.sigmas if isinstance(given.sigmas, dict) else ()),
    ):
        _require_known(f"{what}: {field}", names, given.keypoints)
    if isinstance(given.sigmas, dict):
        missing = [name for name in given.keypoints if name not in given.sigmas]
        if missing:
            raise OccbenchError(f"{what}: sigmas: {missing[0]!r} has none (and {len(missing) - 1} more)")
        sigmas = tuple(given.sigmas[name] for name in given.keypoints)
    else:
        sigmas = tuple(given.sigmas)
    try:
        skeleton = Skeleton(
            given.name,
            tuple(given.keypoints),
            MappingProxyType({part: tuple(members) for part, members in given.parts.items()}),
            tuple(pairs),
            sigmas,
            tuple((a, b) for a, b in given.skeleton),
        )
    except ValueError as error:
        raise OccbenchError(f"{what}: {error}") from error
    images = None if given.images is None else path.parent / given.images
    categories = None if given.categories is None else tuple(map(str, given.categories))
    return CustomSet(given.name, skeleton, path.parent / given.annotations, images, categories)


def read_custom(path: Path, images: Path | None = None) -> Dataset:
    """Read the data set that a YAML description describes.

    Args:
        path: The description.
        images: Image folder; None for the description's, or else the folder of the annotations.

    Raises:
        OccbenchError: The description or the annotations are not what they should be, or do not go together.
    """
    described = read_description(path)
    folder = images or described.images or described.annotations.parent
    name, skeleton = described.name, described.skeleton
    dataset = read_coco(described.annotations, folder, name, skeleton, categories=described.categories)
    return replace(dataset, description=path)


def is_description(path: Path) -> bool:
    """Whether a file is one, by its name."""
    return path.suffix.lower() in (".yaml", ".yml")


def plain(skeleton: Skeleton) -> dict[str, Any]:
    """A skeleton as plain values, for JSON."""
    return {
        "name": skeleton.name,
        "keypoints": list(skeleton.keypoints),
        "parts": {part: list(members) for part, members in skeleton.parts.items()},
        "flip_pairs": [list(pair) for pair in skeleton.flip_pairs],
        "sigmas": list(skeleton.sigmas),
        "edges": [list(edge) for edge in skeleton.edges],
    }


class _Plain(BaseModel):
    name: str
    keypoints: list[str]
    parts: dict[str, list[str]] = {}
    flip_pairs: list[tuple[str, str]] = []
    sigmas: list[float] = []
    edges: list[tuple[str, str]] = []


def skeleton_of(values: Any, what: str) -> Skeleton:
    """The skeleton that :func:`plain` made values of.

    Args:
        values: These.
        what: Where they are from, for the message.

    Raises:
        OccbenchError: They are no skeleton's, or contradict each other.
    """
    try:
        given = _Plain.model_validate(values)
        parts = MappingProxyType({part: tuple(members) for part, members in given.parts.items()})
        sides = tuple(given.flip_pairs), tuple(given.sigmas), tuple(given.edges)
        return Skeleton(given.name, tuple(given.keypoints), parts, *sides)
    except ValidationError as error:  # of pydantic, and a ValueError as well
        raise first_fault(error, f"{what}: the keypoints") from error
    except ValueError as error:
        raise OccbenchError(f"{what} contradicts itself: {error}") from error


EXPORTED = "occbench_skeleton"
"""The field of ``info`` under which exported annotations carry their keypoints."""


def read_exported(path: Path, images: Path) -> Dataset:
    """Read annotations that `occbench export --attacked-images` wrote, which describe their own keypoints.

    Raises:
        OccbenchError: As :func:`~.coco.read_coco`.
    """
    what = f"annotation file {quoted(str(path), 300)}"
    content = read_json(path, "annotation file")
    info = content.get("info") if isinstance(content, dict) else None
    skeleton = skeleton_of(info.get(EXPORTED) if isinstance(info, dict) else None, what)
    return read_coco(path, images, skeleton.name, skeleton)


def _sides(keypoints: list[str]) -> list[tuple[str, str]]:
    pairs = ((name, f"right_{name.removeprefix('left_')}") for name in keypoints if name.startswith("left_"))
    return [(left, right) for left, right in pairs if right in keypoints]


def _require_known(what: str, names: Iterable[str], known: list[str]) -> None:
    for name in names:
        if name not in known:
            raise OccbenchError(f"{what}: {unknown_name('keypoint', name, known)}")
