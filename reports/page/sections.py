"""The sections of one run, in the order in which they are read."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

from markupsafe import Markup

from ..figures.affected import plot_affected
from ..figures.body import Body, drawable, plot_bodies
from ..figures.confidence import plot_confidence
from ..figures.controls import plot_controls, plot_placements
from ..figures.dose import plot_mean_dose, plot_target_doses
from ..figures.matrix import plot_matrix
from ..figures.overall import plot_overall
from ..figures.pictures import galleries
from ..figures.style import MOST, MOST_PANELS
from ..findings.calibration import level_confidence
from ..findings.cell_rows import cell_rows
from ..findings.controls import at_main_radius, control_rows, has_controls, marker_effects
from ..findings.dose import dose_response
from ..findings.matrix import Matrix, matrix, most_affected
from ..findings.overall import TargetRow, clean_figures, overall_drops
from ..findings.sentences import confidence_sentences, dose_sentences, marker_evidence
from ..reading.load import LEVELS, Run
from ..reading.names import listed, number, short_name
from ..reading.published import comparable_losses
from ..reading.slices import Slice, clean_row, main_slice
from ..tables.found import READING as READING_FOUND
from ..tables.found import found_sentence, found_table
from ..tables.natural import READING, correlation_sentences, has_natural, natural_table
from ..tables.refinement import READING as READING_REFINEMENT
from ..tables.refinement import accuracy_table, attacked_table, has_refinement, joint_table, window_sentence
from ..tables.split import READING as READING_SPLIT
from ..tables.split import has_split, split_sentence, split_table
from ..tables.stages import READING as READING_STAGES
from ..tables.stages import collapsed_sentence, curve_table, has_stages, limb_table, stage_drops_table
from ..tables.tables import (
    affected_table,
    cells_table,
    clean_table,
    confidence_table,
    controls_table,
    dose_table,
    matrix_table,
    mean_dose_table,
    overall_table,
)
from ..tables.training import group_drops_table, groups_table, training_tables
from .answer import conditions, marker_reading
from .page import Block, Heading, Prose, Section, section
from .plots import PlotFolder
from .sections_photo import grouping_blocks
from .sections_world import errors_blocks, knows_blocks, shares_blocks
from .shared import level_title, table_block

UNCONTROLLED = Markup(
    "A centred attack cannot tell robustness from reading the occluder as a marker of what it hides; a run with "
    "<code>--placement centred,decoys:6,placebo</code> can."
)
HEDGE = (
    "Lines are 95 % intervals. Hatched: cannot be told from zero, by the interval and by p, corrected (Holm) over the "
    "drops of one level, radius and placement. Drops are differences of the exact area under the precision-recall "
    "curves; the printed AP reads these at 101 points, so that differences of printed APs can be off by .15 points."
)


def run_sections(run: Run, anchor: str, plots: PlotFolder) -> Iterator[Section]:
    """Draw and gather everything about ``run``; ids start with ``anchor``."""
    parts = [part for level in LEVELS if (part := main_slice(run, level))]
    made = (
        ("overall", "Overall drop", _overall(run, parts, plots)),
        ("found", "Who is not found any more", _found(run, parts, plots)),
        ("matrix", "Who suffers: hidden × affected", _matrices(run, parts, plots)),
        ("affected", "Most affected keypoints", _affected(run, parts, plots)),
        ("errors", "What the errors turn into", errors_blocks(run, parts, plots)),
        ("dose", "Size of the occluder", _doses(run, plots)),
        ("shares", "Share of the person hidden", shares_blocks(run, plots)),
        ("controls", "Robust, or reading the occluder as a marker?", _controls(run, plots)),
        ("confidence", "Confidence against occlusion", _confidence(run, parts, plots)),
        ("knows", "Does it know what is hidden?", knows_blocks(run, plots)),
        ("split", "What the boxes lose, and what the pose", _split(run, plots)),
        ("stages", "Does a second look help?", _stages(run, plots)),
        ("refinement", "Coarse and fine", _refinement(run, plots)),
        ("grouping", "People mixed up, or joints lost?", grouping_blocks(run, plots)),
        ("natural", "Natural beside synthetic occlusion", _natural(run, plots)),
        ("examples", "Examples", _examples(run, plots)),
        ("clean", "Without occlusion", _clean(run, plots)),
        ("cells", "All cells", _cells(run, plots)),
    )
    for name, title, blocks in made:
        found = section(anchor, name, title, list(blocks))
        if found is not None:
            yield found


def _bounded(n: int, what: str, most: int = MOST) -> str:
    return f" Shown are the {most} of {n} {what} with the largest drops; the table has all." if n > most else ""


def _overall(run: Run, parts: list[Slice], plots: PlotFolder) -> Iterator[Block]:
    for part in parts:
        rows = overall_drops(part)
        yield level_title(part)
        caption = f"What hiding one {part.level} costs over all keypoints, the hidden one included. "
        caption += (HEDGE if run.has_intervals else "") + _bounded(len(rows), f"{part.level}s")
        alt = f"Bars: overall drop in points per hidden {part.level} and fill. {_most(rows)}"
        yield plots.add(partial(plot_overall, rows, part.fills), f"overall_{part.level}", alt, caption)
        yield from _uncontrolled(run, part)
        published = comparable_losses(run, part.level)
        if published:
            yield Prose("Published losses are those of the thesis (text to Figs 5 and 7), rounded as printed.", "note")
        yield table_block(overall_table(part, rows, published), plots)
        groups = group_drops_table(run, part)
        if groups is not None:
            yield table_block(groups, plots)


def _most(rows: list[TargetRow]) -> str:
    known = [row for row in rows if not math.isnan(row.worst[1].value)]
    if not known:
        return "Nothing was measurable."
    top = max(known, key=lambda row: row.worst[1].value)
    fill, drop = top.worst
    return f"Largest: {short_name(top.target)} under {fill}, {number(drop.value, 1)}."


def _uncontrolled(run: Run, part: Slice) -> Iterator[Block]:
    if part.level == "keypoint" and not has_controls(run, "keypoint"):
        yield Prose(UNCONTROLLED, "note uncontrolled")


def _found(run: Run, parts: list[Slice], plots: PlotFolder) -> Iterator[Block]:
    if not run.manifest.model.sees_photos:
        return
    yield Prose(READING_FOUND)
    yield Prose(found_sentence(run, parts), "reading")
    for part in parts:
        yield table_block(found_table(part), plots)


def _matrices(run: Run, parts: list[Slice], plots: PlotFolder) -> Iterator[Block]:
    found = {part.level: [matrix(run, part, fill) for fill in part.fills] for part in parts}
    for part in parts:
        yield from _bodies(run, part, found[part.level], plots)
    by_fill: dict[str, list[Matrix]] = {}
    for matrices in found.values():
        for one in matrices:
            if one.rows and one.keypoints:
                by_fill.setdefault(one.fill, []).append(one)
    for fill, matrices in by_fill.items():
        yield Heading(f"Hidden by {fill}")
        caption = (
            "Drop of each keypoint's own AP, points: orange is a loss, blue a gain, framed what is hidden itself, "
            "the rest collateral. Keypoints and parts have a colour scale each. "
        )
        caption += "Grey numbers cannot be told from zero. " if run.has_intervals else ""
        caption += " ".join(_bounded(len(m.rows), f"{m.level}s").strip() for m in matrices)
        alt = (
            f"Matrix: drop of every keypoint's AP (columns) under {fill} of every {listed(m.level for m in matrices)} "
            "(rows)."
        )
        yield plots.add(partial(plot_matrix, matrices), f"matrix_{fill}", alt, caption)
        for one in matrices:
            yield table_block(matrix_table(one), plots)


def _bodies(run: Run, part: Slice, matrices: list[Matrix], plots: PlotFolder) -> Iterator[Block]:
    if not drawable(part.targets, part.level):
        return
    own = part.level == "keypoint"
    bodies = [Body(m.fill, {r.target: r.own_loss if own else r.overall for r in m.rows}) for m in matrices]
    what = "Loss of each keypoint when it is hidden itself" if own else "Overall drop when a part is hidden"
    yield Heading(f"{what}, {conditions(part)}")
    caption = f"{what}, points; the person faces you."
    caption += " Without colour: cannot be told from zero." if run.has_intervals else ""
    alt = (
        f"Body per fill ({listed(m.fill for m in matrices)}), coloured by the {'own loss' if own else 'overall drop'}."
    )
    yield plots.add(partial(plot_bodies, bodies, part.level), f"body_{part.level}", alt, caption)


def _affected(run: Run, parts: list[Slice], plots: PlotFolder) -> Iterator[Block]:
    for part in parts:
        panels = most_affected(run, part)
        yield level_title(part)
        caption = f"Per hidden {part.level} the five keypoints with the largest mean drop or gain of their own AP. "
        if part.level == "keypoint":
            caption += "● is the hidden keypoint itself. " + (HEDGE if run.has_intervals else "")
        else:
            caption += (
                "Remaining keypoints only: each is judged over the persons in whom it lies outside the painted "
                "region, so ● marks a keypoint of the part in persons in whom that keypoint was not covered."
            )
        caption += " n is n attacked (see How to read this); all panels share one scale."
        caption += _bounded(len(panels), f"{part.level}s", MOST_PANELS)
        alt = f"Bars: the five most affected keypoints for each hidden {part.level}, by fill."
        yield plots.add(partial(plot_affected, panels, part.fills), f"affected_{part.level}", alt, caption)
        yield table_block(affected_table(part, panels), plots)


def _doses(run: Run, plots: PlotFolder) -> Iterator[Block]:
    for level in LEVELS:
        dose = dose_response(run, level)
        if dose is None:
            continue
        yield Heading(f"{level.capitalize()} attacks")
        for sentence in dose_sentences(dose):
            yield Prose(sentence, "reading")
        counts = listed(f"{fill} {n}" for fill, n in dose.n_in_mean.items())
        caption = (
            f"Mean over the targets measured at every size ({counts}), with 95 % intervals where the run has them."
        )
        if dose.torso > 0:
            caption += (
                f" One torso length is {dose.torso:.0f} px, the median of {dose.n_torso} persons from shoulders to "
                "hips."
            )
        alt = f"Lines: mean drop in points against the size of the occluder, {level} attacks, by fill."
        yield plots.add(partial(plot_mean_dose, dose), f"dose_mean_{level}", alt, caption)
        yield table_block(mean_dose_table(dose), plots)
        caption = f"Overall drop of every hidden {level} as the occluder grows; one scale for all."
        caption += _bounded(len(dose.targets), f"{level}s", MOST_PANELS)
        alt = f"Small panels: drop against the size of the occluder, one per hidden {level}, one line per fill."
        yield plots.add(partial(plot_target_doses, dose), f"dose_{level}", alt, caption)
        yield table_block(dose_table(dose), plots)


def _controls(run: Run, plots: PlotFolder) -> Iterator[Block]:
    tables = [(level, rows) for level in LEVELS if (rows := control_rows(run, level))]
    if not tables:
        return
    yield Prose(
        "A disc on a keypoint hides it, but also shows where it is. A model whose training hid joints under such "
        "discs can learn to read them, and then finds a joint better when it is hidden. Equal discs elsewhere on the "
        "person (decoys) take that clue away; one disc elsewhere and none on the keypoint (placebo) shows what any "
        "hole costs."
    )
    caption = "The placements; the ring marks what is asked for and is not painted."
    alt = "Four bodies: nothing hidden; a disc on the elbow; the same among six decoys; one disc elsewhere."
    yield plots.add(plot_placements, "placements", alt, caption)
    for sentence in marker_reading(run):
        yield Prose(sentence, "reading")
    for level, rows in tables:
        yield Heading(f"{level.capitalize()} attacks")
        for effect in marker_effects(run, rows):
            yield Prose(marker_evidence(effect, level))
        caption = (
            "AP of what is hidden (of a part, the mean over its keypoints). The bar from decoys to centred is the "
            "marker effect: orange where the lone occluder is the better clue. Thin lines: 95 % intervals of centred "
            "and decoys."
        )
        if len({row.radius for row in rows}) > 1:
            caption += f" One size (r = {at_main_radius(rows)[0].radius:g} px); the table has all."
        alt = f"Dots: own AP of every hidden {level} under each placement, by fill."
        yield plots.add(partial(plot_controls, rows), f"controls_{level}", alt, caption)
        yield table_block(controls_table(level, rows), plots)
    yield Prose(
        "Marker effect = own AP (centred) − own AP (decoys). Placebo loss = clean − placebo. Leak-corrected loss = "
        "(clean − decoys) − n × placebo loss, n being the number of decoys: it takes n placebos to cost n times what "
        "one costs. Attraction: how many px nearer to an occluder's centre predictions come under the attack.",
        "note",
    )


def _confidence(run: Run, parts: list[Slice], plots: PlotFolder) -> Iterator[Block]:
    for part in parts:
        found = level_confidence(run, part)
        if found is None:
            continue
        yield level_title(part)
        for sentence in confidence_sentences(found):
            yield Prose(sentence, "reading")
        caption = (
            f"Pooled over the hidden {part.level}s. Left: distribution of the keypoint scores. Right: the similarity "
            "to the truth (exp(-e) as in OKS) behind each score; below the diagonal the model claims more than it "
            "delivers."
        )
        alt = "Lines: distribution and calibration of keypoint scores, clean, hidden and visible, by fill."
        yield plots.add(partial(plot_confidence, found), f"confidence_{part.level}", alt, caption)
        yield table_block(confidence_table(found, part.fills), plots)


def _split(run: Run, plots: PlotFolder) -> Iterator[Block]:
    if not has_split(run):
        return
    yield Prose(READING_SPLIT)
    yield Prose(split_sentence(run), "reading")
    yield table_block(split_table(run), plots)


def _stages(run: Run, plots: PlotFolder) -> Iterator[Block]:
    if not has_stages(run):
        return
    yield Prose(READING_STAGES)
    yield Prose(collapsed_sentence(run), "reading")
    for table in (curve_table(run), limb_table(run), stage_drops_table(run)):
        if table.rows:
            yield table_block(table, plots)


def _refinement(run: Run, plots: PlotFolder) -> Iterator[Block]:
    if not has_refinement(run):
        return
    yield Prose(READING_REFINEMENT)
    yield Prose(window_sentence(run), "reading")
    for table in (accuracy_table(run), joint_table(run), attacked_table(run)):
        if table.rows:
            yield table_block(table, plots)


def _natural(run: Run, plots: PlotFolder) -> Iterator[Block]:
    if not has_natural(run):
        return
    yield Prose(READING)
    for sentence in correlation_sentences(run):
        yield Prose(sentence, "reading")
    yield table_block(natural_table(run), plots)


def _examples(run: Run, plots: PlotFolder) -> Iterator[Block]:
    drawn = [(level, *galleries(run, level)) for level in LEVELS] if plots.draws else []
    if not any(found or notes for _, found, notes in drawn):
        return
    yield Prose(
        Markup(
            'Who lost most, the median and who gained most, by the change of OKS. <span class="line '
            'clean"></span>prediction without occlusion, <span class="line attacked"></span>under the attack, <span '
            'class="ring"></span>labelled truth '
            "(larger where hidden). Only labelled keypoints are drawn. These are single cases, not evidence."
        )
    )
    for level, found, notes in drawn:
        if found:
            yield Heading(f"{level.capitalize()} attacks")
        left_out = 0
        for gallery in found:
            block = plots.add_gallery(gallery)
            left_out += block is None
            if block is not None:
                yield block
        if left_out:
            yield Prose(f"Pictures of {left_out} more are files in plots/, to keep the page small.", "note")
        for note in notes:
            yield Prose(note, "note")


def _clean(run: Run, plots: PlotFolder) -> Iterator[Block]:
    row = clean_row(run)
    assert row is not None  # load_run refuses a run without it
    if run.metric == "AP":
        other = "data" if run.manifest.model.sees_photos else "data or boxes"
        yield table_block(clean_table(clean_figures(run), float(row["n"]), other), plots)
    groups = groups_table(run)
    if groups is not None:
        yield table_block(groups, plots)
    for table in training_tables([run], [run.manifest.model.name]):
        if any(row.note for row in table.rows):  # without published rows it says nothing that is not said above
            yield table_block(table, plots)


def _cells(run: Run, plots: PlotFolder) -> Iterator[Block]:
    rows = cell_rows(run)
    if rows:
        yield table_block(cells_table(rows), plots)
    else:
        yield Prose("The run has no attacked cell.", "note")
