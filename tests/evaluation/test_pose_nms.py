"""Parametric pose NMS against what the published programs gave for made-up poses, and against plain loops.

golden/pose_nms_*.npz: twelve sets of poses under the rules of AlphaPose and of RMPE's demo of 2017 (numbers alone);
golden/similarity_formula.json: the formula as printed, beside both programs' forms of it, for one pair.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from occbench.evaluation.fit_nms import fit_nms
from occbench.evaluation.pose_nms import RULES, PoseNms, pose_nms, similarities, suppressed
from occbench.system.errors import OccbenchError

GOLDEN = Path(__file__).parent / "golden"
RMPE_2017, ALPHAPOSE = "rmpe2017", "alphapose"
SETS = [
    (rule, name)
    for rule in (RMPE_2017, ALPHAPOSE)
    for name in json.loads((GOLDEN / f"pose_nms_{rule}.json").read_text())["sets"]
]


def golden(rule: str, name: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    arrays = np.load(GOLDEN / f"pose_nms_{rule}.npz")
    of_set = {key.partition("/")[2]: arrays[key] for key in arrays.files if key.startswith(f"{name}/")}
    return of_set, json.loads((GOLDEN / f"pose_nms_{rule}.json").read_text())["sets"][name]


def test_there_are_24_sets() -> None:
    assert len(SETS) == 24


@pytest.mark.parametrize(("rule", "name"), SETS)
def test_golden_set(rule: str, name: str) -> None:
    given, said = golden(rule, name)
    found = pose_nms(
        given["poses"],
        given["scores"],
        given["boxes"],
        given.get("box_scores", 1.0 + 0 * given["boxes"][:, 0]),
        RULES[rule],
    )
    np.testing.assert_allclose(found.keypoints, given["merged_poses"], atol=1e-4)
    np.testing.assert_allclose(found.keypoint_scores, given["merged_scores"], atol=1e-6)
    scores = np.where(given["scores"] == 0, 1e-5, given["scores"])
    first = suppressed(given["poses"], scores, given["boxes"], RULES[rule])[0][0]
    assert first == said["first_pick"]
    (like,) = similarities(
        np.array([first]), given["poses"].astype(float), scores.astype(float), given["boxes"], RULES[rule]
    )
    np.testing.assert_allclose(like, given["first_pick_similarity"], atol=1e-4 if rule == ALPHAPOSE else 1e-6)
    if rule == RMPE_2017:
        assert len(found.picked) == said["kept"]
        return
    assert found.picked.tolist() == said["picked"]
    assert [members.tolist() for members in found.members] == said["merged_ids"]
    np.testing.assert_allclose(found.scores, given["proposal_scores"], atol=1e-5)


@pytest.mark.parametrize("case", [0, 1])
def test_the_formula_as_printed(case: int) -> None:
    said = json.loads((GOLDEN / "similarity_formula.json").read_text())
    result = said["results"][case]
    poses, scores = np.array([said["pose_i"], said["pose_j"]]), np.array([said["c_i"], said["c_j"]])
    boxes = np.array([said["box_i"], [0, 0, 1, 1]], dtype=float)
    own = {"sigma1": result["sigma1"], "sigma2": result["sigma2"], "weight": result["lam"]}

    def d(rule: str, **constants: float) -> float:
        return float(similarities(np.array([0]), poses, scores, boxes, RULES[rule].changed(own | constants))[0, 1])

    assert d("paper") == pytest.approx(result["d"], abs=1e-9)
    assert d("paper", weight=0) == pytest.approx(result["K_sim"], abs=1e-9)
    for rule, name in (("paper", "H_sim_squared"), (RMPE_2017, "H_sim_code_2017"), (ALPHAPOSE, "H_sim_alphapose")):
        h = d(rule, weight=1) - d(rule, weight=0)
        assert h == pytest.approx(result[name], abs=1e-9)


def plain(poses: Any, scores: Any, boxes: Any, rule: PoseNms) -> list[tuple[int, list[int]]]:
    """Who is kept with whom, joint by joint."""

    def goes(i: int, j: int) -> bool:
        x1, y1, x2, y2 = boxes[i]
        reach = rule.share * max(x2 - x1, y2 - y1)
        k_sim = h_sim = 0.0
        matches = 0
        for n in range(len(poses[i])):
            dx, dy = (float(poses[j][n][a] - poses[i][n][a]) for a in (0, 1))
            far = math.hypot(dx, dy)
            near = {
                "box": abs(dx) <= rule.share * (x2 - x1) / 2 and abs(dy) <= rule.share * (y2 - y1) / 2,
                "reach": far <= reach,
                "px": far <= 1,
            }[rule.near]
            if near:
                k_sim += math.tanh(scores[i][n] / rule.sigma1) * math.tanh(scores[j][n] / rule.sigma1)
            h_sim += math.exp(-{"squared": far**2, "share": far / reach, "px": far}[rule.distance] / rule.sigma2)
            matches += far <= min(reach, rule.match_px)
        enough = k_sim + rule.weight * h_sim > rule.eta * len(poses[i]) / rule.joints
        return i == j or enough or 0 < rule.matches <= matches

    left, found = list(range(len(poses))), []
    while left:
        best = max(left, key=lambda i: (sum(scores[i]) / len(scores[i]), -i))
        found.append((best, [j for j in left if goes(best, j)]))
        left = [j for j in left if j not in found[-1][1]]
    return found


@pytest.mark.parametrize(
    "rule", ["paper", "paper:sigma1=0.3,sigma2=300,eta=9", "rmpe2017", "rmpe2017:share=0.3", "alphapose"]
)
@pytest.mark.parametrize(("joints", "pairs"), [(5, 1 << 17), (17, 1 << 17), (17, 40)])
def test_the_poses_of_a_plain_loop_are_kept(
    rule: str, joints: int, pairs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("occbench.evaluation.pose_nms._PAIRS_AT_ONCE", pairs)
    chosen, rng = PoseNms.parse(rule), np.random.default_rng(joints)
    for _ in range(10):
        people = rng.uniform(0, 300, (4, 1, 2)) + rng.uniform(0, 120, (4, joints, 2))
        poses = people[rng.integers(0, 4, 15)] + rng.normal(0, rng.choice([1, 6, 20]), (15, joints, 2))
        scores = rng.uniform(0.05, 1, (15, joints))
        boxes = np.concatenate([poses.min(1) - 5, poses.max(1) + 5], axis=1)
        found = [(i, members.tolist()) for i, members in suppressed(poses, scores, boxes, chosen)]
        assert found == plain(poses, scores, boxes, chosen)
        kept = pose_nms(poses, scores, boxes, np.ones(15), chosen.changed({"least": 0}))
        assert [(i, m.tolist()) for i, m in zip(kept.picked.tolist(), kept.members, strict=True)] == found


def test_a_photo_without_a_pose_keeps_none() -> None:
    found = pose_nms(np.empty((0, 17, 2)), np.empty((0, 17)), np.empty((0, 4)), np.empty(0), RULES["alphapose"])
    assert found.keypoints.shape == (0, 17, 2)
    assert len(found.scores) == len(found.picked) == len(found.members) == 0


def test_a_rule_reads_back_from_its_text() -> None:
    for text in ("paper", "alphapose:eta=20,score=product", "rmpe2017:joints=17,merge_px=30"):
        assert str(PoseNms.parse(text)) == text
        assert PoseNms.parse(str(PoseNms.parse(text))) == PoseNms.parse(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("alphapos", "unknown pose NMS rule 'alphapos'; did you mean alphapose?"),
        ("paper:sigma=1", "unknown constant of pose NMS 'sigma'"),
        ("paper:sigma2=far", "sigma2 of pose NMS must be a number above 0, but got 'far'"),
        ("paper:sigma1=0", "sigma1 of pose NMS must be a number above 0"),
        ("paper:eta=nan", "eta of pose NMS must be a number of at least 0"),
        ("alphapose:matches=2.5", "matches of pose NMS must be a whole number of at least 0"),
        ("paper:score=best", "unknown score of pose NMS 'best'"),
    ],
)
def test_what_is_no_rule_is_refused(text: str, words: str) -> None:
    with pytest.raises(OccbenchError) as refused:
        PoseNms.parse(text)
    assert words in str(refused.value)


def test_a_fit_changes_two_parameters_at_a_time_and_finds_the_top() -> None:
    aim = {"sigma1": 0.04, "sigma2": 8.32, "weight": 1.04, "eta": 11.24}
    tried: list[PoseNms] = []

    def figure(rule: PoseNms) -> float:
        tried.append(rule)
        return -sum(abs(math.log(getattr(rule, name) / value)) for name, value in aim.items())

    found = fit_nms(RULES["paper"], figure)
    assert {name: getattr(found.rule, name) for name in aim} == pytest.approx(aim)
    assert found.figure == pytest.approx(0)
    assert found.before == figure(RULES["paper"])
    assert len(set(tried)) == len(tried) - 1  # nothing is tried twice; the last is this test's own
    assert found.rounds == 2


def test_a_fit_keeps_what_cannot_be_bettered() -> None:
    found = fit_nms(RULES["alphapose"], lambda rule: 0.5)
    assert found.rule == RULES["alphapose"]
    assert found.rounds == 1
