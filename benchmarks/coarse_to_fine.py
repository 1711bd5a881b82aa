"""Does the refinement undo the pooling, does joint training help it, and SpatialDropout (Tompson et al., CVPR 2015)?

    occbench sample people --n 1500 --seed 60
    occbench sample test --n 150 --seed 61
    OMP_NUM_THREADS=1 python benchmarks/coarse_to_fine.py --train people/annotations.json \\
        --test test/annotations.json --out runs/coarse-to-fine-synthetic --jobs 2
    OMP_NUM_THREADS=1 python benchmarks/coarse_to_fine.py --train lspet/joints.mat --test lsp/joints.mat \\
        --out runs/coarse-to-fine-lsp --jobs 2

Trains narrow networks by ``occbench train``, with several seeds: ``joint``, the paper's three phases; ``standard``, a
fine network of its own on windows of the picture, trained apart; ``no-dropout``, the first without SpatialDropout;
``coarse``, the coarse network alone; ``coarse-4x``, a heatmap network at 4x pooling. Coarse networks learn for .8 of
--epochs everywhere, fine ones for .5. Then each is attacked.

Stopped, it goes on with the same command. After every model it writes summary.csv and summary.md anew, from what is
finished.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from retraining_figures import Track, over_seeds
from trainings import Commands, add_data, check_data, data_options, hold_to, is_finished, make_models

from occbench.runs import durable

NARROW = "coarse-to-fine-narrow"
VARIANTS: Mapping[str, tuple[str, float, Mapping[str, Any]]] = {
    "joint": (NARROW, 1.0, {}),
    "standard": ("standard-cascade-narrow", 1.3, {}),
    "no-dropout": (NARROW, 1.0, {"head": {"coarse": {"dropout": 0.0}}}),
    "coarse": ("coarse-narrow", 0.8, {}),
    "coarse-4x": ("coarse-narrow", 0.8, {"backbone": {"pooling": 4}, "head": {"pooling": 4}}),
}
"""The model of the zoo that each is made from, its share of the epochs, and what is changed in it."""

PAIRS = (("standard", "joint"), ("no-dropout", "joint"), ("coarse", "joint"), ("coarse-4x", "joint"))
"""What is compared: the second minus the first, seed by seed."""

HELD = ("epochs", "batch_size", "lr", "kind", "draws")
Figures = dict[tuple[str, str], Track]
"""By stage and figure."""


def config_of(options: argparse.Namespace, name: str) -> Path:
    """The config of a variant, written beside the trainings; for COCO's 17 keypoints where the data are a .json."""
    from mmengine.config import Config

    from occbench.weights.zoo import find_model

    path: Path = options.out / f"{name}.py"
    if not path.is_file():
        zoo, _, changes = VARIANTS[name]
        source = find_model(zoo).config_path
        config = Config.fromfile(source)
        config.merge_from_dict({"model": changes})
        for loader in ("train_dataloader", "val_dataloader", "test_dataloader"):
            if options.train.suffix == ".json":
                config[loader].dataset.pop("metainfo", None)
            else:
                config[loader].dataset.metainfo.from_file = str((source.parent / "../deeppose/lsp.py").resolve())
        if options.train.suffix == ".json":
            config.model.head.num_joints = 17
        durable.write(path, config.pretty_text.encode())
    return path


def one_model(options: argparse.Namespace, name: str, seed: int, commands: Commands) -> None:
    """Train and attack one model; finished steps are skipped."""
    folder = options.out / f"{name}-{seed}"
    config = config_of(options, name)
    arguments: list[object] = ["--model", config, "--seed", seed, *data_options(options, "train"), "--val", "none"]
    arguments += ["--epochs", round(options.epochs * VARIANTS[name][1]), "--batch-size", options.batch_size]
    arguments += ["--lr", options.lr, "--decay", "cosine", "--workers", 0, "--init", "none"]
    weights = commands.train(arguments, folder)
    same = ["--model", config, "--checkpoint", weights, *data_options(options, "test"), "--batch-size", 32]
    commands.attack([*same, "--bootstrap", options.draws, "--kind", options.kind], folder / "suite")
    print(f"{folder.name}: done", flush=True)


def figures_of(run: Path) -> tuple[Figures, int]:
    """What a run says without occlusion, and its mean drops of PCK@0.1 by level, coarse and fine; and its photos."""
    from occbench.jobs.reopen import finished_run
    from occbench.tables.refinement import Measure

    opened = finished_run(run)
    measure = Measure(opened)
    found: Figures = {}
    drops: dict[tuple[str, str], list[Track]] = {}
    clean: dict[str, Track] = {}
    for attack in opened.cells:
        cell = opened.read(attack)
        for stage, poses in zip(("coarse", "fine"), measure.poses(cell), strict=False):
            rates = {name: _track(r.exact[0], r.draws[:, 0]) for name, r in measure.rates(poses).items()}
            if attack is None:
                found |= {(stage, name): 100 * track for name, track in rates.items()}
                found |= {(stage, name): _track(d.value, d.draws) for name, d in measure.errors(poses).items()}
                clean[stage] = rates["PCK@0.1"]
            else:
                drop = 100 * (clean[stage] - rates["PCK@0.1"])
                drops.setdefault((stage, f"mean drop of PCK@0.1, {attack.level}s"), []).append(drop)
        if opened.window is not None:
            outside = measure.outside(cell, attack)
            if attack is None:
                found["coarse", "outside window"] = 100 * _track(outside.exact[0], outside.draws[:, 0])
            for group in ("hidden", "not hidden"):
                if group in outside.keys:
                    at = outside.keys.index(group)
                    what = f"outside window, {attack.level if attack else ''}s, {group}"
                    track = 100 * _track(outside.exact[at], outside.draws[:, at])
                    drops.setdefault(("coarse", what), []).append(track)
    found |= {key: np.mean(tracks, axis=0) for key, tracks in drops.items()}
    return found, len(opened.dataset.truth.image_ids)


