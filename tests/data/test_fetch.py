"""Fetching from a loopback server that has small archives in the layout of the published ones."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
import threading
import zipfile
from collections import namedtuple
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from occbench.cli import app
from occbench.data import fetch as module
from occbench.data import fetchable as fetchable_module
from occbench.data.fetch import WORK, fetch
from occbench.data.fetchable import FETCHABLE, Archive, Fetchable, find
from occbench.data.known import BY_NAME
from occbench.data.sources import open_dataset
from occbench.data.synthetic import generate
from occbench.system import download as download_module
from occbench.system.errors import OccbenchError

from . import set_builders as builders


@dataclass
class Server:
    """What the server has, by path, and how it misbehaves."""

    port: int = 0
    files: dict[str, bytes] = field(default_factory=dict)
    breaks: list[int] = field(default_factory=list)  # of the next answers: bytes after which the line goes dead
    asked: list[tuple[str, str]] = field(default_factory=list)  # path, Range

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/mirror"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range", "")
            state.asked.append((self.path, wanted))
            content = state.files.get(self.path.removeprefix("/mirror/"))
            if content is None:
                self.send_error(404)
                return
            start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.send_header("Content-Length", str(len(content) - start))
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("ETag", f'"{hashlib.md5(content).hexdigest()}"')
            self.end_headers()
            self.wfile.write(content[start:][: state.breaks.pop(0) if state.breaks else None])

        def log_message(self, *args: object) -> None:
            pass

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(download_module, "WAITS", (0.0,))
    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client may hang up
    state.port = http.server_address[1]
    thread = threading.Thread(target=http.serve_forever, args=(0.01,))
    thread.start()
    yield state
    http.shutdown()
    thread.join()
    http.server_close()


def packed(files: dict[str, bytes], kind: str) -> bytes:
    """A zip, tar or tar.gz."""
    data = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(data, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
    else:
        with tarfile.open(fileobj=data, mode="w:gz" if kind == "gz" else "w") as tar:
            for name, content in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return data.getvalue()


def under(folder: Path, prefix: str, pattern: str = "*") -> dict[str, bytes]:
    """The files of a folder, named below a prefix."""
    return {prefix + str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob(pattern)) if p.is_file()}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Archives by host and path, as the authors have them, but small."""
    made, rng = tmp_path_factory.mktemp("made"), np.random.default_rng(0)
    annotations: dict[str, bytes] = {}
    photos: dict[str, dict[str, bytes]] = {}
    for i, split in enumerate(("val2017", "train2017")):
        coco = generate(2, i, made / split)
        annotations[f"annotations/person_keypoints_{split}.json"] = coco.read_bytes()
        photos[split] = under(coco.parent / "images", f"{split}/")
    annotations["annotations/instances_val2017.json"] = b"{}"
    people = builders.mpii_json(rng)
    heads = builders.head_boxes(rng, 3)
    mpii = made / "mpii"
    for name in ("train", "val"):
        builders.dump(mpii / f"mpii_{name}.json", people)
    builders.savemat(mpii / "mpii_gt_val.mat", {"headboxes_src": heads})
    original = builders.mpii_mat(made / "mpii_human_pose_v1_u12_1.mat", people, heads)
    for i in (1, 2):
        builders.photo(made / "mpii_photos" / f"{i:09d}.jpg")
    for name in ("lsp", "lspet"):
        (made / name).mkdir()
        builders.lsp(made / name, rng, photos=4, extended=name == "lspet")
    crowd = json.dumps(builders.crowdpose(rng)).encode()
    folder = "mpii_human_pose_v1_u12_2/"
    return {
        "images.cocodataset.org/annotations/annotations_trainval2017.zip": packed(annotations, "zip"),
        "images.cocodataset.org/zips/val2017.zip": packed(photos["val2017"], "zip"),
        "images.cocodataset.org/zips/train2017.zip": packed(photos["train2017"], "zip"),
        "download.openmmlab.com/mmpose/datasets/mpii_annotations.tar": packed(under(mpii, "mpii_annotations/"), "tar"),
        "datasets.d2.mpi-inf.mpg.de/andriluka14cvpr/mpii_human_pose_v1_u12_2.zip": packed(
            {folder + "README.md": b"MPII", folder + original.name: original.read_bytes()}, "zip"
        ),
        "datasets.d2.mpi-inf.mpg.de/andriluka14cvpr/mpii_human_pose_v1.tar.gz": packed(
            under(made / "mpii_photos", "images/"), "gz"
        ),
        "sam.johnson.io/research/lsp_dataset.zip": packed(under(made / "lsp", "lsp_dataset/"), "zip"),
        "sam.johnson.io/research/lspet_dataset.zip": packed(under(made / "lspet", ""), "zip"),
        "download.openmmlab.com/mmpose/datasets/crowdpose_annotations.tar": packed(
            {f"crowdpose_annotations/mmpose_crowdpose_{s}.json": crowd for s in ("test", "trainval")}, "tar"
        ),
    }


