"""Estimators that run elsewhere: a program that is called for a folder of photos, or results that are there already.

They see whole photos, all of a cell at once and as files, and answer with a COCO keypoint results file. What they do
inside is their own business: the identity of their cells is the text of the command and the files that it names, or the
content of the results.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..attacks import Skeleton
from ..system.download import sha256
from ..system.errors import OccbenchError, quoted
from .protocol import Say, Sees, Visibility

PLACES = ("photos", "annotations", "out")
"""What a command may name in braces."""

TIME_LIMIT = 24 * 3600.0
"""Seconds that a program has for one cell, where nobody says."""


OUTPUT_KEPT = 10_000
"""Characters of what a program says that are kept."""


@dataclass(frozen=True)
class Answer:
    """What was answered for a cell.

    Attributes:
        results: A COCO keypoint results file.
        call: Of a program that was called: ``command``, ``exit_code``, ``seconds``, and the end of its ``output``.
    """

    results: Path
    call: dict[str, Any] | None = None


@dataclass(frozen=True)
class Request:
    """A cell that an outside estimator is asked about.

    Attributes:
        cell: Its slug.
        photos: A folder of the photos that are asked about, PNG.
        annotations: Their names, sizes and ids, and the annotated persons, in COCO's format.
        out: Where the results go.
        folder: Where logs may go.
    """

    cell: str
    photos: Path
    annotations: Path
    out: Path
    folder: Path


class Outside:
    """What both have in common. They are told apart from other photo estimators by this class.

    Attributes:
        needs_photos: Whether the photos of a cell must be written for it.
    """

    sees: ClassVar[Sees] = "photo"
    needs_photos: ClassVar[bool] = True
    input_size = (0, 0)
    keypoints: int | None = None
    flip = False
    scales: tuple[float, ...] = ()
    meta: Mapping[str, Any] = {}  # never written to
    from_elsewhere: Sequence[str] = ()
    choice = None
    visibility: Visibility = ""
    halvings = 0
    config_sha256 = hashlib.sha256(b"").hexdigest()

    def require(self, skeleton: Skeleton) -> None:
        """Any keypoints will do: those of the results are checked when they are read."""

    def use(
        self, backend: str, precision: str = "fp32", sample: Sequence[np.ndarray] = (), say: Say = lambda line: None
    ) -> None:
        """Refuse what cannot be chosen.

        Raises:
            OccbenchError: A backend or precision is asked for.
        """
        if (backend, precision) != ("torch", "fp32"):
            raise OccbenchError("what runs elsewhere chooses its own --backend and --precision: leave them out")

    def answer(self, request: Request) -> Answer:
        """The results file of a cell.

        Raises:
            OccbenchError: There is none.
        """
        raise NotImplementedError


@dataclass(eq=False)
class Program(Outside):
    """A program of the user's own.

    Args:
        command: Its words, with ``{photos}``, ``{annotations}`` and ``{out}`` where the paths go; no shell sees it.
        limit: Seconds that it has for one cell.

    Raises:
        OccbenchError: The command cannot be split into words, or lacks a place.
    """

    command: str
    limit: float = TIME_LIMIT

    def __post_init__(self) -> None:
        words = self._words
        if not words:
            raise OccbenchError("--model command: names no program")
        for place in ("photos", "out"):
            if not any(f"{{{place}}}" in word for word in words):
                raise OccbenchError(
                    f"--model {quoted(f'command:{self.command}')} does not say where {{{place}}} goes; for instance "
                    f"'command:python mine.py {{photos}} {{annotations}} {{out}}'"
                )

    @cached_property
    def _words(self) -> list[str]:
        try:
            return shlex.split(self.command)
        except ValueError as error:
            raise OccbenchError(f"--model {quoted(f'command:{self.command}')} is no command: {error}") from error

    @cached_property
    def weights_sha256(self) -> str:
        """Of the command and of every file that it names."""
        total = hashlib.sha256(self.command.encode())
        for word in self._words:
            if Path(word).is_file():
                total.update(sha256(Path(word)).encode())
        return total.hexdigest()

    def about_backend(self) -> dict[str, Any]:
        """The command, for the manifest."""
        told = {"name": "command", "version": self.weights_sha256[:12], "precision": "its own", "device": "its own"}
        return {**told, "command": self.command}

    def answer(self, request: Request) -> Answer:
        """Call the program for a cell.

        Raises:
            OccbenchError: It cannot be started, fails, takes too long, or writes no results.
        """
        places = {place: str(getattr(request, place)) for place in PLACES}
        words = [_placed(word, places) for word in self._words]
        log = request.folder / "log"
        began = time.monotonic()
        with log.open("wb") as told:
            try:
                # In a session of its own: what it starts in turn ends with it.
                process = subprocess.Popen(
                    words, stdin=subprocess.DEVNULL, stdout=told, stderr=subprocess.STDOUT, start_new_session=True
                )
            except OSError as error:
                raise OccbenchError(
                    f"the program {quoted(words[0])} cannot be started: {error.strerror or error}"
                ) from error
            code = self._wait(process, request.cell)
        seconds = round(time.monotonic() - began, 1)
        if code:
            how = f"ended with exit code {code}" if code > 0 else f"was killed by signal {-code}"
            raise OccbenchError(f"the program {how} in cell {request.cell}: {_last_line(log)}")
        if not request.out.is_file():
            raise OccbenchError(
                f"the program ended in cell {request.cell}, but wrote no file {{out}}: it must write COCO keypoint "
                f"results there ({_last_line(log)})"
            )
        said = log.read_text(encoding="utf-8", errors="replace")[-OUTPUT_KEPT:]
        return Answer(request.out, {"command": words, "exit_code": code, "seconds": seconds, "output": said})

    def _wait(self, process: subprocess.Popen[bytes], cell: str) -> int:
        try:
            return process.wait(self.limit)
        except subprocess.TimeoutExpired as error:
            _end(process)
            raise OccbenchError(
                f"the program took more than {self.limit:g} s in cell {cell} and was ended; --time-limit gives it more"
            ) from error
        except BaseException:
            _end(process)
            raise


def _placed(word: str, places: Mapping[str, str]) -> str:
    for name, path in places.items():
        word = word.replace(f"{{{name}}}", path)
    return word


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program and what it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _last_line(log: Path) -> str:
    """What it said last."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return f"it said last: {quoted(lines[-1])}" if lines else "it said nothing"


