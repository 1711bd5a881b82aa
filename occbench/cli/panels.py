"""The help of commands: options in panels, and defaults in brackets that are shown as they stand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from rich.markup import escape
from typer.models import ParameterInfo

Panels = Mapping[str, Sequence[str]]
"""Parameters of a function by the title of their panel."""

ATTACK: Panels = {
    "Model": ("model", "checkpoint", "spec", "flip", "scales", "trust_checkpoint", "trust_config"),
    "Data": (
        "data",
        "fetch",
        "images",
        "boxes",
        "detector_checkpoint",
        "detector_score",
        "limit",
        "skip_unreadable",
        "strict",
    ),
    "Attack": (
        "kind",
        "target",
        "radius",
        "placement",
        "occluders",
        "scope",
        "crop",
        "redetect",
        "pose_nms",
        "protocol",
    ),
    "Run": ("out", "name", "overwrite", "take_over", "quiet", "as_json"),
    "Statistics": ("seed", "bootstrap", "evaluator"),
    "Advanced": ("time_limit", "batch_size", "device", "backend", "precision", "tune", "workers", "launcher"),
}
"""Of ``occbench attack``; what is in none stands under "Options"."""


def legible(function: Callable[..., None], panels: Panels | None = None) -> Callable[..., None]:
    """The same function with help that Rich prints as it is written, and with its options in panels.

    Rich would take ``[runs/NAME]`` for markup and leave it out.
    """
    panel_of = {name: panel for panel, names in (panels or {}).items() for name in names}
    hints = get_type_hints(function, include_extras=True)
    for name, hint in hints.items():
        info = _info(hint)
        if info is None:
            continue
        info.help = None if info.help is None else escape(info.help)
        info.rich_help_panel = panel_of.get(name, info.rich_help_panel)
    function.__annotations__ = hints
    return function


def _info(hint: Any) -> ParameterInfo | None:
    if get_origin(hint) is not Annotated:
        return None
    return next((part for part in get_args(hint)[1:] if isinstance(part, ParameterInfo)), None)
