"""Names, numbers and places that the command line must refuse before it reads any data."""

from __future__ import annotations

from pathlib import Path

import pytest

from occbench.runs import check_out

from .conftest import Occbench, People, Refusal

MODEL = ("--model", "tinypose-128x96")
KIND = ("--kind", "part-blackout")
DATA = ("--data", "sample")

BAD_NAMES = {
    "model": ([*KIND, *DATA, "--model", "hrnet-mimi"], "unknown model 'hrnet-mimi'", "hrnet-mini"),
    "no model": ([*KIND, *DATA, "--model", "zzzz"], "unknown model 'zzzz'", "occbench ls models"),
    "config": ([*KIND, *DATA, "--model", "no/such.py"], "no config file 'no/such.py'", "occbench ls models"),
    **{
        f"{word} of whole photos": ([*KIND, *DATA, "--model", "ae-hrnet", *option], word, "sees whole photos")
        for word, option in {
            "--boxes": ("--boxes", "jitter:0.1"),
            "--scope": ("--scope", "person"),
            "--scales": ("--scales", "0.9,1"),
        }.items()
    },
    "--crop of crops": ([*KIND, *DATA, *MODEL, "--crop", "96x128"], "--crop is for models that see whole photos"),
    "--crop, no size": ([*KIND, *DATA, "--model", "ae-hrnet", "--crop", "big"], "--crop must be width x height"),
    "MPII": ([*KIND, *DATA, "--model", "mpii-hrnet"], "predicts the keypoints of MPII", "COCO"),
    "kind": ([*MODEL, *DATA, "--kind", "part-blakout"], "unknown kind 'part-blakout'", "part-blackout"),
    "kind fill": ([*MODEL, *DATA, "--kind", "blur"], "unknown kind 'blur'", "part-blur"),
    "no kind": ([*MODEL, *DATA, "--kind", ","], "--kind names no kind", "occbench ls kinds"),
    "target": ([*MODEL, *KIND, *DATA, "--target", "left_am"], "unknown target 'left_am'", "left_arm"),
    "second target": ([*MODEL, *KIND, *DATA, "--target", "head,noze"], "unknown target 'noze'", "nose"),
    "target's level": (
        [*MODEL, *KIND, *DATA, "--target", "left_wrist"],
        *("target 'left_wrist' cannot be attacked by part-blackout",),
    ),
    "placement": ([*MODEL, *KIND, *DATA, "--placement", "centered"], "unknown placement 'centered'", "centred"),
    "decoys": ([*MODEL, *KIND, *DATA, "--placement", "decoys:0"], "unknown placement 'decoys:0'", "from 1 to"),
    "decoys, no number": ([*MODEL, *KIND, *DATA, "--placement", "decoys"], "unknown placement 'decoys'"),
    "dataset": ([*MODEL, *KIND, "--data", "sampel"], "unknown dataset 'sampel'", "sample"),
    "coco": ([*MODEL, *KIND, "--data", "coco-val2017"], "coco-val2017 is not at", "OCCBENCH_DATA"),
    "protocol": ([*MODEL, *KIND, *DATA, "--protocol", "corected"], "unknown protocol 'corected'", "corrected"),
    "evaluator": ([*MODEL, *KIND, *DATA, "--evaluator", "cocotools"], "unknown evaluator 'cocotools'", "pycocotools"),
    **{
        f"radius {text}": ([*MODEL, *KIND, *DATA, f"--radius={text}"], "--radius must be a positive number", text)
        for text in ("0", "-3", "nan", "inf", "1e9", "six", "0x6")
    },
    "one of two radii": ([*MODEL, *KIND, *DATA, "--radius", "6,-1"], "--radius must be", "-1"),
}


@pytest.mark.parametrize("case", BAD_NAMES.values(), ids=BAD_NAMES)
def test_a_bad_name_or_number(
    refuses: Refusal, case: tuple[list[object], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OCCBENCH_DATA", str(tmp_path / "data"))
    arguments, *words = case
    refuses(["attack", *arguments, "--out", "run"], *words)


USAGE = {
    "nothing": [],
    "no model": [*KIND, *DATA],
    "no kind": [*MODEL, *DATA],
    "no such option": [*MODEL, *KIND, *DATA, "--radios", 6],
    "limit 0": [*MODEL, *KIND, *DATA, "--limit", 0],
    "limit text": [*MODEL, *KIND, *DATA, "--limit", "many"],
    "batch of none": [*MODEL, *KIND, *DATA, "--batch-size", 0],
    "negative seed": [*MODEL, *KIND, *DATA, "--seed", -1],
    "negative draws": [*MODEL, *KIND, *DATA, "--bootstrap", -1],
    "stray word": [*MODEL, *KIND, *DATA, "head"],
}


@pytest.mark.parametrize("arguments", USAGE.values(), ids=USAGE)
def test_wrong_usage(occbench: Occbench, arguments: list[object], tmp_path: Path) -> None:
    answer = occbench("attack", *arguments)
    assert (answer.code, answer.out) == (2, "")
    assert "Usage: occbench attack" in answer.err
    assert "Traceback" not in answer.err
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_command(occbench: Occbench) -> None:
    answer = occbench("atack")
    assert answer.code == 2
    assert "No such command 'atack'" in answer.err
    assert "attack" in answer.err.partition("Did you mean")[2]


def test_an_unknown_list(refuses: Refusal) -> None:
    refuses(["ls", "model"], "unknown list 'model'", "models")


@pytest.fixture
def places(tmp_path: Path) -> Path:
    """A file and a folder of somebody else's."""
    (tmp_path / "file").write_text("text")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("Dear")
    (tmp_path / "false").mkdir()
    (tmp_path / "false" / "manifest.json").write_text('{"name": "some web app"}')
    return tmp_path


@pytest.mark.parametrize(
    ("out", "word"),
    [
        pytest.param("file", "is a file", id="a file"),
        pytest.param("mine", "holds files that are no run", id="other files"),
        pytest.param("false", "holds files that are no run", id="a manifest of something else"),
        pytest.param("x" * 300, "cannot be written", id="too long"),
        pytest.param("/proc/sys", "holds files that are no run", id="the system's"),
    ],
)
@pytest.mark.parametrize("overwrite", [(), ("--overwrite",)], ids=["new", "overwrite"])
@pytest.mark.usefixtures("places", "no_model")
def test_an_out_that_is_taken(
    refuses: Refusal, shared_people: People, out: str, word: str, overwrite: tuple[str, ...]
) -> None:
    refuses(["attack", *MODEL, *KIND, "--data", shared_people.annotations, "--out", out, *overwrite], "--out", word)


def test_a_place_that_is_free_is_free(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for place in ("new", "empty", "new/er"):
        check_out(tmp_path / place, overwrite=False)


def test_sample_refuses_a_folder_that_is_taken(refuses: Refusal, places: Path) -> None:
    for out in ("file", "mine", "file/deeper"):
        refuses(["sample", out, "--n", 1], str(out))


def test_report_refuses_what_is_no_run(refuses: Refusal, places: Path) -> None:
    for folder in ("mine", "false", "nowhere", "file"):
        refuses(["report", folder], folder)
