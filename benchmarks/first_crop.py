"""How long a user waits until `occbench attack` has its first crops, and for `occbench --help`, by install.

    python benchmarks/first_crop.py --model tinypose-256x192 --checkpoint tinypose-256x192.pth --backend onnxruntime \\
        --data ANN.json --images DIR --python .venv/bin/python --python ../before/.venv/bin/python

Installs take turns. An attack is a process of its own in an empty folder, and is over when the first chunk of the clean
cell is there, the persons of one photo. What commands keep (bytecode, exports) is kept by one that is not counted.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def until_first_crops(python: Path, arguments: Sequence[str]) -> float:
    """Seconds from the start of a process to its first predictions."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        command = [str(python), "-m", "occbench", "attack", *arguments, "--out", str(out)]
        begun = time.monotonic()
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=folder, env=ENVIRONMENT
        )
        while not any((out / ".work").glob("*/*.npz")):
            if process.poll() is not None and process.stderr is not None:
                raise SystemExit(f"{python} ended with {process.returncode}: {process.stderr.read().decode()}")
            time.sleep(0.005)
        seconds = time.monotonic() - begun
        process.terminate()
        process.communicate()
    return seconds


def until_help(python: Path) -> float:
    """Seconds of ``occbench --help``."""
    begun = time.monotonic()
    subprocess.run([str(python), "-m", "occbench", "--help"], stdout=subprocess.DEVNULL, env=ENVIRONMENT, check=True)
    return time.monotonic() - begun


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", type=Path, action="append", required=True, help="of an install; several in turn")
    parser.add_argument("--model", required=True)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True, help="COCO annotations; the first photo is attacked")
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--backend", default="torch")
    parser.add_argument("--repetitions", type=int, default=5)
    return parser.parse_args()


def main() -> None:
    options = parsed()
    files = ("--checkpoint", options.checkpoint, "--data", options.data, "--images", options.images)
    named = [str(name.resolve()) if isinstance(name, Path) else name for name in files]
    what = ["--model", options.model, "--backend", options.backend, "--boxes", "gt", "--limit", "1", *named]
    what += ["--kind", "keypoint-blackout", "--target", "nose"]
    pythons = [python.absolute() for python in options.python]
    waits: dict[Path, list[tuple[float, float]]] = {python: [] for python in pythons}
    for repetition in range(options.repetitions + 1):
        for python in pythons:
            found = until_first_crops(python, what), until_help(python)
            if repetition:
                waits[python].append(found)
    print("| install | first crops, s | --help, s |\n|---|---|---|")
    for python, both in waits.items():
        crops, helped = (f"{statistics.median(found):.2f} ({min(found):.2f})" for found in zip(*both, strict=True))
        print(f"| {python} | {crops} | {helped} |")
    print("\nMedian and, in brackets, the least.")


if __name__ == "__main__":
    main()
