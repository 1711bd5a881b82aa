"""Work on several cores, in copies of this process."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_work: Callable[[Any], Any] | None = None
"""What the copies do: they find it here, so that neither it nor what it refers to is ever sent to them."""


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def spare_cores(at_most: int = 16) -> int:
    """How many cores one of the processes of a run on this machine has besides the one it works on, at least 1."""
    sharing = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))  # as torchrun says
    return max(1, min(cores() // sharing - 1, at_most))


def can_fork() -> bool:
    """Whether this process can be copied as it is; the system's libraries of macOS do not survive that."""
    return sys.platform == "linux"


def spread(work: Callable[[Item], Result], items: Sequence[Item], processes: int) -> Iterator[Result]:
    """The results of a function, in the order of the items: by :func:`forked` where that is possible."""
    if processes < 2 or len(items) < 2 or not can_fork():
        return map(work, items)
    return forked(work, items, processes)


def forked(work: Callable[[Item], Result], items: Sequence[Item], processes: int) -> Iterator[Result]:
    """The results of a function, in the order of the items, computed by copies of this process.

    Where a copy is ended from outside, as by a system that is short of memory, this process does the rest itself.

    Args:
        work: Uses neither a GPU nor anything that another thread of this process may hold.
        items: What it is called with, one at a time; they and the results can be pickled.
        processes: How many copies, at most one an item.

    Raises:
        Exception: What the function raised, for the first of the items for which it did.
    """
    global _work
    before, _work, done = _work, work, 0
    context = multiprocessing.get_context("fork")
    pool = ProcessPoolExecutor(min(processes, len(items)), context, initializer=_leave_interrupts_to_us)
    try:
        with warnings.catch_warnings():
            # Python warns of threads whose locks a copy inherits; the libraries here take care of theirs.
            warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
            results = pool.map(_call, items)
        for result in results:
            yield result
            done += 1
    except BrokenProcessPool:
        yield from map(work, items[done:])
    finally:
        pool.shutdown(cancel_futures=True)
        _work = before


def _leave_interrupts_to_us() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _call(item: Any) -> Any:
    assert _work is not None
    return _work(item)
