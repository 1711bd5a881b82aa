"""Train the small models whose weights are in the package: a narrow SimpleBaseline and a narrow hourglass with PRM-B*.

    python benchmarks/minis.py --out runs/minis --device cuda
    python benchmarks/minis.py --out runs/minis --device cpu --epochs 4 --models simplebaseline-mini

Renders synthetic people (to train on, and to choose the epoch by), trains both models side by side from scratch with
``occbench train``, and measures each on the embedded sample and on another draw of its kind with ``occbench attack``.
OUT/MODEL.pth are the weights, as they lie in occbench/assets; OUT/minis.md is the table that stands beside them there.

Stopped, it goes on with the same command.
"""

from __future__ import annotations

import argparse
import functools
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd
from trainings import Commands

from occbench.runs import durable

RECIPES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "simplebaseline-mini": {"epochs": 12, "lr": 1.5e-3, "batch-size": 32},
        "hourglass-prm-mini": {"epochs": 8, "lr": 5e-3, "batch-size": 32},
    }
)
"""How each is trained, as options of ``occbench train``."""

TRAIN, VAL = ("people", 8000, 20), ("others", 250, 22)
"""Folder, number of photos and seed of what is rendered."""

TESTS = (("sample", 100, 7), ("another draw", 150, 24))
"""The embedded sample, and another draw of its kind."""

SHORT = ("--kind", "keypoint-meanout", "--target", "nose")
"""What a model is attacked with of which only the clean AP is wanted."""

FIGURES = ("n", "ap", "ap50", "ap75", "ap_m", "ap_l", "ar")


def render(out: Path, name: str, photos: int, seed: int, cores: int, commands: Commands) -> Path:
    """The annotation file of a rendered data set in ``out/name``, which is rendered where it is not there."""
    folder = out / name.replace(" ", "-")
    if not (folder / "annotations.json").is_file():
        arguments = ["sample", folder, "--n", photos, "--seed", seed, "--workers", cores]
        commands.run(arguments, out / "log.txt")
    return folder / "annotations.json"


def one_model(
    options: argparse.Namespace, name: str, tests: Mapping[str, Path], workers: int, commands: Commands
) -> None:
    """Train and measure one model; finished steps are skipped."""
    folder: Path = options.out / name
    recipe = {**RECIPES[name], **({"epochs": options.epochs} if options.epochs else {})}
    arguments: list[object] = ["--model", name, "--init", "none", "--decay", "cosine", "--workers", workers]
    arguments += [
        "--data",
        options.out / TRAIN[0] / "annotations.json",
        "--val",
        options.out / VAL[0] / "annotations.json",
    ]
    arguments += [part for option, value in recipe.items() for part in (f"--{option}", value)]
    weights = commands.train([*arguments, *(["--bf16"] if options.bf16 else [])], folder)
    shutil.copyfile(weights, options.out / f"{name}.pth")
    for test, data in tests.items():
        same = ["--model", name, "--checkpoint", options.out / f"{name}.pth", "--data", data]
        commands.attack([*same, *SHORT, "--device", options.device], folder / test.replace(" ", "-"))
    print(f"{name}: done", flush=True)


def summary(out: Path, names: Sequence[str]) -> str:
    """AP without attack of every model that is finished, by test, as a Markdown table."""
    lines = ["| model | data | persons | AP [95 %] | AP50 | AP75 | AP(M) | AP(L) | AR |", "|---" * 9 + "|"]
    for name in names:
        for test, _, _ in TESTS:
            cells = out / name / test.replace(" ", "-") / "cells.csv"
            if cells.is_file():
                table = pd.read_csv(cells)
                row = table[(table["level"] == "clean") & (table["keypoint"] == "all")].iloc[0]
                n, ap, *others = (row[figure] for figure in FIGURES)
                interval = f"{ap:.3f} [{row['ap_lo']:.3f}, {row['ap_hi']:.3f}]"
                lines.append(
                    " | ".join(["| " + name, test, f"{n:.0f}", interval, *(f"{v:.3f}" for v in others)]) + " |"
                )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", choices=("cuda", "cpu"), required=True)
    parser.add_argument("--models", default=",".join(RECIPES), help="which, with commas")
    parser.add_argument("--epochs", type=int, help="for each of them; by default its own number")
    parser.add_argument("--photos", type=int, default=TRAIN[1], help="to train on")
    parser.add_argument("--bf16", action="store_true", help="convolutions of the training in bfloat16")
    options = parser.parse_args()
    names = options.models.split(",")
    if unknown := set(names) - set(RECIPES):
        parser.error(f"--models: {', '.join(sorted(unknown))} is none of {', '.join(RECIPES)}")
    if options.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # for the commands that are started below
    cores = len(os.sched_getaffinity(0))
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores // len(names)) if options.device == "cpu" else 1))
    options.out.mkdir(parents=True, exist_ok=True)
    commands = Commands()
    for name, photos, seed in ((TRAIN[0], options.photos, TRAIN[2]), VAL):
        render(options.out, name, photos, seed, cores, commands)
    tests = {name: render(options.out, f"test {name}", photos, seed, cores, commands) for name, photos, seed in TESTS}
    workers = max(1, cores // len(names) - 1)
    tasks = {name: functools.partial(one_model, options, name, tests, workers, commands) for name in names}
    failed = commands.side_by_side(tasks, len(names))
    text = summary(options.out, list(RECIPES))
    durable.write(options.out / "minis.md", text.encode())
    print(text)
    if failed:
        raise SystemExit(f"{len(failed)} of {len(tasks)} models failed; give the same command again")


if __name__ == "__main__":
    main()
