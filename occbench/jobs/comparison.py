"""Models against a baseline: how AP and its drops differ, from the predictions of the runs.

The interval of a change is paired: both models see the same photos, so every bootstrap draw takes the same photos for
both. It is narrower than what the two models' own intervals would suggest. Where a recipe was trained with several
seeds, runs of the same seed are paired, and what other seeds would bring is in the interval, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from ..attacks import CENTRED, DEFAULT_RADIUS, LEVELS
from ..evaluation.bootstrap import MIN_PERSONS
from ..evaluation.changes import Compared, Group, Measure, Quantity
from ..evaluation.intervals import MIN_PHOTOS, Method, holm, intervals
from ..evaluation.replicates import Replicated, between_replicates, over_replicates
from ..runs.manifest import sees_photos
from ..runs.names import run_names
from ..system.errors import OccbenchError
from ..system.progress import Progress
from ..tables.all import read_table
from ..tables.floor import nothing_to_lose
from .paired import Measured, Overall
from .recipes import boxes_key, group_runs, seed_of, training_key

Tracks: TypeAlias = dict[tuple[int, str], Overall]
"""AP over all keypoints by run and slug."""


def compare_runs(
    runs: Sequence[Path],
    baseline: int = 0,
    data: Path | None = None,
    images: Path | None = None,
    progress: Progress | None = None,
    names: Sequence[str] = (),
    groups: Mapping[str, Sequence[int]] | None = None,
) -> list[Compared]:
    """Compare every group of runs with the baseline over the same boxes.

    Where the runs have several sources of boxes, the baseline of a source are the runs of the baseline's recipe (or
    weights) over it; runs over boxes that have none are left out.

    Args:
        runs: Run folders.
        baseline: The baseline's place among them; the other runs of its recipe belong to it.
        data: The annotation file, where it has moved since.
        images: The image folder, likewise.
        progress: Told what is done.
        names: Of the runs; by default their folders'.
        groups: Places of runs that are trainings of one recipe, by its name; other runs are put together by what
            their manifests say (:func:`~.recipes.group_runs`).

    Raises:
        OccbenchError: Fewer than two runs, or runs on other data or of another protocol than the baseline.
    """
    if len(runs) < 2:
        raise OccbenchError("one run alone cannot be compared; name a baseline and one or more other runs")
    measured = [Measured.open(run, data, images) for run in runs]
    for other in measured:
        _require_same(measured[baseline], other)
    manifests = [one.manifest for one in measured]
    names = names or run_names(runs)
    found = group_runs(manifests, names, groups)
    compared = [_paired(group, base, measured) for group, base in _pairs(measured, found, baseline)]
    shared = [_shared([measured[p] for p in (*one.group.runs, *one.baseline.runs)]) for one in compared]
    images_of = _images(measured[baseline])
    tracks = _tracks(measured, compared, shared, measured[baseline], progress or Progress(False))
    floors = {
        n: said for n, run in zip(names, runs, strict=True) if (said := nothing_to_lose(read_table(run, "cells")))
    }
    filled = [_filled(*both, tracks, images_of) for both in zip(compared, shared, strict=True)]
    return _adjusted([replace(one, floors=_floors(one, names, floors)) for one in filled])


def _floors(one: Compared, names: Sequence[str], floors: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    mine = [names[place] for place in (*one.baseline.runs, *one.group.runs)]
    return tuple((name, floors[name]) for name in mine if name in floors)


def _require_same(baseline: Measured, other: Measured) -> None:
    """Refuse runs whose figures have nothing to do with each other."""
    for what in ("data", "protocol"):
        if _decides(baseline.manifest, what) != _decides(other.manifest, what):
            names = [f"{str(one.run)!r} ({_described(one.manifest, what)})" for one in (other, baseline)]
            raise OccbenchError(
                f"{names[0]} has other {what} than {names[1]}: compare runs on the same photos and of one protocol"
            )


def _decides(manifest: dict[str, Any], what: str) -> Any:
    if what == "protocol":
        return manifest["protocol"], manifest.get("scope", "person")
    measured = [manifest["data"][name] for name in ("annotations_sha256", "limit", "skipped_images")]
    return [*measured, *(manifest["skeleton"].get(name) for name in ("keypoints", "sigmas", "parts"))]


def _described(manifest: dict[str, Any], what: str) -> str:
    if what == "protocol":
        return f"{manifest['protocol']}, scope {manifest.get('scope', 'person')}"
    data = manifest["data"]
    limit = f", the first {data['limit']} photos" if data["limit"] else ""
    return f"{data['name']}{limit}"


def _pairs(measured: Sequence[Measured], groups: Sequence[Group], baseline: int) -> list[tuple[Group, Group]]:
    """Each group that is compared, with its baseline. Models that see whole photos go with any boxes."""
    first = next(group for group in groups if baseline in group.runs)

    def boxes(group: Group) -> str:
        manifests = [measured[one.runs[0]].manifest for one in (group, first)]
        return boxes_key(manifests[any(map(sees_photos, manifests))])

    def training(group: Group) -> str:
        return training_key(measured[group.runs[0]].manifest)

    bases = {boxes(group): group for group in groups if training(group) == training(first)} | {boxes(first): first}
    pairs = [(g, bases[boxes(g)]) for g in groups if boxes(g) in bases and g not in bases.values()]
    if pairs:
        return pairs
    if len(groups) == 1:
        raise OccbenchError(
            f"all runs are trainings of one recipe ({first.name!r}) with other seeds; to compare them one by one, name "
            "each in a --group of its own"
        )
    raise OccbenchError(
        f"no run has the boxes of the baseline {str(measured[baseline].run)!r} "
        f"({measured[baseline].manifest['choices']['boxes']}): compare runs over the same boxes"
    )


def _paired(group: Group, base: Group, measured: Sequence[Measured]) -> Compared:
    """Both sides with the runs of the same seed side by side; without pairs where they share no seed."""
    if len(group.runs) == len(base.runs) == 1:
        return Compared(group, base, ((group.runs[0], base.runs[0]),))
    seeds = {place: seed_of(measured[place].manifest) for place in (*group.runs, *base.runs)}
    partner = {seeds[place]: place for place in base.runs if seeds[place] is not None}
    pairs = tuple((place, partner[seeds[place]]) for place in group.runs if seeds[place] in partner)
    if len(pairs) < min(len(group.runs), len(base.runs)):
        pairs = ()  # not every training has its partner: the two sides are compared as wholes
    if pairs:
        mine, theirs = zip(*pairs, strict=True)
        group, base = Group(group.name, mine), Group(base.name, theirs)
    return Compared(group, base, pairs)


Cells: TypeAlias = dict[tuple[str, str], dict[str, str]]
"""Slugs of attacked cells by level and fill, then by target."""


def _shared(runs: Sequence[Measured]) -> Cells:
    """The attacks that all runs have, at one size and placement of each level: the protocol's where they have them."""
    groups: Cells = {}
    everywhere = set.intersection(*({cell["slug"] for cell in one.manifest["cells"]} for one in runs))
    cells = [c for c in runs[0].manifest["cells"] if c["attack"] is not None and c["slug"] in everywhere]
    for level in LEVELS:
        mine = [cell for cell in cells if cell["level"] == level]
        if not mine:
            continue
        placements = [cell["placement"] for cell in mine]
        placement = str(CENTRED) if str(CENTRED) in placements else placements[0]
        mine = [cell for cell in mine if cell["placement"] == placement]
        radii = {cell["radius"] for cell in mine}
        radius = DEFAULT_RADIUS if DEFAULT_RADIUS in radii else min(radii)
        for cell in mine:
            if cell["radius"] == radius:
                groups.setdefault((level, cell["fill"]), {})[cell["target"]] = cell["slug"]
    return groups


