"""Models that see whole photos: what is found, and its AP, are those of MMPose's own test loop on attacked files."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from occbench.attacks import COCO, Attack, Placement
from occbench.data.persons import Dataset
from occbench.data.photos import decode
from occbench.estimators.crops import CropPipeline
from occbench.estimators.reference import reference_crops
from occbench.evaluation.cells import evaluate_cell
from occbench.inference.photo_engine import predict_photos
from occbench.inference.plan import Settings
from occbench.inference.predictions import CellPredictions
from occbench.inference.results import cell_detections
from occbench.inference.scenes import Scene, cut_subjects, paint

from .found_people import annotate, make_photos
from .mmpose_photo_loop import run_mmpose_photos
from .photo_models import KINDS, make_small

ATTACKS = [
    Attack("keypoint", "blackout", "nose", 20),
    Attack("keypoint", "blur", "left_wrist", 16),
    Attack("keypoint", "meanout", "right_hip", 24, Placement("decoys", 2)),
    Attack("part", "blackout", "head", 8),
    Attack("part", "meanout", "corpus", 4),
    Attack("part", "blur", "left_leg", 12),
]


def write_attacked(dataset: Dataset, reference: CropPipeline, attack: Attack, folder: Path) -> None:
    """The photos under an attack as lossless files."""
    folder.mkdir()
    people = dataset.people()
    for photo in dataset.photos.values():
        picture, subjects = cut_subjects(reference, photo, people.get(photo.id, ()))
        painted = paint(Scene(picture, (), subjects), attack, COCO, seed=0)
        cv2.imwrite(str(folder / photo.file_name), painted.picture)


def our_ap(dataset: Dataset, cell: CellPredictions) -> float:
    found = cell_detections(dataset, cell, np.empty(0))
    return evaluate_cell(dataset.truth, found, dataset.sigmas, masks={None: None})[None].ap


@pytest.mark.parametrize(("kind", "never"), [("ae", "decode_keypoint_thr"), ("rtmo", "score_thr")])
def test_nobody_is_found(kind: str, never: str, tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "images", [(64, 64)])
    model = make_small(kind, photos, tmp_path, **{never: 1e9}).load()
    (found,) = model.predict([model.prepare(decode(photos[0]))])
    assert (found.keypoints.shape, found.keypoint_scores.shape, found.scores.shape) == ((0, 17, 2), (0, 17), (0,))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_found_and_its_ap_are_those_of_mmpose(kind: str, tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "images")
    files = make_small(kind, photos, tmp_path)
    model = files.load()
    assert model.visibility == ("scores" if kind in ("rtmo", "yoloxpose") else "")
    if kind in ("cid", "dekr"):  # heads that take one photo at a time are given one
        alike = [model.prepare(decode(photo)) for photo in (photos[0], photos[3])]
        for one, alone in zip(model.predict(alike), alike, strict=True):
            np.testing.assert_array_equal(one.keypoints, model.predict([alone])[0].keypoints)
    attacks = ATTACKS[::2] if kind == "ae" else ATTACKS[1::2] if kind == "rtmo" else ATTACKS[-2:-1]
    dataset = annotate(model, photos, tmp_path / "annotations.json")
    reference = reference_crops((192, 256))
    cells, _ = predict_photos(model, reference, dataset, attacks, Settings(batch_size=1, scope="image"))
    assert our_ap(dataset, cells[0]) > 0.05
    for cell in cells:
        images = tmp_path / "images"
        if cell.attack is not None:
            images = tmp_path / cell.slug
            write_attacked(dataset, reference, cell.attack, images)
        figures, theirs = run_mmpose_photos(
            model.config, files.weights, tmp_path / "annotations.json", images, tmp_path
        )
        found = cell.found
        assert found is not None
        for image, (points, scores) in theirs.items():
            own = found.some(found.image == image)
            assert len(own) == len(points) > 0
            np.testing.assert_allclose(own.keypoints, points, atol=1e-3)
            np.testing.assert_allclose(own.keypoint_scores, scores, atol=1e-5)
        assert our_ap(dataset, cell) == pytest.approx(figures["coco/AP"], abs=1e-6)
        if cell.attack is not None:
            changed = [p.id for p in photos if not np.array_equal(decode(p), cv2.imread(str(images / p.file_name)))]
            assert changed
            assert len(changed) < len(photos)
