"""Read a run folder: the manifest, the cells and the examples, checked where they enter."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from occbench.errors import OccbenchError

SCHEMA = 2
LEVELS = ("keypoint", "part")

_CELL_KEYS = ["level", "fill", "target", "radius", "placement"]
_TEXT = ["model", "dataset", "boxes", "protocol", "level", "fill", "target", "placement", "keypoint"]
_NUMBERS = ["radius", "n", "ap", "ap50", "ap75", "ap_m", "ap_l", "ar", "drop"]
_NUMBERS += ["ar50", "ar75", "ar_m", "ar_l", "n_remaining", "drop_remaining"]
_INTERVALS = ["drop_lo", "drop_hi", "drop_se", "p", "p_adjusted", "ap_lo", "ap_hi"]


class _Entry(BaseModel):
    """A part of the manifest; what this report does not use is let through unread."""

    model_config = ConfigDict(extra="ignore", protected_namespaces=())


class Model(_Entry):
    name: str
    weights_sha256: str | None = None
    input_size: tuple[int, int] | None = None
    flip: bool | None = None
    published: dict[str, float] = Field(default_factory=dict)


class Data(_Entry):
    name: str
    n_images: int
    n_persons: int
    synthetic: bool = False
    skipped_images: list[str] = Field(default_factory=list)
    limit: int | None = None


class Boxes(_Entry):
    source: str
    file: str | None = None
    n: int | None = None
    matched: int | None = None
    missed: int | None = None
    unmatched: int | None = None


class Skeleton(_Entry):
    name: str = ""
    keypoints: list[str]
    parts: dict[str, list[str]] = Field(default_factory=dict)
    edges: list[tuple[str, str]] = Field(default_factory=list)

    def own_keypoints(self, level: str, target: str) -> list[str]:
        """Names of the keypoints that ``target`` consists of; empty for an unknown part."""
        return [target] if level == "keypoint" else list(self.parts.get(target, []))

    def targets(self, level: str) -> list[str]:
        """Every target of ``level``, in the skeleton's order."""
        return list(self.keypoints if level == "keypoint" else self.parts)


class CellEntry(_Entry):
    slug: str
    level: str | None = None
    fill: str | None = None
    target: str | None = None
    radius: float | None = None
    placement: str | None = None
    n_attacked: int | None = None
    n_short: int | None = None


class Manifest(_Entry):
    """What a run says about itself, as far as the report uses it."""

    occbench: str
    command: list[str] = Field(default_factory=list)
    created: str | None = None
    wall_seconds: float | None = None
    model: Model
    data: Data
    boxes: Boxes
    protocol: str
    evaluator: str | None = None
    seed: int | None = None
    skeleton: Skeleton
    cells: list[CellEntry]


class Example(_Entry):
    """One person under one attack. Coordinates in crop px, one ``[x, y]`` per keypoint of the skeleton."""

    slug: str
    level: str
    fill: str
    target: str
    radius: float
    placement: str
    person: int | str
    image: str
    clean: str
    attacked: str
    truth: list[tuple[float, float] | None]
    clean_keypoints: list[tuple[float, float]]
    attacked_keypoints: list[tuple[float, float]]
    kind: str = "example"
    oks_clean: float | None = None
    oks_attacked: float | None = None


@dataclass(frozen=True)
class Run:
    """One run folder, read.

    Attributes:
        path: The folder.
        manifest: Its manifest.
        cells: cells.csv, one row per (cell, keypoint), plus the columns ``n_attacked`` and ``n_short`` of the
            manifest's cells. Text columns hold "" and number columns NaN where the file is empty.
        examples: The examples, in file order; empty when the run has none.
        notes: What was left out and why, in words for the reader.
    """

    path: Path
    manifest: Manifest
    cells: pd.DataFrame
    examples: tuple[Example, ...]
    notes: tuple[str, ...]

    @property
    def has_intervals(self) -> bool:
        """Whether any drop comes with a 95 % interval."""
        return bool((self.cells["drop_lo"].notna() & self.cells["drop_hi"].notna()).any())


def load_run(path: Path) -> Run:
    """Read the run folder ``path``.

    Raises:
        OccbenchError: The folder is no run folder, is damaged, or was written by a newer occbench.
    """
    manifest = _read_manifest(path)
    cells = _join_manifest(_read_cells(path / "cells.csv"), manifest, path)
    examples, notes = _read_examples(path)
    return Run(path, manifest, cells, examples, notes)


def _read_json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise OccbenchError(f"{file} cannot be read as JSON ({error}); write the run anew") from None


def _first_problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    where = ".".join(str(step) for step in problem["loc"])
    return f"{where}: {problem['msg']}"


