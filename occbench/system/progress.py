"""Progress with an estimate of the time left, on stderr: a bar on a terminal, elsewhere a line a minute."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

INTERVAL = 60.0
"""Seconds between two lines where there is no terminal."""


@dataclass(frozen=True)
class State:
    """How far a stage is.

    Attributes:
        stage: What its steps are.
        done: Steps that are done.
        of: All of them.
        among: What they belong to; may be empty.
        seconds: Since the stage began.
        rate: Steps a second since the last line.
    """

    stage: str
    done: int
    of: int
    among: str
    seconds: float
    rate: float

    @property
    def left(self) -> float | None:
        """Seconds to the end at this rate; None where nothing moves."""
        return (self.of - self.done) / self.rate if self.rate > 0 else None

    @property
    def plain(self) -> dict[str, str | int | float | None]:
        """For JSON."""
        left = None if self.left is None else round(self.left)
        counts: dict[str, str | int | float | None] = {"stage": self.stage, "done": self.done, "of": self.of}
        return {
            **counts,
            "among": self.among,
            "seconds": round(self.seconds),
            "rate": round(self.rate, 3),
            "left": left,
        }

    def __str__(self) -> str:
        share = f"{100 * self.done / max(self.of, 1):.0f} %"
        among = f" in {self.among}" if self.among else ""
        left = "" if self.left is None else f", {in_words(self.left)} left"
        return f"{self.stage} {self.done:,} of {self.of:,}{among} ({share}), {self.rate:.3g}/s{left}"


class _Lines:
    """Counts the steps of a stage, and tells the state once in :data:`INTERVAL`."""

    def __init__(self, name: str, total: int, among: str, tell: Callable[[State], None]) -> None:
        self._name, self._total, self._among, self._tell = name, total, among, tell
        self._done = self._told = 0
        self._begun = self._at = time.monotonic()

    def advance(self, steps: int) -> None:
        """So many more steps are done."""
        if not self._done:
            self._told = steps  # what was there before the work began is nobody's rate
        self._done += steps
        now = time.monotonic()
        if now - self._at < INTERVAL:
            return
        rate = (self._done - self._told) / (now - self._at)
        self._tell(State(self._name, self._done, self._total, self._among, now - self._begun, rate))
        self._told, self._at = self._done, now


class Progress:
    """Shows one stage at a time.

    Args:
        show: False to be quiet but for :meth:`note`; True to draw the bar wherever stderr leads; None for the bar on a
            terminal and lines elsewhere.
        as_json: Lines as JSON objects, terminal or not, and no bar.
    """

    def __init__(self, show: bool | None = None, as_json: bool = False) -> None:
        from rich.console import Console

        self._console = Console(stderr=True)
        self._show = (self._console.is_terminal if show is None else show) and not as_json
        self._lines = not self._show and show is not False
        self._as_json = as_json

    @contextlib.contextmanager
    def stage(self, name: str, total: int, among: str = "") -> Iterator[Callable[[int], None]]:
        """A stretch of work of ``total`` steps; call what it yields with the number of steps just done.

        Args:
            name: What the steps are, for instance ``crops``.
            total: How many there are.
            among: What they belong to, for the lines: ``85 cells``.
        """
        if self._lines:
            yield _Lines(name, total, among, self._line).advance
            return
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns = (
            TextColumn("{task.description:>8}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        with Bar(*columns, console=self._console, disable=not self._show) as bar:
            task = bar.add_task(name, total=total)
            yield lambda steps: bar.advance(task, steps)

    @contextlib.contextmanager
    def counted(self, name: str) -> Iterator[Callable[[int, int], None]]:
        """A stretch of work; call what it yields with the number of steps that are done, and of how many."""
        with contextlib.ExitStack() as stack:
            begun: list[Callable[[int], None]] = []

            def advance(done: int, of: int) -> None:
                if not begun:
                    begun.append(stack.enter_context(self.stage(name, of)))
                begun[0](1)

            yield advance

    def say(self, line: str) -> None:
        """A line of news."""
        if self._show:
            self._console.print(line, style="dim", highlight=False)

    def tell(self, line: str) -> None:
        """A line of news, terminal or not, unless it is to be quiet."""
        if self._show or self._lines:
            self.note(line)

    def note(self, line: str) -> None:
        """Something the user should know, terminal or not."""
        self._console.print(f"occbench: {line}", highlight=False, markup=False, soft_wrap=True)

    def _line(self, state: State) -> None:
        if self._as_json:
            self._console.print(json.dumps(state.plain), highlight=False, markup=False, soft_wrap=True)
        else:
            self.note(str(state))


def in_words(seconds: float) -> str:
    """A length of time for reading: ``42 s``, ``12 min``, ``3 h 05 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min"
