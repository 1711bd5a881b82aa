"""The tables of the report, from the numbers behind them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ..findings.calibration import Calibration, LevelConfidence
from ..findings.cell_rows import CellRow
from ..findings.controls import CLEAN, NO_ESTIMATE, ControlRow, decoys_in, placements_in
from ..findings.dose import THRESHOLDS, Dose
from ..findings.matrix import Matrix, Panel
from ..findings.overall import CleanFigure, TargetRow
from ..reading.drops import NO_DROP
from ..reading.names import number
from ..reading.slices import Slice
from .table import Column, Radius, Row, Table, Value

_PAGE_ROWS = 150
"""Rows of a folded table that the page shows; its files have all."""

_CELLS = 2000


def _key(name: str) -> str:
    """``name`` as part of a CSV column's name."""
    return "".join(c if c.isalnum() else "_" for c in name)


def _fills(fills: Sequence[str], group: str = "") -> list[Column]:
    return [Column(_key(fill), fill, "points", fill, group) for fill in fills]


def clean_table(figures: Sequence[CleanFigure], n: float, other: str = "data or boxes") -> Table:
    """COCO's ten figures of the clean cell, beside the published ones (of ``other`` data) where there are any."""
    published = any(not math.isnan(f.published) for f in figures)
    rows = [Row(("measured", *(f.measured for f in figures)))]
    said = f"COCO's ten figures without occlusion, n = {n:.0f} persons."
    if published:
        rows.append(Row(("published", *(f.published for f in figures)), note=f"on other {other}"))
        said += f" The published figures were measured on other {other} and stand here for orientation only."
    columns = [Column("figures", ""), *(Column(f.column, f.name, "ap") for f in figures)]
    return Table("clean", said, tuple(columns), tuple(rows))


def overall_table(part: Slice, rows: Sequence[TargetRow], published: Mapping[tuple[str, str], float]) -> Table:
    """Overall drop per target and fill; published losses in a column of their own."""
    columns = [
        Column("target", f"hidden {part.level}"),
        Column("n_attacked", "n attacked", "count"),
        *_fills(part.fills),
    ]
    shown = [fill for fill in part.fills if any(f == fill for _, f in published)]
    columns += [Column(f"published_{_key(f)}", f, "points", f, "published (thesis)") for f in shown]
    found = [
        Row(
            (
                row.target,
                row.n_attacked,
                *(row.drops[fill] for fill in part.fills),
                *(published.get((row.target, fill), math.nan) for fill in shown),
            ),
            {"target": row.target},
        )
        for row in rows
    ]
    caption = f"Overall drop per hidden {part.level}, points [95 % interval]."
    return Table(f"overall_{part.level}", caption, tuple(columns), tuple(found), tinted=True)


def matrix_table(found: Matrix) -> Table:
    """The interaction matrix of one level and fill; rows with the largest overall drop first where there are many."""
    columns = [Column("target", f"hidden {found.level}"), Column("all", "all keypoints", "points", intervals=False)]
    columns += [Column(_key(k), k, "points", intervals=False) for k in found.keypoints]
    rows = [
        Row((row.target, row.overall, *(row.drops[k] for k in found.keypoints)), {"target": row.target})
        for row in found.rows
    ]
    caption = f"Drop of each keypoint's AP when a {found.level} is hidden by {found.fill}, points."
    name = f"matrix_{found.level}_{_key(found.fill)}"
    return Table(name, caption, tuple(columns), tuple(rows), folded=True, tinted=True, shown=_PAGE_ROWS)


def affected_table(part: Slice, panels: Sequence[Panel]) -> Table:
    """The most affected keypoints of every target."""
    columns = [
        Column("target", "hidden"),
        Column("keypoint", "affected keypoint"),
        Column("own", ""),
        Column("n", "n", "count"),
    ]
    rows = [
        Row(
            (panel.target, k.keypoint, "●" if k.own else "", k.n, *(k.drops.get(f, NO_DROP) for f in part.fills)),
            {"target": panel.target, "keypoint": k.keypoint},
        )
        for panel in panels
        for k in panel.keypoints
    ]
    caption = f"The five most affected keypoints per hidden {part.level}, points. ● belongs to what is hidden."
    name = f"affected_{part.level}"
    return Table(name, caption, (*columns, *_fills(part.fills)), tuple(rows), folded=True, shown=_PAGE_ROWS)


