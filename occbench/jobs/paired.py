"""Runs of several models on the same photos: their figures in the same bootstrap draws (PROTOCOL section 5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ..data.persons import Dataset
from ..evaluation.bootstrap import Resampled, Weights, prepare, resample
from ..evaluation.cells import Key, cell_masks
from ..inference.predictions import CellPredictions, to_crop
from ..inference.results import cell_detections
from ..runs.manifest import Manifest, crop_size, read_manifest
from ..runs.parquet import read_cell
from ..runs.source import dataset_of
from ..runs.store import PREDICTIONS, read_geometry
from ..system.errors import OccbenchError
from ..tables.attraction import nearer
from .reopen import scoring_of


@dataclass(frozen=True, eq=False)
class Overall:
    """AP of a cell over all keypoints, points (x 100).

    Attributes:
        exact: Shape (1 + B,): exact areas, of which differences are taken; in the data, then in every draw.
        printed: Shape (1 + B,): the same, moved to the printed AP.
        signature: Shape (I,), uint64: differs where what an image's figure is made of does.
    """

    exact: np.ndarray
    printed: np.ndarray
    signature: np.ndarray


@dataclass(frozen=True, eq=False)
class Measured:
    """A finished run, with the persons that it was measured on.

    Attributes:
        run: Its folder.
        manifest: Its manifest.
        dataset: The annotated persons and the boxes, without the photos.
    """

    run: Path
    manifest: Manifest
    dataset: Dataset

    @staticmethod
    def open(run: Path, data: Path | None = None, images: Path | None = None) -> Measured:
        """Read a run folder.

        Args:
            run: The folder.
            data: The annotation file, where it has moved since.
            images: The image folder, likewise; photos themselves are not looked at.

        Raises:
            OccbenchError: It is no finished run, is not scored by OKS, or its annotations are missing or others.
        """
        manifest = read_manifest(run)
        if not manifest["complete"] or manifest["seal"] is None:
            raise OccbenchError(f"{str(run)!r} is unfinished or of an old occbench: give its command again")
        dataset = dataset_of(manifest, data, images, run)
        if dataset.metric != "oks":
            raise OccbenchError(f"{str(run)!r} is not scored by AP, and only AP is compared from predictions")
        return Measured(run, manifest, dataset)

    def weights(self) -> Weights:
        """The draws that the run's own intervals are from: the same for every run on these photos."""
        rng = np.random.default_rng(self.manifest["seed"])
        return Weights.draw(len(self.dataset.truth.image_ids), self.manifest["bootstrap"], rng=rng)

    def cell(self, slug: str) -> CellPredictions:
        """The predictions of a cell.

        Raises:
            OccbenchError: They are missing, damaged, or of other boxes.
        """
        found = read_cell(self.run / PREDICTIONS / f"{slug}.parquet")
        if len(found) != len(self.dataset.persons):
            raise OccbenchError(
                f"{str(self.run)!r} has {len(found)} boxes, but its data give {len(self.dataset.persons)}: other data"
            )
        return found

    @cached_property
    def _geometry(self) -> np.ndarray:
        return read_geometry(self.run)

    def resampled(self, slug: str, weights: Weights, keys: Sequence[Key] = (None,)) -> Resampled:
        """The APs of a cell in the data and in every draw, in 0 to 1.

        Args:
            slug: Of the cell.
            weights: The draws.
            keys: None for all keypoints, a keypoint's index for that one alone.
        """
        data, cell = self.dataset, self.cell(slug)
        areas = self._geometry[:, 2] * self._geometry[:, 3]
        found = cell_detections(data, cell, areas, scoring_of(self.manifest).pose_nms)
        masks = cell_masks(len(data.truth), len(data.sigmas))
        chosen = {key: masks[key] for key in keys}
        return resample(prepare(data.truth, found, data.sigmas, self.manifest["protocol"], chosen), weights)

    def overall(self, slug: str, weights: Weights) -> Overall:
        """A cell over all keypoints."""
        found = self.resampled(slug, weights)
        exact = 100 * np.concatenate([found.exact, found.draws[:, 0]])
        return Overall(exact, exact + 100 * (found.ap - found.exact), found.signatures[0])

    def attraction(self, slug: str, keypoint: int, weights: Weights) -> tuple[np.ndarray, np.ndarray]:
        """How much nearer to the occluders the predictions of a hidden keypoint come (PROTOCOL section 8).

        Args:
            slug: Of a cell that hides this keypoint.
            keypoint: Its index.
            weights: The draws.

        Returns:
            Crop px, in the data and then in every draw, shape (1 + B,) each: towards the occluder on the keypoint, and
            towards those elsewhere. NaN where there are none.
        """
        data, cell = self.dataset, self.cell(slug)
        labelled = np.array([person.labelled[keypoint] for person in data.persons])
        counted = np.zeros(cell.scores.shape, dtype=bool)
        counted[:, keypoint] = cell.attacked & labelled
        size = crop_size(self.manifest)
        before, after = (to_crop(c.keypoints, self._geometry, size) for c in (self.cell("clean"), cell))
        near = nearer(before, after, cell.centres.astype(np.float64), counted)[:, keypoint]
        rows = np.searchsorted(data.truth.image_ids, [person.photo.id for person in data.persons])
        times = np.vstack([np.ones(len(data.truth.image_ids)), weights.draws])[:, rows]
        return _weighted(near[:, :1], times), _weighted(near[:, 1:], times)


def _weighted(values: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Means over persons (N, M), each the mean of its numbers, in every draw (D, N): shape (D,)."""
    known = np.isfinite(values)
    count = known.sum(1)
    each = np.divide(np.where(known, values, 0).sum(1), count, out=np.zeros(len(values)), where=count > 0)
    total = times @ (count > 0)
    return np.divide(times @ each, total, out=np.full(len(times), np.nan), where=total > 0)
