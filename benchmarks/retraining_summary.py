"""The summary of the retraining experiment: from the models that are finished to tables, curve.svg and summary.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from retraining_figures import BASELINE, START, Figures, Plan, figures_of, over_seeds
from retraining_page import page

from occbench.reports.figures.style import MUTED, RUN_COLOURS, new_figure, styled, write_figure
from occbench.runs import durable


def summary_rows(models: Mapping[tuple[str, int], Figures], recipes: Sequence[str], images: int) -> pd.DataFrame:
    """One row per quantity and recipe: its value, and its change against the baseline, paired by seed and photo."""
    rows = []
    seeds = {recipe: [seed for name, seed in models if name == recipe] for recipe in recipes}
    quantities = dict.fromkeys(quantity for figures in models.values() for quantity in figures)
    for quantity in quantities:
        for recipe in recipes:
            mine = [seed for seed in seeds[recipe] if quantity in models[recipe, seed]]
            if not mine:
                continue
            value = over_seeds([models[recipe, seed][quantity] for seed in mine], images)
            row = dict(zip(("quantity", "level", "fill", "placement"), quantity, strict=True))
            row |= {"recipe": recipe, "seeds": len(mine), "value": value.value, "lo": value.lo, "hi": value.hi}
            paired = [seed for seed in mine if quantity in models.get((BASELINE, seed), {})]
            if recipe != BASELINE and paired:
                changes = [models[recipe, seed][quantity] - models[BASELINE, seed][quantity] for seed in paired]
                change = over_seeds(changes, images)
                row |= {"change": change.value, "change_lo": change.lo, "change_hi": change.hi}
                row |= {"se_photos": change.se_photos, "se_seeds": change.se_replicates}
            rows.append(row)
    columns = ["quantity", "level", "fill", "placement", "recipe", "seeds", "value", "lo", "hi"]
    return pd.DataFrame(rows).reindex(columns=[*columns, "change", "change_lo", "change_hi", "se_photos", "se_seeds"])


def seed_rows(models: Mapping[tuple[str, int], Figures], recipes: Sequence[str], images: int) -> pd.DataFrame:
    """:func:`summary_rows` of each seed alone, with a column ``seed``: intervals are over photos."""
    alone: dict[int, dict[tuple[str, int], Figures]] = {}
    for (recipe, seed), figures in models.items():
        alone.setdefault(seed, {})[recipe, seed] = figures
    tables = [summary_rows(mine, recipes, images).assign(seed=seed) for seed, mine in alone.items()]
    return _joined(tables)


def write_summary(plan: Plan) -> Path:
    """Write summary.csv, seeds.csv and summary.md of what is finished; with a curve its table and figure, too."""
    models, images, missing = finished(plan, plan.runs)
    table = summary_rows(models, plan.recipes, images)
    durable.write(plan.out / "summary.csv", table.to_csv(index=False, float_format="%.6g").encode())
    seeds = seed_rows(models, plan.recipes, images)
    if len(seeds):
        durable.write(plan.out / "seeds.csv", seeds.to_csv(index=False, float_format="%.6g").encode())
    points, by_seed = curve_rows(plan)
    if len(points):
        durable.write(plan.out / "curve.csv", points.to_csv(index=False, float_format="%.6g").encode())
        draw_curve(by_seed, plan)
    path = plan.out / "summary.md"
    durable.write(path, "\n".join(page(plan, table, seeds, points, images, missing)).encode())
    return path


def finished(
    plan: Plan, runs: Mapping[str, Sequence[str]], below: str = ""
) -> tuple[dict[tuple[str, int], Figures], int, list[str]]:
    """The models whose runs are finished: their figures by recipe and seed, the number of photos, and what is missing.

    Args:
        plan: The experiment.
        runs: The names of the runs by recipe.
        below: Where they lie below the folder of a model.
    """
    models: dict[tuple[str, int], Figures] = {}
    images, missing = 0, []
    for seed in plan.seeds:
        for recipe, names in runs.items():
            found = figures_of(plan.out / f"{recipe}-{seed}" / below, names)
            if found is None:
                missing.append(f"{recipe}-{seed}")
            else:
                models[recipe, seed], images = found
    return models, images, missing


def curve_rows(plan: Plan) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The controls after every epoch with a column ``epoch``: :func:`summary_rows` and :func:`seed_rows`.

    Epoch 0 is what all start from."""
    runs = {recipe: ("controls",) for recipe, names in plan.runs.items() if "controls" in names}
    over, alone = [], []
    start = figures_of(plan.out / START / "epoch-0", ("controls",)) if plan.epochs else None
    if start is not None:
        figures, images = start
        once = {(recipe, plan.seeds[0]): figures for recipe in runs}
        always = {(recipe, seed): figures for recipe in runs for seed in plan.seeds}
        over.append(summary_rows(once, tuple(runs), images).assign(epoch=0))
        alone.append(seed_rows(always, tuple(runs), images).assign(epoch=0))
    for epoch in range(1, plan.epochs + 1):
        below = f"epoch-{epoch}" if epoch < plan.epochs or plan.validated else ""
        models, images, _ = finished(plan, runs, below)
        over.append(summary_rows(models, tuple(runs), images).assign(epoch=epoch))
        alone.append(seed_rows(models, tuple(runs), images).assign(epoch=epoch))
    return _joined(over), _joined(alone)


def _joined(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


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
