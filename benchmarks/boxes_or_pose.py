"""What does an attack cost through the detector's boxes, and what through the pose?

    OMP_NUM_THREADS=1 python benchmarks/boxes_or_pose.py --test ann.json --test-images photos \\
        --model tinypose-256x192 --checkpoint tinypose-256x192.pth --backend onnxruntime \\
        --detector rtmdet-nano=rtmdet_nano_person.py,rtmdet-nano-person.pth --out runs/boxes-or-pose

One run a detector: every part and the nose of everybody in the photo is hidden, and the detector sees the attacked
photos, too (``--scope image --redetect``). summary.md has the split of every loss, with intervals paired by photo and
p corrected (Holm) over the targets of a level; split.svg shows it. Stopped, it goes on with the same command.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from trainings import Commands, add_data, check_data, data_options, is_finished, make_models

from occbench import open_run
from occbench.attacks import COCO
from occbench.reports.figures.style import RUN_COLOURS, new_figure, styled, write_figure
from occbench.runs import durable

TERMS = {
    "drop_both": "lost altogether",
    "drop_pose": "by the pose alone",
    "drop_boxes": "by the boxes alone",
    "interaction": "interaction",
    "share_pose": "share of the pose",
    "share_boxes": "share of the boxes",
}


LEVELS = ("part", "keypoint")


def one_run(options: argparse.Namespace, name: str, detector: str, commands: Commands) -> None:
    """The attack over one detector's boxes."""
    config, _, weights = detector.partition(",")
    arguments: list[object] = ["--model", options.model, *data_options(options, "test")]
    arguments += ["--checkpoint", options.checkpoint] if options.checkpoint else []
    arguments += ["--boxes", f"detector:{config}", *(["--detector-checkpoint", weights] if weights else [])]
    arguments += ["--detector-score", options.score]
    arguments += ["--scope", "image", "--redetect", "--target", options.targets]
    arguments += ["--kind", ",".join(f"{level}-{fill}" for fill in options.fills.split(",") for level in LEVELS)]
    arguments += ["--backend", options.backend, "--bootstrap", options.draws]
    commands.attack([*arguments, *(["--limit", options.limit] if options.limit else [])], options.out / name)


def shown(row: pd.Series, term: str) -> str:
    """``12.3 [10.1, 14.5] *``; a star where it can be told from zero."""
    value, low, high = row[term], row[f"{term}_lo"], row[f"{term}_hi"]
    ends = "" if pd.isna(low) else f" [{low:+.1f}, {high:+.1f}]"
    return f"{value:+.1f}{ends}" + (" *" if row[f"{term}_clear"] == 1 else "")


def lines_of(name: str, run: Path) -> Iterator[str]:
    """One detector's table."""
    split = open_run(run).tables["split"]
    rows = split[split["keypoint"] == "all"]
    first = rows.iloc[0]
    yield f"## {name}\n"
    yield (
        f"Clean AP {first['clean']:.4f}; {first['matched_clean']:.0f} persons have a box in the clean photos, "
        f"{first['missed_clean']:.0f} have none.\n"
    )
    yield "| hidden | " + " | ".join(TERMS.values()) + " | persons without a box |"
    yield "|---" * (2 + len(TERMS)) + "|"
    for _, row in rows.iterrows():
        cells = " | ".join(shown(row, term) for term in TERMS)
        yield f"| {row['target']}, {row['fill']} | {cells} | {row['missed_attacked']:.0f} |"
    yield ""


@styled()
def draw(runs: dict[str, Path], stem: Path) -> None:
    """The two shares of every loss, a panel a detector."""
    figure = new_figure(1 + 4 * len(runs), 4)
    axes = figure.subplots(1, len(runs), squeeze=False, sharey=True, sharex=True)
    for axis, (name, run) in zip(axes[0], runs.items(), strict=True):
        split = open_run(run).tables["split"]
        rows = split[split["keypoint"] == "all"].iloc[::-1]
        labels = rows["target"] + ", " + rows["fill"]
        left = rows["share_pose"].clip(lower=0)
        ends = [rows["share_boxes"] - rows["share_boxes_lo"], rows["share_boxes_hi"] - rows["share_boxes"]]
        axis.barh(labels, left, color=RUN_COLOURS[0], label="pose")
        axis.barh(labels, rows["share_boxes"], left=left, xerr=ends, color=RUN_COLOURS[1], label="boxes [95 %]")
        axis.set(title=name, xlabel="AP points lost")
    axes[0][-1].legend()
    write_figure(figure, stem)


def write_summary(options: argparse.Namespace) -> Path:
    """summary.md and split.svg of the runs that are finished."""
    runs = {name: options.out / name for name in options.detectors if is_finished(options.out / name)}
    lines = ["AP points [95 %]; *: told from zero by interval and corrected p. Shares: means over both orders.", ""]
    lines += [line for name, run in runs.items() for line in lines_of(name, run)]
    lines += [f"Not finished yet: {name}." for name in options.detectors if name not in runs]
    if runs:
        draw(runs, options.out / "split")
    path: Path = options.out / "summary.md"
    durable.write(path, ("\n".join(lines) + "\n").encode())
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_data(parser, ("test",))
    parser.add_argument("--model", default="hrnet")
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument(
        "--detector", action="append", required=True, help="NAME=CONFIG.py,WEIGHTS.pth, or NAME=rtmdet; may be repeated"
    )
    parser.add_argument("--score", type=float, default=0.3, help="boxes below it are left out: each costs a pose")
    parser.add_argument("--targets", default=",".join([*COCO.parts, "nose"]), help="what is hidden")
    parser.add_argument("--fills", default="blackout")
    parser.add_argument("--backend", default="torch")
    parser.add_argument("--limit", type=int, help="the first photos only")
    parser.add_argument("--draws", type=int, default=1000, help="of the bootstrap")
    parser.add_argument("--jobs", type=int, default=1, help="runs made side by side")
    parser.add_argument("--summary-only", action="store_true", help="write the summary of what is finished")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    check_data(parser, options)
    options.detectors = dict(given.partition("=")[::2] for given in options.detector)
    options.out.mkdir(parents=True, exist_ok=True)
    work = {name: functools.partial(one_run, options, name, given) for name, given in options.detectors.items()}
    make_models(work, lambda: write_summary(options), options.jobs, options.summary_only)


if __name__ == "__main__":
    main()
