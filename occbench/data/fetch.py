"""Data sets from where their authors publish them, into MMPose's layout.

Nothing of a set's licence is accepted on anybody's behalf: what asks for a form or for a browser is named, with the
folder that it belongs in.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from filelock import FileLock

from ..system.archives import unpack
from ..system.download import download
from ..system.errors import OccbenchError, unknown_name
from .known import BY_NAME, count_files

WORK = ".fetch"
"""Folder below the data folder for what is on its way."""
_SLACK = 2**26
"""Bytes that the disk must have besides."""


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


_GB, _MB = 10**9, 10**6
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
                13 * _GB,
                13 * _GB,
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


def fetch(
    wanted: Fetchable,
    root: Path,
    *,
    mirror: str = "",
    keep_archives: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> None:
    """Fetch what is not there yet, check it, and put it in its place.

    What is interrupted goes on where it was: a transfer at its last byte, an unpacked archive at the first file that is
    not in its place. Files that are there already are never replaced.

    Args:
        wanted: What.
        root: The data folder.
        mirror: Address to fetch from in place of the official hosts, which then are its first folders; empty for none.
        keep_archives: Whether the archives stay, below ``root``.
        say: Told what goes on, a line at a time.

    Raises:
        OccbenchError: The network, the disk or an archive is not as it should be; or something has to be fetched by
            hand, and the message says from where.
    """
    if not wanted.missing(root):
        say(f"{wanted.name} is complete in {root}")
        return
    todo = [one for one in wanted.archives if not all(_is_done(root, place) for place in one.places)]
    if todo:
        _require_space(wanted, todo, root)
        say(f"{wanted.name}: {wanted.terms}")
    for archive in wanted.archives:
        if archive in todo:
            _bring(archive, root, mirror, say)
        shutil.rmtree(_unpacked(root, archive), ignore_errors=True)
        if not keep_archives:
            (root / WORK / archive.name).unlink(missing_ok=True)
    missing = wanted.missing(root)
    if missing and wanted.by_hand:
        raise OccbenchError(
            f"{wanted.name} is not complete: {wanted.by_hand} (below {str(root)!r}), is to be fetched by hand "
            f"({wanted.terms}); missing: {missing}"
        )
    if missing:
        raise OccbenchError(f"{wanted.name} is fetched, but still misses {missing}: has it been published anew?")
    say(f"{wanted.name} is complete in {root}")


def _is_done(root: Path, place: Place) -> bool:
    """Whether a folder of an archive is in its place, wholly."""
    proof = root / place.proof
    there = proof.is_file() or (proof.is_dir() and count_files(proof) >= place.photos)
    return there and not _moving(root, place).exists()


def _moving(root: Path, place: Place) -> Path:
    """A file that is there while the folder is being filled, and names the folder of the archive."""
    return root / WORK / f"{'-'.join(place.target.parts)}.moving"


def _require_space(wanted: Fetchable, todo: list[Archive], root: Path) -> None:
    """Both an archive and what it unpacks to are there for a while; the largest of them last."""
    work = root / WORK
    needed = sum(one.unpacked for one in todo) + max(one.size for one in todo)
    here = sum(_size(work / one.name) + _size(work / f"{one.name}.part") for one in todo)
    place = next(folder for folder in (root, *root.absolute().parents) if folder.is_dir())
    free = shutil.disk_usage(place).free
    if free + here < needed + _SLACK:
        raise OccbenchError(
            f"{wanted.name} needs {_in_gb(needed)} GB for a while, but {str(place)!r} has {_in_gb(free)} GB free: make "
            "room, or set OCCBENCH_DATA to another folder"
        )


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _in_gb(count: int) -> str:
    return f"{count / _GB:.1f}" if count > _GB / 10 else f"{count / _GB:.3f}"


def _unpacked(root: Path, archive: Archive) -> Path:
    return root / WORK / f"{archive.name}.unpacked"


def _bring(archive: Archive, root: Path, mirror: str, say: Callable[[str], None]) -> None:
    work = root / WORK
    file, folder = work / archive.name, _unpacked(root, archive)
    try:
        work.mkdir(parents=True, exist_ok=True)
        with FileLock(work / f"{archive.name}.busy"):
            if not folder.is_dir():
                address = _address(archive.url, mirror)
                say(f"fetching {address}")
                download(
                    address,
                    file,
                    prefix=archive.sha256,
                    otherwise=f"fetch {archive.url} yourself and put it at {str(file)!r}",
                    max_bytes=archive.size if archive.sha256 else 3 * archive.size + 2**26,
                )
                say(f"unpacking {archive.name}")
                unpack(file, folder, max_bytes=3 * archive.unpacked + 2**26)
            for place in archive.places:
                _put(archive, folder, place, root)
    except OSError as error:
        raise OccbenchError(f"{str(root)!r} cannot be written: {error.strerror or error}") from error


def _address(url: str, mirror: str) -> str:
    parts = urlsplit(url)
    return f"{mirror.rstrip('/')}/{parts.netloc}{parts.path}" if mirror else url


def _put(archive: Archive, folder: Path, place: Place, root: Path) -> None:
    """Move the folder of the archive that holds the marker to its place, file by file."""
    if _is_done(root, place):
        return
    moving = _moving(root, place)
    if moving.exists():  # interrupted: the marker may be gone
        source = folder / moving.read_text("utf-8")
    else:
        found = next((path for path in sorted(folder.rglob(place.marker)) if path.is_file()), None)
        if found is None:
            raise OccbenchError(f"archive {archive.name} has no {place.marker}: has it been published anew?")
        source = found.parent
        moving.write_text(str(source.relative_to(folder)), "utf-8")
    if source.is_dir():
        _merge(source, root / place.target)
    moving.unlink()


def _merge(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.iterdir()):
        there = target / path.name
        if path.is_dir():
            _merge(path, there)
        elif not there.exists():
            os.replace(path, there)
