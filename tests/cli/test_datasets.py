"""The main job on data sets that are not COCO: their joints hidden, their metric measured."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat

from occbench.data.sources import open_dataset

from ..conftest import Real
from ..data import set_builders as builders
from ..inference.photo_models import narrow_hrnet
from .conftest import CONFIG, Answer, Occbench, assert_refused


def model_of(folder: Path, dataset: str, keypoints: int) -> tuple[Path, Path]:
    """A few convolutions with random weights for another data set's keypoints."""
    import torch

    from occbench.estimators.config import read_config
    from occbench.system.compat import setup_mmpose

    config_file = folder / f"{dataset}.py"
    config_file.write_text(
        CONFIG.replace("CocoDataset", dataset).replace("out_channels=17", f"out_channels={keypoints}")
    )
    setup_mmpose()
    from mmpose.models import build_pose_estimator

    with torch.random.fork_rng():
        torch.manual_seed(0)
        weights = build_pose_estimator(read_config(config_file).model).state_dict()
    torch.save(weights, folder / f"{dataset}.pth")
    return config_file, folder / f"{dataset}.pth"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """MPII in its place in the data folder, CrowdPose beside."""
    root = tmp_path / "data"
    monkeypatch.setenv("OCCBENCH_DATA", str(root))
    rng = np.random.default_rng(0)
    people = builders.mpii_json(rng, persons=24)
    for name in {person["image"] for person in people}:
        builders.photo(root / "mpii" / "images" / name)
    builders.dump(root / "mpii/annotations/mpii_val.json", people)
    savemat(root / "mpii/annotations/mpii_gt_val.mat", {"headboxes_src": 2 * builders.head_boxes(rng, 24)})
    content = builders.crowdpose(rng, photos=12)
    for image in content["images"]:
        builders.photo(root / "crowdpose" / "images" / image["file_name"])
    builders.dump(root / "crowdpose/annotations/mmpose_crowdpose_test.json", content)
    return root


@pytest.mark.usefixtures("with_report")
def test_mpii_is_attacked_by_its_joints_and_scored_by_pckh(occbench: Occbench, data: Path, tmp_path: Path) -> None:
    config, weights = model_of(tmp_path, "MpiiDataset", 16)
    attack = [
        "attack",
        "--model",
        config,
        "--checkpoint",
        weights,
        "--kind",
        "part-blackout",
        "--target",
        "head,left_leg",
    ]
    done = occbench(*attack, "--data", "mpii", "--out", tmp_path / "run", "--bootstrap", 50)
    assert done.code == 0, done.err
    assert "clean PCKh@0.5" in done.out
    cells = pd.read_csv(tmp_path / "run" / "cells.csv")
    assert set(cells["metric"]) == {"PCKh@0.5"}
    assert set(cells["target"].dropna()) == {"head", "left_leg"}
    assert set(cells["keypoint"]) >= {"all", "head_top", "thorax"}
    assert len(cells) == 3 * 17
    groups = pd.read_csv(tmp_path / "run" / "groups.csv")
    assert len(groups) == 3 * 2 * 8
    assert set(groups["metric"]) == {"PCKh@0.5", "PCKh@0.1"}
    overall = cells[(cells["keypoint"] == "all") & (cells["level"] == "clean")]["value"].iloc[0]
    mean = groups[(groups["group"] == "Mean") & (groups["level"] == "clean")]
    assert mean["value"].iloc[0] == overall
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["metric"] == "PCKh@0.5"
    assert manifest["skeleton"]["name"] == "mpii"
    assert "scored by PCKh@0.5: what is called AP here is PCKh@0.5" in (tmp_path / "run" / "report.html").read_text()
    assert occbench("verify", tmp_path / "run").code == 0
    again = occbench(*attack, "--data", "mpii", "--boxes", "jitter:0.1", "--out", tmp_path / "moved", "--bootstrap", 0)
    assert again.code == 0, again.err
    moved = json.loads((tmp_path / "moved" / "manifest.json").read_text())
    assert (moved["boxes"]["source"], moved["boxes"]["jitter"]) == ("jitter", 0.1)