def mean_dose_table(dose: Dose) -> Table:
    """Mean drop by radius and fill."""
    rows = []
    for place, radius in enumerate(dose.radii):
        values: list[Value] = [radius]
        if dose.torso > 0:
            values.append(radius / dose.torso)
        for curve in dose.means:
            values.append(curve.drops[curve.radii.index(radius)] if radius in curve.radii else NO_DROP)
        rows.append(Row(tuple(values), {"radius": f"{dose.radii[place]:g}"}))
    size = "radius" if dose.level == "keypoint" else "margin"
    columns = [Column("radius", f"{size}, px", "px")]
    if dose.torso > 0:
        columns.append(Column("torsos", "in torso lengths", "plain"))
    caption = f"Mean drop over the {dose.level}s by {size}, points."
    return Table(f"dose_mean_{dose.level}", caption, (*columns, *_fills(dose.fills)), tuple(rows))


def dose_table(dose: Dose) -> Table:
    """Area under the curve and critical radii of every target and fill, the means first."""
    columns = [
        Column("target", f"hidden {dose.level}"),
        Column("fill", "fill"),
        Column("area", "area", "points"),
        *(Column(f"critical_{t:g}", f"{t:g}", "px", group="first exceeds (points) at, px") for t in THRESHOLDS),
    ]
    rows = []
    for curve in (*dose.means, *dose.curves):
        ends = {"least": curve.radii[0], "most": curve.radii[-1]}
        critical = [curve.critical(t) for t in THRESHOLDS]
        radii = [Radius(c.value, c.low, c.high, **ends) for c in critical]
        name = curve.target or "mean over all"
        rows.append(Row((name, curve.fill, curve.area, *radii), {"target": name, "fill": curve.fill}))
    caption = (
        f"Area under the curve from {dose.radii[0]:g} to {dose.radii[-1]:g} px (points × px), and the size at which "
        "the drop first exceeds 1, 5 and 10 points, linear between the measured sizes."
    )
    return Table(f"dose_{dose.level}", caption, tuple(columns), tuple(rows), folded=True, shown=_PAGE_ROWS)


def controls_table(level: str, rows: Sequence[ControlRow]) -> Table:
    """Own AP under each placement, and what follows from them."""
    placements = placements_in(rows)
    decoys = [p for p in placements if decoys_in(p)]
    several = len(decoys) > 1

    def head(name: str, placement: str) -> str:
        return f"{name}, {placement}" if several else name

    columns = [Column("target", f"hidden {level}"), Column("fill", "fill"), Column("radius", "r, px", "px")]
    columns += [Column(f"own_ap_{_key(p)}", p, "ap", group="own AP", intervals=False) for p in (CLEAN, *placements)]
    group = "points"
    columns += [Column(f"marker_{_key(p)}", head("marker effect", p), "points", group=group) for p in decoys]
    columns.append(Column("placebo_loss", "placebo loss", "points", group=group))
    columns += [Column(f"corrected_{_key(p)}", head("leak-corrected loss", p), "points", group=group) for p in decoys]
    pulls = [p for p in placements if any(not math.isnan(r.attraction.get(p, math.nan)) for r in rows)]
    aside = [p for p in placements if any(not math.isnan(r.attraction_decoys.get(p, math.nan)) for r in rows)]
    columns += [
        Column(f"attraction_{_key(p)}", p, "points", group="attraction to the true occluder, px") for p in pulls
    ]
    columns += [Column(f"attraction_elsewhere_{_key(p)}", p, "points", group="to those elsewhere, px") for p in aside]
    found = []
    for row in rows:
        values: list[Value] = [row.target, row.fill, row.radius]
        values += [row.own_ap.get(p, NO_ESTIMATE) for p in (CLEAN, *placements)]
        values += [row.marker_effect.get(p, NO_DROP) for p in decoys]
        values.append(row.placebo_loss)
        values += [row.corrected_loss.get(p, NO_DROP) for p in decoys]
        values += [row.attraction.get(p, math.nan) for p in pulls]
        values += [row.attraction_decoys.get(p, math.nan) for p in aside]
        found.append(Row(tuple(values), {"target": row.target, "fill": row.fill}))
    caption = f"What is hidden, found under each placement: {level} attacks."
    return Table(f"controls_{level}", caption, tuple(columns), tuple(found), shown=_CELLS)


