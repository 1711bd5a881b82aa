"""What people read of the retraining experiment: summary.md."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd
from retraining_figures import BASELINE, CLEAN, Plan, Quantity

from occbench.evaluation.intervals import distinguishable

METHOD = """\
Every recipe is compared with `none`: the same training, as long, without occlusion, attacked on the same photos.
Values are means over the seeds; a change is the mean over the seeds of (recipe - none), seed by seed. Intervals (95
%) are over photos AND seeds: the photos' share is the spread of that mean over bootstrap draws of the photos, the
same draws for every model and cell; the seeds' share is the variance between the seeds, divided by their number; each
has its own Student's t, and the squares of the two half-widths are added. With few seeds that is wide, and rightly.
Means over targets are taken within each draw. *: a change that is told from zero by its interval and by p < .05 after
Holm's correction over the changes of the quantity; other changes are not corrected for their number.
"""


def page(
    plan: Plan, table: pd.DataFrame, seeds: pd.DataFrame, points: pd.DataFrame, images: int, missing: Sequence[str]
) -> Iterator[str]:
    """The lines of summary.md.

    Args:
        plan: The experiment.
        table: Over all seeds.
        seeds: Seed by seed.
        points: After every epoch; empty without a curve.
        images: How many photos were attacked.
        missing: Models that are not finished.
    """
    yield "# Retraining with targeted occlusion\n"
    yield METHOD
    yield f"{len(plan.seeds)} seeds, attacked on {images} photos. AP points (x 100) unless said otherwise.\n"
    if missing:
        yield f"Not finished yet: {', '.join(missing)}.\n"
    if len(table):
        yield from _clean(table, plan)
        yield from _drops(table, plan)
        yield from _controls(table, plan)
    if len(seeds):
        yield from _by_seed(seeds, plan)
    if len(points):
        yield from _curve(points, plan)


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


def _told(row: pd.Series | None, digits: int = 1) -> str:
    """A change, with a star where it is told from zero."""
    told = row is not None and bool(distinguishable(row["change_lo"], row["change_hi"], row["p_adjusted"]))
    return _shown(row, "change", digits) + (" *" if told else "")


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
            rows.append((recipe, str(row["seeds"]), _shown(row), _told(row, 2)))
    yield from _table(("recipe", "seeds", "AP x 100", "change against none"), rows)


def _drops(table: pd.DataFrame, plan: Plan) -> Iterator[str]:
    drops = table[table["quantity"] == "mean_drop"]
    if drops.empty:
        return
    kinds = list(dict.fromkeys(zip(drops["level"], drops["fill"], strict=True)))
    heads = ["recipe", *(f"{level}-{fill}" for level, fill in kinds)]
    for title, cell in (
        ("Mean drop over the targets", _shown),
        ("Its change against none (negative: loses less)", _told),
    ):
        yield f"## {title}\n"
        rows = [
            [recipe, *(cell(_pick(table, ("mean_drop", level, fill, ""), recipe)) for level, fill in kinds)]
            for recipe in plan.recipes
            if recipe in set(drops["recipe"]) and not (cell is _told and recipe == BASELINE)
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
    drops = seeds.loc[seeds["quantity"] == "mean_drop", ["level", "fill"]].drop_duplicates()
    for level, fill in drops.itertuples(index=False):
        wanted.append((f"mean drop, {level}-{fill}", ("mean_drop", level, fill, "")))
    there = set(seeds["quantity"])
    wanted = [(head, quantity) for head, quantity in wanted if quantity[0] in there]
    yield "## Seed by seed: intervals are over photos alone\n"
    for title, cell in (("Values", _shown), ("Change against none", _told)):
        yield f"### {title}\n"
        rows = [
            [recipe, f"{seed}", *(cell(_pick(mine, quantity, recipe)) for _, quantity in wanted)]
            for recipe in plan.recipes
            if not (cell is _told and recipe == BASELINE)
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
