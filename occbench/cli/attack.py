"""``occbench attack``: the main job."""

from __future__ import annotations

import json
import math
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..system.errors import OccbenchError, unknown_name

if TYPE_CHECKING:
    from ..attacks import Attack, Placement, Skeleton
    from ..data.persons import Dataset
    from ..inference.detector import Detector


def attack(
    model: Annotated[str, typer.Option("--model", help="A name of `occbench ls models`, or an MMPose config.py.")],
    kind: Annotated[
        list[str], typer.Option("--kind", help="LEVEL-FILL as in `occbench ls kinds`; or keypoint-all, part-all, all.")
    ],
    data: Annotated[
        str, typer.Option("--data", help="A name of `occbench ls datasets`, or an annotation file: .json, .mat, .yaml.")
    ],
    checkpoint: Annotated[
        str | None, typer.Option("--checkpoint", help="Weights: a file or an address; by default the model's own.")
    ] = None,
    target: Annotated[
        list[str] | None, typer.Option("--target", help="Keypoint or part to hide; by default every one, a cell each.")
    ] = None,
    radius: Annotated[
        list[str] | None,
        typer.Option("--radius", help="Crop px: the disc's radius, or a part's margin; several make a sweep. [6]"),
    ] = None,
    placement: Annotated[
        list[str] | None,
        typer.Option("--placement", help="centred, jittered, decoys:N or placebo; several are compared. [centred]"),
    ] = None,
    images: Annotated[Path | None, typer.Option("--images", help="Image folder of ANNOTATIONS.json.")] = None,
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
        str,
        typer.Option("--scope", help="person: who is in the crop; image: everybody labelled, in the photo itself."),
    ] = "person",
    redetect: Annotated[
        bool,
        typer.Option("--redetect", help="With --scope image: the detector sees the attacked photos, too."),
    ] = False,
    protocol: Annotated[str, typer.Option("--protocol", help="corrected or thesis (see README).")] = "corrected",
    out: Annotated[
        Path | None, typer.Option("--out", help="Run folder, new or to go on with. [runs/MODEL-DATA-BOXES]")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Begin anew where --out holds a run.")] = False,
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Take a run that a process of another machine left locked.")
    ] = False,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Only the first N photos with people.")] = None,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", min=1, help="Crops inferred at a time. [16; on a GPU 128]")
    ] = None,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1 ...")] = "auto",
    backend: Annotated[str, typer.Option("--backend", help="torch, openvino or onnxruntime.")] = "torch",
    precision: Annotated[
        str, typer.Option("--precision", help="fp32, bf16 or fp16; reduced ones are compared with fp32.")
    ] = "fp32",
    workers: Annotated[
        int | None, typer.Option("--workers", min=0, help="Threads that cut and attack crops. [1; on a GPU 8]")
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
    as_json: Annotated[bool, typer.Option("--json", help="Print a summary as JSON.")] = False,
) -> None:
    """Hide keypoints or parts in photos, measure the drop in AP per keypoint, and write tables, plots and a report.

    Options that take several values are given again, or once with commas.

    Examples:

    occbench attack --model hrnet-mini --data sample --kind all

    occbench attack --model hrnet --data coco-val2017 --boxes detections.json --kind part-blackout --target head

    occbench attack --model rle --data my.json --kind keypoint-all --radius 6,12,18 --placement centred,decoys:6
    """
    from ..estimators.scales import parse_scales
    from ..system.distributed import LAUNCHERS, joined
    from ..weights.zoo import find_model

    kinds, targets = _values(kind), _values(target)
    _check_kinds(kinds)
    if not data.endswith((".yaml", ".yml")):  # these bring targets of their own
        _check_targets(targets)
    radii, placements = [_radius(text) for text in _values(radius)], [_placement(text) for text in _values(placement)]
    for option, value, known in (
        ("scope", scope, ("person", "image")),
        ("protocol", protocol, ("corrected", "thesis")),
        ("evaluator", evaluator, ("exact", "pycocotools")),
        ("backend", backend, ("torch", "openvino", "onnxruntime")),
        ("precision", precision, ("fp32", "bf16", "fp16")),
        ("launcher", launcher, LAUNCHERS),
    ):
        if value not in known:
            raise unknown_name(option, value, known)
    if (scope, protocol) == ("image", "thesis"):
        raise OccbenchError("--scope image has no --protocol thesis, whose rules are those of crops: leave one out")
    pyramid = parse_scales(_values(scales))
    chosen = find_model(model)
    chosen.require_attackable()
    detector = _detector(boxes, detector_checkpoint, detector_score)
    if redetect and not (scope == "image" and detector):
        raise OccbenchError(
            "--redetect shows the detector the attacked photos: it needs --scope image and --boxes detector:NAME"
        )

    from ..data.photos import check_photos
    from ..data.sources import open_dataset
    from ..runs import check_out
    from ..system.progress import Progress

    out = out or _default_out(chosen.name, data, boxes, scope)
    check_out(out, overwrite)
    dataset = open_dataset(data, images, "gt" if detector else boxes, seed)
    if limit:
        dataset = dataset.first(limit)
        if not dataset.persons:
            raise OccbenchError(f"{boxes!r} has no box on the first {limit} photos with people; raise --limit")
    chosen.require_keypoints_of(dataset.skeleton.name)
    suite = _suite(dataset.skeleton, kinds, targets, radii, placements)
    dataset = check_photos(dataset, skip_unreadable, every=detector is not None)

    from ..estimators.pose_model import PoseModel, pick_device
    from ..inference.engine import Settings
    from ..jobs.detections import Finder, with_detector
    from ..jobs.job import Job
    from ..jobs.measure import measure
    from ..reports import build_report
    from ..runs.about import ModelFiles
    from ..tables.scoring import Scoring
    from ..weights.checkpoints import resolve

    with joined(launcher) as ranks:
        progress = Progress(None if ranks.first else False)
        progress.say(f"loading {chosen.name}")
        weights = resolve(checkpoint, chosen)
        place = pick_device(device, ranks.local)
        if detector is not None:
            finder = Finder(
                detector, detector_checkpoint, place, trust_checkpoint, trust_config, min_score=detector_score
            )
            dataset = with_detector(dataset, finder, progress)
        on_gpu = place.startswith("cuda")
        files = ModelFiles(chosen.name, chosen.config_path, weights, dict(chosen.published), trust_checkpoint)
        job = Job(
            PoseModel(files.config, weights, place, flip, trust_checkpoint, trust_config, pyramid),
            files,
            dataset,
            suite,
            out,
            Scoring(protocol, evaluator, bootstrap, seed),  # type: ignore[arg-type]  # checked above
            Settings(
                protocol,
                seed,
                batch_size or (128 if on_gpu else 16),
                (8 if on_gpu else 1) if workers is None else workers,
                scope=scope,
            ),
            backend,
            precision,
            place,
            limit,
            ["occbench", *sys.argv[1:]],
            partial(_seeing_again, dataset, place, trust_checkpoint, trust_config) if redetect else None,
        )

        def report(folder: Path) -> Path:
            return build_report([folder], progress=progress.say)

        manifest = measure(job, report, progress, ranks, overwrite=overwrite, take_over=take_over)
    if manifest is not None:
        _print_summary(out, out / "report.html", manifest, as_json)


