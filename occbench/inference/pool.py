"""Threads that work ahead of who uses their results, by a bounded number of steps."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import cv2
import torch

T = TypeVar("T")
R = TypeVar("R")


class Pool:
    """Threads that work a bounded number of steps ahead, results in order; without threads, a plain map."""

    def __init__(self, workers: int) -> None:
        self._executor = ThreadPoolExecutor(workers, initializer=_one_core) if workers else None
        self._teams = cv2.getNumThreads()

    def __enter__(self) -> Pool:
        if self._executor is not None:
            cv2.setNumThreads(1)  # a crop is too small for a team, and the teams of several threads wait for each other
        return self

    def __exit__(self, *_: object) -> None:
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)
            cv2.setNumThreads(self._teams)

    def ahead(self, function: Callable[[T], R], items: Iterable[T], depth: int) -> Iterator[R]:
        """``function`` of each item, with at most ``depth`` of them computed before they are asked for."""
        if self._executor is None:
            yield from map(function, items)
            return
        waiting: deque[Future[R]] = deque()
        for item in items:
            waiting.append(self._executor.submit(function, item))
            if len(waiting) > depth:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _one_core() -> None:
    """Have this thread compute on one core.

    MMPose's transforms call torch, which would give each thread a team of its own for it. With more threads than
    cores OpenMP sends the model's team to sleep after every layer instead of having it wait: a third of the time.
    """
    torch.get_num_threads()  # or this thread's first operation would set it anew
    torch.set_num_threads(1)
