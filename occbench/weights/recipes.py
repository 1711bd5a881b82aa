"""What a checkpoint says about the training that it comes from (PROTOCOL section 6)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..attacks import FILLS

Recipe = dict[str, Any]
"""``name`` as on the command line of ``occbench train``, ``level``, ``removal``, ``p``, ``decoys`` and ``seed``, and
``fill`` where one was chosen."""

_NAMES = {
    "TargetedBlur": "blur",
    "TargetedCutout": "cutout",
    "TargetedCutoutBlur": "cutout-blur",
    "MultiKeypointOcclusion": "multi-keypoint",
    "PartMix": "partmix",
    "RandomCutout": "random-cutout",
}
_LEVELS = {"MultiKeypointOcclusion": "keypoint", "PartMix": "part"}
_LONGEST = 200


def recipe_of(meta: Mapping[str, Any]) -> Recipe | None:
    """The recipe of an exported training, from the ``aug``, ``baseline`` and ``seed`` of its meta data.

    Args:
        meta: Of a checkpoint, whoever wrote it.

    Returns:
        The recipe. ``level``, ``removal`` and ``p`` are None where the augmentations have none or differ. None for a
        checkpoint that does not say how it was trained, or not in these words.
    """
    baseline, transforms = meta.get("baseline"), _transforms(meta.get("aug"))
    if transforms is None or not isinstance(baseline, str) or not 0 < len(baseline) <= _LONGEST:
        return None
    seed = meta.get("seed")
    left_out = [name for name in baseline.split(",") if name in ("no-half-body", "bare")]
    names = [*left_out, *map(_name, transforms)]
    return {
        "name": ",".join(names) or baseline,
        "level": _shared([_level(step) for step in transforms]),
        "removal": any(step.get("removal") is True for step in transforms) if transforms else None,
        "p": _shared([_chance(step.get("p")) for step in transforms]),
        "decoys": _shared([_count(step.get("decoys", 0)) for step in transforms]),
        **_fill([step["fill"] for step in transforms if step.get("fill") in FILLS]),
        "seed": _count(seed),
    }


def _transforms(text: Any) -> list[dict[str, Any]] | None:
    try:
        found = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return None
    known = isinstance(found, list) and all(isinstance(step, dict) and step.get("type") in _NAMES for step in found)
    return found if known else None


def _fill(fills: list[str]) -> Recipe:
    return {"fill": _shared(fills)} if fills else {}


def _name(step: Mapping[str, Any]) -> str:
    kind = str(step["type"])
    if kind in _LEVELS:
        return _NAMES[kind]
    if kind == "RandomCutout" and _level(step) == "keypoint":
        return _NAMES[kind]
    return f"{_NAMES[kind]}-{_level(step)}"


def _level(step: Mapping[str, Any]) -> str:
    return _LEVELS.get(str(step["type"])) or ("part" if step.get("level") == "part" else "keypoint")


def _chance(value: Any) -> float | None:
    plain = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if plain and 0 <= value <= 1 else None


def _count(value: Any) -> int | None:
    plain = isinstance(value, int) and not isinstance(value, bool)
    return value if plain and 0 <= value < 2**53 else None


def _shared(values: list[Any]) -> Any:
    """What all have in common; None where they differ or there are none."""
    return values[0] if values and all(value == values[0] for value in values) else None
