"""Figures and pictures: written to the plots folder, and made ready for the page."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

from markupsafe import Markup
from matplotlib.figure import Figure

from ..figures.pictures import Gallery, Shown, as_jpeg, as_png
from ..figures.style import inline_svg, write_figure
from ..files import file_stem, write_atomically
from .page import FigureBlock, GalleryBlock, Pair, Picture

BUDGET = 6_000_000
"""Bytes of pictures that the page takes; those past it are files beside it."""


class PlotFolder:
    """Where figures go: ``folder``/plots, every name starting with ``prefix``.

    Args:
        folder: Of the report.
        prefix: Of file names and anchors.
        budget: Bytes of pictures that may still go into the page.
        draws: Whether anything is drawn and written; a report of tables alone needs no figure.
    """

    def __init__(self, folder: Path, prefix: str = "", budget: int = BUDGET, draws: bool = True) -> None:
        self.folder = folder / "plots"
        self.prefix = prefix
        self.budget = budget
        self.draws = draws
        self.written: set[Path] = set()

    def stem(self, name: str) -> str:
        """``name`` as a file name without extension."""
        return file_stem(self.prefix + name)

    def add(self, draw: Callable[[], Figure], name: str, alt: str, caption: str | Markup) -> FigureBlock:
        """Draw a figure and write it as SVG and PNG; ``alt`` is what it shows to those who cannot see it."""
        stem = self.stem(name)
        svg = ""
        if self.draws:
            svg = inline_svg(write_figure(draw(), self.folder / stem), stem, alt)
            self.written |= {self.folder / f"{stem}.svg", self.folder / f"{stem}.png"}
        return FigureBlock(Markup(svg), f"plots/{stem}", caption)

    def add_gallery(self, gallery: Gallery) -> GalleryBlock | None:
        """Write ``gallery`` as one PNG; the page gets its pictures one by one, as JPEG, as long as there is room."""
        stem = file_stem(f"{self.prefix}example_{gallery.level}", gallery.target)
        write_atomically(self.folder / f"{stem}.png", as_png(gallery.montage()))
        self.written.add(self.folder / f"{stem}.png")
        encoded = [[as_jpeg(picture) for picture in (one.clean, one.attacked)] for one in gallery.shown]
        size = sum(len(content) for pair in encoded for content in pair)
        if size > self.budget:
            return None
        self.budget -= size
        pairs = tuple(_pair(gallery, one, *pair) for one, pair in zip(gallery.shown, encoded, strict=True))
        return GalleryBlock(gallery.title, pairs, f"plots/{stem}")


def _pair(gallery: Gallery, one: Shown, clean: bytes, attacked: bytes) -> Pair:
    alt = f"{gallery.target}, person {one.person}"
    pictures = (
        _picture("clean", clean, one.clean.shape, f"{alt}: without occlusion, truth and prediction drawn"),
        _picture(one.fill, attacked, one.attacked.shape, f"{alt}: under {one.fill}, truth and both predictions drawn"),
    )
    return Pair(one.kind, one.caption, pictures)


def _picture(caption: str, content: bytes, shape: tuple[int, ...], alt: str) -> Picture:
    uri = "data:image/jpeg;base64," + base64.b64encode(content).decode("ascii")
    return Picture(caption, uri, shape[1], shape[0], alt)
