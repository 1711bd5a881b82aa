"""The attacked photos of a suite as files, for a machine where occbench is not, and the way back from its results.

``OUT/SLUG`` is as :func:`~.attacked_photos.export_attacked` writes a cell; ``OUT/DATA.json`` is the truth of the clean
photos, ``OUT/occluders`` has the user's own cut-outs, and ``OUT/suite.json`` says what is hidden, so that the results
of every cell can be made a run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from ..attacks import DRAWN_FILLS, Attack, Cutouts, Subject, expand_kinds
from ..data.jsonfile import first_fault, read_json
from ..data.occluders import copy_cutouts, read_cutouts
from ..data.persons import Dataset, Photo
from ..data.photos import decode
from ..estimators.crops import CropPipeline
from ..estimators.outside import Given
from ..inference.material import material_of
from ..inference.predictions import cell_slug
from ..inference.scenes import subjects_of
from ..system.download import sha256
from ..system.errors import OccbenchError
from ..system.version import occbench_version
from .attacked_photos import write_cells
from .photo_files import new_folder

NAME = "suite.json"
OCCLUDERS = "occluders"
"""Folder of the user's own cut-outs."""


class Suite(BaseModel):
    """What is in ``suite.json``: the options that ``occbench attack`` would have been given.

    Attributes:
        occbench: Version that wrote it.
        truth: Name of the annotation file of the clean photos, beside it.
        truth_sha256: Of that file.
        kinds: What is hidden how.
        targets: Keypoints or parts; none for all.
        radii: Crop px; none for 6.
        placements: None for centred.
        crop: Width and height of the reference crop, px.
        seed: Of random placements and contents.
        occluders_sha256: Of the cut-outs in ``occluders``, where fill ``object`` paints some of the user's own.
        cells: The slugs, the clean one first.
    """

    model_config = ConfigDict(extra="forbid")

    occbench: str
    truth: str
    truth_sha256: str
    kinds: list[str]
    targets: list[str]
    radii: list[float | str]
    placements: list[str]
    crop: tuple[int, int]
    seed: int
    occluders_sha256: str | None = None
    cells: list[str]


class _Everything:
    """All photos of a data set and everybody labelled in them."""

    def __init__(self, dataset: Dataset, reference: CropPipeline, seed: int, cutouts: Cutouts | None) -> None:
        self.dataset, self.seed = dataset, seed
        self._reference = reference
        self._people = dataset.people()
        self.material = material_of(dataset.persons, reference, dataset.skeleton, seed, cutouts)

    @property
    def used(self) -> Sequence[Photo]:
        return list(self.dataset.photos.values())

    def open(self, photo: Photo) -> tuple[np.ndarray, tuple[Subject, ...]]:
        picture = decode(photo)
        return picture, subjects_of(self._reference, picture, (), self._people.get(photo.id, ()))


def write_suite(
    out: Path,
    dataset: Dataset,
    reference: CropPipeline,
    attacks: Sequence[Attack],
    options: Mapping[str, list[Any]],
    seed: int,
    cutouts: Cutouts | None = None,
    advance: Callable[[int, int], None] = lambda done, of: None,
) -> Suite:
    """Write the photos of every cell.

    Args:
        out: The folder, new or empty; it is there whole or not at all.
        dataset: Checked photos, all of them.
        reference: Cuts the reference crops, in whose px an attack's sizes are.
        attacks: What is hidden.
        options: ``kinds``, ``targets``, ``radii`` and ``placements`` that ``attacks`` were made of.
        seed: Of random placements and contents.
        cutouts: For fill ``object``, of a folder; None for the drawn ones.
        advance: Called with the number of photos that are done, and of how many.

    Raises:
        OccbenchError: ``out`` holds something, or cannot be written.
    """
    with new_folder(out, "OUT") as place:
        write_cells(place, _Everything(dataset, reference, seed, cutouts), [None, *attacks], advance)
        truth = place / f"{dataset.name}.json"
        truth.write_bytes((place / "clean" / "annotations.json").read_bytes())
        if cutouts is not None and cutouts.folder is not None:
            copy_cutouts(cutouts, place / OCCLUDERS)
        suite = Suite(
            occbench=occbench_version(),
            truth=truth.name,
            truth_sha256=sha256(truth),
            crop=reference.input_size,
            seed=seed,
            occluders_sha256=None if cutouts is None else cutouts.sha256,
            cells=[cell_slug(attack) for attack in (None, *attacks)],
            **options,
        )
        (place / NAME).write_text(suite.model_dump_json(indent=2) + "\n")
    return suite


def read_suite(folder: Path) -> Suite:
    """What a suite hides.

    Raises:
        OccbenchError: It is no folder of ``occbench suite``, or its annotations were changed.
    """
    path = folder / NAME
    if not path.is_file():
        raise OccbenchError(f"{str(folder)!r} has no {NAME}: name a folder that `occbench suite` wrote")
    try:
        suite = Suite.model_validate(read_json(path, "suite"))
    except ValidationError as error:
        raise first_fault(error, f"suite {str(path)!r}") from error
    truth = folder / suite.truth
    if not truth.is_file() or sha256(truth) != suite.truth_sha256:
        raise OccbenchError(f"{str(truth)!r} is missing or was changed: write the suite again")
    if suite.occluders_sha256 is not None and read_cutouts(folder / OCCLUDERS).sha256 != suite.occluders_sha256:
        raise OccbenchError(f"the pictures in {str(folder / OCCLUDERS)!r} were changed: write the suite again")
    return suite


def require_seed(suite: Suite, seed: int) -> None:
    """Refuse another seed than the suite's, where it decides what is hidden where.

    Raises:
        OccbenchError: It is another one.
    """
    drawn = any(kind.partition("-")[2] in DRAWN_FILLS for kind in expand_kinds(suite.kinds))
    if seed != suite.seed and (drawn or any(placement != "centred" for placement in suite.placements)):
        raise OccbenchError(f"what the suite hides was drawn with seed {suite.seed}: give --seed {suite.seed}")


def require_results(suite: Suite, given: Given) -> None:
    """Refuse results that lack a cell.

    Raises:
        OccbenchError: They do; the message says which.
    """
    missing = given.missing(suite.cells)
    if missing:
        raise OccbenchError(
            f"{str(given.folder)!r} lacks the results of {len(missing)} of {len(suite.cells)} cells: "
            f"{', '.join(f'{cell}.json' for cell in missing[:4])}{' ...' * (len(missing) > 4)}"
        )
