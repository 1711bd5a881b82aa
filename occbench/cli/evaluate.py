"""``occbench evaluate``: score anybody's COCO keypoint results."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ..errors import OccbenchError, unknown_name


def evaluate(
    data: Annotated[Path, typer.Option("--data", help="COCO keypoint ANNOTATIONS.json.")],
    predictions: Annotated[Path, typer.Option("--predictions", help="COCO keypoint RESULTS.json, of any framework.")],
    clean: Annotated[
        Path | None, typer.Option("--clean", help="Results without the attack: drops and intervals against them.")
    ] = None,
    protocol: Annotated[str, typer.Option("--protocol", help="corrected or thesis.")] = "corrected",
    evaluator: Annotated[str, typer.Option("--evaluator", help="exact, or pycocotools (same, slow).")] = "exact",
    bootstrap: Annotated[int, typer.Option("--bootstrap", min=0, help="Draws; 0 for no intervals.")] = 1000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the bootstrap.")] = 0,
    out: Annotated[Path | None, typer.Option("--out", help="Write the whole table as CSV.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole table as JSON.")] = False,
) -> None:
    """Score COCO keypoint results: the ten COCO figures and AP per keypoint, with intervals.

    Example: `occbench evaluate --data person_keypoints_val2017.json --predictions attacked.json --clean clean.json`.
    """
    if protocol not in ("corrected", "thesis"):
        raise unknown_name("protocol", protocol, ("corrected", "thesis"))
    if evaluator not in ("exact", "pycocotools"):
        raise unknown_name("evaluator", evaluator, ("exact", "pycocotools"))

    from ..data.coco import read_coco
    from ..data.results import read_results
    from ..scoring import Scoring, score_results

    dataset = read_coco(data, data.parent)
    attacked = read_results(predictions, dataset)
    baseline = None if clean is None else read_results(clean, dataset)
    scoring = Scoring(protocol, evaluator, bootstrap, seed)  # type: ignore[arg-type]  # checked above
    table = score_results(dataset, attacked, baseline, scoring)
    if out is not None:
        try:
            table.to_csv(out, index=False, float_format="%.10g")
        except OSError as error:
            raise OccbenchError(f"--out {str(out)!r} cannot be written: {error.strerror or error}") from error
    if as_json:
        table.to_json(sys.stdout, orient="records", indent=2)
        print()
        return
    shown = table.copy()
    shown["drop interval"] = [
        "" if low != low else f"[{low:.1f}, {high:.1f}]"
        for low, high in zip(shown["drop_lo"], shown["drop_hi"], strict=True)
    ]
    columns = ["level", "keypoint", "n", "ap", "ap50", "ap75", "ap_m", "ap_l", "ar", "drop", "drop interval"]
    print(shown[columns].to_string(index=False, na_rep="–", float_format=lambda value: f"{value:.4g}"))
