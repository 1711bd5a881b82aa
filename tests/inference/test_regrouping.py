"""The true groups through the engine and onto disk: which photos have them, and that they are kept apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from occbench.attacks import Attack
from occbench.data.persons import Dataset
from occbench.data.photos import decode
from occbench.estimators.photo_model import PhotoModel
from occbench.estimators.reference import reference_crops
from occbench.inference.photo_engine import plan_photos, predict_photos
from occbench.inference.plan import Settings
from occbench.inference.predictions import CellPredictions, FoundPersons
from occbench.runs.parquet import read_cell, write_cell
from occbench.runs.store import Store

from .found_people import annotate, make_photos
from .photo_models import make_small

ATTACK = Attack("keypoint", "blackout", "nose", 20)
SETTINGS = Settings(batch_size=1, scope="image")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[PhotoModel, Dataset, list[CellPredictions]]:
    folder = tmp_path_factory.mktemp("regrouping")
    photos = make_photos(folder / "images")
    model = make_small("ae", photos, folder).load()
    dataset = annotate(model, photos, folder / "annotations.json")
    cells, _ = predict_photos(model, reference_crops((192, 256)), dataset, [ATTACK], SETTINGS)
    return model, dataset, cells


def regrouped(cell: CellPredictions) -> FoundPersons:
    assert cell.regrouped is not None
    return cell.regrouped


def test_there_are_as_many_persons_as_are_annotated(found: tuple[PhotoModel, Dataset, list[CellPredictions]]) -> None:
    _, dataset, cells = found
    for cell in cells:
        people = regrouped(cell)
        counts = {image: (dataset.truth.image == image).sum() for image in dataset.photos}
        assert all(0 <= (people.image == image).sum() <= n for image, n in counts.items())
        assert len(people) > 3
        assert (people.person == -1).all()
    last = max(dataset.photos)
    assert not (regrouped(cells[0]).image == last).any()  # nobody is annotated there


def test_whom_the_truth_has_as_the_model_has_them_stay_as_they_are(
    found: tuple[PhotoModel, Dataset, list[CellPredictions]],
) -> None:
    """Given are the model's own persons, labelled where a joint is a candidate: each finds its own again."""
    model, dataset, _ = found
    checked = 0
    for photo in dataset.photos.values():
        (one,) = model.predict([model.prepare(decode(photo))])
        assert one.regroup is not None
        remembered = model._tags
        candidates = remembered._codec.find(*remembered.last[0])
        scores = np.where(candidates.scores > remembered._codec.threshold, candidates.scores, np.nan)
        labelled = np.isclose(one.keypoint_scores[..., None], scores[None], rtol=0, atol=1e-7).any(2)
        labelled &= [
            [(person[k] == one.keypoint_scores[:, k]).sum() == 1 for k in range(17)] for person in one.keypoint_scores
        ]
        again = one.regroup(one.keypoints.astype(np.float64), labelled)
        own = labelled[labelled.any(1)]
        assert len(again) == len(own)
        np.testing.assert_allclose(
            again.keypoints[own], one.keypoints[labelled], atol=1.5
        )  # those that were filled in lack .5 px of the maps
        np.testing.assert_allclose(again.keypoint_scores[own], one.keypoint_scores[labelled], atol=1e-6)
        checked += own.sum()
    assert checked > 20


def test_photos_that_are_not_attacked_keep_the_clean_groups(
    found: tuple[PhotoModel, Dataset, list[CellPredictions]],
) -> None:
    model, dataset, (clean, attacked) = found
    touched = {p.photo.id for p, flag in zip(dataset.persons, attacked.attacked, strict=True) if flag}
    for image in set(dataset.photos) - touched:
        own, before = (regrouped(cell).some(regrouped(cell).image == image) for cell in (attacked, clean))
        np.testing.assert_array_equal(own.keypoints, before.keypoints)
    assert touched
    (poses,) = model.predict([model.prepare(decode(dataset.photos[min(touched)]))])
    assert poses.regroup is not None


def test_they_come_back_from_disk(found: tuple[PhotoModel, Dataset, list[CellPredictions]], tmp_path: Path) -> None:
    _, dataset, cells = found
    for cell in cells:
        write_cell(tmp_path / "cell.parquet", cell, {}, dataset)
        back = regrouped(read_cell(tmp_path / "cell.parquet"))
        for name in ("image", "keypoints", "keypoint_scores", "scores", "person"):
            np.testing.assert_array_equal(getattr(back, name), getattr(regrouped(cell), name))


def test_pieces_of_a_cell_are_put_together(
    found: tuple[PhotoModel, Dataset, list[CellPredictions]], tmp_path: Path
) -> None:
    _, dataset, cells = found
    (chunk,) = plan_photos(dataset, SETTINGS)
    store = Store(tmp_path, {}, 0)
    store.put(chunk, cells[1])
    store.finish(ATTACK, [chunk], dataset)
    np.testing.assert_array_equal(regrouped(store.read(ATTACK)).keypoints, regrouped(cells[1]).keypoints)
    without = CellPredictions(**{**vars(cells[1]), "regrouped": None})
    assert CellPredictions.joined([cells[1], without]).regrouped is None  # one is of an older occbench
