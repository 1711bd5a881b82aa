"""A finished run in Python: its tables, predictions and report."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..attacks import Attack
from ..runs.manifest import read_manifest
from ..system.errors import OccbenchError, unknown_name
from ..tables.all import TABLES, find_table, read_table

if TYPE_CHECKING:
    from ..inference.predictions import CellPredictions
    from ..jobs.verify import Verdict


def open_run(folder: str | PathLike[str]) -> Run:
    """Open a finished run.

    Args:
        folder: The ``out`` of :func:`occbench.attack`, or of ``occbench attack``.

    Raises:
        OccbenchError: There is no run, it is not finished, or a newer occbench wrote it.
    """
    run = Run(Path(folder))
    if not run.manifest.get("complete"):
        raise OccbenchError(f"the run in {str(folder)!r} is not finished: the command that began it goes on with it")
    return run


@dataclass(frozen=True)
class Drop:
    """What an attack costs, in AP points (x 100), or points of the data set's metric (PROTOCOL section 5).

    Attributes:
        points: Clean minus attacked; NaN where it is not measurable.
        low: Lower end of the 95 % interval; NaN for none.
        high: Upper end.
        p: Two-sided, for "no drop".
        n: Persons that counted.
    """

    points: float
    low: float
    high: float
    p: float
    n: int

    def __str__(self) -> str:
        interval = "" if self.low != self.low else f" [{self.low:.1f}, {self.high:.1f}]"
        return f"{self.points:.1f}{interval} points, n = {self.n}"


class Tables(Mapping[str, pd.DataFrame]):
    """The tables of a run by name, read when they are asked for (docs/tables.md).

    Numbers are float64, words str; NaN where the file is empty.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, pd.DataFrame] = {}

    def __getitem__(self, name: str) -> pd.DataFrame:
        if name not in self._read:
            if not (self._folder / find_table(name).file).is_file():
                raise KeyError(name)
            self._read[name] = read_table(self._folder, name)
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return (table.name for table in TABLES if (self._folder / table.file).is_file())

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, name: object) -> bool:
        return name in list(self)


