"""The sections about several runs: what tells them apart."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial

from occbench.evaluation.changes import Compared
from occbench.tables.floor import nothing_to_lose

from ..figures.compare import plot_by_boxes, plot_dots, plot_mean_drops, plot_robustness, plot_targets
from ..figures.style import MOST
from ..findings.changes import comparison_caveats, comparison_reading
from ..findings.compare import LevelComparison, boxes_label, compare_level, differences, recipe_label
from ..findings.controls import Estimate, control_rows, marker_effects
from ..findings.overall import clean_figures
from ..findings.sentences import marker_evidence, marker_verdicts
from ..reading.drops import NO_DROP
from ..reading.load import LEVELS, Run
from ..reading.names import listed, order_fills
from ..reading.published import BY_DETECTOR, detector, is_hrnet_w32, on_val2017
from ..reading.slices import clean_row, main_slice
from ..tables.changes import KEY, ap_table, clean_changes, groups_table, key_table, saving, target_tables
from ..tables.table import Column, Row, Table, Value
from ..tables.training import training_tables
from .answer import SYNTHETIC
from .page import Answer, Block, Heading, Prose, Section, TableBlock, section
from .plots import PlotFolder
from .shared import table_block

ANCHOR = "compare"


def comparison_sections(
    runs: Sequence[Run],
    labels: Sequence[str],
    plots: PlotFolder,
    compared: Sequence[Compared] = (),
    short: bool = False,
) -> Iterator[Section]:
    """Draw and gather everything about ``runs`` beside each other; ``compared``: models against a baseline.

    The ``short`` form has what is said of models against a baseline, and no more.
    """
    made: list[tuple[str, str, Iterator[Block]]] = [
        ("less", "Target by target: what is lost less", _less(compared, plots, short)),
        ("changes", "AP with and without attack", _changes(runs, labels, compared, plots, short)),
    ]
    if not short:
        levels = [found for level in LEVELS if (found := compare_level(runs, labels, level))]
        made += [
            ("robustness", "Robustness side by side", _robustness(runs, labels, levels, plots)),
            ("targets", "Target by target: drops", _targets(levels, labels, plots)),
            ("markers", "Marker effect side by side", _markers(runs, labels)),
            ("training", "Without occlusion, by training", _training(runs, labels, compared, plots)),
            ("boxes", "By the source of the boxes", _boxes(runs, plots)),
        ]
    for name, title, blocks in made:
        whole = section(ANCHOR, name, title, list(blocks))
        if whole is not None:
            yield whole


def comparison_answer(runs: Sequence[Run], labels: Sequence[str], compared: Sequence[Compared]) -> Answer:
    """The first screen of several runs: who is compared on what, which loses less, and what must be kept in mind."""
    first = comparison_reading(compared) or [
        "Which of these runs loses less is not said here: `occbench compare` tells, by intervals paired by photo."
    ]
    return Answer(
        SYNTHETIC if any(run.manifest.data.synthetic for run in runs) else "",
        tuple(first),
        (),
        tuple(_facts(runs, labels, compared)),
        (*_floors(runs, labels), *comparison_caveats(compared), *comparison_notes(runs)),
        (TableBlock(key_table(compared), f"tables/{KEY}"),) if compared else (),
    )


def _floors(runs: Sequence[Run], labels: Sequence[str]) -> list[str]:
    """The runs that have nothing left to lose."""
    found = [(label, nothing_to_lose(run.cells)) for run, label in zip(runs, labels, strict=True)]
    return [f"{label}: {said}" for label, said in found if said is not None]


def comparison_title(labels: Sequence[str], compared: Sequence[Compared]) -> str:
    """``partmix and cutout against none, under occlusion``."""
    names = list(dict.fromkeys(one.group.name for one in compared))
    bases = list(dict.fromkeys(one.baseline.name for one in compared))
    if not names or len(names) > 3 or len(bases) > 1:
        return f"{len(labels)} runs under occlusion"
    return f"{listed(names)} against {bases[0]}, under occlusion"


def _facts(runs: Sequence[Run], labels: Sequence[str], compared: Sequence[Compared]) -> list[tuple[str, str]]:
    """What was measured on what, and what the words mean; nothing that differs from machine to machine."""
    first = runs[0].manifest
    bases = {labels[place] for one in compared for place in one.baseline.runs}
    models = [_about(run, label, label in bases) for run, label in zip(runs, labels, strict=True)]
    facts = [("Models", "; ".join(models[:_NAMED]) + ("" if len(models) <= _NAMED else "; ..."))]
    data = dict.fromkeys(
        f"{r.manifest.data.name}, {r.manifest.data.n_persons} persons in {r.manifest.data.n_images} photos"
        for r in runs
    )
    facts.append(("Data", "; ".join(data)))
    facts.append(("Boxes", listed(dict.fromkeys(_boxes_words(run) for run in runs))))
    hidden = dict.fromkeys(
        _HIDDEN[level].format(part.size)
        for level in LEVELS
        for run in runs
        if (part := main_slice(run, level)) is not None
    )
    if hidden:
        fills = order_fills(fill for run in runs for fill in run.cells["fill"] if fill)
        facts.append(("Hidden", "; ".join(hidden)))
        facts.append(("Painted", "; ".join(f"{fill}: {_FILLS[fill]}" for fill in fills if fill in _FILLS)))
    dates = sorted({run.manifest.created[:10] for run in runs if run.manifest.created})
    if dates:
        facts.append(("Date", " to ".join(dict.fromkeys((dates[0], dates[-1])))))
    facts.append(("Protocol", f"{first.protocol}; {_SCOPES[first.scope]} is hidden"))
    facts.append(
        ("AP", "COCO's average precision of keypoints: 1 where every person is found with every keypoint in place")
    )
    facts.append(("Points", "AP × 100. A drop is clean minus attacked AP: what hiding costs. Brackets: 95 % interval"))
    return facts


_NAMED = 6
"""Runs that the first screen names; the table of models has all."""
_HIDDEN = {
    "keypoint": "one keypoint at a time, by a disc of r = {}",
    "part": "one part at a time, by its rectangle with a margin of {}",
}
_FILLS = {"blackout": "black", "meanout": "in the mean colour", "blur": "blurred"}
_SCOPES = {"person": "the person in the crop", "image": "everybody in the photo"}


def _about(run: Run, label: str, baseline: bool) -> str:
    """``partmix: hrnet-mini, trained with partmix``."""
    name = run.manifest.model.name
    words = [] if name == label else [name]
    recipe = run.manifest.model.augmentation
    if recipe is not None:
        words.append("trained without occlusion" if recipe.name == "none" else f"trained with {recipe_label(run)}")
    about = f"{label} (baseline)" if baseline else label
    return f"{about}: {', '.join(words)}" if words else about


def _boxes_words(run: Run) -> str:
    label = boxes_label(run)
    return "ground truth" if label == "gt" else label


def comparison_notes(runs: Sequence[Run]) -> list[str]:
    """What a reader must keep in mind when comparing ``runs``."""
    found = differences(runs)
    said = [f"These runs also differ in: {', '.join(found)}. Compare their drops with that in mind."] if found else []
    sizes = dict.fromkeys(run.manifest.model.measure for run in runs if run.manifest.model.measure)
    in_px = any(math.isnan(p.share) for level in LEVELS for run in runs if (p := main_slice(run, level)) is not None)
    if len(sizes) > 1 and in_px:
        listing = listed(f"{width} × {height}" for width, height in sizes)
        said.append(
            f"The networks' inputs differ ({listing} px): a radius in px hides a larger share of a smaller input "
            "(--radius 0.03w goes with the input)."
        )
    return said


def _robustness(
    runs: Sequence[Run], labels: Sequence[str], levels: Sequence[LevelComparison], plots: PlotFolder
) -> Iterator[Block]:
    yield table_block(_overview(runs, labels, levels), plots)
    if not levels:
        return
    counts = listed(f"{len(found.targets)} {found.level}s" for found in levels)
    caption = f"AP without and under attack, mean over the {counts} that all runs hid."
    alt = f"Bars: AP clean and under each fill, one bar per run ({listed(labels)})."
    yield plots.add(partial(plot_robustness, levels, labels), "compare_ap", alt, caption)
    caption = (
        f"Mean drop over the same {counts}. Lines are 95 % intervals: those of a mean are too wide rather than too "
        "narrow."
    )
    alt = f"Bars: mean drop in points per fill, one bar per run ({listed(labels)})."
    yield plots.add(partial(plot_mean_drops, levels, labels), "compare_drop", alt, caption)


def _overview(runs: Sequence[Run], labels: Sequence[str], levels: Sequence[LevelComparison]) -> Table:
    """One row per run; what all of them share stands in the caption."""
    about = {
        "data": [run.manifest.data.name for run in runs],
        "boxes": [boxes_label(run) for run in runs],
        "protocol": [run.manifest.protocol for run in runs],
    }
    differing = [name for name, values in about.items() if len(set(values)) > 1]
    shared = ", ".join(f"{name} {values[0]}" for name, values in about.items() if name not in differing)
    columns = [Column("run", "run"), *(Column(name, name) for name in differing), Column("n", "persons", "count")]
    columns.append(Column("ap", "clean AP", "ap"))
    for found in levels:
        group = f"mean drop, {found.level}s"
        columns += [Column(f"{found.level}_{fill}", fill, "points", fill, group) for fill in found.fills]
    rows = []
    for i, (run, label) in enumerate(zip(runs, labels, strict=True)):
        clean = clean_row(run)
        assert clean is not None  # load_run refuses a run without it
        ap = Estimate(float(clean["ap"]), float(clean["ap_lo"]), float(clean["ap_hi"]))
        values: list[Value] = [label, *(about[name][i] for name in differing), float(clean["n"]), ap]
        values += [found.means.get((label, fill), NO_DROP) for found in levels for fill in found.fills]
        rows.append(Row(tuple(values), {"run": label}))
    caption = "Clean AP, and the mean over the targets that all runs hid of the overall drop, points."
    said = f"{caption} All runs: {shared}." if shared else caption
    return Table("compare", said, tuple(columns), tuple(rows), stacked=True)


def _targets(levels: Sequence[LevelComparison], labels: Sequence[str], plots: PlotFolder) -> Iterator[Block]:
    for found in levels:
        if not found.targets:
            continue
        yield Heading(f"{found.level.capitalize()} attacks")
        caption = f"Overall drop per hidden {found.level}, one dot per run; a hollow dot cannot be told from zero."
        if len(found.targets) > MOST:
            caption += f" The first {MOST} of {len(found.targets)}; the table has all."
        alt = f"Dots: overall drop per hidden {found.level} and fill, one dot per run ({listed(labels)})."
        yield plots.add(partial(plot_targets, found, labels), f"compare_{found.level}", alt, caption)
        columns = [Column("target", f"hidden {found.level}")]
        for fill in found.fills:
            columns += [Column(f"{fill}_{i + 1}", label, "points", fill, group=fill) for i, label in enumerate(labels)]
        rows = [
            Row(
                (
                    target,
                    *(found.drops.get((label, target, fill), NO_DROP) for fill in found.fills for label in labels),
                ),
                {"target": target},
            )
            for target in found.targets
        ]
        caption = f"Overall drop per hidden {found.level}, points. Runs, in order: {listed(labels)}."
        yield table_block(
            Table(f"compare_{found.level}", caption, tuple(columns), tuple(rows), folded=True, shown=150, stacked=True),
            plots,
        )


def _markers(runs: Sequence[Run], labels: Sequence[str]) -> Iterator[Block]:
    for run, label in zip(runs, labels, strict=True):
        effects = marker_effects(run, control_rows(run, "keypoint"))
        if effects:
            yield Heading(label)
        for sentence in marker_verdicts(effects):
            yield Prose(sentence, "reading")
        for effect in effects:
            yield Prose(marker_evidence(effect, "keypoint"))


def _less(compared: Sequence[Compared], plots: PlotFolder, short: bool) -> Iterator[Block]:
    """By target what is lost less than the baseline loses, drawn and in numbers."""
    names = list(dict.fromkeys(one.group.name for one in compared))
    bases = listed(dict.fromkeys(one.baseline.name for one in compared))
    for table in target_tables(compared):
        yield table_block(table, plots)
    for level in () if short else LEVELS:
        found = {
            (one.group.name, c.target, c.fill): saving(c) for one in compared for c in one.targets() if c.level == level
        }
        if not found:
            continue
        fills = order_fills(fill for _, _, fill in found)
        targets = list(dict.fromkeys(target for _, target, _ in found))[:MOST]
        caption = (
            f"By how many points each model loses less than {bases} when one {level} is hidden: right of zero is "
            "better. Lines are 95 % intervals, paired by photo; a hollow dot cannot be told from zero."
        )
        alt = f"Dots: points lost less than {bases} by hidden {level} and fill, one dot per model ({listed(names)})."
        draw = partial(plot_dots, found, targets, fills, names, "loses less by, points")
        yield plots.add(draw, f"changes_{level}", alt, caption)


def _changes(
    runs: Sequence[Run], labels: Sequence[str], compared: Sequence[Compared], plots: PlotFolder, short: bool
) -> Iterator[Block]:
    if compared:
        yield table_block(ap_table(compared), plots)
        if not short:
            yield table_block(groups_table(compared, labels, [recipe_label(run) for run in runs]), plots)


def _training(
    runs: Sequence[Run], labels: Sequence[str], compared: Sequence[Compared], plots: PlotFolder
) -> Iterator[Block]:
    for table in training_tables(runs, labels, clean_changes(labels, compared)):
        yield table_block(table, plots)


def _boxes(runs: Sequence[Run], plots: PlotFolder) -> Iterator[Block]:
    """Figs 10, 13 and 14 of the thesis: the same model over several sources of boxes."""
    runs = [run for run in runs if not run.manifest.model.sees_photos]
    boxes = list(dict.fromkeys(boxes_label(run) for run in runs))
    if len(boxes) < 2:
        return
    aps = {(run.manifest.model.name, boxes_label(run)): clean_figures(run)[0].measured for run in runs}
    models = list(dict.fromkeys(model for model, _ in aps))
    series = {model: [aps.get((model, source), math.nan) for source in boxes] for model in models}
    yield plots.add(
        partial(plot_by_boxes, series, boxes),
        "compare_boxes",
        f"Bars: clean AP by the source of the boxes ({listed(boxes)}), one bar per model.",
        "Clean AP by the source of the boxes.",
    )
    columns = [Column("boxes", "boxes"), *(Column(f"ap_{i + 1}", model, "points") for i, model in enumerate(models))]
    rows = [
        Row((source, *(100 * aps.get((model, source), math.nan) for model in models)), {"boxes": source})
        for source in boxes
    ]
    caption = "Clean AP × 100 by the source of the boxes."
    known = [run for run in runs if on_val2017(run) and is_hrnet_w32(run)]
    found = {name for run in known if (name := detector(run))}
    if found:
        columns.append(Column("published", "HRNet-W32, published (thesis)", "points"))
        by_label = {boxes_label(run): detector(run) for run in known}
        rows = [
            Row((*row.values, BY_DETECTOR.get(by_label.get(str(row.values[0])) or "", ("", math.nan))[1]), row.keys)
            for row in rows
        ]
        caption += " Published figures are Fig. 10's of the thesis, not measured here."
    yield table_block(Table("compare_boxes", caption, tuple(columns), tuple(rows)), plots)
