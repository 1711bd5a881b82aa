"""Write any number of synthetic photos as a COCO data set, each from its own seed."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ...system.errors import OccbenchError
from ..coco import SYNTHETIC
from .scene import annotate, render_scene, sample_scene
from .skeleton import KEYPOINTS

ANNOTATIONS = "annotations.json"
IMAGES = "images"
JPEG_QUALITY = 92

# COCO's own edges between keypoints, counted from 1.
SKELETON = [[16, 14], [14, 12], [17, 15], [15, 13], [12, 13], [6, 12], [7, 13], [6, 7], [6, 8], [7, 9], [8, 10],
            [9, 11], [2, 3], [1, 2], [1, 3], [2, 4], [3, 5], [4, 6], [5, 7]]  # fmt: skip
CATEGORY = {"id": 1, "name": "person", "supercategory": "person", "keypoints": list(KEYPOINTS), "skeleton": SKELETON}


def photo(seed: int, index: int) -> tuple[NDArray[np.uint8], list[dict[str, Any]]]:
    """Photo ``index`` of ``seed``: RGB, Shape: (h, w, 3), and its annotations without ids. Depends on nothing else."""
    rng = np.random.default_rng([seed, index])
    scene, layers = sample_scene(rng)
    return render_scene(rng, scene, layers), annotate(scene, layers)


def generate(n: int, seed: int, out: Path, progress: Callable[[int], None] | None = None, workers: int = 1) -> Path:
    """Write ``n`` photos and their annotations into the new folder ``out``.

    Photo i depends on (seed, i) alone, so a larger ``n`` extends a smaller one; ids are stable too. The folder
    appears under its name only when it is complete.

    Args:
        n: Number of photos, at least 1.
        seed: Any integer >= 0.
        out: A folder that does not exist or is empty.
        progress: Called with the number of photos done after each.
        workers: Processes that render; what is written does not depend on it.

    Returns:
        The annotation file, ``out/annotations.json``; the photos lie in ``out/images``.

    Raises:
        OccbenchError: ``out`` holds something already or cannot be written.
        ValueError: ``n`` < 1 or ``seed`` < 0.
    """
    if n < 1 or seed < 0:
        raise ValueError(f"n must be at least 1 and seed at least 0, but got n={n}, seed={seed}")
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise OccbenchError(f"{out} is not an empty folder; name a new one")
        out.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
        try:
            _write(n, seed, work, progress, workers)
            work.chmod(0o755)
            os.replace(work, out)  # an empty folder of that name gives way
        except BaseException:
            shutil.rmtree(work, ignore_errors=True)
            raise
    except OSError as error:
        raise OccbenchError(f"cannot write the photos to {out}: {error.strerror or error}") from error
    return out / ANNOTATIONS


def _write(n: int, seed: int, folder: Path, progress: Callable[[int], None] | None, workers: int) -> None:
    (folder / IMAGES).mkdir()
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    make = partial(_write_photo, seed, folder / IMAGES)
    with ExitStack() as stack:
        if workers > 1:
            pool = stack.enter_context(multiprocessing.get_context("spawn").Pool(workers))
            results: Iterable[_Record] = pool.imap(make, range(n), chunksize=8)
        else:
            results = map(make, range(n))
        for done, (image, people) in enumerate(results, start=1):
            images.append(image)
            annotations.extend(people)
            if progress is not None:
                progress(done)
    info = {"description": f"{SYNTHETIC}, rendered from a seed", "seed": seed, "version": "1"}
    content = {"info": info, "images": images, "annotations": annotations, "categories": [CATEGORY]}
    (folder / ANNOTATIONS).write_text(json.dumps(content, separators=(",", ":")))


_Record = tuple[dict[str, Any], list[dict[str, Any]]]  # a COCO image record and its annotations


def _write_photo(seed: int, folder: Path, index: int) -> _Record:
    image, people = photo(seed, index)
    name = f"{index:06d}.jpg"
    _, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    (folder / name).write_bytes(data.tobytes())
    height, width = image.shape[:2]
    record = {"id": index + 1, "file_name": name, "width": width, "height": height}
    ids = ({"id": (index + 1) * 10 + number, "image_id": index + 1} for number in range(len(people)))
    return record, [{**key, **person} for key, person in zip(ids, people, strict=True)]
