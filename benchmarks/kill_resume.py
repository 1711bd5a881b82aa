"""Kill a run at a random moment, give the same command again, compare with an undisturbed run, many times.

    python benchmarks/kill_resume.py --trials 50 --model tinypose-128x96 --checkpoint tinypose-128x96.pth \\
        --data ANN.json --images DIR --limit 60 --kind part-blackout --target head,left_arm,hip

Every trial starts ``occbench attack`` in an empty folder, kills it with SIGKILL, and repeats the command until it ends.
In the end cells.csv, every file of predictions and report.html must have the bytes of the undisturbed run, and what
was finished at a kill (a chunk of a cell) must not be inferred again.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Trial:
    """What became of a killed run.

    Attributes:
        killed_after: Seconds until the kill; None where the run ended before.
        pieces: Chunks of cells that were finished when it was killed.
        finished: Cells that were finished.
        again: Of those pieces, how many were inferred again.
        differs: Files that are not those of the undisturbed run.
    """

    killed_after: float | None
    pieces: int
    finished: int
    again: int
    differs: tuple[str, ...]


def start(arguments: Sequence[str], out: Path) -> subprocess.Popen[bytes]:
    """The command, in a process of its own."""
    command = [sys.executable, "-m", "occbench", "attack", *arguments, "--out", "run"]
    return subprocess.Popen(command, cwd=out, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(arguments: Sequence[str], out: Path) -> float:
    """Run the command to its end; seconds."""
    begun = time.monotonic()
    process = start(arguments, out)
    _, errors = process.communicate()
    if process.returncode:
        raise SystemExit(f"the command failed with {process.returncode}: {errors.decode()}")
    return time.monotonic() - begun


def contents(run: Path) -> dict[str, bytes]:
    """Every file of a run but its manifest, which has the date in it."""
    files = (path for path in run.rglob("*") if path.is_file() and path.name != "manifest.json")
    return {path.relative_to(run).as_posix(): path.read_bytes() for path in files}


def kill_and_resume(arguments: Sequence[str], out: Path, after: float, undisturbed: dict[str, bytes]) -> Trial:
    """One trial."""
    process = start(arguments, out)
    try:
        process.communicate(timeout=after)
        killed = None
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        killed = after
    run = out / "run"
    pieces = {path: path.stat().st_mtime_ns for path in run.glob(".work/*/*.npz")}
    cells = {path: path.read_bytes() for path in run.glob("predictions/*.parquet")}
    finish(arguments, out)
    manifest = json.loads((run / "manifest.json").read_text())
    chunks = manifest["chunks"]
    again = 0
    if killed is not None and pieces and not cells:
        again = chunks["computed"] - (chunks["wanted"] - len(pieces))
    elif cells:  # all pieces were there: cells are put together at the end
        again = chunks["computed"]
    found = contents(run)
    differs = [name for name in sorted(undisturbed.keys() | found.keys()) if undisturbed.get(name) != found.get(name)]
    return Trial(killed, len(pieces), len(cells), again, tuple(differs))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--after", type=float, default=0, help="no kill before so many seconds (of start-up)")
    options, arguments = parser.parse_known_args()
    arguments = [str(Path(word).resolve()) if Path(word).exists() else word for word in arguments]
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        seconds = finish(arguments, folder)
        undisturbed = contents(folder / "run")
        print(f"undisturbed: {seconds:.1f} s, {len(undisturbed)} files", flush=True)
        trials = []
        for number in range(options.trials):
            out = folder / f"trial-{number}"
            out.mkdir()
            trial = kill_and_resume(arguments, out, rng.uniform(options.after, seconds), undisturbed)
            shutil.rmtree(out)
            trials.append(trial)
            when = (
                "ended before its kill" if trial.killed_after is None else f"killed after {trial.killed_after:5.1f} s"
            )
            print(
                f"{number + 1:3d}: {when}, {trial.pieces:3d} chunks and {trial.finished} cells finished, "
                f"{trial.again} inferred again, {len(trial.differs)} files differ {' '.join(trial.differs)}",
                flush=True,
            )
    same = sum(not trial.differs for trial in trials)
    killed = sum(trial.killed_after is not None for trial in trials)
    again = sum(trial.again for trial in trials)
    inside = sum(trial.pieces > 0 for trial in trials)
    print(f"{same} of {len(trials)} byte for byte the same; {killed} killed, {inside} with work under way;", end=" ")
    print(f"{again} finished chunks inferred again")
    if same < len(trials) or again:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
