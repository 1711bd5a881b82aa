"""Who is shown in the report's pictures, and what is written about them; crops come from a plain stand-in."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from occbench.attacks import COCO, Attack, Placement
from occbench.data.persons import Dataset, Person, Photo
from occbench.estimators.crops import Crop
from occbench.evaluation.types import GroundTruth
from occbench.inference.plan import Settings
from occbench.inference.predictions import CellPredictions
from occbench.jobs import examples
from occbench.jobs.examples import write_examples

K = len(COCO.keypoints)
SIGMAS = np.full(K, 0.05)
SIZE = 100.0


class Cutter:
    """Cuts crops without a model: a grey picture, crop px = image px."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def cut_all(self, persons: Iterable[Person]) -> Iterator[Crop]:
        for person in persons:
            self.asked.append(person.id)
            image = np.full((128, 96, 3), 90 + person.id, np.uint8)
            half = np.array([48.0, 64.0])
            yield Crop(person, image, person.keypoints.astype(float), None, half, 2 * half)


def make_dataset(n: int, strangers: int = 0) -> Dataset:
    """``n`` persons whose keypoints stand in a column, and boxes that stand for nobody."""
    photo = Photo(1, "a.jpg", Path("a.jpg"), 96, 128)
    points = np.stack([np.full(K, 40.0), 10 + 6.0 * np.arange(K)], 1).astype(np.float32)
    box = np.array([0, 0, 96, 128], np.float32)
    seen = np.full(K, 2)
    persons = [Person(i, 100 + i, photo, box, 1.0, points, seen) for i in range(n)]
    persons += [Person(n + i, None, photo, box, 0.5, points * 0, seen * 0) for i in range(strangers)]
    truth = GroundTruth(
        image_ids=np.array([1]),
        image=np.ones(n, dtype=np.int64),
        keypoints=np.repeat(points[None].astype(float), n, 0),
        visibility=np.full((n, K), 2),
        bbox=np.tile([0.0, 0, 96, 128], (n, 1)),
        area=np.full(n, SIZE**2),
        num_keypoints=np.full(n, K),
        crowd=np.zeros(n, bool),
        ids=100 + np.arange(n),
    )
    root = Path("ann.json")
    return Dataset("dev", COCO, SIGMAS, {1: photo}, tuple(persons), truth, root, root)


def make_cell(
    dataset: Dataset, attack: Attack | None, off: list[float], attacked: list[bool] | None = None
) -> CellPredictions:
    """Predictions that miss every keypoint of person i by ``off[i]`` px."""
    n = len(dataset.persons)
    cell = CellPredictions.empty(attack, n, K)
    cell.keypoints[:] = [p.keypoints for p in dataset.persons]
    cell.keypoints[: len(off), :, 0] += np.array(off, np.float32)[:, None]
    cell.scores[:] = 0.5
    cell.attacked[:] = [attack is not None] * n if attacked is None else attacked
    return cell


def written(folder: Path, dataset: Dataset, cells: list[CellPredictions]) -> list[dict[str, object]]:
    write_examples(folder, dataset, iter(cells), Cutter(), Settings())  # type: ignore[arg-type]
    entries = json.loads((folder / "examples.json").read_text())
    named = {e[name] for e in entries for name in ("clean", "attacked")} | {"examples.json"}
    assert {f.name for f in folder.iterdir()} == named
    return entries  # type: ignore[no-any-return]


def oks(off: float) -> float:
    return float(np.exp(-(off**2) / (2 * SIZE**2 * (2 * SIGMAS[0]) ** 2)))


def test_worst_median_and_improved(tmp_path: Path) -> None:
    data = make_dataset(5, strangers=1)
    cells = [
        make_cell(data, None, [10.0] * 5),
        make_cell(data, Attack("keypoint", "blur", "nose"), [12, 40, 11, 2, 20]),
    ]
    entries = written(tmp_path, data, cells)
    assert [(e["kind"], e["person"]) for e in entries] == [("worst", 101), ("median", 100), ("improved", 103)]
    assert entries[0]["oks_clean"] == pytest.approx(oks(10), abs=1e-4)
    assert entries[0]["oks_attacked"] == pytest.approx(oks(40), abs=1e-4)
    assert entries[0]["attacked_keypoints"][0] == [80.0, 10.0]  # type: ignore[index]
    assert entries[0]["clean_keypoints"][0] == [50.0, 10.0]  # type: ignore[index]
    image = cv2.imread(str(tmp_path / str(entries[0]["clean"])))
    assert image.shape == (128, 96, 3)
    assert (image == 91).all()
    assert cv2.imread(str(tmp_path / str(entries[0]["attacked"]))).shape == image.shape


@pytest.mark.parametrize(
    ("off", "shown"),
    [
        ([12.0], [("worst", 100)]),
        ([2.0], [("improved", 100)]),
        ([12.0, 2.0], [("worst", 100), ("improved", 101)]),
        ([12.0, 14.0, 16.0], [("worst", 102), ("median", 101)]),
    ],
)
def test_nobody_is_shown_twice(tmp_path: Path, off: list[float], shown: list[tuple[str, int]]) -> None:
    data = make_dataset(len(off))
    cells = [make_cell(data, None, [10.0] * len(off)), make_cell(data, Attack("part", "blur", "head"), off)]
    assert [(e["kind"], e["person"]) for e in written(tmp_path, data, cells)] == shown


def test_only_attacked_persons_are_shown(tmp_path: Path) -> None:
    data = make_dataset(3)
    attack = Attack("keypoint", "blackout", "left_hip")
    cells = [make_cell(data, None, [1.0] * 3), make_cell(data, attack, [90, 2, 2], [False, True, False])]
    assert [(e["kind"], e["person"]) for e in written(tmp_path, data, cells)] == [("worst", 101)]
    cells[1] = make_cell(data, attack, [90, 2, 2], [False] * 3)
    assert written(tmp_path, data, cells) == []


def test_a_target_is_shown_under_one_attack(tmp_path: Path) -> None:
    data = make_dataset(1)
    sizes = [Attack("keypoint", fill, "nose", r) for fill in ("blur", "blackout") for r in (9.0, 6.0)]
    controls = [Attack("keypoint", "blackout", "nose", 6.0, Placement("decoys", 3))]
    other = [Attack("keypoint", "meanout", "left_hip", r, Placement("placebo")) for r in (18.0, 12.0)]
    attacks = [*controls, *sizes, *other]
    cells = [make_cell(data, a, [5.0 * i]) for i, a in enumerate([None, *attacks])]
    assert [e["name"] for e in written(tmp_path, data, cells)] == [
        "keypoint-blackout:nose",
        "keypoint-meanout:left_hip@12+placebo",
    ]


def test_many_targets_are_bounded_by_loss_and_old_pictures_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examples, "MAX_TARGETS", 2)
    data = make_dataset(1)
    attacks = [Attack("keypoint", "blur", name) for name in COCO.keypoints[:4]]
    cells = [make_cell(data, a, [off]) for a, off in zip([None, *attacks], [1, 5, 90, 2, 70], strict=True)]
    (tmp_path / "old.png").write_bytes(b"")
    assert [e["target"] for e in written(tmp_path, data, cells)] == ["left_eye", "left_ear"]
