"""`occbench doctor` and `occbench ls`: what they find here, and what they say of things that are missing."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from occbench.attacks import COCO, GROUPS, KINDS, MPII, SKELETONS, THESIS_FILLS
from occbench.cli.doctor import doctor as doctor_command
from occbench.cli.doctor import render
from occbench.cli.ls import LISTS, ls, models, table
from occbench.data.sources import KNOWN
from occbench.jobs import doctor
from occbench.jobs.doctor import Check, cached_weights, checks, sample_place, works
from occbench.system import compat
from occbench.system.errors import OccbenchError
from occbench.weights.checkpoints import cached
from occbench.weights.zoo import find_model, list_models

app = typer.Typer()
app.command("doctor")(doctor_command)
app.command("ls")(ls)


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache and no data."""
    monkeypatch.setenv("OCCBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OCCBENCH_DATA", str(tmp_path / "data"))
    return tmp_path


def named(found: list[Check]) -> dict[str, Check]:
    return {f"{check.group}/{check.name}": check for check in found}


# --- what is found ----------------------------------------------------------------------------------------------------


def test_this_environment_works() -> None:
    found = named(checks())
    for name in ("versions/torch", "versions/mmpose", "versions/mmdet", "imports/mmpose.models and mmdet"):
        assert found[name].ok, found[name]
    assert found["versions/torch"].found == importlib.metadata.version("torch")
    for operator in ("nms", "roi_align"):
        assert found[f"mmcv operators/{operator}"].ok
        assert found[f"mmcv operators/{operator}"].found in ("compiled", "stand-in in torch")
    assert "threads" in found["devices/cpu"].found
    assert not found["files/coco-val2017"].ok
    assert not found["files/coco-val2017"].needed
    assert "occbench fetch coco-val2017" in found["files/coco-val2017"].mend
    assert found["detectors/MMDet"].ok
    assert "cascade-rcnn" in found["detectors/MMDet"].found


def test_without_mmdet_detectors_cannot_be_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> None:
        raise ImportError("No module named 'mmdet'")

    monkeypatch.setattr("occbench.inference.detector.build_detector", gone)
    check = named(checks())["detectors/MMDet"]
    assert (check.ok, check.needed) == (False, False)  # the main job goes without
    assert "No module named 'mmdet'" in check.found
    assert "--boxes detector:NAME" in check.mend


def test_whatever_is_not_ok_says_what_to_do() -> None:
    for check in checks():
        assert check.ok != bool(check.mend), check


def test_only_what_is_needed_counts() -> None:
    good, bad = Check("g", "a", True, ""), Check("g", "b", False, "", "do")
    assert works([good, dataclasses.replace(bad, needed=False)])
    assert not works([good, bad])


def test_a_wrong_result_of_an_operator_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_run_nms", lambda: False)
    found = named(checks())["mmcv operators/nms"]
    assert not found.ok
    assert "wrong result" in found.found


def test_something_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.metadata.version

    def version(name: str) -> str:
        if name in ("mmdet", "mmcv", "mmcv-lite"):
            raise importlib.metadata.PackageNotFoundError(name)
        return "9.9" if name == "mmengine" else real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    found = {check.name: check for check in doctor._versions()}
    assert found["mmdet"].found == "not installed"
    assert found["mmdet"].mend.startswith('pip install -c constraints.txt "mmdet')
    assert "mmcv-lite" in found["mmcv"].mend
    assert not found["mmengine"].ok
    assert found["mmengine"].found == "9.9"


def test_two_mmcv_beside_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "2.1.0")
    found = {check.name: check for check in doctor._versions()}
    assert not found["mmcv"].ok
    assert "mmcv-lite" in found["mmcv"].mend


