"""The page in a real browser: nothing loaded, nothing complained of, tables that sort, dark, narrow and on paper.

Needs Chromium (`apt-get install chromium`), and is skipped without it. axe-core comes with the package axe-core-python.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from occbench.attacks import COCO
from occbench.evaluation.changes import Compared, Group, Measure
from occbench.reports import build_report

from ..command_line import draw_outlines
from .chromium import Browser, browser, find_chromium
from .fake_run import KEYPOINTS, PARTS, write_fake_run

pytestmark = pytest.mark.skipif(
    find_chromium() is None, reason="NO BROWSER: the report is not tried in one; install chromium"
)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser for all tests."""
    with browser() as running:
        yield running


@pytest.fixture
def opened(chromium: Browser, full_run: Path) -> Browser:
    """The browser with the full report open, at 1280 px, light."""
    chromium.window(1280, 900)
    chromium.open(full_run / "report.html")
    return chromium


def column(page: Browser, table: str, place: int) -> list[str]:
    """The exact values of the rows that are seen of a table, or their text."""
    found: list[str] = page.run(
        f"[...document.querySelector('table[data-table={table}]').tBodies[0].rows].filter(r => !r.hidden)"
        f".map(r => r.cells[{place}].dataset.value ?? r.cells[{place}].textContent)"
    )
    return found


def click(page: Browser, table: str, place: int) -> str | None:
    """Click a heading; returns how it is sorted then."""
    head = f"document.querySelector('table[data-table={table}]').tHead.querySelectorAll('tr:last-child th')[{place}]"
    page.run(f"{head}.querySelector('button').click()")
    found: str | None = page.run(f"{head}.getAttribute('aria-sort')")
    return found


def test_no_complaint_and_no_request(opened: Browser, full_run: Path) -> None:
    opened.run("scrollTo(0, document.body.scrollHeight)")
    assert opened.run("document.querySelectorAll('section').length") > 8
    assert opened.complaints() == []
    assert opened.requests() == [(full_run / "report.html").resolve().as_uri()]


def test_the_policy_forbids_what_the_page_does_not_need(opened: Browser) -> None:
    opened.run("document.body.insertAdjacentHTML('beforeend', '<img src=\"http://127.0.0.1:9/x.png\">')")
    opened.run("new Promise(done => setTimeout(done, 100))")
    assert any("Content Security Policy" in line for line in opened.complaints())


def test_every_figure_and_picture_has_a_size(opened: Browser) -> None:
    sizes = opened.run(
        "[...document.querySelectorAll('figure svg, figure img')].map(f => f.getBoundingClientRect())"
        ".map(b => [b.width, b.height])"
    )
    assert len(sizes) == 14 + 24
    assert all(width > 100 and height > 50 for width, height in sizes)
    assert opened.run("[...document.images].every(i => i.complete && i.naturalWidth > 0)")


def test_tables_sort_by_number(opened: Browser) -> None:
    places = opened.run("[...document.querySelectorAll('table[data-table=cells] thead th')].map(h => h.textContent)")
    drop = places.index("drop")
    before = column(opened, "cells", drop)
    assert click(opened, "cells", drop) == "descending"
    assert column(opened, "cells", drop) == sorted(before, key=float, reverse=True)
    assert click(opened, "cells", drop) == "ascending"
    assert column(opened, "cells", drop) == sorted(before, key=float)
    assert click(opened, "cells", drop) is None
    assert column(opened, "cells", drop) == before


def test_what_is_no_number_stays_below(opened: Browser) -> None:
    opened.run(
        "document.querySelector('table[data-table=overall_keypoint]').tBodies[0].rows[0].cells[2].dataset.value = ''"
    )
    for direction in ("descending", "ascending"):
        assert click(opened, "overall_keypoint", 2) == direction
        assert column(opened, "overall_keypoint", 2)[-1] == ""