Small = Callable[[str], Fetchable]


@pytest.fixture
def small(server: Server, published: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> Small:
    """What a name stands for, with the sizes and checksums of the server's archives."""
    server.files = dict(published)
    for name, known in list(BY_NAME.items()):
        monkeypatch.setitem(BY_NAME, name, replace(known, photos=None if known.photos is None else 2))

    def adapted(archive: Archive) -> Archive:
        content = published[archive.url.partition("://")[2]]
        checksum = hashlib.sha256(content).hexdigest() if archive.sha256 else ""
        places = tuple(replace(place, photos=min(place.photos, 2)) for place in archive.places)
        return replace(archive, size=len(content), unpacked=4 * len(content), sha256=checksum, places=places)

    fetchable = [replace(one, archives=tuple(map(adapted, one.archives))) for one in FETCHABLE]
    monkeypatch.setattr(fetchable_module, "FETCHABLE", tuple(fetchable))
    return find


def files(root: Path) -> list[str]:
    """Everything that is there but locks, below the data folder."""
    found = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return sorted(str(path) for path in found if path.suffix not in (".lock", ".busy"))


@pytest.mark.parametrize("name", ["coco-val2017", "coco-train2017", "mpii", "lsp", "lspet"])
def test_a_set_is_fetched_whole_and_read(
    name: str, small: Small, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    wanted = small(name)
    fetch(wanted, tmp_path, mirror=server.address, say=said.append)
    assert said[-1] == f"{name} is complete in {tmp_path}"
    assert wanted.terms in said[0]
    assert len(server.asked) == len(wanted.archives)
    assert not [path for path in files(tmp_path) if path.startswith(WORK)]
    monkeypatch.setenv("OCCBENCH_DATA", str(tmp_path))
    for known in wanted.sets:
        assert BY_NAME[known].missing() == ""
        if not known.startswith("lsp-") and known != "lsp":  # whose test half are the photos from 1001 on
            dataset = open_dataset(known)
            assert dataset.persons
            assert all(person.photo.path.is_file() for person in dataset.persons)
    fetch(wanted, tmp_path, mirror=server.address, say=said.append)
    assert len(server.asked) == len(wanted.archives)


def test_what_two_sets_share_is_fetched_once(small: Small, server: Server, tmp_path: Path) -> None:
    for name in ("coco-val2017", "coco-train2017"):
        fetch(small(name), tmp_path, mirror=server.address)
    asked = [path for path, _ in server.asked]
    assert sum("annotations_trainval2017" in path for path in asked) == 1
    assert "coco/annotations/instances_val2017.json" in files(tmp_path)


def test_a_broken_line_goes_on_where_it_broke(small: Small, server: Server, tmp_path: Path) -> None:
    server.breaks = [500, 700]
    fetch(small("lspet"), tmp_path, mirror=server.address)
    assert [wanted for _, wanted in server.asked] == ["", "bytes=500-", "bytes=1200-"]


def test_the_next_run_goes_on_where_the_last_one_gave_up(small: Small, server: Server, tmp_path: Path) -> None:
    server.breaks = [500, 0, 0, 0]
    with pytest.raises(OccbenchError, match=r"cannot fetch .*lspet_dataset.zip .*fetch https://sam.* yourself"):
        fetch(small("lspet"), tmp_path, mirror=server.address)
    assert files(tmp_path) == [f"{WORK}/lspet_dataset.zip.part", f"{WORK}/lspet_dataset.zip.part.tag"]
    server.breaks, server.asked = [], []
    fetch(small("lspet"), tmp_path, mirror=server.address)
    assert [wanted for _, wanted in server.asked] == ["bytes=500-"]
    assert small("lspet").missing(tmp_path) == ""


@pytest.mark.parametrize("moves", [0, 1, 2, 4])
def test_an_interrupted_move_goes_on_without_fetching_again(
    moves: int, small: Small, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted, move, left = small("lspet"), module.os.replace, [moves]

    def interrupted(source: Path, target: Path) -> None:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        move(source, target)

    with monkeypatch.context() as patch:
        # Of this module's own moves only: downloads and archives are moved to their places by others.
        patch.setattr(module, "os", type("os", (), {"replace": staticmethod(interrupted)}))
        with pytest.raises(KeyboardInterrupt):
            fetch(wanted, tmp_path, mirror=server.address)
    assert wanted.missing(tmp_path) or moves >= 4
    fetch(wanted, tmp_path, mirror=server.address)
    assert len(server.asked) == 1
    assert wanted.missing(tmp_path) == ""
    expected = ["joints.mat", *(f"images/im{i:05d}.jpg" for i in range(1, 5))]
    assert files(tmp_path) == sorted(f"lspet/{name}" for name in expected)


def test_a_wrong_checksum_is_refused(small: Small, server: Server, tmp_path: Path) -> None:
    path = "images.cocodataset.org/zips/val2017.zip"
    server.files[path] = server.files[path][:-1] + b"?"
    with pytest.raises(OccbenchError, match=r"wrong checksum of .*val2017.zip"):
        fetch(small("coco-val2017"), tmp_path, mirror=server.address)
    assert not (tmp_path / "coco" / "val2017").exists()
    assert not [path for path in files(tmp_path) if path.startswith(WORK)]


def test_too_little_disk_is_said_before_anything_is_fetched(
    small: Small, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**12, 0, 10**6))
    with pytest.raises(OccbenchError, match=r"mpii needs \d.* GB for a while, but .* has 0.001 GB free: make room"):
        fetch(small("mpii"), tmp_path / "deep" / "down", mirror=server.address)
    assert server.asked == []
    assert files(tmp_path) == []


def test_the_space_that_real_sets_need_is_that_of_the_archives_and_what_they_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, 39 * 10**9))
    with pytest.raises(OccbenchError, match=r"coco-train2017 needs 39.6 GB for a while, but .* has 39.0 GB free"):
        fetch(find("coco-train2017"), tmp_path, mirror="http://127.0.0.1:9")