def test_mmpose_that_does_not_import(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OccbenchError("MMPose cannot be imported (no module 'mmdet')")

    monkeypatch.setattr(doctor, "setup_mmpose", fail)
    found = checks()
    assert not works(found)
    check = named(found)["imports/mmpose.models and mmdet"]
    assert "mmdet" in check.found
    assert "make install" in check.mend


def test_without_mmcv(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> bool:
        raise ModuleNotFoundError("mmcv")

    monkeypatch.setattr(doctor, "has_compiled_ops", fail)
    assert list(doctor._operators()) == []


def test_a_cache_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)
    check = {check.name: check for check in doctor._places()}["cache"]
    assert not check.ok
    assert "OCCBENCH_CACHE" in check.mend


def test_coco_where_it_belongs(places: Path) -> None:
    (places / "data/coco/annotations").mkdir(parents=True)
    (places / "data/coco/val2017").mkdir()
    assert "person_keypoints_val2017.json" in {c.name: c for c in doctor._places()}["coco-val2017"].found
    (places / "data/coco/annotations/person_keypoints_val2017.json").write_text("{}")
    assert {c.name: c for c in doctor._places()}["coco-val2017"].ok


def test_fetched_weights_are_listed() -> None:
    assert cached_weights() == ""
    path = cached(str(find_model("rle").checkpoint))
    path.parent.mkdir(parents=True)
    path.touch()
    assert cached_weights() == "rle"


def test_looking_makes_nothing(places: Path) -> None:
    assert not sample_place()[0].exists()
    list(doctor._places())
    assert list(places.iterdir()) == []


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ok", [True, False])
def test_exit_code_and_json(monkeypatch: pytest.MonkeyPatch, ok: bool) -> None:
    found = [Check("versions", "torch", ok, "2.9", "" if ok else "pip install torch")]
    monkeypatch.setattr(doctor, "checks", lambda: found)
    result = CliRunner().invoke(app, ["doctor", "--json"])
    assert result.exit_code == (0 if ok else 2)
    assert json.loads(result.stdout) == {"works": ok, "checks": [dataclasses.asdict(found[0])]}
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == (0 if ok else 2)
    assert ("pip install torch" in result.stdout) is not ok
    assert ("not ready" in result.stdout) is not ok


def test_markup_in_what_is_found_is_text() -> None:
    from rich.console import Console

    console = Console(width=200, file=io.StringIO(), record=True)
    for part in render([Check("files", "x", False, "[red]/tmp/[a]", "cd [/b]")]):
        console.print(part)
    text = console.export_text()
    assert "[red]/tmp/[a]" in text
    assert "x: cd [/b]" in text


# --- ls ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", LISTS)
def test_ls(what: str) -> None:
    rows = json.loads(CliRunner().invoke(app, ["ls", what, "--json"]).stdout)
    text = CliRunner().invoke(app, ["ls", what]).stdout.splitlines()
    assert len(text) == len(rows) + 1
    for row, line in zip(rows, text[1:], strict=True):
        assert line.startswith(str(next(iter(row.values()))))


def test_ls_names_what_there_is() -> None:
    assert [row["name"] for row in LISTS["models"]()] == [model.name for model in list_models()]
    targets = {row["target"]: row for row in LISTS["targets"]() if "coco" in row["data"]}
    assert len(targets) == 28
    assert targets["left_arm"]["data"] == list(SKELETONS)
    mpii = {row["target"]: row for row in LISTS["targets"]() if "mpii" in row["data"]}
    assert set(MPII.parts) | set(MPII.keypoints) == set(mpii)
    assert mpii["head"]["keypoints"] == ["upper_neck", "head_top"]
    assert targets["left_arm"]["keypoints"] == ["left_shoulder", "left_elbow", "left_wrist"]
    assert targets["nose"]["keypoints"] == ["nose"]
    assert set(COCO.parts) | set(COCO.keypoints) == set(targets)
    kinds = {row["kind"]: row for row in LISTS["kinds"]()}
    assert set(kinds) == {*KINDS, *GROUPS}
    assert kinds["part-all"]["means"] == [f"part-{fill}" for fill in THESIS_FILLS]
    assert [row["name"] for row in LISTS["datasets"]()] == list(KNOWN)
    assert not any(row["present"] for row in LISTS["datasets"]())


def test_ls_models_says_where_weights_are() -> None:
    path = cached(str(find_model("rle").checkpoint))
    path.parent.mkdir(parents=True)
    path.touch()
    rows = {row["name"]: row for row in models()}
    assert (rows["rle"]["weights"], rows["rle"]["weights_at"]) == ("in the cache", str(path))
    assert rows["hrnet"]["weights"] == "to be fetched"
    assert rows["hrnet"]["weights_at"].startswith("https://")
    assert rows["tinypose-128x96"]["weights"] == "--checkpoint"
    assert (rows["hrnet"]["AP"], rows["hrnet"]["AR"]) == (0.746, 0.799)


def test_ls_models_without_mmpose(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "mmpose" else real(name, *a))
    rows = {row["name"]: row for row in models()}
    assert "not installed" in rows["hrnet"]["note"]
    assert rows["tinypose-128x96"]["weights"] == "--checkpoint"


def test_unknown_list() -> None:
    result = CliRunner().invoke(app, ["ls", "modles"])
    assert isinstance(result.exception, OccbenchError)
    assert "did you mean models" in str(result.exception)


def test_table_leaves_empty_columns_out() -> None:
    assert (
        table([{"a": "x", "b": None, "c": ["p", "q"]}, {"a": "long", "b": "", "c": []}]) == "a     c\nx     p q\nlong"
    )


def test_ls_is_light() -> None:
    code = (
        "import sys; from occbench.cli.ls import LISTS; from occbench.jobs import doctor\n"
        "assert all(rows() for rows in LISTS.values())\n"
        "heavy = {'torch', 'mmpose', 'mmengine', 'mmcv', 'pandas', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_stand_in_or_compiled_is_told_apart() -> None:
    found = named(checks())
    kind = "compiled" if compat.has_compiled_ops() else "stand-in in torch"
    assert found["mmcv operators/nms"].found == kind
    assert found["mmcv operators/all others"].ok is compat.has_compiled_ops()
