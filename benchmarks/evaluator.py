"""How long the evaluation takes, beside pycocotools and, where they are installed, hotcoco and faster-coco-eval.

    python benchmarks/evaluator.py --data person_keypoints_val2017.json

Each contestant gets a fresh process that has the data loaded, and one core; only the evaluation is timed, and the best
of the repeats counts. Seconds depend on the machine and on what else it does (processor time less than wall time):
compare ratios, and only within one run. Numbers of persons below the file's take its first images, those above it take
copies of all images.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from occbench.attacks import COCO, Attack, make_suite
from occbench.evaluation import bootstrap, cells, reference
from occbench.evaluation.types import Detections, GroundTruth
from occbench.system.processes import cores, forked
from occbench.tables.kept import by_region
from occbench.tables.scoring import ScoredCell, Scorer, Scoring

SIGMAS = np.array([26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89], dtype=np.float64) / 1000
DRAWS = 1000
OURS = ("ours: 1 AP", "ours: 18 APs", "ours: 18 APs + draws")
OTHERS = ("hotcoco", "faster-coco-eval")
ONE_CORE = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1"}


def load(path: Path, persons: int) -> GroundTruth:
    """The file's annotated persons: its first images, or copies of all of them, until there are enough persons."""
    data = json.loads(path.read_text())
    annotations = [a for a in data["annotations"] if a.get("num_keypoints", 0) > 0]
    annotations.sort(key=lambda a: a["image_id"])
    copies = max(1, round(persons / len(annotations)))
    annotations = annotations[: persons // copies]
    image_ids = np.unique([a["image_id"] for a in annotations])
    triples = np.array([a["keypoints"] for a in annotations], dtype=np.float64).reshape(len(annotations), -1, 3)
    image = np.searchsorted(image_ids, [a["image_id"] for a in annotations])
    shift = np.repeat(np.arange(copies) * len(image_ids), len(annotations))

    def copied(values: object) -> np.ndarray:
        array = np.asarray(values)
        return np.tile(array, (copies,) + (1,) * (array.ndim - 1))

    return GroundTruth(
        image_ids=np.arange(copies * len(image_ids)),
        image=copied(image) + shift,
        keypoints=copied(triples[..., :2]),
        visibility=copied(triples[..., 2].astype(np.int64)),
        bbox=copied([a["bbox"] for a in annotations]).astype(np.float64),
        area=copied([a["area"] for a in annotations]).astype(np.float64),
        num_keypoints=copied([a["num_keypoints"] for a in annotations]),
        crowd=copied([bool(a.get("iscrowd", 0)) for a in annotations]),
        ids=np.arange(1, copies * len(annotations) + 1),
    )


def draw(truth: GroundTruth, rng: np.random.Generator) -> Detections:
    """Detections around every person, on average two, of very different quality, and one false one an image."""
    who = np.repeat(np.arange(len(truth)), 1 + rng.poisson(1, len(truth)))
    error = rng.lognormal(-3.2, 0.8, len(who))
    spread = (error * np.sqrt(truth.area[who]))[:, None, None] * rng.lognormal(-0.3, 0.6, (len(who), truth.k, 1))
    found = truth.keypoints[who] + rng.normal(size=(len(who), truth.k, 2)) * spread
    shapes = rng.integers(0, len(truth), len(truth.image_ids))
    false = truth.keypoints[shapes] + rng.normal(size=(len(shapes), 1, 2)) * 200
    image = np.concatenate([truth.image[who], rng.choice(truth.image_ids, len(shapes))])
    scores = np.concatenate([np.exp(-4 * error) * rng.uniform(0.5, 1, len(who)), rng.uniform(0, 0.6, len(shapes))])
    return Detections(image, np.concatenate([found, false]), scores)


def suite(truth: GroundTruth, rng: np.random.Generator) -> tuple[ScoredCell, list[ScoredCell]]:
    """A suite of 85 cells over ground-truth boxes: the clean one, and one an attack, whose hidden keypoints are off."""
    error = rng.lognormal(-3.2, 0.8, len(truth))
    scale = (error * np.sqrt(truth.area))[:, None, None]
    found = truth.keypoints + rng.normal(size=truth.keypoints.shape) * scale
    scores = np.exp(-4 * error) * rng.uniform(0.5, 1, len(truth))

    def cell(attack: Attack | None) -> ScoredCell:
        covered = np.zeros(truth.visibility.shape, dtype=bool)
        if attack is not None:
            covered[:, COCO.indices(attack.level, attack.target)] = True
            covered &= truth.visibility > 0
        worse = 3 * rng.normal(size=found.shape) * scale * covered[..., None]
        seen = Detections(truth.image, found + worse, scores - 0.2 * covered.mean(axis=1), np.arange(len(truth)))
        return ScoredCell(attack, seen, covered, covered.any(axis=1))

    return cell(None), [cell(attack) for attack in make_suite(COCO, ["all"])]


def score_suite(path: Path, persons: int) -> str:
    """Score it as a run does, on every core."""
    truth = load(path, persons)
    clean, attacked = suite(truth, np.random.default_rng(0))
    start = time.perf_counter(), os.times()
    scorer = Scorer(truth, SIGMAS, COCO.keypoints, Scoring(draws=DRAWS), clean)
    scorer.clean_rows()
    cells_of = {cell.attack: cell for cell in attacked}
    groups = by_region([cell.attack for cell in attacked if cell.attack is not None])
    list(forked(lambda group: [scorer.rows(cells_of[attack]) for attack in group], groups, cores()))
    wall, after, before = time.perf_counter() - start[0], os.times(), start[1]
    cpu = sum(a - b for a, b in zip(after[:4], before[:4], strict=True))
    return (
        f"{1 + len(attacked)} cells of {len(truth)} persons, {cores()} processes: {wall:.1f} s, processor {cpu:.1f} s"
    )


def contestant(name: str, truth: GroundTruth, detections: Detections) -> Callable[[], Callable[[], object]]:
    """A function that prepares one evaluation, untimed, and returns the function to be timed."""
    if name == "pycocotools":

        def prepare() -> Callable[[], object]:
            judge = reference.judge(truth, detections, SIGMAS)
            return lambda: (judge.evaluate(), judge.accumulate(), judge.summarize())

        return prepare
    if name in OTHERS:
        return _other(name, truth, detections)
    if name == OURS[0]:
        return lambda: lambda: cells.evaluate_cell(truth, detections, SIGMAS, masks={None: None})
    if name == OURS[1]:
        return lambda: lambda: cells.evaluate_cell(truth, detections, SIGMAS)
    weights = bootstrap.Weights.draw(len(truth.image_ids), DRAWS, rng=np.random.default_rng(0), jackknife=False)
    shifted = Detections(detections.image, detections.keypoints + 1, detections.scores)
    clean = bootstrap.resample(bootstrap.prepare(truth, shifted, SIGMAS), weights)

    def cell() -> object:
        attacked = bootstrap.resample(bootstrap.prepare(truth, detections, SIGMAS), weights)
        return bootstrap.compare(clean, attacked)

    return lambda: cell


def _other(name: str, truth: GroundTruth, detections: Detections) -> Callable[[], Callable[[], object]]:
    """A library that reads files. Raises ImportError where it is not installed."""
    if name == "hotcoco":
        from hotcoco import COCO, COCOeval
    else:
        from faster_coco_eval import COCO
        from faster_coco_eval import COCOeval_faster as COCOeval
    judge = reference.judge(truth, detections, SIGMAS)
    folder = Path(tempfile.mkdtemp())
    persons = judge.cocoGt.dataset
    results = [
        {key: d[key] for key in ("image_id", "category_id", "keypoints", "score")}
        for d in judge.cocoDt.dataset["annotations"]
    ]
    (folder / "truth.json").write_text(json.dumps(persons))
    (folder / "results.json").write_text(json.dumps(results))

    def prepare() -> Callable[[], object]:
        coco = COCO(str(folder / "truth.json"))
        run = COCOeval(coco, coco.loadRes(str(folder / "results.json")), "keypoints")
        return lambda: (run.evaluate(), run.accumulate(), run.summarize())

    return prepare


def measure(name: str, path: Path, persons: int, repeats: int) -> dict[str, float]:
    """Best seconds of the repeats, and the process's memory in MiB: at its peak, and before the evaluation."""
    truth = load(path, persons)
    detections = draw(truth, np.random.default_rng(0))
    with contextlib.redirect_stdout(io.StringIO()):
        prepare = contestant(name, truth, detections)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        wall, cpu = [], []
        for _ in range(repeats):
            run = prepare()
            start = time.perf_counter(), time.process_time()
            run()
            wall.append(time.perf_counter() - start[0])
            cpu.append(time.process_time() - start[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "persons": len(truth),
        "detections": len(detections),
        "wall": min(wall),
        "cpu": min(cpu),
        "peak": peak / 1024,
        "before": before / 1024,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a COCO person keypoint annotation file")
    parser.add_argument("--persons", type=int, nargs="+", default=[303, 6352, 63520])
    parser.add_argument("--repeats", type=int, default=3, help="of each evaluation; 1 for the largest")
    parser.add_argument(
        "--suite", action="store_true", help="score a suite of 85 cells on every core, and nothing else"
    )
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        try:
            print(json.dumps(measure(args.one, args.data, args.persons[0], args.repeats)))
        except ImportError as error:
            print(json.dumps({"missing": str(error)}))
        return

    if args.suite:
        for persons in args.persons:
            print(score_suite(args.data, persons))
        return
    print("| persons | detections | evaluation | wall s | processor s | times as fast: wall | processor | peak MiB |")
    print("|---|---|---|---|---|---|---|---|")
    times: dict[tuple[str, int], float] = {}
    for persons in args.persons:
        repeats = 1 if persons > 20_000 else args.repeats
        for name in ("pycocotools", *OTHERS, *OURS):
            command = [sys.executable, __file__, "--data", str(args.data), "--persons", str(persons)]
            command += ["--repeats", str(repeats), "--one", name]
            done = subprocess.run(command, check=True, capture_output=True, text=True, env=ONE_CORE)
            found = json.loads(done.stdout.splitlines()[-1])
            if "missing" in found:
                continue
            if name == "pycocotools":
                judge = found
            times[name, persons] = found["cpu"]
            row = [found["persons"], found["detections"], name, f"{found['wall']:.3f}", f"{found['cpu']:.3f}"]
            row += [f"{judge[clock] / found[clock]:.2f}" for clock in ("wall", "cpu")]
            row += [f"{found['peak']:.0f} ({found['before']:.0f} before)"]
            print("| " + " | ".join(map(str, row)) + " |", flush=True)
    for small, large in zip(args.persons, args.persons[1:], strict=False):
        growth = ", ".join(f"{name} {times[name, large] / times[name, small]:.1f}" for name in ("pycocotools", *OURS))
        print(f"\n{large / small:.1f} times the persons ({small} to {large}), times the processor time: {growth}")


if __name__ == "__main__":
    main()
