"""A page read back: its tables, ids, addresses and words."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path


@dataclass
class Cell:
    """One cell: what is read, and the exact value behind it."""

    text: str = ""
    exact: str | None = None
    classes: tuple[str, ...] = ()

    @property
    def value(self) -> float:
        """The exact number; NaN where there is none."""
        assert self.exact is not None
        return float(self.exact) if self.exact else math.nan

    @property
    def number(self) -> float:
        """The number as it is shown; NaN for a dash."""
        first = self.text.split()[0]
        return math.nan if first == "–" else float(first.replace("−", "-"))


@dataclass
class Table:
    """Rows of one table: their data- attributes and their cells by column heading."""

    heads: list[str] = field(default_factory=list)
    rows: list[tuple[dict[str, str], list[Cell]]] = field(default_factory=list)

    def row(self, **wanted: str) -> dict[str, Cell]:
        """The one row whose data- attributes are as ``wanted``, by heading (the last of equal ones)."""
        found = [
            cells
            for attributes, cells in self.rows
            if all(attributes.get(f"data-{name}") == value for name, value in wanted.items())
        ]
        assert len(found) == 1, f"{len(found)} rows for {wanted}"
        return dict(zip(self.heads, found[0], strict=True))


class Page(HTMLParser):
    """The tables of a page by name, every id, every address that a browser would load, and the visible text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tables: dict[str, Table] = {}
        self.ids: list[str] = []
        self.loads: list[str] = []
        self.tags: list[str] = []
        self.labels: list[str] = []
        self.text = ""
        self.html = path.read_text(encoding="utf-8")
        self._table: Table | None = None
        self._in_head = False
        self._unread = False
        self._cell: Cell | None = None
        self.feed(self.html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        self._unread = tag in ("style", "script")
        if "id" in attributes:
            self.ids.append(attributes["id"])
        if tag == "svg":
            self.labels.append(attributes.get("aria-label", ""))
        self.loads += [v for n, v in attributes.items() if n in ("src", "href", "xlink:href", "srcset", "data")]
        if tag == "table":
            self._table = (
                self.tables.setdefault(attributes["data-table"], Table()) if "data-table" in attributes else None
            )
        if self._table is None:
            return
        if tag in ("thead", "tbody"):
            self._in_head = tag == "thead"
        if tag == "tr":
            if self._in_head:
                self._table.heads = []
            else:
                self._table.rows.append((attributes, []))
        if tag in ("td", "th"):
            self._cell = Cell("", attributes.get("data-value"), tuple(attributes.get("class", "").split()))

    def handle_endtag(self, tag: str) -> None:
        self._unread = False
        if tag == "table":
            self._table = None
        if tag in ("td", "th") and self._cell is not None and self._table is not None:
            if self._in_head:
                self._table.heads.append(self._cell.text)
            else:
                self._table.rows[-1][1].append(self._cell)
            self._cell = None

    def handle_data(self, data: str) -> None:
        if self._unread:
            return
        self.text += data
        if self._cell is not None:
            self._cell.text += data
