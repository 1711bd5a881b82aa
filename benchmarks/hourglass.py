"""Do narrow hourglasses learn, does a pyramid help them, and does the initialisation of Eq. 15 (the paper's Fig. 9)?

    occbench sample people --n 8000 --seed 20 --workers 2
    occbench sample others --n 250 --seed 22
    occbench sample test
    OMP_NUM_THREADS=1 python benchmarks/hourglass.py --train people/annotations.json --val others/annotations.json \\
        --test test/annotations.json --out runs/hourglass --jobs 2 --bf16 --kind part-meanout

Trains ``hourglass-mini`` and ``hourglass-prm-mini`` by the same ``occbench train``, from scratch, with several seeds,
and attacks each (without --kind, with the full suite). Then, for fewer epochs, PRM from the weights of Eq. 15, of
Xavier and of MSR.

Stopped, it goes on with the same command. After every model it writes anew, from what is finished: summary.csv and
summary.md (AP on the test photos, mean drops and their changes, with intervals over photos and seeds), curves.csv and
curves.svg (validation AP and training loss of every training).
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator
from retraining_figures import CLEAN, Figures, figures_of, over_seeds
from trainings import Commands, add_data, check_data, data_options, hold_to, make_models

from occbench.models.branches import SCHEMES
from occbench.reports.figures.style import RUN_COLOURS, WIDTH, new_figure, styled, write_figure
from occbench.runs import durable

PLAIN, PYRAMID = "hourglass-mini", "hourglass-prm-mini"
LABELS = {PLAIN: "plain residual units", PYRAMID: "PRM-B*", "branches": "Eq. 15", "xavier": "Xavier", "msr": "MSR"}
QUESTIONS = {
    "Pyramid": (PLAIN, (PLAIN, PYRAMID)),
    "Initialisation": ("branches", tuple(SCHEMES)),
}
"""What is compared: with which baseline, and what."""

COLUMNS = ["name", "seed", "quantity", "at"]
HELD = ("epochs", "init_epochs", "batch_size", "lr", "bf16", "kind", "draws")
SHORT = ("--kind", "keypoint-meanout", "--target", "nose")
"""What models are attacked with that are compared by their clean AP alone."""


def config_of(options: argparse.Namespace, name: str) -> str | Path:
    """A model of the zoo; for a scheme of initialisation, the config of PRM with it, written beside the trainings."""
    if name not in SCHEMES:
        return name
    from mmengine.config import Config

    from occbench.weights.zoo import find_model

    path = options.out / f"{PYRAMID}-{name}.py"
    if not path.is_file():
        config = Config.fromfile(find_model(PYRAMID).config_path)
        config.model.backbone.init = name
        durable.write(path, config.pretty_text.encode())
    return path


def one_model(options: argparse.Namespace, name: str, seed: int, commands: Commands) -> None:
    """Train and attack one model; finished steps are skipped."""
    folder = options.out / f"{name}-{seed}"
    config = config_of(options, name)
    arguments: list[object] = ["--model", config, "--seed", seed, *data_options(options, "train", "val")]
    arguments += ["--epochs", options.init_epochs if name in SCHEMES else options.epochs]
    arguments += ["--batch-size", options.batch_size, "--lr", options.lr, "--decay", "cosine", "--workers", 0]
    weights = commands.train([*arguments, *(["--bf16"] if options.bf16 else [])], folder)
    what = SHORT if name in SCHEMES else ("--kind", options.kind)
    same = ["--model", config, "--checkpoint", weights, *data_options(options, "test"), "--boxes", "gt"]
    commands.attack([*same, "--bootstrap", options.draws, *what], folder / "suite")
    print(f"{folder.name}: done", flush=True)


def curves(options: argparse.Namespace, seeds: Sequence[int]) -> pd.DataFrame:
    """What every training has logged so far: ``name``, ``seed``, ``quantity``, ``at``, ``value``.

    The loss, by person, is at an iteration, the validation AP at an epoch.
    """
    rows: dict[tuple[str, int, str, int], float] = {}
    for name in LABELS:
        for seed in seeds:
            for file in sorted((options.out / f"{name}-{seed}" / "train").glob("*/vis_data/scalars.json")):
                for line in map(json.loads, file.read_text().splitlines()):  # a resumed training's replace the first's
                    if "coco/AP" in line:
                        rows[name, seed, "AP", line["step"]] = line["coco/AP"]
                    elif "loss" in line:
                        rows[name, seed, "loss", line["iter"]] = line["loss"] / options.batch_size
    table = pd.DataFrame([(*key, value) for key, value in rows.items()], columns=[*COLUMNS, "value"])
    return table.sort_values(COLUMNS, kind="stable", ignore_index=True)


def draw(table: pd.DataFrame, stem: Path) -> None:
    """Each seed thin, their mean thick; one row for each question, loss beside AP."""
    with styled():
        figure = new_figure(WIDTH, 5.6)
        panels = figure.subplots(len(QUESTIONS), 2, squeeze=False)
        for row, (question, (_, names)) in zip(panels, QUESTIONS.items(), strict=True):
            for axes, quantity, marker in zip(row, ("loss", "AP"), ("", "o"), strict=True):
                for name, colour in zip(names, RUN_COLOURS, strict=False):
                    found = table[(table["name"] == name) & (table["quantity"] == quantity)]
                    wide = found.pivot(index="at", columns="seed", values="value")
                    axes.plot(wide.index, wide, color=colour, lw=0.6, alpha=0.5, marker=marker, ms=2)
                    mean = wide.dropna().mean(axis=1)  # where every seed has arrived
                    axes.plot(mean.index, mean, color=colour, lw=1.8, marker=marker, ms=4, label=LABELS[name])
                axes.set_xlabel("iteration" if quantity == "loss" else "epoch")
                axes.set_title(f"{question}: {'training loss of a person' if quantity == 'loss' else 'validation AP'}")
            row[0].set_yscale("log")
            row[0].yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
            row[0].yaxis.set_major_formatter("{x:g}")
            row[0].yaxis.set_minor_locator(NullLocator())
            epochs = table.loc[table["name"].isin(names) & (table["quantity"] == "AP"), "at"]
            row[1].set_xlim(0, max(epochs, default=1) + 0.5)
            row[1].xaxis.set_major_locator(MaxNLocator(integer=True))
            row[1].set_ylim(bottom=0)
            row[1].legend(loc="lower right")
        write_figure(figure, stem)


def rows_of(models: Mapping[tuple[str, int], Figures], images: int) -> Iterator[dict[str, object]]:
    """Clean AP of each kind of model, and its change against the baseline of its question, seed by seed.

    For the pyramids also the mean drop under every kind of attack.
    """
    for question, (baseline, names) in QUESTIONS.items():
        measured = dict.fromkeys(quantity for (name, _), found in models.items() if name in names for quantity in found)
        for quantity, name in itertools.product(measured if baseline == PLAIN else [CLEAN], names):
            tracks = {seed: found[quantity] for (other, seed), found in models.items() if other == name}
            if not tracks:
                continue
            value = over_seeds(list(tracks.values()), images)
            row = {"question": question, "quantity": " ".join(filter(None, quantity)), "model": LABELS[name]}
            row |= {"seeds": len(tracks), "value": value.value, "lo": value.lo, "hi": value.hi}
            paired = [
                track - models[baseline, seed][quantity] for seed, track in tracks.items() if (baseline, seed) in models
            ]
            if name != baseline and paired:
                change = over_seeds(paired, images)
                row |= {"change": change.value, "change_lo": change.lo, "change_hi": change.hi}
                row |= {"se_photos": change.se_photos, "se_seeds": change.se_replicates}
            yield row


def write_summary(options: argparse.Namespace, seeds: Sequence[int]) -> Path:
    """Write tables and curves of what there is so far."""
    found = {(name, seed): figures_of(options.out / f"{name}-{seed}", ["suite"]) for name in LABELS for seed in seeds}
    models = {model: figures[0] for model, figures in found.items() if figures is not None}
    images = next((figures[1] for figures in found.values() if figures is not None), 0)
    columns = ["question", "quantity", "model", "seeds", "value", "lo", "hi", "change", "change_lo", "change_hi"]
    table = pd.DataFrame(rows_of(models, images)).reindex(columns=[*columns, "se_photos", "se_seeds"])
    durable.write(options.out / "summary.csv", table.to_csv(index=False, float_format="%.6g").encode())
    logged = curves(options, seeds)
    durable.write(options.out / "curves.csv", logged.to_csv(index=False, float_format="%.6g").encode())
    draw(logged, options.out / "curves")
    lines = [f"AP x 100 on {images} photos; 95 % intervals over photos and seeds, changes paired by both.\n"]
    lines += ["| | | seeds | value | change |", "|---|---|---|---|---|"]
    for row in table.itertuples():
        change = "–" if pd.isna(row.change) else f"{row.change:+.1f} [{row.change_lo:+.1f}, {row.change_hi:+.1f}]"
        what = f"{row.quantity.replace('_', ' ')} | {row.model} | {row.seeds}"
        lines.append(f"| {what} | {row.value:.1f} [{row.lo:.1f}, {row.hi:.1f}] | {change} |")
    path: Path = options.out / "summary.md"
    durable.write(path, ("\n".join(lines) + "\n").encode())
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_data(parser)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--epochs", type=int, default=7)
    parser.add_argument("--init-epochs", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--lr", type=float, default=5e-3, help="Adam's at its highest; it falls as a cosine")
    parser.add_argument("--bf16", action="store_true", help="convolutions of the training in bfloat16")
    parser.add_argument("--kind", default="all", help="what the first two are attacked with, as of occbench attack")
    parser.add_argument("--draws", type=int, default=1000, help="of the bootstrap")
    parser.add_argument("--jobs", type=int, default=1, help="models made side by side")
    parser.add_argument("--summary-only", action="store_true", help="write the summary of what is finished")
    options = parser.parse_args()
    check_data(parser, options)
    hold_to(options, HELD)
    seeds = [int(seed) for seed in options.seeds.split(",")]
    work = {f"{name}-{seed}": functools.partial(one_model, options, name, seed) for seed in seeds for name in LABELS}
    make_models(work, lambda: write_summary(options, seeds), options.jobs, options.summary_only)


if __name__ == "__main__":
    main()
