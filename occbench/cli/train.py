"""``occbench train``: train a model, with or without targeted occlusion."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from ..system.errors import OccbenchError
from ..system.processes import spare_cores

_OWN = "; of a cascade and of a bottom-up model the config's"


def train(
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            help="A name of `occbench ls datasets`, or annotations: COCO's, MPII's as MMPose has them, or a .yaml. "
            "[the model's own training set, then with --val its validation set]",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            help="A name of `occbench ls models`, a recipe of configs/thesis, or a config. [hrnet; with --data "
            "hrnet-mini]",
        ),
    ] = None,
    aug: Annotated[
        str,
        typer.Option(
            "--aug",
            help="none, blur-keypoint, blur-part, cutout-keypoint, cutout-part, cutout-blur-keypoint, "
            "cutout-blur-part, multi-keypoint, partmix, random-cutout, random-cutout-part, no-half-body or bare; "
            "several with commas.",
        ),
    ] = "none",
    aug_p: Annotated[
        float | None, typer.Option("--aug-p", help="Chance of each; by default the thesis' .5 (.2).")
    ] = None,
    removal: Annotated[bool, typer.Option("--removal", help="Hidden keypoints lose their label (parts only).")] = False,
    decoys: Annotated[
        int, typer.Option("--decoys", min=0, max=100, help="Equal occluders elsewhere on the person as well.")
    ] = 0,
    aug_fill: Annotated[
        str | None,
        typer.Option("--aug-fill", help="Of cutouts: meanout, blackout, noise, inpaint, person or object. [meanout]"),
    ] = None,
    occluders: Annotated[
        Path | None, typer.Option("--occluders", help="RGBA pictures for --aug-fill object. [drawn ones]")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Checkpoints, logs and the weights, model.pth. [runs/train-MODEL-AUG-SEED]"),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option("--images", help="Photos. [images/ beside the file or its folder, else the file's folder]"),
    ] = None,
    val: Annotated[
        str | None, typer.Option("--val", help="What to choose the best epoch by, as --data; none for the last one.")
    ] = None,
    val_images: Annotated[Path | None, typer.Option("--val-images", help="Photos of --val. [likewise]")] = None,
    fetch: Annotated[bool, typer.Option("--fetch", help="Fetch data sets that are not there, and go on.")] = False,
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="Leave out photos that cannot be read.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse annotations that are repaired or left out in part.")
    ] = False,
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help=f"Passes over the data. [210{_OWN}]")] = None,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", min=1, help=f"Persons per step and process. [32{_OWN}]")
    ] = None,
    lr: Annotated[float | None, typer.Option("--lr", min=0.0, help=f"Highest rate, Adam's. [0.001{_OWN}]")] = None,
    decay: Annotated[
        str | None, typer.Option("--decay", help=f"How the rate falls: steps or cosine. [steps{_OWN}]")
    ] = None,
    stage: Annotated[
        int | None, typer.Option("--stage", min=1, help="Of a cascade: the last stage to train; by default all.")
    ] = None,
    draws: Annotated[
        int | None,
        typer.Option("--draws", min=1, help="Of a cascade: crops of later stages, a person and joint. [the config's]"),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seeds weights, order and augmentation.")] = 0,
    init: Annotated[
        str | None,
        typer.Option(
            "--init",
            help="imagenet, none, a checkpoint, or a model's name for its weights. [imagenet where it is named]",
        ),
    ] = None,
    freeze_stages: Annotated[
        int, typer.Option("--freeze-stages", help="Keep the stem (0) and the first stages (1, 2, ...) as they are.")
    ] = -1,
    freeze_norm: Annotated[
        bool, typer.Option("--freeze-norm", help="Keep batch norms as they are: for weights with folded ones.")
    ] = False,
    amp: Annotated[bool, typer.Option("--amp", help="Mixed precision, on a GPU.")] = False,
    bf16: Annotated[bool, typer.Option("--bf16", help="Convolutions in bfloat16, for CPUs that have it.")] = False,
    deterministic: Annotated[
        bool, typer.Option("--deterministic", help="Deterministic algorithms only: exact resuming on a GPU.")
    ] = False,
    every_epoch: Annotated[
        bool, typer.Option("--every-epoch", help="Write the weights of every epoch, too: epochs/1.pth, ...")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint in --out, which is unpickled.")
    ] = False,
    trust_config: Annotated[
        bool, typer.Option("--trust-config", help="Let a config run code from outside of its own tree.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Build everything, run one iteration, print the plan, write nothing.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option("--workers", min=0, help="Processes that decode photos. [cores but one, at most 16]")
    ] = None,
    launcher: Annotated[
        str, typer.Option("--launcher", help="auto (torchrun is noticed), none, pytorch or slurm.")
    ] = "auto",
    verbose: Annotated[bool, typer.Option("--verbose", help="Print MMEngine's log.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress on stderr.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Progress as JSON lines on stderr.")] = False,
) -> None:
    """Train a model with MMEngine's Runner and export its weights.

    Killed, it goes on with the same command and --resume, exactly. Examples: `occbench train --aug partmix`,
    `occbench train --data people/annotations.json --val others/annotations.json --epochs 12 --out runs/mini`,
    `occbench train --model hrnet --aug partmix --data coco/annotations/person_keypoints_train2017.json
    --images coco/train2017 --dry-run`, `torchrun --nproc-per-node 4 -m occbench train ...`,
    `occbench train --model deeppose-cascade --data lspet/joints.mat --out runs/deeppose`.
    """
    from ..data.default import TRAINED, default_set, require
    from ..data.findings import warnings_of
    from ..data.known import BY_NAME
    from ..system.distributed import LAUNCHERS
    from ..system.errors import unknown_name
    from ..system.progress import Progress
    from ..training import Augmentation, Settings, dataset_of, find_config, own_settings, training_data
    from ..training import train as run
    from ..training.cascade import is_cascade
    from ..weights.trust import check_config

    if launcher not in LAUNCHERS:
        raise unknown_name("launcher", launcher, LAUNCHERS)
    pictures = None if occluders is None else str(occluders.absolute())
    augmentation = Augmentation.parse(aug, aug_p, removal, decoys, aug_fill, pictures)
    options = {"epochs": epochs, "batch_size": batch_size, "lr": lr, "decay": decay}
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    model = model or ("hrnet" if data in (None, *TRAINED.values()) else "hrnet-mini")
    config = find_config(model)
    check_config(config, trust_config)
    settings = Settings(
        **{**own_settings(config), **given},
        seed=seed,
        init=init,
        freeze_stages=freeze_stages,
        freeze_norm=freeze_norm,
        augmentation=augmentation,
        amp=amp,
        bf16=bf16,
        deterministic=deterministic,
    )
    alone = os.environ.get("WORLD_SIZE", "1") == "1"
    if out is None and (resume or not alone):
        raise OccbenchError("--out is needed with --resume and with several processes, which share that folder")
    progress = Progress(False if verbose or quiet else None, as_json)
    cascade = is_cascade(config)
    if not cascade and (stage is not None or draws is not None):
        raise OccbenchError(f"--stage and --draws are for a cascade, which {model!r} is not")
    if cascade and every_epoch:
        raise OccbenchError("--every-epoch is not for a cascade, which keeps the weights of every stage")
    if cascade and data is None:
        raise OccbenchError(f"--data is needed for {model!r}: a name of `occbench ls datasets`, or annotations")
    if data is None:
        data = default_set(model, dataset_of(config), training=True)
        val = val or default_set(model, dataset_of(config))
    for name, folder in ((data, images), (val, val_images)):
        if name in BY_NAME and folder is None:
            require(name, fetch, progress.note)
    progress.say("reading annotations and photos")
    if cascade:
        from .train_cascade import open_checked, train_cascade

        trained = train_cascade(
            config,
            open_checked(data, images, skip_unreadable, strict, progress),
            None if val in (None, "none") else open_checked(val, val_images, skip_unreadable, strict, progress),
            out or _default_out(config.stem, "none", seed),
            settings,
            given if draws is None else {**given, "draws": draws},
            stage=stage,
            resume=resume,
            dry_run=dry_run,
            progress=progress,
        )
        print(trained)
        return
    workers = spare_cores() if workers is None else workers
    people = training_data(data, images, skip_unreadable, strict)
    held_out = None if val in (None, "none") else training_data(val, val_images, skip_unreadable, strict)
    warnings = (*warnings_of(people.findings, "--data"), *warnings_of(held_out.findings if held_out else (), "--val"))

    def warn() -> None:
        for line in warnings:
            progress.note(line)

    if dry_run:
        from ..training.plan import make_plan

        plan = make_plan(config, people, held_out, settings, workers, verbose)
        warn()
        print("\n".join(plan.lines()))
        return
    out = out or _default_out(config.stem, str(augmentation), seed)
    weights = run(
        config,
        people,
        out,
        held_out,
        settings,
        resume=resume,
        workers=workers,
        launcher=launcher,
        progress=progress,
        verbose=verbose,
        every_epoch=every_epoch,
        begin=warn,
    )
    if os.environ.get("RANK", "0") == "0":
        print(weights)


def _default_out(model: str, augmentation: str, seed: int) -> Path:
    """runs/train-MODEL-AUG-SEED, numbered where there is one already."""
    name = "-".join(["train", model, augmentation.replace(",", "+"), str(seed)])
    for number in range(1, 10_000):
        out = Path("runs") / (name if number == 1 else f"{name}-{number}")
        if not out.exists():
            return out
    raise OccbenchError("runs/ is full of trainings of this name; give --out")
