"""``occbench ls``: the names that the other commands take."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import OccbenchError, unknown_name

Row = Mapping[str, Any]


def ls(
    what: Annotated[str, typer.Argument(help="models, targets, kinds or datasets")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the rows as JSON.")] = False,
) -> None:
    """List the models, targets, kinds of attack or data sets that there are.

    Examples: `occbench ls models`, `occbench ls targets --json`.
    """
    if what not in LISTS:
        raise unknown_name("list", what, LISTS)
    rows = LISTS[what]()
    if as_json:
        print(json.dumps(rows, indent=2))
    else:
        print(table(rows))


def models() -> list[Row]:
    """Name, aliases, config, published figures (as MMPose's metafiles give them) and weights of every model."""
    from ..zoo import list_models

    rows: list[Row] = []
    for model in list_models():
        try:
            published, (weights, where), note = dict(model.published), _weights(model.checkpoint), model.note
        except OccbenchError as error:  # MMPose is not installed
            published, (weights, where), note = {}, ("unknown", ""), str(error)
        rows.append(
            {
                "name": model.name,
                "aliases": list(model.aliases),
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


def _weights(source: str | None) -> tuple[str, str]:
    """How one comes by the weights, and the file or address."""
    from ..checkpoints import cached

    if source is None:
        return "--checkpoint", ""
    if "://" not in source:
        return ("in the package" if Path(source).is_file() else "missing"), source
    path = cached(source)
    return ("in the cache", str(path)) if path.is_file() else ("to be fetched", source)


def targets() -> list[Row]:
    """Every keypoint and part, with the keypoints that it consists of."""
    from ..attacks import COCO, LEVELS

    return [
        {"target": target, "level": level, "keypoints": [COCO.keypoints[i] for i in COCO.indices(level, target)]}
        for level in LEVELS
        for target in COCO.targets(level)
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
    """The data sets that have a name, and where they are."""
    from ..data.sources import coco_val2017
    from ..doctor import sample_place

    return [
        _dataset("sample", *sample_place(), "synthetic people; generated when first used"),
        _dataset("coco-val2017", *coco_val2017(), "COCO val2017; looked for in $OCCBENCH_DATA, else in ./data"),
    ]


def _dataset(name: str, annotations: Path, images: Path, note: str) -> Row:
    there = annotations.is_file() and images.is_dir()
    return {"name": name, "present": there, "annotations": str(annotations), "images": str(images), "note": note}


LISTS: dict[str, Callable[[], list[Row]]] = {
    "models": models,
    "targets": targets,
    "kinds": kinds,
    "datasets": datasets,
}


def table(rows: list[Row]) -> str:
    """The rows in aligned columns, one line each whatever the width, so that grep and cut work on them.

    Columns that are empty in every row are left out, and so are addresses and folders of configs, which JSON has.
    """
    keys = [key for key in rows[0] if key != "weights_at" and any(row[key] not in (None, "", []) for row in rows)]
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