def _tracks(
    measured: Sequence[Measured],
    compared: Sequence[Compared],
    shared: Sequence[Cells],
    baseline: Measured,
    progress: Progress,
) -> Tracks:
    """Every cell that is needed, scored once, all of them under the baseline's draws."""
    weights = baseline.weights()
    wanted = {
        (place, slug)
        for one, cells in zip(compared, shared, strict=True)
        for place in (*one.group.runs, *one.baseline.runs)
        for slug in ("clean", *(slug for by_target in cells.values() for slug in by_target.values()))
    }
    found: Tracks = {}
    with progress.stage("scoring", len(wanted)) as advance:
        for place, slug in sorted(wanted):
            found[place, slug] = measured[place].overall(slug, weights)
            advance(1)
    return found


def _images(run: Measured) -> int | None:
    """Photos with persons that count; None where they are too few for intervals."""
    truth = run.dataset.truth
    counts = (truth.num_keypoints > 0) & ~truth.crowd
    return len(np.unique(truth.image[counts])) if np.count_nonzero(counts) >= MIN_PERSONS else None


def _filled(one: Compared, cells: Cells, tracks: Tracks, images: int | None) -> Compared:
    """What a group and its baseline come to, and their differences."""
    own: list[Measure] = []
    base: list[Measure] = []
    changes: list[Measure] = []
    mine, theirs = one.group.runs, one.baseline.runs
    for (quantity, level, fill, target), sign, slugs in _questions(cells):
        about = Measure(quantity, level, fill, target, len(slugs), np.nan)
        for runs, side in ((mine, own), (theirs, base)):
            if quantity == "ap":
                printed = np.stack([_mean([tracks[run, slug].printed for slug in slugs]) for run in runs])
                side.append(_over(about, printed, images))
            else:
                changed = np.any([_attacked(tracks, run, slugs) for run in runs], axis=0)
                side.append(_over(about, _exact(tracks, runs, quantity, slugs), images, changed))
        differ = np.any([_differ(tracks, [*mine, *theirs], slug) for slug in slugs], axis=0)
        if quantity == "drop":
            differ |= _differ(tracks, [*mine, *theirs], "clean")
            differ &= np.any([_attacked(tracks, run, slugs) for run in (*mine, *theirs)], axis=0)
        sides = [sign * _exact(tracks, runs, quantity, slugs) for runs in (mine, theirs)]
        if one.pairs:
            changes.append(_over(about, sides[0] - sides[1], images, differ))
        else:
            changes.append(_between(about, sides[0], sides[1], images, differ))
    return replace(one, own=tuple(own), base=tuple(base), changes=tuple(changes))


