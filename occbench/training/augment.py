"""The augmentations by name, and their place in a training pipeline (PROTOCOL section 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from ..system.errors import OccbenchError, unknown_name
from .data import TrainingData, whole_parts

Transform = dict[str, Any]

_TARGETED = {
    f"{kind}-{level}": {"type": name, "level": level, "p": 0.5}
    for kind, name in (("blur", "TargetedBlur"), ("cutout", "TargetedCutout"), ("cutout-blur", "TargetedCutoutBlur"))
    for level in ("keypoint", "part")
}
AUGMENTATIONS: Mapping[str, Transform] = MappingProxyType(
    {
        **_TARGETED,
        "multi-keypoint": {"type": "MultiKeypointOcclusion", "p": 0.2},
        "partmix": {"type": "PartMix", "p": 0.5},
        "random-cutout": {"type": "RandomCutout", "level": "keypoint", "p": 0.5},
        "random-cutout-part": {"type": "RandomCutout", "level": "part", "p": 0.5},
    }
)
"""The transforms that a name stands for, with the thesis' chances."""

BASELINES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "none": (),
        "no-half-body": ("RandomHalfBody",),
        "bare": ("RandomHalfBody", "RandomFlip", "RandomBBoxTransform", "UniformBBoxTransform"),
    }
)
"""What a baseline leaves out of the model's own training pipeline."""

_CUTOUTS = ("cutout-keypoint", "cutout-part")
CUTOUT_FILLS = ("meanout", "blackout", "noise", "inpaint", "person", "object")
"""What ``--aug-fill`` may be."""

_AFFINES = ("TopdownAffine", "BottomupRandomAffine")


@dataclass(frozen=True)
class Augmentation:
    """What is put into the training pipeline, and what is left out of it.

    Attributes:
        names: As on the command line.
        p: Chance of every one of them; None for the thesis' own.
        removal: Labels inside what is painted go.
        decoys: Equal occluders elsewhere on the person (PROTOCOL section 8).
        fill: What cutouts are painted with (PROTOCOL section 10); None for the mean colour.
        occluders: Of fill ``object``: a folder of RGBA pictures; None for the drawn ones.

    Raises:
        OccbenchError: A name is unknown, or a setting does not go with the names.
    """

    names: tuple[str, ...] = ("none",)
    p: float | None = None
    removal: bool = False
    decoys: int = 0
    fill: str | None = None
    occluders: str | None = None

    def __post_init__(self) -> None:
        for name in self.names:
            if name not in AUGMENTATIONS and name not in BASELINES:
                raise unknown_name("augmentation", name, [*BASELINES, *AUGMENTATIONS])
        if len(set(self.names)) < len(self.names):
            raise OccbenchError(f"an augmentation is named twice: {', '.join(self.names)}")
        applied = [name for name in self.names if name in AUGMENTATIONS]
        if self.p is not None and not 0 <= self.p <= 1:
            raise OccbenchError(f"--aug-p must be a probability from 0 to 1, but got {self.p:g}")
        if not applied and (self.p is not None or self.removal or self.decoys):
            raise OccbenchError(
                f"--aug-p, --removal and --decoys need an augmentation, but --aug is {', '.join(self.names)}; "
                f"choose of {', '.join(AUGMENTATIONS)}"
            )
        self._check_fill(applied)
        if self.removal:
            for name in applied:
                if not (name == "partmix" or (name in _TARGETED and name.endswith("-part"))):
                    raise OccbenchError(
                        f"--removal does not go with {name}: it takes the labels of a part's hidden keypoints, but "
                        f"{_why_not_removed(name)}; leave it out, or choose a part augmentation"
                    )
        untargeted = [name for name in applied if name.startswith("random-cutout")]
        if self.decoys and untargeted:
            raise OccbenchError(
                f"--decoys does not go with {untargeted[0]}: it hides no target that decoys could hide among"
            )

    def _check_fill(self, applied: Sequence[str]) -> None:
        if self.fill is not None and self.fill not in CUTOUT_FILLS:
            raise unknown_name("--aug-fill", self.fill, CUTOUT_FILLS)
        if self.fill is not None and not set(applied) & set(_CUTOUTS):
            raise OccbenchError(f"--aug-fill is for {' and '.join(_CUTOUTS)}, but --aug is {', '.join(self.names)}")
        if self.occluders is not None and self.fill != "object":
            raise OccbenchError("--occluders is for --aug-fill object: add it, or leave --occluders out")

    @classmethod
    def parse(
        cls,
        text: str,
        p: float | None = None,
        removal: bool = False,
        decoys: int = 0,
        fill: str | None = None,
        occluders: str | None = None,
    ) -> Augmentation:
        """Read ``none`` or names with commas between them.

        Raises:
            OccbenchError: As the class.
        """
        names = tuple(name.strip() for name in text.split(",") if name.strip())
        return cls(names or ("none",), p, removal, decoys, fill, occluders)

    @property
    def transforms(self) -> list[Transform]:
        """MMPose configs of what is put in, in the order of the names."""
        result = []
        for name in self.names:
            if name in AUGMENTATIONS:
                transform = dict(AUGMENTATIONS[name])
                if self.p is not None:
                    transform["p"] = self.p
                if self.removal:
                    transform["removal"] = True
                if self.decoys:
                    transform["decoys"] = self.decoys
                if self.fill and name in _CUTOUTS:
                    transform["fill"] = self.fill
                if self.occluders and name in _CUTOUTS:
                    transform["occluders"] = self.occluders
                result.append(transform)
        return result

    def __str__(self) -> str:
        return ",".join(self.names)

    def put_into(self, pipeline: list[Transform], seed: int) -> list[Transform]:
        """A training pipeline with this augmentation behind the affine, every sample seeded by itself.

        Args:
            pipeline: MMPose configs of transforms.
            seed: Of the samples.

        Raises:
            OccbenchError: The pipeline has no affine, or an augmentation of its own beside the one asked for.
        """
        left_out = {step for name in self.names for step in BASELINES.get(name, ())}
        steps = [dict(step) for step in pipeline if _type(step) not in {*left_out, "SeedSample"}]
        types = [_type(step) for step in steps]
        at = next((i for i, name in enumerate(types) if name in _AFFINES), None)
        if at is None:
            raise OccbenchError(
                f"this config cannot be trained here: its training pipeline ({' > '.join(types) or 'empty'}) needs "
                f"{' or '.join(_AFFINES)}"
            )
        own = {transform["type"] for transform in AUGMENTATIONS.values()}
        if self.transforms and own & set(types):
            raise OccbenchError(
                f"the config has an augmentation already ({', '.join(sorted(own & set(types)))}); leave out --aug, or "
                "give a config without"
            )
        return [{"type": "SeedSample", "seed": seed}, *steps[: at + 1], *self.transforms, *steps[at + 1 :]]


