"""The attacked photos of a run, for any other framework to be run on exactly the same pixels (PROTOCOL section 7)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Protocol

import numpy as np

from ..attacks import Attack, Cutouts, Material, Occluders, Subject, drawn_cutouts, occlude_photo, place_in_photo
from ..data.occluders import read_cutouts
from ..data.persons import Dataset, Photo
from ..data.photos import check_photos
from ..estimators.config import read_config
from ..estimators.crops import CropPipeline
from ..estimators.onnx.cropping import pipeline_of
from ..estimators.onnx.specification import parsed
from ..estimators.reference import reference_crops
from ..inference.material import material_of
from ..inference.predictions import cell_slug
from ..inference.scenes import cut_scenes, cut_subjects
from ..runs.identity import persons_sha256, photos_sha256
from ..runs.manifest import Manifest, crop_size, read_manifest, sees_photos
from ..runs.source import dataset_of
from ..runs.store import read_geometry
from ..system.errors import OccbenchError
from ..weights.trust import check_config
from ..weights.zoo import find_model
from .photo_files import Extra, coco_of, new_folder, photo_name, write_png
from .reopen import attack_of


def export_attacked(
    run: Path,
    out: Path,
    model: str | None = None,
    data: Path | None = None,
    images: Path | None = None,
    occluders: Path | None = None,
    trust_config: bool = False,
    advance: Callable[[int, int], None] = lambda done, of: None,
) -> list[Path]:
    """Write the photos of a run of scope image under every attack, what is painted, and who and what is hidden.

    ``SLUG/images/ID.png`` is the photo of that image id (12 digits) under the attack, lossless; ``SLUG/masks/ID.png``
    has 255 where something is hidden (of an object: from alpha .5 up) and 0 elsewhere; ``SLUG/annotations.json`` is
    the truth in COCO's format, of these files. Each of its annotations has ``hidden`` (0 or 1 by keypoint: labelled,
    and in a painted region of anybody) and ``regions``, those painted for this person: ``on`` the target or elsewhere
    (decoys, placebos), ``center`` (x, y, image px), ``bbox`` (x, y, width, height of the hidden pixels), for discs
    ``radius`` (image px), and for objects ``beyond``, the pixels hidden beyond the disc or rectangle. ``clean/`` has
    the photos as they are decoded, without masks. Exported are the photos with a box or a labelled person.

    Args:
        run: A finished run folder of scope image.
        out: The folder, new or empty; it is there whole or not at all.
        model: The run's model, where it is a config of the user's own: it runs as code, so the user names it.
        data: The annotation file, where it has moved since.
        images: The image folder, likewise.
        occluders: The folder of cut-outs, likewise.
        trust_config: Let the config run code from elsewhere.
        advance: Called with the number of photos that are done, and of how many.

    Returns:
        The folders of the cells.

    Raises:
        OccbenchError: The run is unfinished or of another scope; its photos, annotations or boxes are gone or others;
            the model cuts other crops; or ``out`` cannot be written.
    """
    manifest = read_manifest(run)
    if not manifest["complete"] or manifest["seal"] is None:
        raise OccbenchError(f"{run} is unfinished or of an old occbench: give its command again, then export it")
    if manifest.get("scope", "person") != "image":
        raise OccbenchError(
            f"{str(run)!r} is of scope person, which hides people in their crops and leaves the photos alone: attacked "
            "photos are those of a run with --scope image"
        )
    dataset = _dataset(run, manifest, data, images)
    pipeline = _pipeline(manifest, model, trust_config)
    attacks = [attack_of(run, cell["slug"]) for cell in manifest["cells"]]
    cutouts = _cutouts(run, manifest, occluders)
    with new_folder(out, "--attacked-images") as folder:
        write_cells(folder, _Photos(run, dataset, pipeline, manifest["seed"], cutouts), attacks, advance)
    return [out / cell_slug(attack) for attack in attacks]


def _dataset(run: Path, manifest: Manifest, data: Path | None, images: Path | None) -> Dataset:
    """The run's data set, with photos and boxes that are those of the run."""
    identity = manifest.get("identity")
    if not isinstance(identity, dict) or not {"photos_sha256", "persons_sha256"} <= identity.keys():
        raise OccbenchError(f"the manifest of {str(run)!r} does not say what was measured: measure it again")
    dataset = check_photos(dataset_of(manifest, data, images, run))
    photos = {person.photo.id: person.photo for person in dataset.persons}.values()
    if photos_sha256(photos) != identity["photos_sha256"]:
        raise OccbenchError(
            f"the photos in {str(dataset.images)!r} are not those of the run (their sha256 differs): name their folder "
            "with --images"
        )
    if persons_sha256(dataset) != identity["persons_sha256"]:
        raise OccbenchError(f"the boxes of {str(run)!r} are not those that its data give now: measure it again")
    return dataset