def test_tables_sort_by_name_from_the_keyboard(opened: Browser) -> None:
    opened.run("document.querySelector('table[data-table=cells] thead th:nth-child(2) button').focus()")
    for kind in ("keyDown", "keyUp"):
        opened.call("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", text="\r", windowsVirtualKeyCode=13)
    names = column(opened, "cells", 1)
    assert names == sorted(names)


def test_tables_filter(opened: Browser) -> None:
    def type_in(words: str) -> str:
        opened.run(
            "(() => { const f = document.querySelector('#run-cells input[type=search]');"
            f" f.value = {json.dumps(words)}; f.dispatchEvent(new Event('input')); }})()"
        )
        return str(opened.run("document.querySelector('#run-cells [role=status]').textContent"))

    every = column(opened, "cells", 1)
    shown = type_in("LEFT_hip blur")
    assert set(column(opened, "cells", 1)) == {"left_hip"}
    assert shown == f"{len(column(opened, 'cells', 1))} of {len(every)} rows"
    type_in("left hip blur")
    assert set(column(opened, "cells", 1)) == {"left_hip"}
    assert type_in("nobody") == f"0 of {len(every)} rows"
    assert type_in("") == ""
    assert column(opened, "cells", 1) == every


def test_without_script_tables_are_plain(chromium: Browser, full_run: Path) -> None:
    chromium.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        chromium.open(full_run / "report.html")
        chromium.call("Emulation.setScriptExecutionDisabled", value=False)
        assert chromium.run("document.querySelectorAll('thead button, .filter').length") == 0
        assert chromium.run("document.querySelectorAll('table[data-table=cells] tbody tr').length") == 19
    finally:
        chromium.call("Emulation.setScriptExecutionDisabled", value=False)


def luminance(colour: str) -> float:
    parts = [float(v) / 255 for v in re.findall(r"[\d.]+", colour)[:3]]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("dark", [False, True])
def test_both_colour_schemes_are_legible(chromium: Browser, full_run: Path, dark: bool) -> None:
    chromium.window(1280, 900, dark)
    chromium.open(full_run / "report.html")
    ground, ink = (
        luminance(chromium.run(f"getComputedStyle(document.body).{p}")) for p in ("backgroundColor", "color")
    )
    label = luminance(chromium.run("getComputedStyle(document.querySelector('figure svg text')).fill"))
    assert (ground < 0.05) is dark
    for text in (ink, label):
        assert (max(text, ground) + 0.05) / (min(text, ground) + 0.05) > 7


@pytest.mark.parametrize("width", [1280, 768, 400])
def test_nothing_sticks_out(chromium: Browser, full_run: Path, width: int) -> None:
    chromium.window(width, 800)
    chromium.open(full_run / "report.html")
    assert chromium.run("document.documentElement.scrollWidth") <= width
    assert chromium.run("document.querySelector('h1').getBoundingClientRect().right") <= width


