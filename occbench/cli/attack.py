"""``occbench attack``: the main job."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .lists import values

if TYPE_CHECKING:
    from ..api.run import Run


def attack(
    model: Annotated[
        str, typer.Option("--model", help="A name of `occbench ls models`, an MMPose config.py, or a FILE.onnx.")
    ],
    kind: Annotated[
        list[str],
        typer.Option(
            "--kind",
            help="LEVEL-FILL as in `occbench ls kinds`; or keypoint-all, part-all, all, keypoint-world, part-world.",
        ),
    ],
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            help="A name of `occbench ls datasets`, or an annotation file: .json, .mat, .yaml. [the model's own set]",
        ),
    ] = None,
    fetch: Annotated[
        bool, typer.Option("--fetch", help="Fetch the data set where it is not there, and go on.")
    ] = False,
    checkpoint: Annotated[
        str | None, typer.Option("--checkpoint", help="Weights: a file or an address; by default the model's own.")
    ] = None,
    spec: Annotated[
        str | None,
        typer.Option("--spec", help="Of a FILE.onnx: a SPEC.yaml, or rtmpose, vitpose, hrnet, yolo-pose, movenet."),
    ] = None,
    time_limit: Annotated[
        float | None, typer.Option("--time-limit", min=0.1, help="Of a command: seconds for one cell. [a day]")
    ] = None,
    target: Annotated[
        list[str] | None, typer.Option("--target", help="Keypoint or part to hide; by default every one, a cell each.")
    ] = None,
    radius: Annotated[
        list[str] | None,
        typer.Option(
            "--radius",
            help="Crop px: the disc's radius, or a part's margin; 0.03w: of its width; several make a sweep. [6]",
        ),
    ] = None,
    placement: Annotated[
        list[str] | None,
        typer.Option("--placement", help="centred, jittered, decoys:N or placebo; several are compared. [centred]"),
    ] = None,
    occluders: Annotated[
        Path | None,
        typer.Option("--occluders", help="RGBA pictures for fill object, with a note of their licence. [drawn ones]"),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option("--images", help="Image folder. [images/ beside the file or its folder, else the file's folder]"),
    ] = None,
    boxes: Annotated[
        str,
        typer.Option("--boxes", help="gt, jitter:S, a COCO DETECTIONS.json, detector:NAME or detector:CONFIG.py."),
    ] = "gt",
    detector_checkpoint: Annotated[
        str | None, typer.Option("--detector-checkpoint", help="The detector's weights; by default MMDet's own.")
    ] = None,
    detector_score: Annotated[
        float | None,
        typer.Option("--detector-score", min=0, max=1, help="Leave out boxes below it; by default none that it gives."),
    ] = None,
    scope: Annotated[
        str | None,
        typer.Option(
            "--scope",
            help="person: who is in the crop; image: everybody labelled, in the photo itself. [person; of models that "
            "see whole photos image]",
        ),
    ] = None,
    crop: Annotated[
        str | None,
        typer.Option(
            "--crop", help="Of models that see whole photos: WxH of the crop that radii are said in. [192x256]"
        ),
    ] = None,
    redetect: Annotated[
        bool,
        typer.Option("--redetect", help="With --scope image: the detector sees the attacked photos, too."),
    ] = False,
    pose_nms: Annotated[
        str | None,
        typer.Option(
            "--pose-nms",
            help="With --scope image over detected boxes, in place of OKS-NMS: paper, rmpe2017 or alphapose, with "
            "constants as alphapose:eta=20,score=product; or a FILE.json of `occbench fit-nms`.",
        ),
    ] = None,
    protocol: Annotated[str, typer.Option("--protocol", help="corrected or thesis (see README).")] = "corrected",
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Run folder, new or gone on with. [runs/MODEL[@CHECKPOINT]-DATA-BOXES]"),
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="What reports call this run.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Begin anew where --out holds a run.")] = False,
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Take a run that a process of another machine left locked.")
    ] = False,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Only the first N photos with people.")] = None,
    batch_size: Annotated[
        int | None,
        typer.Option("--batch-size", min=1, help="Crops inferred at a time. [16; on a GPU 128; photos 1; 8]"),
    ] = None,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1 ...")] = "auto",
    backend: Annotated[
        str | None,
        typer.Option("--backend", help="torch, openvino or onnxruntime. [torch; for ONNX files onnxruntime]"),
    ] = None,
    precision: Annotated[
        str, typer.Option("--precision", help="fp32, tf32, bf16 or fp16; reduced ones are compared with fp32.")
    ] = "fp32",
    tune: Annotated[
        str, typer.Option("--tune", help="On a GPU: quick times a batch in several ways, once; off goes by a rule.")
    ] = "quick",
    workers: Annotated[
        int | None, typer.Option("--workers", min=0, help="Threads that cut and attack crops. [1; on a GPU 4]")
    ] = None,
    launcher: Annotated[
        str, typer.Option("--launcher", help="auto (torchrun where it started us), none, pytorch or slurm.")
    ] = "auto",
    flip: Annotated[
        bool | None, typer.Option("--flip/--no-flip", help="Flip test; by default as the config says.")
    ] = None,
    scales: Annotated[
        list[str] | None,
        typer.Option("--scales", help="Average the heatmaps of an image pyramid, as 0.8,0.9,1,1.1,1.2,1.3. [1]"),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of random placements and of the bootstrap.")] = 0,
    bootstrap: Annotated[
        int, typer.Option("--bootstrap", min=0, help="Draws behind the intervals; 0 for no intervals.")
    ] = 1000,
    evaluator: Annotated[str, typer.Option("--evaluator", help="exact, or pycocotools (same, slow).")] = "exact",
    trust_checkpoint: Annotated[
        bool, typer.Option("--trust-checkpoint", help="Unpickle a checkpoint that holds more than weights.")
    ] = False,
    trust_config: Annotated[
        bool, typer.Option("--trust-config", help="Let a config run code from outside of its own tree.")
    ] = False,
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="Leave out photos that cannot be read, and record them.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse annotations that are repaired or left out in part.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress on stderr.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a summary as JSON, and progress as JSON lines on stderr.")
    ] = False,
) -> None:
    """Hide keypoints or parts in photos, measure the drop in AP per keypoint, and write tables, plots and a report.

    Options that take several values are given again, or once with commas.

    Examples:

    occbench attack --model hrnet-mini --data sample --kind all

    occbench attack --model hrnet --kind part-blackout

    occbench attack --model hrnet --data coco-val2017 --boxes detections.json --kind part-blackout --target head

    occbench attack --model rle --data my.json --kind keypoint-all --radius 6,12,18 --placement centred,decoys:6
    """
    from ..api.attack import attack as run

    made = run(
        model,
        data,
        values(kind),
        out,
        targets=values(target),
        radii=values(radius),
        placements=values(placement),
        occluders=occluders,
        checkpoint=checkpoint,
        spec=spec,
        time_limit=time_limit,
        images=images,
        boxes=boxes,
        detector_checkpoint=detector_checkpoint,
        detector_score=detector_score,
        scope=scope,
        crop=crop,
        redetect=redetect,
        pose_nms=pose_nms,
        protocol=protocol,
        overwrite=overwrite,
        take_over=take_over,
        limit=limit,
        batch_size=batch_size,
        device=device,
        backend=backend,
        precision=precision,
        tune=tune,
        workers=workers,
        launcher=launcher,
        flip=flip,
        scales=values(scales),
        seed=seed,
        bootstrap=bootstrap,
        evaluator=evaluator,
        trust_checkpoint=trust_checkpoint,
        trust_config=trust_config,
        skip_unreadable=skip_unreadable,
        name=name,
        strict=strict,
        fetch=fetch,
        progress=False if quiet else "json" if as_json else None,
        command=["occbench", *sys.argv[1:]],
    )
    if made is not None:
        print_summary(made, as_json)


def print_summary(run: Run, as_json: bool) -> None:
    """Say what came out."""
    from ..tables.floor import nothing_to_lose

    out, page, manifest, table = run.folder, run.folder / "report.html", run.manifest, run.cells
    overall = table[table["keypoint"] == "all"]
    clean = overall[overall["level"] == "clean"].iloc[0]
    floor = nothing_to_lose(table)
    if as_json:
        rows = json.loads(overall.to_json(orient="records"))
        work = {name: manifest[name] for name in ("reused", "computed", "again")}
        files = {"out": str(out), "report": str(page), "cells_csv": str(out / "cells.csv")}
        found = {"scope": manifest["scope"], "clean": rows[0], "cells": rows[1:], "boxes": manifest["boxes"]}
        found["nothing_to_lose"] = floor
        print(json.dumps({**files, **found, **work}, indent=2))
        return
    on = f"{manifest['model']['name']} on {manifest['data']['name']}"
    on += ", everybody in the photo hidden" * (manifest["scope"] == "image")
    metric = clean["metric"]
    print(f"{on}: clean {metric} {clean['value']:.4f}, n = {clean['n']:.0f} persons{_found(clean['found'])}")
    if floor is not None:
        print(floor)
    worst = overall[overall["level"] != "clean"].sort_values("drop", ascending=False, kind="stable").head(5)
    for record in worst.to_dict("records"):
        row = {str(column): value for column, value in record.items()}
        print(f"  {_name(row):<44} {metric} {row['value']:.4f}   drop {row['drop']:5.1f} points{_interval(row)}")
    for line in _calibration(run):
        print(line)
    if manifest["data"]["synthetic"]:
        print(
            "The people of this sample are synthetic, drawn by the program: its figures say nothing about real photos."
        )
    print(f"report: {page}")


def _calibration(run: Run) -> list[str]:
    """How far scores are from what they stand for: without an attack, and of the keypoints that attacks hide."""
    if "confidence" not in run.tables:
        return []
    table = run.tables["confidence"]
    whole = table[table["score_lo"].isna()]
    attacked = whole["level"] != "clean"
    groups = {"clean": whole[~attacked], "hidden, mean over cells": whole[attacked & (whole["keypoints"] == "hidden")]}
    said = []
    for name, rows in groups.items():
        if len(rows):
            error, low, high, score, right, ceiling = (
                float(rows[column].mean(skipna=False))
                for column in ("error", "error_lo", "error_hi", "score", "similarity", "ceiling")
            )
            ends = "" if math.isnan(low) else f" [{low:.3f}, {high:.3f}]"
            at = f"mean score {score:.2f} at similarity {right:.2f}, of at most {ceiling:.2f}"
            said.append(f"  calibration error, {name}: {error:.3f}{ends} ({at})")
    return said


def _found(share: float) -> str:
    """What share of the persons a model that sees whole photos finds; nothing of other models."""
    return "" if math.isnan(share) else f", {100 * share:.1f} % of them found"


def _name(row: dict[str, Any]) -> str:
    from ..tables.rows import size_of

    return f"{row['level']}-{row['fill']}:{row['target']} r={size_of(row)} {row['placement']}"


def _interval(row: dict[str, Any]) -> str:
    low, high = row["drop_lo"], row["drop_hi"]
    unclear = "" if row["clear"] else " (cannot be told from zero)"
    return "" if math.isnan(low) else f" [{low:.1f}, {high:.1f}]{unclear}"
