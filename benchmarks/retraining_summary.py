"""The figures of the retraining experiment: from run folders to summary.csv and summary.md."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd

from occbench.evaluation.replicates import Replicated, over_replicates
from occbench.jobs.paired import Measured
from occbench.reports.figures.style import MUTED, RUN_COLOURS, new_figure, styled, write_figure
from occbench.runs import durable
from occbench.system.errors import OccbenchError

Quantity: TypeAlias = tuple[str, str, str, str]
"""What is measured, level, fill, placement; the last three are empty where they do not apply."""

Track: TypeAlias = np.ndarray
"""Shape (1 + B,): a quantity in the data, then in every draw of the photos."""

CLEAN: Quantity = ("clean_ap", "", "", "")
BASELINE = "none"
START = "start"
"""The folder of the weights that all trainings start from, at epoch 0 of the curve."""
VERSION = 3
"""Counted up when the same predictions give other figures."""

METHOD = """\
Every recipe is compared with `none`: the same training, as long, without occlusion, attacked on the same photos.
Values are means over the seeds; a change is the mean over the seeds of (recipe - none), seed by seed. Intervals (95
%) are over photos AND seeds: the photos' share is the spread of that mean over bootstrap draws of the photos, the
same draws for every model and cell; the seeds' share is the variance between the seeds, divided by their number; the
two variances are added, with Student's t of Satterthwaite's degrees of freedom. With few seeds that is wide, and
rightly. Means over targets are taken within each draw. No correction for the number of comparisons is made.
"""


@dataclass(frozen=True)
class Plan:
    """What the experiment consists of.

    Attributes:
        out: Its folder; ``RECIPE-SEED/suite`` and ``RECIPE-SEED/controls`` are runs.
        runs: The recipes, in the order of the tables, and which of the two runs each of them has.
        seeds: Of the trainings.
        targets: Keypoints of the controls.
        fills: Of the controls.
        placements: Of the controls: centred, decoys:N, placebo.
        epochs: Of the trainings, where the weights of every epoch were attacked, too (``RECIPE-SEED/epoch-N``); else 0.
        validated: Whether the epoch that counts was chosen by validation. Otherwise it is the last, which
            ``RECIPE-SEED/controls`` is of.
    """

    out: Path
    runs: Mapping[str, tuple[str, ...]]
    seeds: tuple[int, ...]
    targets: tuple[str, ...]
    fills: tuple[str, ...]
    placements: tuple[str, ...]
    epochs: int = 0
    validated: bool = False

    @property
    def recipes(self) -> tuple[str, ...]:
        """Their names, in the order of the tables."""
        return tuple(self.runs)


Figures: TypeAlias = Mapping[Quantity, Track]


def exact_area(run: Measured, slug: str, weights: np.ndarray) -> Track:
    """AP of one cell over all keypoints by the exact area, which drops are differences of; AP points."""
    found = run.resampled(slug, weights)
    return 100 * np.concatenate([found.exact, found.draws[:, 0]])


def printed(run: Measured, weights: np.ndarray) -> Track:
    """The clean AP as COCO prints it, AP points."""
    found = run.resampled("clean", weights)
    return 100 * np.concatenate([found.ap, found.draws[:, 0] + found.ap[0] - found.exact[0]])


def suite_figures(suite: Measured) -> dict[Quantity, Track]:
    """Clean AP, and the mean over the targets of the overall drop by level and fill, AP points."""
    weights = suite.weights()
    clean = exact_area(suite, "clean", weights)
    drops: dict[Quantity, list[Track]] = {}
    for cell in suite.manifest["cells"]:
        if cell["attack"] is not None:
            drops.setdefault(("mean_drop", cell["level"], cell["fill"], ""), []).append(
                clean - exact_area(suite, cell["slug"], weights)
            )
    return {CLEAN: printed(suite, weights), **{quantity: np.mean(tracks, axis=0) for quantity, tracks in drops.items()}}


def control_figures(controls: Measured) -> dict[Quantity, Track]:
    """Clean AP, and by fill and placement: own loss, marker effect (points), attraction (px), means over the targets.

    The marker effect also of each target, which then stands where the level does."""
    weights = controls.weights()
    keypoints = controls.manifest["skeleton"]["keypoints"]
    cells = [cell for cell in controls.manifest["cells"] if cell["attack"] is not None]
    own: dict[tuple[str, str, str], Track] = {}
    indices = [keypoints.index(target) for target in dict.fromkeys(cell["target"] for cell in cells)]
    found = controls.resampled("clean", weights, indices)
    clean = {keypoints[k]: 100 * np.concatenate([[found.exact[i]], found.draws[:, i]]) for i, k in enumerate(indices)}
    pulls: dict[Quantity, list[Track]] = {}
    for cell in cells:
        fill, placement, target = cell["fill"], cell["placement"], cell["target"]
        k = keypoints.index(target)
        attacked = controls.resampled(cell["slug"], weights, [k])
        own[fill, placement, target] = 100 * np.concatenate([attacked.exact, attacked.draws[:, 0]])
        true, elsewhere = controls.attraction(cell["slug"], k, weights)
        pulls.setdefault(("attraction", "keypoint", fill, placement), []).append(true)
        pulls.setdefault(("attraction_elsewhere", "keypoint", fill, placement), []).append(elsewhere)
    losses: dict[Quantity, list[Track]] = {}
    for (fill, placement, target), ap in own.items():
        losses.setdefault(("own_loss", "keypoint", fill, placement), []).append(clean[target] - ap)
        if placement.startswith("decoys") and (fill, "centred", target) in own:
            effect = own[fill, "centred", target] - ap
            losses.setdefault(("marker_effect", "keypoint", fill, placement), []).append(effect)
            losses["marker_effect", target, fill, placement] = [effect]
    means = {quantity: np.mean(tracks, axis=0) for quantity, tracks in {**losses, **pulls}.items()}
    return {CLEAN: printed(controls, weights), **means}


FIGURES = {"suite": suite_figures, "controls": control_figures}


def figures_of(folder: Path, runs: Sequence[str]) -> tuple[dict[Quantity, Track], int] | None:
    """The figures of one model and the number of photos, kept beside its runs; None where one is not finished."""
    try:
        measured = [Measured.open(folder / run) for run in runs]
    except OccbenchError:
        return None
    seals = [one.manifest["seal"]["sha256"] for one in measured]
    key = hashlib.sha256(f"{VERSION} {seals}".encode()).hexdigest()
    images = len(measured[0].dataset.truth.image_ids)
    kept = folder / f"figures-{'-'.join(runs)}.npz"
    if kept.is_file():
        with np.load(kept, allow_pickle=False) as arrays:
            if str(arrays["key"]) == key:
                return {_quantity(name): arrays[name] for name in arrays.files if name != "key"}, images
    figures: dict[Quantity, Track] = {}
    for run, one in zip(runs, measured, strict=True):
        figures |= FIGURES[run](one)
    file = io.BytesIO()
    np.savez(file, **{"key": np.array(key), **{"|".join(quantity): track for quantity, track in figures.items()}})
    durable.write(kept, file.getvalue())
    return figures, images


def _quantity(name: str) -> Quantity:
    what, level, fill, placement = name.split("|")
    return what, level, fill, placement


def over_seeds(tracks: Sequence[Track], images: int) -> Replicated:
    """The mean over the seeds, with its interval over photos and seeds."""
    both = np.stack(tracks)
    return over_replicates(both[:, 0], both[:, 1:].T, images)


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
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def write_summary(plan: Plan) -> Path:
    """Write summary.csv, seeds.csv and summary.md of what is finished; with a curve its table and figure, too."""
    models, images, missing = finished(plan, plan.runs)
    table = summary_rows(models, plan.recipes, images)
    durable.write(plan.out / "summary.csv", table.to_csv(index=False, float_format="%.6g").encode())
    lines = list(_lines(table, plan, images, missing))
    seeds = seed_rows(models, plan.recipes, images)
    if len(seeds):
        durable.write(plan.out / "seeds.csv", seeds.to_csv(index=False, float_format="%.6g").encode())
        lines += _by_seed(seeds, plan)
    points = curve_rows(plan)
    if len(points):
        durable.write(plan.out / "curve.csv", points.to_csv(index=False, float_format="%.6g").encode())
        draw_curve(curve_rows(plan, by_seed=True), plan)
        lines += _curve(points, plan)
    path = plan.out / "summary.md"
    durable.write(path, "\n".join(lines).encode())
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


def curve_rows(plan: Plan, by_seed: bool = False) -> pd.DataFrame:
    """The controls after every epoch, as :func:`summary_rows` or :func:`seed_rows` with a column ``epoch``.

    Epoch 0 is what all start from."""
    runs = {recipe: ("controls",) for recipe, names in plan.runs.items() if "controls" in names}
    rows, tables = seed_rows if by_seed else summary_rows, []
    start = figures_of(plan.out / START / "epoch-0", ("controls",)) if plan.epochs else None
    if start is not None:
        same = {(recipe, seed): start[0] for recipe in runs for seed in plan.seeds[: None if by_seed else 1]}
        tables.append(rows(same, tuple(runs), start[1]).assign(epoch=0))
    for epoch in range(1, plan.epochs + 1):
        below = f"epoch-{epoch}" if epoch < plan.epochs or plan.validated else ""
        models, images, _ = finished(plan, runs, below)
        tables.append(rows(models, tuple(runs), images).assign(epoch=epoch))
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


def _lines(table: pd.DataFrame, plan: Plan, images: int, missing: Sequence[str]) -> Iterator[str]:
    yield "# Retraining with targeted occlusion\n"
    yield METHOD
    yield f"{len(plan.seeds)} seeds, attacked on {images} photos. AP points (x 100) unless said otherwise.\n"
    if missing:
        yield f"Not finished yet: {', '.join(missing)}.\n"
    if len(table):
        yield from _clean(table, plan)
        yield from _drops(table, plan)
        yield from _controls(table, plan)


def _pick(table: pd.DataFrame, quantity: Quantity, recipe: str) -> pd.Series | None:
    names = ("quantity", "level", "fill", "placement")
    mask = table["recipe"] == recipe
    for name, value in zip(names, quantity, strict=True):
        mask &= table[name] == value
    return table[mask].iloc[0] if mask.any() else None


def _shown(row: pd.Series | None, name: str = "", digits: int = 1) -> str:
    """``12.3 [10.1, 14.5]``; a dash where there is no such number."""
    lo, hi = ("lo", "hi") if not name else (f"{name}_lo", f"{name}_hi")
    if row is None or pd.isna(row[name or "value"]):
        return "–"
    sign = "+" if name else ""
    value = f"{row[name or 'value']:{sign}.{digits}f}"
    return value if pd.isna(row[lo]) else f"{value} [{row[lo]:{sign}.{digits}f}, {row[hi]:{sign}.{digits}f}]"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(heads) + " |"
    yield "|" + "---|" * len(heads)
    for row in rows:
        yield "| " + " | ".join(row) + " |"
    yield ""


def _clean(table: pd.DataFrame, plan: Plan) -> Iterator[str]:
    yield "## Clean AP\n"
    rows = []
    for recipe in plan.recipes:
        row = _pick(table, CLEAN, recipe)
        if row is not None:
            rows.append((recipe, str(row["seeds"]), _shown(row), _shown(row, "change", 2)))
    yield from _table(("recipe", "seeds", "AP x 100", "change against none"), rows)


def _drops(table: pd.DataFrame, plan: Plan) -> Iterator[str]:
    drops = table[table["quantity"] == "mean_drop"]
    if drops.empty:
        return
    kinds = list(dict.fromkeys(zip(drops["level"], drops["fill"], strict=True)))
    heads = ["recipe", *(f"{level}-{fill}" for level, fill in kinds)]
    for title, name in (
        ("Mean drop over the targets", ""),
        ("Its change against none (negative: loses less)", "change"),
    ):
        yield f"## {title}\n"
        rows = [
            [recipe, *(_shown(_pick(table, ("mean_drop", level, fill, ""), recipe), name) for level, fill in kinds)]
            for recipe in plan.recipes
            if recipe in set(drops["recipe"]) and not (name and recipe == BASELINE)
        ]
        yield from _table(heads, rows)


def _controls(table: pd.DataFrame, plan: Plan) -> Iterator[str]:
    recipes = [r for r in plan.recipes if r in set(table.loc[table["quantity"] == "own_loss", "recipe"])]
    if not recipes:
        return
    decoys = next(p for p in plan.placements if p.startswith("decoys"))
    yield f"## The hidden keypoint itself: mean over {', '.join(plan.targets)}\n"
    yield "Own loss: clean minus attacked AP of the hidden keypoint. Marker effect: its AP under the lone centred"
    yield "occluder minus that among decoys; positive: the occluder tells where the keypoint is. Attraction in crop"
    yield "px: by how much predictions come nearer to the occluder on the keypoint and, among decoys, to the others.\n"
    for fill in plan.fills:
        columns: list[tuple[str, Quantity, int]] = [
            (f"own loss, {placement}", ("own_loss", "keypoint", fill, placement), 1) for placement in plan.placements
        ]
        columns.append(("marker effect", ("marker_effect", "keypoint", fill, decoys), 1))
        columns += [(f"attraction, {p}", ("attraction", "keypoint", fill, p), 2) for p in ("centred", decoys)]
        columns.append(("attraction elsewhere", ("attraction_elsewhere", "keypoint", fill, decoys), 2))
        for title, name in (("", ""), (", change against none", "change")):
            yield f"### {fill}{title}\n"
            rows = [
                [recipe, *(_shown(_pick(table, quantity, recipe), name, digits) for _, quantity, digits in columns)]
                for recipe in recipes
                if not (name and recipe == BASELINE)
            ]
            yield from _table(["recipe", *(head for head, _, _ in columns)], rows)


def _by_seed(seeds: pd.DataFrame, plan: Plan) -> Iterator[str]:
    decoys = next((p for p in plan.placements if p.startswith("decoys")), "")
    wanted: list[tuple[str, Quantity]] = [("clean AP", CLEAN)]
    for fill in plan.fills:
        wanted.append((f"own loss, {fill} centred", ("own_loss", "keypoint", fill, "centred")))
        wanted.append((f"marker effect, {fill}", ("marker_effect", "keypoint", fill, decoys)))
    yield "## Seed by seed: intervals are over photos alone\n"
    for title, name in (("Values", ""), ("Change against none", "change")):
        yield f"### {title}\n"
        rows = [
            [recipe, f"{seed}", *(_shown(_pick(mine, quantity, recipe), name) for _, quantity in wanted)]
            for recipe in plan.recipes
            if not (name and recipe == BASELINE)
            for seed, mine in seeds.groupby("seed")
            if recipe in set(mine["recipe"])
        ]
        yield from _table(["recipe", "seed", *(head for head, _ in wanted)], rows)


def _curve(points: pd.DataFrame, plan: Plan) -> Iterator[str]:
    decoys = next(p for p in plan.placements if p.startswith("decoys"))
    recipes = list(dict.fromkeys(points["recipe"]))
    yield "## Marker effect after every epoch: the mean over the keypoints, then each\n"
    yield "Epoch 0: the weights that all start from; its interval is over photos alone.\n"
    for fill in plan.fills:
        for level in ("keypoint", *plan.targets):
            yield f"### {fill}, {'mean' if level == 'keypoint' else level}\n"
            quantity: Quantity = ("marker_effect", level, fill, decoys)
            rows = [
                [f"{epoch}", *(_shown(_pick(at, quantity, recipe)) for recipe in recipes)]
                for epoch, at in points.groupby("epoch")
            ]
            yield from _table(["epoch", *recipes], rows)
    yield "### Clean AP\n"
    rows = [
        [f"{epoch}", *(_shown(_pick(at, CLEAN, recipe)) for recipe in recipes)] for epoch, at in points.groupby("epoch")
    ]
    yield from _table(["epoch", *recipes], rows)
