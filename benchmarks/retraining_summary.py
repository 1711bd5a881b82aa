"""The summary of the retraining experiment: from the models that are finished to tables, figures and summary.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from retraining_figures import BASELINE, START, Figures, Plan, figures_of, over_seeds
from retraining_page import page
from retraining_plots import draw_changes, draw_curve

from occbench.evaluation.intervals import holm_by_family
from occbench.runs import durable


def summary_rows(models: Mapping[tuple[str, int], Figures], recipes: Sequence[str], images: int) -> pd.DataFrame:
    """One row per quantity and recipe: its value, and its change against the baseline, paired by seed and photo.

    ``p_adjusted`` is Holm's over the changes of one quantity: of all recipes, levels, fills and placements.
    """
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
                row |= {"se_photos": change.se_photos, "se_seeds": change.se_replicates, "p": change.p}
            rows.append(row)
    columns = ["quantity", "level", "fill", "placement", "recipe", "seeds", "value", "lo", "hi"]
    columns += ["change", "change_lo", "change_hi", "se_photos", "se_seeds", "p"]
    table = pd.DataFrame(rows).reindex(columns=columns)
    return table.assign(p_adjusted=holm_by_family(table["p"].to_numpy(float), table["quantity"].to_numpy(str)))


def seed_rows(models: Mapping[tuple[str, int], Figures], recipes: Sequence[str], images: int) -> pd.DataFrame:
    """:func:`summary_rows` of each seed alone, with a column ``seed``: intervals are over photos."""
    alone: dict[int, dict[tuple[str, int], Figures]] = {}
    for (recipe, seed), figures in models.items():
        alone.setdefault(seed, {})[recipe, seed] = figures
    tables = [summary_rows(mine, recipes, images).assign(seed=seed) for seed, mine in alone.items()]
    return _joined(tables)


def write_summary(plan: Plan) -> Path:
    """Write the tables, figures and summary.md of what is finished."""
    models, images, missing = finished(plan, plan.runs)
    table = summary_rows(models, plan.recipes, images)
    durable.write(plan.out / "summary.csv", table.to_csv(index=False, float_format="%.6g").encode())
    seeds = seed_rows(models, plan.recipes, images)
    if len(seeds):
        durable.write(plan.out / "seeds.csv", seeds.to_csv(index=False, float_format="%.6g").encode())
        if seeds["change"].notna().any():
            draw_changes(seeds, plan)
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
