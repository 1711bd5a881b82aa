"""``occbench fit-nms``: parametric pose NMS, fitted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def fit_nms(
    run: Annotated[Path, typer.Argument(help="A finished run over detected boxes; its clean cell is used.")],
    rule: Annotated[
        str,
        typer.Option("--rule", help="Where to begin: paper, rmpe2017 or alphapose, with constants as paper:sigma2=50."),
    ] = "paper",
    out: Annotated[Path | None, typer.Option("--out", help="A FILE.json for `occbench attack --pose-nms`.")] = None,
    data: Annotated[Path | None, typer.Option("--data", help="The annotations, where they have moved since.")] = None,
    images: Annotated[Path | None, typer.Option("--images", help="The photos, likewise.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress on stderr.")] = False,
) -> None:
    """Fit sigma1, sigma2, lambda and eta of pose NMS to the AP of a run's clean poses, two at a time.

    Fit on other photos than those that you measure on.

    Examples:

    occbench fit-nms runs/val-detections --rule paper --out rule.json

    occbench attack --pose-nms rule.json --scope image --boxes detections.json --model hrnet --kind part-blackout
    """
    from ..evaluation.pose_nms import PoseNms
    from ..jobs.fit_nms import fit_run, write_rule
    from ..system.progress import Progress

    progress = Progress(False if quiet else None)
    fit = fit_run(run, PoseNms.parse(rule), data, images, progress)
    found = fit.fitted
    print(f"OKS-NMS: AP {fit.oks_nms:.4f}, n = {fit.persons} persons, {fit.boxes} boxes")
    print(f"{rule}: AP {found.before:.4f}")
    print(f"fitted:  AP {found.figure:.4f} on the photos that it was fitted to, with --pose-nms {found.rule}")
    if out is not None:
        write_rule(out, run, fit)
        print(f"written: {out}")
