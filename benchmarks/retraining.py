"""Train with and without targeted occlusion, attack every model, and compare: does it help, and is it robustness?

    occbench sample people --n 1200 --seed 41 --workers 2
    occbench sample others --n 80 --seed 42
    occbench sample test --n 80 --seed 43
    OMP_NUM_THREADS=1 python benchmarks/retraining.py --train people/annotations.json --val others/annotations.json \\
        --test test/annotations.json --out runs/retraining --jobs 2 --bf16

Every (recipe, seed) is one ``occbench train``, then ``occbench attack``: with the full suite for the recipes of --suite
and those that hide parts, and with decoys and placebos for those that hide single keypoints and their controls. The
recipe ``none`` is the baseline: the same training, as long, without occlusion.

By default every model starts from the weights in the package. That is FINE-TUNING, not training from scratch: what
comes out tells what an augmentation changes in a model that has learnt without it. ``--init none`` trains from scratch,
which needs many more epochs.

Real photos: --model tinypose-256x192 --init tinypose-256x192.pth --freeze-norm, for its norms are folded. Without --val
the last epoch counts. With --curve every epoch's weights are attacked with centred occluders and decoys, so that one
sees how fast a marker is learnt or forgotten.

Stopped, it goes on with the same command: what is finished is skipped, and what was begun goes on from its last epoch
or chunk. More recipes or seeds may be named later. Models are made seed by seed, and the summary (summary.csv,
summary.md) is written anew after each of them, from all that are finished: see retraining_figures.py for them.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from retraining_figures import START, Plan
from retraining_summary import write_summary
from trainings import Commands, add_data, check_data, data_options, hold_to, make_models

from occbench.system.errors import OccbenchError
from occbench.training import AUGMENTATIONS, Augmentation
from occbench.weights.zoo import find_model

RECIPES = (
    *("none", "blur-keypoint", "cutout-part", "partmix", "cutout-keypoint"),
    *("cutout-keypoint+decoys", "blur-keypoint+decoys", "random-cutout"),
)
SUITE = RECIPES[:4]
HELD = (
    *("model", "epochs", "batch_size", "lr", "bf16", "freeze_stages", "decoys"),
    *("kind", "control_targets", "control_fills", "limit", "draws", "freeze_norm", "curve"),
)


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Attributes:
        name: As given, ``AUG``, ``AUG@FILL`` (of cutouts), with or without ``+decoys``.
    """

    name: str

    @property
    def aug(self) -> str:
        """For ``--aug``."""
        return self.name.removesuffix("+decoys").partition("@")[0]

    @property
    def fill(self) -> str:
        """For ``--aug-fill``; empty for the augmentation's own."""
        return self.name.removesuffix("+decoys").partition("@")[2]

    @property
    def decoys(self) -> bool:
        """Whether it is trained with decoys."""
        return self.name.endswith("+decoys")

    def runs(self, suites: Sequence[str], control_targets: str) -> tuple[str, ...]:
        """The names of its runs: ``suite`` (where it is one of ``suites``, or has no controls) and ``controls``."""
        controls = self.has_controls and bool(control_targets)
        return (*(["suite"] if self.name in suites or not controls else []), *(["controls"] if controls else []))

    @property
    def has_controls(self) -> bool:
        """Whether it is attacked with decoys and placebos: part recipes are not."""
        return self.aug == "none" or AUGMENTATIONS[self.aug].get("level") == "keypoint"


def train(options: argparse.Namespace, recipe: Recipe, seed: int, folder: Path, commands: Commands) -> Path:
    """The weights of one training."""
    arguments: list[object] = ["--model", options.model, "--aug", recipe.aug, "--seed", seed]
    arguments += data_options(options, "train", *(["val"] if options.val else []))
    arguments += ["--epochs", options.epochs, "--batch-size", options.batch_size, "--lr", options.lr]
    arguments += ["--decay", "cosine", "--init", options.init, "--workers", options.workers]
    arguments += ["--aug-fill", recipe.fill] if recipe.fill else []
    arguments += ["--decoys", options.decoys] if recipe.decoys else []
    arguments += ["--freeze-norm"] if options.freeze_norm else []
    arguments += ["--every-epoch"] if options.curve else []
    arguments += ["--freeze-stages", options.freeze_stages] if options.freeze_stages >= 0 else []
    arguments += ["--bf16"] if options.bf16 else []
    return commands.train(arguments, folder)


def tested(options: argparse.Namespace, weights: Path | str) -> list[object]:
    """How every attack begins."""
    same: list[object] = ["--model", options.model, "--checkpoint", weights, *data_options(options, "test")]
    same += ["--boxes", "gt", "--bootstrap", options.draws, "--backend", options.backend]
    return same + (["--limit", options.limit] if options.limit else [])


def controls(options: argparse.Namespace, *placements: str) -> list[object]:
    """Single keypoints, hidden where they are and otherwise."""
    kinds = ",".join(f"keypoint-{fill}" for fill in options.control_fills.split(","))
    return ["--kind", kinds, "--target", options.control_targets, "--placement", ",".join(placements)]


