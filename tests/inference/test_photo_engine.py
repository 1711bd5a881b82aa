"""Photos x attacks: what the estimator is given, what is inferred at all, and whom its predictions are of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from occbench.attacks import COCO, Attack, Placement
from occbench.data.coco import read_coco
from occbench.data.persons import Dataset
from occbench.data.synthetic import generate
from occbench.estimators.crops import Crop
from occbench.estimators.protocol import Poses
from occbench.estimators.reference import parse_size, reference_crops, reference_size
from occbench.evaluation.types import Detections
from occbench.inference import photo_engine
from occbench.inference.engine import Memory, predict_cells
from occbench.inference.photo_engine import plan_photos, predict_photos, run_photos
from occbench.inference.plan import Settings
from occbench.inference.predictions import CellPredictions
from occbench.system.errors import OccbenchError

from .made_finder import MadeFinder

ATTACKS = [
    Attack("keypoint", "blackout", "left_wrist", 8),
    Attack("keypoint", "blur", "nose", 6),
    Attack("keypoint", "meanout", "left_hip", 6, Placement("decoys", 2)),
    Attack("part", "meanout", "corpus", 6),
    Attack("part", "blur", "left_leg", 6),
    Attack("part", "blackout", "upper_body", 6),
]
SETTINGS = Settings(batch_size=2, workers=0, scope="image")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Four photos; the second has nobody, and the first of the others has an unlabelled nose."""
    annotations = generate(4, 5, tmp_path_factory.mktemp("people") / "set")
    content = json.loads(annotations.read_text())
    second = content["images"][1]["id"]
    content["annotations"] = [a for a in content["annotations"] if a["image_id"] != second]
    first = content["annotations"][0]
    first["keypoints"][:3] = [0, 0, 0]
    first["num_keypoints"] = sum(v > 0 for v in first["keypoints"][2::3])
    annotations.write_text(json.dumps(content))
    return read_coco(annotations, annotations.parent / "images")


