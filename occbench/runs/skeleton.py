"""The keypoints of a run in its manifest: written whole, so that the run can be read without what described them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..attacks import SKELETONS, Skeleton
from ..data.custom import plain, skeleton_of
from ..data.persons import Dataset


def noted(dataset: Dataset) -> dict[str, Any]:
    """A data set's keypoints as plain values."""
    return {**plain(dataset.skeleton), "sigmas": dataset.sigmas.tolist()}


def described(manifest: Mapping[str, Any]) -> bool:
    """Whether the run's data set was one that its user described; manifests that do not say so go by its keypoints."""
    data = manifest["data"]
    if "description" in data:
        return data["description"] is not None
    return manifest["skeleton"].get("name") not in SKELETONS


def read(manifest: Mapping[str, Any]) -> Skeleton:
    """The keypoints that :func:`noted` wrote.

    Raises:
        OccbenchError: They contradict each other.
    """
    note = manifest["skeleton"]
    return skeleton_of({**note, "name": note.get("name") or manifest["data"]["name"]}, "the manifest of the run")
