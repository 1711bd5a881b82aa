"""A slice of the fuzzing; `python -m tests.hostile.fuzz --n 2000` is the whole."""

from __future__ import annotations

from .fuzz import fuzz


def test_fuzz_of_the_readers() -> None:
    counts = fuzz(60, say=lambda line: None, same=True).values()
    # Else the files are so bad that only the first check sees them, or not bad at all.
    assert sum(count["read"] for count in counts) > 30
    assert min(count["refused"] for count in counts) > 20
