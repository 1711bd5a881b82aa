"""Scope image: everybody labelled is hidden in the photo itself, and the crops are cut from it (PROTOCOL section 7)."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from mmcv.transforms import Compose

from occbench.attacks import COCO, Attack, Placement
from occbench.data.coco import read_coco
from occbench.data.matching import with_detections
from occbench.data.persons import Dataset, Person
from occbench.estimators.pose_model import PoseModel
from occbench.inference import scenes
from occbench.inference.engine import predict_cells
from occbench.inference.plan import Settings, chunks, plan
from occbench.system.compat import setup_mmpose

from .conftest import Answer, Occbench, People, Refusal, TinyModel
from .test_resume import files

RADIUS = 4
ATTACKS = [
    Attack("keypoint", "blackout", "left_wrist", RADIUS),
    Attack("keypoint", "blur", "nose", RADIUS),
    Attack("part", "meanout", "corpus", RADIUS),
    Attack("part", "blur", "left_leg", RADIUS),
]


def detections(people: People, folder: Path) -> Path:
    """Boxes of all persons but the second, moved a little, and a box that stands for nobody."""
    records = json.loads(people.annotations.read_text())["annotations"]
    found = [
        {
            "image_id": record["image_id"],
            "category_id": 1,
            "bbox": [record["bbox"][0] + 4, record["bbox"][1] - 3, record["bbox"][2], record["bbox"][3]],
            "score": 0.9 - 0.01 * i,
        }
        for i, record in enumerate(records)
        if i != 1
    ]
    found.append({"image_id": records[1]["image_id"], "category_id": 1, "bbox": [5, 5, 60, 90], "score": 0.3})
    path = folder / "detections.json"
    path.write_text(json.dumps(found))
    return path


@pytest.fixture(params=["gt", "detections"])
def dataset(request: pytest.FixtureRequest, shared_people: People, tmp_path: Path) -> Dataset:
    found = read_coco(shared_people.annotations, shared_people.images)
    return found if request.param == "gt" else with_detections(found, detections(shared_people, tmp_path))


@pytest.fixture(scope="module")
def model(tiny: TinyModel) -> PoseModel:
    return PoseModel(tiny.config, tiny.weights)


class Oracle:
    """A plain loop over photos: OpenCV, and the config's own MMPose pipeline as it stands."""

    def __init__(self, config: Any, dataset: Dataset) -> None:
        setup_mmpose()
        from mmpose.registry import TRANSFORMS

        self.dataset = dataset
        self._pipeline = Compose([TRANSFORMS.build(step) for step in config.test_dataloader.dataset.pipeline])
        self.crop_width = config.codec.input_size[0]

    def cut(self, person: Person, picture: np.ndarray) -> dict[str, Any]:
        return self._pipeline(
            {
                "img": picture,
                "img_path": "",
                "img_id": 0,
                "id": 0,
                "bbox": person.box[None],
                "bbox_score": np.ones(1, np.float32),
                "keypoints": person.keypoints[None],
                "keypoints_visible": np.ones((1, 17), np.float32),
                "category_id": 1,
            }
        )

    def image(self, person: Person, picture: np.ndarray) -> np.ndarray:
        return self.cut(person, picture)["inputs"].numpy().transpose(1, 2, 0)

    def hidden(self, photo: int, attack: Attack) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The photo, the photo attacked, and the mask of what is painted."""
        path = self.dataset.photos[photo].path
        clean = cv2.imread(str(path))
        painted, mask = clean.copy(), np.zeros(clean.shape[:2], dtype=bool)
        y, x = np.mgrid[: clean.shape[0], : clean.shape[1]]
        boxes = {person.annotation: person for person in self.dataset.persons}
        everybody = read_coco(self.dataset.annotations, self.dataset.images).persons
        for annotated in everybody:
            members = COCO.indices(attack.level, attack.target)
            own = annotated.keypoints[members][annotated.labelled[members]].astype(float)
            if annotated.photo.id != photo or len(own) < (1 if attack.level == "keypoint" else 2):
                continue
            cut = self.cut(boxes.get(annotated.annotation, annotated), clean)
            scale = float(cut["data_samples"].input_scale[0]) / self.crop_width
            r = attack.radius * scale
            if attack.level == "keypoint":
                inside = (x - own[0, 0]) ** 2 + (y - own[0, 1]) ** 2 <= r * r
                kernel, sigma = 2 * RADIUS - 1, 0.3 * ((2 * RADIUS - 2) * 0.5 - 1) + 0.8
            else:
                (left, top), (right, bottom) = own.min(0) - r, own.max(0) + r
                inside = (x >= left) & (x <= right) & (y >= top) & (y <= bottom)
                kernel, sigma = 31, 5.0
            if attack.fill == "blackout":
                painted[inside] = 0
            elif attack.fill == "meanout":
                painted[inside] = np.rint(cut["inputs"].numpy().reshape(3, -1).mean(1)).astype(np.uint8)
            else:
                odd = min((abs(k - kernel * scale), k) for k in range(1, 401, 2))[1]
                painted[inside] = cv2.GaussianBlur(clean, (odd, odd), sigma * scale)[inside]
            mask |= inside
        return clean, painted, mask


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_crops_and_predictions_are_those_of_a_plain_loop(model: PoseModel, dataset: Dataset, attack: Attack) -> None:
    settings = Settings(batch_size=1, workers=0, scope="image")
    (clean, cell), _ = predict_cells(model, dataset.persons, [attack], COCO, settings, dataset.people())
    oracle = Oracle(model.config, dataset)
    neighbours = 0
    for i, (person, crop) in enumerate(zip(dataset.persons, model.crops.cut_all(dataset.persons), strict=True)):
        before, after, mask = oracle.hidden(person.photo.id, attack)
        image = oracle.image(person, after)
        assert cell.attacked[i] == (not np.array_equal(image, oracle.image(person, before)))
        if not cell.attacked[i]:
            assert np.array_equal(cell.keypoints[i], clean.keypoints[i])
            assert not cell.covered[i].any()
            continue
        expected, scores, *_ = model.predict(image[None], [crop])
        np.testing.assert_array_equal(cell.keypoints[i], expected[0])
        np.testing.assert_array_equal(cell.scores[i], scores[0])
        x, y = np.rint(person.keypoints).astype(int).T
        there = (x >= 0) & (y >= 0) & (x < mask.shape[1]) & (y < mask.shape[0])
        covered = person.labelled & there & mask[y.clip(0, mask.shape[0] - 1), x.clip(0, mask.shape[1] - 1)]
        np.testing.assert_array_equal(cell.covered[i], covered)
        neighbours += bool(np.isnan(cell.centres[i]).all())
    assert cell.attacked.any()
    if dataset.detections is not None and attack.target == "corpus":
        assert neighbours > 0, "the box that stands for nobody lies over somebody: else this shows nothing"


def test_people_are_all_the_labelled_persons_in_the_box_that_stands_for_them(dataset: Dataset) -> None:
    everybody = read_coco(dataset.annotations, dataset.images).persons
    people = [person for group in dataset.people().values() for person in group]
    assert [p.annotation for p in people] == [p.annotation for p in everybody]
    own = {p.annotation for p in dataset.persons}
    for seen, annotated in zip(people, everybody, strict=True):
        assert any(seen is person for person in dataset.persons) == (annotated.annotation in own)
        if annotated.annotation not in own:
            np.testing.assert_array_equal(seen.box, annotated.box)
        np.testing.assert_array_equal(seen.visibility, annotated.visibility)


def test_limits_and_skips_take_people_along(dataset: Dataset) -> None:
    first = next(iter(dataset.photos))
    assert set(dataset.first(1).people()) == {first}
    assert first not in dataset.without({first}).people()


def test_chunks_end_where_their_photos_have_too_many_pixels(dataset: Dataset) -> None:
    one = dataset.persons[0].photo.width * dataset.persons[0].photo.height
    assert len(chunks(dataset.persons, 100)) == 1
    by_photo = chunks(dataset.persons, 100, 1.5 * one)
    assert len(by_photo) == len({p.photo.id for p in dataset.persons}) == 3
    assert [c.start for c in by_photo[1:]] == [c.stop for c in by_photo[:-1]]
    assert by_photo[-1].stop == len(dataset.persons)
    assert len(chunks(dataset.persons, 100, 2.5 * one)) == 2


def test_each_photo_is_decoded_once_and_few_are_held(
    model: PoseModel, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(batch_size=1, workers=1, scope="image")
    whole, _ = predict_cells(model, dataset.persons, ATTACKS, COCO, settings, dataset.people())
    seen: list[str] = []
    decode = scenes.decode
    monkeypatch.setattr(scenes, "decode", lambda photo: seen.append(photo.file_name) or decode(photo))
    monkeypatch.setattr("occbench.inference.plan.PHOTO_PIXELS", 1)
    assert len(plan(dataset.persons, settings)) == 3
    split, _ = predict_cells(model, dataset.persons, ATTACKS, COCO, settings, dataset.people())
    assert set(Counter(seen).values()) == {1}
    for a, b in zip(whole, split, strict=True):
        np.testing.assert_array_equal(a.keypoints, b.keypoints)
        np.testing.assert_array_equal(a.centres, b.centres)


def test_occluders_stand_where_they_stand_in_the_crop(model: PoseModel, dataset: Dataset) -> None:
    """Of a person alone in the photo both scopes have the same places, but for what the crop's edge clips."""
    attacks = [Attack("keypoint", "blackout", "nose", 2, Placement.parse(p)) for p in ("centred", "jittered")]
    persons = dataset.persons
    by_crop, _ = predict_cells(model, persons, attacks, COCO, Settings(batch_size=1))
    by_photo, _ = predict_cells(model, persons, attacks, COCO, Settings(batch_size=1, scope="image"), dataset.people())
    for a, b in zip(by_crop[1:], by_photo[1:], strict=True):
        both = np.isfinite(a.centres).all((1, 2)) & np.isfinite(b.centres).all((1, 2))
        assert both.sum() >= 3
        np.testing.assert_allclose(a.centres[both], b.centres[both], atol=0.02)


