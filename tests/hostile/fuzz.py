"""Random nonsense through the readers: whatever they are fed, they read it, or say in one line why not.

python -m tests.hostile.fuzz --n 2000
python -m tests.hostile.fuzz --n 2000 --only checked --seed 19
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from PIL import Image

from occbench.data.coco import read_coco
from occbench.data.crowded import read_ochuman
from occbench.data.custom import read_custom
from occbench.data.flic import read_flic
from occbench.data.lsp import read_lsp
from occbench.data.matching import with_detections
from occbench.data.mpii import read_mpii
from occbench.data.mpii_mat import read_mpii_mat
from occbench.data.persons import Dataset, Photo
from occbench.data.photos import decode, fault
from occbench.data.results import read_results
from occbench.jobs.check import check as look_for_faults
from occbench.system.errors import OccbenchError
from occbench.tables.results import score_results
from occbench.tables.scoring import Scoring

from ..data import set_builders as builders
from ..data.builders import Content, keypoints, people
from .nonsense import files, hurt, text

SHORTEST, LONGEST = 10, 1000
"""Characters of a message: it says something, and does not repeat the file."""


def detections() -> list[Content]:
    """Boxes that the people's annotations know."""
    return [
        {"image_id": i, "category_id": 1, "bbox": [5, 5, 40, 60], "score": s} for i, s in ((1, 0.9), (3, 0.5), (1, 0.1))
    ]


def results() -> list[Content]:
    """Persons found in the people's photos."""
    return [
        {"image_id": i, "category_id": 1, "keypoints": keypoints(9, 9), "score": s} for i, s in ((3, 0.9), (1, 0.2))
    ]


def description() -> Content:
    """A described set of the people (JSON is YAML, too)."""
    names = [f"k{i}" for i in range(17)]
    pairs, parts = [["k1", "k2"]], {"head": ["k0", "k1", "k2"]}
    about = {"name": "own", "annotations": "plain.json", "images": ".", "keypoints": names, "sigmas": [0.1] * 17}
    return {**about, "flip_pairs": pairs, "parts": parts, "skeleton": pairs}


def check(dataset: Dataset, folder: Path) -> None:
    """What is read is whole and finite, and no photo lies elsewhere."""
    truth = dataset.truth
    for numbers in (truth.keypoints, truth.bbox, truth.area):
        assert np.isfinite(numbers).all()
    assert dataset.persons
    for person in dataset.persons:
        assert np.isfinite([*person.box, person.score, *person.keypoints.ravel()]).all()
        assert dataset.detections is not None or (person.box[2:] > person.box[:2]).all()
        assert person.photo.path.is_relative_to(folder)
        assert ".." not in person.photo.path.parts


def score(path: Path, dataset: Dataset) -> None:
    """What is read can be scored."""
    found = read_results(path, dataset)
    assert np.isfinite(found.keypoints).all()
    assert np.isfinite(found.scores).all()
    score_results(dataset, [path], None, Scoring("corrected", "exact", 0, 0))


def look(path: Path) -> None:
    """A photo without a fault is decoded, or refused."""
    photo = Photo(1, path.name, path, 40, 30)
    wrong = fault(photo)
    if wrong is not None:
        raise OccbenchError(f"photo {path.name} {wrong}")
    assert decode(photo).shape in ((30, 40, 3), (40, 30, 3))


def checked(path: Path, folder: Path, results: Path | None = None) -> None:
    """A check says what it finds in lines, whatever it is fed.

    Raises:
        OccbenchError: It found something to refuse.
    """
    health = look_for_faults(str(path if results is None else folder / "plain.json"), None, results)
    for finding in health.findings:
        assert len(finding.line.splitlines()) == 1, finding.line
        assert SHORTEST < len(finding.line.replace(str(folder), "")) < LONGEST, finding.line[:2000]
    if not health.is_usable:
        raise OccbenchError(health.findings[0].line)


def checked_photo(path: Path, folder: Path) -> None:
    """A check looks at a photo, whatever it is.

    Raises:
        OccbenchError: It cannot be used.
    """
    content = {**people(), "categories": []}
    for image in content["images"]:
        image |= {"file_name": path.name, "width": None, "height": None}
    (folder / "photographed.json").write_bytes(text(content))
    checked(folder / "photographed.json", folder)


def pictures() -> list[bytes]:
    """A small photo in every format."""
    noise = np.random.default_rng(0).integers(0, 255, (30, 40, 3), dtype=np.uint8)
    found = []
    for kind in ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "PPM"):
        buffer = io.BytesIO()
        Image.fromarray(noise).save(buffer, kind)
        found.append(buffer.getvalue())
    return found