@pytest.mark.parametrize("member", ["../outside.jpg", "/outside.jpg", "images/../../outside.jpg"])
def test_an_archive_that_leaves_its_folder_is_refused(
    member: str, small: Small, server: Server, tmp_path: Path
) -> None:
    root = tmp_path / "data"
    server.files["sam.johnson.io/research/lspet_dataset.zip"] = packed({"joints.mat": b"", member: b"x"}, "zip")
    with pytest.raises(OccbenchError, match="has a member that leaves the folder"):
        fetch(small("lspet"), root, mirror=server.address)
    assert not (root / "lspet").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_an_archive_of_something_else_is_refused(small: Small, server: Server, tmp_path: Path) -> None:
    path = "sam.johnson.io/research/lspet_dataset.zip"
    server.files[path] = packed({"readme.txt": b"moved"}, "zip")
    with pytest.raises(OccbenchError, match=r"archive lspet_dataset.zip has no joints.mat"):
        fetch(small("lspet"), tmp_path, mirror=server.address)
    server.files[path] = b"no archive"
    with pytest.raises(OccbenchError, match="is damaged or no zip or tar file"):
        fetch(small("lspet"), tmp_path / "other", mirror=server.address)


def test_an_archive_of_fewer_photos_is_said(small: Small, server: Server, tmp_path: Path) -> None:
    joints = server.files["sam.johnson.io/research/lspet_dataset.zip"]
    with zipfile.ZipFile(io.BytesIO(joints)) as archive:
        some = {name: archive.read(name) for name in ("joints.mat", "images/im00001.jpg")}
    server.files["sam.johnson.io/research/lspet_dataset.zip"] = packed(some, "zip")
    with pytest.raises(OccbenchError, match=r"lspet is fetched, but still misses 1 photos in .*images .it has 1."):
        fetch(small("lspet"), tmp_path, mirror=server.address)


