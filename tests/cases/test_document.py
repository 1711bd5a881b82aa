"""docs/check.md lists every kind of finding, as the code has it."""

from __future__ import annotations

from pathlib import Path

from occbench.data.findings import KINDS

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "check.md"


def table() -> str:
    """The kinds as a table."""
    rows = [f"| `{name}` | {kind.severity} | {kind.action} | {kind.done} |" for name, kind in KINDS.items()]
    return "\n".join(["| kind | severity | action | what is done |", "|---|---|---|---|", *rows])


def test_the_document_lists_every_kind() -> None:
    assert table() in DOCUMENT.read_text(encoding="utf-8")
