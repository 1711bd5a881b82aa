"""Progress with an estimate of the time left, on stderr; quiet where that is no terminal."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator


class Progress:
    """Draws one bar at a time.

    Args:
        show: Whether to draw; None for only on a terminal.
    """

    def __init__(self, show: bool | None = None) -> None:
        from rich.console import Console

        self._console = Console(stderr=True)
        self._show = self._console.is_terminal if show is None else show

    @contextlib.contextmanager
    def stage(self, name: str, total: int) -> Iterator[Callable[[int], None]]:
        """A stretch of work of ``total`` steps; call what it yields with the number of steps just done."""
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

    def note(self, line: str) -> None:
        """Something the user should know, terminal or not."""
        self._console.print(f"occbench: {line}", highlight=False, markup=False, soft_wrap=True)
