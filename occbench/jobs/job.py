"""What is to be measured, and what decides its figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from ..attacks import Attack, Cutouts, Material, drawn_cutouts
from ..data.persons import Dataset
from ..estimators.crops import CropPipeline
from ..estimators.outside import Outside
from ..estimators.protocol import CropEstimator, PhotoEstimator
from ..estimators.reference import reference_crops, reference_size
from ..inference.material import material_of
from ..inference.photo_engine import plan_photos
from ..inference.plan import Chunk, Settings, plan
from ..inference.scenes import People
from ..runs import about
from ..runs.folder import DEFAULTS
from ..runs.identity import ENGINE, OCCLUDERS, Identity, persons_sha256, photos_sha256, skeleton_sha256
from ..tables.scoring import Scoring
from .redetect import Finds


@dataclass(frozen=True, eq=False)
class Job:
    """What is to be measured.

    Attributes:
        model: The estimator.
        files: Where it comes from.
        dataset: Checked photos and persons.
        attacks: What is hidden, one cell each; the clean cell is always added.
        out: The run folder.
        scoring: How cells are scored.
        settings: How cells are computed.
        backend: What computes the forward passes.
        precision: ``fp32``, ``tf32``, ``bf16`` or ``fp16``.
        device: For the model.
        limit: How many photos were asked for.
        command: For the manifest.
        name: What reports call the run; None for what it was called before, if anything.
        redetect: Makes the detector of the boxes, where it is to see the attacked photos too (scope image).
        tune: ``quick`` or ``off``: whether a batch is timed before it is decided how the model runs on a GPU.
        crop: Width and height of the reference crop, px, where the model sees whole photos; None for the data set's.
    """

    model: CropEstimator | PhotoEstimator
    files: about.ModelFiles
    dataset: Dataset
    attacks: Sequence[Attack]
    out: Path
    scoring: Scoring
    settings: Settings
    backend: str = "torch"
    precision: str = "fp32"
    device: str = "cpu"
    limit: int | None = None
    command: Sequence[str] = ()
    redetect: Callable[[], Finds] | None = None
    name: str | None = None
    tune: str = "quick"
    crop: tuple[int, int] | None = None

    @property
    def by_crop(self) -> CropEstimator | None:
        """The model, if it is given crops."""
        return cast(CropEstimator, self.model) if self.model.sees == "crop" else None

    @property
    def by_photo(self) -> PhotoEstimator | None:
        """The model, if it is given whole photos."""
        return cast(PhotoEstimator, self.model) if self.model.sees == "photo" else None

    @property
    def outside(self) -> Outside | None:
        """The model, if it runs elsewhere; it is given whole photos, all of a cell at once."""
        return self.model if isinstance(self.model, Outside) else None

    @cached_property
    def crops(self) -> CropPipeline:
        """What cuts the crops that an attack's sizes are said in: the model's own, or the reference crops."""
        if self.by_crop is not None:
            return self.by_crop.crops
        return reference_crops(self.crop or reference_size(self.dataset.skeleton))

    @property
    def boxes(self) -> str:
        """Whose boxes, for tables; ``photo`` where the model needs none."""
        return about.boxes_name(self.dataset) if self.by_crop is not None else about.WHOLE_PHOTOS

    @cached_property
    def people(self) -> People | None:
        """For scope image, the labelled persons of each photo."""
        return self.dataset.people() if self.settings.scope == "image" else None

    @property
    def cutouts(self) -> Cutouts:
        """What fill ``object`` paints."""
        return self.settings.cutouts or drawn_cutouts()

    @cached_property
    def material(self) -> Material:
        """What the fills beyond the thesis are made of."""
        data, settings = self.dataset, self.settings
        return material_of(data.persons, self.crops, data.skeleton, settings.seed, self.cutouts)

    @cached_property
    def chunks(self) -> list[Chunk]:
        """The pieces in which the persons, or the photos, are computed."""
        if self.by_photo is not None:
            return plan_photos(self.dataset, self.settings)
        return plan(self.dataset.persons, self.settings)

    @cached_property
    def choices(self) -> dict[str, Any]:
        """What makes a run what it is: a command with other ones is another run."""
        return {
            "model": self.files.name,
            "data": self.dataset.name,
            "boxes": self.boxes,
            "scope": self.settings.scope,
            "redetect": self.redetect is not None,
            "protocol": self.scoring.protocol,
            "flip": self.model.flip,
            "scales": ",".join(f"{scale:.10g}" for scale in self.model.scales) or None,
            "pose_nms": None if self.scoring.pose_nms is None else str(self.scoring.pose_nms),
            "limit": self.limit,
            "backend": self.backend,
            "precision": self.precision,
            "device": self.device.split(":")[0],
            "batch_size": self.settings.batch_size,
            **({} if self.by_photo is None else {"crop": "x".join(map(str, self.crops.input_size))}),
        }

    @property
    def names(self) -> dict[str, str]:
        """The columns that are the same in every row of a run's tables."""
        return {
            "model": self.files.name,
            "dataset": self.dataset.name,
            "boxes": self.boxes,
            "protocol": self.scoring.protocol,
        }

    def identity(self) -> Identity:
        """What decides the predictions of every cell; the model must be ready."""
        photos = {person.photo.id: person.photo for person in self.dataset.persons}
        if self.by_photo is not None:
            photos = self.dataset.photos  # those without persons, too
        described = skeleton_sha256(self.dataset.skeleton)
        # Redetection only adds to the cells, and pose NMS comes after them.
        decisive = {name: value for name, value in self.choices.items() if name not in ("redetect", "pose_nms")}
        return {
            **{name: value for name, value in decisive.items() if (name, value) not in DEFAULTS.items()},
            "engine": ENGINE,
            **({} if self.model.choice is None else {"on_gpu": self.model.choice.identity()}),
            "backend_version": self.model.about_backend()["version"],
            "weights_sha256": self.model.weights_sha256,
            "config_sha256": self.model.config_sha256,
            "annotations_sha256": about.sha256(self.dataset.annotations),
            "detections_sha256": None if self.dataset.detections is None else about.sha256(self.dataset.detections),
            "persons_sha256": persons_sha256(self.dataset),
            **({} if described is None else {"skeleton_sha256": described}),
            "photos_sha256": photos_sha256(photos.values()),
            OCCLUDERS: self.cutouts.sha256,
        }

    def shared(self, context: Identity) -> Identity:
        """What a run's cells may share besides the choices.

        Args:
            context: Of :meth:`identity`.
        """
        return {name: value for name, value in context.items() if name not in self.choices}

    def content(self, context: Identity, attacks: Sequence[Attack]) -> Identity:
        """What a run's cells share besides the choices, for its manifest.

        Args:
            context: Of :meth:`identity`.
            attacks: The run's; the seed belongs to it where one of them draws anything, and the cut-outs where one
                paints them.
        """
        content = self.shared(context)
        if not any(attack.fill == "object" for attack in attacks):
            content.pop(OCCLUDERS, None)
        return content | ({"seed": self.settings.seed} if any(attack.drawn for attack in attacks) else {})
