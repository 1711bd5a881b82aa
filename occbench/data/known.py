"""The data sets that have a name: where they lie (MMPose's layout), what belongs to them, who reads them.

Nothing is imported here, so that names can be listed quickly.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ..system.paths import data_dir


@dataclass(frozen=True)
class KnownSet:
    """A data set of a name.

    Attributes:
        name: The name, for ``--data`` and for tables.
        reader: ``module:function`` in this package, called with the annotations, the images and ``options``.
        annotations: The annotation file, below the data folder.
        images: The image folder, below the data folder.
        photos: How many photos the published set has at least; None where that is not known.
        fetch: The name for ``occbench fetch`` that brings it.
        metric: What it is scored with, in words.
        options: More arguments of the reader, by name; a path is taken below the data folder.
        note: What it is.
    """

    name: str
    reader: str
    annotations: Path
    images: Path
    photos: int | None
    fetch: str
    metric: str
    options: tuple[tuple[str, object], ...] = ()
    note: str = ""

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file but the photos."""
        return (self.annotations, *(value for _, value in self.options if isinstance(value, Path)))

    def missing(self, root: Path | None = None) -> str:
        """What is not there, in words; empty for a set that is complete.

        Args:
            root: The data folder; None for the one of the environment.
        """
        root = root or data_dir()
        absent = [str(root / file) for file in self.files if not (root / file).is_file()]
        folder = root / self.images
        if not folder.is_dir():
            absent.append(str(folder))
        else:
            here = count_files(folder)
            if here < (self.photos or 1):
                absent.append(f"{(self.photos or 1) - here:,} photos in {folder} (it has {here:,})")
        return ", ".join(absent)


def count_files(folder: Path) -> int:
    """How many files lie in a folder, hidden ones aside."""
    with os.scandir(folder) as entries:
        return sum(not entry.name.startswith(".") and entry.is_file() for entry in entries)


def _coco(year_split: str, photos: int) -> KnownSet:
    return KnownSet(
        f"coco-{year_split}",
        "coco:read_coco",
        Path(f"coco/annotations/person_keypoints_{year_split}.json"),
        Path(f"coco/{year_split}"),
        photos,
        f"coco-{year_split}",
        "AP",
        note=f"COCO {year_split}: 17 keypoints",
    )


def _mpii(name: str, reader: str, annotations: str, metric: str, note: str, **options: object) -> KnownSet:
    folder = Path("mpii/annotations")
    images, photos = Path("mpii/images"), 24_900  # of 24,984
    return KnownSet(name, reader, folder / annotations, images, photos, "mpii", metric, tuple(options.items()), note)


def _lsp(name: str, photos: int, note: str, folder: str = "lsp", **options: object) -> KnownSet:
    joints, images = Path(folder) / "joints.mat", Path(folder) / "images"
    metric = "PCK@0.2, PCP@0.5"
    return KnownSet(name, "lsp:read_lsp", joints, images, photos, folder, metric, tuple(options.items()), note)


def _flic(name: str, split: str, note: str) -> KnownSet:
    examples, images = Path("flic/examples.mat"), Path("flic/images")
    return KnownSet(name, "flic:read_flic", examples, images, 5003, "flic", "PDJ@0.2", (("split", split),), note)


def _ochuman(name: str, split: str, note: str) -> KnownSet:
    annotations = Path(f"ochuman/annotations/ochuman_coco_format_{split}_range_0.00_1.00.json")
    return KnownSet(name, "crowded:read_ochuman", annotations, Path("ochuman/images"), None, "ochuman", "AP", note=note)


def _ochuman_pose(name: str, split: str, note: str) -> KnownSet:
    annotations, images = Path(f"ochuman/annotations/ochuman_pose_{split}.json"), Path("ochuman/images")
    return KnownSet(name, "crowded:read_ochuman", annotations, images, None, "ochuman-pose", "AP", note=note)


def _crowdpose(name: str, split: str, note: str) -> KnownSet:
    annotations = Path(f"crowdpose/annotations/mmpose_crowdpose_{split}.json")
    images, metric = Path("crowdpose/images"), "AP, also easy, medium and hard"
    return KnownSet(name, "crowded:read_crowdpose", annotations, images, 20_000, "crowdpose", metric, note=note)


KNOWN_SETS = (
    _coco("val2017", 5000),
    _coco("train2017", 118_287),
    _mpii(
        "mpii",
        "mpii:read_mpii",
        "mpii_val.json",
        "PCKh@0.5",
        "MPII, the validation persons of its training photos: 16 joints",
        head_boxes=Path("mpii/annotations/mpii_gt_val.mat"),
    ),
    _mpii(
        "mpii-train",
        "mpii:read_mpii",
        "mpii_train.json",
        "none",
        "the training persons; head sizes, and so PCKh, only by mpii-original",
    ),
    _mpii(
        "mpii-original",
        "mpii_mat:read_mpii_mat",
        "mpii_human_pose_v1_u12_1.mat",
        "PCKh@0.5",
        "training and validation persons, from MPII's own file, which says which joints are occluded",
    ),
    _lsp("lsp", 2000, "Leeds Sports Pose, its 1,000 test photos: 14 joints", numbers=range(1001, 2001)),
    _lsp("lsp-train", 2000, "its 1,000 training photos", numbers=range(1, 1001)),
    _lsp("lspet", 10_000, "Leeds Sports Pose Extended, for training", folder="lspet"),
    _flic("flic", "test", "Frames Labeled In Cinema, test: 11 joints of the upper body"),
    _flic("flic-train", "train", "its training frames"),
    _ochuman("ochuman", "test", "OCHuman, test: people who occlude each other, COCO's 17 keypoints"),
    _ochuman("ochuman-val", "val", "its validation photos"),
    _ochuman_pose(
        "ochuman-pose", "test", "OCHuman-Pose, test: everybody in OCHuman's photos, annotated for BBoxMaskPose"
    ),
    _ochuman_pose("ochuman-pose-val", "val", "its validation photos"),
    _crowdpose("crowdpose", "test", "CrowdPose, test: 14 keypoints"),
    _crowdpose("crowdpose-trainval", "trainval", "its training and validation photos"),
)
"""In the order in which they are listed."""

BY_NAME = {one.name: one for one in KNOWN_SETS}