def test_crowdpose_has_its_levels(occbench: Occbench, data: Path, tmp_path: Path) -> None:
    config, weights = model_of(tmp_path, "CrowdPoseDataset", 14)
    run = ["--kind", "keypoint-blackout", "--target", "top_head", "--data", "crowdpose", "--bootstrap", 20]
    done = occbench("attack", "--model", config, "--checkpoint", weights, *run, "--out", tmp_path / "run")
    assert done.code == 0, done.err
    assert "clean AP" in done.out
    groups = pd.read_csv(tmp_path / "run" / "groups.csv")
    assert groups["group"].tolist() == ["easy", "medium", "hard"] * 2
    cells = pd.read_csv(tmp_path / "run" / "cells.csv")
    pd.testing.assert_series_equal(cells["ap"], cells["value"], check_names=False)


@pytest.mark.parametrize(
    ("dataset", "name", "keypoints"), [("MpiiDataset", "mpii", 16), ("CrowdPoseDataset", "crowdpose", 14)]
)
def test_what_a_run_exports_evaluate_scores_the_same(
    occbench: Occbench, data: Path, tmp_path: Path, dataset: str, name: str, keypoints: int
) -> None:
    config, weights = model_of(tmp_path, dataset, keypoints)
    run = ["--kind", "part-blackout", "--target", "left_leg", "--data", name, "--bootstrap", 30]
    done = occbench("attack", "--model", config, "--checkpoint", weights, *run, "--out", tmp_path / "run")
    assert done.code == 0, done.err
    assert occbench("export", tmp_path / "run", "--format", "coco", "--out", tmp_path / "coco").code == 0
    (attacked,) = (path for path in (tmp_path / "coco").glob("*.json") if path.stem != "clean")
    answer = occbench(
        *("evaluate", "--data", name, "--clean", tmp_path / "coco" / "clean.json", "--predictions", attacked),
        *("--bootstrap", 30, "--out", tmp_path / "scores.csv"),
    )
    assert answer.code == 0, answer.err
    same = ["n", "value", "value_lo", "value_hi", "drop", "drop_lo", "drop_hi"]
    for file, ours in (("cells.csv", "scores.csv"), ("groups.csv", "scores-groups.csv")):
        expected, found = pd.read_csv(tmp_path / "run" / file), pd.read_csv(tmp_path / ours)
        assert found["level"].tolist() == ["clean"] * (len(found) // 2) + ["results"] * (len(found) // 2)
        if file == "cells.csv" and expected["metric"].iloc[0] == "AP":
            # Of single keypoints a run knows by its boxes whom a prediction belongs to, results only by OKS.
            expected, found = (t[t["keypoint"] == "all"].reset_index(drop=True) for t in (expected, found))
        pd.testing.assert_frame_equal(found[same], expected[same], rtol=1e-9)
    assert "Head" in answer.out if name == "mpii" else "easy" in answer.out


def test_results_must_say_whose_pose_they_are(occbench: Occbench, data: Path, tmp_path: Path) -> None:
    """Where a metric takes one pose per annotated person; alone in a photo, a person needs no number."""
    truth = json.loads((data / "mpii/annotations/mpii_val.json").read_text())
    dataset = open_dataset("mpii")
    results = [
        {
            "image_id": person.photo.id,
            "annotation_id": person.annotation,
            "keypoints": np.column_stack([person.keypoints, np.ones(16)]).ravel().tolist(),
            "score": 0.5,
        }
        for person in dataset.persons
    ]
    file = tmp_path / "results.json"

    def evaluate(content: object, data: object = "mpii") -> Answer:
        file.write_text(json.dumps(content))
        return occbench("evaluate", "--data", data, "--predictions", file, "--bootstrap", 0, "--json")

    rows = json.loads(evaluate(results).out)["rows"]
    assert (rows[0]["metric"], rows[0]["value"], rows[0]["n"]) == ("PCKh@0.5", 1, len(truth))
    shaken = [{**result, "keypoints": [9.0] * 48, "score": 0.4} for result in results]
    assert json.loads(evaluate([*shaken, *results]).out)["rows"] == rows  # of two, the one with the better score
    some = json.loads(evaluate(results[: len(results) // 2]).out)["rows"]
    assert some[0]["value"] == pytest.approx(0.5, abs=0.03)  # a person without a result has nothing right
    nameless = [{key: value for key, value in result.items() if key != "annotation_id"} for result in results]
    assert_refused(evaluate(nameless), "has no annotation_id", "2 persons are annotated there")
    elsewhere = [{**results[0], "annotation_id": results[-1]["annotation_id"]}]
    assert_refused(evaluate(elsewhere), "which is nobody of that image")
    builders.dump(data / "alone.json", truth[::2])  # one person a photo
    savemat(data / "mpii_gt_alone.mat", {"headboxes_src": 2 * builders.head_boxes(np.random.default_rng(0), 12)})
    ids = [person.photo.id for person in open_dataset(str(data / "alone.json"), data / "mpii/images").persons]
    alone = [{**result, "image_id": i} for result, i in zip(nameless[::2], ids, strict=True)]
    file.write_text(json.dumps(alone))
    done = occbench(
        *("evaluate", "--data", data / "alone.json", "--images", data / "mpii/images", "--predictions", file),
        *("--bootstrap", 0, "--json"),
    )
    assert json.loads(done.out)["rows"][0]["value"] == 1


def test_what_does_not_go_together_is_one_line(occbench: Occbench, data: Path, tmp_path: Path) -> None:
    config, weights = model_of(tmp_path, "MpiiDataset", 16)
    attack = ["attack", "--model", config, "--checkpoint", weights, "--kind", "keypoint-blackout"]
    assert_refused(occbench(*attack, "--data", "crowdpose"), "16 keypoints", "14")
    assert_refused(occbench(*attack, "--data", "mpii", "--target", "left_eye"), "unknown target 'left_eye'")
    swapped = tmp_path / "swapped.py"
    swapped.write_text(config.read_text().replace("MpiiDataset", "JhmdbDataset"))
    answer = occbench("attack", "--model", swapped, *attack[3:], "--data", "mpii")
    assert_refused(answer, "made for the 15 keypoints of 'jhmdb'", "the 16 of 'mpii'")
    (data / "mpii/annotations/mpii_gt_val.mat").unlink()
    annotations = data / "mpii/annotations/mpii_val.json"
    assert_refused(occbench(*attack, "--data", annotations), "no head size of anybody", "mpii_gt_val.mat")
    assert_refused(occbench(*attack, "--data", "mpii"), "mpii_gt_val.mat", "occbench fetch mpii")


@pytest.mark.real
def test_mpii_hrnet_on_real_photos(
    real: Real, occbench: Occbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MMPose's own MPII HRNet, but narrow and random, on the real photos; head boxes made from the head joints."""
    import torch

    from occbench.estimators.config import load_config
    from occbench.system.compat import setup_mmpose
    from occbench.weights.zoo import find_model

    setup_mmpose()
    from mmpose.models import build_pose_estimator

    root = tmp_path / "data" / "mpii"
    (root / "annotations").mkdir(parents=True)
    (root / "images").symlink_to(real.root / "mpii")
    people = json.loads((real.root / "mpii" / "test_mpii.json").read_text())
    builders.dump(root / "annotations" / "mpii_val.json", people)
    ends = np.array([[person["joints"][8], person["joints"][9]] for person in people])
    savemat(root / "annotations" / "mpii_gt_val.mat", {"headboxes_src": ends.transpose(1, 2, 0)})
    monkeypatch.setenv("OCCBENCH_DATA", str(tmp_path / "data"))
    config = load_config(find_model("mpii-hrnet").config_path)
    config.model.backbone.pop("init_cfg")
    narrow_hrnet(config)
    config.model.head.in_channels = 8
    config.dump(tmp_path / "narrow.py")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        torch.save(build_pose_estimator(config.model).state_dict(), tmp_path / "random.pth")
    done = occbench(
        *("attack", "--model", tmp_path / "narrow.py", "--checkpoint", tmp_path / "random.pth"),
        *("--data", "mpii", "--no-flip"),
        *("--kind", "part-meanout", "--target", "head", "--out", tmp_path / "run", "--bootstrap", 0),
    )
    assert done.code == 0, done.err
    cells = pd.read_csv(tmp_path / "run" / "cells.csv")
    assert (cells["metric"] == "PCKh@0.5").all()
    assert cells[cells["keypoint"] == "all"]["n"].tolist() == [5, 5]
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["cells"][1]["n_attacked"] == 5
