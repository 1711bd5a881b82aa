"""The ablation of RMPE's poster in the small: what each part of it is worth over boxes that are wrong.

    occbench attack --boxes detector:... --kind keypoint-blackout --target nose --data test.json --out runs/boxes
    OMP_NUM_THREADS=1 python benchmarks/rmpe.py --train people/annotations.json --val others/annotations.json \\
        --test test.json --detections runs/boxes/detections.json --init plain.pth --out runs/rmpe --jobs 2

Every arm is fine-tuned from the same weights (--init; by default those in the package), with the same steps and seeds:

    plain           the estimator alone, with the config's own augmentation
    generator       the estimator alone, on boxes of the proposal generator
    sstn            with the symmetric spatial transformer, on boxes of the generator, without the parallel estimator
    sstn+parallel   with both, on boxes of the config's own augmentation
    full            all three

Boxes are grown by 20 % everywhere. Each model is then tried over ground-truth boxes, over those moved and scaled by
shares (``--jitter``), and over a detector's (``--detections``, a results file of the test photos). With ``--detector``
parts are hidden from that detector too (``--scope image --redetect``), and what is lost is split into what the boxes
and what the pose lose. Stopped, it goes on with the same command. summary.md is written anew after every model: AP over
the seeds, and differences from ``full``, with intervals over photos and seeds.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from trainings import Commands, add_data, check_data, data_options, hold_to, is_finished, make_models

from occbench.evaluation.replicates import over_replicates
from occbench.jobs.paired import Measured
from occbench.jobs.reopen import finished_run
from occbench.runs import durable
from occbench.system.compat import setup_mmpose
from occbench.tables.redetected import Cell, redetected
from occbench.tables.split import TERMS, Splitter, terms
from occbench.weights.zoo import find_model

HELD = ("model", "epochs", "batch_size", "lr", "bf16", "draws", "limit")


@dataclass(frozen=True)
class Arm:
    """A way to train.

    Attributes:
        symmetric: Whether there is the transformer.
        parallel: Whether there is the parallel estimator.
        generator: Whether boxes are the generator's.
    """

    symmetric: bool
    parallel: bool
    generator: bool


ARMS = {
    "plain": Arm(False, False, False),
    "generator": Arm(False, False, True),
    "sstn": Arm(True, False, True),
    "sstn+parallel": Arm(True, True, False),
    "full": Arm(True, True, True),
}


def config_of(name: str, arm: Arm, offsets: Path | None) -> Any:
    """The MMPose config of an arm.

    Args:
        name: Of a zoo model ``rmpe-...``.
        arm: Which.
        offsets: Of the generator; None for the published ones.
    """
    setup_mmpose()
    from mmengine.config import Config

    config = Config.fromfile(find_model(name).config_path)
    plain = Config.fromfile(find_model(name.removeprefix("rmpe-")).config_path)
    if arm.symmetric:
        config.model.parallel = arm.parallel
    else:
        config.model.type = "TopdownPoseEstimator"
        for part in ("localiser", "parallel", "parallel_weight"):
            config.model.pop(part, None)
    steps = []
    for step in config.train_dataloader.dataset.pipeline:
        if step.type == "ProposalBox":
            if arm.generator:
                steps.append({**step, **({} if offsets is None else {"offsets": str(offsets.resolve())})})
            else:  # keeps the box for the parallel estimator, and the plain model's augmentation moves it
                own = plain.train_dataloader.dataset.pipeline
                steps += [{**step, "p": 0.0}, *(s for s in own if s.type in ("RandomHalfBody", "RandomBBoxTransform"))]
        elif step.type != "CentredTarget" or arm.parallel:
            steps.append(step)
    config.train_dataloader.dataset.pipeline = steps
    return config


@dataclass(frozen=True, eq=False)
class Figures:
    """A figure of a run, points.

    Attributes:
        arm: Whose, with its seed.
        shown: As it is printed.
        exact: Shape (1 + B,): by exact areas, of which differences are taken; in the data, then in every draw.
        signatures: Shape (C, I): of the C cells it is made of, what decides an image's part.
    """

    arm: str
    shown: float
    exact: np.ndarray
    signatures: np.ndarray


Splits = dict[str, dict[str, Figures]]
"""What a run's parts cost, by part and by term of :data:`~occbench.tables.split.TERMS`."""

T = TypeVar("T")


def boxes_of(options: argparse.Namespace) -> dict[str, str]:
    """What every model is tried over, by name: for ``--boxes``."""
    found = {"gt": "gt", **{f"jitter {share}": f"jitter:{share}" for share in options.jitter.split(",") if share}}
    return found | ({} if options.detections is None else {"detector": str(options.detections)})


