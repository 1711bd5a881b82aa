"""What can be fetched: data sets, their archives at their authors' addresses, and where each folder belongs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ..system.errors import unknown_name
from .known import BY_NAME


@dataclass(frozen=True)
class Place:
    """Where a folder of an archive belongs.

    Attributes:
        marker: Name (or pattern) of a file that lies in that folder of the archive, wherever it is in there.
        target: The folder's place below the data folder.
        proof: A file or a folder of photos, below the data folder, that is there once this is done.
        photos: How many photos that folder has then, at least.
    """

    marker: str
    target: Path
    proof: Path
    photos: int = 1


@dataclass(frozen=True)
class Archive:
    """A file to fetch and unpack.

    Attributes:
        url: The official address.
        size: Bytes; exact with ``sha256``, else about.
        unpacked: About how many bytes it unpacks to.
        places: Of its folders.
        sha256: Where one is published; empty otherwise.
    """

    url: str
    size: int
    unpacked: int
    places: tuple[Place, ...]
    sha256: str = ""

    @property
    def name(self) -> str:
        """File name."""
        return urlsplit(self.url).path.rpartition("/")[2]


@dataclass(frozen=True)
class Fetchable:
    """What ``occbench fetch`` brings under one name.

    Attributes:
        name: The name.
        archives: To fetch.
        sets: The data sets that are complete then, by their names for ``--data``.
        files: Other files that are there then, below the data folder.
        by_hand: What a person has to fetch, from where, and the place for it; empty for nothing.
        terms: The licence, in a few words.
    """

    name: str
    archives: tuple[Archive, ...]
    sets: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    by_hand: str = ""
    terms: str = ""

    def missing(self, root: Path) -> str:
        """What is not there, in words; empty for complete."""
        absent = [BY_NAME[name].missing(root) for name in self.sets]
        absent += [str(root / file) for file in self.files if not (root / file).is_file()]
        return ", ".join(dict.fromkeys(one for one in absent if one))


GB, _MB = 10**9, 10**6
_COCO = "http://images.cocodataset.org"
_COCO_TERMS = "annotations CC BY 4.0; the photos are under their Flickr licences"
_DETECTIONS = Path("coco/person_detection_results/COCO_val2017_detections_AP_H_56_person.json")


def _photos(known: str, marker: str = "*.jpg") -> Place:
    """The photos of a data set, and what lies beside the marker where that is another file."""
    folder = BY_NAME[known].images
    return Place(marker, folder if marker == "*.jpg" else folder.parent, folder, BY_NAME[known].photos or 1)


def _coco(split: str, size: int, sha256: str) -> Fetchable:
    annotations = Path("coco/annotations")
    return Fetchable(
        f"coco-{split}",
        (
            Archive(
                f"{_COCO}/annotations/annotations_trainval2017.zip",
                252_907_541,
                900 * _MB,
                (Place("person_keypoints_val2017.json", annotations, annotations / f"person_keypoints_{split}.json"),),
                "113a836d90195ee1f884e704da6304dfaaecff1f023f49b6ca93c4aaae470268",
            ),
            Archive(
                f"{_COCO}/zips/{split}.zip",
                size,
                size,
                (_photos(f"coco-{split}"),),
                sha256,
            ),
        ),
        sets=(f"coco-{split}",),
        terms=_COCO_TERMS,
    )


_MPII = "https://datasets.d2.mpi-inf.mpg.de/andriluka14cvpr"
_OPENMMLAB = "https://download.openmmlab.com/mmpose/datasets"
_LSP = "https://sam.johnson.io/research"

FETCHABLE = (
    _coco("val2017", 815_585_330, "4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05"),
    _coco("train2017", 19_336_861_798, "69a8bb58ea5f8f99d24875f21416de2e9ded3178e903f1f7603e283b9e06d929"),
    Fetchable(
        "coco-val2017-detections",
        (),
        files=(_DETECTIONS,),
        by_hand="the person detections that HRNet's authors share (AP 56.4), from the OneDrive or Google Drive named "
        f"in https://github.com/HRNet/HRNet-Human-Pose-Estimation, as {_DETECTIONS}",
        terms="MIT",
    ),
    Fetchable(
        "mpii",
        (
            Archive(
                f"{_OPENMMLAB}/mpii_annotations.tar",
                70 * _MB,
                70 * _MB,
                (Place("mpii_val.json", Path("mpii/annotations"), Path("mpii/annotations/mpii_val.json")),),
            ),
            Archive(
                f"{_MPII}/mpii_human_pose_v1_u12_2.zip",
                13 * _MB,
                40 * _MB,
                (
                    Place(
                        "mpii_human_pose_v1_u12_1.mat",
                        Path("mpii/annotations"),
                        Path("mpii/annotations/mpii_human_pose_v1_u12_1.mat"),
                    ),
                ),
            ),
            Archive(
                f"{_MPII}/mpii_human_pose_v1.tar.gz",
                13 * GB,
                13 * GB,
                (_photos("mpii"),),
            ),
        ),
        sets=("mpii", "mpii-train", "mpii-original"),
        terms="Simplified BSD",
    ),
    Fetchable(
        "lsp",
        (
            Archive(
                f"{_LSP}/lsp_dataset.zip",
                40 * _MB,
                60 * _MB,
                (_photos("lsp", "joints.mat"),),
            ),
        ),
        sets=("lsp", "lsp-train"),
        terms="for research; cite Johnson and Everingham, BMVC 2010",
    ),
    Fetchable(
        "lspet",
        (
            Archive(
                f"{_LSP}/lspet_dataset.zip",
                400 * _MB,
                450 * _MB,
                (_photos("lspet", "joints.mat"),),
            ),
        ),
        sets=("lspet",),
        terms="for research; cite Johnson and Everingham, CVPR 2011",
    ),
    Fetchable(
        "flic",
        (),
        sets=("flic", "flic-train"),
        by_hand="FLIC.zip, from https://bensapp.github.io/flic-dataset.html, unpacked as flic/examples.mat and "
        "flic/images/",
        terms="for research; frames of films",
    ),
    Fetchable(
        "ochuman",
        (),
        sets=("ochuman", "ochuman-val"),
        by_hand="photos and COCO-format annotations, after the form at https://github.com/liruilong940607/OCHumanApi, "
        "as ochuman/images/ and ochuman/annotations/ochuman_coco_format_{val,test}_range_0.00_1.00.json",
        terms="for research, by a form",
    ),
    Fetchable(
        "ochuman-pose",
        (),
        sets=("ochuman-pose", "ochuman-pose-val"),
        by_hand="the COCO files of its val and test from https://huggingface.co/datasets/vrg-prague/OCHuman-Pose, as "
        "ochuman/annotations/ochuman_pose_{val,test}.json, beside OCHuman's own photos in ochuman/images/",
        terms="MIT; the photos for research, by OCHuman's form",
    ),
    Fetchable(
        "crowdpose",
        (
            Archive(
                f"{_OPENMMLAB}/crowdpose_annotations.tar",
                80 * _MB,
                80 * _MB,
                (
                    Place(
                        "mmpose_crowdpose_test.json",
                        Path("crowdpose/annotations"),
                        Path("crowdpose/annotations/mmpose_crowdpose_test.json"),
                    ),
                ),
            ),
        ),
        sets=("crowdpose", "crowdpose-trainval"),
        by_hand="images.zip, from the Google Drive named in https://github.com/Jeff-sjtu/CrowdPose, unpacked as "
        "crowdpose/images/",
        terms="for research",
    ),
)
"""In the order in which they are listed."""


def find(name: str) -> Fetchable:
    """What a name stands for.

    Raises:
        OccbenchError: Nothing of that name can be fetched.
    """
    for one in FETCHABLE:
        if one.name == name:
            return one
    raise unknown_name("data set to fetch", name, [one.name for one in FETCHABLE])
