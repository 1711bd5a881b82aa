"""The tables of docs/real-photos.md from finished runs.

    python benchmarks/real_photos.py runs/real --controls runs/controls

A star marks what can be told from chance: column `clear` of cells.csv.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from occbench import open_run
from occbench.attacks import THESIS_FILLS


def drop(row: pd.Series, name: str = "drop") -> str:
    """A drop with its interval; a star where it can be told from zero."""
    ends = [row[name], row[f"{name}_lo"], row[f"{name}_hi"]]
    star = " *" if row["clear" if name == "drop" else f"{name}_clear"] == 1 else ""
    return "{:+.1f} [{:+.1f}, {:+.1f}]".format(*ends) + star


def overall(cells: pd.DataFrame, level: str) -> list[str]:
    """AP and drop over all keypoints, by what is hidden."""
    heads = " | ".join(f"AP {fill} | drop" for fill in THESIS_FILLS)
    lines = [f"| hidden | {heads} |", "|" + "---|" * (1 + 2 * len(THESIS_FILLS))]
    rows = cells[(cells["level"] == level) & (cells["keypoint"] == "all")].set_index(["target", "fill"])
    for target in rows.index.unique("target"):
        found = [rows.loc[(target, fill)] for fill in THESIS_FILLS]
        lines.append(f"| {target} | " + " | ".join(f"{row['ap']:.4f} | {drop(row)}" for row in found) + " |")
    return lines


def own(cells: pd.DataFrame) -> list[str]:
    """The drop of each keypoint's own AP when it is hidden."""
    lines = ["| hidden | n | clean AP | " + " | ".join(THESIS_FILLS) + " |", "|" + "---|" * (3 + len(THESIS_FILLS))]
    clean = cells[cells["level"] == "clean"].set_index("keypoint")
    rows = cells[(cells["level"] == "keypoint") & (cells["keypoint"] == cells["target"])].set_index(["target", "fill"])
    for target in rows.index.unique("target"):
        found = " | ".join(drop(rows.loc[(target, fill)]) for fill in THESIS_FILLS)
        lines.append(f"| {target} | {clean.loc[target, 'n']:.0f} | {clean.loc[target, 'ap']:.3f} | {found} |")
    return lines


def controls(cells: pd.DataFrame, effects: pd.DataFrame) -> list[str]:
    """Each keypoint's own AP under every placement, and the marker effect."""
    places = list(cells["placement"].dropna().unique())
    lines = [f"| hidden | clean | {' | '.join(places)} | marker effect, points [95 %] |"]
    lines.append("|" + "---|" * (3 + len(places)))
    clean = cells[cells["level"] == "clean"].set_index("keypoint")["ap"]
    rows = cells[cells["keypoint"] == cells["target"]].set_index(["target", "placement"])["ap"]
    for _, effect in effects.iterrows():
        target = effect["target"]
        aps = [] if target == "all" else [clean[target], *(rows[target, place] for place in places)]
        shown = " | ".join(f"{ap:.3f}" for ap in aps) or " | " * len(places)
        lines.append(f"| {'mean' if target == 'all' else target} | {shown} | {drop(effect, 'marker')} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="of --kind all")
    parser.add_argument("--controls", type=Path, help="with --placement centred,jittered,decoys:6,placebo")
    args = parser.parse_args()
    cells = open_run(args.run).tables["cells"]
    for level in ("keypoint", "part"):
        print("\n".join(overall(cells, level)), end="\n\n")
    print("\n".join(own(cells)))
    if args.controls is not None:
        run = open_run(args.controls)
        print("\n" + "\n".join(controls(run.tables["cells"], run.tables["controls"])))


if __name__ == "__main__":
    main()
