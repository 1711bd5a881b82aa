"""What a run says about itself, as far as a report uses it; the rest of manifest.json is let through unread."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Entry(BaseModel):
    model_config = ConfigDict(extra="ignore", protected_namespaces=())


class Recipe(_Entry):
    """How a model's training hid keypoints (PROTOCOL section 6)."""

    name: str
    level: str | None = None
    removal: bool | None = None
    p: float | None = None
    decoys: int | None = None
    seed: int | None = None

    @property
    def label(self) -> str:
        """The recipe in a few words: ``cutout-keypoint, 6 decoys``."""
        words = [self.name]
        words += [f"p {self.p:g}"] if self.p not in (None, 0.5) else []
        words += ["removal"] if self.removal else []
        words += [f"{self.decoys} decoys"] if self.decoys else []
        return ", ".join(words)


class Model(_Entry):
    name: str
    weights_sha256: str | None = None
    input_size: tuple[int, int] | None = None
    flip: bool | None = None
    scales: tuple[float, ...] = (1.0,)
    published: dict[str, float] = Field(default_factory=dict)
    augmentation: Recipe | None = None
    sees: Literal["crop", "photo"] = "crop"
    crop: tuple[int, int] | None = None
    visibility: Literal["", "beside", "scores"] = ""

    @property
    def sees_photos(self) -> bool:
        """Whether it is given whole photos and finds the people itself."""
        return self.sees == "photo"

    @property
    def measure(self) -> tuple[int, int] | None:
        """Width and height of the crops whose px sizes are said in."""
        return self.crop or self.input_size


class Finding(_Entry):
    """What the check of the data found before the run."""

    kind: str = ""
    severity: str
    line: str

    @property
    def is_telling(self) -> bool:
        """Whether figures are to be read in its light: a warning, or one that a figure stands on nobody."""
        return self.severity != "note" or self.kind == "nobody"


class Data(_Entry):
    name: str
    n_images: int
    n_persons: int
    synthetic: bool = False
    skipped_images: list[str] = Field(default_factory=list)
    findings: list[Finding] = Field(default_factory=list)
    limit: int | None = None


class Detector(_Entry):
    name: str
    min_score: float | None = None


class BoxFigures(_Entry):
    """Box AP against the annotated persons, as fractions."""

    ap: float | None = None
    ap50: float | None = None


class Boxes(_Entry):
    source: str
    jitter: float | None = None
    file: str | None = None
    detector: Detector | None = None
    figures: BoxFigures | None = None
    n: int | None = None
    matched: int | None = None
    missed: int | None = None
    unmatched: int | None = None


class Skeleton(_Entry):
    name: str = ""
    keypoints: list[str]
    parts: dict[str, list[str]] = Field(default_factory=dict)
    edges: list[tuple[str, str]] = Field(default_factory=list)

    def own_keypoints(self, level: str, target: str) -> list[str]:
        """Names of the keypoints that ``target`` consists of; empty for an unknown part."""
        return [target] if level == "keypoint" else list(self.parts.get(target, []))

    def targets(self, level: str) -> list[str]:
        """Every target of ``level``, in the skeleton's order."""
        return list(self.keypoints if level == "keypoint" else self.parts)


class Backend(_Entry):
    name: str
    version: str | None = None
    precision: str | None = None


class CellEntry(_Entry):
    slug: str
    level: str | None = None
    fill: str | None = None
    target: str | None = None
    radius: float | None = None
    placement: str | None = None
    n_attacked: int | None = None
    n_neighbours: int = 0
    n_short: int | None = None


class Manifest(_Entry):
    """A whole run's manifest.json, of schema 1 or 2."""

    occbench: str
    name: str | None = None
    created: str | None = None
    command: list[str] = Field(default_factory=list)
    model: Model
    data: Data
    boxes: Boxes
    scope: Literal["person", "image"] = "person"
    pose_nms: str | None = None
    protocol: str
    evaluator: str | None = None
    evaluation: int = 1
    bootstrap: int | None = None
    seed: int | None = None
    backend: Backend | None = None
    skeleton: Skeleton
    cells: list[CellEntry]


class Example(_Entry):
    """One person under one attack. Coordinates in crop px, one ``[x, y]`` per keypoint of the skeleton; None where
    there is none: not labelled, or of a person who was not found."""

    slug: str
    level: str
    fill: str
    target: str
    radius: float
    placement: str
    person: int | str
    image: str
    clean: str
    attacked: str
    truth: list[tuple[float, float] | None]
    clean_keypoints: list[tuple[float, float] | None]
    attacked_keypoints: list[tuple[float, float] | None]
    kind: str = "example"
    oks_clean: float | None = None
    oks_attacked: float | None = None
