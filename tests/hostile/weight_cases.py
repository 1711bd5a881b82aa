"""Checkpoints that run code, are damaged, or belong to something else."""

from __future__ import annotations

import contextlib
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from .case import Arguments, Case, Place

MARK = "payload-ran"
Spoil = Callable[[Place], Arguments]


class Payload:
    """Unpickled, it makes a folder."""

    def __init__(self, mark: Path) -> None:
        self.mark = str(mark)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, ...]]:
        return os.mkdir, (self.mark,)


def state(place: Place) -> dict[str, Any]:
    """Weights that fit."""
    weights: dict[str, Any] = torch.load(place.tiny.weights, weights_only=True)
    return weights


def saved(content: Callable[[Place], object], name: str = "mine.pth", **options: Any) -> Spoil:
    """A checkpoint of such a content."""

    def spoil(place: Place) -> Arguments:
        torch.save(content(place), place.folder / name, **options)
        return place.attack_with(None, name)

    return spoil


def written(data: Callable[[Place], bytes], name: str = "mine.pth") -> Spoil:
    """A checkpoint of such bytes."""

    def spoil(place: Place) -> Arguments:
        (place.folder / name).write_bytes(data(place))
        return place.attack_with(None, name)

    return spoil


def trapped(place: Place) -> dict[str, Any]:
    """Weights that fit, and a payload beside them."""
    return {"state_dict": state(place), "meta": Payload(place.folder / MARK)}


def did_not_run(place: Place) -> None:
    """The payload did not run; and it would, where somebody trusts it."""
    mark = place.folder / MARK
    assert not mark.exists()
    with contextlib.suppress(Exception):  # a bare pickle is no checkpoint, but it is unpickled first
        torch.load(place.folder / "mine.pth", weights_only=False)
    assert mark.is_dir()


def cut(share: float, **options: Any) -> Spoil:
    """Weights that fit, cut off."""

    def spoil(place: Place) -> Arguments:
        path = place.folder / "mine.pth"
        torch.save(state(place), path, **options)
        os.truncate(path, int(share * path.stat().st_size))
        return place.attack_with(None, path.name)

    return spoil


def zip_bomb(place: Place) -> Arguments:
    """A zip like torch's, whose storage is 100 MB of zeros."""
    with zipfile.ZipFile(place.folder / "mine.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mine/data.pkl", pickle.dumps({}))
        archive.writestr("mine/data/0", bytes(100_000_000))
    return place.attack_with(None, "mine.pth")


def flipped(place: Place) -> bytes:
    """Weights that fit, with one bit of their pickle turned."""
    data = bytearray(place.tiny.weights.read_bytes())
    data[data.index(b"backbone") + 3] ^= 0x80
    return bytes(data)


def nan(place: Place) -> dict[str, Any]:
    """Weights that predict nothing."""
    weights = state(place)
    weights["head.final_layer.bias"].fill_(torch.nan)
    return weights


def of_another(place: Place) -> dict[str, Any]:
    """Weights of another architecture."""
    return {key.replace("layer1.1", "stage2"): value for key, value in state(place).items()}


LEGACY = {"_use_new_zipfile_serialization": False}

WEIGHTS = [
    Case(
        "a pickle that runs code beside weights that fit",
        saved(trapped),
        ("mkdir", "--trust-checkpoint"),
        proof=did_not_run,
    ),
    Case(
        "the same in torch's old format", saved(trapped, **LEGACY), ("mkdir", "--trust-checkpoint"), proof=did_not_run
    ),
    Case(
        "a bare pickle that runs code",
        written(lambda place: pickle.dumps(Payload(place.folder / MARK))),
        ("mkdir", "--trust-checkpoint"),
        proof=did_not_run,
    ),
    Case("a checkpoint that is cut off", cut(0.5), ("is truncated",)),
    Case("the same in torch's old format", cut(0.001, **LEGACY), ("it is damaged",)),
    Case("a checkpoint with one bit turned", written(flipped), ("mine.pth",)),
    Case("a zip bomb", zip_bomb, ("unpacks to 100,00", "which no real one does")),
    Case("0 bytes", written(lambda place: b""), ("is empty",)),
    Case("a web page", written(lambda place: b"<!doctype html>"), ("is a web page",)),
    Case(
        "a Git LFS pointer",
        written(lambda place: b"version https://git-lfs.github.com/spec/v1\n"),
        ("Git LFS pointer",),
    ),
    Case("a photo", written(lambda place: b"\xff\xd8\xff\xe0" * 100), ("cannot be read",)),
    Case(
        "a wrong checksum",
        written(lambda p: p.tiny.weights.read_bytes(), "mine-00000000_20240101.pth"),
        ("wrong checksum",),
    ),
    Case("a list of numbers", saved(lambda place: [1, 2]), ("holds no weights but a list",)),
    Case(
        "text among the weights", saved(lambda place: {**state(place), "epoch": "three"}), ("holds no plain weights",)
    ),
    Case("weights of another model", saved(of_another), ("missing (backbone.layer1.1.", "left over (backbone.stage2.")),
    Case(
        "weights of another shape",
        saved(lambda place: {**state(place), "head.final_layer.bias": torch.zeros(5)}),
        ("1 of another shape (head.final_layer.bias (5,) for (17,))",),
    ),
    Case(
        "a config of another model",
        lambda place: place.attack_with("hrnet-mini", place.tiny.weights),
        ("do not fit the model", "Give the config that they belong to"),
    ),
    Case("weights of NaN", saved(nan), ("the weights",)),
    Case(
        "a file that is not there",
        lambda place: place.attack_with(None, "none.pth"),
        ("no checkpoint file 'none.pth'",),
    ),
    Case("a folder", lambda place: place.attack_with(None, place.people.images), ("no checkpoint file",)),
    Case("file:///etc/passwd", lambda place: place.attack_with(None, "file:///etc/passwd"), ("http and https only",)),
    Case("an address without a host", lambda place: place.attack_with(None, "http:///a.pth"), ("names no host",)),
]