def _cutouts(run: Path, manifest: Manifest, folder: Path | None) -> Cutouts:
    """The cut-outs that the run painted; the drawn ones where it painted none."""
    known = manifest.get("occluders")
    if not isinstance(known, dict):
        return drawn_cutouts()
    if folder is None and known.get("folder") is not None:
        beside = (known.get("relative") or {}).get("folder")
        folder = next((p for p in (Path(known["folder"]), run / str(beside)) if p.is_dir()), Path(known["folder"]))
    cutouts = drawn_cutouts() if folder is None else read_cutouts(folder)
    if cutouts.sha256 != known.get("sha256"):
        raise OccbenchError(
            f"the occluders in {str(folder)!r} are not those of the run (their sha256 differs): name their folder with "
            "--occluders"
        )
    return cutouts


def _pipeline(manifest: Manifest, model: str | None, trust_config: bool) -> CropPipeline:
    """What cut the run's crops."""
    if sees_photos(manifest):
        return reference_crops(crop_size(manifest))
    name = manifest["model"]["name"]
    described = manifest["backend"].get("specification")  # of an ONNX file
    if described is not None:
        return pipeline_of(parsed(described, f"the specification of run {name!r}"))
    if model is None:
        try:
            path = find_model(name).config_path
        except OccbenchError:
            raise OccbenchError(
                f"the run's model {name!r} is a config of your own, which runs as code: name it with --model CONFIG.py"
            ) from None
    else:
        path = find_model(model).config_path
    check_config(path, trust_config)
    pipeline = CropPipeline(read_config(path))
    if list(pipeline.input_size) != list(manifest["model"]["input_size"]):
        raise OccbenchError(f"model {model or name!r} has other crops than the run's: give the run's with --model")
    return pipeline


class _Photos:
    """Decodes photos and finds whom an attack hides in them, as the run did.

    Args:
        run: The run folder.
        dataset: Its data set.
        pipeline: What cut its crops.
        seed: Of its random placements and contents.
        cutouts: What its fill ``object`` painted.
    """

    def __init__(self, run: Path, dataset: Dataset, pipeline: CropPipeline, seed: int, cutouts: Cutouts) -> None:
        self.dataset, self.seed = dataset, seed
        self._pipeline = pipeline
        self._people = dataset.people()
        self.material = material_of(dataset.persons, pipeline, dataset.skeleton, seed, cutouts)
        self._geometry = read_geometry(run)
        self._boxes = {
            image: list(group) for image, group in groupby(enumerate(dataset.persons), key=lambda p: p[1].photo.id)
        }

    @property
    def used(self) -> list[Photo]:
        """Photos with a box or a labelled person."""
        return [photo for photo in self.dataset.photos.values() if photo.id in self._boxes or photo.id in self._people]

    def open(self, photo: Photo) -> tuple[np.ndarray, tuple[Subject, ...]]:
        """A photo, (H, W, 3) uint8 BGR, and its labelled persons.

        Raises:
            OccbenchError: The model cuts other crops than the run's.
        """
        rows = [row for row, _ in self._boxes.get(photo.id, ())]
        if not rows:
            return cut_subjects(self._pipeline, photo, self._people[photo.id])
        (scene,) = cut_scenes(self._pipeline, [self.dataset.persons[row] for row in rows], self._people)
        found = np.array([(*crop.center, *crop.scale) for crop in scene.crops], dtype=np.float32)
        if not np.array_equal(found, self._geometry[rows][:, :4]):
            raise OccbenchError("the model's config cuts other crops than the run's: give the run's with --model")
        return scene.picture, scene.subjects


