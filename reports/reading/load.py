"""Read a run folder: the manifest, the cells and the examples, checked where they enter."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from occbench.evaluation.cells import EVALUATION
from occbench.system.errors import OccbenchError

from .manifest import CellEntry, Example, Manifest

SCHEMA = 2
LEVELS = ("keypoint", "part")

_CELL_KEYS = ["level", "fill", "target", "radius", "placement"]
_TEXT = ["model", "dataset", "boxes", "protocol", "level", "fill", "target", "placement", "keypoint"]
_NUMBERS = ["radius", "n", "ap", "ap50", "ap75", "ap_m", "ap_l", "ar", "drop"]
_NUMBERS += ["ar50", "ar75", "ar_m", "ar_l", "n_remaining", "drop_remaining"]
_OPTIONAL = ["drop_lo", "drop_hi", "drop_se", "p", "p_adjusted", "ap_lo", "ap_hi", "attraction", "attraction_decoys"]
_OPTIONAL += ["drop_remaining_lo", "drop_remaining_hi", "p_remaining", "photos", "radius_share"]
_OPTIONAL += ["found", "found_lo", "found_hi", "drop_found", "drop_found_lo", "drop_found_hi", "p_found"]
_VALUES = {"ap": "value", "ap_lo": "value_lo", "ap_hi": "value_hi"}


@dataclass(frozen=True, eq=False)
class Run:
    """One run folder, read; not to be changed.

    Attributes:
        path: The folder.
        manifest: Its manifest.
        cells: cells.csv, one row per (cell, keypoint), plus the columns ``n_attacked`` (persons hidden) and ``n_short``
            of the manifest's cells. Text columns hold "" and number columns NaN where the file is empty.
        groups: groups.csv in the same manner; empty when the run has none.
        confidence: confidence.csv likewise.
        natural: natural.csv likewise.
        split: split.csv likewise.
        controls: controls.csv likewise.
        errors: errors.csv likewise.
        knows: knows.csv likewise.
        shares: shares.csv likewise.
        stages: stages.csv likewise.
        refinement: refinement.csv likewise.
        grouping: grouping.csv likewise.
        torso: Shape (N,), float64, crop px: shoulders to hips of the boxes whose person has them labelled.
        examples: The examples, in file order; empty when the run has none.
        notes: What was left out and why, in words for the reader.
    """

    path: Path
    manifest: Manifest
    cells: pd.DataFrame
    groups: pd.DataFrame
    confidence: pd.DataFrame
    natural: pd.DataFrame
    split: pd.DataFrame
    controls: pd.DataFrame
    errors: pd.DataFrame
    knows: pd.DataFrame
    shares: pd.DataFrame
    stages: pd.DataFrame
    refinement: pd.DataFrame
    grouping: pd.DataFrame
    torso: np.ndarray
    examples: tuple[Example, ...]
    notes: tuple[str, ...]

    @property
    def metric(self) -> str:
        """What the data set is scored with, and drops are of: ``AP``, ``PCKh@0.5``, ..."""
        return next((name for name in self.cells["metric"] if name), "AP")

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
    cells, lost = _join_manifest(_read_cells(path / "cells.csv"), manifest)
    groups = _read_more(path / "groups.csv", _GROUPS_TEXT, _GROUPS_NUMBERS)
    confidence = _read_more(path / "confidence.csv", _CONFIDENCE_TEXT, _CONFIDENCE_NUMBERS, _CONFIDENCE_NEWER)
    natural = _read_more(path / "natural.csv", _NATURAL_TEXT, _NATURAL_NUMBERS, _NATURAL_NEWER)
    split = _read_more(path / "split.csv", _SPLIT_TEXT, _SPLIT_NUMBERS, _SPLIT_NEWER)
    controls = _read_more(path / "controls.csv", _CONTROLS_TEXT, _CONTROLS_NUMBERS, _CONTROLS_NEWER)
    errors = _read_more(path / "errors.csv", _ERRORS_TEXT, _ERRORS_NUMBERS)
    knows = _read_more(path / "knows.csv", _KNOWS_TEXT, _KNOWS_NUMBERS, _KNOWS_NEWER)
    shares = _read_more(path / "shares.csv", _SHARES_TEXT, _SHARES_NUMBERS)
    stages = _read_more(path / "stages.csv", _STAGES_TEXT, _STAGES_NUMBERS)
    refinement = _read_more(path / "refinement.csv", _REFINEMENT_TEXT, _REFINEMENT_NUMBERS)
    grouping = _read_more(path / "grouping.csv", _GROUPING_TEXT, _GROUPING_NUMBERS)
    examples, notes = _read_examples(path)
    notes = (*lost, *_metric_note(cells), *_rule_note(path, manifest), *notes)
    torso = _read_torso(path / "persons.parquet")
    return Run(
        path,
        manifest,
        cells,
        groups,
        confidence,
        natural,
        split,
        controls,
        errors,
        knows,
        shares,
        stages,
        refinement,
        grouping,
        torso,
        examples,
        notes,
    )


def _metric_note(cells: pd.DataFrame) -> tuple[str, ...]:
    """Says what AP stands for where the data set is scored with something else."""
    others = sorted(set(cells["metric"]) - {"", "AP"})
    return (f"This data set is scored by {others[0]}: what is called AP here is {others[0]}.",) if others else ()


def _rule_note(path: Path, manifest: Manifest) -> tuple[str, ...]:
    """Says that the scores are not comparable with those of a run of today."""
    if manifest.evaluation == EVALUATION:
        return ()
    return (
        "The scores of this run are of an older rule, so do not compare its drops and its figures of single keypoints "
        f"with those of newer runs; `occbench report --rescore {path}` makes them anew from its predictions.",
    )


def _read_json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as error:
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
    for name in [*_OPTIONAL, *_VALUES.values(), "metric", "family"]:
        if name not in cells.columns:
            cells[name] = ""
    for name in [*_NUMBERS, *_OPTIONAL, *_VALUES.values()]:
        cells[name] = _numbers(cells[name], file)
    for name, value in _VALUES.items():  # a data set that is not scored by AP has its own figure there
        cells[name] = cells[name].fillna(cells[value])
    _check_rows(cells, file)
    return cells


def _numbers(text: pd.Series, file: Path) -> pd.Series:
    words = text.to_numpy(dtype=object)  # many short columns: pandas' strings would take longer than all the rest
    values = pd.to_numeric(np.where(words == "", "nan", words), errors="coerce").astype(float)
    for i in np.flatnonzero(np.isnan(values)).tolist():
        word = words[i]
        if not isinstance(word, str) or word.lower() not in ("", "nan"):
            raise OccbenchError(
                f"{file}, line {text.index[i] + 2}: column {text.name} holds {word!r}, no number; write the run anew"
            )
    return pd.Series(np.where(np.isfinite(values), values, np.nan), text.index, name=text.name)


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


def _join_manifest(cells: pd.DataFrame, manifest: Manifest) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Add how many persons each attack hid; a note about every cell that the manifest lists and the table lacks."""
    listed = pd.DataFrame(
        [
            (c.level, c.fill or "", c.target or "", c.radius, c.placement or "", _hidden(c), c.n_short)
            for c in manifest.cells
            if c.level not in (None, "clean")
        ],
        columns=[*_CELL_KEYS, "n_attacked", "n_short"],
    ).astype({"radius": float, "n_attacked": float, "n_short": float})
    listed = listed.drop_duplicates(_CELL_KEYS)
    present = cells.loc[cells["keypoint"] == "all", _CELL_KEYS].assign(present=True)
    absent = listed.merge(present, how="left", on=_CELL_KEYS)
    absent = absent[absent["present"].isna()]
    joined = cells.merge(listed, how="left", on=_CELL_KEYS, validate="many_to_one")
    if not len(absent):
        return joined, ()
    first = _cell_name(absent.iloc[0][_CELL_KEYS])
    others = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
    return joined, (f"The run lists cells that cells.csv has no rows for, so they are not shown: {first}{others}.",)


