"""The two commands of the design card as they are written: data and weights are those of the model."""

from __future__ import annotations

import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from occbench.weights import zoo, zoo_model

from ..augmentations.conftest import TINY
from .conftest import Occbench, People, Refusal, TinyModel


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder without a word."""

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, str]]:
    """A folder, and the address on the loopback that it is to be had from."""
    folder = tmp_path / "server"
    folder.mkdir()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    serving = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=serving.serve_forever, args=(0.01,))
    thread.start()
    yield folder, f"http://127.0.0.1:{serving.server_address[1]}"
    serving.shutdown()
    thread.join()
    serving.server_close()


@pytest.fixture
def coco(people: People, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The people as COCO lies on a disk, to train and to validate on."""
    data = tmp_path / "data"
    (data / "coco" / "annotations").mkdir(parents=True)
    for split in ("train2017", "val2017"):
        shutil.copytree(people.images, data / "coco" / split)
        shutil.copyfile(people.annotations, data / "coco" / "annotations" / f"person_keypoints_{split}.json")
    monkeypatch.setenv("OCCBENCH_DATA", str(data))
    return data


@pytest.fixture
def small_hrnet(server: tuple[Path, str], tiny: TinyModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``hrnet`` with a handful of convolutions: its weights, and those that its training starts from, on the server."""
    import torch

    folder, address = server
    shutil.copyfile(tiny.weights, folder / "hrnet.pth")
    state = torch.load(tiny.weights, weights_only=True)
    backbone = {key.removeprefix("backbone."): value for key, value in state.items() if key.startswith("backbone.")}
    torch.save({"state_dict": backbone}, folder / "imagenet.pth")
    config = tmp_path / "small_hrnet.py"
    start = f"init_cfg=dict(type='Pretrained', checkpoint='{address}/imagenet.pth'), stem_channels=16"
    config.write_text(TINY.replace("stem_channels=16", start))
    own = zoo.ZooModel.config_path.fget
    assert own is not None

    def config_path(model: zoo.ZooModel) -> Path:
        return config if model.name == "hrnet" else own(model)

    monkeypatch.setattr(zoo.ZooModel, "config_path", property(config_path))
    monkeypatch.setattr(zoo_model, "metafile_entry", lambda path: {"Weights": f"{address}/hrnet.pth"})
    monkeypatch.setenv("OCCBENCH_CACHE", str(tmp_path / "cache"))


@pytest.mark.usefixtures("coco", "small_hrnet")
def test_attack_as_the_design_card_has_it(occbench: Occbench, tmp_path: Path) -> None:
    done = occbench("attack", "--model", "hrnet", "--kind", "part-blackout")
    assert done.code == 0, done.err
    manifest = json.loads((tmp_path / "runs" / "hrnet-coco-val2017-gt" / "manifest.json").read_text())
    assert manifest["data"]["name"] == "coco-val2017"
    assert manifest["complete"]


@pytest.mark.usefixtures("coco", "small_hrnet")
def test_train_as_the_design_card_has_it(occbench: Occbench, tmp_path: Path) -> None:
    done = occbench("train", "--aug", "partmix", "--batch-size", "2", "--epochs", "2", "--workers", "0")
    assert done.code == 0, done.err
    out = tmp_path / "runs" / "train-small_hrnet-partmix-0"
    assert (out / "model.pth").is_file()
    assert list(out.glob("best_coco_AP_*.pth"))  # chosen by coco-val2017
    assert list((tmp_path / "cache").rglob("imagenet.pth"))


def test_data_that_are_not_there_name_the_ways_on(
    refuses: Refusal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OCCBENCH_DATA", str(tmp_path / "none"))
    ways = ("`occbench fetch {}`", "--fetch", "`--data sample`", "OCCBENCH_DATA")
    for command, name in (
        (["attack", "--model", "hrnet", "--kind", "part-blackout"], "coco-val2017"),
        (["train", "--aug", "partmix"], "coco-train2017"),
        (["attack", "--model", "mpii-hrnet", "--kind", "part-blackout"], "mpii"),
        (["train", "--model", "hrnet-w32-mpii_partmix-p50"], "mpii"),
    ):
        refuses(command, *(way.format(name) for way in ways))


def test_a_config_of_ones_own_needs_its_data_named(refuses: Refusal, tiny: TinyModel) -> None:
    refuses(["attack", "--model", tiny.config, "--kind", "part-blur"], "--data", "is not known")


def test_fetch_brings_data_and_goes_on(
    occbench: Occbench, people: People, server: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from occbench.data import fetch as fetching

    asked: list[str] = []

    def brings(wanted: fetching.Fetchable, root: Path, **options: Any) -> None:
        asked.append(wanted.name)
        shutil.copytree(people.images, root / "coco" / "val2017")
        (root / "coco" / "annotations").mkdir()
        shutil.copyfile(people.annotations, root / "coco" / "annotations" / "person_keypoints_val2017.json")

    monkeypatch.setenv("OCCBENCH_DATA", str(tmp_path / "fetched"))
    monkeypatch.setattr(fetching, "fetch", brings)
    command = ["attack", "--model", "hrnet-mini", "--kind", "keypoint-blur", "--target", "nose", "--bootstrap", "0"]
    assert occbench(*command, "--fetch").code == 0
    assert asked == ["coco-val2017"]