def one_model(options: argparse.Namespace, name: str, seed: int, commands: Commands) -> None:
    """Train and try one model; finished steps are skipped."""
    folder = options.out / f"{name}-{seed}"
    config = options.out / f"{name}.py"
    arguments: list[object] = ["--model", config, "--seed", seed, *data_options(options, "train", "val")]
    arguments += ["--epochs", options.epochs, "--batch-size", options.batch_size, "--lr", options.lr]
    arguments += ["--decay", "cosine", "--init", options.init, "--workers", 0, *(["--bf16"] if options.bf16 else [])]
    weights = commands.train(arguments, folder)
    tried = ["--model", config, "--checkpoint", weights, *data_options(options, "test"), "--bootstrap", options.draws]
    tried += ["--limit", options.limit] if options.limit else []
    little = ["--kind", "keypoint-blackout", "--target", "nose"]
    for label, boxes in boxes_of(options).items():
        commands.attack([*tried, *little, "--boxes", boxes], folder / label.replace(" ", "-"))
    if options.detector:
        path, _, found = options.detector.partition(",")
        tried += ["--boxes", f"detector:{path}", *(["--detector-checkpoint", found] if found else [])]
        tried += ["--detector-score", options.detector_score]
        tried += ["--kind", "part-blackout", "--target", options.parts, "--scope", "image", "--redetect"]
        commands.attack(tried, folder / "redetect")


def write_summary(options: argparse.Namespace) -> Path:
    """summary.md from what is finished."""
    seeds = [int(seed) for seed in options.seeds.split(",")]
    by_label = {label: read(options, seeds, label.replace(" ", "-"), _overall) for label in boxes_of(options)}
    moved = [found for label, found in by_label.items() if label.startswith("jitter")]
    if len(moved) > 1:
        by_seed = {name: zip(*(found[name] for found in moved), strict=True) for name in ARMS}
        by_label["mean over jitters"] = {name: [_mean(figures) for figures in by_seed[name]] for name in ARMS}
    lines = [f"AP of {options.model}, points, mean over seeds; in brackets `full` minus it [95 %].", ""]
    lines += ["| arm | " + " | ".join(by_label) + " |", "|---" * (1 + len(by_label)) + "|"]
    splits = read(options, seeds, "redetect", _split) if options.detector else {}
    asked = [name for name in ARMS if name in options.arms.split(",")]
    for name in asked:
        cells = [compared(found[name], found["full"]) for found in by_label.values()]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    tried = [(name, label) for label in boxes_of(options) for name in asked]
    missing = [f"{name} over {label}" for name, label in tried if not any(by_label[label][name])]
    missing += [f"{name} with parts hidden from the detector" for name in asked if splits and not any(splits[name])]
    lines += ["", f"Not finished yet: {', '.join(missing)}." if missing else "All finished."]
    lines += ["", *losses(splits, asked, options.parts.split(","))] if splits else []
    path: Path = options.out / "summary.md"
    durable.write(path, ("\n".join(lines) + "\n").encode())
    return path


def read(
    options: argparse.Namespace, seeds: Sequence[int], run: str, figures: Callable[[Path], T]
) -> dict[str, list[T | None]]:
    """The figures of every arm's run of this name, by seed; None where it is not finished."""
    folders = {name: [options.out / f"{name}-{seed}" / run for seed in seeds] for name in ARMS}
    return {name: [figures(run) if is_finished(run) else None for run in runs] for name, runs in folders.items()}


def losses(found: Mapping[str, Sequence[Splits | None]], asked: Sequence[str], parts: Sequence[str]) -> Iterator[str]:
    """What parts cost that are hidden from the detector too: a table for each term."""
    for term in ("drop_both", "drop_pose", "drop_boxes", "share_boxes"):
        yield f"{TERMS[term]}; points, mean over seeds; in brackets `full` minus it [95 %].\n"
        yield "| arm | " + " | ".join(parts) + " |"
        yield "|---" * (1 + len(parts)) + "|"
        for name in asked:
            cells = [compared(*(_term(found[arm], part, term) for arm in (name, "full"))) for part in parts]
            yield f"| {name} | " + " | ".join(cells) + " |"
        yield ""


def _term(splits: Sequence[Splits | None], part: str, term: str) -> list[Figures | None]:
    return [split and split[part][term] for split in splits]