def _hidden(cell: CellEntry) -> int | None:
    """How many persons were hidden themselves, beside changed crops of neighbours and of a detector's further boxes."""
    return None if cell.n_attacked is None else cell.n_attacked - cell.n_neighbours


_CONFIDENCE_TEXT = ["level", "fill", "target", "placement", "keypoints"]
_CONFIDENCE_NUMBERS = ["radius", "score_lo", "score_hi", "n", "score", "similarity", "error"]
_CONFIDENCE_NEWER = ["error_lo", "error_hi", "ceiling"]
_GROUPS_TEXT = ["level", "fill", "target", "placement", "metric", "group"]
_GROUPS_NUMBERS = ["radius", "n", "value", "value_lo", "value_hi", "drop", "drop_lo", "drop_hi", "p"]

_NATURAL_TEXT = ["fill", "keypoint", "metric"]
_NATURAL_NUMBERS = ["radius", "n_visible", "n_occluded", "visible", "occluded", "n_keypoints"]
_NATURAL_NUMBERS += [f"{name}{end}" for name in ("natural", "synthetic") for end in ("", "_lo", "_hi")]
_NATURAL_NUMBERS += ["rho"]
_NATURAL_NEWER = [f"{name}_p_adjusted" for name in ("natural", "standardised", "synthetic")]
_NATURAL_NEWER += ["natural_p", "synthetic_p", "rho_lo", "rho_hi", "rho_p"]
_NATURAL_NEWER += [f"standardised{end}" for end in ("", "_lo", "_hi", "_p")]
_CONTROLS_TEXT = ["level", "fill", "target", "placement", "metric"]
_CONTROLS_NUMBERS = ["radius", "n_targets"]
_CONTROLS_NUMBERS += [f"{n}{end}" for n in ("marker", "gain", "placebo", "corrected") for end in ("", "_lo", "_hi")]
_CONTROLS_NEWER = [f"{name}_p_adjusted" for name in ("marker", "gain", "placebo", "corrected")]
_ERRORS_TEXT = ["level", "fill", "target", "placement", "joints", "clean", "attacked"]
_ERRORS_NUMBERS = ["radius", "persons", "total", "n"]
_ERRORS_NUMBERS += [f"{name}{end}" for name in ("share", "of_clean") for end in ("", "_lo", "_hi")]
_KNOWS_TEXT = ["level", "fill", "placement", "kind"]
_KNOWS_NUMBERS = ["radius", "n", "n_visible", "score", "score_visible"]
_KNOWS_NUMBERS += [f"{name}{end}" for name in ("auroc", "auroc_clean") for end in ("", "_lo", "_hi")]
_KNOWS_NEWER = [f"{name}_visibility{end}" for name in ("auroc", "auroc_clean") for end in ("", "_lo", "_hi")]
_SHARES_TEXT = ["level", "fill", "target", "placement"]
_SHARES_NUMBERS = ["radius", "share_from", "share_to", "n", "share", "keypoints", "beyond"]
_SHARES_NUMBERS += [f"{name}{end}" for name in ("loss", "excess") for end in ("", "_lo", "_hi")]
_STAGES_TEXT = ["level", "fill", "target", "placement", "metric", "group"]
_STAGES_NUMBERS = ["radius", "stage", "n", "gain_p", "p"]
_STAGES_NUMBERS += [f"{name}{end}" for name in ("value", "drop", "gain") for end in ("", "_lo", "_hi")]
_REFINEMENT_TEXT = [*_STAGES_TEXT, "stage"]
_REFINEMENT_NUMBERS = [name for name in _STAGES_NUMBERS if name != "stage"]
_GROUPING_TEXT = ["level", "fill", "target", "placement", "keypoint"]
_GROUPING_NUMBERS = ["radius", "n", "ap", "ap_true_groups"]
_GROUPING_NUMBERS += [
    f"{name}{end}"
    for name in ("mixed", "drop", "localisation", "grouping")
    for end in ("", "_lo", "_hi", "_p", "_p_adjusted")
]
_SPLIT_TEXT = ["level", "fill", "target", "placement", "keypoint"]
_SPLIT_TERMS = ("drop_pose", "drop_boxes", "drop_both", "interaction")
_SPLIT_NUMBERS = ["radius", *(f"{name}{end}" for name in _SPLIT_TERMS for end in ("", "_lo", "_hi"))]
_SPLIT_NEWER = [f"{name}_p" for name in _SPLIT_TERMS]
_SPLIT_NEWER += [f"{name}{end}" for name in ("share_pose", "share_boxes") for end in ("", "_lo", "_hi", "_p")]
_SPLIT_NEWER += [f"{name}_p_adjusted" for name in (*_SPLIT_TERMS, "share_pose", "share_boxes")]
_SPLIT_NUMBERS += [f"{n}_{when}" for when in ("clean", "attacked") for n in ("matched", "missed", "unmatched")]


