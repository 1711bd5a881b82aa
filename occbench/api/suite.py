"""``occbench suite`` and ``occbench evaluate --suite``: attacked photos for elsewhere, and a run of the results."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from ..jobs.suite import Suite
    from .run import Run


def write_suite(
    out: str | PathLike[str],
    data: str,
    kinds: str | Sequence[str],
    *,
    targets: Sequence[str] = (),
    radii: Sequence[float | str] = (),
    placements: Sequence[str] = (),
    images: str | PathLike[str] | None = None,
    occluders: str | PathLike[str] | None = None,
    crop: str | None = None,
    limit: int | None = None,
    seed: int = 0,
    skip_unreadable: bool = False,
    strict: bool = False,
    progress: bool | Literal["json"] | None = None,
) -> Suite:
    """Write the photos of every cell, with everybody in them hidden, for a machine where occbench is not.

    Args:
        out: A new or empty folder.
        data: A name of ``occbench ls datasets``, or an annotation file.
        kinds: As of :func:`occbench.attack`; so ``targets``, ``radii``, ``placements`` and ``images``.
        occluders: A folder of RGBA pictures for fill ``object``; they are copied into ``out``, with their licence. None
            for the drawn ones.
        crop: Width x height of the crop that radii are said in; None for 192x256, of MPII 256x256.
        limit: Only the first photos with people.
        seed: Of random placements and contents.
        skip_unreadable: Whether to leave out photos that cannot be read.
        strict: Whether to refuse annotations that are repaired or left out in part.
        progress: As of :func:`occbench.attack`.

    Raises:
        OccbenchError: Something that was given cannot be used.
    """
    from ..data.findings import refuse_errors, warnings_of
    from ..data.photos import check_photos
    from ..data.sources import open_dataset
    from ..estimators.reference import parse_size, reference_crops, reference_size
    from ..jobs.suite import write_suite as write
    from ..system.progress import Progress
    from .asked import asked_attacks, asked_cutouts, require_donors

    shown = Progress(None if progress == "json" else progress, progress == "json")
    kinds = [kinds] if isinstance(kinds, str) else list(kinds)
    cutouts = asked_cutouts(occluders, kinds, shown.note)
    dataset = open_dataset(data, None if images is None else Path(images))
    refuse_errors(dataset.findings, data, strict)
    if limit:
        dataset = dataset.first(limit)
    size = reference_size(dataset.skeleton) if crop is None else parse_size(crop)
    attacks = asked_attacks(dataset.skeleton, kinds, targets, radii, placements, size[0])
    require_donors(dataset, attacks)
    dataset = check_photos(dataset, skip_unreadable, every=True)
    for line in warnings_of(dataset.findings):
        shown.note(line)
    options: dict[str, list[Any]] = {
        "kinds": kinds,
        "targets": list(targets),
        "radii": list(radii),
        "placements": list(placements),
    }
    with shown.counted("photos") as advance:
        return write(Path(out), dataset, reference_crops(size), attacks, options, seed, cutouts, advance)


def evaluate_suite(
    suite: str | PathLike[str],
    results: str | PathLike[str],
    out: str | PathLike[str] | None = None,
    *,
    name: str | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
    evaluator: str = "exact",
    overwrite: bool = False,
    progress: bool | Literal["json"] | None = None,
    command: Sequence[str] = ("occbench.evaluate_suite",),
) -> Run | None:
    """Make a run with its report of the results of a suite.

    Args:
        suite: A folder that :func:`write_suite` wrote.
        results: A folder with ``SLUG.json`` for every cell, the clean one too: COCO keypoint results.
        out: The run folder; None: ``runs/NAME-DATA-photo``.
        name: What reports call the run; None for the name of the results' folder.
        bootstrap: Draws behind the intervals; 0 for none.
        seed: Of the bootstrap.
        evaluator: ``exact``, or ``pycocotools``.
        overwrite: Whether to begin anew where ``out`` holds a run.
        progress: As of :func:`occbench.attack`.
        command: For the manifest.

    Raises:
        OccbenchError: The suite was changed, a cell has no results, or results that are none of its photos'.
    """
    from ..estimators.outside import Given
    from ..jobs.suite import OCCLUDERS, read_suite, require_results, require_seed
    from .attack import attack

    folder = Path(suite)
    told = read_suite(folder)
    require_results(told, Given(Path(results)))
    require_seed(told, seed)
    return attack(
        f"results:{results}",
        str(folder / told.truth),
        told.kinds,
        out,
        targets=told.targets,
        radii=told.radii,
        placements=told.placements,
        occluders=None if told.occluders_sha256 is None else folder / OCCLUDERS,
        images=folder / "clean" / "images",
        crop=f"{told.crop[0]}x{told.crop[1]}",
        name=name,
        bootstrap=bootstrap,
        seed=seed,
        evaluator=evaluator,
        overwrite=overwrite,
        progress=progress,
        command=command,
    )
