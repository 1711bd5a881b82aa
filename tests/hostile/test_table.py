"""The document is whole: its rows are compared by the tests that they come from, and none has outlived its test."""

from __future__ import annotations

import html
from pathlib import Path

from .table import DOCUMENT, HEAD
from .test_pictures import KINDS


def test_every_row_belongs_to_a_test() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text.startswith(HEAD.partition("VERSIONS")[0])
    table = text.partition("\n## ")[2]
    rows = [line for line in table.splitlines() if line.startswith("| ") and not line.startswith("| fed |")]
    assert len(rows) > 200
    source = "".join(path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parent.glob("*.py")))
    for row in rows:
        fed = html.unescape(row.split(" | ")[0].removeprefix("| "))
        written = fed.replace("\\", "\\\\")
        assert fed in KINDS or f'"{fed}' in source or f'"{written}' in source or fed.startswith("SIG"), fed
