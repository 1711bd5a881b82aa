"""The synthetic people: geometry, rendering, exact annotations, and reproducible files."""

from __future__ import annotations

import dataclasses
import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from pycocotools.coco import COCO
from typer.testing import CliRunner

from occbench.cli.sample import sample
from occbench.data import synthetic
from occbench.data.coco import read_coco
from occbench.data.synthetic.appearance import flat, sample_look
from occbench.data.synthetic.figure import Figure
from occbench.data.synthetic.generate import generate, photo
from occbench.data.synthetic.poses import KINDS, sample_pose
from occbench.data.synthetic.scene import Placement, Scene, annotate, guessable, render_person, sample_light
from occbench.data.synthetic.skeleton import KEYPOINTS, Arm, Leg, Pose, sample_body, solve
from occbench.data.synthetic.surfaces import Canvas, Capsule, Ellipsoid, Light
from occbench.system.errors import OccbenchError

UPRIGHT = Pose(
    "standing", 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, (Arm(0, 0.15, 0, 0.05),) * 2, (Leg(0, 0.05, 0, 0.02),) * 2
)  # fmt: skip


def figure(seed: int = 0, **pose: Any) -> Figure:
    rng = np.random.default_rng(seed)
    body, look = sample_body(rng), sample_look(rng)
    turned = dataclasses.replace(UPRIGHT, **pose)
    return Figure(body, turned, look, solve(body, turned))


def annotated(*placements: Placement, width: int = 300, height: int = 300) -> list[dict[str, object]]:
    light = sample_light(np.random.default_rng(0))
    layers = [render_person(placement, light, width, height) for placement in placements]
    assert all(layer is not None for layer in layers)
    return annotate(Scene(width, height, placements, light), [layer for layer in layers if layer is not None])


