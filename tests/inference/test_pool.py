"""Threads that work ahead."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import pytest

from occbench.inference.pool import Pool


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_results_come_in_order_and_a_bounded_number_of_steps_ahead(workers: int) -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for i in range(20):
            taken.append(i)
            yield i

    with Pool(workers) as pool:
        for i, found in enumerate(pool.ahead(lambda i: i * i, items(), depth=4)):
            assert found == i * i
            assert len(taken) <= i + 5
    assert i == 19


def test_opencv_has_no_teams_beside_the_threads_and_has_them_back_afterwards() -> None:
    before = cv2.getNumThreads()
    cv2.setNumThreads(2)
    try:
        with Pool(0):
            assert cv2.getNumThreads() == 2
        with Pool(2) as pool:
            assert list(pool.ahead(lambda _: cv2.getNumThreads(), range(3), depth=1)) == [1, 1, 1]
        assert cv2.getNumThreads() == 2
    finally:
        cv2.setNumThreads(before)
