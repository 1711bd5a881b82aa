"""``occbench fit-proposals``: where a detector's boxes lie beside the annotated ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def fit_proposals(
    data: Annotated[
        str, typer.Option("--data", help="A name of `occbench ls datasets`, or an annotation file: .json, .mat, .yaml.")
    ],
    detections: Annotated[
        Path, typer.Option("--detections", help="COCO DETECTIONS.json of these photos, as a run keeps them.")
    ],
    out: Annotated[Path, typer.Option("--out", help="A FILE.json for ProposalBox(offsets=...).")],
    clusters: Annotated[
        int, typer.Option("--clusters", min=1, help="Of poses, each with its own; 1: all persons together.")
    ] = 1,
    images: Annotated[Path | None, typer.Option("--images", help="Photos, where the file lacks their sizes.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the clusters.")] = 0,
) -> None:
    """Fit the edges of a detector's boxes, matched to annotated persons (IoU >= .5), by a Gaussian each.

    Training boxes are then drawn from them (docs/rmpe.md). Example:

    occbench fit-proposals --data train.json --detections runs/train-detector/detections.json --out offsets.json
    """
    from ..data.findings import refuse_errors, warnings_of
    from ..data.proposals import EDGES, PUBLISHED, Offsets, fit_proposals, write_proposals
    from ..data.sources import open_dataset
    from ..system.download import sha256
    from ..system.progress import Progress

    dataset = open_dataset(data, images, str(detections), seed)
    refuse_errors(dataset.findings, data)
    for line in warnings_of(dataset.findings, data):
        Progress().note(line)
    found = fit_proposals(dataset, clusters, seed)
    write_proposals(out, found, {"data": dataset.name, "detections_sha256": sha256(detections), "seed": seed})

    def row(name: str, offsets: Offsets) -> str:
        edges = zip(EDGES, offsets.mean, offsets.std, strict=True)
        return f"{name:<16}" + "  ".join(f"{edge} {mean:+.4f} +- {std:.4f}" for edge, mean, std in edges)

    print(row(f"n = {found.pooled.n}", found.pooled))
    for number, offsets in enumerate(found.offsets):
        print(row(f"  {number + 1}: n = {offsets.n}", offsets))
    print(row("published", PUBLISHED))
    print(f"written: {out}")