def augmentations_of(pipeline: list[Transform]) -> list[Transform]:
    """The augmentations of a training pipeline, as plain configs, whoever put them there."""
    own = {transform["type"] for transform in AUGMENTATIONS.values()}
    return [{**step, "type": _type(step)} for step in pipeline if _type(step) in own]


def _type(step: Transform) -> str:
    return str(step.get("type")).rpartition(".")[2]


def _why_not_removed(name: str) -> str:
    if name.startswith("random-cutout"):
        return "this one is the control that knows no labels"
    return "a single keypoint under its disc is all that there is to learn from it"


def check_donors(pipeline: list[Transform], data: TrainingData) -> None:
    """PartMix needs whole parts of different kinds in different persons.

    Args:
        pipeline: The training pipeline, PartMix in it or not.
        data: What is trained on.

    Raises:
        OccbenchError: The data have none.
    """
    steps = [step for step in pipeline if _type(step) == "PartMix"]
    if not steps:
        return
    from ..attacks.donors import kind_of
    from ..augmentations.occlusion import parts_of
    from ..augmentations.partmix import PARTS

    for step in steps:
        whole = whole_parts(data, parts_of(data.skeleton, step.get("parts"), PARTS))
        persons = {part: set(has.nonzero()[0].tolist()) for part, has in whole.items()}
        if not any(
            persons[a] and persons[b] and len(persons[a] | persons[b]) > 1
            for a in persons
            for b in persons
            if kind_of(a) != kind_of(b)
        ):
            counts = ", ".join(f"{part} {len(who)}" for part, who in persons.items())
            raise OccbenchError(
                f"PartMix needs two persons with different parts whose keypoints are all labelled, but "
                f"{str(data.annotations)!r} has, of {len(data.labelled)} persons: {counts or 'none of its parts'}; "
                "give other data or another --aug"
            )