@dataclass(eq=False)
class Given(Outside):
    """Results that are there already, a file ``SLUG.json`` for each cell.

    Args:
        folder: Of the files.

    Raises:
        OccbenchError: There is no such folder.
    """

    needs_photos: ClassVar[bool] = False
    folder: Path

    def __post_init__(self) -> None:
        if not self.folder.is_dir():
            raise OccbenchError(f"there is no folder {str(self.folder)!r} of results")

    @cached_property
    def weights_sha256(self) -> str:
        """Of every results file."""
        total = hashlib.sha256()
        for path in sorted(self.folder.glob("*.json")):
            total.update(f"{path.name} {sha256(path)}\n".encode())
        return total.hexdigest()

    def about_backend(self) -> dict[str, Any]:
        """Where the results are, for the manifest."""
        told = {"name": "results", "version": self.weights_sha256[:12], "precision": "its own", "device": "its own"}
        return {**told, "folder": str(self.folder)}

    def missing(self, cells: Sequence[str]) -> list[str]:
        """Cells without a file."""
        return [cell for cell in cells if not (self.folder / f"{cell}.json").is_file()]

    def answer(self, request: Request) -> Answer:
        """The file of a cell.

        Raises:
            OccbenchError: There is none.
        """
        path = self.folder / f"{request.cell}.json"
        if not path.is_file():
            raise OccbenchError(f"{str(self.folder)!r} has no {path.name}: results of cell {request.cell} are missing")
        return Answer(path)
