"""The page as one HTML document without anything outside it."""

from __future__ import annotations

import base64
import hashlib
import math
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from ..figures.style import fill_colour
from ..findings.controls import Estimate
from ..reading.drops import Drop, Saving
from ..tables.table import Column, Row, Table, Value, interval, shown
from .page import Page

_TEMPLATES = Path(__file__).with_name("templates")


def render(page: Page) -> str:
    """The whole page: styles, script and pictures inside, and a policy that lets it load nothing else."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(cell=table_cell, heading=heading, fill_colour=fill_colour)
    css, script = ((_TEMPLATES / name).read_text(encoding="utf-8") for name in ("report.css", "report.js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    template = environment.get_template("report.html.j2")
    return template.render(page=page, css=Markup(css), script=Markup(script), script_sha256=digest)


def table_cell(table: Table, row: Row, place: int) -> Markup:
    """One cell: number and interval, the exact value for sorting, and a tint by size where the table has one."""
    column, value = table.columns[place], row.values[place]
    if place == 0:
        note = f" <small>{escape(row.note)}</small>" if row.note else ""
        return Markup(f'<th scope="row">{escape(shown(value, column.kind))}{note}</th>')
    if not column.is_number:
        swatch = _swatch(str(value)) if column.key == "fill" and value else ""
        return Markup(f"<td>{swatch}{escape(shown(value, column.kind))}</td>")
    classes = ["num"]
    style = ""
    if isinstance(value, Drop):
        if value.indistinct:
            classes.append("indistinct")
        elif table.tinted and table.deepest > 0 and not math.isnan(value.value):
            worse = (value.value > 0) is not isinstance(value, Saving)
            classes.append("loss" if worse else "gain")
            style = f' style="--t:{100 * min(abs(value.value) / table.deepest, 1.0):.0f}%"'
    ends = interval(value, column.kind) if column.intervals else ""
    small = f" <small>{escape(ends)}</small>" if ends else ""
    return Markup(
        f'<td class="{" ".join(classes)}" data-value="{_exact(value)}"{style}>'
        f"{escape(shown(value, column.kind))}{small}</td>"
    )


def _exact(value: Value) -> str:
    if isinstance(value, str):
        return ""
    bare = value.value if isinstance(value, (Drop, Estimate)) else value
    return "" if math.isnan(bare) else f"{bare:.10g}"


def _swatch(fill: str) -> str:
    return f'<span class="swatch" style="background:{fill_colour(fill)}"></span>'


def heading(column: Column) -> Markup:
    """What stands over a column."""
    return Markup(f"{_swatch(column.fill) if column.fill else ''}{escape(column.head)}")
