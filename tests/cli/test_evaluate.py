"""`occbench evaluate`: anybody's results, good and bad."""

from __future__ import annotations

import contextlib
import copy
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from .conftest import Occbench, People, Refusal

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")

Results = list[dict[str, Any]]


def truth(people: People) -> Results:
    """The annotations as if somebody had found them, with unlabelled keypoints in the middle of the box."""
    results = []
    for number, record in enumerate(json.loads(people.annotations.read_text())["annotations"]):
        points = np.array(record["keypoints"], dtype=float).reshape(17, 3)
        x, y, width, height = record["bbox"]
        points[points[:, 2] == 0, :2] = x + width / 2, y + height / 2
        points[:, 2] = 1
        found = {"image_id": record["image_id"], "category_id": 1, "keypoints": points.ravel().tolist()}
        results.append({**found, "score": 0.9 - 0.01 * number})
    return results


def shaken(people: People, seed: int = 0, spread: float = 7) -> Results:
    """Found roughly, some twice, some not at all."""
    rng = np.random.default_rng(seed)
    results = truth(people)
    results = [*results[1:], *copy.deepcopy(results[2:5])]
    for result in results:
        points = np.array(result["keypoints"]).reshape(17, 3)
        points[:, :2] += rng.normal(0, spread, (17, 2))
        result |= {"keypoints": points.ravel().tolist(), "score": round(float(rng.uniform()), 1)}
    return results


