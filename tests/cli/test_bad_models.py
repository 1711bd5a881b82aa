"""Devices and places that a run finds wanting once it looks at them, and faults of its own.

Configs and weights are cases of tests/hostile.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from ..processes import finished, start
from .conftest import Occbench, People, Refusal, TinyModel

Arguments = list[object]


@pytest.fixture
def attack(shared_people: People, tiny: TinyModel) -> Callable[..., Arguments]:
    """A good command line, and options that spoil it."""

    def arguments(*options: object, model: object = tiny.config, weights: object = tiny.weights) -> Arguments:
        command = ["attack", "--model", model, "--checkpoint", weights, "--data", shared_people.annotations]
        return [*command, "--kind", "keypoint-blackout", "--target", "nose", "--out", "run", *options]

    return arguments


def test_a_device_that_is_not_there(attack: Callable[..., Arguments], refuses: Refusal) -> None:
    if not torch.cuda.is_available():
        refuses(attack("--device", "cuda"), "device 'cuda:0' cannot be used")
    refuses(attack("--device", "toaster"), "device 'toaster' cannot be used")


@pytest.mark.parametrize("out", ["file/run", "/proc/run", "/proc/self/fd/run"])
def test_a_place_that_cannot_be_written(
    attack: Callable[..., Arguments], refuses: Refusal, tmp_path: Path, out: str
) -> None:
    if out.startswith("/proc") and not Path("/proc/self").exists():
        pytest.skip("no /proc")
    (tmp_path / "file").touch()
    refuses(attack("--out", out), f"--out {out!r} cannot be written")


def test_a_disk_that_is_full_leaves_nothing(
    attack: Callable[..., Arguments], refuses: Refusal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "runs").mkdir()
    monkeypatch.setattr("occbench.runs.durable.write", full)
    refuses(attack("--out", "runs/one"), "no space left for 'runs/one' (No space left on device)")


def test_an_unexpected_fault_is_one_line_and_leaves_nothing(
    attack: Callable[..., Arguments], occbench: Occbench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a\nb")

    monkeypatch.setattr("occbench.jobs.measure.run_cells", broken)
    answer = occbench(*attack())
    assert (answer.code, answer.out) == (1, "")
    line = "occbench: unexpected fault: ZeroDivisionError: a (`occbench --debug ...` shows where)\n"
    assert answer.err == line
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ZeroDivisionError):
        occbench("--debug", *attack())


def test_a_process_says_one_line_too(
    attack: Callable[..., Arguments], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Warnings of libraries would show here, and only here."""
    torch.save({"weight": torch.zeros(1)}, tmp_path / "other.pth")
    monkeypatch.chdir(tmp_path)
    log = tmp_path.with_suffix(".log")
    assert finished(start(attack(weights="other.pth"), log)) == 2
    said = log.read_text()
    assert said.startswith("occbench: weights other.pth do not fit the model")
    assert said.count("\n") == 1, said
    assert [path.name for path in tmp_path.iterdir()] == ["other.pth"]