def _read_more(file: Path, text: list[str], numbers: list[str], newer: Sequence[str] = ()) -> pd.DataFrame:
    """A table that not every run has; without rows where there is none, and NaN in columns that are newer than it."""
    if not file.is_file() or file.stat().st_size <= 2:  # pandas writes a table without columns as a line without text
        return _no_rows(tuple(text), (*numbers, *newer)).copy()
    try:
        read = pd.read_csv(file, dtype=str, keep_default_na=False)
        found = {name: read[name] for name in [*text, *numbers]}
    except (ValueError, OSError, KeyError) as error:
        raise OccbenchError(f"{file} cannot be read ({error}); write the run anew") from None
    found |= {name: _numbers(read[name], file) for name in [*numbers, *newer] if name in read}
    return pd.DataFrame({name: found.get(name, np.nan) for name in [*text, *numbers, *newer]}, read.index)


@cache
def _no_rows(text: tuple[str, ...], numbers: tuple[str, ...]) -> pd.DataFrame:
    return pd.DataFrame(columns=list(text), dtype=str).assign(**{name: np.empty(0) for name in numbers})


def _read_torso(file: Path) -> np.ndarray:
    try:
        torso = pd.read_parquet(file, columns=["torso"])["torso"].to_numpy(dtype=np.float64)
    except (OSError, ValueError, KeyError):  # no such file, no such column, no Parquet file
        return np.empty(0)
    return torso[np.isfinite(torso) & (torso > 0)]


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
    notes = (f"{lost} of {len(entries)} examples are not shown: their pictures are missing.",) if lost else ()
    return found, notes
