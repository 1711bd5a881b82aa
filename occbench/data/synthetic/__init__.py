"""Synthetic people: articulated figures with exact keypoints, rendered from a seed, and the embedded sample."""

from __future__ import annotations

import shutil
from pathlib import Path

from ...system.errors import OccbenchError
from ...system.paths import cache_dir
from .generate import ANNOTATIONS, IMAGES, generate, photo

__all__ = ["SAMPLE_PHOTOS", "SAMPLE_SEED", "embedded_sample", "generate", "photo"]

SAMPLE_SEED = 7
SAMPLE_PHOTOS = 100
SAMPLE_VERSION = 3  # raise it whenever the generator draws differently, so that no old sample is taken for a new one


def embedded_sample() -> tuple[Path, Path]:
    """The embedded sample's annotation file and folder of photos, generated into the cache on first use.

    Several processes may ask at once: each renders under its own temporary name, the first to finish puts its
    folder in place, and the others take that one. A folder that lost files is made anew.

    Raises:
        OccbenchError: The cache folder cannot be written.
    """
    folder = cache_dir() / f"synthetic-sample-v{SAMPLE_VERSION}"
    damaged = folder.exists() and not _complete(folder)  # asked in this order: a folder that appears is complete
    if damaged:
        shutil.rmtree(folder, ignore_errors=True)
    if not _complete(folder):
        try:
            generate(SAMPLE_PHOTOS, SAMPLE_SEED, folder)
        except OccbenchError:
            if not _complete(folder):  # else another process was first
                raise
    return folder / ANNOTATIONS, folder / IMAGES


def _complete(folder: Path) -> bool:
    return (folder / ANNOTATIONS).is_file() and sum(1 for _ in (folder / IMAGES).glob("*.jpg")) == SAMPLE_PHOTOS