def _values(given: list[str] | None) -> list[str]:
    """The values of an option that can be repeated, each of them possibly a list with commas."""
    return [value.strip() for text in given or [] for value in text.split(",") if value.strip()]


def _radius(text: str) -> float:
    try:
        radius = float(text)
    except ValueError:
        radius = math.nan
    if not 0 < radius <= 1000:
        raise OccbenchError(f"--radius must be a positive number of crop px (up to 1000), but is {text}")
    return radius


def _detector(boxes: str, checkpoint: str | None, score: float | None) -> str | None:
    """The detector that ``--boxes`` names, known to exist; None for other boxes.

    Raises:
        OccbenchError: There is no such detector, or options of one are given for other boxes.
    """
    from ..data.sources import detector_of
    from ..weights.detectors import find_detector

    name = detector_of(boxes)
    if name is not None:
        find_detector(name)
        return name
    for option, value in (("--detector-checkpoint", checkpoint), ("--detector-score", score)):
        if value is not None:
            raise OccbenchError(f"{option} is for --boxes detector:NAME, but --boxes is {boxes!r}")
    return None


def _seeing_again(dataset: Dataset, device: str, trust: bool, trust_config: bool) -> Detector:
    """The detector that found the boxes of a data set."""
    from ..inference.detector import Detector

    files = dataset.detector
    if files is None:
        raise OccbenchError("the boxes are no detector's: give --boxes detector:NAME")
    return Detector(files.config, files.checkpoint, device, trust, trust_config)


