"""docs/hostile-input.md: written from what the tests got for an answer.

python -m tests.hostile.table
"""

from __future__ import annotations

import html
import platform
import sys
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path

import pytest

from occbench.data import jsonfile, matfile, photos
from occbench.system import archives, download

from .case import ROWS, Row

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "hostile-input.md"

HEAD = f"""# Hostile input

What occbench answers to files that are broken, or made to do harm. Each row is a test in `tests/hostile`, which
compares what it gets with this table; `python -m tests.hostile.table` writes it anew. An answer in `this type` is the
one line on standard error, without the folder of the test. Exit code 2 means that the input was refused; nothing is
left behind by a refused command, which each test checks, too. `python -m tests.hostile.fuzz --n 2000` feeds 2,000
spoilt files to each reader; with `--only checked --seed 19` the same ones to `occbench check`: annotations, results and
photos, 2,000 of each.

With VERSIONS.

| bound | |
|---|---|
| a photo | {photos.MAX_PIXELS:,} pixels (where Pillow starts to warn) by its header, {photos.MAX_BYTES:,} bytes |
| a JSON file | {jsonfile.MAX_JSON:,} bytes; the persons in it are bounded by memory only |
| a MATLAB file | {matfile.MAX_BYTES:,} bytes, and unpacked as much |
| a download | {download.MAX_BYTES:,} bytes, where the data set or the model does not say less |
| an archive | {archives.MAX_RATIO} times its size, and a number of bytes and members that the data set gives |

A photo's name may not lead out of the image folder; an absolute one is looked for below it. Links in that folder are
followed wherever they lead: neither an annotation file nor an archive can make one, so they are the user's own (many
data sets are kept that way).

A config is Python, and the one that is named on the command line runs. Of what it would run besides, this is asked
about (`--trust-config`): a base outside of its own tree (its git checkout, else the nearest `configs` folder above it,
else its folder) and of the packages of OpenMMLab and occbench; modules of other packages; a base that is computed; and
files that others can write, or own. The config is not run to find that out.
"""
STALE = "docs/hostile-input.md is out of date: run `python -m tests.hostile.table`"


VERSIONS = ", ".join(
    f"{name} {'.'.join(number.split('.')[:2])}"
    for name, number in [
        ("Python", platform.python_version()),
        *((name, version(name)) for name in ("torch", "pydantic", "Pillow", "opencv-python")),
    ]
)
"""What words some of the answers."""


def assert_up_to_date(row: Row, words: Sequence[str]) -> None:
    """The document must have the row; with other versions than it was written with, the answer may be worded otherwise.

    Args:
        row: As it came out.
        words: Some of the answer that do not depend on versions.
    """
    written = written_rows(row.group)
    if f"\nWith {VERSIONS}.\n" not in DOCUMENT.read_text(encoding="utf-8"):
        start, end = row.markdown().partition("|")[2].partition("|")[0], f"| {row.code} |"
        written = [line for line in written if line.startswith(f"|{start}|") and line.endswith(end)]
        assert any(all(html.escape(word, quote=False) in line for word in words) for line in written), STALE
        return
    assert row.markdown() in written, f"{STALE}\n{row.markdown()}"


FIRST = ("Annotations", "File", "Photos", "Detections", "Results", "Weights", "Configs")
"""How the groups begin that stand first: what is given to every command."""


@cache
def written_rows(group: str) -> list[str]:
    """The rows that the document has under a heading."""
    if not DOCUMENT.is_file():
        return []
    section = DOCUMENT.read_text(encoding="utf-8").partition(f"\n## {group}\n")[2].partition("\n## ")[0]
    return [line for line in section.splitlines() if line.startswith("| ")][1:]


def document(rows: list[Row]) -> str:
    """The whole text."""
    parts = [HEAD.replace("VERSIONS", VERSIONS)]
    groups = dict.fromkeys(row.group for row in rows)
    for group in sorted(groups, key=lambda group: (group.split()[0] not in FIRST, list(groups).index(group))):
        table = [row.markdown() for row in rows if row.group == group]
        parts.append("\n".join([f"## {group}\n", "| fed | answered | exit code |", "|---|---|---|", *table]) + "\n")
    return "\n".join(parts)


class _Collector:
    """Gathers the rows of a test session."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.skipped = 0

    def pytest_configure(self, config: pytest.Config) -> None:
        config.stash[ROWS] = self.rows

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.skipped += report.skipped


def main() -> int:
    """Run the tests, write what they got."""
    collector = _Collector()
    code = pytest.main(["-q", str(Path(__file__).parent), "-k", "not fuzz and not test_table"], plugins=[collector])
    if code:
        return int(code)
    if collector.skipped:
        print(f"{collector.skipped} tests were skipped here: the table would lack their rows and is not written")
        return 1
    DOCUMENT.write_text(document(collector.rows), encoding="utf-8")
    print(f"{DOCUMENT}: {len(collector.rows)} rows")
    return 0


if __name__ == "__main__":
    sys.exit(main())
