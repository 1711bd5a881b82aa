"""Which runs are trainings of one recipe that differ by their seed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..evaluation.changes import Group
from ..runs.manifest import Manifest
from ..system.errors import OccbenchError

Key = tuple[str, str]
"""Of a run: what was trained and how, and over which boxes it was attacked."""


def group_runs(
    manifests: Sequence[Manifest], names: Sequence[str], given: Mapping[str, Sequence[int]] | None = None
) -> list[Group]:
    """Put runs together that differ by the seed of their training alone.

    By themselves go together runs whose weights say how they were trained (``model.augmentation`` of the manifest) and
    with which seed, where recipe, config, network input, test settings and boxes are the same. Weights that say nothing
    stand alone, unless they are named together.

    Args:
        manifests: Of the runs.
        names: Of the runs.
        given: Places of runs by the name of their group; the others are grouped by themselves.

    Raises:
        OccbenchError: A run in two groups, or in a group with runs over other boxes.
    """
    found: list[Group] = []
    taken: set[int] = set()
    for name, places in (given or {}).items():
        again = taken & set(places)
        if again:
            raise OccbenchError(f"--group names {names[min(again)]!r} twice: a run belongs to one group")
        taken |= set(places)
        sources = list(dict.fromkeys(boxes_key(manifests[place]) for place in places))
        for source in sources:
            own = tuple(place for place in places if boxes_key(manifests[place]) == source)
            label = name if len(sources) == 1 else f"{name}, {manifests[own[0]]['boxes']['source']}"
            found.append(Group(label, own))
    rest = [place for place in range(len(manifests)) if place not in taken]
    found += _by_recipe(manifests, names, rest)
    return sorted(found, key=lambda group: group.runs[0])


def _by_recipe(manifests: Sequence[Manifest], names: Sequence[str], places: Sequence[int]) -> list[Group]:
    together: dict[Key, dict[int, int]] = {}
    alone: list[int] = []
    for place in places:
        seed = seed_of(manifests[place])
        seeds = together.setdefault((training_key(manifests[place]), boxes_key(manifests[place])), {})
        if seed is None or seed in seeds:
            alone.append(place)
        else:
            seeds[seed] = place
    found = [Group(names[place], (place,)) for place in alone]
    several = [tuple(seeds.values()) for seeds in together.values() if seeds]
    labels = [_recipe_name(manifests[runs[0]]) if len(runs) > 1 else names[runs[0]] for runs in several]
    for runs, label in zip(several, labels, strict=True):
        if labels.count(label) > 1:
            label = f"{label}, {manifests[runs[0]]['model']['name']}, {manifests[runs[0]]['boxes']['source']}"
        found.append(Group(label, runs))
    return found


def seed_of(manifest: Manifest) -> int | None:
    """The seed of a model's training, where its weights say one."""
    recipe = manifest["model"].get("augmentation") or {}
    seed = recipe.get("seed")
    return seed if isinstance(seed, int) else None


def training_key(manifest: Manifest) -> str:
    """What was trained and how, but for the seed; of weights that do not say how, the weights themselves."""
    model = manifest["model"]
    about: dict[str, Any] = {
        name: model.get(name) for name in ("name", "config_sha256", "input_size", "flip", "scales")
    }
    recipe = model.get("augmentation")
    about["weights"] = model.get("weights_sha256") if seed_of(manifest) is None else None
    about["recipe"] = None if recipe is None else {name: value for name, value in recipe.items() if name != "seed"}
    return json.dumps(about, sort_keys=True)


def boxes_key(manifest: Manifest) -> str:
    """Over which boxes a run was attacked."""
    boxes = manifest["boxes"]
    return json.dumps([boxes["source"], boxes.get("sha256"), (manifest.get("choices") or {}).get("boxes")])


def _recipe_name(manifest: Manifest) -> str:
    """``partmix``, ``cutout-part, removal, p 0.2, 6 decoys``."""
    recipe = manifest["model"]["augmentation"]
    words = [str(recipe["name"])]
    words += ["removal"] if recipe.get("removal") else []
    words += [f"p {recipe['p']:g}"] if recipe.get("p") not in (None, 0.5) else []
    words += [f"{recipe['decoys']} decoys"] if recipe.get("decoys") else []
    return ", ".join(words)
