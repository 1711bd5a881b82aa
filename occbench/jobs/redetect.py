"""The detector sees the attacked photos: its boxes, and the pose model in them (PROTOCOL section 7).

For each attack ``redetect/SLUG/`` in the run folder has ``detections.json``, what the detector finds in the attacked
photos (COCO results), ``detector.json``, what decided that, and beside them a small run in these boxes: persons.parquet
and the predictions on the clean and on the attacked photos.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..attacks import Attack, Material, Skeleton, occlude_photo, place_in_photo
from ..data.persons import Dataset, Photo
from ..estimators.protocol import CropEstimator
from ..inference.engine import run_cells
from ..inference.plan import Settings, plan
from ..inference.scenes import People, cut_subjects
from ..runs import durable
from ..runs.identity import Identity, cell_identity, key_of, occluders_of, persons_sha256, photos_sha256
from ..runs.store import DETECTIONS, PERSONS, WORK, Store, find_cells, tidy
from ..system.distributed import Ranks
from ..system.download import sha256
from ..system.errors import OccbenchError
from ..system.progress import Progress
from ..tables.redetected import REDETECT, folder_of, with_boxes
from .detections import FORMAT

PHOTOS_PER_PIECE = 8
"""Photos whose boxes become durable together."""

ABOUT = "detector.json"

Boxes = list[dict[str, Any]]
"""COCO detection results."""


class Finds(Protocol):
    """A detector."""

    def detect(self, photo: np.ndarray) -> np.ndarray:
        """Persons in a photo, (H, W, 3) uint8 BGR: shape (n, 5), float64, x1 y1 x2 y2 in image px and score."""


@dataclass(frozen=True, eq=False)
class Redetection:
    """What is to be found and predicted.

    Attributes:
        out: The run folder.
        model: The estimator, ready.
        detector: Makes the detector that found the boxes of ``dataset``; called where something is missing.
        dataset: What is measured on, with that detector's boxes.
        people: Whom attacks hide in each photo.
        settings: How cells are computed.
        context: What all cells of the run share.
        material: What the fills beyond the thesis are made of in the run.
    """

    out: Path
    model: CropEstimator
    detector: Callable[[], Finds]
    dataset: Dataset
    people: People
    settings: Settings
    context: Identity
    material: Material

    def run(self, attacks: Sequence[Attack], ranks: Ranks, progress: Progress) -> None:
        """Compute what is not there yet of these attacks; the processes of the run share the work.

        Raises:
            OccbenchError: The detector or the model cannot be used, or the folder cannot be written.
        """
        missing = [attack for attack in attacks if not self._is_found(attack)]
        with durable.explained(self.out):
            self._find(missing, ranks, progress)
            ranks.wait()
            if ranks.first:
                for attack in missing:
                    self._join(attack)
        ranks.wait()
        self._predict(attacks, ranks, progress)
        ranks.wait()

    def _identity(self, attack: Attack) -> Identity:
        """What decides the boxes found under an attack."""
        files = self.dataset.detector
        if files is None:
            raise OccbenchError("only a detector that was run can be run again: give --boxes detector:NAME")
        return {
            **cell_identity(occluders_of(self.context), attack, self.settings.seed),
            "format": FORMAT,
            "config_sha256": files.config_sha256,
            "weights_sha256": files.weights_sha256,
            "min_score": files.min_score,
            "clean_sha256": self.context["detections_sha256"],
            "people_sha256": self.context["persons_sha256"],
            "crops_sha256": self.context["config_sha256"],
            "photos_sha256": self._photos_sha256,
        }

    @cached_property
    def _photos_sha256(self) -> str:
        return photos_sha256(self.dataset.photos.values())

    def _is_found(self, attack: Attack) -> bool:
        folder = folder_of(self.out, attack)
        try:
            known = json.loads((folder / ABOUT).read_bytes())
            same = known == {"identity": self._identity(attack), "sha256": sha256(folder / DETECTIONS)}
        except (OSError, ValueError):
            return False
        return bool(same)

    def _pieces(self) -> list[list[Photo]]:
        """The photos in which something can be hidden; in the others the clean boxes stay."""
        photos = [photo for photo in self.dataset.photos.values() if photo.id in self.people]
        return [photos[i : i + PHOTOS_PER_PIECE] for i in range(0, len(photos), PHOTOS_PER_PIECE)]

    def _piece(self, attack: Attack, number: int) -> Path:
        return self.out / WORK / f"boxes-{key_of(self._identity(attack))[:32]}" / f"{number:06d}.json"

    def _find(self, attacks: Sequence[Attack], ranks: Ranks, progress: Progress) -> None:
        """Run the detector on this process' share of the attacked photos, each decoded once."""
        share = list(enumerate(self._pieces()))[ranks.rank :: ranks.count]
        work = [(n, photos, [a for a in attacks if not self._piece(a, n).is_file()]) for n, photos in share]
        work = [(n, photos, wanted) for n, photos, wanted in work if wanted]
        if not work:
            return
        detector = self.detector()
        clean = self._clean_boxes()
        with progress.stage("detector", sum(len(photos) * len(wanted) for _, photos, wanted in work)) as advance:
            for number, photos, wanted in work:
                found: dict[Attack, Boxes] = {attack: [] for attack in wanted}
                for photo in photos:
                    for attack, boxes in self._in_photo(photo, wanted, detector, clean):
                        found[attack] += boxes
                        advance(1)
                for attack, boxes in found.items():
                    durable.write(self._piece(attack, number), json.dumps(boxes).encode())

    def _in_photo(
        self, photo: Photo, attacks: Sequence[Attack], detector: Finds, clean: Mapping[int, Boxes]
    ) -> list[tuple[Attack, Boxes]]:
        picture, subjects = cut_subjects(self.model.crops, photo, self.people[photo.id])
        size = (picture.shape[0], picture.shape[1])
        found = []
        for attack in attacks:
            placed = place_in_photo(size, subjects, attack, self.dataset.skeleton, self.settings.seed, self.material)
            attacked = occlude_photo(picture, subjects, placed, attack)
            same = attacked is picture or np.array_equal(attacked, picture)
            found.append((attack, clean.get(photo.id, []) if same else self._boxes(detector, photo, attacked)))
        return found

    def _boxes(self, detector: Finds, photo: Photo, picture: np.ndarray) -> Boxes:
        floor = None if self.dataset.detector is None else self.dataset.detector.min_score
        return [
            {"image_id": photo.id, "category_id": 1, "bbox": [x1, y1, x2 - x1, y2 - y1], "score": score}
            for x1, y1, x2, y2, score in detector.detect(picture).tolist()
            if floor is None or score >= floor
        ]

    def _clean_boxes(self) -> dict[int, Boxes]:
        """By image id what the detector found in the clean photos."""
        found: dict[int, Boxes] = {}
        if self.dataset.detections is not None:
            for box in json.loads(self.dataset.detections.read_bytes()):
                found.setdefault(box["image_id"], []).append(box)
        return found

    def _join(self, attack: Attack) -> None:
        """Put the pieces of an attack together: photo by photo, as the clean boxes are."""
        found = self._clean_boxes()
        for photo in self.people:
            found.pop(photo, None)
        for number, _ in enumerate(self._pieces()):
            for box in json.loads(self._piece(attack, number).read_bytes()):
                found.setdefault(box["image_id"], []).append(box)
        folder = folder_of(self.out, attack)
        content = json.dumps([box for photo in self.dataset.photos for box in found.get(photo, [])]).encode()
        durable.write(folder / DETECTIONS, content)
        about = {"identity": self._identity(attack), "sha256": sha256(folder / DETECTIONS)}
        durable.write(folder / ABOUT, json.dumps(about, indent=1).encode())

    def _predict(self, attacks: Sequence[Attack], ranks: Ranks, progress: Progress) -> None:
        """The clean and the attacked photos in the boxes found in the attacked ones."""
        settings = replace(self.settings, rank=ranks.rank, ranks=ranks.count)
        skeleton: Skeleton = self.dataset.skeleton
        shares = [plan(self._boxed(attack).persons, settings)[ranks.rank :: ranks.count] for attack in attacks]
        crops = sum(len(chunk) for share in shares for chunk in share)
        with progress.stage("redetect", 2 * crops, f"{2 * len(attacks)} cells") as advance:
            for attack in attacks:
                store, data = self._store(attack)
                if data.persons:
                    run_cells(
                        self.model,
                        data.persons,
                        [attack],
                        skeleton,
                        settings,
                        store,
                        advance,
                        self.people,
                        self.material,
                    )

    def _boxed(self, attack: Attack) -> Dataset:
        """The data in the boxes found under an attack."""
        return with_boxes(self.dataset, folder_of(self.out, attack) / DETECTIONS)

    def _store(self, attack: Attack) -> tuple[Store, Dataset]:
        folder, data = folder_of(self.out, attack), self._boxed(attack)
        own = {
            **self.context,
            "people_sha256": self.context["persons_sha256"],
            "detections_sha256": sha256(folder / DETECTIONS),
            "persons_sha256": persons_sha256(data),
        }
        reused = find_cells(folder, own, [attack], self.settings.seed).reused
        return Store(folder, own, self.settings.seed, reused), data

    def finish(self, attacks: Sequence[Attack]) -> dict[str, Any]:
        """Put the cells of each attack together, and drop what is of no attack of the run.

        Returns:
            For the manifest: by the attack's slug how the boxes met the annotated persons.

        Raises:
            OccbenchError: A piece is damaged, or the folder cannot be written.
        """
        counts: dict[str, Any] = {}
        for attack in attacks:
            store, data = self._store(attack)
            for cell in (None, attack) if data.persons else ():
                store.finish(cell, plan(data.persons, self.settings), data)
            tidy(folder_of(self.out, attack), [None, attack] if data.persons else [])
            if not data.persons:
                (folder_of(self.out, attack) / PERSONS).unlink(missing_ok=True)
            found = data.box_counts()
            counts[attack.slug] = {name: getattr(found, name) for name in ("n", "matched", "missed", "unmatched")}
        for folder in (self.out / REDETECT).glob("*"):
            if folder.name not in counts:
                shutil.rmtree(folder)
        return counts
