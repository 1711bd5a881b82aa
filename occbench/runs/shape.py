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


class _Data(_Entry):
    name: str
    annotations: str
    annotations_sha256: str
    images: str
    limit: int | None
    skipped_images: list[str]


class _Boxes(_Entry):
    file: str | None = None
    sha256: str | None = None


class _Skeleton(_Entry):
    keypoints: list[str]
    sigmas: list[FiniteFloat]


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
