"""``occbench ls``: the names that the other commands take."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from ..system.errors import OccbenchError, unknown_name

Row = Mapping[str, Any]


def ls(
    what: Annotated[str, typer.Argument(help="models, detectors, targets, kinds or datasets")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the rows as JSON.")] = False,
    complexity: Annotated[
        bool, typer.Option("--complexity", help="Of models: input size, parameters, GFLOPs (a minute or two).")
    ] = False,
) -> None:
    """List the models, detectors, targets, kinds of attack or data sets that there are.

    Data sets are looked for in $OCCBENCH_DATA, else in ./data, in MMPose's layout; `missing` says what is not there.

    Parameters are counted in millions; of operations, the multiplications and the additions of one forward pass.

    Examples: `occbench ls models`, `occbench ls targets --json`, `occbench ls models --complexity`.
    """
    if what not in LISTS:
        raise unknown_name("list", what, LISTS)
    if complexity and what != "models":
        raise OccbenchError(f"--complexity is for `occbench ls models`, not for {what}")
    rows = models_by_complexity() if complexity else LISTS[what]()
    if as_json:
        print(json.dumps(rows, indent=2))
    else:
        print(table(rows))


def models() -> list[Row]:
    """Name, aliases, what it sees, config, published figures (of MMPose's metafiles) and weights of every model."""
    from ..weights.zoo import list_models

    rows: list[Row] = []
    for model in list_models():
        try:
            published, (weights, where) = dict(model.published), _weights(model.checkpoint)
            note = "; ".join(filter(None, (model.note, model.missing)))
        except OccbenchError as error:  # MMPose is not installed
            published, (weights, where), note = {}, ("unknown", ""), str(error)
        rows.append(
            {
                "name": model.name,
                "aliases": list(model.aliases),
                "sees": model.sees,
                "dataset": model.dataset,
                "AP": published.get("AP"),
                "AR": published.get("AR"),
                "PCKh": published.get("Mean"),
                "weights": weights,
                "config": model.config,
                "note": note,
                "weights_at": where,
            }
        )
    return rows


def models_by_complexity() -> list[Row]:
    """Width and height of every model's input (px), its parameters (millions), operations and multiply-adds (10^9)."""
    from ..models.complexity import config_complexity
    from ..weights.zoo import list_models

    rows: list[Row] = []
    for model in list_models():
        row: dict[str, Any] = {"name": model.name, "input": None, "parameters": None, "GFLOPs": None}
        row |= {"published GMACs": None, "note": ""}
        if model.source != "mmpose":
            rows.append(row | {"note": "counted are MMPose's configs"})
            continue
        try:
            found = config_complexity(model.config_path)
        except OccbenchError as error:  # a part of MMPose that it needs is not installed
            row["note"] = str(error)
        else:
            width, height = found.input_size
            row.update(input=f"{width}x{height}", parameters=found.parameters / 1e6, GFLOPs=found.gflops)
            row["published GMACs"] = found.published
        rows.append(row)
    return rows


def _weights(source: str | None) -> tuple[str, str]:
    """How one comes by the weights, and the file or address."""
    from ..weights.checkpoints import cached

    if source is None:
        return "--checkpoint", ""
    if "://" not in source:
        return ("in the package" if Path(source).is_file() else "missing"), source
    path = cached(source)
    return ("in the cache", str(path)) if path.is_file() else ("to be fetched", source)


def targets() -> list[Row]:
    """Every keypoint and part of every skeleton, with the keypoints that it consists of."""
    from ..attacks import LEVELS, SKELETONS

    rows: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for name, skeleton in SKELETONS.items():
        for level in LEVELS:
            for target in skeleton.targets(level):
                members = tuple(skeleton.keypoints[i] for i in skeleton.indices(level, target))
                rows.setdefault((target, level, members), []).append(name)
    return [
        {"target": target, "level": level, "data": names, "keypoints": list(members)}
        for (target, level, members), names in rows.items()
    ]


def kinds() -> list[Row]:
    """Every kind of attack, and the names that stand for several."""
    from ..attacks import GROUPS, KINDS

    rows: list[Row] = []
    for kind in KINDS:
        level, _, fill = kind.partition("-")
        rows.append({"kind": kind, "level": level, "fill": fill, "means": []})
    return rows + [{"kind": name, "level": "", "fill": "", "means": list(means)} for name, means in GROUPS.items()]


def datasets() -> list[Row]:
    """The data sets that have a name, where they are looked for, and what is not there."""
    from ..data.known import KNOWN_SETS
    from ..jobs.doctor import sample_place
    from ..system.paths import data_dir

    annotations, images = sample_place()
    there = annotations.is_file() and images.is_dir()
    sample = {"name": "sample", "present": there, "metric": "AP", "note": "synthetic people; generated when first used"}
    rows: list[Row] = [
        {**sample, "missing": "", "fetch": "", "annotations": str(annotations), "images": str(images)},
    ]
    root = data_dir()
    for known in KNOWN_SETS:
        missing = known.missing(root)
        rows.append(
            {
                "name": known.name,
                "present": not missing,
                "metric": known.metric,
                "note": known.note,
                "missing": missing,
                "fetch": known.fetch,
                "annotations": str(root / known.annotations),
                "images": str(root / known.images),
            }
        )
    return rows


def detectors() -> list[Row]:
    """The detectors that have a name for ``--boxes detector:NAME``; box AP as MMDet's metafiles give it."""
    from ..weights.detectors import list_detectors

    rows: list[Row] = []
    for detector in list_detectors():
        try:
            box_ap, (weights, where), note = detector.box_ap, _weights(detector.checkpoint), detector.note
        except OccbenchError as error:  # MMDet is not installed
            box_ap, (weights, where), note = None, ("unknown", ""), str(error)
        row = {"name": detector.name, "box AP": box_ap, "weights": weights, "config": detector.config, "note": note}
        rows.append({**row, "weights_at": where})
    return rows


LISTS: dict[str, Callable[[], list[Row]]] = {
    "models": models,
    "detectors": detectors,
    "targets": targets,
    "kinds": kinds,
    "datasets": datasets,
}


_IN_JSON = ("weights_at", "annotations", "images", "fetch")
"""Columns that are too wide for a line or say nothing new."""


def table(rows: list[Row]) -> str:
    """The rows in aligned columns, one line each whatever the width, so that grep and cut work on them.

    Columns that are empty in every row are left out, and so are addresses and places, which JSON has.
    """
    keys = [key for key in rows[0] if key not in _IN_JSON and any(row[key] not in (None, "", []) for row in rows)]
    lines = [keys, *([_cell(key, row[key]) for key in keys] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(keys))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _cell(key: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}"
    if key == "config":
        return Path(str(value).rpartition(":")[2]).stem
    return " ".join(value) if isinstance(value, list) else str(value)