def test_what_is_there_is_kept(small: Small, server: Server, tmp_path: Path) -> None:
    mine = tmp_path / "coco" / "annotations" / "instances_val2017.json"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    fetch(small("coco-val2017"), tmp_path, mirror=server.address, keep_archives=True)
    assert mine.read_text() == "mine"
    kept = [path for path in files(tmp_path) if path.startswith(WORK)]
    assert kept == [f"{WORK}/annotations_trainval2017.zip", f"{WORK}/val2017.zip"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ochuman", "https://github.com/liruilong940607/OCHumanApi.*ochuman/images/.*by hand.*missing"),
        ("flic", "https://bensapp.github.io/flic-dataset.html.*flic/examples.mat"),
        ("coco-val2017-detections", "OneDrive or Google Drive.*COCO_val2017_detections_AP_H_56_person.json"),
        ("crowdpose", "images.zip, from the Google Drive.*CrowdPose.*crowdpose/images/"),
    ],
)
def test_what_is_to_be_had_by_hand_is_said_with_its_place(
    name: str, words: str, small: Small, server: Server, tmp_path: Path
) -> None:
    with pytest.raises(OccbenchError, match=words) as caught:
        fetch(small(name), tmp_path, mirror=server.address)
    assert "\n" not in str(caught.value)
    assert (tmp_path / "crowdpose/annotations/mmpose_crowdpose_test.json").is_file() == (name == "crowdpose")


def test_hand_and_machine_together_make_crowdpose(small: Small, server: Server, tmp_path: Path) -> None:
    for i in range(3):
        builders.photo(tmp_path / "crowdpose" / "images" / f"{100 + i}.jpg")
    fetch(small("crowdpose"), tmp_path, mirror=server.address)
    assert BY_NAME["crowdpose"].missing(tmp_path) == ""


def test_command(small: Small, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCCBENCH_MIRROR", server.address)
    monkeypatch.setenv("OCCBENCH_DATA", str(tmp_path / "data"))
    done = CliRunner().invoke(app, ["fetch", "lsp", "lspet"])
    assert done.exit_code == 0, done.output
    assert small("lspet").missing(tmp_path / "data") == small("lsp").missing(tmp_path / "data") == ""
    unknown = CliRunner().invoke(app, ["fetch", "lsp", "mpi"])
    assert isinstance(unknown.exception, OccbenchError)
    assert "unknown data set to fetch 'mpi'; did you mean mpii" in str(unknown.exception)
    elsewhere = CliRunner().invoke(app, ["fetch", "lspet", "--to", str(tmp_path / "other")])
    assert elsewhere.exit_code == 0
    assert (tmp_path / "other" / "lspet" / "joints.mat").is_file()


def test_the_published_archives_are_named_once_and_completely() -> None:
    fetched = {name for one in FETCHABLE for name in one.sets}
    assert fetched == set(BY_NAME)
    assert {known.fetch for known in BY_NAME.values()} <= {one.name for one in FETCHABLE}
    for one in FETCHABLE:
        assert one.archives or one.by_hand
        for archive in one.archives:
            assert archive.url.startswith(("https://", "http://images.cocodataset.org/"))
            assert archive.sha256 or archive.url.startswith("https://")
            assert len(archive.sha256) in (0, 64)
