"""Every figure of one run: drawn, written to the plots folder, and made ready for the page."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from markupsafe import Markup
from matplotlib.figure import Figure

from .examples import Gallery, as_jpeg, as_png, galleries
from .files import file_stem, write_atomically
from .load import Run
from .plot_affected import plot_affected
from .plot_overall import plot_overall
from .plot_radius import plot_radius
from .style import inline_svg, write_figure
from .tables import Panel, RadiusCurve, Slice, TargetRow, main_slice, most_affected, overall_drops, radius_curves

Progress = Callable[[str], None]


@dataclass(frozen=True)
class FigureView:
    """A figure in the page. ``file`` names the SVG and PNG beside it, without extension."""

    svg: Markup
    file: str


@dataclass(frozen=True)
class PictureView:
    """A picture in the page, as a data URI."""

    caption: str
    uri: str
    width: int
    height: int


@dataclass(frozen=True)
class GalleryView:
    target: str
    image: str
    person: str
    pictures: tuple[PictureView, ...]
    file: str


@dataclass(frozen=True)
class LevelView:
    """Everything drawn and tabulated about the attacks of one level."""

    part: Slice
    rows: list[TargetRow]
    overall: FigureView
    panels: list[Panel]
    affected: FigureView
    curves: list[RadiusCurve]
    radius: FigureView | None
    galleries: list[GalleryView]
    notes: list[str] = field(default_factory=list)


class PlotFolder:
    """Where figures go: ``folder``/plots, every name starting with ``prefix``."""

    def __init__(self, folder: Path, prefix: str) -> None:
        self.folder = folder / "plots"
        self.prefix = prefix

    def add(self, figure: Figure, name: str, label: str) -> FigureView:
        """Write ``figure`` as SVG and PNG; ``label`` is its alternative text."""
        stem = file_stem(self.prefix + name)
        svg = write_figure(figure, self.folder / stem)
        return FigureView(Markup(inline_svg(svg, stem, label)), f"plots/{stem}")

    def add_gallery(self, gallery: Gallery, level: str) -> GalleryView:
        """Write ``gallery`` as one PNG; the page gets its pictures one by one, as JPEG."""
        stem = file_stem(f"{self.prefix}example_{level}", gallery.target)
        write_atomically(self.folder / f"{stem}.png", as_png(gallery.montage()))
        pictures = tuple(
            PictureView(
                p.caption,
                "data:image/jpeg;base64," + base64.b64encode(as_jpeg(p.pixels)).decode("ascii"),
                p.pixels.shape[1],
                p.pixels.shape[0],
            )
            for p in gallery.pictures
        )
        return GalleryView(gallery.target, gallery.image, gallery.person, pictures, f"plots/{stem}")


def draw_level(run: Run, level: str, plots: PlotFolder, progress: Progress) -> LevelView | None:
    """Draw all figures of ``level``; None when the run has no attack of that level."""
    part = main_slice(run, level)
    if part is None:
        return None
    rows = overall_drops(part)
    panels = most_affected(run, part)
    curves = radius_curves(run, level)
    progress(f"{level}: overall drops")
    overall = plots.add(
        plot_overall(rows, part.fills), f"overall_{level}", f"Bars: overall drop in AP points per {level} and fill"
    )
    progress(f"{level}: most affected keypoints")
    affected = plots.add(
        plot_affected(panels, part.fills),
        f"affected_{level}",
        f"Bars: the five most affected keypoints for each attacked {level}, by fill",
    )
    radius = None
    if curves:
        label = f"Lines: drop in AP points against the radius of the {level} attacks, by fill"
        radius = plots.add(plot_radius(curves), f"radius_{level}", label)
    progress(f"{level}: examples")
    drawn, notes = galleries(run, part)
    shown = [plots.add_gallery(gallery, level) for gallery in drawn]
    return LevelView(part, rows, overall, panels, affected, curves, radius, shown, notes)
