"""The look of every figure, decided once: colours, names, the style sheet, and how a figure is written."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
from markupsafe import escape
from matplotlib import style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from ..files import write_atomically

WIDTH = 9.4
"""Width of a figure, inches (the column of the page is 940 CSS px)."""

INK = "#1d232b"
MUTED = "#8a93a0"
PAPER = "#fefefe"
"""What a figure stands on, for shapes that cover others; the page's own ground where it stands in the page."""

# Okabe and Ito's colours: told apart under the common colour vision deficiencies, on white and on near-black.
FILL_COLOURS = {"blackout": "#0072B2", "meanout": "#E69F00", "blur": "#009E73"}
FILL_COLOURS |= {"noise": "#CC79A7", "inpaint": "#D55E00", "person": "#56B4E9", "object": "#7a5c3e"}
_OTHER_COLOURS = ("#CC79A7", "#D55E00", "#56B4E9")
RUN_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#8a93a0")

LOSS, GAIN = "#d55e00", "#0072b2"
"""Of drops by their sign, where colour does not stand for a fill."""

MOST = 40
"""Targets that a figure shows at most; the tables beside it have all."""

MOST_PANELS = 24
"""The same of figures with a panel for each target."""


def fill_colour(fill: str) -> str:
    """The colour of ``fill``, the same in every figure."""
    if fill in FILL_COLOURS:
        return FILL_COLOURS[fill]
    return _OTHER_COLOURS[sum(fill.encode()) % len(_OTHER_COLOURS)]


@contextmanager
def styled() -> Iterator[None]:
    """Matplotlib's defaults with occbench.mplstyle on top, whatever the user's own matplotlibrc says."""
    with mpl.rc_context():
        mpl.rcdefaults()
        style.use(Path(__file__).with_name("occbench.mplstyle"))
        yield


def new_figure(width: float, height: float, padding: float | None = 0.04) -> Figure:
    """An empty figure of ``width`` x ``height`` inches, outside pyplot, so nothing global holds it.

    ``padding`` (inches) is kept around every axes; None for a figure that is laid out by hand.
    """
    layout = None if padding is None else ConstrainedLayoutEngine(h_pad=padding, w_pad=padding)
    figure = Figure(figsize=(width, height), layout=layout)
    FigureCanvasAgg(figure)
    return figure


def write_figure(figure: Figure, stem: Path) -> str:
    """Write ``stem``.svg and ``stem``.png and return the SVG's text; the same figure gives the same bytes."""
    vector, raster = io.StringIO(), io.BytesIO()
    with styled():
        if figure.get_layout_engine() is not None:
            figure.draw_without_rendering()
            figure.set_layout_engine(None)  # laid out once is enough
        figure.savefig(vector, format="svg", metadata={"Date": None, "Creator": None})
        figure.savefig(raster, format="png", metadata={"Software": None})
    svg = _slim(vector.getvalue())
    write_atomically(stem.with_name(stem.name + ".svg"), svg.encode())
    write_atomically(stem.with_name(stem.name + ".png"), raster.getvalue())
    return svg


def _slim(svg: str) -> str:
    """Without comments, metadata and the ids that nothing refers to."""
    svg = re.sub(r"\s*<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', svg))
    return re.sub(r' id="([^"]*)"', lambda m: m[0] if m[1] in used else "", svg)


def inline_svg(svg: str, prefix: str, label: str) -> str:
    """``svg`` ready to stand inside HTML.

    Its ids get ``prefix`` (two figures in one page may not share an id), its ink follows the page's colours, its
    white ground goes, and it says what it shows (``label``) to those who cannot see it.
    """
    body = svg[svg.index("<svg") :]
    width = float(re.search(r' width="([\d.]+)pt"', body)[1]) / 0.72  # type: ignore[index]  # matplotlib writes it
    body = re.sub(r' id="', f' id="{prefix}-', body)
    body = body.replace("url(#", f"url(#{prefix}-").replace('xlink:href="#', f'href="#{prefix}-')
    body = re.sub(r' xmlns(:\w+)?="[^"]*"', "", body)
    body = re.sub(r' (width|height)="[^"]*pt"', "", body, count=2)
    body = body.replace(INK, "var(--ink)").replace(MUTED, "var(--axis)").replace("#ffffff", "none")
    body = body.replace(PAPER, "var(--paper)")
    return body.replace("<svg", f'<svg role="img" aria-label="{escape(label)}" style="--natural:{width:.0f}px"', 1)