NAMES = ("none", "hourglass-prm-mini", "simplebaseline-mini@cutout-part")
FILLS = ("blackout", "meanout", "blur")


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The pages of two models against a baseline, in short and in full, with numbers as wide as they come."""
    folder = tmp_path_factory.mktemp("comparison")
    levels = {"keypoint": COCO.targets("keypoint"), "part": COCO.targets("part")}
    hidden = {"keypoint": KEYPOINTS, "part": list(PARTS)}
    cells = [(level, fill, target, 6.0, "centred") for level in hidden for fill in FILLS for target in hidden[level]]
    runs = [write_fake_run(folder / name, cells, intervals=True, examples=False) for name in NAMES]

    def measured(value: float) -> tuple[Measure, ...]:
        wide = {"value": value, "low": value - 12.4, "high": value + 12.4, "p_adjusted": 0.2}
        kinds = [(level, fill) for level in levels for fill in FILLS]
        means = [Measure("ap", "clean", "", "", 1, **wide)]
        means += [
            Measure(q, level, fill, "", len(levels[level]), **wide) for level, fill in kinds for q in ("ap", "drop")
        ]
        single = [Measure("drop", level, fill, t, 1, **wide) for level, fill in kinds for t in levels[level]]
        return (*means, *single)

    base = Group(NAMES[0], (0,))
    both = [
        Compared(Group(NAMES[i], (i,)), base, ((i, 0),), measured(41.3), measured(38.2), measured(-11.25))
        for i in (1, 2)
    ]
    short = build_report(runs, folder / "out", compared=both, labels=NAMES, short=True)
    with pytest.MonkeyPatch.context() as patch:
        draw_outlines(patch)
        return {"short": short, "long": build_report(runs, folder / "out", compared=both, labels=NAMES)}


SIDEWAYS = (
    "[...document.querySelectorAll('.scroll, .wide')].filter(e => e.scrollWidth > e.clientWidth + 1)"
    ".map(e => e.querySelector('table')?.dataset.table).filter(name => name)"
)


@pytest.mark.parametrize("form", ["short", "long"])
@pytest.mark.parametrize("width", [1280, 400])
def test_a_comparison_fits_the_screen(chromium: Browser, comparison: dict[str, Path], form: str, width: int) -> None:
    chromium.window(width, 900)
    chromium.open(comparison[form])
    assert chromium.run("document.documentElement.scrollWidth") <= width
    cut = set(chromium.run(SIDEWAYS))
    assert not cut & {"changes", "changes_ap", "models"}
    if width == 1280:
        assert not cut & {"changes_keypoint", "changes_part", "compare"}
        last = "[...document.querySelectorAll('#compare-answer .banner')].pop().getBoundingClientRect().bottom"
        assert chromium.run(last) <= 900  # all that is said stands in one screen, the table follows
    else:  # what must scroll keeps the names of its rows in sight
        scroll = "document.querySelector('[data-table=changes_part]').closest('.scroll, .wide')"
        chromium.run(f"{scroll}.scrollLeft = 200")
        name = chromium.run(f"{scroll}.querySelector('tbody th').getBoundingClientRect().left")
        assert 0 <= name <= 30


def test_a_short_comparison_is_two_sheets_of_paper(chromium: Browser, comparison: dict[str, Path]) -> None:
    chromium.window(1000, 900)
    chromium.open(comparison["short"])
    assert len(re.findall(rb"/Type\s*/Page\b", chromium.pdf())) == 2
    chromium.call("Emulation.setEmulatedMedia", media="print")
    try:
        size = "parseFloat(getComputedStyle(document.querySelector('[data-table={}] {}')).fontSize)"
        for table in ("changes", "changes_keypoint", "changes_ap"):
            assert chromium.run(size.format(table, "td small")) < chromium.run(size.format(table, "td"))
        assert chromium.run("getComputedStyle(document.querySelector('thead button')).display") == "contents"
    finally:
        chromium.call("Emulation.setEmulatedMedia", media="")


def test_paper(opened: Browser) -> None:
    opened.call("Emulation.setEmulatedMedia", media="print")
    try:
        seen = "getComputedStyle(document.querySelector('{}')).display"
        assert opened.run(seen.format("nav")) == "none"
        assert opened.run(seen.format(".filter")) == "none"
        assert opened.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    finally:
        opened.call("Emulation.setEmulatedMedia", media="")
    paper = opened.pdf()
    assert paper.startswith(b"%PDF")
    assert 4 <= len(re.findall(rb"/Type\s*/Page\b", paper)) <= 40


@pytest.mark.parametrize("dark", [False, True])
def test_accessibility(chromium: Browser, full_run: Path, dark: bool) -> None:
    chromium.window(1280, 900, dark)
    chromium.open(full_run / "report.html")
    chromium.run("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    chromium.run((files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8") + "; 0")
    found: list[dict[str, Any]] = chromium.run(
        "axe.run().then(r => r.violations.map(v => ({id: v.id, impact: v.impact, nodes: v.nodes.slice(0, 3)"
        ".map(n => n.html.slice(0, 150) + ' ' + n.failureSummary)})))"
    )
    assert [violation for violation in found if violation["impact"] in ("serious", "critical")] == []
