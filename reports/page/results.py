"""The page of anybody's results, alone or beside others: figures, and keypoint by keypoint."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from occbench.data.persons import Dataset
from occbench.tables.results import Scores

from ..files import write_atomically
from ..findings.controls import Estimate
from ..findings.overall import COCO_FIGURES
from ..reading.drops import Drop, Record, drop_of, records, with_family
from ..reading.names import brackets, counted, number
from ..tables.formats import FORMATS
from ..tables.table import Column, Row, Table, Value
from .answer import SYNTHETIC
from .html import render
from .page import Answer, Chapter, Page, Section, TableBlock

ANCHOR = "results"


def build_results(scores: Scores, dataset: Dataset, protocol: str, out: Path) -> Path:
    """Write report.html and tables/ (CSV, Markdown, LaTeX) of scored results.

    Args:
        scores: The scores.
        dataset: What they are of.
        protocol: By which single keypoints were scored.
        out: Folder; made if need be.

    Returns:
        Path of report.html.

    Raises:
        OccbenchError: ``out`` cannot be written.
    """
    names = [file.level for file in scores.files]
    first, *rest = [
        TableBlock(table, f"tables/{table.name}") for table in results_tables(scores, dataset.metric == "oks")
    ]
    answer = Answer(
        SYNTHETIC if dataset.synthetic else "",
        tuple(results_reading(scores)),
        (),
        tuple(_facts(scores, dataset, protocol)),
        tuple(finding.line for finding in scores.findings if finding.is_telling),
        (first,),
    )
    sections = tuple(Section(f"{ANCHOR}-{b.table.name}", _TITLES[b.table.name], (b,)) for b in rest)
    title = "Keypoint results" if len(names) == 1 else f"{len(names)} files of keypoint results"
    lead = f"On {dataset.name}: what was found of {counted(_persons(dataset), 'person')}."
    page = Page(title, lead, (Chapter(ANCHOR, "Results", answer, sections),), "results")
    for block in page.tables():
        for ending, write in FORMATS.values():
            write_atomically(out / f"{block.file}.{ending}", write(block.table).encode())
    write_atomically(out / "report.html", render(page).encode())
    return out / "report.html"


_TITLES = {"figures": "COCO's other figures", "keypoints": "Keypoint by keypoint", "groups": "By group"}


def results_reading(scores: Scores) -> list[str]:
    """What the files score, and how far from the first one."""
    found = []
    overall = with_family(scores.rows[scores.rows["keypoint"] == "all"])
    for row in records(overall):
        ends = brackets(float(row["value_lo"]), float(row["value_hi"]), 3)
        said = f"{row['level']}: {row['metric']} {number(float(row['value']), 4)}{' ' + ends if ends else ''}"
        drop = drop_of(row)
        if not math.isnan(drop.value):
            said += f", {_against(drop)} than {scores.files[0].level}"
        found.append(said + f", n = {row['n']:.0f} persons.")
    return found


def _against(drop: Drop) -> str:
    low, high = (drop.low, drop.high) if drop.value >= 0 else (-drop.high, -drop.low)
    ends = brackets(low, high)
    word = "lower" if drop.value >= 0 else "higher"
    doubt = " (cannot be told from zero)" if drop.indistinct else ""
    return f"{number(abs(drop.value), 1)} points{' ' + ends if ends else ''} {word}{doubt}"


def results_tables(scores: Scores, by_ap: bool) -> Iterator[Table]:
    """The figures of each file; then each keypoint; then groups of joints, limbs or photos where there are some."""
    levels = [file.level for file in scores.files]
    yield _overall(scores)
    if by_ap:
        yield _figures(scores)
    single = scores.rows[scores.rows["keypoint"] != "all"]
    yield _beside(single, "keypoint", levels, "keypoints", "AP of each keypoint alone" if by_ap else "By keypoint")
    if len(scores.groups):
        named = [f"{row['metric']}, {row['group']}" for row in records(scores.groups)]
        groups = scores.groups.assign(group=named)
        yield _beside(groups, "group", levels, "groups", "Figures by group")


def _overall(scores: Scores) -> Table:
    rows = scores.rows[scores.rows["keypoint"] == "all"]
    compared = rows["drop"].notna().any()
    metric = str(rows["metric"].iloc[0])
    columns = [Column("results", "results"), Column("n", "persons", "count"), Column("value", metric, "ap")]
    columns += [Column("drop", "lower by", "points")] if compared else []
    table = [
        Row(
            (str(row["level"]), float(row["n"]), _value(row), *([drop_of(row)] if compared else [])),
            {"results": str(row["level"])},
        )
        for row in records(with_family(rows))
    ]
    caption = f"{metric} as a fraction [95 % interval]" + (
        f"; in points, by how much lower than {scores.files[0].level}, paired by photo." if compared else "."
    )
    return Table("results", caption, tuple(columns), tuple(table), stacked=True)


def _figures(scores: Scores) -> Table:
    """COCO's figures but for AP itself, the files beside each other."""
    rows = records(scores.rows[scores.rows["keypoint"] == "all"])
    columns = [Column("figure", "figure")]
    columns += [Column(f"value_{i}", str(row["level"]), "ap") for i, row in enumerate(rows)]
    table = [
        Row((name, *(float(row[key]) for row in rows)), {"figure": key})
        for key, name in COCO_FIGURES.items()
        if key != "ap"
    ]
    return Table("figures", "COCO's other figures, as fractions.", tuple(columns), tuple(table), stacked=True)


def _beside(rows: pd.DataFrame, key: str, levels: Sequence[str], name: str, title: str) -> Table:
    """One row per keypoint or group, the files beside each other."""
    compared = [level for level in levels if rows.loc[rows["level"] == level, "drop"].notna().any()]
    columns = [Column(key, key), Column("n", "persons", "count")]
    columns += [Column(f"value_{i}", level, "ap") for i, level in enumerate(levels)]
    columns += [
        Column(f"drop_{i}", level, "points", group=f"lower than {levels[0]} by") for i, level in enumerate(compared)
    ]
    found = {(row["level"], row[key]): row for row in records(with_family(rows))}
    table = []
    for what in dict.fromkeys(rows[key]):
        values: list[Value] = [str(what).replace("_", " "), float(found[levels[0], what]["n"])]
        values += [_value(found[level, what]) for level in levels]
        values += [drop_of(found[level, what]) for level in compared]
        table.append(Row(tuple(values), {key: str(what)}))
    said = " Differences in points, paired by photo; in italics: cannot be told from zero." if compared else ""
    return Table(name, f"{title}, fractions [95 % interval].{said}", tuple(columns), tuple(table), stacked=True)


def _value(row: Record) -> Estimate:
    return Estimate(float(row["value"]), float(row["value_lo"]), float(row["value_hi"]))


def _persons(dataset: Dataset) -> int:
    return int(((dataset.truth.num_keypoints > 0) & ~dataset.truth.crowd).sum())


def _facts(scores: Scores, dataset: Dataset, protocol: str) -> list[tuple[str, str]]:
    facts = [("Data", f"{dataset.name}: {_persons(dataset)} labelled persons, {len(dataset.photos)} photos")]
    found = [f"{file.level}: {file.persons} persons in {file.photos} photos" for file in scores.files]
    facts.append(("Results", "; ".join(found)))
    facts.append(("Protocol", protocol))
    facts.append(
        ("AP", "COCO's average precision of keypoints: 1 where every person is found with every keypoint in place")
    )
    facts.append(("Points", "a fraction × 100. Brackets: 95 % interval, over photos"))
    return facts
