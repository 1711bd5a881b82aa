"""The first screen: what was measured on what, and what came out."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Sequence
from pathlib import PurePosixPath, PureWindowsPath

from occbench.tables.coverage import near_0
from occbench.tables.floor import nothing_to_lose

from ..findings.controls import control_rows, has_controls, marker_effects
from ..findings.matrix import matrix
from ..findings.overall import MeanDrop, clean_figures, mean_drops, overall_drops, worst_targets
from ..findings.sentences import fill_sentence, level_sentences, marker_verdicts, own_gain_sentence
from ..reading.load import LEVELS, Run
from ..reading.names import brackets, number, short_name
from ..reading.slices import CENTRED, Slice, clean_row, main_slice
from ..tables.training import clean_groups
from .page import Answer, Tile

SYNTHETIC = (
    "The people in these pictures are synthetic, drawn by the program; the figures say nothing about real photos."
)
_SCOPES = {"person": "the person in the crop", "image": "every labelled person, in the photo itself"}


def answer(run: Run, notes: tuple[str, ...] = ()) -> Answer:
    """The first screen of one run; ``notes``: what else could not be shown."""
    means = mean_drops(run)
    tiles = [_clean_tile(run)]
    for level in LEVELS:
        part = main_slice(run, level)
        if part is not None:
            tiles.append(_level_tile(part, [m for m in means if m.level == level], run.metric))
    banner = SYNTHETIC if run.manifest.data.synthetic else ""
    checked = (*_found(run), *run.notes, *notes)
    return Answer(banner, tuple(reading(run)), tuple(tiles), tuple(run_facts(run)), checked)


def _found(run: Run) -> list[str]:
    """What the check of the data found that figures are to be read in the light of; runs of old lack a low value."""
    row = clean_row(run)
    low = () if row is None else near_0(float(row["value"]), int(row["n"]))
    found = [finding.line for finding in run.manifest.data.findings if finding.is_telling]
    return list(dict.fromkeys([*found, *(finding.line for finding in low)]))


def reading(run: Run) -> list[str]:
    """What the numbers say, in words, hedged by their intervals."""
    row = clean_row(run)
    n = math.nan if row is None else float(row["n"])
    floor = nothing_to_lose(run.cells)
    if floor is not None:
        return [floor]
    said: list[str] = []
    means = mean_drops(run)
    for level in LEVELS:
        part = main_slice(run, level)
        if part is None:
            continue
        said += level_sentences(level, overall_drops(part), n, run.has_intervals)
        costly = fill_sentence(level, [m for m in means if m.level == level])
        said += [costly] if costly else []
    said += marker_reading(run)
    return said or ["Nothing was hidden: the run has only the clean cell."]


def marker_reading(run: Run) -> list[str]:
    """Whether the model reads the occluder as a marker, as far as the run can tell."""
    part = main_slice(run, "keypoint")
    if part is None:
        return []
    if has_controls(run, "keypoint"):
        return marker_verdicts(marker_effects(run, control_rows(run, "keypoint")))
    if part.placement != CENTRED:
        return []
    found = (own_gain_sentence(fill, matrix(run, part, fill).rows) for fill in part.fills)
    return [sentence for sentence in found if sentence]


def conditions(part: Slice) -> str:
    """Size and placement of a slice, in words."""
    size = "r =" if part.level == "keypoint" else "margin"
    return f"{size} {part.size}" + ("" if part.placement == CENTRED else f", {part.placement}")


def _clean_tile(run: Run) -> Tile:
    row = clean_row(run)
    assert row is not None  # load_run refuses a run without it
    ap = clean_figures(run)[0].measured
    text = f"{row['n']:.0f} persons, {_seen_through(run, float(row['found']))}"
    if run.manifest.scope == "image":
        text += "; attacks hide everybody in the photo"
    interval = brackets(float(row["ap_lo"]), float(row["ap_hi"]), 4)
    if interval:
        text += f"; 95 % interval {number(float(row['ap_lo']), 4)} to {number(float(row['ap_hi']), 4)}"
    more = tuple(
        (f.name, "", number(f.measured, 4), "") for f in clean_figures(run) if f.column in ("ap50", "ap75", "ar")
    )
    if run.metric != "AP":
        more = tuple((name, "", number(e.value, 4), "") for name, e in clean_groups(run, run.metric).items())
    return Tile(f"Clean {run.metric}", number(ap, 4), "" if math.isnan(ap) else f"{ap:.10g}", text, more)


def _seen_through(run: Run, found: float) -> str:
    """What the model is given: somebody's boxes, or whole photos."""
    if run.manifest.model.sees_photos:
        return f"{number(100 * found, 1)} % of them found in the whole photo"
    source = run.manifest.boxes.source
    return "ground-truth boxes" if source == "gt" else f"boxes: {source}"


