"""What a manifest must have for others to go by it; it may have come from anywhere."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

Slug = Annotated[str, Field(pattern=r"^[\w.+-]+$")]
"""Of a cell: the name of its files, and no path."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="ignore", protected_namespaces=())


class _Cell(_Entry):
    slug: Slug


class _Model(_Entry):
    name: str
    input_size: tuple[int, int]
    crop: tuple[int, int] | None = None
    window: int | None = None


class _Data(_Entry):
    name: str
    annotations: str
    annotations_sha256: str
    images: str
    limit: int | None
    skipped_images: list[str]
    description: str | None = None
    relative: dict[str, str | None] = Field(default_factory=dict)


class _Boxes(_Entry):
    file: str | None = None
    sha256: str | None = None
    relative: dict[str, str | None] = Field(default_factory=dict)


class _Skeleton(_Entry):
    name: str = ""
    keypoints: list[str]
    parts: dict[str, list[str]] = Field(default_factory=dict)
    flip_pairs: list[tuple[str, str]] = Field(default_factory=list)
    sigmas: list[FiniteFloat]
    edges: list[tuple[str, str]] = Field(default_factory=list)


class _Seal(_Entry):
    files: dict[str, str]
    sha256: str


class Begun(_Entry):
    """Of any run."""

    complete: bool
    choices: dict[str, Any] | None = None
    cells: list[_Cell] = Field(default_factory=list)


class Sealed(Begun):
    """Of a run that is finished."""

    model: _Model
    data: _Data
    boxes: _Boxes
    skeleton: _Skeleton
    protocol: str
    evaluator: str
    bootstrap: int
    seed: int
    seal: _Seal
