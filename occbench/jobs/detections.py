"""A detector's boxes in place of the annotated ones, found once and kept (PROTOCOL section 7).

The boxes of all photos are kept as a COCO results file in the cache folder, named after what decides them: the photos,
the detector's config and its weights. While a detector works, what it has found so far lies beside that file, a line
per photo, so that a command that was stopped goes on where it was.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from ..data.matching import with_detections
from ..data.persons import Dataset, DetectorFiles, Photo
from ..data.photos import decode
from ..estimators.config import hash_of_config, load_config
from ..runs import durable
from ..runs.identity import key_of, photos_sha256
from ..system.download import sha256
from ..system.errors import OccbenchError
from ..system.paths import cache_dir
from ..system.progress import Progress
from ..weights.checkpoints import resolve
from ..weights.detectors import find_detector
from ..weights.trust import check_config

if TYPE_CHECKING:
    from ..inference.detector import Detector

FORMAT = 1
"""Counted up when the same detector gives other boxes than before."""

OPTION = "--detector-checkpoint"

MANY, SURE = 8, 0.3
"""Boxes a person from which on a run is told what it costs, and the score of those that would be left."""


@dataclass(frozen=True)
class Finder:
    """What finds the persons.

    Attributes:
        name: A name of `occbench ls detectors`, of a config that MMDet installs, or the path of a config.
        checkpoint: Weights: a file or an address; None for the detector's own.
        device: For the detector.
        trust: Unpickle the checkpoint even where that can run code.
        trust_config: Let the config run code from elsewhere.
        min_score: Boxes below it are left out; None for what the detector's config gives.
    """

    name: str
    checkpoint: str | None = None
    device: str = "cpu"
    trust: bool = False
    trust_config: bool = False
    min_score: float | None = None


def with_detector(dataset: Dataset, finder: Finder, progress: Progress) -> Dataset:
    """The data set with the boxes that a detector finds in its photos, all of them: also in those without persons.

    Args:
        dataset: Checked photos, annotated boxes.
        finder: The detector.
        progress: Told what is done.

    Raises:
        OccbenchError: The detector cannot be had or used, it finds nobody, or the cache folder cannot be written.
    """
    chosen = find_detector(finder.name)
    from_elsewhere = check_config(chosen.config_path, finder.trust_config)
    config_sha256 = hash_of_config(load_config(chosen.config_path))
    weights = resolve(finder.checkpoint, chosen, option=OPTION)
    files = DetectorFiles(
        name=chosen.name,
        config=chosen.config_path,
        config_sha256=config_sha256,
        config_from_elsewhere=from_elsewhere,
        checkpoint=weights,
        weights_sha256=sha256(weights),
        trusted=finder.trust,
        min_score=finder.min_score,
    )
    kept = _kept(dataset, files)
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(kept.with_suffix(".lock")):  # of several processes the first detects, the others read
            if not kept.is_file():
                _detect(dataset, files, finder, kept, progress)
        used = _above(kept, finder.min_score)
    except OSError as error:
        raise OccbenchError(
            f"cannot keep the detections in {kept.parent} ({error.strerror or error}); make room there or set "
            "OCCBENCH_CACHE to another folder"
        ) from error
    scores = [box["score"] for box in json.loads(used.read_text())]
    if not scores:
        floor = "" if finder.min_score is None else f" with a score of {finder.min_score:g} or more"
        raise OccbenchError(
            f"detector {chosen.name!r} finds no person{floor} on {len(dataset.photos)} photos: check its weights"
            + ("" if finder.min_score is None else ", or lower --detector-score")
        )
    persons, sure = len(dataset.persons), sum(score >= SURE for score in scores)
    if len(scores) > MANY * persons and sure:
        progress.note(
            f"{len(scores):,} boxes for {persons:,} persons, each of which costs as much as a person; "
            f"--detector-score {SURE:g} would leave {sure:,}"
        )
    return replace(with_detections(dataset, used), detector=files)


def _kept(dataset: Dataset, files: DetectorFiles) -> Path:
    """Where the detections of these photos lie."""
    decides = {
        "format": FORMAT,
        "photos_sha256": photos_sha256(dataset.photos.values()),
        "config_sha256": files.config_sha256,
        "weights_sha256": files.weights_sha256,
    }
    return cache_dir() / "detections" / f"{files.name}-{key_of(decides)[:16]}.json"


def _detect(dataset: Dataset, files: DetectorFiles, finder: Finder, kept: Path, progress: Progress) -> None:
    """Run the detector on every photo that it has not seen, and write the results file."""
    from ..inference.detector import Detector

    progress.say(f"loading {files.name}")
    detector = Detector(files.config, files.checkpoint, finder.device, finder.trust, finder.trust_config)
    part = kept.with_suffix(".part")
    found = _found_so_far(part)
    if found:
        progress.note(f"detections of {len(found)} of {len(dataset.photos)} photos are there already")
    with part.open("a") as file, progress.stage("photos", len(dataset.photos)) as advance:
        advance(len(found))
        for photo in dataset.photos.values():
            if photo.id not in found:
                found[photo.id] = results_of(detector, photo)
                file.write(json.dumps([photo.id, found[photo.id]]) + "\n")
                file.flush()
                advance(1)
    durable.write(kept, json.dumps([box for photo in dataset.photos for box in found[photo]]).encode())
    part.unlink()


def results_of(detector: Detector, photo: Photo) -> list[dict[str, Any]]:
    """The persons that a detector finds in a photo, best first, as COCO detection results (x y width height, px)."""
    return [
        {
            "image_id": photo.id,
            "category_id": 1,
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "score": score,
        }
        for x1, y1, x2, y2, score in detector.detect(decode(photo)).tolist()
    ]


def _found_so_far(part: Path) -> dict[int, list[dict[str, Any]]]:
    """What a stopped command has left, by image id; a line that was cut off is cut off altogether."""
    if not part.is_file():
        return {}
    found: dict[int, list[dict[str, Any]]] = {}
    whole = 0
    for line in part.read_bytes().splitlines(keepends=True):
        try:
            photo, boxes = json.loads(line)
        except ValueError:
            break
        if not line.endswith(b"\n"):
            break
        found[photo] = boxes
        whole += len(line)
    with part.open("rb+") as file:
        file.truncate(whole)
    return found


def _above(kept: Path, min_score: float | None) -> Path:
    """The results file without the boxes below a score; written beside the whole one."""
    if min_score is None:
        return kept
    used = kept.with_name(f"{kept.stem}-{min_score:g}.json")
    boxes = [box for box in json.loads(kept.read_text()) if box["score"] >= min_score]
    durable.write(used, json.dumps(boxes).encode())
    return used
