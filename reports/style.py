"""The look of every figure, decided once: colours, names, the style sheet, and how a figure is written."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
from matplotlib import style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from .files import write_atomically

WIDTH = 9.4
"""Width of a figure, inches (the column of the page is 940 CSS px)."""

INK = "#1d232b"
MUTED = "#8a93a0"

# Okabe and Ito's colours: told apart under the common colour vision deficiencies, on white and on near-black.
FILL_COLOURS = {"blackout": "#0072B2", "meanout": "#E69F00", "blur": "#009E73"}
_OTHER_COLOURS = ("#CC79A7", "#D55E00", "#56B4E9")
RUN_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#8a93a0")

DASH = "–"
MINUS = "−"

_SIDES = {"left_": "L ", "right_": "R "}


def order_fills(fills: Iterable[str]) -> list[str]:
    """The fills in the order used everywhere: the known ones first, others by name."""
    known = list(FILL_COLOURS)
    return sorted(set(fills), key=lambda f: (known.index(f) if f in known else len(known), f))


def fill_colour(fill: str) -> str:
    """The colour of ``fill``, the same in every figure."""
    if fill in FILL_COLOURS:
        return FILL_COLOURS[fill]
    return _OTHER_COLOURS[sum(fill.encode()) % len(_OTHER_COLOURS)]


def short_name(name: str) -> str:
    """A target's or keypoint's name for an axis: ``left_ankle`` becomes ``L ankle``."""
    for prefix, short in _SIDES.items():
        if name.startswith(prefix):
            return short + name[len(prefix) :].replace("_", " ")
    return name.replace("_", " ")


def number(value: float, digits: int) -> str:
    """``value`` with ``digits`` decimals and a true minus; an en dash for NaN."""
    if math.isnan(value):
        return DASH
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("-")  # no minus zero
    return text.replace("-", MINUS)


@contextmanager
def styled() -> Iterator[None]:
    """Matplotlib's defaults with occbench.mplstyle on top, whatever the user's own matplotlibrc says."""
    with mpl.rc_context():
        mpl.rcdefaults()
        style.use(Path(__file__).with_name("occbench.mplstyle"))
        yield


def new_figure(width: float, height: float, padding: float = 0.04) -> Figure:
    """An empty figure of ``width`` x ``height`` inches, outside pyplot, so nothing global holds it.

    ``padding`` (inches) is kept around every axes.
    """
    layout = ConstrainedLayoutEngine(h_pad=padding, w_pad=padding)
    figure = Figure(figsize=(width, height), layout=layout)
    FigureCanvasAgg(figure)
    return figure


def write_figure(figure: Figure, stem: Path) -> str:
    """Write ``stem``.svg and ``stem``.png and return the SVG's text; the same figure gives the same bytes."""
    vector, raster = io.StringIO(), io.BytesIO()
    with styled():
        figure.savefig(vector, format="svg", metadata={"Date": None, "Creator": None})
        figure.savefig(raster, format="png", metadata={"Software": None})
    svg = vector.getvalue()
    write_atomically(stem.with_name(stem.name + ".svg"), svg.encode())
    write_atomically(stem.with_name(stem.name + ".png"), raster.getvalue())
    return svg


def inline_svg(svg: str, prefix: str, label: str) -> str:
    """``svg`` ready to stand inside HTML.

    Its ids get ``prefix`` (two figures in one page may not share an id), its ink follows the page's colours, its
    white ground goes, and it says what it shows (``label``) to those who cannot see it.
    """
    body = svg[svg.index("<svg") :]
    body = re.sub(r"\s*<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'\bid="', f'id="{prefix}-', body)
    body = body.replace("url(#", f"url(#{prefix}-").replace('xlink:href="#', f'href="#{prefix}-')
    body = re.sub(r' xmlns(:\w+)?="[^"]*"', "", body)
    body = re.sub(r' (width|height)="[^"]*pt"', "", body, count=2)
    body = body.replace(INK, "var(--ink)").replace(MUTED, "var(--axis)").replace("#ffffff", "none")
    return body.replace("<svg", f'<svg role="img" aria-label="{_attribute(label)}"', 1)


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
