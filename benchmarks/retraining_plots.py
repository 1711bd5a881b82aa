"""The figures of the retraining experiment."""

from __future__ import annotations

import numpy as np
import pandas as pd
from retraining_figures import Plan

from occbench.reports.figures.style import MUTED, RUN_COLOURS, new_figure, styled, write_figure


@styled()
def draw_changes(seeds: pd.DataFrame, plan: Plan) -> None:
    """changes.svg: changes of the clean AP and of the mean drops against the baseline; each seed, over photos.

    Args:
        seeds: `retraining_summary.seed_rows`.
        plan: The experiment.
    """
    changes = seeds[seeds["change"].notna()]
    recipes = [name for name in plan.recipes if name in set(changes["recipe"])]
    drops = changes[changes["quantity"] == "mean_drop"]
    kinds = list(dict.fromkeys(zip(drops["level"], drops["fill"], strict=True)))
    panels = [("clean_ap", [("", "")], "Clean AP", "more is better")]
    panels += [("mean_drop", kinds, "Mean drop", "less is lost to the left")] if kinds else []
    figure = new_figure(9.4, 1.6 + 0.24 * len(recipes) * max(len(kinds), 1))
    axes = figure.subplots(1, len(panels), squeeze=False, width_ratios=[1, 2][: len(panels)])[0]
    for axis, (quantity, rows, title, sense) in zip(axes, panels, strict=True):
        mine = changes[changes["quantity"] == quantity]
        for place, recipe in enumerate(recipes):
            shown = mine[mine["recipe"] == recipe]
            row = np.array([rows.index(kind) for kind in zip(shown["level"], shown["fill"], strict=True)])
            seed = np.array([plan.seeds.index(seed) for seed in shown["seed"]])
            at = row + 0.25 * (place - (len(recipes) - 1) / 2) + 0.06 * (seed - (len(plan.seeds) - 1) / 2)
            ends = [shown["change"] - shown["change_lo"], shown["change_hi"] - shown["change"]]
            style = {"color": RUN_COLOURS[(1 + place) % len(RUN_COLOURS)], "fmt": "o", "ms": 4, "lw": 1}
            axis.errorbar(shown["change"], at, xerr=ends, label=recipe, **style)
        axis.axvline(0, color=MUTED, lw=0.8)
        axis.set(title=title, xlabel=f"change, AP points\n({sense})", yticks=range(len(rows)))
        axis.set_yticklabels([f"{level} {fill}".strip() for level, fill in rows])
        axis.invert_yaxis()
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(recipes))
    write_figure(figure, plan.out / "changes")


@styled()
def draw_curve(points: pd.DataFrame, plan: Plan) -> None:
    """curve.svg: own loss and marker effect over the epochs, a column a fill, a line a seed, its intervals over photos.

    Args:
        points: :func:`curve_rows` by seed.
        plan: The experiment.
    """
    wanted = (("own_loss", "own loss, AP points"), ("marker_effect", "marker effect, AP points"))
    figure = new_figure(1 + 4 * len(plan.fills), 6)
    axes = figure.subplots(len(wanted), len(plan.fills), squeeze=False, sharex=True, sharey="row")
    recipes = list(dict.fromkeys(points["recipe"]))
    of_mean = points[(points["level"] == "keypoint") & (points["placement"] != "placebo")]
    for row, (quantity, label) in zip(axes, wanted, strict=True):
        shown = of_mean[of_mean["quantity"] == quantity]
        shown = shown[shown["placement"] == "centred"] if quantity == "own_loss" else shown
        for axis, fill in zip(row, plan.fills, strict=True):
            for (recipe, seed), mine in shown[shown["fill"] == fill].groupby(["recipe", "seed"], sort=False):
                place, mine = recipes.index(recipe), mine.sort_values("epoch")
                at = mine["epoch"] + 0.1 * (place - (len(recipes) - 1) / 2) + 0.02 * plan.seeds.index(seed)
                ends = [mine["value"] - mine["lo"], mine["hi"] - mine["value"]]
                style = {"color": RUN_COLOURS[place % len(RUN_COLOURS)], "marker": "o", "lw": 1, "elinewidth": 0.8}
                axis.errorbar(at, mine["value"], ends, label=recipe if seed == plan.seeds[0] else None, **style)
            axis.axhline(0, color=MUTED, lw=0.8)
        row[0].set_ylabel(label)
    for column, fill in enumerate(plan.fills):
        axes[0][column].set_title(f"keypoint {fill}")
        axes[-1][column].set(xlabel="epoch", xticks=range(plan.epochs + 1))
    figure.legend(*axes[-1][0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    write_figure(figure, plan.out / "curve")
