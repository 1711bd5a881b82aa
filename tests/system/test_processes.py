"""Work in copies of this process."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from occbench.system import processes
from occbench.system.errors import OccbenchError
from occbench.system.processes import can_fork, cores, forked, spare_cores, spread

copies = pytest.mark.skipif(not can_fork(), reason="this system's processes cannot be copied")


@copies
def test_results_come_in_order_and_from_other_processes() -> None:
    lock = threading.Lock()  # what cannot be sent anywhere

    def work(item: int) -> tuple[int, int]:
        with lock:
            return item**2, os.getpid()

    found = list(forked(work, range(20), 2))
    assert [square for square, _ in found] == [item**2 for item in range(20)]
    assert os.getpid() not in {process for _, process in found}


@copies
def test_an_error_comes_through() -> None:
    def work(item: int) -> int:
        if item == 3:
            raise OccbenchError("cell 3 is damaged")
        return item

    results = forked(work, range(6), 2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(OccbenchError, match="cell 3 is damaged"):
        next(results)


@copies
def test_where_a_copy_is_ended_the_rest_is_done_here() -> None:
    here = os.getpid()

    def work(item: int) -> int:
        if item == 2 and os.getpid() != here:
            os.kill(os.getpid(), signal.SIGKILL)
        return item

    assert list(forked(work, range(6), 2)) == list(range(6))


@pytest.mark.parametrize(("there", "sharing", "spare"), [(1, 1, 1), (2, 1, 1), (16, 1, 15), (16, 4, 3), (64, 1, 16)])
def test_cores_that_are_left(there: int, sharing: int, spare: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cores() >= 1
    monkeypatch.setattr(processes, "cores", lambda: there)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(sharing))
    assert spare_cores() == spare


@copies
def test_copies_can_make_copies() -> None:
    def sums(n: int) -> int:
        return sum(spread(lambda i: i * n, range(5), 2))

    assert list(spread(sums, range(6), 2)) == [10 * n for n in range(6)]
    assert list(spread(sums, range(6), 1)) == [10 * n for n in range(6)]