def compared(own: Sequence[Figures | None], full: Sequence[Figures | None]) -> str:
    """``52.1 (n = 2) (+1.3 [-.2, 2.8])``: the mean over seeds, and what ``full`` has more, over photos and seeds."""
    known = [figures.shown for figures in own if figures]
    if not known:
        return "-"
    text = f"{np.mean(known):.1f} (n = {len(known)})"
    pairs = [(a, b) for a, b in zip(own, full, strict=True) if a and b and a.arm != b.arm]
    if not pairs:
        return text
    more = np.stack([b.exact - a.exact for a, b in pairs], 1)
    changed = max(int(np.any(a.signatures != b.signatures, axis=0).sum()) for a, b in pairs)
    found = over_replicates(more[0], more[1:], changed)
    return f"{text} ({found.value:+.1f} [{found.lo:+.1f}, {found.hi:+.1f}])"


def _mean(figures: Sequence[Figures | None]) -> Figures | None:
    """Of one model's figures over several kinds of boxes; None where one of them is not there."""
    known = [own for own in figures if own]
    if len(known) < len(figures):
        return None
    shown, exact = np.mean([own.shown for own in known]), np.mean([own.exact for own in known], axis=0)
    return Figures(known[0].arm, float(shown), exact, np.concatenate([own.signatures for own in known]))


def _overall(run: Path) -> Figures:
    """AP over all keypoints in the clean photos, points."""
    measured = Measured.open(run)
    overall = measured.overall("clean", measured.weights())
    return Figures(run.parent.name, overall.printed[0], overall.exact, overall.signature[None])


def _split(run: Path) -> Splits:
    """What each hidden part costs in a run that looked for boxes anew, by part and term."""
    opened = finished_run(run)
    splitter = Splitter(opened.scoring, Cell(opened.dataset, opened.areas, opened.clean))
    found = {}
    for attack in opened.attacks:
        photo = Cell(opened.dataset, opened.areas, opened.read(attack))
        cells = splitter.cells(photo, *redetected(run, attack, opened.dataset))
        overall = cells[0].keys.index(None)
        values = terms(*(np.concatenate([cell.exact[None], cell.draws])[:, overall] for cell in cells))
        signatures = np.stack([cell.signatures[overall] for cell in cells])
        found[attack.target] = {
            term: Figures(run.parent.name, value[0], value, signatures) for term, value in values.items()
        }
    return found


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_data(parser)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", default="rmpe-hrnet-mini", help="a model rmpe-... of occbench ls models")
    parser.add_argument("--init", help="weights of the plain model; by default those of the zoo")
    parser.add_argument("--offsets", type=Path, help="of the generator, by occbench fit-proposals; else the published")
    parser.add_argument("--arms", default=",".join(ARMS), help="with commas; full is what others are compared with")
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--lr", type=float, default=3e-4, help="at its highest; it falls as a cosine")
    parser.add_argument("--bf16", action="store_true", help="convolutions of the training in bfloat16")
    parser.add_argument("--jitter", default="0.05,0.1,0.15,0.2,0.3", help="shares, with commas")
    parser.add_argument("--detections", type=Path, help="a detector's results on the test photos")
    parser.add_argument("--detector", help="CONFIG.py,WEIGHTS.pth, or a name such as rtmdet: also hide parts from it")
    parser.add_argument("--detector-score", type=float, default=0.3, help="its boxes below it are left out")
    parser.add_argument("--parts", default="head,left_arm,upper_body,corpus,left_side", help="those, with commas")
    parser.add_argument("--limit", type=int, help="the first test photos only")
    parser.add_argument("--draws", type=int, default=1000, help="of the bootstrap")
    parser.add_argument("--jobs", type=int, default=1, help="models made side by side")
    parser.add_argument("--summary-only", action="store_true", help="write the summary of what is finished")
    options = parser.parse_args()
    unknown = set(options.arms.split(",")) - set(ARMS)
    if unknown or not options.model.startswith("rmpe-"):
        parser.error(f"--arms are of {', '.join(ARMS)}, and --model is a model rmpe-...")
    options.init = options.init or str(find_model(options.model.removeprefix("rmpe-")).checkpoint)
    for path in (options.init, options.detections, options.offsets):
        if path is not None and not Path(path).is_file():
            parser.error(f"there is no file {path}")
    check_data(parser, options)
    return options


def main() -> None:
    options = parsed()
    files = {"init": options.init, "offsets": options.offsets, "detections": options.detections}
    hold_to(options, HELD, **{k: v and hashlib.sha256(Path(v).read_bytes()).hexdigest() for k, v in files.items()})
    arms = options.arms.split(",")
    for name in arms:
        durable.write(
            options.out / f"{name}.py", config_of(options.model, ARMS[name], options.offsets).pretty_text.encode()
        )
    seeds = [int(seed) for seed in options.seeds.split(",")]
    work = {f"{name}-{seed}": functools.partial(one_model, options, name, seed) for seed in seeds for name in arms}
    make_models(work, lambda: write_summary(options), options.jobs, options.summary_only)


if __name__ == "__main__":
    main()
