"""Is a synthetic attack a model of nature? What is lost on keypoints that the photo hides, beside what an attack costs.

    OMP_NUM_THREADS=1 python benchmarks/nature.py --test ann.json --test-images photos --model tinypose-256x192 \\
        --checkpoint tinypose-256x192.pth --backend onnxruntime --occluders cutouts --out runs/nature

One run hides every keypoint by every fill; its natural.csv has both losses by keypoint. summary.md has, by fill, the
rank correlation of the relative losses over the kinds of keypoints with its interval over photos, and how far the
losses are apart; nature.svg shows them. Stopped, it goes on with the same command.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from trainings import Commands, add_data, check_data, data_options, is_finished

from occbench import open_run
from occbench.attacks import COCO, THESIS_FILLS, WORLD_FILLS
from occbench.reports.figures.style import MUTED, fill_colour, new_figure, styled, write_figure
from occbench.runs import durable

FILLS = (*THESIS_FILLS, *WORLD_FILLS)


def kind_of(keypoint: str) -> str:
    """``left_hip``: ``hip``."""
    return keypoint.removeprefix("left_").removeprefix("right_")


def by_keypoint(natural: pd.DataFrame, fill: str) -> pd.DataFrame:
    """By keypoint, in percent of the printed AP: what nature costs (like with like) with its interval, what the attack.

    NaN where fewer than 10 persons are annotated as occluded, as in the rank correlation.
    """
    rows = natural[(natural["fill"] == fill) & (natural["keypoint"] != "all")].set_index("keypoint")
    known = rows["standardised_lo"].notna()
    found = {f"natural{end}": (rows[f"standardised{end}"] / rows["visible"]).where(known) for end in ("", "_lo", "_hi")}
    return pd.DataFrame(found | {"synthetic": rows["synthetic"] / rows["clean"]})


def relative(natural: pd.DataFrame, fill: str) -> pd.DataFrame:
    """Both losses of :func:`by_keypoint` by kind of keypoint, left and right averaged, where nature's are known."""
    both = by_keypoint(natural, fill)[["natural", "synthetic"]]
    return both.groupby(kind_of, sort=False).agg(lambda side: side.mean(skipna=False)).dropna()


def with_clean(run: Path) -> pd.DataFrame:
    """natural.csv with the keypoint's own clean figure."""
    opened = open_run(run)
    cells = opened.tables["cells"]
    clean = cells[cells["level"] == "clean"].set_index("keypoint")["ap"]
    natural = opened.tables["natural"]
    return natural.assign(clean=natural["keypoint"].map(clean))


def lines_of(natural: pd.DataFrame) -> Iterator[str]:
    """The table by fill, then by keypoint."""
    yield "| fill | rho [95 %] | p | kinds | natural, mean | synthetic, mean | apart (root mean square) |"
    yield "|---|---|---|---|---|---|---|"
    fills = [fill for fill in FILLS if fill in set(natural["fill"])]
    for fill in fills:
        last = natural[(natural["fill"] == fill) & (natural["keypoint"] == "all")].iloc[0]
        both = relative(natural, fill)
        apart = float(np.sqrt(((both["natural"] - both["synthetic"]) ** 2).mean()))
        rho = f"{last['rho']:.2f} [{last['rho_lo']:.2f}, {last['rho_hi']:.2f}]"
        means = f"{both['natural'].mean():.1f} % | {both['synthetic'].mean():.1f} %"
        yield f"| {fill} | {rho} | {last['rho_p']:.3f} | {last['n_keypoints']:.0f} | {means} | {apart:.1f} % |"
    yield "\nOf the figure, by kind of keypoint, left and right averaged, in percent:\n"
    tables = {fill: relative(natural, fill) for fill in fills}
    yield "| keypoint | natural | " + " | ".join(fills) + " |"
    yield "|---" * (2 + len(fills)) + "|"
    for kind, row in tables[fills[0]].iterrows():
        cells = " | ".join(f"{tables[fill].loc[kind, 'synthetic']:.1f}" for fill in fills)
        yield f"| {kind} | {row['natural']:.1f} | {cells} |"


@styled()
def draw(natural: pd.DataFrame, stem: Path) -> None:
    """Every keypoint's natural loss with its interval, and what each fill costs beside it, in percent of the AP."""
    fills = [fill for fill in FILLS if fill in set(natural["fill"])]
    tables = {fill: by_keypoint(natural, fill).dropna() for fill in fills}
    first = tables[fills[0]].iloc[::-1]
    figure = new_figure(6.4, 1 + 0.22 * len(first))
    axis = figure.subplots()
    ends = [first["natural"] - first["natural_lo"], first["natural_hi"] - first["natural"]]
    axis.errorbar(first["natural"], first.index, xerr=ends, fmt="D", color=MUTED, label="nature [95 %]")
    for fill, rows in tables.items():
        axis.plot(rows["synthetic"], rows.index, "o", color=fill_colour(fill), label=fill)
    axis.axvline(0, color=MUTED, lw=0.8)
    axis.set(xlabel="share of the keypoint's AP that is lost, %")
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    write_figure(figure, stem)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_data(parser, ("test",))
    parser.add_argument("--model", default="hrnet")
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--fills", default=",".join(FILLS))
    parser.add_argument("--occluders", type=Path, help="cut-outs for the fill object")
    parser.add_argument("--backend", default="torch")
    parser.add_argument("--limit", type=int, help="the first photos only")
    parser.add_argument("--draws", type=int, default=1000, help="of the bootstrap")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    check_data(parser, options)
    arguments: list[object] = ["--model", options.model, *data_options(options, "test"), "--boxes", "gt"]
    arguments += ["--checkpoint", options.checkpoint] if options.checkpoint else []
    arguments += ["--kind", ",".join(f"keypoint-{fill}" for fill in options.fills.split(","))]
    arguments += ["--target", ",".join(COCO.keypoints), "--backend", options.backend, "--bootstrap", options.draws]
    arguments += ["--occluders", options.occluders] if options.occluders else []
    arguments += ["--limit", options.limit] if options.limit else []
    run = options.out / "run"
    Commands().attack(arguments, run)
    if not is_finished(run):
        raise SystemExit(f"{run} is not finished; give the same command again")
    natural = with_clean(run)
    draw(natural, options.out / "nature")
    durable.write(options.out / "summary.md", ("\n".join(lines_of(natural)) + "\n").encode())
    print(options.out / "summary.md")


if __name__ == "__main__":
    main()