def one_model(options: argparse.Namespace, recipe: Recipe, seed: int, commands: Commands) -> None:
    """Train and attack one model; finished steps are skipped."""
    folder = options.out / f"{recipe.name}-{seed}"
    began = time.monotonic()
    weights = train(options, recipe, seed, folder, commands)
    trained = time.monotonic()
    runs = recipe.runs(options.suite.split(","), options.control_targets)
    if "suite" in runs:
        commands.attack([*tested(options, weights), "--kind", options.kind], folder / "suite")
    if "controls" in runs:
        what = controls(options, *placements_of(options))
        commands.attack([*tested(options, weights), *what], folder / "controls")
        between = options.epochs + 1 if options.val else options.epochs  # without --val the last is the model
        for epoch in range(1, between) if options.curve else ():
            at_epoch(options, folder, folder / "train" / "epochs" / f"{epoch}.pth", epoch, commands)
    done = time.monotonic()
    print(f"{folder.name}: trained in {trained - began:.0f} s, attacked in {done - trained:.0f} s", flush=True)


def at_epoch(options: argparse.Namespace, folder: Path, weights: Path | str, epoch: int, commands: Commands) -> None:
    """One point of the curve."""
    what = controls(options, *placements_of(options)[:2])
    commands.attack([*tested(options, weights), *what], folder / f"epoch-{epoch}" / "controls")


def placements_of(options: argparse.Namespace) -> tuple[str, ...]:
    """Of the controls."""
    return "centred", f"decoys:{options.decoys}", "placebo"


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_data(parser, optional=("val",))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", default="hrnet-mini")
    parser.add_argument("--init", help="checkpoint to fine-tune, or none; by default that of the zoo")
    parser.add_argument("--recipes", default=",".join(RECIPES), help="AUG or AUG+decoys, with commas; none is needed")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--lr", type=float, default=3e-4, help="at its highest; it falls as a cosine")
    parser.add_argument(
        "--freeze-stages", type=int, default=-1, help="as of occbench train; with 1 hrnet-mini trains 1.5 times as fast"
    )
    parser.add_argument("--bf16", action="store_true", help="convolutions of the training in bfloat16")
    parser.add_argument("--workers", type=int, default=0, help="processes that decode photos, for each training")
    parser.add_argument("--decoys", type=int, default=6, help="in training (+decoys) and in the controls")
    parser.add_argument("--suite", default=",".join(SUITE), help="recipes that are attacked with the full suite")
    parser.add_argument("--kind", default="all", help="of the suite, as of occbench attack")
    parser.add_argument(
        "--control-targets", default="nose,left_elbow,left_wrist,left_hip,left_knee", help="'' for no controls"
    )
    parser.add_argument(
        "--control-fills",
        default="meanout,blur",
        help="of the controls; by default what cutout and blur training paint",
    )
    parser.add_argument("--curve", action="store_true", help="attack the weights of every epoch with the controls, too")
    parser.add_argument("--freeze-norm", action="store_true", help="as of occbench train")
    parser.add_argument("--backend", default="torch", help="of the attacks")
    parser.add_argument("--limit", type=int, help="attack the first photos only")
    parser.add_argument("--draws", type=int, default=1000, help="of the bootstrap")
    parser.add_argument("--jobs", type=int, default=1, help="models made side by side")
    parser.add_argument("--summary-only", action="store_true", help="write the summary of what is finished")
    options = parser.parse_args()
    if "none" not in options.recipes.split(","):
        parser.error("--recipes needs none, the baseline that all others are compared with")
    try:
        for recipe in map(Recipe, options.recipes.split(",")):
            Augmentation.parse(recipe.aug, decoys=options.decoys if recipe.decoys else 0, fill=recipe.fill or None)
        options.init = options.init or str(find_model(options.model).checkpoint)
    except OccbenchError as error:
        parser.error(str(error))
    if options.init != "none" and not Path(options.init).is_file():
        parser.error(f"--init: there is no file {options.init}")
    check_data(parser, options)
    return options


def main() -> None:
    options = parsed()
    init = options.init if options.init == "none" else hashlib.sha256(Path(options.init).read_bytes()).hexdigest()
    hold_to(options, HELD, init=init)
    recipes = [Recipe(name) for name in options.recipes.split(",")]
    seeds = [int(seed) for seed in options.seeds.split(",")]
    targets = tuple(filter(None, options.control_targets.split(",")))
    runs = {r.name: r.runs(options.suite.split(","), options.control_targets) for r in recipes}
    fills, placements = tuple(options.control_fills.split(",")), placements_of(options)
    epochs = options.epochs if options.curve else 0
    plan = Plan(options.out, runs, tuple(seeds), targets, fills, placements, epochs, options.val is not None)
    work = {f"{r.name}-{seed}": functools.partial(one_model, options, r, seed) for seed in seeds for r in recipes}
    if options.curve and options.init != "none":
        start = functools.partial(at_epoch, options, options.out / START, options.init, 0)
        work = {START: start, **work}
    make_models(work, lambda: write_summary(plan), options.jobs, options.summary_only)


if __name__ == "__main__":
    main()
