"""Random persons and results in COCO's format, and what xtcocotools and its stand-in say of them.

In an environment with the real xtcocotools (Python 3.10 or 3.11, NumPy 1.26, ``pip install xtcocotools==1.14.3``):

    python -m tests.system.coco_worlds --n 10000         # both beside each other; 0 if they never differ
    python -m tests.system.coco_worlds --write           # what the real one says of the worlds of test_coco_tools.py

xtcocotools 1.14.3 beside pycocotools 2.0.11 under NumPy 1.26.4, 10,000 worlds: all figures equal to the last bit.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import hashlib
import io
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np

GOLDEN = Path(__file__).parent / "golden" / "xtcocotools-1.14.3.npz"
WORLDS = 96
SIZES = {"keypoints": 17, "foot_kpts": 6, "face_kpts": 68, "lefthand_kpts": 21, "righthand_kpts": 21}
PARTS = {
    "keypoints_wholebody": tuple(SIZES),
    "keypoints_foot": ("foot_kpts",),
    "keypoints_face": ("face_kpts",),
    "keypoints_lefthand": ("lefthand_kpts",),
    "keypoints_righthand": ("righthand_kpts",),
}
TYPES = ("keypoints", "keypoints_crowd", *PARTS)
FIGURES = ("precision", "recall", "scores", "stats")

World = dict[str, Any]


def make_world(seed: int) -> World:
    """Persons, results and options of COCOeval; the types of evaluation take turns."""
    rng = np.random.default_rng(seed)
    kind = TYPES[seed % len(TYPES)]
    sizes = SIZES if kind in PARTS else {"keypoints": 14 if kind == "keypoints_crowd" else 17}
    categories = [1, 2] if rng.random() < 0.2 else [1]
    images = [{"id": 5 + i, "crowdIndex": float(np.round(rng.random(), 1))} for i in range(rng.integers(1, 7))]
    first = int(rng.integers(0, 3))
    options = {"iouType": kind, "use_area": bool(rng.random() < 0.6), "sigmas": None}
    if kind != "keypoints" or rng.random() < 0.5:
        options["sigmas"] = rng.uniform(0.02, 0.1, sum(sizes[part] for part in PARTS.get(kind, ("keypoints",))))
    people, results = [], []
    for image in images:
        crowded = rng.random() < 0.1
        for _ in range(int(rng.integers(12, 16) if crowded else rng.integers(0, 5))):
            person = _person(rng, sizes, image["id"], int(rng.choice(categories)), options["use_area"])
            people.append(person | {"id": first + len(people)})
            for _ in range(int(rng.integers(0, 3))):
                results.append(_result(rng, sizes, kind, person))
    if not results or rng.random() < 0.05:
        results = []
    data = {"images": images, "annotations": people, "categories": [{"id": c, "name": str(c)} for c in categories]}
    return {"data": data, "results": results, "options": options}


def _person(rng: np.random.Generator, sizes: dict[str, int], image: int, category: int, use_area: bool) -> World:
    x, y = rng.uniform(0, 300, 2)
    w, h = rng.uniform(20, 60, 2) * rng.choice([0.5, 1, 2, 4])
    bare = rng.random() < 0.15
    person: World = {"image_id": image, "category_id": category, "bbox": [float(v) for v in (x, y, w, h)]}
    for part, size in sizes.items():
        flags = np.zeros(size) if bare or rng.random() < 0.1 else rng.choice([0, 1, 2], size, p=[0.3, 0.2, 0.5])
        points = np.column_stack([rng.uniform(x, x + w, size), rng.uniform(y, y + h, size), flags])
        person[part] = points.ravel().tolist()
    person["num_keypoints"] = int((np.array(person["keypoints"])[2::3] == 2).sum())
    if use_area or rng.random() < 0.5:
        person["area"] = float(w * h * rng.uniform(0.3, 0.9))
    if rng.random() < 0.7:
        person["iscrowd"] = int(rng.random() < 0.15)
    return person


def _result(rng: np.random.Generator, sizes: dict[str, int], kind: str, person: World) -> World:
    spread = rng.lognormal(-3, 1.2) * np.sqrt(person["bbox"][2] * person["bbox"][3])
    result: World = {key: person[key] for key in ("image_id", "category_id")}
    for part, size in sizes.items():
        found = np.reshape(person[part], (-1, 3)) + rng.normal(size=(size, 3)) * spread
        found[:, 2] = 0 if rng.random() < 0.05 else rng.random(size)
        result[part] = found.ravel().tolist()
    result["score"] = float(np.round(rng.random(), 1))  # with ties
    if kind in PARTS and rng.random() < 0.7:
        result[kind.removeprefix("keypoints_") + "_score"] = float(np.round(rng.random(), 1))
    return result


def judge(annotations: Any, evaluation: Any, world: World, folder: Path) -> dict[str, np.ndarray]:
    """What a ``COCO`` and a ``COCOeval`` say: precision, recall and scores after ``accumulate``, and the stats."""
    path = folder / "world.json"
    path.write_text(json.dumps(world["data"]), encoding="utf-8")
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        truth = annotations(str(path))
        results = truth.loadRes(copy.deepcopy(world["results"]))
        judged = evaluation(truth, results, **world["options"])
        judged.params.useSegm = None
        judged.evaluate()
        judged.accumulate()
        found = {name: np.array(judged.eval[name]) for name in FIGURES[:3]}
        judged.summarize()
    return found | {"stats": np.asarray(judged.stats)}


def digest(worlds: list[World]) -> str:
    """Tells whether these are the worlds that were judged."""
    text = json.dumps(worlds, default=np.ndarray.tolist)
    return hashlib.sha256(text.encode()).hexdigest()


def main() -> None:
    """Compare with the real xtcocotools, or write down what it says."""
    import tempfile

    import xtcocotools.coco
    import xtcocotools.cocoeval

    from occbench.system.coco_tools import COCO, COCOeval

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--n", type=int, default=2000)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    if not xtcocotools.__file__:
        raise SystemExit("this is the stand-in; the real xtcocotools is needed")
    real = xtcocotools.coco.COCO, xtcocotools.cocoeval.COCOeval
    with tempfile.TemporaryDirectory() as folder:
        if args.write:
            found = [judge(*real, make_world(seed), Path(folder)) for seed in range(WORLDS)]
            arrays = {f"{name}-{seed}": found[seed][name] for seed in range(WORLDS) for name in FIGURES}
            GOLDEN.parent.mkdir(exist_ok=True)
            np.savez_compressed(GOLDEN, digest=digest([make_world(seed) for seed in range(WORLDS)]), **arrays)
            return
        apart = 0
        for seed in range(args.n):
            world = make_world(seed)
            theirs, ours = judge(*real, world, Path(folder)), judge(COCO, COCOeval, world, Path(folder))
            apart += not all(np.array_equal(theirs[name], ours[name]) for name in FIGURES)
        print(f"{args.n} worlds, {apart} apart")
        raise SystemExit(apart > 0)


if __name__ == "__main__":
    main()