def _check_kinds(kinds: list[str]) -> None:
    from ..attacks import GROUPS, KINDS

    if not kinds:
        raise OccbenchError("--kind names no kind of attack; `occbench ls kinds` lists them")
    for kind in kinds:
        if kind not in KINDS and kind not in GROUPS:
            raise unknown_name("kind", kind, [*KINDS, *GROUPS])


def _check_targets(targets: list[str]) -> None:
    """Refuse what is no target of any known data set, before one is read."""
    from ..attacks import LEVELS, SKELETONS

    known = {name for skeleton in SKELETONS.values() for level in LEVELS for name in skeleton.targets(level)}
    for target in targets:
        if target not in known:
            raise unknown_name("target", target, known)


def _suite(
    skeleton: Skeleton, kinds: list[str], targets: list[str], radii: list[float], placements: list[Placement]
) -> list[Attack]:
    from ..attacks import CENTRED, DEFAULT_RADIUS, LEVELS, make_suite

    known = [name for level in LEVELS for name in skeleton.targets(level)]
    for target in targets:
        if target not in known:
            raise unknown_name("target", target, known)
    try:
        return make_suite(skeleton, kinds, targets, radii or [DEFAULT_RADIUS], placements or [CENTRED])
    except ValueError as error:
        raise OccbenchError(str(error)) from error


def _placement(text: str) -> Placement:
    from ..attacks import Placement

    try:
        return Placement.parse(text)
    except ValueError as error:
        raise OccbenchError(str(error)) from error


def _default_out(model: str, data: str, boxes: str, scope: str) -> Path:
    """runs/MODEL-DATA-BOXES[-image]: the same for the same command, which so goes on with what it began."""
    kind, _, name = boxes.partition(":")
    source = Path(boxes).stem if boxes.endswith(".json") else boxes.replace(":", "-")
    if kind == "detector":
        source = f"detector-{Path(name).stem if name.endswith('.py') else name}"
    return Path("runs") / (f"{model}-{Path(data).stem}-{source}" + "-image" * (scope == "image"))


def _print_summary(out: Path, page: Path, manifest: dict[str, Any], as_json: bool) -> None:
    import pandas as pd

    table = pd.read_csv(out / "cells.csv")
    overall = table[table["keypoint"] == "all"]
    clean = overall[overall["level"] == "clean"].iloc[0]
    if as_json:
        rows = json.loads(overall.to_json(orient="records"))
        work = {name: manifest[name] for name in ("reused", "computed", "again")}
        files = {"out": str(out), "report": str(page), "cells_csv": str(out / "cells.csv")}
        found = {"scope": manifest["scope"], "clean": rows[0], "cells": rows[1:], "boxes": manifest["boxes"]}
        print(json.dumps({**files, **found, **work}, indent=2))
        return
    on = f"{manifest['model']['name']} on {manifest['data']['name']}"
    on += ", everybody in the photo hidden" * (manifest["scope"] == "image")
    metric = clean["metric"]
    print(f"{on}: clean {metric} {clean['value']:.4f}, n = {clean['n']:.0f} persons")
    worst = overall[overall["level"] != "clean"].sort_values("drop", ascending=False, kind="stable").head(5)
    for record in worst.to_dict("records"):
        row = {str(column): value for column, value in record.items()}
        print(f"  {_name(row):<44} {metric} {row['value']:.4f}   drop {row['drop']:5.1f} points{_interval(row)}")
    if manifest["data"]["synthetic"]:
        print(
            "The people of this sample are synthetic, drawn by the program: its figures say nothing about real photos."
        )
    print(f"report: {page}")


def _name(row: dict[str, Any]) -> str:
    return f"{row['level']}-{row['fill']}:{row['target']} r={row['radius']:g} {row['placement']}"


def _interval(row: dict[str, Any]) -> str:
    low, high = row["drop_lo"], row["drop_hi"]
    return "" if math.isnan(low) else f" [{low:.1f}, {high:.1f}]"