def _exact(tracks: Tracks, runs: Sequence[int], quantity: Quantity, slugs: Sequence[str]) -> np.ndarray:
    """The mean exact AP, or drop of it, under some attacks, by run. Shape: (S, 1 + B)."""
    aps = np.stack([_mean([tracks[run, slug].exact for slug in slugs]) for run in runs])
    return aps if quantity == "ap" else np.stack([tracks[run, "clean"].exact for run in runs]) - aps


def _mean(tracks: Sequence[np.ndarray]) -> np.ndarray:
    mean: np.ndarray = np.mean(tracks, axis=0)
    return mean


def _attacked(tracks: Tracks, run: int, slugs: Sequence[str]) -> np.ndarray:
    """The photos in which some attack changed anything that a run's AP is made of. Shape: (I,), bool."""
    clean = tracks[run, "clean"].signature
    changed: np.ndarray = np.any([tracks[run, slug].signature != clean for slug in slugs], axis=0)
    return changed


def _differ(tracks: Tracks, runs: Sequence[int], slug: str) -> np.ndarray:
    """The photos in which the runs' APs of a cell are not made of the same. Shape: (I,), bool."""
    first = tracks[runs[0], slug].signature
    differ: np.ndarray = np.any([tracks[run, slug].signature != first for run in runs[1:]], axis=0)
    return differ


def _questions(cells: Cells) -> list[tuple[tuple[Quantity, str, str, str], int, list[str]]]:
    """What is measured of which cells: the clean AP, means by level and fill, single targets. A loss is bad: -1."""
    found: list[tuple[tuple[Quantity, str, str, str], int, list[str]]] = [(("ap", "clean", "", ""), 1, ["clean"])]
    signs: tuple[tuple[Quantity, int], ...] = (("ap", 1), ("drop", -1))
    for (level, fill), by_target in cells.items():
        found += [((quantity, level, fill, ""), sign, list(by_target.values())) for quantity, sign in signs]
    for (level, fill), by_target in cells.items():
        for target, slug in by_target.items():
            found += [((quantity, level, fill, target), sign, [slug]) for quantity, sign in signs]
    return found


def _over(about: Measure, tracks: np.ndarray, images: int | None, changed: np.ndarray | None = None) -> Measure:
    """The mean of some trainings; of a single one the interval that cells.csv would have.

    Args:
        about: What it is.
        tracks: Shape (S, 1 + B).
        images: Photos with persons that count; None for no interval.
        changed: Shape (I,), bool: of a difference the photos that speak.
    """
    photos = -1 if changed is None else int(np.count_nonzero(changed))
    about = replace(about, value=float(tracks[:, 0].mean()), photos=photos)
    if images is None or tracks.shape[1] < 2 or 0 <= photos < MIN_PHOTOS:
        return about
    if len(tracks) > 1:
        speak = images if changed is None else min(images, photos)
        return _said(about, over_replicates(tracks[:, 0], tracks[:, 1:].T, speak))
    method: Method = "percentile" if changed is None else "student"
    number = None if changed is None else np.array([photos])
    one = intervals(tracks[:, 0], tracks[:, 1:].T, None, np.array([images]), method=method, changed=number)
    low, high, p, se = (float(end[0]) for end in (one.lo, one.hi, one.p, one.se))
    return replace(about, low=low, high=high, p=p, se_photos=se)


def _between(about: Measure, mine: np.ndarray, theirs: np.ndarray, images: int | None, changed: np.ndarray) -> Measure:
    """The difference of the means of trainings that share no seeds. Shapes (S, 1 + B) and (R, 1 + B)."""
    photos = int(np.count_nonzero(changed))
    about = replace(about, value=float(mine[:, 0].mean() - theirs[:, 0].mean()), photos=photos)
    if images is None or mine.shape[1] < 2 or photos < MIN_PHOTOS:
        return about
    found = between_replicates(mine[:, 0], mine[:, 1:].T, theirs[:, 0], theirs[:, 1:].T, min(images, photos))
    return _said(about, found)


def _said(about: Measure, found: Replicated) -> Measure:
    return replace(
        about,
        value=found.value,
        low=found.lo,
        high=found.hi,
        p=found.p,
        se_photos=found.se_photos,
        se_seeds=found.se_replicates,
    )


def _adjusted(compared: Sequence[Compared]) -> list[Compared]:
    """With p corrected (Holm) by family: over all groups, the means or the targets of one quantity."""
    every = [change for one in compared for change in one.changes]
    corrected: dict[int, float] = {}
    for family in dict.fromkeys(change.family for change in every):
        mine = [change for change in every if change.family == family]
        corrected |= dict(zip(map(id, mine), holm(np.array([c.p for c in mine])).tolist(), strict=True))
    return [
        replace(one, changes=tuple(replace(c, p_adjusted=corrected[id(c)]) for c in one.changes)) for one in compared
    ]
