"""The contact sheet of ``occbench preview-attacks``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from ..system.errors import OccbenchError, unknown_name
from .asked import asked_attacks, check_kinds, check_targets, require_donors

MOST = 24
"""Columns of a sheet."""


def preview_attacks(
    data: str,
    kinds: Sequence[str],
    out: Path,
    *,
    targets: Sequence[str],
    images: Path | None = None,
    radius: float = 6.0,
    placements: Sequence[str] = (),
    occluders: Path | None = None,
    scope: str = "person",
    protocol: str = "corrected",
    model: str = "hrnet-mini",
    n: int = 6,
    trust_config: bool = False,
    seed: int = 0,
) -> Path:
    """Write a contact sheet of persons without and under each attack; arguments as of :func:`~.attack.attack`.

    Returns:
        The picture, a PNG.

    Raises:
        OccbenchError: Something that was given cannot be used.
    """
    for option, value, known in (
        ("scope", scope, ("person", "image")),
        ("protocol", protocol, ("corrected", "thesis")),
    ):
        if value not in known:
            raise unknown_name(option, value, known)
    check_kinds(kinds)
    if not str(data).endswith((".yaml", ".yml")):
        check_targets(targets)

    from ..data.findings import refuse_errors
    from ..data.occluders import read_cutouts
    from ..data.photos import check_photos
    from ..data.sources import open_dataset
    from ..estimators.config import read_config
    from ..estimators.crops import CropPipeline
    from ..jobs.preview import preview_attacks as draw
    from ..weights.trust import check_config
    from ..weights.zoo import find_model

    dataset = open_dataset(data, images, "gt", seed)
    refuse_errors(dataset.findings, str(data), False)
    suite = asked_attacks(dataset.skeleton, kinds, targets, [radius], placements)
    if len(suite) > MOST:
        raise OccbenchError(
            f"a sheet has {MOST} columns at most, but these are {len(suite)}: name fewer --kind or --target"
        )
    require_donors(dataset, suite)
    cutouts = None if occluders is None else read_cutouts(occluders, lambda line: print(line, file=sys.stderr))
    config = find_model(model).config_path
    check_config(config, trust_config)
    pipeline = CropPipeline(read_config(config))
    dataset = check_photos(dataset, skip_unreadable=True)
    return draw(dataset, pipeline, suite, out, n, scope=scope, protocol=protocol, seed=seed, cutouts=cutouts)