def test_thesis_has_no_scope_image_of_crops(model: PoseModel, dataset: Dataset) -> None:
    with pytest.raises(ValueError, match="thesis"):
        predict_cells(model, dataset.persons, [], COCO, Settings("thesis", scope="image"), dataset.people())


# The command line.


def attack(occbench: Occbench, people: People, tiny: TinyModel, *options: object) -> Answer:
    return occbench(
        *("attack", "--model", tiny.config, "--checkpoint", tiny.weights, "--data", people.annotations, "--json"),
        *("--images", people.images, "--kind", "part-meanout", "--target", "corpus,head", "--radius", 3),
        *("--bootstrap", 20, "--batch-size", 1, "--scope", "image", "--out", "run", *options),
    )


@pytest.mark.usefixtures("with_report")
def test_the_scope_is_a_choice_of_the_run_and_in_all_that_it_says(
    shared_people: People, tiny: TinyModel, occbench: Occbench, refuses: Refusal, tmp_path: Path
) -> None:
    boxes = detections(shared_people, tmp_path)
    answer = attack(occbench, shared_people, tiny, "--boxes", boxes)
    assert answer.code == 0, answer.err
    assert json.loads(answer.out)["scope"] == "image"
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["scope"] == manifest["choices"]["scope"] == "image"
    assert manifest["cells"][1]["n_attacked"] > manifest["cells"][1]["n_neighbours"] > 0
    page = (tmp_path / "run" / "report.html").read_text()
    assert "attacks hide everybody in the photo" in page
    assert "every labelled person, in the photo itself" in page
    assert pd.read_csv(tmp_path / "run" / "cells.csv")["drop"].abs().max() > 0
    assert occbench("verify", "run").code == 0
    examples = json.loads((tmp_path / "run" / "examples" / "examples.json").read_text())
    pictures = [cv2.imread(str(tmp_path / "run" / "examples" / e[w])) for e in examples for w in ("clean", "attacked")]
    assert not np.array_equal(pictures[0], pictures[1])
    other = ("attack", "--model", tiny.config, "--checkpoint", tiny.weights, "--data", shared_people.annotations)
    refuses([*other, "--boxes", boxes, "--kind", "part-meanout", "--batch-size", 1, "--out", "run"], "scope image")


