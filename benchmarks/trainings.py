"""Many trainings and attacks as commands of occbench, stopped and given again: what the experiments here share."""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import Any

from occbench.runs import durable

DATA = {"train": "to train on", "val": "to validate on", "test": "to attack"}


class Commands:
    """Runs occbench in processes of their own, and ends them with this one."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._stopped = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)

    def run(self, arguments: Sequence[object], log: Path) -> None:
        """One command, to its end; what it prints goes to ``log``.

        Raises:
            RuntimeError: It failed.
        """
        command = [sys.executable, "-m", "occbench", *map(str, arguments)]
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as file:
            file.write(f"$ occbench {' '.join(command[3:])}\n".encode())
            file.flush()
            with self._lock:
                if self._stopped:
                    raise RuntimeError("stopped")
                process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
                self._running.add(process)
            code = process.wait()
        with self._lock:
            self._running.discard(process)
        if code:
            lines = log.read_text(errors="replace").strip().splitlines()
            raise RuntimeError(f"occbench {arguments[0]} failed with {code}: {lines[-1]} (see {log})")

    def train(self, arguments: Sequence[object], folder: Path) -> Path:
        """The weights of a training in ``folder/train``; one that was begun goes on, one that is finished is kept."""
        weights = folder / "train" / "model.pth"
        if not weights.is_file():
            self.run(["train", *arguments, "--resume", "--out", folder / "train"], folder / "log.txt")
            for kept in ("epoch_*.pth", "best_*.pth"):
                for checkpoint in (folder / "train").glob(kept):  # thrice the weights, and nobody goes on from them
                    checkpoint.unlink()
        return weights

    def attack(self, arguments: Sequence[object], run: Path) -> None:
        """A run folder; one that was begun goes on, one that is finished is kept."""
        if not is_finished(run):
            self.run(["attack", *arguments, "--out", run], run.parent / "log.txt")

    def side_by_side(self, tasks: Mapping[str, Callable[[], None]], jobs: int) -> list[str]:
        """Do all tasks, ``jobs`` at once, in their order; those that fail do not keep the others from going on.

        Returns:
            What failed, and why.
        """
        failed: list[str] = []

        def guarded(name: str, task: Callable[[], None]) -> None:
            try:
                task()
            except Exception as error:
                failed.append(f"{name}: {error}")
                print(failed[-1], file=sys.stderr, flush=True)

        with ThreadPoolExecutor(jobs) as pool:
            waiting = [pool.submit(guarded, name, task) for name, task in tasks.items()]
            try:
                for future in waiting:
                    future.result()
            except SystemExit:
                pool.shutdown(cancel_futures=True)
                raise
        return failed

    def _stop(self, number: int, _: FrameType | None) -> None:
        self._stopped = True
        for process in list(self._running):
            process.terminate()
        raise SystemExit(128 + number)


def make_models(
    work: Mapping[str, Callable[[Commands], None]], summary: Callable[[], Path], jobs: int, summary_only: bool
) -> None:
    """Make all models, some side by side, with the summary anew after each; ends the process where one failed.

    Args:
        work: How to make each, by name.
        summary: Writes the summary of what is finished; returns where it lies.
        jobs: Models made at a time.
        summary_only: Make none.
    """
    commands, lock = Commands(), threading.Lock()

    def made(make: Callable[[Commands], None]) -> None:
        make(commands)
        with lock:
            summary()

    tasks = {name: functools.partial(made, make) for name, make in work.items()}
    failed = [] if summary_only else commands.side_by_side(tasks, jobs)
    print(summary())
    if failed:
        raise SystemExit(f"{len(failed)} of {len(tasks)} models failed; give the same command again")


def is_finished(run: Path) -> bool:
    """Whether a run folder is complete."""
    try:
        return json.loads((run / "manifest.json").read_text()).get("complete") is True
    except (OSError, ValueError):
        return False


def add_data(parser: argparse.ArgumentParser, names: Sequence[str] = tuple(DATA), optional: Sequence[str] = ()) -> None:
    """``--train``, ``--val``, ``--test`` and their photos, or some of them; ``optional`` may be left out."""
    for name in names:
        parser.add_argument(f"--{name}", type=Path, required=name not in optional, help=f"annotations {DATA[name]}")
        parser.add_argument(f"--{name}-images", type=Path, help="photos; by default images/ beside the annotations")


def check_data(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """End with a message where annotations are missing."""
    for name in DATA:
        if getattr(options, name, None) is not None and not getattr(options, name).is_file():
            parser.error(f"--{name}: there is no file {getattr(options, name)}")


def data_options(options: argparse.Namespace, *names: str) -> list[object]:
    """What occbench is given: ``train`` and ``test`` are its --data, ``val`` its --val."""
    found: list[object] = []
    for name in names:
        annotations: Path = getattr(options, name)
        folder = getattr(options, f"{name}_images") or annotations.parent / "images"
        found += [f"--{'val' if name == 'val' else 'data'}", annotations]
        found += ["--val-images" if name == "val" else "--images", folder]
    return found


def hold_to(options: argparse.Namespace, names: Sequence[str], **more: Any) -> None:
    """Hold the folder ``options.out`` to the settings and data that it was begun with.

    Args:
        options: The command line.
        names: The settings that may not change.
        more: Others, by name, as plain values.
    """
    now = {name: getattr(options, name) for name in names}
    files = {name: getattr(options, name) for name in DATA if getattr(options, name, None) is not None}
    now |= {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in files.items()} | more
    options.out.mkdir(parents=True, exist_ok=True)
    record = options.out / "experiment.json"
    if record.exists():
        before = json.loads(record.read_text())
        changed = [name for name in now if before.get(name) != now[name]]
        if changed:
            raise SystemExit(
                f"{options.out} was begun with another --{changed[0].replace('_', '-')}; name another --out"
            )
    durable.write(record, (json.dumps(now, indent=2) + "\n").encode())
