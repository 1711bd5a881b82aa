"""The attack on plain arrays equals the engine's pieces."""

from __future__ import annotations

import numpy as np
import pytest

from occbench import OccbenchError, occlude
from occbench.attacks import COCO, Attack, Placement

IMAGE = np.random.default_rng(0).integers(1, 256, (256, 192, 3), dtype=np.uint8)
POINTS = np.random.default_rng(1).uniform(30, 160, (17, 2))


def test_a_disc_is_painted_around_the_keypoint_and_nowhere_else() -> None:
    found = occlude(IMAGE, POINTS, "keypoint-blackout:nose@9")
    rows, columns = np.mgrid[:256, :192]
    inside = (columns - POINTS[0, 0]) ** 2 + (rows - POINTS[0, 1]) ** 2 <= 81
    assert (found[inside] == 0).all()
    assert (found[~inside] == IMAGE[~inside]).all()
    assert IMAGE.min() > 0


def test_a_part_covers_its_keypoints() -> None:
    found = occlude(IMAGE, POINTS, Attack("part", "meanout", "left_arm"))
    for k in COCO.indices("part", "left_arm"):
        x, y = POINTS[k].round().astype(int)
        assert (found[y, x] == np.rint(IMAGE.reshape(-1, 3).mean(0))).all()


@pytest.mark.parametrize("how", ["visibility", "nan", "labelled"])
def test_without_the_label_nothing_changes(how: str) -> None:
    points = np.column_stack([POINTS, np.full(17, 2.0)]) if how == "visibility" else POINTS.copy()
    labelled = None
    if how == "visibility":
        points[0, 2] = 0
    elif how == "nan":
        points[0] = np.nan
    else:
        labelled = np.arange(17) > 0
    found = occlude(IMAGE, points, "keypoint-blackout:nose", labelled=labelled)
    assert (found == IMAGE).all()
    assert found is not IMAGE


def test_the_seed_decides_random_places() -> None:
    one, same, other = (occlude(IMAGE, POINTS, "keypoint-blackout:nose+decoys:3", seed=s) for s in (1, 1, 2))
    assert (one == same).all()
    assert (one != other).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"attack": "part-blackout:left_amr"}, "unknown target 'left_amr'; did you mean left_arm"),
        ({"attack": "blackout"}, "LEVEL-FILL:TARGET"),
        ({"attack": "part-paint:head"}, "must be one of"),
        ({"keypoints": POINTS[:5]}, r"shape \(17, 2\) or \(17, 3\), but got \(5, 2\)"),
        ({"image": IMAGE / 255}, "dtype uint8"),
        ({"skeleton": "coc"}, "unknown skeleton 'coc'; did you mean"),
        ({"protocol": "thessis"}, "unknown protocol"),
    ],
)
def test_what_cannot_be_used_is_said(arguments: dict[str, object], message: str) -> None:
    given = {"image": IMAGE, "keypoints": POINTS, "attack": "part-blackout:head"} | arguments
    with pytest.raises(OccbenchError, match=message):
        occlude(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "attack",
    [
        Attack("part", "blackout", "left_arm"),
        Attack("keypoint", "blur", "nose", 9.5, Placement("decoys", 6)),
        Attack("keypoint", "meanout", "left_hip", 1e-3, Placement("placebo")),
        Attack("part", "blur", "head", 1e22),
    ],
)
def test_names_are_read_back(attack: Attack) -> None:
    assert Attack.parse(attack.name) == attack
