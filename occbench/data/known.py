"""The data sets that have a name: where they lie (MMPose's layout), what belongs to them, who reads them.

Nothing is imported here, so that names can be listed quickly.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ..paths import data_dir


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


_MPII, _MPII_PHOTOS, _PCKH = Path("mpii/annotations"), Path("mpii/images"), "PCKh@0.5"
_LSP, _LSPET, _FLIC = Path("lsp/joints.mat"), Path("lspet/joints.mat"), Path("flic/examples.mat")
_OCHUMAN, _CROWDPOSE = Path("ochuman/annotations"), Path("crowdpose/annotations")

KNOWN_SETS = (
    _coco("val2017", 5000),
    _coco("train2017", 118_287),
    KnownSet(
        *("mpii", "mpii:read_mpii", _MPII / "mpii_val.json", _MPII_PHOTOS, 24_900, "mpii", _PCKH),
        options=(("head_boxes", _MPII / "mpii_gt_val.mat"),),
        note="MPII, the validation persons of its training photos: 16 joints",
    ),
    KnownSet(
        *("mpii-train", "mpii:read_mpii", _MPII / "mpii_train.json", _MPII_PHOTOS, 24_900, "mpii", "none"),
        note="the training persons; head sizes, and so PCKh, only by mpii-original",
    ),
    KnownSet(
        *("mpii-original", "mpii_mat:read_mpii_mat", _MPII / "mpii_human_pose_v1_u12_1.mat", _MPII_PHOTOS),
        *(24_900, "mpii", _PCKH),
        note="training and validation persons, from MPII's own file, which says which joints are occluded",
    ),
    KnownSet(
        *("lsp", "lsp:read_lsp", _LSP, Path("lsp/images"), 2000, "lsp", "PCK@0.2, PCP@0.5"),
        options=(("numbers", range(1001, 2001)),),
        note="Leeds Sports Pose, its 1,000 test photos: 14 joints",
    ),
    KnownSet(
        *("lsp-train", "lsp:read_lsp", _LSP, Path("lsp/images"), 2000, "lsp", "PCK@0.2, PCP@0.5"),
        options=(("numbers", range(1, 1001)),),
        note="its 1,000 training photos",
    ),
    KnownSet(
        *("lspet", "lsp:read_lsp", _LSPET, Path("lspet/images"), 10_000, "lspet", "PCK@0.2, PCP@0.5"),
        note="Leeds Sports Pose Extended, for training",
    ),
    KnownSet(
        *("flic", "flic:read_flic", _FLIC, Path("flic/images"), 5003, "flic", "PDJ@0.2"),
        options=(("split", "test"),),
        note="Frames Labeled In Cinema, test: 11 joints of the upper body",
    ),
    KnownSet(
        *("flic-train", "flic:read_flic", _FLIC, Path("flic/images"), 5003, "flic", "PDJ@0.2"),
        options=(("split", "train"),),
        note="its training frames",
    ),
    KnownSet(
        *("ochuman", "crowded:read_ochuman", _OCHUMAN / "ochuman_coco_format_test_range_0.00_1.00.json"),
        *(Path("ochuman/images"), None, "ochuman", "AP"),
        note="OCHuman, test: people who occlude each other, COCO's 17 keypoints",
    ),
    KnownSet(
        *("ochuman-val", "crowded:read_ochuman", _OCHUMAN / "ochuman_coco_format_val_range_0.00_1.00.json"),
        *(Path("ochuman/images"), None, "ochuman", "AP"),
        note="its validation photos",
    ),
    KnownSet(
        *("crowdpose", "crowded:read_crowdpose", _CROWDPOSE / "mmpose_crowdpose_test.json", Path("crowdpose/images")),
        *(20_000, "crowdpose", "AP, also easy, medium and hard"),
        note="CrowdPose, test: 14 keypoints",
    ),
    KnownSet(
        *("crowdpose-trainval", "crowded:read_crowdpose", _CROWDPOSE / "mmpose_crowdpose_trainval.json"),
        *(Path("crowdpose/images"), 20_000, "crowdpose", "AP, also easy, medium and hard"),
        note="its training and validation photos",
    ),
)
"""In the order in which they are listed."""

BY_NAME = {one.name: one for one in KNOWN_SETS}