def _level_tile(part: Slice, means: list[MeanDrop], metric: str) -> Tile:
    rows = tuple((m.fill, m.fill, number(m.mean.value, 2), brackets(m.mean.low, m.mean.high)) for m in means)
    worst = tuple(
        (short_name(target), fill, number(drop.value, 1), brackets(drop.low, drop.high))
        for target, fill, drop in worst_targets(overall_drops(part))
    )
    title = f"{part.level.capitalize()}s hidden, {conditions(part)}"
    return Tile(
        title, text=f"drop of {metric} in points (× 100), mean over {len(part.targets)}", rows=rows, worst=worst
    )


def run_facts(run: Run) -> list[tuple[str, str]]:
    """What was measured on what, as (term, description); nothing that differs from machine to machine."""
    m = run.manifest
    model = m.model.name
    if m.model.input_size:
        model += f", input {m.model.input_size[0]} × {m.model.input_size[1]} px"
    facts = [("Name", m.name)] if m.name else []
    facts.append(("Model", model))
    if m.model.weights_sha256:
        facts.append(("Weights", f"sha256 {m.model.weights_sha256[:12]}"))
    data = f"{m.data.name}: {m.data.n_persons} persons in {m.data.n_images} images"
    if m.data.limit is not None:
        data += f" (limited to {m.data.limit})"
    if m.data.skipped_images:
        data += f"; unreadable images skipped: {len(m.data.skipped_images)}"
    given = ("Boxes", _boxes_fact(run))
    if m.model.sees_photos:
        given = ("Sees", "whole photos: it finds the people itself")
    facts += [("Data", data), given, ("Scope", _SCOPES[m.scope]), ("Protocol", m.protocol)]
    if m.pose_nms is not None:
        facts.append(("Pose NMS", m.pose_nms))
    if m.model.crop is not None:
        width, height = m.model.crop
        facts.append(("Sizes", f"in px of {width} × {height} around each annotated person (PROTOCOL section 9)"))
    if m.model.flip is not None:
        facts.append(("Flip test", "on" if m.model.flip else "off"))
    if m.bootstrap is not None:
        facts.append(("Intervals", f"paired bootstrap over images, {m.bootstrap} draws" if m.bootstrap else "none"))
    if m.seed is not None:
        facts.append(("Seed", str(m.seed)))
    made = f"occbench {m.occbench}"
    if m.backend is not None:
        version = f" {m.backend.version}" if m.backend.version else ""
        made += f" with {m.backend.name}{version}" + (f", {m.backend.precision}" if m.backend.precision else "")
    facts.append(("Made by", made))
    if m.command:
        facts.append(("Command", shlex.join(portable(word) for word in without_place(m.command))))
    return facts


def without_place(command: Sequence[str]) -> list[str]:
    """A command without what decides where it wrote and what it printed, but not what it measured."""
    kept: list[str] = []
    words = iter(command)
    for word in words:
        if word == "--out":
            next(words, None)
        elif not word.startswith("--out=") and word not in ("--json", "--overwrite", "--take-over"):
            kept.append(word)
    return kept


def portable(word: str) -> str:
    """A word of a command without the folders of the machine it was given on: of an absolute path, the name."""

    def name(path: str) -> str:
        if PurePosixPath(path).is_absolute():
            return PurePosixPath(path).name or path
        return PureWindowsPath(path).name if re.match(r"[A-Za-z]:[\\/]", path) else path

    option, equals, value = word.partition("=")
    if equals and option.startswith("-"):
        return option + equals + portable(value)
    kind, colon, path = word.partition(":")
    if colon and kind == "detector":
        return kind + colon + name(path)
    return ",".join(name(part) for part in word.split(","))


def _boxes_fact(run: Run) -> str:
    boxes = run.manifest.boxes
    if boxes.source == "gt":
        return "ground truth"
    if boxes.jitter is not None:
        return f"ground truth, shifted and scaled by up to {boxes.jitter:g} of its size"
    nobody = "unmatched, left clean" if run.manifest.scope == "person" else "unmatched"
    counts = [("matched", boxes.matched), (nobody, boxes.unmatched), ("persons missed", boxes.missed)]
    said = ", ".join(f"{n} {what}" for what, n in counts if n is not None)
    if boxes.figures is not None and boxes.figures.ap is not None:
        said += f"; box AP {number(boxes.figures.ap, 4)}"
        said += "" if boxes.figures.ap50 is None else f", AP50 {number(boxes.figures.ap50, 4)}"
    file = (boxes.file or "").replace("\\", "/").rsplit("/", 1)[-1]
    source = boxes.source + (f" ({file})" if file and boxes.detector is None else "")
    if boxes.detector is not None:
        floor = boxes.detector.min_score
        source += f" {boxes.detector.name}" + ("" if floor is None else f" from a score of {floor:g}")
    return f"{source}: {said}" if said else source
