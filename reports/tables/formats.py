"""A table as CSV, Markdown and LaTeX."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable

from ..findings.controls import Estimate
from ..reading.drops import Drop
from ..reading.names import MINUS
from .table import Row, Table, Value, heads, interval, shown

_LONG = 45
"""Rows from which a LaTeX table may break over pages."""


def to_csv(table: Table) -> str:
    """Full precision; an interval becomes two columns more, what is not measurable is empty."""
    ended = [_has_ends(table, i) for i in range(len(table.columns))]
    names: list[str] = []
    for column, ends in zip(table.columns, ended, strict=True):
        names += [column.key, f"{column.key}_lo", f"{column.key}_hi"] if ends else [column.key]
    noted = any(row.note for row in table.rows)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*names, "note"] if noted else names)
    for row in table.rows:
        values: list[str] = []
        for value, ends in zip(row.values, ended, strict=True):
            values.append(_exact(value))
            if ends:
                pair = (value.low, value.high) if isinstance(value, (Drop, Estimate)) else (math.nan, math.nan)
                values += map(_exact, pair)
        writer.writerow([*values, row.note] if noted else values)
    return out.getvalue()


def _has_ends(table: Table, place: int) -> bool:
    return any(
        isinstance(row.values[place], (Drop, Estimate)) and not math.isnan(row.values[place].low)  # type: ignore[union-attr]
        for row in table.rows
    )


def _exact(value: Value) -> str:
    if isinstance(value, str):
        return value
    bare = value.value if isinstance(value, (Drop, Estimate)) else value
    return "" if math.isnan(bare) else f"{bare:.10g}"


def to_markdown(table: Table) -> str:
    """A pipe table under its caption."""
    lines = ["| " + " | ".join(map(_markdown_text, heads(table.columns))) + " |"]
    lines.append("|" + "|".join("---:" if c.is_number else "---" for c in table.columns) + "|")
    lines += ["| " + " | ".join(_markdown_cells(table, row)) + " |" for row in table.rows]
    return f"{_markdown_text(table.caption)}\n\n" + "\n".join(lines) + "\n"


def _markdown_cells(table: Table, row: Row) -> list[str]:
    found = []
    for column, value in zip(table.columns, row.values, strict=True):
        text = _markdown_text(shown(value, column.kind))
        ends = interval(value, column.kind) if column.intervals else ""
        found.append(f"{text} {_markdown_text(ends)}" if ends else text)
    if row.note:
        found[0] += f" ({_markdown_text(row.note)})"
    return found


def _markdown_text(text: str) -> str:
    return re.sub(r"([\\|*_`<>\[\]])", r"\\\1", " ".join(text.split()))


_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    MINUS: r"$-$",
    "–": "--",
    "×": r"$\times$",
    "●": r"$\bullet$",
    "≤": r"$\leq$",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}


def _latex_text(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in " ".join(text.split()))


def to_latex(table: Table) -> str:
    """A booktabs table; a long one as longtable. Needs \\usepackage{booktabs} and, for those, longtable."""
    layout = "".join("r" if column.is_number else "l" for column in table.columns)
    head = " & ".join(_latex_text(column.head) for column in table.columns) + r" \\"
    grouped = _latex_groups(table)
    body = [" & ".join(_latex_cells(table, row)) + r" \\" for row in table.rows]
    caption = rf"\caption{{{_latex_text(table.caption)}}}"
    label = rf"\label{{tab:{re.sub(r'[^A-Za-z0-9-]+', '-', table.name)}}}"
    needs = r"% \usepackage{booktabs,longtable}"
    if len(table.rows) >= _LONG:
        lines = [needs, rf"\begin{{longtable}}{{{layout}}}", caption + label + r"\\", r"\toprule", *grouped, head]
        lines += [r"\midrule", r"\endfirsthead", r"\toprule", *grouped, head, r"\midrule", r"\endhead"]
        return "\n".join([*lines, *body, r"\bottomrule", r"\end{longtable}", ""])
    lines = [needs, r"\begin{table}", r"\centering", caption, label, rf"\begin{{tabular}}{{{layout}}}", r"\toprule"]
    lines += [*grouped, head, r"\midrule", *body, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""]
    return "\n".join(lines)


def _latex_groups(table: Table) -> list[str]:
    if not table.groups:
        return []
    cells, rules, place = [], [], 1
    for name, width in table.groups:
        cells.append(rf"\multicolumn{{{width}}}{{c}}{{{_latex_text(name)}}}")
        if name:
            rules.append(rf"\cmidrule(lr){{{place}-{place + width - 1}}}")
        place += width
    return [" & ".join(cells) + r" \\", "".join(rules)]


def _latex_cells(table: Table, row: Row) -> list[str]:
    found = []
    for column, value in zip(table.columns, row.values, strict=True):
        text = _latex_text(shown(value, column.kind))
        ends = interval(value, column.kind) if column.intervals else ""
        found.append(rf"{text} {{\scriptsize {_latex_text(ends)}}}" if ends else text)
    if row.note:
        found[0] += rf" \emph{{({_latex_text(row.note)})}}"
    return found


FORMATS: dict[str, tuple[str, Callable[[Table], str]]] = {
    "csv": ("csv", to_csv),
    "md": ("md", to_markdown),
    "latex": ("tex", to_latex),
}
"""By name: the ending of its files, and what writes it."""
