"""Real photos over real detections: who is matched, where the nose attack lands, what is counted (PROTOCOL 7)."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from occbench.attacks import COCO, Attack
from occbench.data.coco import read_coco
from occbench.data.matching import box_iou, with_detections
from occbench.data.persons import Dataset, Person
from occbench.estimators.config import read_config
from occbench.estimators.crops import Crop, CropPipeline
from occbench.inference.engine import attack_crop
from occbench.weights.zoo import find_model

from ..conftest import Real
from ..inference.test_against_mmpose import subset
from .conftest import Occbench

pytestmark = pytest.mark.real

NOSE = Attack("keypoint", "blackout", "nose")


@pytest.fixture(scope="module")
def pipeline() -> CropPipeline:
    return CropPipeline(read_config(find_model("tinypose-256x192").config_path))


def painted(pipeline: CropPipeline, person: Person) -> tuple[Crop, np.ndarray, np.ndarray | None]:
    """A person's crop, the same with the nose hidden, and the centre of what was painted there, crop px."""
    (crop,) = pipeline.cut_all([person])
    image, _ = attack_crop(crop, NOSE, COCO, "corrected", 0)
    disc = (image != crop.image).any(axis=2)
    if person.visibility[0]:
        disc |= (image == 0).all(axis=2) & near(crop)
    rows, columns = np.nonzero(disc)
    return crop, image, np.array([columns.mean(), rows.mean()]) if len(rows) else None


def near(crop: Crop) -> np.ndarray:
    """Where the disc must be: pixels that were black before are black under it, too."""
    y, x = np.mgrid[: crop.image.shape[0], : crop.image.shape[1]]
    (x0, y0) = crop.keypoints[0]
    return (x - x0) ** 2 + (y - y0) ** 2 <= NOSE.radius**2


def in_other(a: Crop, b: Crop, point: np.ndarray) -> np.ndarray:
    """A point of crop ``a`` in crop ``b``, by the two boxes alone."""
    size = np.array([a.image.shape[1], a.image.shape[0]])
    in_photo = point / size * a.scale + a.center - 0.5 * a.scale
    return b.to_crop(in_photo)


def people(real: Real, photos: int) -> tuple[dict[int, Person], Dataset]:
    annotated = read_coco(real.annotations, real.images).first(photos)
    found = with_detections(read_coco(real.annotations, real.images), real.detections).first(photos)
    return {person.id: person for person in annotated.persons}, found


def test_the_nose_attack_lands_on_the_same_place_up_to_the_box(
    real: Real, pipeline: CropPipeline, tmp_path: Path
) -> None:
    by_annotation, found = people(real, 40)
    rows, moved, same = [], [], 0
    for person in found.persons:
        crop, image, centre = painted(pipeline, person)
        truth = by_annotation.get(person.annotation or -1)
        if truth is None or truth.visibility[0] == 0:
            assert centre is None  # nobody's box, or nobody with a nose: the crop is as it was
            np.testing.assert_array_equal(image, crop.image)
            continue
        own, own_image, own_centre = painted(pipeline, truth)
        assert centre is not None
        assert own_centre is not None
        nose = in_other(own, crop, own.keypoints[0])
        np.testing.assert_allclose(crop.keypoints[0], nose, atol=0.02)
        inside = (nose >= NOSE.radius).all() and (nose <= np.array([191, 255]) - NOSE.radius).all()
        if inside and (own.keypoints[0] >= NOSE.radius).all():  # whole discs have their centres in the middle
            np.testing.assert_allclose(centre, in_other(own, crop, own_centre), atol=1)
            same += 1
        moved.append(np.linalg.norm(nose - own.keypoints[0]))
        rows.append(np.hstack([own.image, own_image, crop.image, image]))
    assert same > 20
    assert np.median(moved) > 0.5  # the boxes are others indeed
    picture = tmp_path / "nose.png"
    assert cv2.imwrite(str(picture), np.vstack(rows[:8]))
    assert cv2.imread(str(picture)).shape == (8 * 256, 4 * 192, 3)
    print(f"annotated box, attacked; detected box, attacked: {picture}")


@pytest.mark.usefixtures("with_report")
def test_a_run_over_detections(real: Real, occbench: Occbench, tmp_path: Path) -> None:
    """The counts, by a plain loop; the AP is MMPose's, see test_against_mmpose."""
    annotations = subset(real, tmp_path, photos=10)
    dataset = read_coco(annotations, real.images)
    boxes = [box for box in json.loads(real.detections.read_text()) if box["image_id"] in dataset.photos]
    detections = tmp_path / "detections.json"
    detections.write_text(json.dumps(boxes))
    answer = occbench(
        *("attack", "--model", "tinypose-128x96", "--checkpoint", real.weights("tinypose-128x96")),
        *("--data", annotations, "--images", real.images, "--boxes", detections, "--device", "cpu"),
        *("--kind", "keypoint-blackout", "--target", "nose", "--bootstrap", 0, "--out", tmp_path / "run"),
    )
    assert answer.code == 0, answer.err
    cells = pd.read_csv(tmp_path / "run" / "cells.csv")
    matched, whole = 0, set()
    for image in dataset.photos:
        free = np.flatnonzero((dataset.truth.image == image) & ~dataset.truth.crowd).tolist()
        for box in sorted((b for b in boxes if b["image_id"] == image), key=lambda b: -b["score"]):
            overlap = {g: box_iou(np.array([box["bbox"]]), dataset.truth.bbox[[g]])[0, 0] for g in free}
            best = max(overlap, key=lambda g: overlap[g], default=None)
            if best is not None and overlap[best] >= 0.5:
                free.remove(best)
                matched += 1
                whole.add(best)
    measured = np.flatnonzero((dataset.truth.num_keypoints > 0) & ~dataset.truth.crowd)
    missed = len([g for g in measured.tolist() if g not in whole])
    about = json.loads((tmp_path / "run" / "manifest.json").read_text())["boxes"]
    assert {name: about[name] for name in ("n", "matched", "missed", "unmatched")} == {
        "n": len(boxes),
        "matched": len(measured) - missed,
        "missed": missed,
        "unmatched": len(boxes) - matched,
    }
    found = len(measured) - missed
    said = f"{found} matched, {len(boxes) - matched} unmatched, left clean, {missed} persons missed; box AP"
    assert said in (tmp_path / "run" / "report.html").read_text()
    assert 0 < about["figures"]["ap"] < about["figures"]["ap50"] < 1
    natural = pd.read_csv(tmp_path / "run" / "natural.csv")
    nose = natural[natural["keypoint"] == "nose"].iloc[0]
    assert nose["synthetic"] == pytest.approx(
        cells[(cells["keypoint"] == "nose") & (cells["level"] == "keypoint")]["drop"].iloc[0], abs=1e-6
    )
    assert "Natural beside synthetic occlusion" in (tmp_path / "run" / "report.html").read_text()
