"""A slice of the fuzzing; `python -m tests.hostile.fuzz --n 2000` is the whole."""

from __future__ import annotations

from .fuzz import fuzz


def test_fuzz_of_the_readers() -> None:
    for counts in fuzz(60, say=lambda line: None, same=True).values():
        assert counts["read"] >= 3  # else the files are so bad that only the first check sees them
        assert counts["refused"] >= 20
