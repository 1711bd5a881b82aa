"""What decides a result, and its hash: cells are content-addressed.

An identity is a dictionary of plain values. Two cells with the same identity have the same predictions, so the one that
is there is used; where they differ, the difference says in words why a run cannot be gone on with.

Left out on purpose: the number of threads and of processes, and the versions of packages but the one that computes.
They move predictions by rounding at most; the manifest records them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..attacks import SKELETONS, Attack, Skeleton
from ..data.persons import Dataset, Photo

OCCLUDERS = "occluders_sha256"
"""Of the cut-outs: part of what decides the cells of fill ``object``, and of no others."""

NEIGHBOURS = "neighbours"
"""Of decoys and placebos in photos: that they spare other persons' keypoints. Runs from before they did lack it."""

ENGINE = 1
"""Counted up when the same input gives other predictions than before."""

Identity = dict[str, Any]


def key_of(identity: Mapping[str, Any]) -> str:
    """The sha256 of an identity, in hex."""
    return hashlib.sha256(canonical(identity)).hexdigest()


def canonical(content: Mapping[str, Any]) -> bytes:
    """The one text of a dictionary of plain values."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def cell_identity(context: Identity, attack: Attack | None, seed: int) -> Identity:
    """The identity of one cell.

    Args:
        context: What all cells of a run share.
        attack: The attack; None for the clean cell.
        seed: Of random placements and contents; it decides nothing where neither is random.
    """
    identity = {**context, "attack": None if attack is None else attack.name}
    if attack is None or attack.fill != "object":
        identity.pop(OCCLUDERS, None)
    if attack is not None and attack.drawn:
        identity["seed"] = seed
    if attack is not None and attack.placement.elsewhere and context.get("scope") == "image":
        identity[NEIGHBOURS] = "spared"
    return identity


def occluders_of(context: Identity) -> Identity:
    """The part of what cells share that only cells of fill ``object`` have."""
    return {name: value for name, value in context.items() if name == OCCLUDERS}


_WORDS = {
    "engine": "another way of this occbench to compute",
    "backend_version": "another version of the backend",
    "weights_sha256": "other weights",
    "config_sha256": "another config",
    "annotations_sha256": "other annotations",
    "detections_sha256": "other detections",
    "skeleton_sha256": "other keypoints, parts or sigmas",
    "persons_sha256": "other boxes or keypoints",
    "photos_sha256": "other photos",
    OCCLUDERS: "other occluders",
    NEIGHBOURS: "another rule for decoys in photos",
    "seed": "another seed",
}
"""What a difference of the content is called."""


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What differs between two identities, in words: ``other weights (weights_sha256 81c58e40, now 04af38ce)``."""
    found = []
    for name in dict.fromkeys([*old, *new]):
        before, after = old.get(name), new.get(name)
        if before != after:
            values = f"{name} {_short(before)}, now {_short(after)}"
            found.append(f"{_WORDS[name]} ({values})" if name in _WORDS else values)
    return found


def _short(value: Any) -> str:
    text = str(value)
    return text[:8] if len(text) == 64 else text


def photos_sha256(photos: Iterable[Photo]) -> str:
    """One hash of the photos: of the name, size and content of each."""
    total = hashlib.sha256()
    for photo in sorted(photos, key=lambda photo: photo.id):
        content = photo.path.read_bytes()
        line = [photo.id, photo.file_name, len(content), hashlib.sha256(content).hexdigest()]
        total.update(json.dumps(line).encode() + b"\n")
    return total.hexdigest()


def persons_sha256(dataset: Dataset) -> str:
    """One hash of the boxes, of whom they stand for, and of the keypoints that attacks go by."""
    total = hashlib.sha256()
    for person in dataset.persons:
        line = [person.id, person.annotation, person.photo.id, float(person.score)]
        total.update(json.dumps(line).encode() + b"\n")
        for array in (person.box, person.keypoints, person.visibility, person.center, person.scale):
            total.update(b"" if array is None else np.ascontiguousarray(array, dtype="<f4").tobytes())
    return total.hexdigest()


def skeleton_sha256(skeleton: Skeleton) -> str | None:
    """One hash of a described data set's keypoints, parts, flip pairs and sigmas; None for a known skeleton.

    A known one follows from the data's format, which the hash of the annotations decides.
    """
    if skeleton in SKELETONS.values():
        return None
    parts = [[name, list(members)] for name, members in skeleton.parts.items()]
    pairs = [list(pair) for pair in skeleton.flip_pairs]
    return key_of({"keypoints": skeleton.keypoints, "parts": parts, "pairs": pairs, "sigmas": skeleton.sigmas})