def write(folder: Path, content: object, name: str = "results.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(content))
    return path


def table(occbench: Occbench, people: People, predictions: Path, *options: object, warned: str = "") -> pd.DataFrame:
    answer = occbench(
        *("evaluate", "--data", people.annotations, "--predictions", predictions),
        *("--bootstrap", 0, "--json", *options),
    )
    assert answer.code == 0
    assert warned in answer.err
    assert bool(answer.err) == bool(warned)
    return pd.DataFrame(json.loads(answer.out))


def pycocotools(people: People, predictions: Path) -> list[float]:
    """AP, AP50, AP75, AP(M), AP(L) and AR, -1 as NaN."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(people.annotations))
        judge = COCOeval(coco, coco.loadRes(str(predictions)), "keypoints")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return np.where(judge.stats[:6] < 0, np.nan, judge.stats[:6]).tolist()


FIGURES = ["ap", "ap50", "ap75", "ap_m", "ap_l", "ar"]


def overall(rows: pd.DataFrame) -> list[float]:
    return rows[rows["keypoint"] == "all"].iloc[-1][FIGURES].to_numpy(dtype=float).tolist()


@pytest.mark.parametrize("evaluator", ["exact", "pycocotools"])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_numbers_are_those_of_pycocotools(
    occbench: Occbench, shared_people: People, tmp_path: Path, seed: int, evaluator: str
) -> None:
    path = write(tmp_path, shaken(shared_people, seed))
    expected = pycocotools(shared_people, path)
    assert 0 < expected[0] < 1
    ours = overall(table(occbench, shared_people, path, "--evaluator", evaluator))
    np.testing.assert_allclose(ours, expected, atol=1e-9)


def test_the_truth_scores_one_for_every_keypoint(occbench: Occbench, shared_people: People, tmp_path: Path) -> None:
    rows = table(occbench, shared_people, write(tmp_path, truth(shared_people)))
    assert len(rows) == 18
    assert rows["n"].iloc[0] == 7
    np.testing.assert_allclose(overall(rows), 1)
    # A wrist that is guessed for somebody without one may stand where another's is: a false positive, as COCO has it.
    ap, n = (rows[column].to_numpy(dtype=float) for column in ("ap", "n"))
    np.testing.assert_allclose(ap[n == 7], 1)
    assert (ap[n > 0] > 0.9).all()
    assert rows["ap"][rows["n"] == 0].isna().all()
    assert rows["drop"].isna().all()


def test_nobody_found_is_a_zero(occbench: Occbench, shared_people: People, tmp_path: Path) -> None:
    empty = write(tmp_path, [], "empty.json")
    none = "empty.json' has no result for 3 of 3 photos with people"
    rows = table(occbench, shared_people, empty, warned=none)
    assert (rows["ap"][rows["n"] > 0] == 0).all()
    assert rows["n"].iloc[0] == 7
    rows = table(occbench, shared_people, empty, "--clean", write(tmp_path, truth(shared_people)), warned=none)
    assert rows[(rows["level"] == "results") & (rows["keypoint"] == "all")]["drop"].item() == pytest.approx(100)


def test_ids_of_results_say_nothing(occbench: Occbench, shared_people: People, tmp_path: Path) -> None:
    """COCO's reader numbers results anew, so ids that repeat are no fault; a person found twice counts twice."""
    results = shaken(shared_people)
    plain = overall(table(occbench, shared_people, write(tmp_path, results)))
    numbered = write(tmp_path, [{**result, "id": 5} for result in results], "numbered.json")
    np.testing.assert_allclose(pycocotools(shared_people, numbered), plain, atol=1e-9)
    assert overall(table(occbench, shared_people, numbered)) == plain
    twice = write(tmp_path, truth(shared_people) * 2, "twice.json")
    ours = overall(table(occbench, shared_people, twice, warned="there twice"))
    np.testing.assert_allclose(ours, pycocotools(shared_people, twice), atol=1e-9)


def test_drops_are_against_the_clean_results(occbench: Occbench, shared_people: People, tmp_path: Path) -> None:
    clean = write(tmp_path, shaken(shared_people, spread=3), "clean.json")
    attacked = write(tmp_path, shaken(shared_people, spread=12))
    rows = table(occbench, shared_people, attacked, "--clean", clean, "--bootstrap", 50)
    before, after = rows[rows["level"] == "clean"], rows[rows["level"] == "results"]
    assert len(before) == len(after) == 18
    for drop, figure in (("drop", "ap_exact"), ("drop_grid", "ap")):
        drops = 100 * (before[figure].to_numpy(dtype=float) - after[figure].to_numpy(dtype=float))
        np.testing.assert_allclose(after[drop].to_numpy(dtype=float), drops, atol=1e-6)
    assert drops[0] > 5
    np.testing.assert_allclose(overall(before), pycocotools(shared_people, clean), atol=1e-9)


def test_the_table_for_readers_and_as_csv(occbench: Occbench, shared_people: People, tmp_path: Path) -> None:
    path = write(tmp_path, shaken(shared_people))
    rows = table(occbench, shared_people, path)
    answer = occbench(
        *("evaluate", "--data", shared_people.annotations, "--predictions", path),
        *("--clean", path, "--bootstrap", 0, "--out", "table.csv"),
    )
    assert (answer.code, answer.err) == (0, "")
    lines = answer.out.splitlines()
    assert lines[1:3] == ["clean: 9 persons with results, in 3 photos", "results: 9 persons with results, in 3 photos"]
    assert len(lines) == 4 + 1 + 36 + 4 + 1  # what is said, the figures, the errors, where the table is
    assert lines[-1] == "table: table.csv"
    assert "[95 % interval]" in lines[3]
    assert "left_wrist" in answer.out
    assert "nan" not in answer.out.lower()
    written = pd.read_csv(tmp_path / "table.csv")
    assert len(written) == 36
    assert written["ap"].iloc[0] == pytest.approx(rows["ap"].iloc[0], abs=1e-9)
    assert written["drop"].iloc[18] == 0


def spoilt(people: People, **fields: object) -> Results:
    results = truth(people)
    results[2] |= fields
    return results


BAD: dict[str, tuple[Any, str]] = {
    "no list": (lambda p: {"annotations": truth(p)}, "must be a list of persons"),
    "a number": (lambda p: 5, "must be a list of persons"),
    "numbers": (lambda p: [5], "[0]"),
    "no keypoints": (lambda p: [{"image_id": 1, "category_id": 1, "score": 1}], "[0].keypoints: Field required"),
    "no score": (lambda p: [{"image_id": 1, "keypoints": [0] * 51}], "[0].score: Field required"),
    "no photo": (lambda p: [{"score": 1, "keypoints": [0] * 51}], "[0].image_id: Field required"),
    "13 keypoints": (lambda p: spoilt(p, keypoints=[1.0] * 39), "person 2 (image 1) has 39 keypoint numbers"),
    "NaN keypoint": (lambda p: spoilt(p, keypoints=[float("nan")] * 51), "[2].keypoints[0]"),
    "infinite score": (lambda p: spoilt(p, score=float("inf")), "[2].score"),
    "NaN score": (lambda p: spoilt(p, score=float("nan")), "[2].score"),
    "textual score": (lambda p: spoilt(p, score="high"), "[2].score"),
    "unknown photo": (lambda p: spoilt(p, image_id=99), "1 of 7 persons are in images", ),
    "huge photo id": (lambda p: spoilt(p, image_id=10**30), "the first is 1000000"),
    "category 0": (lambda p: [{**r, "category_id": 0} for r in truth(p)], "no result of category 1 (person), but 0"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "words"), BAD.values(), ids=BAD)
def test_bad_results(refuses: Refusal, shared_people: People, tmp_path: Path, content: Any, words: str) -> None:
    bad = write(tmp_path, content(shared_people), "bad.json")
    good = write(tmp_path, truth(shared_people), "good.json")
    command = ("evaluate", "--data", shared_people.annotations, "--bootstrap", 0, "--out", "table.csv")
    refuses([*command, "--predictions", bad], "results file", "bad.json", words)
    refuses([*command, "--predictions", good, "--clean", bad], "results file", "bad.json", words)


def test_huge_coordinates_are_far_away(occbench: Occbench, shared_people: People, tmp_path: Path) -> None:
    path = write(tmp_path, spoilt(shared_people, keypoints=[1e200, 1e200, 1.0] * 17))
    assert 0.5 < overall(table(occbench, shared_people, path, warned="in one spot"))[0] < 1


def test_files_that_are_not_there(refuses: Refusal, shared_people: People, tmp_path: Path) -> None:
    good = write(tmp_path, truth(shared_people), "good.json")
    data = ("--data", shared_people.annotations)
    refuses(["evaluate", *data, "--predictions", "none.json"], "results file 'none.json' does not exist")
    refuses(["evaluate", *data, "--predictions", good, "--clean", "none.json"], "'none.json' does not exist")
    refuses(["evaluate", "--data", "none.json", "--predictions", good], "annotation file 'none.json' does not exist")
    refuses(["evaluate", "--data", good, "--predictions", good], "is no COCO file")
    refuses(["evaluate", *data, "--predictions", good, "--protocol", "thesys"], "unknown protocol", "thesis")
    refuses(["evaluate", *data, "--predictions", good, "--evaluator", "exat"], "unknown evaluator", "exact")


@pytest.mark.parametrize("out", ["results.json/table.csv", "results.json/folder", "/proc/table.csv"])
def test_a_table_that_cannot_be_written(refuses: Refusal, shared_people: People, tmp_path: Path, out: str) -> None:
    path = write(tmp_path, truth(shared_people))
    options = ("--data", shared_people.annotations, "--predictions", path, "--bootstrap", 0, "--out", out)
    refuses(["evaluate", *options], f"--out {out!r} cannot be written")


def test_no_results_at_all(refuses: Refusal, shared_people: People) -> None:
    refuses(["evaluate", "--data", shared_people.annotations], "no results given")


def test_a_page_of_results_beside_others(occbench: Occbench, shared_people: People, tmp_path: Path) -> None:
    mine = write(tmp_path, shaken(shared_people, spread=3), "mine.json")
    theirs = write(tmp_path, shaken(shared_people, seed=1, spread=12), "theirs.json")
    out = tmp_path / "new" / "scores"
    answer = occbench(
        *("evaluate", mine, theirs, "--data", shared_people.annotations, "--bootstrap", 20, "--out", out),
    )
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.splitlines()[-1] == f"report: {out / 'report.html'}"
    rows = pd.read_csv(out / "results.csv")
    assert list(rows["level"].unique()) == ["mine", "theirs"]
    ap = rows[rows["keypoint"] == "all"]["ap"].to_numpy()
    drop = rows[rows["keypoint"] == "all"]["drop"].to_numpy()
    np.testing.assert_allclose(ap, [pycocotools(shared_people, file)[0] for file in (mine, theirs)], atol=1e-9)
    assert np.isnan(drop[0])
    assert drop[1] > 5
    page = (out / "report.html").read_text()
    assert "by how much lower than mine, paired by photo" in page
    assert "theirs: 9 persons in 3 photos" in page
    assert "9 persons in 3 photos" in page
    table = pd.read_csv(out / "tables" / "results.csv")
    np.testing.assert_allclose(table["value"], ap, atol=1e-9)
    keypoints = pd.read_csv(out / "tables" / "keypoints.csv")
    assert len(keypoints) == 17
    figures = pd.read_csv(out / "tables" / "figures.csv").set_index("figure")
    assert figures.loc["AP50", "value_1"] == pytest.approx(rows[rows["keypoint"] == "all"]["ap50"].iloc[1])
    assert {path.suffix for path in (out / "tables").iterdir()} == {".csv", ".md", ".tex"}


def test_a_page_of_results_alone(occbench: Occbench, shared_people: People, tmp_path: Path) -> None:
    alone = write(tmp_path, truth(shared_people))
    options = ("--data", shared_people.annotations, "--bootstrap", 0, "--out", tmp_path / "out")
    assert occbench("evaluate", alone, *options).code == 0
    page = (tmp_path / "out" / "report.html").read_text()
    assert "results: AP 1.0000, n = 7 persons." in page
    assert "lower" not in page


def test_files_of_one_name_are_told_apart(occbench: Occbench, shared_people: People, tmp_path: Path) -> None:
    files = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        files.append(write(tmp_path / name, shaken(shared_people)))
    rows = table(occbench, shared_people, files[0], files[1])
    assert list(rows["level"].unique()) == ["results (1)", "results (2)"]
    assert rows["drop"].dropna().eq(0).all()