def confidence_table(found: LevelConfidence, fills: Sequence[str]) -> Table:
    """Scores and what they are worth, pooled and by target."""
    columns = [
        Column("target", f"hidden {found.level}"),
        Column("fill", "fill"),
        Column("keypoints", "keypoints"),
        Column("n", "n", "count"),
        Column("score", "mean score", "plain"),
        Column("similarity", "mean similarity", "plain"),
        Column("error", "calibration error", "plain"),
    ]
    ceiling = "" if found.clean is None or math.isnan(found.clean.ceiling) else number(found.clean.ceiling, 2)

    def row(target: str, fill: str, group: str, c: Calibration) -> Row:
        values = (target, fill, group, float(c.n), c.mean_score, c.mean_similarity, c.error)
        return Row(values, {"target": target, "fill": fill, "keypoints": group})

    rows = [] if found.clean is None else [row("nothing", "", "all", found.clean)]
    for fill in fills:
        rows += [row("each in turn", fill, "hidden", found.hidden[fill])] if fill in found.hidden else []
        rows += [row("each in turn", fill, "visible", found.visible[fill])] if fill in found.visible else []
    rows += [row(target, fill, "hidden", c) for (target, fill), c in found.targets.items()]
    caption = (
        "Keypoint scores, the similarity to the truth behind them (exp(-e) as in OKS), and the expected calibration "
        "error [95 % interval], of several cells the mean."
    )
    if ceiling:
        caption += f" Predictions where COCO's annotators mean would have a mean similarity of {ceiling}, no more."
    return Table(f"confidence_{found.level}", caption, tuple(columns), tuple(rows), folded=True, shown=_PAGE_ROWS)


def cells_table(rows: Sequence[CellRow]) -> Table:
    """Every attacked cell."""
    columns = (
        Column("level", "level"),
        Column("target", "target"),
        Column("fill", "fill"),
        Column("radius", "r, px", "px"),
        Column("placement", "placement"),
        Column("n", "n", "count"),
        Column("n_attacked", "attacked", "count"),
        Column("n_short", "short of decoys", "count"),
        Column("ap", "AP", "ap"),
        Column("drop", "drop", "points"),
        Column("own", "own loss", "points", intervals=False),
        Column("worst", "worst collateral", "points", intervals=False),
        Column("worst_keypoint", "of"),
    )
    found = [
        Row(
            (
                *(row.level, row.target, row.fill, row.radius, row.placement, row.n, row.n_attacked, row.n_short),
                *(row.ap, row.drop, row.own, row.worst, row.worst_keypoint),
            ),
            {
                "level": row.level,
                "target": row.target,
                "fill": row.fill,
                "radius": f"{row.radius:g}",
                "placement": row.placement,
            },
        )
        for row in rows
    ]
    caption = (
        "AP and drop are over all keypoints; own loss is the drop of what is hidden (of a part, the mean over its "
        "keypoints), worst collateral the largest drop of any other keypoint."
    )
    kept = tuple(c for c in columns if c.key != "n_short" or any(row.n_short > 0 for row in rows))
    if len(kept) < len(columns):
        place = [c.key for c in columns].index("n_short")
        found = [Row((*r.values[:place], *r.values[place + 1 :]), r.keys) for r in found]
    return Table("cells", caption, kept, tuple(found), shown=_CELLS)
