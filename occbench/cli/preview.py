"""``occbench preview-aug``: see what an augmentation does to one's own data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def preview(
    data: Annotated[Path, typer.Option("--data", help="Annotations: COCO's, or MPII's as MMPose has them.")],
    images: Annotated[
        Path | None,
        typer.Option("--images", help="Photos. [images/ beside the file or its folder, else the file's folder]"),
    ] = None,
    aug: Annotated[
        str | None, typer.Option("--aug", help="Names of `occbench train --aug`, one column each; by default most.")
    ] = None,
    aug_p: Annotated[float, typer.Option("--aug-p", help="Chance of each; 1 shows it on every crop.")] = 1.0,
    removal: Annotated[bool, typer.Option("--removal", help="Hidden keypoints lose their label (parts only).")] = False,
    decoys: Annotated[
        int, typer.Option("--decoys", min=0, max=100, help="Equal occluders elsewhere on the person as well.")
    ] = 0,
    aug_fill: Annotated[
        str | None, typer.Option("--aug-fill", help="Of cutouts, as of `occbench train`. [meanout]")
    ] = None,
    occluders: Annotated[Path | None, typer.Option("--occluders", help="RGBA pictures for --aug-fill object.")] = None,
    model: Annotated[str, typer.Option("--model", help="Whose crops: a name, a recipe or a config.")] = "hrnet-mini",
    n: Annotated[int, typer.Option("--n", min=1, max=50, help="Persons.")] = 6,
    trust_config: Annotated[
        bool, typer.Option("--trust-config", help="Let a config run code from outside of its own tree.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Chooses the persons and what is hidden.")] = 0,
    out: Annotated[Path, typer.Option("--out", help="The picture.")] = Path("preview-aug.png"),
) -> None:
    """Write a contact sheet (PNG) of crops before and after each augmentation, with the labels that remain.

    Example: `occbench preview-aug --data people/annotations.json --aug cutout-part,partmix --removal --out sheet.png`.
    """
    from ..training import Augmentation, find_config, training_data
    from ..training.preview import SHOWN, augmented, draw_sheet
    from ..weights.trust import check_config

    names = SHOWN if aug is None else Augmentation.parse(aug).names
    removable = [name == "partmix" or (name.endswith("-part") and not name.startswith("random")) for name in names]
    columns = [
        # A sheet of everything shows removal and decoys where they go; what is asked for by name must go with them.
        Augmentation(
            (name,),
            aug_p,
            removal and (aug is not None or may),
            0 if aug is None and name.startswith("random") else decoys,
            aug_fill if name.startswith("cutout-") and not name.startswith("cutout-blur") else None,
            str(occluders) if occluders is not None and name in ("cutout-keypoint", "cutout-part") else None,
        )
        for name, may in zip(names, removable, strict=True)
    ]
    config = find_config(model)
    check_config(config, trust_config)
    people = training_data(data, images)
    rows = augmented(config, people, columns, n, seed)
    print(draw_sheet(rows, ["before", *names], out))