def _read_manifest(path: Path) -> Manifest:
    file = path / "manifest.json"
    if not file.is_file():
        raise OccbenchError(f"{path} is no run folder: it has no manifest.json; name the --out of `occbench attack`")
    content = _read_json(file)
    if not isinstance(content, dict) or not isinstance(content.get("schema"), int):
        raise OccbenchError(f"{file} is no manifest of a run: it has no schema number")
    if content["schema"] > SCHEMA:
        raise OccbenchError(
            f"{file} has schema {content['schema']}, this occbench knows up to {SCHEMA};"
            f" use occbench {content.get('occbench', 'of the run')} or newer"
        )
    if content.get("complete") is False:
        command = shlex.join(str(word) for word in content.get("command") or ()) or "the command that began it"
        raise OccbenchError(f"{path} is unfinished; finish it by giving its command again: {command}")
    try:
        return Manifest.model_validate(content)
    except ValidationError as error:
        raise OccbenchError(f"{file} is damaged: {_first_problem(error)}; write the run anew") from None


def _read_cells(file: Path) -> pd.DataFrame:
    if not file.is_file():
        raise OccbenchError(f"{file} is missing; finish the run by giving the same `occbench attack` command again")
    try:
        cells = pd.read_csv(file, dtype=str, keep_default_na=False)
    except (ValueError, OSError) as error:
        raise OccbenchError(f"{file} cannot be read as CSV ({error}); write the run anew") from None
    missing = [name for name in _TEXT + _NUMBERS if name not in cells.columns]
    if missing:
        raise OccbenchError(f"{file} lacks the column {', '.join(missing)}; write the run anew with this occbench")
    for name in _INTERVALS:
        if name not in cells.columns:
            cells[name] = ""
    for name in _NUMBERS + _INTERVALS:
        cells[name] = _numbers(cells[name], file)
    _check_rows(cells, file)
    return cells


def _numbers(text: pd.Series, file: Path) -> pd.Series:
    values = pd.to_numeric(text.where(text != "", "nan"), errors="coerce").astype(float)
    bad = text[values.isna() & ~text.str.lower().isin(["", "nan"])]
    if len(bad):
        raise OccbenchError(
            f"{file}, line {bad.index[0] + 2}: column {text.name} holds {bad.iloc[0]!r}, no number; write the run anew"
        )
    return values.where(np.isfinite(values))


def _check_rows(cells: pd.DataFrame, file: Path) -> None:
    if not ((cells["level"] == "clean") & (cells["keypoint"] == "all")).any():
        raise OccbenchError(
            f"{file} has no row of the clean cell (level clean, keypoint all);"
            " finish the run by giving the same `occbench attack` command again"
        )
    unsized = (cells["level"] != "clean") & cells["radius"].isna()
    if unsized.any():
        line = int(unsized.to_numpy().argmax()) + 2
        raise OccbenchError(f"{file}, line {line}: the attack has no radius; write the run anew")
    repeated = cells.duplicated([*_CELL_KEYS, "keypoint"])
    if repeated.any():
        row = cells[repeated].iloc[0]
        raise OccbenchError(
            f"{file} has two rows for {_cell_name(row[_CELL_KEYS])}, keypoint {row['keypoint']}; write the run anew"
        )


def _cell_name(keys: Iterable[Any]) -> str:
    level, fill, target, radius, placement = keys
    return f"{level}-{fill}:{target} r={radius:g} {placement}" if level != "clean" else "the clean cell"


def _join_manifest(cells: pd.DataFrame, manifest: Manifest, path: Path) -> pd.DataFrame:
    """Add how many persons each attack changed, and see that every finished cell has its rows."""
    listed = pd.DataFrame(
        [
            (c.level, c.fill or "", c.target or "", c.radius, c.placement or "", c.n_attacked, c.n_short)
            for c in manifest.cells
            if c.level not in (None, "clean")
        ],
        columns=[*_CELL_KEYS, "n_attacked", "n_short"],
    ).astype({"radius": float, "n_attacked": float, "n_short": float})
    listed = listed.drop_duplicates(_CELL_KEYS)
    present = cells.loc[cells["keypoint"] == "all", _CELL_KEYS].assign(present=True)
    absent = listed.merge(present, how="left", on=_CELL_KEYS)
    absent = absent[absent["present"].isna()]
    if len(absent):
        raise OccbenchError(
            f"{path / 'cells.csv'} has no row for {_cell_name(absent.iloc[0][_CELL_KEYS])}, which manifest.json lists;"
            " finish the run by giving the same `occbench attack` command again"
        )
    return cells.merge(listed, how="left", on=_CELL_KEYS, validate="many_to_one")


def _read_examples(path: Path) -> tuple[tuple[Example, ...], tuple[str, ...]]:
    """Examples whose crops are all there; the rest is named in a note, for a report without pictures is a report."""
    file = path / "examples" / "examples.json"
    if not file.is_file():
        return (), ("The run has no examples (examples/examples.json), so no pictures are shown.",)
    try:
        entries = [Example.model_validate(entry) for entry in _read_json(file)]
    except (ValidationError, TypeError, OccbenchError):
        return (), ("examples/examples.json is damaged, so no pictures are shown.",)
    found = tuple(e for e in entries if all((file.parent / Path(n).name).is_file() for n in (e.clean, e.attacked)))
    lost = len(entries) - len(found)
    notes = (f"{lost} of {len(entries)} examples are not shown: their crops are missing.",) if lost else ()
    return found, notes
