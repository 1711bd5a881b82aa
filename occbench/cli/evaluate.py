"""``occbench evaluate``: score anybody's keypoint results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..system.errors import OccbenchError, unknown_name

if TYPE_CHECKING:
    import pandas as pd


def evaluate(
    data: Annotated[
        str, typer.Option("--data", help="A name of `occbench ls datasets`, or an annotation file: .json, .mat, .yaml.")
    ],
    predictions: Annotated[Path, typer.Option("--predictions", help="COCO keypoint RESULTS.json, of any framework.")],
    clean: Annotated[
        Path | None, typer.Option("--clean", help="Results without the attack: drops and intervals against them.")
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option("--images", help="Image folder, where the annotations lack the photos' sizes."),
    ] = None,
    protocol: Annotated[str, typer.Option("--protocol", help="corrected or thesis.")] = "corrected",
    evaluator: Annotated[str, typer.Option("--evaluator", help="exact, or pycocotools (same, slow).")] = "exact",
    bootstrap: Annotated[int, typer.Option("--bootstrap", min=0, help="Draws; 0 for no intervals.")] = 1000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the bootstrap.")] = 0,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the whole table as CSV; figures by group go beside it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole table as JSON.")] = False,
) -> None:
    """Score keypoint results by the metric of the data: the ten COCO figures and AP per keypoint, or PCKh, PCK, PDJ.

    Where the metric is not AP, each result says whose pose it is (annotation_id), unless its photo has one person.

    Example: `occbench evaluate --data person_keypoints_val2017.json --predictions attacked.json --clean clean.json`.
    """
    if protocol not in ("corrected", "thesis"):
        raise unknown_name("protocol", protocol, ("corrected", "thesis"))
    if evaluator not in ("exact", "pycocotools"):
        raise unknown_name("evaluator", evaluator, ("exact", "pycocotools"))

    from ..data.sources import open_dataset
    from ..tables.results import score_results
    from ..tables.scoring import Scoring

    dataset = open_dataset(data, images)
    scoring = Scoring(protocol, evaluator, bootstrap, seed)  # type: ignore[arg-type]  # checked above
    scores = score_results(dataset, predictions, clean, scoring)
    if out is not None:
        _write(out, scores.rows, scores.groups)
    if as_json:
        rows, groups = (table.to_json(orient="records", indent=2) for table in (scores.rows, scores.groups))
        print(f'{{"rows": {rows}, "groups": {groups}}}' if len(scores.groups) else rows)
        return
    ap = dataset.metric == "oks"
    figures = ["ap", "ap50", "ap75", "ap_m", "ap_l", "ar"] if ap else ["metric", "value"]
    print(_text(scores.rows, ["level", "keypoint", "n", *figures]))
    if len(scores.groups):
        print("\n" + _text(scores.groups, ["level", "metric", "group", "n", "value"]))


def _write(out: Path, rows: pd.DataFrame, groups: pd.DataFrame) -> None:
    try:
        rows.to_csv(out, index=False, float_format="%.10g")
        if len(groups):
            groups.to_csv(out.with_name(f"{out.stem}-groups.csv"), index=False, float_format="%.10g")
    except OSError as error:
        raise OccbenchError(f"--out {str(out)!r} cannot be written: {error.strerror or error}") from error


def _text(table: pd.DataFrame, columns: list[str]) -> str:
    """A table for reading: the columns named, and the drop with its interval."""
    bounds = zip(table["drop_lo"], table["drop_hi"], strict=True)
    intervals = ["" if low != low else f"[{low:.1f}, {high:.1f}]" for low, high in bounds]
    shown = table.assign(**{"drop interval": intervals})[[*columns, "drop", "drop interval"]]
    text: str = shown.to_string(index=False, na_rep="–", float_format=lambda value: f"{value:.4g}")
    return text