def _track(value: float, draws: np.ndarray) -> Track:
    return np.concatenate([[value], draws])


def rows_of(models: Mapping[tuple[str, int], Figures], images: int) -> Iterator[dict[str, object]]:
    """Every figure of every variant, what refining gains in it, and how variants differ; means over seeds."""
    for name in VARIANTS:
        mine = {seed: figures for (other, seed), figures in models.items() if other == name}
        for stage, figure in dict.fromkeys(key for figures in mine.values() for key in figures):
            tracks = [figures[stage, figure] for figures in mine.values()]
            yield _row(name, stage, figure, tracks, images)
            if stage == "fine":
                gains = [figures[stage, figure] - figures["coarse", figure] for figures in mine.values()]
                yield _row(name, "fine - coarse", figure, gains, images)
    for base, name in PAIRS:
        both = [seed for other, seed in models if other == name and (base, seed) in models]
        figures = dict.fromkeys(figure for seed in both for _, figure in models[name, seed])
        for figure in figures:
            shared = [seed for seed in both if any(key[1] == figure for key in models[base, seed])]
            changes = [answer(models[name, seed], figure) - answer(models[base, seed], figure) for seed in shared]
            if changes:
                yield _row(f"{name} - {base}", "answer", figure, changes, images)


def answer(figures: Figures, figure: str) -> Track:
    """Of the stage that answers: the fine one where there is one."""
    return figures["fine" if ("fine", figure) in figures else "coarse", figure]


def _row(name: str, stage: str, figure: str, tracks: Sequence[Track], images: int) -> dict[str, object]:
    found = over_seeds(tracks, images)
    row = {"model": name, "stage": stage, "figure": figure, "seeds": len(tracks)}
    return row | {"value": found.value, "lo": found.lo, "hi": found.hi, "se_photos": found.se_photos}


def write_summary(options: argparse.Namespace, seeds: Sequence[int]) -> Path:
    """Write the tables of what there is so far."""
    runs = {(name, seed): options.out / f"{name}-{seed}" / "suite" for seed in seeds for name in VARIANTS}
    found = {model: figures_of(run) for model, run in runs.items() if is_finished(run)}
    images = next((photos for _, photos in found.values()), 0)
    columns = ["model", "stage", "figure", "seeds", "value", "lo", "hi", "se_photos"]
    rows = list(rows_of({model: figures for model, (figures, _) in found.items()}, images))
    table = pd.DataFrame(rows, columns=columns)
    durable.write(options.out / "summary.csv", table.to_csv(index=False, float_format="%.6g").encode())
    missing = ", ".join(f"{name}-{seed}" for name, seed in runs if (name, seed) not in found)
    lines = [f"On {images} photos; 95 % intervals over photos and seeds. Errors: crop px; shares and drops: points.\n"]
    lines += [f"Not finished yet: {missing}.\n"] if missing else []
    lines += ["| model | stage | figure | seeds | value |", "|---|---|---|---|---|"]
    for row in table.itertuples():
        value = f"{row.value:.2f} [{row.lo:.2f}, {row.hi:.2f}]"
        lines.append(f"| {row.model} | {row.stage} | {row.figure} | {row.seeds} | {value} |")
    path: Path = options.out / "summary.md"
    durable.write(path, ("\n".join(lines) + "\n").encode())
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_data(parser, ("train", "test"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument("--variants", default=",".join(VARIANTS))
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--lr", type=float, default=2e-3, help="Adam's at its highest; it falls as a cosine")
    parser.add_argument("--kind", default="part-blackout,keypoint-blackout", help="as of occbench attack")
    parser.add_argument("--draws", type=int, default=1000, help="of the bootstrap")
    parser.add_argument("--jobs", type=int, default=1, help="models made side by side")
    parser.add_argument("--summary-only", action="store_true", help="write the summary of what is finished")
    options = parser.parse_args()
    check_data(parser, options)
    variants = options.variants.split(",")
    for name in variants:
        if name not in VARIANTS:
            parser.error(f"--variants are {', '.join(VARIANTS)}, but got {name}")
    hold_to(options, HELD)
    seeds = [int(seed) for seed in options.seeds.split(",")]
    work = {f"{name}-{seed}": functools.partial(one_model, options, name, seed) for seed in seeds for name in variants}
    make_models(work, lambda: write_summary(options, seeds), options.jobs, options.summary_only)


if __name__ == "__main__":
    main()
