"""Options that take several values."""

from __future__ import annotations


def values(given: list[str] | None) -> list[str]:
    """The values of an option that can be repeated, each of them possibly a list with commas."""
    return [value.strip() for text in given or [] for value in text.split(",") if value.strip()]
