"""Several processes give the bytes of one; a run survives kills of any of them."""

from __future__ import annotations

import json
import signal
import socket
import sys
import time
from pathlib import Path

import pytest
import torch

from occbench.cli import main

from ..processes import finished, launched, start
from .conftest import People, TinyModel


def command(people: People, tiny: TinyModel, out: Path) -> list[str]:
    words = [
        *("attack", "--model", tiny.config, "--checkpoint", tiny.weights, "--data", people.annotations),
        *("--images", people.images, "--kind", "part-blackout", "--target", "head,left_arm", "--radius", 3),
        *("--bootstrap", 10, "--batch-size", 1, "--out", out),
    ]
    return [str(word) for word in words]


def in_this_process(arguments: list[str]) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in the environment of the others
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["occbench", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
    torch.set_num_threads(threads)
    assert not end.value.code


def files(out: Path) -> dict[str, bytes]:
    return {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file() and p.stem != "manifest"}


@pytest.fixture(scope="module")
def alone(shared_people: People, tiny: TinyModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of one process: this one."""
    out = tmp_path_factory.mktemp("alone") / "run"
    in_this_process(command(shared_people, tiny, out))
    return out


def test_two_processes_give_the_bytes_of_one(
    shared_people: People, tiny: TinyModel, alone: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    launched(2, command(shared_people, tiny, out), tmp_path / "log")
    assert files(out) == files(alone)
    chunks = json.loads((out / "manifest.json").read_text())["chunks"]
    assert 0 < chunks["computed"] < chunks["wanted"]  # the first process' own share


def test_two_processes_share_a_run_of_scope_image(shared_people: People, tiny: TinyModel, tmp_path: Path) -> None:
    words = ["--scope", "image"]
    in_this_process([*command(shared_people, tiny, tmp_path / "alone"), *words])
    with socket.create_server(("127.0.0.1", 0)) as free:
        meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": "2"}
    arguments = [*command(shared_people, tiny, tmp_path / "run"), *words]
    ranks = [
        start(arguments, tmp_path / f"{rank}.log", meeting | {"RANK": str(rank), "LOCAL_RANK": str(rank)})
        for rank in range(2)
    ]
    for rank, process in enumerate(ranks):
        assert finished(process) == 0, (tmp_path / f"{rank}.log").read_text()
    assert files(tmp_path / "run") == files(tmp_path / "alone")


def test_a_run_that_is_killed_three_times_ends_as_if_nothing_had_been(
    shared_people: People, tiny: TinyModel, alone: Path, tmp_path: Path
) -> None:
    """Killed whenever a further piece of work has become durable, and once in the middle of the report."""
    out, log = tmp_path / "run", tmp_path / "log"
    arguments = command(shared_people, tiny, out)

    def pieces() -> int:
        return len(list(out.glob(".work/*/*.npz")))

    kills = 0
    for goal in (1, 3, "scores"):
        process = start(arguments, log)
        while process.is_alive():
            if list(out.glob("scores/*.json")) if goal == "scores" else pieces() >= goal:
                process.kill()
            time.sleep(0.002)
        kills += finished(process) == -signal.SIGKILL
    assert kills >= 2
    assert finished(start(arguments, log)) == 0, log.read_text()
    assert files(out) == files(alone)


def test_a_terminated_process_gives_the_lock_back(shared_people: People, tiny: TinyModel, tmp_path: Path) -> None:
    out, log = tmp_path / "run", tmp_path / "log"
    process = start(command(shared_people, tiny, out), log)
    while process.is_alive() and not list(out.glob(".work/*/*.npz")):
        time.sleep(0.002)
    process.terminate()
    assert finished(process) == 143
    errors = log.read_text()
    assert errors.splitlines()[-1] == "occbench: terminated"
    assert "keeps what is finished; the same command goes on" in errors
    assert not (out / ".lock").exists()