@dataclass(frozen=True, eq=False)
class Run:
    """A finished run; make one with :func:`open_run` or :func:`occbench.attack`.

    Every table of the run is an attribute too: ``run.cells``, ``run.natural``, ``run.controls``, ...

    Attributes:
        folder: The run folder.
    """

    folder: Path

    @cached_property
    def manifest(self) -> Mapping[str, Any]:
        """What the run says about itself: model, data, boxes, versions, hashes."""
        return read_manifest(self.folder)

    @cached_property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        """Those that the run has, by name."""
        return Tables(self.folder)

    def __getattr__(self, name: str) -> pd.DataFrame:
        if name.startswith("_") or name not in [table.name for table in TABLES]:
            raise AttributeError(f"a run has no {name!r}")
        return read_table(self.folder, name) if name not in self.tables else self.tables[name]

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self.tables})

    @property
    def attacks(self) -> list[str]:
        """The names of the attacks, in the order of the tables."""
        return [self._attack(cell["slug"]).name for cell in self.manifest["cells"] if cell["slug"] != "clean"]

    def predictions(self, attack: str | Attack | None = None) -> CellPredictions:
        """The predictions of a cell: keypoints in image px, scores, who was attacked, what was covered.

        Args:
            attack: As ``"part-blackout:left_arm"``, one of :attr:`attacks`; None for the clean cell.

        Raises:
            OccbenchError: The run has no such cell, or it is damaged.
        """
        from ..inference.predictions import cell_slug
        from ..runs.parquet import read_cell
        from ..runs.store import PREDICTIONS

        width = self.manifest["model"]["input_size"][0]
        wanted = _parsed(attack, width) if isinstance(attack, str) else attack
        if wanted is not None and wanted.slug not in [cell["slug"] for cell in self.manifest["cells"]]:
            raise unknown_name("attack", wanted.name, self.attacks)
        return read_cell(self.folder / PREDICTIONS / f"{cell_slug(wanted)}.parquet")

    def drop(
        self,
        target: str,
        fill: str,
        keypoint: str = "all",
        *,
        radius: float | None = None,
        placement: str = "centred",
    ) -> Drop:
        """What hiding a target costs.

        Args:
            target: The keypoint or part that is hidden.
            fill: ``blackout``, ``meanout`` or ``blur``.
            keypoint: Whose AP; ``all`` for AP over all keypoints, the target's own name for its own loss.
            radius: Crop px; None where the run has only one.
            placement: Of the occluders.

        Raises:
            OccbenchError: The run has no such row, or several.
        """
        cells = self.tables["cells"]
        for column, value in (("target", target), ("fill", fill), ("placement", placement), ("keypoint", keypoint)):
            found = cells[cells[column] == value]
            if found.empty:
                raise unknown_name(column, value, cells[column].dropna().unique())
            cells = found
        if radius is not None:
            cells = cells[cells["radius"] == radius]
        if len(cells) != 1:
            sizes = ", ".join(f"{size:g}" for size in sorted(self.tables["cells"]["radius"].dropna().unique()))
            raise OccbenchError(f"{len(cells)} rows are of {fill} on {target!r} with radius {radius}: it has {sizes}")
        row = cells.iloc[0]
        points, low, high, p = (float(row[name]) for name in ("drop", "drop_lo", "drop_hi", "p"))
        return Drop(points, low, high, p, int(row["n"]))

    def compare(self, other: Run | str | PathLike[str]) -> pd.DataFrame:
        """How clean and attacked AP differ from those of another run on the same photos, paired by photo.

        Args:
            other: The baseline.

        Returns:
            One row per comparison, in AP points; positive is better than the baseline.

        Raises:
            OccbenchError: The runs are of other data, boxes or protocols.
        """
        from ..jobs.comparison import compare_runs

        baseline = other if isinstance(other, Run) else open_run(other)
        (compared,) = compare_runs([baseline.folder, self.folder])
        return pd.DataFrame([asdict(change) for change in compared.changes])

    def report(self, out: str | PathLike[str] | None = None) -> Path:
        """Build the report anew from the run alone.

        Args:
            out: Where to; None for the run folder.

        Returns:
            The page.
        """
        from ..reports import build_report
        from ..runs import reseal

        if out is not None:
            return build_report([self.folder], Path(out))
        page = build_report([self.folder])
        reseal(self.folder)
        return page

    def verify(self) -> Verdict:
        """Compare the run with its hashes, and every table with what its predictions give."""
        from ..jobs.verify import verify

        return verify(self.folder)

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r})"

    def _repr_html_(self) -> str:
        """The answer of the report's first screen, for a notebook."""
        from ..reports.page.answer import answer
        from ..reports.reading.load import load_run

        said = answer(load_run(self.folder))
        title = f"{self.manifest['model']['name']} on {self.manifest['data']['name']}"
        banner = f"<p><em>{html.escape(said.banner)}</em></p>" if said.banner else ""
        reading = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in said.reading)
        tiles = "".join(_tile(tile) for tile in said.tiles)
        return f"<h4>{html.escape(title)}</h4>{banner}<ul>{reading}</ul><table>{tiles}</table>"

    def _attack(self, slug: str) -> Attack:
        from ..jobs.reopen import attack_of

        found = attack_of(self.folder, slug)
        assert found is not None  # only the clean cell has none
        return found


def _parsed(name: str, width: float) -> Attack:
    try:
        return Attack.parse(name, width)
    except ValueError as error:
        raise OccbenchError(str(error)) from error


def _tile(tile: Any) -> str:
    rows = [(tile.title, tile.value, tile.text), *((label, value, bounds) for label, _, value, bounds in tile.rows)]
    return "".join("<tr>" + "".join(f"<td>{html.escape(str(text))}</td>" for text in row) + "</tr>" for row in rows)
