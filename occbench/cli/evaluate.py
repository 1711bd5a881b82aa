"""``occbench evaluate``: score anybody's keypoint results."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..system.errors import OccbenchError
from .check import warn

if TYPE_CHECKING:
    import pandas as pd

    from ..data.persons import Dataset
    from ..tables.results import Scores


def evaluate(
    data: Annotated[
        str | None,
        typer.Option("--data", help="A name of `occbench ls datasets`, or an annotation file: .json, .mat, .yaml."),
    ] = None,
    results: Annotated[
        list[Path] | None, typer.Argument(help="COCO keypoint RESULTS.json, of any framework; several are compared.")
    ] = None,
    predictions: Annotated[Path | None, typer.Option("--predictions", help="The same, as an option.")] = None,
    suite: Annotated[
        Path | None,
        typer.Option("--suite", help="Of `occbench suite`: a run of the results in --predictions DIR, CELL.json each."),
    ] = None,
    clean: Annotated[
        Path | None, typer.Option("--clean", help="Results without the attack: drops and intervals against them.")
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(
            "--images",
            help="Photos, where the file lacks their sizes. [images/ beside it or its folder, else its folder]",
        ),
    ] = None,
    protocol: Annotated[str, typer.Option("--protocol", help="corrected or thesis.")] = "corrected",
    evaluator: Annotated[str, typer.Option("--evaluator", help="exact, or pycocotools (same, slow).")] = "exact",
    bootstrap: Annotated[int, typer.Option("--bootstrap", min=0, help="Draws; 0 for no intervals.")] = 1000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the bootstrap.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="A folder: page, tables and results.csv go there. A name that ends in .csv: the whole table alone, "
            "figures by group beside it.",
        ),
    ] = None,
    count_missed: Annotated[
        bool,
        typer.Option("--count-missed", help="Nobody was found where only some of the files have results."),
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse annotations that are repaired or left out in part.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole table as JSON.")] = False,
) -> None:
    """Score keypoint results by the metric of the data: the ten COCO figures and AP per keypoint, or PCKh, PCK, PDJ.

    Several files are set beside each other: drops are against --clean, else against the first file. Where the metric
    is not AP, each result says whose pose it is (annotation_id), unless its photo has one person. Examples:
    `occbench evaluate mine.json --data person_keypoints_val2017.json`,
    `occbench evaluate attacked.json --clean clean.json --data person_keypoints_val2017.json --out scores`,
    `occbench evaluate --suite OUT --predictions RESULTS`.
    """
    if suite is not None:
        _evaluate_suite(suite, predictions, out, bootstrap, seed, evaluator, as_json)
        return
    if data is None:
        raise OccbenchError("--data names the annotations of the results: give it")
    from ..api.evaluate import scored

    files = [*([predictions] if predictions is not None else []), *(results or [])]
    options = (protocol, evaluator, bootstrap, seed, count_missed, strict)
    dataset, scores = scored(data, files, clean, images, *options)
    warn(scores.findings)
    written = None if out is None else _write(out, dataset, scores, protocol)
    if as_json:
        rows, groups = (table.to_json(orient="records", indent=2) for table in (scores.rows, scores.groups))
        print(f'{{"rows": {rows}, "groups": {groups}}}' if len(scores.groups) else rows)
        return
    print("\n".join(_coverage(dataset, scores)))
    ap = dataset.metric == "oks"
    figures = ["ap50", "ap75", "ap_m", "ap_l", "ar"] if ap else ["metric"]
    print(_text(scores.rows, ["level", "keypoint", "n", *figures], "AP" if ap else "value"))
    if len(scores.groups):
        print("\n" + _text(scores.groups, ["level", "metric", "group", "n"], "value"))
    print("\n" + "\n".join(_errors(scores)))
    if written is not None:
        print(f"{'table' if written.suffix == '.csv' else 'report'}: {written}")


def _evaluate_suite(
    suite: Path, results: Path | None, out: Path | None, bootstrap: int, seed: int, evaluator: str, as_json: bool
) -> None:
    from ..api.suite import evaluate_suite
    from .attack import print_summary

    if results is None:
        raise OccbenchError("--suite needs the results of its cells: --predictions DIR, a CELL.json for each")
    run = evaluate_suite(
        suite, results, out, bootstrap=bootstrap, seed=seed, evaluator=evaluator, command=["occbench", *sys.argv[1:]]
    )
    assert run is not None  # one process
    print_summary(run, as_json)


def _coverage(dataset: Dataset, scores: Scores) -> list[str]:
    """What the files have, and the units."""
    truth = dataset.truth
    counted = int(((truth.num_keypoints > 0) & ~truth.crowd).sum())
    said = [f"{dataset.name}: {counted} labelled persons, {len(dataset.photos)} photos"]
    for file in scores.files:
        said.append(f"{file.level}: {file.persons} persons with results, in {file.photos} photos")
    said.append("Figures are fractions (0 to 1), drops are points (x 100); [95 % interval], paired by photo for drops.")
    return said


def _write(out: Path, dataset: Dataset, scores: Scores, protocol: str) -> Path:
    if out.suffix == ".csv":
        _write_tables(out, scores, out)
        return out
    from ..reports.page.results import build_results

    table = out / "results.csv"
    _write_tables(table, scores, out)
    return build_results(scores, dataset, protocol, out)


def _write_tables(table: Path, scores: Scores, out: Path) -> None:
    try:
        table.parent.mkdir(parents=True, exist_ok=True)
        scores.rows.to_csv(table, index=False, float_format="%.10g")
        if len(scores.groups):
            scores.groups.to_csv(table.with_name(f"{table.stem}-groups.csv"), index=False, float_format="%.10g")
        scores.errors.to_csv(table.with_name(f"{table.stem}-errors.csv"), index=False, float_format="%.10g")
    except OSError as error:
        raise OccbenchError(f"--out {str(out)!r} cannot be written: {error.strerror or error}") from error


def _errors(scores: Scores) -> list[str]:
    """What kind of error the joints are, and what became of those that were good in the first file."""
    lines = []
    first = scores.errors["level"].iloc[0] if len(scores.errors) else ""
    for level, rows in scores.errors.groupby("level", sort=False):
        counts = rows.groupby("attacked", sort=False)["share"].sum()
        lines.append(f"{level}: joints " + ", ".join(f"{kind} {100 * share:.1f} %" for kind, share in counts.items()))
        good = rows[(rows["clean"] == "good") & (rows["n"] > 0)]
        if level != first and len(good):
            moved = zip(good["attacked"], good["of_clean"], strict=True)
            said = ", ".join(f"{100 * share:.1f} % {kind}" for kind, share in moved)
            lines.append(f"  of those that are good in {first}: {said}")
    return lines


def _text(table: pd.DataFrame, columns: list[str], value: str) -> str:
    """A table for reading: the columns named, the figure and the drop with their intervals; no column without any."""

    def ends(low: str, high: str, digits: int) -> list[str]:
        bounds = zip(table[low], table[high], strict=True)
        return ["" if a != a else f"[{a:.{digits}f}, {b:.{digits}f}]" for a, b in bounds]

    shown = table[columns].copy()
    shown["n"] = table["n"].astype(int)
    place = len([name for name in columns if name in ("level", "keypoint", "metric", "group", "n")])
    shown.insert(place, f"{value} [95 %]", ends("value_lo", "value_hi", 3))
    shown.insert(place, value, table["value"])
    shown["drop"], shown["drop [95 %]"] = table["drop"], ends("drop_lo", "drop_hi", 1)
    empty = [name for name in shown if shown[name].isna().all() or (shown[name].astype(str) == "").all()]
    shown = shown.drop(columns=empty)
    text: str = shown.to_string(index=False, na_rep="–", float_format=lambda number: f"{number:.4g}")
    return text
