"""Retrained models against a baseline: how clean and attacked AP change, from the predictions of the runs.

The interval of a change is paired: both models see the same photos, so every bootstrap draw takes the same photos for
both. It is narrower than what the two models' own intervals would suggest.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..attacks import CENTRED, DEFAULT_RADIUS, LEVELS
from ..evaluation.bootstrap import MIN_PERSONS, Resampled, Weights
from ..evaluation.changes import Change, Compared
from ..evaluation.intervals import intervals
from ..system.errors import OccbenchError
from ..system.progress import Progress
from .paired import Measured


def compare_runs(
    runs: Sequence[Path],
    baseline: int = 0,
    data: Path | None = None,
    images: Path | None = None,
    progress: Progress | None = None,
) -> list[Compared]:
    """Compare every run with the baseline over the same boxes.

    Where the runs have several sources of boxes, the baseline of a source is the run of the baseline's weights over
    it; runs over boxes that have none are left out.

    Args:
        runs: Run folders.
        baseline: The baseline's place among them.
        data: The annotation file, where it has moved since.
        images: The image folder, likewise.
        progress: Told what is done.

    Raises:
        OccbenchError: Fewer than two runs, or runs on other data or of another protocol than the baseline.
    """
    if len(runs) < 2:
        raise OccbenchError("one run alone cannot be compared; name a baseline and one or more other runs")
    measured = [Measured.open(run, data, images) for run in runs]
    for other in measured:
        _require_same(measured[baseline], other)
    pairs = _pairs(measured, baseline)
    shared = {pair: _shared(*(measured[place] for place in pair)) for pair in pairs}
    weights = measured[baseline].weights()
    wanted = {(place, slug) for pair, groups in shared.items() for place in pair for slug in _slugs(groups)}
    found: dict[tuple[int, str], Resampled] = {}
    with (progress or Progress(False)).stage("scoring", len(wanted)) as advance:
        for place, slug in sorted(wanted):
            found[place, slug] = measured[place].resampled(slug, weights)
            advance(1)
    return [
        Compared(run, base, tuple(_change(key, slugs, found, run, base, weights) for key, slugs in groups.items()))
        for (run, base), groups in shared.items()
    ]


def _require_same(baseline: Measured, other: Measured) -> None:
    """Refuse runs whose figures have nothing to do with each other."""
    for what in ("data", "protocol"):
        if _decides(baseline.manifest, what) != _decides(other.manifest, what):
            names = [f"{str(one.run)!r} ({_said(one.manifest, what)})" for one in (other, baseline)]
            raise OccbenchError(
                f"{names[0]} has other {what} than {names[1]}: compare runs on the same photos and of one protocol"
            )


def _decides(manifest: dict[str, Any], what: str) -> Any:
    if what == "protocol":
        return manifest["protocol"], manifest.get("scope", "person")
    measured = [manifest["data"][name] for name in ("annotations_sha256", "limit", "skipped_images")]
    return [*measured, *(manifest["skeleton"].get(name) for name in ("keypoints", "sigmas", "parts"))]


def _said(manifest: dict[str, Any], what: str) -> str:
    if what == "protocol":
        return f"{manifest['protocol']}, scope {manifest.get('scope', 'person')}"
    data = manifest["data"]
    limit = f", the first {data['limit']} photos" if data["limit"] else ""
    return f"{data['name']}{limit}"


def _pairs(measured: Sequence[Measured], baseline: int) -> list[tuple[int, int]]:
    """Each run that is compared, with its baseline."""

    def boxes(place: int) -> Any:
        about = measured[place].manifest["boxes"]
        return about["source"], about.get("sha256"), measured[place].manifest["choices"]["boxes"]

    def weights(place: int) -> Any:
        return measured[place].manifest["model"].get("weights_sha256")

    bases = {boxes(p): p for p in range(len(measured)) if weights(p) == weights(baseline)} | {boxes(baseline): baseline}
    pairs = [(p, bases[boxes(p)]) for p in range(len(measured)) if boxes(p) in bases and p not in bases.values()]
    if not pairs:
        raise OccbenchError(
            f"no run has the boxes of the baseline {str(measured[baseline].run)!r} "
            f"({measured[baseline].manifest['choices']['boxes']}): compare runs over the same boxes"
        )
    return pairs


Groups = dict[tuple[str, str], list[str]]
"""Slugs of cells by level and fill; the clean cell under ``("clean", "")``."""


def _shared(one: Measured, other: Measured) -> Groups:
    """The attacks that both runs have, at one size and placement of each level: the protocol's where both have them."""
    groups: Groups = {("clean", ""): ["clean"]}
    both = {cell["slug"] for cell in other.manifest["cells"]}
    cells = [cell for cell in one.manifest["cells"] if cell["attack"] is not None and cell["slug"] in both]
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
                groups.setdefault((level, cell["fill"]), []).append(cell["slug"])
    return groups


def _slugs(groups: Groups) -> list[str]:
    return [slug for slugs in groups.values() for slug in slugs]


def _change(
    key: tuple[str, str],
    slugs: Sequence[str],
    found: dict[tuple[int, str], Resampled],
    run: int,
    base: int,
    weights: Weights,
) -> Change:
    """The change of the mean AP over some cells; within each draw the cells of both models see the same photos."""
    pairs = [(found[run, slug], found[base, slug]) for slug in slugs]
    value = float(np.mean([100 * (mine.ap[0] - theirs.ap[0]) for mine, theirs in pairs]))
    draws = np.mean([100 * (mine.draws[:, 0] - theirs.draws[:, 0]) for mine, theirs in pairs], axis=0)
    first = pairs[0][0]
    enough = value if first.n[0] >= MIN_PERSONS and len(weights.draws) else np.nan
    bounds = intervals(np.array([enough]), draws[:, None], clusters=first.images[:1])
    return Change(*key, len(slugs), value, float(bounds.lo[0]), float(bounds.hi[0]))
