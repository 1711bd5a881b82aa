"""``occbench check``: what is wrong with annotations, photos and results, before hours are spent."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..data.findings import Finding


def check(
    data: Annotated[
        str, typer.Argument(help="An annotation file: .json, .mat, .yaml; or a name of `occbench ls datasets`.")
    ],
    images: Annotated[
        Path | None,
        typer.Option("--images", help="Image folder. [images/ beside the file or its folder, else the file's folder]"),
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option("--predictions", help="COCO keypoint RESULTS.json to check, too.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Look for what makes figures wrong: every finding with its count, examples, and what is done about it.

    Exit code 2 where something would be refused, otherwise 0. The other commands look for the same at their start.

    Examples: `occbench check my.json`, `occbench check my.json --images photos --predictions results.json`.
    """
    from ..jobs.check import check as look

    health = look(data, images, predictions)
    if as_json:
        print(json.dumps(health.record(), indent=2))
    else:
        for finding in health.findings:
            print(f"{finding.severity:<7}  {' '.join(finding.line.split())}")
        looked = "" if health.looked is not None or not health.photos else "; no photo was looked at"
        print(f"{health.persons:,} persons to measure on {health.photos:,} photos{looked}; {_tally(health.findings)}")
    if not health.is_usable:
        sys.exit(2)


def _tally(findings: Iterable[Finding]) -> str:
    severities = [finding.severity for finding in findings]
    counts = [(severities.count(one), one) for one in ("error", "warning", "note") if one in severities]
    return ", ".join(f"{n} {one}{'s' * (n > 1)}" for n, one in counts) or "nothing found"


def warn(findings: Iterable[Finding]) -> None:
    """Print the warnings on stderr, one line each."""
    from ..data.findings import warnings_of

    for line in warnings_of(findings):
        print(f"occbench: {line}", file=sys.stderr)
