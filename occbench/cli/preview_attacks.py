"""``occbench preview-attacks``: see what an attack does to one's own data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .lists import values


def preview_attacks(
    kind: Annotated[
        list[str], typer.Option("--kind", help="As of `occbench attack`; a column for each with a target.")
    ],
    target: Annotated[list[str], typer.Option("--target", help="Keypoints or parts to hide.")],
    data: Annotated[str, typer.Option("--data", help="As of `occbench attack`.")],
    images: Annotated[Path | None, typer.Option("--images", help="Image folder of ANNOTATIONS.json.")] = None,
    radius: Annotated[float, typer.Option("--radius", min=0.1, max=1000, help="As of `occbench attack`.")] = 6.0,
    placement: Annotated[list[str] | None, typer.Option("--placement", help="Likewise. [centred]")] = None,
    occluders: Annotated[Path | None, typer.Option("--occluders", help="RGBA pictures for fill object.")] = None,
    scope: Annotated[str, typer.Option("--scope", help="person, or image.")] = "person",
    protocol: Annotated[str, typer.Option("--protocol", help="corrected or thesis.")] = "corrected",
    model: Annotated[str, typer.Option("--model", help="Whose crops: a name or a config.")] = "hrnet-mini",
    n: Annotated[int, typer.Option("--n", min=1, max=50, help="Persons.")] = 6,
    trust_config: Annotated[
        bool, typer.Option("--trust-config", help="Let a config run code from outside of its own tree.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Chooses the persons and what is drawn at random.")] = 0,
    out: Annotated[Path, typer.Option("--out", help="The picture.")] = Path("preview-attacks.png"),
) -> None:
    """Write a contact sheet (PNG) of persons without and under each attack.

    Example: `occbench preview-attacks --data sample --kind part-all,part-world --target left_arm --out sheet.png`.
    """
    from ..api.preview import preview_attacks as draw

    sheet = draw(
        data,
        values(kind),
        out,
        targets=values(target),
        images=images,
        radius=radius,
        placements=values(placement),
        occluders=occluders,
        scope=scope,
        protocol=protocol,
        model=model,
        n=n,
        trust_config=trust_config,
        seed=seed,
    )
    print(sheet)
