"""What a page consists of: sections of headings, sentences, figures, tables and pictures, in that order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from markupsafe import Markup

from ..tables.table import Table


@dataclass(frozen=True)
class Heading:
    """Over a part of a section."""

    text: str
    block: str = "heading"


@dataclass(frozen=True)
class Prose:
    """A paragraph. ``look``: empty, ``note``, ``banner`` or ``reading`` (a sentence made from the numbers)."""

    text: str | Markup
    look: str = ""
    block: str = "prose"


@dataclass(frozen=True)
class FigureBlock:
    """A figure. ``file`` names the SVG and PNG beside the page, without extension."""

    svg: Markup
    file: str
    caption: str | Markup
    block: str = "figure"


@dataclass(frozen=True)
class TableBlock:
    """A table. ``file`` names its files beside the page, without extension."""

    table: Table
    file: str
    block: str = "table"


@dataclass(frozen=True)
class Picture:
    """A picture in the page, as a data URI."""

    caption: str
    uri: str
    width: int
    height: int
    alt: str


@dataclass(frozen=True)
class Pair:
    """One person without and under an attack."""

    kind: str
    caption: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class GalleryBlock:
    """The pictures of one target."""

    title: str
    pairs: tuple[Pair, ...]
    file: str
    block: str = "gallery"


Block: TypeAlias = "Heading | Prose | FigureBlock | TableBlock | GalleryBlock"


@dataclass(frozen=True)
class Section:
    """A section of the page."""

    id: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Tile:
    """A number or a small list on the first screen."""

    title: str
    value: str = ""
    raw: str = ""
    text: str = ""
    rows: tuple[tuple[str, str, str, str], ...] = ()
    """Label, fill (for its colour; may be empty), number, interval."""
    worst: tuple[tuple[str, str, str, str], ...] = ()


@dataclass(frozen=True)
class Answer:
    """The first screen: what was measured on what, and what came out."""

    banner: str
    reading: tuple[str, ...]
    tiles: tuple[Tile, ...]
    facts: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    tables: tuple[TableBlock, ...] = ()


@dataclass(frozen=True)
class Chapter:
    """One run, or the comparison of several."""

    id: str
    label: str
    answer: Answer | None
    sections: tuple[Section, ...]


@dataclass(frozen=True)
class Page:
    """The whole report."""

    title: str
    lead: str
    chapters: tuple[Chapter, ...]
    kind: Literal["runs", "short", "results"] = "runs"
    """Whole runs, a comparison in short, or somebody's results."""
    sees: Literal["crop", "photo", "both"] = "crop"
    """What the models of the runs are given."""

    def tables(self) -> Iterator[TableBlock]:
        """Every table, in the order of the page."""
        for chapter in self.chapters:
            yield from chapter.answer.tables if chapter.answer is not None else ()
            for section in chapter.sections:
                yield from (block for block in section.blocks if isinstance(block, TableBlock))


def section(anchor: str, name: str, title: str, blocks: Sequence[Block]) -> Section | None:
    """A section of the chapter ``anchor``; None without anything in it."""
    return Section(f"{anchor}-{name}", title, tuple(blocks)) if blocks else None
