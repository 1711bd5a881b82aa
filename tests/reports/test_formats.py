"""One table as CSV, Markdown and LaTeX: nothing lost, nothing broken by what a cell holds."""

from __future__ import annotations

import csv
import io
import math

from occbench.reports.findings.controls import Estimate
from occbench.reports.reading.drops import Drop
from occbench.reports.tables.formats import to_csv, to_latex, to_markdown
from occbench.reports.tables.table import Column, Radius, Row, Table, shown

COLUMNS = (
    Column("target", "hidden"),
    Column("ap", "AP", "ap"),
    Column("blackout", "blackout", "points", "blackout", "drop"),
    Column("blur", "blur", "points", "blur", "drop", intervals=False),
    Column("critical", "r", "px"),
)
TABLE = Table(
    "overall_x",
    "Drops & more",
    COLUMNS,
    (
        Row(
            (
                "left_hip",
                Estimate(0.123456789, 0.1, 0.2),
                Drop(-1.005, -2, 0.26),
                Drop(2.0, 1, 3),
                Radius(9.25, 6.0, math.inf, 6.0, 18.0),
            )
        ),
        Row(
            ('a|b_$%\\\n,"x"', Estimate(math.nan), Drop(math.nan), 1 / 3, Radius(6.0, least=6.0, most=18.0)),
            note="published",
        ),
    ),
)


def test_csv_keeps_every_digit_and_the_intervals() -> None:
    first, second = csv.DictReader(io.StringIO(to_csv(TABLE)))
    assert list(first) == [
        *("target", "ap", "ap_lo", "ap_hi", "blackout", "blackout_lo", "blackout_hi", "blur", "blur_lo", "blur_hi"),
        *("critical", "critical_lo", "critical_hi", "note"),
    ]
    assert (first["ap"], first["blackout"], first["blackout_lo"], first["blur_hi"]) == (
        "0.123456789",
        "-1.005",
        "-2",
        "3",
    )
    assert (first["critical"], first["critical_hi"], first["note"]) == ("9.25", "inf", "")
    assert second["target"] == 'a|b_$%\\\n,"x"'
    assert (second["ap"], second["blackout_lo"], second["blur"], second["note"]) == (
        "",
        "",
        "0.3333333333",
        "published",
    )


def test_markdown() -> None:
    assert to_markdown(TABLE).splitlines() == [
        "Drops & more",
        "",
        "| hidden | AP | drop: blackout | drop: blur | r |",
        "|---|---:|---:|---:|---:|",
        "| left\\_hip | 0.1235 \\[0.100, 0.200\\] | −1.00 \\[−2.0, 0.3\\] | 2.00 | 9.2 \\[≤ 6, \\> 18\\] |",
        '| a\\|b\\_$%\\\\ ,"x" (published) | – | – | 0.33 | ≤ 6 |',
    ]


def test_latex_is_booktabs() -> None:
    text = to_latex(TABLE)
    for line in (
        r"\begin{tabular}{lrrrr}",
        r"\multicolumn{2}{c}{} & \multicolumn{2}{c}{drop} & \multicolumn{1}{c}{} \\",
        r"\cmidrule(lr){3-4}",
        r"hidden & AP & blackout & blur & r \\",
        r"left\_hip & 0.1235 {\scriptsize [0.100, 0.200]} & $-$1.00 {\scriptsize [$-$2.0, 0.3]} & 2.00 & "
        r"9.2 {\scriptsize [$\leq$ 6, \textgreater{} 18]} \\",
        r'a|b\_\$\%\textbackslash{} ,"x" \emph{(published)} & -- & -- & 0.33 & $\leq$ 6 \\',
        r"\caption{Drops \& more}",
        r"\label{tab:overall-x}",
    ):
        assert line in text.splitlines()
    assert [text.count(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")] == [1, 1, 1]


def test_long_latex_tables_break_over_pages() -> None:
    text = to_latex(Table("x", "c", COLUMNS[:1], tuple(Row((str(i),)) for i in range(60))))
    assert text.count(r"\begin{longtable}") == text.count(r"\end{longtable}") == 1
    assert r"\endhead" in text
    assert r"\begin{tabular}" not in text


def test_numbers_as_they_are_shown() -> None:
    assert [shown(v, "px") for v in (6.0, 7.5)] == ["6", "7.5"]
    assert shown(math.nan, "count") == "–"
    assert shown(Radius(math.inf, least=6, most=18), "px") == "> 18"