class TopDown:
    """A crop estimator that finds the middle of the crop, and notes what crops are cut from."""

    ahead = 0
    earlier = 0
    visibility = ""

    def __init__(self) -> None:
        self.crops = reference_crops((192, 256))
        self.cut_from: list[str] = []
        cut = self.crops.cut

        def noting(person: Any, picture: np.ndarray) -> Crop:
            self.cut_from.append(hashlib.sha256(picture.tobytes()).hexdigest())
            return cut(person, picture)

        self.crops.cut = noting  # type: ignore[method-assign]

    def stack(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """As one array."""
        return np.stack(images)

    def start(self, images: np.ndarray, crops: Sequence[Crop]) -> Any:
        """Nonsense, at once."""
        found = Poses(np.zeros((len(images), 17, 2), np.float32), images.mean((1, 2, 3))[:, None].repeat(17, 1))
        return lambda: found


def test_the_photos_are_those_that_a_top_down_model_is_cut_from(dataset: Dataset) -> None:
    for attack in ATTACKS:
        finder, model = MadeFinder(dataset), TopDown()
        predict_photos(finder, reference_crops((192, 256)), dataset, [attack], SETTINGS)
        predict_cells(model, dataset.persons, [attack], COCO, replace(SETTINGS, batch_size=64), dataset.people())
        attacked = set(finder.seen[len(dataset.photos) :])
        clean = set(finder.seen[: len(dataset.photos)])
        assert attacked
        assert attacked == set(model.cut_from) - clean


def test_who_is_hidden_is_as_a_top_down_model_has_it(dataset: Dataset) -> None:
    cells, geometry = predict_photos(MadeFinder(dataset), reference_crops((192, 256)), dataset, ATTACKS, SETTINGS)
    theirs, crops = predict_cells(TopDown(), dataset.persons, ATTACKS, COCO, SETTINGS, dataset.people())
    np.testing.assert_array_equal(geometry[:, :5], crops)
    np.testing.assert_allclose(geometry[:, 5], geometry[:, 2] / 192)
    np.testing.assert_allclose(geometry[:, 6], geometry[:, 5] / 2)
    for mine, other in zip(cells, theirs, strict=True):
        for name in ("attacked", "covered", "missing", "centres"):
            np.testing.assert_array_equal(getattr(mine, name), getattr(other, name), err_msg=name)


def test_photos_that_an_attack_leaves_alone_are_not_inferred_again(dataset: Dataset) -> None:
    finder = MadeFinder(dataset)
    (clean, attacked), _ = predict_photos(finder, reference_crops((192, 256)), dataset, [ATTACKS[0]], SETTINGS)
    assert clean.found is not None
    assert attacked.found is not None
    assert sum(finder.batches) == len(finder.seen) < 2 * len(dataset.photos)
    second = list(dataset.photos)[1]
    for name in ("keypoints", "keypoint_scores", "scores"):
        before, after = (getattr(c.found, name)[c.found.image == second] for c in (clean, attacked))
        np.testing.assert_array_equal(before, after)
        assert len(before) == 2


def slow_owners(dataset: Dataset, found: Detections) -> list[int]:
    """PROTOCOL section 9, one prediction after another: the row of the person, -1 for nobody."""
    truth, owner = dataset.truth, [-1] * len(found)
    free = set(range(len(truth)))
    for d in sorted(range(len(found)), key=lambda d: -found.scores[d]):
        best, who = 0.1, -1
        for g in sorted(free):
            labelled = truth.visibility[g] > 0
            if truth.image[g] != found.image[d] or truth.crowd[g] or not labelled.any():
                continue
            e = ((found.keypoints[d] - truth.keypoints[g]) ** 2).sum(1) / (2 * dataset.sigmas) ** 2
            oks = np.exp(-e / (truth.area[g] + np.spacing(1)) / 2)[labelled].mean()
            if oks > best or (oks == best and who < 0):
                best, who = oks, g
        owner[d] = who
        free.discard(who)
    row = {p.annotation: i for i, p in enumerate(dataset.persons)}
    return [row[int(truth.ids[g])] if g >= 0 else -1 for g in owner]


def test_whom_predictions_are_of(dataset: Dataset) -> None:
    cells, _ = predict_photos(MadeFinder(dataset), reference_crops((192, 256)), dataset, ATTACKS, SETTINGS)
    lost = 0
    for cell in cells:
        found = cell.found
        assert found is not None
        detections = Detections(found.image, found.keypoints.astype(float), found.scores.astype(float))
        assert found.person.tolist() == slow_owners(dataset, detections)
        for i in range(len(dataset.persons)):
            (mine,) = np.nonzero(found.person == i)[0][:1].tolist() or [None]
            if mine is None:
                assert np.isnan(cell.keypoints[i]).all()
                lost += 1
            else:
                np.testing.assert_array_equal(cell.keypoints[i], found.keypoints[mine])
                np.testing.assert_array_equal(cell.scores[i], found.keypoint_scores[mine])
    assert 0 < lost < len(cells) * len(dataset.persons) / 2


def test_what_is_found_does_not_depend_on_chunks_threads_or_what_is_there(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference, finder = reference_crops((192, 256)), MadeFinder(dataset)
    whole, _ = predict_photos(finder, reference, dataset, ATTACKS[:3], SETTINGS)
    monkeypatch.setattr(photo_engine, "LEAST_PHOTOS", 1)
    monkeypatch.setattr(photo_engine, "BATCHES_PER_CHUNK", 1)
    settings = replace(SETTINGS, batch_size=1, workers=2)
    pieces = plan_photos(dataset, settings)
    assert [len(piece.images) for piece in pieces] == [1] * 4
    sink = Memory()
    run_photos(finder, reference, dataset, ATTACKS[:1], replace(settings, rank=0, ranks=2), sink)
    run_photos(finder, reference, dataset, ATTACKS[:1], replace(settings, rank=1, ranks=2), sink)
    finder.batches.clear()
    done: list[int] = []
    run_photos(finder, reference, dataset, ATTACKS[:3], settings, sink, done.append)
    assert sum(done) == 4 * 4
    assert sum(finder.batches) <= 2 * 3, "what is there is not computed again"
    cells, _ = sink.joined(pieces, ATTACKS[:3])
    for before, after in zip(whole, cells, strict=True):
        assert_same(before, after)


def assert_same(one: CellPredictions, other: CellPredictions) -> None:
    assert one.found is not None
    assert other.found is not None
    for name in ("attacked", "covered", "missing", "centres", "keypoints", "scores"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    for name in ("image", "keypoints", "keypoint_scores", "scores", "person"):
        np.testing.assert_array_equal(getattr(one.found, name), getattr(other.found, name), err_msg=name)


def test_a_stretch_of_a_cell_and_its_stretches_put_together(dataset: Dataset) -> None:
    (cell,), _ = predict_photos(MadeFinder(dataset), reference_crops((192, 256)), dataset, [], SETTINGS)
    pieces = plan_photos(dataset, replace(SETTINGS, batch_size=1))
    parts = [cell.rows(piece.rows, piece.images) for piece in pieces]
    assert_same(cell, CellPredictions.joined(parts))


def test_the_reference_crop() -> None:
    assert reference_size(COCO) == (192, 256)
    assert parse_size("288x384") == (288, 384)
    assert reference_crops((96, 128)).input_size == (96, 128)
    for text in ("192", "192x", "x256", "8x8", "192x256x3", "-1x5", "99999x3"):
        with pytest.raises(OccbenchError, match="--crop must be"):
            parse_size(text)


def test_persons_out_of_order_are_refused(dataset: Dataset) -> None:
    shuffled = replace(dataset, persons=dataset.persons[::-1])
    with pytest.raises(ValueError, match="photo by photo"):
        plan_photos(shuffled, SETTINGS)
