"""The page: what the template is given and how numbers are written in it."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from .controls import ControlRow, control_rows, decoys_in, has_controls, mean_marker_effect, placements_in
from .figures import FigureView, LevelView
from .load import LEVELS, Run
from .style import DASH, fill_colour, number, short_name
from .tables import (
    CellRow,
    CleanFigure,
    Drop,
    MeanDrop,
    cell_rows,
    clean_figures,
    clean_row,
    main_slice,
    mean_drops,
)


@dataclass(frozen=True)
class Controls:
    """The control table of one level. ``effects``: one row per fill and decoy placement, see mean_marker_effect."""

    level: str
    rows: list[ControlRow]
    placements: list[str]
    effects: pd.DataFrame

    @property
    def decoys(self) -> list[str]:
        """The placements with decoys."""
        return [p for p in self.placements if decoys_in(p)]


@dataclass(frozen=True)
class RunView:
    """One run, as the template shows it. ``id`` starts every anchor of its section."""

    id: str
    label: str
    run: Run
    facts: list[tuple[str, str]]
    figures: list[CleanFigure]
    n_clean: float
    clean_interval: tuple[float, float]
    means: list[MeanDrop]
    levels: list[LevelView]
    controls: list[Controls]
    uncontrolled: bool
    cells: list[CellRow]
    notes: list[str] = field(default_factory=list)

    @property
    def has_published(self) -> bool:
        return any(not math.isnan(f.published) for f in self.figures)


@dataclass(frozen=True)
class Comparison:
    """Several runs beside each other. ``columns``: the (level, fill) pairs that any of them has."""

    columns: list[tuple[str, str]]
    figures: list[tuple[str, FigureView]]
    differences: list[str]


def view_run(run: Run, label: str, anchor: str, levels: Sequence[LevelView]) -> RunView:
    """Gather what the page says about ``run``; ``levels`` are its drawn figures."""
    row = clean_row(run)
    assert row is not None  # load_run refuses a run without it
    controls = []
    for level in LEVELS:
        rows = control_rows(run, level)
        if rows:
            controls.append(Controls(level, rows, placements_in(rows), mean_marker_effect(rows)))
    keypoint_attacks = bool((run.cells["level"] == "keypoint").any())
    return RunView(
        id=anchor,
        label=label,
        run=run,
        facts=run_facts(run),
        figures=clean_figures(run),
        n_clean=float(row["n"]),
        clean_interval=(float(row["ap_lo"]), float(row["ap_hi"])),
        means=mean_drops(run),
        levels=list(levels),
        controls=controls,
        uncontrolled=keypoint_attacks and not has_controls(run, "keypoint"),
        cells=cell_rows(run),
        notes=[*run.notes, *(note for level in levels for note in level.notes)],
    )


def run_facts(run: Run) -> list[tuple[str, str]]:
    """What was measured on what, as (term, description)."""
    m = run.manifest
    model = m.model.name
    if m.model.input_size:
        model += f", input {m.model.input_size[0]} × {m.model.input_size[1]} px"
    facts = [("Model", model)]
    if m.model.weights_sha256:
        facts.append(("Weights", f"sha256 {m.model.weights_sha256[:12]}"))
    data = f"{m.data.name}: {m.data.n_persons} persons in {m.data.n_images} images"
    if m.data.limit is not None:
        data += f" (limited to {m.data.limit})"
    if m.data.skipped_images:
        data += f"; unreadable images skipped: {len(m.data.skipped_images)}"
    facts += [("Data", data), ("Boxes", _boxes_fact(run)), ("Protocol", m.protocol)]
    if m.model.flip is not None:
        facts.append(("Flip test", "on" if m.model.flip else "off"))
    if m.seed is not None:
        facts.append(("Seed", str(m.seed)))
    made = f"occbench {m.occbench}"
    if m.created:
        made += f", {m.created}"
    if m.wall_seconds is not None:
        made += f", {_duration(m.wall_seconds)}"
    facts.append(("Made by", made))
    if m.command:
        facts.append(("Command", shlex.join(m.command)))
    return facts


def _boxes_fact(run: Run) -> str:
    boxes = run.manifest.boxes
    if boxes.source == "gt":
        return "ground truth"
    counts = [("matched", boxes.matched), ("unmatched, left clean", boxes.unmatched), ("persons missed", boxes.missed)]
    said = ", ".join(f"{n} {what}" for what, n in counts if n is not None)
    source = boxes.source + (f" ({Path(boxes.file).name})" if boxes.file else "")
    return f"{source}: {said}" if said else source


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def run_labels(runs: Sequence[Run]) -> list[str]:
    """A name for each run: its model, with what else tells it from the others, and a number if nothing does."""
    parts = [
        [r.manifest.model.name, r.manifest.boxes.source, r.manifest.protocol, r.manifest.data.name, r.path.name]
        for r in runs
    ]
    labels = [p[0] for p in parts]
    for place in range(1, 5):
        repeated = {label for label in labels if labels.count(label) > 1}
        varied = {
            label: len({p[place] for p, own in zip(parts, labels, strict=True) if own == label}) for label in repeated
        }
        labels = [f"{own}, {p[place]}" if varied.get(own, 1) > 1 else own for p, own in zip(parts, labels, strict=True)]
    return [f"{own} ({i + 1})" if labels.count(own) > 1 else own for i, own in enumerate(labels)]


def differences(runs: Sequence[Run]) -> list[str]:
    """In what the runs differ besides the model, so that a reader does not compare unlike with unlike."""
    aspects: dict[str, set[Any]] = {
        "data": {(r.manifest.data.name, r.manifest.data.n_persons) for r in runs},
        "boxes": {(r.manifest.boxes.source, r.manifest.boxes.file) for r in runs},
        "protocol": {r.manifest.protocol for r in runs},
        "flip test": {r.manifest.model.flip for r in runs},
    }
    for level in LEVELS:
        parts = [p for p in (main_slice(r, level) for r in runs) if p is not None]
        aspects[f"radius or placement of the {level} attacks"] = {(p.radius, p.placement) for p in parts}
        aspects[f"attacked {level}s"] = {p.targets for p in parts}
    return [name for name, values in aspects.items() if len(values) > 1]


def render(title: str, views: Sequence[RunView], comparison: Comparison | None) -> str:
    """The whole page as one HTML document without anything outside it."""
    folder = Path(__file__).with_name("templates")
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        ap=lambda v: number(v, 4),
        points=lambda v: number(v, 2),
        count=count,
        short=short_name,
        radius=lambda v: f"{v:g}",
    )
    environment.globals.update(drop=drop_cell, fill_colour=fill_colour, isnan=math.isnan, nan=math.nan)
    css = Markup((folder / "report.css").read_text(encoding="utf-8"))
    page = environment.get_template("report.html.j2")
    return page.render(title=title, views=views, comparison=comparison, css=css)


def count(value: float | None) -> str:
    """A number of persons; an en dash when there is none."""
    return DASH if value is None or math.isnan(value) else f"{value:.0f}"


def drop_cell(drop: Drop | float, largest: float = math.nan) -> Markup:
    """A table cell for a drop: number, interval, and a tint by its share of ``largest``, losses and gains apart."""
    drop = drop if isinstance(drop, Drop) else Drop(drop)
    classes = ["num"]
    style = ""
    if not math.isnan(drop.value):
        classes += ["loss" if drop.value > 0 else "gain"]
        share = abs(drop.value) / largest if largest > 0 else 0.0
        style = f"--t:{100 * min(share, 1.0):.0f}%"
    if drop.indistinct:
        classes.append("indistinct")
    interval = ""
    if drop.has_interval:
        interval = f" <small>{number(drop.low, 1)} to {number(drop.high, 1)}</small>"
    raw = "" if math.isnan(drop.value) else repr(drop.value)
    return Markup(
        f'<td class="{" ".join(classes)}" data-value="{raw}" style="{escape(style)}">'
        f"{number(drop.value, 2)}{interval}</td>"
    )
