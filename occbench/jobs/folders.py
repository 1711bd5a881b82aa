"""Cells x folders -> predictions, for estimators outside of this process: all photos of a cell at once, as files.

Photos that an attack does not change are not asked about again: their persons are those of the clean cell. A cell that
was answered is there; one that was not is asked about again, as a whole.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..attacks import Attack, Material
from ..data.persons import Dataset
from ..data.results import Results, read_results
from ..estimators.crops import CropPipeline
from ..estimators.outside import Outside, Request
from ..estimators.protocol import PhotoInput, PhotoPoses
from ..inference.engine import Sink
from ..inference.material import material_of
from ..inference.photo_engine import Piece, View, clean_piece, everybody, hide, plan_photos, view_of
from ..inference.plan import Chunk, Settings
from ..inference.predictions import cell_slug
from ..runs import durable
from ..system.errors import OccbenchError
from .photo_files import coco_of, photo_name, write_png


def run_folders(
    model: Outside,
    reference: CropPipeline,
    dataset: Dataset,
    attacks: Sequence[Attack],
    settings: Settings,
    sink: Sink,
    calls: Path,
    advance: Callable[[int], None] = lambda photos: None,
) -> None:
    """Ask about every cell, the clean one first, but for what the sink has already.

    Args:
        model: The estimator.
        reference: Cuts the persons' reference crops (:mod:`occbench.estimators.reference`).
        dataset: Photos, and the persons in them in their annotated boxes.
        attacks: What is hidden.
        settings: How.
        sink: Takes the predictions, chunk by chunk.
        calls: A folder; what became of each call of a program goes there, ``SLUG.json``.
        advance: Called with the number of (photo, cell) pairs that are done.

    Raises:
        OccbenchError: A cell has no results, or results that are none of its photos'.
    """
    chunks = plan_photos(dataset, settings)
    material = material_of(dataset.persons, reference, dataset.skeleton, settings.seed, settings.cutouts)
    for attack in (None, *attacks):
        if not all(sink.has(attack, chunk) for chunk in chunks):
            with tempfile.TemporaryDirectory(prefix="occbench-") as folder:
                cell = _Cell(Path(folder), attack, model, dataset)
                pieces = [cell.painted(reference, chunk, settings, material) for chunk in chunks]
                poses = cell.poses(calls)
            for piece, view in pieces:
                if attack is not None:
                    piece.clean = sink.clean(view.chunk)
                asked = {place: poses[view.chunk.images[place]] for place in piece.inputs}
                piece.fill(everybody(asked, piece, view))
                sink.put(view.chunk, piece.cell, piece.geometry)
        advance(len(dataset.photos))


def _as_it_is(picture: np.ndarray) -> PhotoInput:
    return PhotoInput(picture, None, float("nan"))


_NOTHING = PhotoInput(None, None, float("nan"))


class _Cell:
    """A cell that is asked about.

    Args:
        folder: For its files.
        attack: None for the clean cell.
        model: Who is asked.
        dataset: Whose photos.
    """

    def __init__(self, folder: Path, attack: Attack | None, model: Outside, dataset: Dataset) -> None:
        self._folder, self._attack, self._model, self._dataset = folder, attack, model, dataset
        self._sizes: dict[int, tuple[int, int]] = {}
        (folder / "photos").mkdir()

    def painted(
        self, reference: CropPipeline, chunk: Chunk, settings: Settings, material: Material
    ) -> tuple[Piece, View]:
        """The photos of a chunk that are asked about, written, and their persons."""
        data = self._dataset
        view = view_of(reference, data, chunk, data.people())
        if self._attack is None:
            piece = clean_piece(view, data.skeleton, _as_it_is)
        else:
            piece = hide(view, self._attack, data.skeleton, settings, reference, _as_it_is, material)
        for place, given in piece.inputs.items():
            photo = data.photos[chunk.images[place]]
            self._sizes[photo.id] = given.content.shape[:2]
            if self._model.needs_photos:
                write_png(self._folder / "photos" / photo_name(photo), given.content)
            piece.inputs[place] = _NOTHING  # so that no more photos are held than a chunk's
        return piece, replace(view, scenes=())

    def poses(self, calls: Path) -> dict[int, PhotoPoses]:
        """By image id who was found in each photo that was asked about; what became of the call goes to ``calls``."""
        if not self._sizes:
            return {}
        used = [self._dataset.photos[image] for image in self._sizes]
        slug, out = cell_slug(self._attack), self._folder / "results.json"
        annotations = self._folder / "annotations.json"
        if self._model.needs_photos:
            annotations.write_text(json.dumps(coco_of(self._dataset, used, self._sizes, self._attack, {})))
        request = Request(slug, self._folder / "photos", annotations, out, self._folder)
        answer = self._model.answer(request)
        results = read_results(answer.results, self._dataset)
        if self._model.needs_photos:
            _require_asked(results, set(self._sizes), slug)
        if answer.call is not None:
            with durable.explained(calls.parent):
                durable.write(calls / f"{slug}.json", (json.dumps(answer.call, indent=2) + "\n").encode())
        return {image: _poses_in(results, image) for image in self._sizes}


def _require_asked(results: Results, asked: set[int], cell: str) -> None:
    others = sorted(set(results.image.tolist()) - asked)
    if others:
        raise OccbenchError(
            f"the results of cell {cell} are of {len(others)} photos that were not in its folder (the first has image "
            f"id {others[0]}): a program answers for the photos in {{photos}} alone"
        )


def _poses_in(results: Results, image: int) -> PhotoPoses:
    here = results.image == image
    points = results.keypoints[here].astype(np.float32)
    return PhotoPoses(points, results.keypoint_scores[here].astype(np.float32), results.scores[here].astype(np.float32))
