"""Rules of parametric pose NMS beside OKS-NMS, on the predictions of runs over a detector's boxes (scope image).

    python benchmarks/pose_nms.py runs/real-detections runs/rtmdet --rules 'alphapose;rmpe2017;paper;fitted.json'

For every rule: the poses that it leaves, the clean AP and its difference from OKS-NMS, and the mean drop over the run's
attacks, with paired intervals over photos. Nothing is predicted anew.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from occbench.evaluation.bootstrap import Resampled, Weights, compare, prepare, resample
from occbench.evaluation.pose_nms import PoseNms
from occbench.inference.predictions import CellPredictions
from occbench.inference.results import cell_detections
from occbench.jobs.fit_nms import read_rule
from occbench.jobs.reopen import finished_run
from occbench.tables.finished import FinishedRun

NO_NMS = "alphapose:eta=1000000000,matches=0,least=0,floor=0,score=product"


def rules_of(text: str) -> dict[str, PoseNms | None]:
    """By name; None is OKS-NMS."""
    named = {name: read_rule(Path(name)) if name.endswith(".json") else PoseNms.parse(name) for name in text.split(";")}
    return {"OKS-NMS .9": None, "none": PoseNms.parse(NO_NMS), **named}


def resampled(run: FinishedRun, cell: CellPredictions, rule: PoseNms | None, weights: Weights) -> tuple[Resampled, int]:
    """AP over all keypoints in every draw, and how many poses there are."""
    data = run.dataset
    found = cell_detections(data, cell, run.areas, rule)
    return resample(prepare(data.truth, found, data.sigmas, "corrected", {None: None}), weights), len(found)


def between(a: Resampled, b: Resampled) -> str:
    """a - b in AP points, with its interval."""
    (found,) = compare(a, b)
    return f"{found.drop:+.2f} [{found.drop_lo:+.2f}, {found.drop_hi:+.2f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--rules", default="alphapose;rmpe2017;paper", help="with semicolons; or FILE.json")
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rules = rules_of(options.rules)
    for folder in options.runs:
        run = finished_run(folder)
        weights = Weights.draw(len(run.dataset.truth.image_ids), options.draws, rng=np.random.default_rng(options.seed))
        clean = {name: resampled(run, run.clean, rule, weights) for name, rule in rules.items()}
        base = clean["OKS-NMS .9"][0]
        print(f"\n{folder.name}: {len(run.dataset.persons)} boxes, n = {int(base.n[0])} persons\n")
        print("| rule | poses | AP | minus OKS-NMS | " + " | ".join(f"drop, {a.target}" for a in run.attacks) + " |")
        print("|---" * (4 + len(run.attacks)) + "|")
        for name, rule in rules.items():
            own, count = clean[name]
            drops = [between(own, resampled(run, run.read(a), rule, weights)[0]) for a in run.attacks]
            change = "" if rule is None else between(own, base)
            print(f"| {name} | {count} | {100 * own.ap[0]:.2f} | {change} | " + " | ".join(drops) + " |", flush=True)


if __name__ == "__main__":
    main()