def flags(annotation: dict[str, object]) -> dict[str, int]:
    return dict(zip(KEYPOINTS, np.array(annotation["keypoints"]).reshape(17, 3)[:, 2].astype(int), strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_limbs_keep_their_length_in_every_pose(kind: str) -> None:
    rng = np.random.default_rng(3)
    for _ in range(5):
        body = sample_body(rng)
        points = solve(body, sample_pose(rng, kind)).points
        for side in ("left", "right"):
            for a, b, length in (
                ("shoulder", "elbow", body.upper_arm),
                ("elbow", "wrist", body.forearm),
                ("hip", "knee", body.thigh),
                ("knee", "ankle", body.shank),
            ):
                assert np.linalg.norm(points[f"{side}_{a}"] - points[f"{side}_{b}"]) == pytest.approx(length)


def test_angles_bend_the_way_a_body_does() -> None:
    body = sample_body(np.random.default_rng(0))
    upright = solve(body, UPRIGHT).points
    assert upright["left_shoulder"][0] > 0 > upright["right_shoulder"][0]  # facing the camera: left on the right
    assert upright["nose"][2] > upright["left_ear"][2]
    assert upright["head"][1] > upright["left_shoulder"][1] > upright["left_hip"][1] > upright["left_ankle"][1]
    bent = solve(body, dataclasses.replace(UPRIGHT, arms=(Arm(0, 0, 0, 1.5),) * 2, legs=(Leg(0, 0, 0, 1.5),) * 2))
    assert bent.points["left_wrist"][2] > bent.points["left_elbow"][2] + 0.1  # the elbow brings the hand forward
    assert bent.points["left_ankle"][2] < bent.points["left_knee"][2] - 0.1  # the knee brings the foot back
    raised = solve(body, dataclasses.replace(UPRIGHT, arms=(Arm(0, 1.5, 0, 0), Arm(3, 0, 0, 0)))).points
    assert raised["left_wrist"][0] > raised["left_shoulder"][0] + 0.3
    assert raised["right_wrist"][1] > raised["right_shoulder"][1] + 0.3


def test_a_capsule_and_a_sphere_cover_what_geometry_says() -> None:
    light = Light(np.array([0.0, 0, 1]), 0.5)
    xs = np.linspace(-2, 2, 400, dtype=np.float32)
    grey, eye = flat(np.full(3, 100, np.float32)), np.eye(3)
    canvas = Canvas(xs, -xs, light)
    canvas.draw(Capsule(np.array([-1.0, 0, 0]), np.array([1.0, 0, 0]), 0.3, 0.3, grey, np.zeros(3), eye))
    cell = float(xs[1] - xs[0]) ** 2
    assert np.isfinite(canvas.depth).sum() * cell == pytest.approx(2 * 0.6 + np.pi * 0.09, rel=0.01)
    assert canvas.depth.max() == pytest.approx(0.3, abs=1e-3)
    assert canvas.color[200, 200, 0] == pytest.approx(100, abs=0.5)  # faces the light
    round_one = Canvas(xs, -xs, light)
    round_one.draw(Ellipsoid(np.array([0.5, 0, 1]), (0.4, 0.2, 0.3), grey, eye[:, [1, 0, 2]]))  # lies on its side
    assert np.isfinite(round_one.depth).sum() * cell == pytest.approx(np.pi * 0.4 * 0.2, rel=0.02)
    assert round_one.depth.max() == pytest.approx(1.3, abs=1e-3)
    rows, columns = np.nonzero(np.isfinite(round_one.depth))
    assert np.ptp(rows) > 1.8 * np.ptp(columns)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_nearer_surface_wins_in_any_order(order: tuple[int, int]) -> None:
    xs = np.linspace(-1, 1, 21, dtype=np.float32)
    canvas = Canvas(xs, -xs, Light(np.array([0.0, 0, 1]), 1.0))
    paints = (flat(np.full(3, 10, np.float32)), flat(np.full(3, 200, np.float32)))
    for which in order:
        canvas.draw(Ellipsoid(np.array([0.0, 0, which]), (0.5, 0.5, 0.2), paints[which], np.eye(3)))
    assert canvas.color[10, 10, 0] == 200


def test_front_back_and_side_views_hide_the_right_keypoints() -> None:
    front = flags(annotated(Placement(figure(), 120.0, 150.0, 150.0))[0])
    assert set(front.values()) == {2}
    back = flags(annotated(Placement(figure(yaw=np.pi), 120.0, 150.0, 150.0))[0])
    assert [back[name] for name in ("nose", "left_eye", "right_eye")] == [0, 0, 0]  # through the head: not labelled
    assert back["left_elbow"] == back["right_knee"] == 2
    arms = (Arm(1.2, 0, 0, 0),) * 2  # out of the hips' way
    side = flags(annotated(Placement(figure(yaw=np.pi / 2, arms=arms), 120.0, 150.0, 150.0))[0])  # left is far
    for joint, hidden in (("eye", 0), ("ear", 0), ("shoulder", 1), ("hip", 1)):
        assert (side[f"left_{joint}"], side[f"right_{joint}"]) == (hidden, 2), joint


@pytest.mark.parametrize(
    ("hidden", "by_own_body", "labelled"),
    [
        pytest.param(["nose"], True, False, id="nose through the head"),
        pytest.param(["nose"], False, True, id="nose behind somebody"),
        pytest.param(["left_shoulder"], True, True, id="shoulder"),
        pytest.param(["right_hip"], False, True, id="hip"),
        pytest.param(["left_elbow"], True, True, id="elbow between shoulder and wrist"),
        pytest.param(["left_elbow", "left_wrist"], True, False, id="elbow with the wrist hidden too"),
        pytest.param(["right_knee", "right_hip"], False, False, id="knee with the hip hidden too"),
        pytest.param(["right_wrist"], True, False, id="wrist"),
        pytest.param(["left_ankle"], False, False, id="ankle"),
    ],
)
def test_hidden_keypoints_are_labelled_where_they_can_be_guessed(
    hidden: list[str], by_own_body: bool, labelled: bool
) -> None:
    seen, own = np.ones(17, bool), np.ones(17, bool)
    for name in hidden:
        seen[KEYPOINTS.index(name)] = False
        own[KEYPOINTS.index(name)] = not by_own_body
    assert guessable(seen, own)[KEYPOINTS.index(hidden[0])] == labelled


def test_a_nearer_person_hides_a_farther_one() -> None:
    far, near = Placement(figure(1), 60.0, 150.0, 150.0), Placement(figure(2), 120.0, 150.0, 150.0)
    behind, before = annotated(far, near)
    assert set(flags(before).values()) == {2}
    assert flags(behind)["left_hip"] == flags(behind)["right_shoulder"] == 1
    alone = annotated(far)[0]
    assert behind["area"] < alone["area"]  # type: ignore[operator]
    assert np.allclose(np.array(behind["keypoints"])[:6].reshape(2, 3)[:, :2],
                       np.array(alone["keypoints"])[:6].reshape(2, 3)[:, :2])  # fmt: skip


def test_keypoints_outside_the_photo_are_not_labelled() -> None:
    cut = annotated(Placement(figure(), 120.0, 150.0, 280.0))[0]  # hips near the lower edge
    seen = flags(cut)
    assert seen["left_ankle"] == seen["right_knee"] == 0
    assert seen["nose"] == 2
    assert cut["num_keypoints"] == sum(v > 0 for v in seen.values())
    ankle = np.array(cut["keypoints"]).reshape(17, 3)[KEYPOINTS.index("left_ankle")]
    assert ankle.tolist() == [0, 0, 0]


def test_annotations_agree_with_the_photo() -> None:
    for index in range(15):
        image, people = photo(5, index)
        height, width = image.shape[:2]
        assert people
        for person in people:
            keypoints = np.array(person["keypoints"]).reshape(17, 3)
            x, y, w, h = person["bbox"]
            labelled = keypoints[keypoints[:, 2] > 0, :2]
            assert len(labelled) == person["num_keypoints"] > 0
            assert ((labelled >= 0) & (labelled <= (width - 1, height - 1))).all()
            assert 0 <= x < x + w <= width
            assert 0 <= y < y + h <= height
            assert 0 < person["area"] <= w * h
            seen = keypoints[keypoints[:, 2] == 2, :2]
            assert ((seen >= (x - 1, y - 1)) & (seen <= (x + w, y + h))).all()
            corners = np.concatenate([np.reshape(part, (-1, 2)) for part in person["segmentation"]])
            assert corners.min(0).tolist() == [x, y]
            assert corners.max(0).tolist() == [x + w - 1, y + h - 1]


def test_the_same_seed_gives_the_same_files_and_more_photos_extend_fewer(tmp_path: Path) -> None:
    few = json.loads(generate(2, 9, tmp_path / "few").read_text())
    many = json.loads(generate(4, 9, tmp_path / "many", workers=2).read_text())
    other = json.loads(generate(2, 10, tmp_path / "other").read_text())
    names = [image["file_name"] for image in few["images"]]
    for name in names:
        data = (tmp_path / "few/images" / name).read_bytes()
        assert data == (tmp_path / "many/images" / name).read_bytes()
        assert data != (tmp_path / "other/images" / name).read_bytes()
    assert many["images"][:2] == few["images"]
    assert [a for a in many["annotations"] if a["image_id"] <= 2] == few["annotations"] != other["annotations"]
    coco = COCO(str(tmp_path / "many" / "annotations.json"))
    assert len(coco.getImgIds()) == 4
    assert coco.loadCats(1)[0]["keypoints"] == list(KEYPOINTS)
    assert len(set(coco.getAnnIds())) == len(many["annotations"])


def test_generate_leaves_nothing_half_written(tmp_path: Path) -> None:
    def interrupt(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(3, 1, tmp_path / "people", interrupt)
    assert list(tmp_path.iterdir()) == []


def test_sample_refuses_a_folder_in_use_and_a_path_it_cannot_write(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(sample)
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "mine.txt").write_text("keep")
    refused = CliRunner().invoke(app, [str(tmp_path / "used"), "--n", "1"])
    assert isinstance(refused.exception, OccbenchError)
    assert "not an empty folder" in str(refused.exception)
    assert [path.name for path in tmp_path.rglob("*")] == ["used", "mine.txt"]
    below_a_file = CliRunner().invoke(app, [str(tmp_path / "used/mine.txt/people"), "--n", "1"])
    assert isinstance(below_a_file.exception, OccbenchError)
    good = CliRunner().invoke(app, [str(tmp_path / "new"), "--n", "1", "--seed", "3"])
    assert good.exit_code == 0
    assert (tmp_path / "new/images/000000.jpg").is_file()


def test_the_embedded_sample_is_made_once_and_mended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCCBENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(synthetic, "SAMPLE_PHOTOS", 2)
    found: list[tuple[Path, Path]] = []
    threads = [threading.Thread(target=lambda: found.append(synthetic.embedded_sample())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert len(set(found)) == 1
    annotations, images = found[0]
    assert [path.name for path in tmp_path.iterdir()] == [annotations.parent.name]  # no temporary folder stays
    before = annotations.read_bytes()
    made = annotations.stat().st_mtime_ns
    synthetic.embedded_sample()
    assert annotations.stat().st_mtime_ns == made
    (images / "000001.jpg").unlink()
    synthetic.embedded_sample()
    assert (images / "000001.jpg").is_file()
    assert annotations.read_bytes() == before


def test_drawn_people_are_known_as_such_wherever_they_lie(tmp_path: Path) -> None:
    annotations = generate(1, 3, tmp_path / "people")
    assert read_coco(annotations, annotations.parent / "images").synthetic
    content = json.loads(annotations.read_text())
    content["info"]["description"] = "photos"
    annotations.write_text(json.dumps(content))
    assert not read_coco(annotations, annotations.parent / "images").synthetic