def test_a_run_from_before_there_were_scopes_goes_on(
    shared_people: People, tiny: TinyModel, occbench: Occbench, tmp_path: Path
) -> None:
    attack(occbench, shared_people, tiny, "--scope", "person")
    path = tmp_path / "run" / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["choices"]["scope"]
    path.write_text(json.dumps(manifest))
    answer = attack(occbench, shared_people, tiny, "--scope", "person")
    assert json.loads(answer.out)["computed"] == 0
    refused = attack(occbench, shared_people, tiny)
    assert refused.code == 2
    assert "with scope person" in refused.err


@pytest.mark.parametrize("after", [3, 9])
def test_an_interrupted_run_ends_as_if_nothing_had_been(
    shared_people: People,
    tiny: TinyModel,
    occbench: Occbench,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    after: int,
) -> None:
    assert attack(occbench, shared_people, tiny).code == 0
    predict, asked = PoseModel.predict, 0

    def stops(self: PoseModel, images: Any, crops: Any) -> Any:
        nonlocal asked
        asked += len(crops)
        if asked > after:
            raise KeyboardInterrupt
        return predict(self, images, crops)

    with monkeypatch.context() as patch:
        patch.setattr(PoseModel, "predict", stops)
        assert attack(occbench, shared_people, tiny, "--out", "other").code == 130
    assert attack(occbench, shared_people, tiny, "--out", "other").code == 0
    assert files(tmp_path / "other") == files(tmp_path / "run")


def test_thesis_and_unknown_scopes_are_refused(
    shared_people: People, tiny: TinyModel, refuses: Refusal, no_model: None
) -> None:
    command = ("attack", "--model", tiny.config, "--data", shared_people.annotations, "--kind", "all", "--scope")
    refuses([*command, "image", "--protocol", "thesis"], "--scope image", "--protocol thesis")
    refuses([*command, "photo"], "'photo'", "image")