class Opener(Protocol):
    """Photos that are to be written."""

    @property
    def dataset(self) -> Dataset:
        """Whose they are."""

    @property
    def material(self) -> Material:
        """What the fills beyond the thesis are made of."""

    @property
    def seed(self) -> int:
        """Of random placements."""

    @property
    def used(self) -> Sequence[Photo]:
        """Which."""

    def open(self, photo: Photo) -> tuple[np.ndarray, tuple[Subject, ...]]:
        """A photo, (H, W, 3) uint8 BGR, and whom an attack hides in it."""


def write_cells(
    place: Path, photos: Opener, attacks: Sequence[Attack | None], advance: Callable[[int, int], None]
) -> None:
    """Write the photos under every attack; see :func:`export_attacked`.

    Args:
        place: A folder.
        photos: Which.
        attacks: None among them stands for the photos as they are.
        advance: Called with the number of photos that are done, and of how many.
    """
    data = photos.dataset
    used = photos.used
    extras: dict[Attack | None, dict[int, Extra]] = {attack: {} for attack in attacks}
    sizes: dict[int, tuple[int, int]] = {}
    for attack in attacks:
        for kind in ("images",) if attack is None else ("images", "masks"):
            (place / cell_slug(attack) / kind).mkdir(parents=True)
    for done, photo in enumerate(used):
        picture, subjects = photos.open(photo)
        size = sizes[photo.id] = (picture.shape[0], picture.shape[1])
        for attack in attacks:
            cell = place / cell_slug(attack)
            if attack is None:
                write_png(cell / "images" / photo_name(photo), picture)
                continue
            found = place_in_photo(size, subjects, attack, data.skeleton, photos.seed, photos.material)
            write_png(cell / "images" / photo_name(photo), occlude_photo(picture, subjects, found, attack))
            write_png(cell / "masks" / photo_name(photo), _mask(size, found))
            extras[attack] |= _extras(subjects, found, attack)
        advance(done + 1, len(used))
    for attack in attacks:
        content = coco_of(data, used, sizes, attack, extras[attack])
        (place / cell_slug(attack) / "annotations.json").write_text(json.dumps(content, allow_nan=False))


def _mask(size: tuple[int, int], found: Sequence[Occluders]) -> np.ndarray:
    mask = np.zeros(size, dtype=np.uint8)
    for occluders in found:
        for region in occluders.regions:
            mask[region.window][region.mask] = 255
    return mask


def _extras(subjects: Sequence[Subject], found: Sequence[Occluders], attack: Attack) -> dict[int, Extra]:
    """By annotation id."""
    everything = Occluders(tuple(region for occluders in found for region in occluders.regions))
    return {
        subject.id: {
            "hidden": (everything.cover(subject.keypoints) & subject.labelled).astype(int).tolist(),
            "regions": list(_regions(subject, occluders, attack)),
        }
        for subject, occluders in zip(subjects, found, strict=True)
    }


def _regions(subject: Subject, occluders: Occluders, attack: Attack) -> Iterator[Extra]:
    for i, region in enumerate(occluders.regions):
        rows, columns = np.nonzero(region.mask)
        top, left = region.top + int(rows.min()), region.left + int(columns.min())
        height, width = int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1
        found: Extra = {"on": "target" if i < occluders.true else "elsewhere", "center": list(region.centre)}
        found["bbox"] = [left, top, width, height]
        if attack.level == "keypoint":
            found["radius"] = attack.radius * subject.scale
        if attack.fill == "object":
            found["beyond"] = region.beyond
        yield found
