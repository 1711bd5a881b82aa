"""Memory and time of the engine as cells and persons grow, each in a process of its own.

    python benchmarks/scaling.py --data ANN.json --images DIR --model tinypose-128x96 --checkpoint tinypose-128x96.pth

Peak memory at 85 cells beside 5, and the time of ten times the persons (the same photos, as others) beside once.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("GOMP_SPINCOUNT", "3000")  # as the command line does

import torch

from occbench.attacks import COCO, make_suite
from occbench.data.coco import read_coco
from occbench.data.persons import Person
from occbench.estimators.pose_model import PoseModel
from occbench.inference.engine import run_cells
from occbench.inference.plan import Settings
from occbench.runs.store import Store
from occbench.weights.zoo import find_model


def times(persons: tuple[Person, ...], n: int) -> list[Person]:
    """The persons n times over, on photos of their own."""
    copies = []
    for copy in range(n):
        photos = {id(person.photo): person.photo for person in persons}
        own = {key: replace(photo, id=photo.id + copy * 10**9) for key, photo in photos.items()}
        copies += [replace(person, photo=own[id(person.photo)]) for person in persons]
    return copies


def child(arguments: argparse.Namespace) -> None:
    """Run the engine into a folder; print seconds and peak memory."""
    torch.set_num_threads(arguments.threads)
    dataset = read_coco(arguments.data, arguments.images)
    model = PoseModel(find_model(arguments.model).config_path, arguments.checkpoint)
    model.use(arguments.backend, sample=list(model.crops.cut_all(dataset.persons[:8])))
    attacks = make_suite(COCO, ["all"])
    attacks = attacks[:: max(1, len(attacks) // (arguments.cells - 1))][: arguments.cells - 1]
    persons = times(dataset.persons, arguments.times)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as out:
        run_cells(model, persons, attacks, COCO, Settings(), Store(Path(out), {"engine": 0}, 0))
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{len(persons)} {1 + len(attacks)} {seconds:.2f} {peak:.0f}")


def measure(cells: int, persons: int) -> tuple[float, float]:
    """Seconds and MiB of a child."""
    call = [sys.executable, __file__, *sys.argv[1:], "--child", "--cells", str(cells), "--times", str(persons)]
    n, m, seconds, peak = subprocess.run(call, capture_output=True, text=True, check=True).stdout.split()[-4:]
    print(f"| {n} | {m} | {float(seconds):.1f} | {float(peak):.0f} |", flush=True)
    return float(seconds), float(peak)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--model", default="tinypose-128x96")
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--backend", default="torch")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--cells", type=int, default=5, help=argparse.SUPPRESS)
    parser.add_argument("--times", type=int, default=1, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments)
        return
    print("| persons | cells | seconds | peak MiB |\n|---|---|---|---|")
    once, few = measure(5, 1)
    _, many = measure(85, 1)
    tenfold, _ = measure(5, 10)
    print(
        f"\npeak memory at 85 cells / at 5 cells: {many / few:.3f}; time of 10 times the persons: {tenfold / once:.2f}"
    )


if __name__ == "__main__":
    main()