def mat_files(folder: Path) -> tuple[bytes, bytes, bytes]:
    """LSP's joints.mat, FLIC's examples.mat, and MPII's original file."""
    rng = np.random.default_rng(0)
    builders.lsp(folder / "lsp", rng, photos=2)
    builders.flic(folder / "flic", rng)
    people = builders.mpii_json(rng, 2)
    mpii = builders.mpii_mat(folder / "mpii.mat", people, builders.head_boxes(rng, 2))
    lsp, flic = folder / "lsp" / "joints.mat", folder / "flic" / "examples.mat"
    return lsp.read_bytes(), flic.read_bytes(), mpii.read_bytes()


def targets(folder: Path) -> dict[str, tuple[st.SearchStrategy[bytes], str, Callable[[Path], object]]]:
    """What is fed to each reader, the name of the file, and the reader with a look at what it gives."""
    plain = {**people(), "categories": []}
    (folder / "plain.json").write_bytes(text(plain))
    dataset = read_coco(folder / "plain.json", folder)
    lsp, flic, mpii = mat_files(folder)
    return {
        "annotations": (files(people), "a.json", lambda p: check(read_coco(p, folder), folder)),
        "annotations, as they are": (files(people), "b.json", lambda p: check(read_ochuman(p, folder), folder)),
        "detections": (files(detections), "c.json", lambda p: check(with_detections(dataset, p), folder)),
        "results": (files(results), "d.json", lambda p: score(p, dataset)),
        "MPII, JSON": (
            files(lambda: builders.mpii_json(np.random.default_rng(0))),
            "e.json",
            lambda p: check(read_mpii(p, folder), folder),
        ),
        "MPII, MATLAB": (hurt([mpii]), "f.mat", lambda p: check(read_mpii_mat(p, folder), folder)),
        "LSP, MATLAB": (hurt([lsp]), "g.mat", lambda p: check(read_lsp(p, folder / "lsp" / "images"), folder)),
        "FLIC, MATLAB": (hurt([flic]), "i.mat", lambda p: check(read_flic(p, folder / "flic" / "images"), folder)),
        "described sets": (files(description), "h.yaml", lambda p: check(read_custom(p), folder)),
        "photos": (hurt(pictures()), "photo", look),
        "checked annotations": (files(people), "k.json", lambda p: checked(p, folder)),
        "checked results": (files(results), "l.json", lambda p: checked(p, folder, p)),
        "checked photos": (hurt(pictures()), "m.jpg", lambda p: checked_photo(p, folder)),
    }


def fuzz(
    n: int, say: Callable[[str], None] = print, same: bool = False, only: str = "", seed: int | None = None
) -> dict[str, Counter[str]]:
    """Feed each reader ``n`` files.

    Args:
        n: How many.
        say: Told what a reader did.
        same: Whether to feed the same ones at each call.
        only: How the readers' names begin that are fed.
        seed: Of the files; None for others at each call.

    Returns:
        For each reader, how many files it read and how many it refused.

    Raises:
        AssertionError: What was read, or said, is not as it must be.
        Exception: Anything but an OccbenchError came out of a reader: a fault of the reader.
    """
    counts: dict[str, Counter[str]] = {}
    with tempfile.TemporaryDirectory() as name:
        chosen = {what: target for what, target in targets(Path(name)).items() if what.startswith(only)}
        for what, (nonsense, file, read) in chosen.items():
            start, counts[what] = time.perf_counter(), Counter()
            _feed(n, nonsense, read, Path(name) / file, counts[what], same, seed)
            took, done = time.perf_counter() - start, counts[what]
            answers = f"{done['read']} read, {done['refused']} refused, no traceback"
            say(f"{what}: {done.total()} files in {took:.0f} s: {answers}")
    return counts


def _feed(
    n: int,
    nonsense: st.SearchStrategy[bytes],
    read: Callable[[Path], object],
    path: Path,
    count: Counter[str],
    same: bool,
    start: int | None,
) -> None:
    @settings(max_examples=n, deadline=None, database=None, derandomize=same, suppress_health_check=list(HealthCheck))
    @given(nonsense)
    def feed(data: bytes) -> None:
        path.write_bytes(data)
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)  # numpy's, of a number that nobody checked
            try:
                read(path)
                count["read"] += 1
            except OccbenchError as error:
                said = str(error)
                assert SHORTEST < len(said.replace(str(path.parent), "")) < LONGEST, said[:2000]
                assert len(said.splitlines()) == 1, said
                count["refused"] += 1

    (feed if start is None else seeded(start)(feed))()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=2000, help="files for each reader")
    parser.add_argument("--only", default="", help="how the readers' names begin that are fed")
    parser.add_argument("--seed", type=int, help="of the files; without it, others at each call")
    given_ = parser.parse_args()
    fuzz(given_.n, only=given_.only, seed=given_.seed)
