"""Configs, weights, devices and places that a run finds wanting once it looks at them."""

from __future__ import annotations

import hashlib
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from .conftest import CONFIG, Occbench, People, Refusal, TinyModel

Arguments = list[object]


@pytest.fixture
def attack(shared_people: People, tiny: TinyModel) -> Callable[..., Arguments]:
    """A good command line, and options that spoil it."""

    def arguments(*options: object, model: object = tiny.config, weights: object = tiny.weights) -> Arguments:
        command = ["attack", "--model", model, "--checkpoint", weights, "--data", shared_people.annotations]
        return [*command, "--kind", "keypoint-blackout", "--target", "nose", "--out", "run", *options]

    return arguments


CONFIGS = {
    "no Python": ("model = (", "cannot be read: SyntaxError"),
    "raises": ("raise RuntimeError('first\\nsecond')", "cannot be read: RuntimeError: first second"),
    "no model": ("codec = 1", "defines no 'model'"),
    "bottom-up": (CONFIG.replace("TopdownPoseEstimator", "BottomupPoseEstimator"), "is a BottomupPoseEstimator"),
    "model of another type": ("model = 'HRNet'", "is no dictionary"),
    "unknown backbone": (CONFIG.replace("ResNet", "ResNest9000"), "cannot build the model"),
    "unknown transform": (CONFIG.replace("GetBBoxCenterScale", "GetNothing"), "cannot build the test pipeline"),
    "no pipeline": (CONFIG.partition("test_dataloader")[0], "no test_dataloader.dataset.pipeline"),
    "no affine": (CONFIG.replace("TopdownAffine", "BottomupResize"), "is not top-down"),
}


@pytest.mark.parametrize(("text", "words"), CONFIGS.values(), ids=CONFIGS)
def test_a_config_of_no_use(
    attack: Callable[..., Arguments], refuses: Refusal, tmp_path: Path, text: str, words: str
) -> None:
    (tmp_path / "mine.py").write_text(text)
    refuses(attack(model="mine.py"), words)


def test_another_number_of_keypoints(
    attack: Callable[..., Arguments], refuses: Refusal, tiny: TinyModel, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(CONFIG.replace("out_channels=17", "out_channels=16"))
    state = torch.load(tiny.weights, weights_only=True)
    for name in ("head.final_layer.weight", "head.final_layer.bias"):
        state[name] = state[name][:16]
    torch.save(state, tmp_path / "mine.pth")
    refuses(attack(model="mine.py", weights="mine.pth"), "predicts 16 keypoints", "has 17")


class Touch:
    """Unpickled, it leaves a mark."""

    def __init__(self, mark: str) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, ...]]:
        return os.mkdir, (self.mark,)


def test_a_checkpoint_that_would_run_code(
    attack: Callable[..., Arguments], refuses: Refusal, tiny: TinyModel, tmp_path: Path
) -> None:
    state = torch.load(tiny.weights, weights_only=True)
    mark = tmp_path / "mark"
    torch.save({"state_dict": state, "meta": Touch(str(mark))}, tmp_path / "new.pth")
    (tmp_path / "old.pth").write_bytes(pickle.dumps({"state_dict": Touch(str(mark))}))
    refuses(attack(weights="new.pth"), "holds more than weights", "mkdir", "--trust-checkpoint")
    refuses(attack(weights="old.pth"), "old.pth")
    assert not mark.exists()
    torch.load(tmp_path / "new.pth", weights_only=False)
    assert mark.is_dir()  # so the trap works


def test_weights_of_another_architecture_name_their_keys(
    attack: Callable[..., Arguments], refuses: Refusal, tiny: TinyModel, tmp_path: Path
) -> None:
    state = torch.load(tiny.weights, weights_only=True)
    renamed = {key.replace("layer1.1", "stage2"): value for key, value in state.items()}
    torch.save(renamed, tmp_path / "renamed.pth")
    refuses(attack(weights="renamed.pth"), "missing (backbone.layer1.1.", "left over (backbone.stage2.")
    short = {key: value for key, value in state.items() if not key.startswith("head")}
    torch.save(short, tmp_path / "short.pth")
    refuses(attack(weights="short.pth"), "2 missing (head.final_layer.weight, head.final_layer.bias)")
    torch.save({**state, "head.final_layer.bias": torch.zeros(5)}, tmp_path / "shape.pth")
    refuses(attack(weights="shape.pth"), "1 of another shape (head.final_layer.bias (5,) for (17,))")


def test_weights_that_predict_nothing(
    attack: Callable[..., Arguments], refuses: Refusal, tiny: TinyModel, tmp_path: Path
) -> None:
    state = torch.load(tiny.weights, weights_only=True)
    state["head.final_layer.bias"].fill_(torch.nan)
    torch.save(state, tmp_path / "nan.pth")
    refuses(attack(weights="nan.pth"), "NaN", "check the weights")


def test_a_file_that_is_not_what_its_name_promises(
    attack: Callable[..., Arguments], refuses: Refusal, tiny: TinyModel, tmp_path: Path
) -> None:
    data = tiny.weights.read_bytes()
    digest = hashlib.sha256(data).hexdigest()[:8]
    wrong = "0" * 8
    (tmp_path / f"tiny-{wrong}_20240101.pth").write_bytes(data)
    refuses(attack(weights=f"tiny-{wrong}_20240101.pth"), "wrong checksum", wrong)
    assert digest != wrong


NO_CHECKPOINTS = {
    "empty": (b"", "is empty"),
    "text": (b"weights", "cannot be read"),
    "web page": (b"<!doctype html>", "is a web page"),
    "LFS pointer": (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
    "photo": (b"\xff\xd8\xff\xe0" * 100, "cannot be read"),
}


@pytest.mark.parametrize(("data", "words"), NO_CHECKPOINTS.values(), ids=NO_CHECKPOINTS)
def test_what_is_no_checkpoint(
    attack: Callable[..., Arguments], refuses: Refusal, tmp_path: Path, data: bytes, words: str
) -> None:
    (tmp_path / "mine.pth").write_bytes(data)
    refuses(attack(weights="mine.pth"), "mine.pth", words)


def test_a_checkpoint_that_is_cut_off_or_missing(
    attack: Callable[..., Arguments], refuses: Refusal, tiny: TinyModel, tmp_path: Path
) -> None:
    data = tiny.weights.read_bytes()
    (tmp_path / "half.pth").write_bytes(data[: len(data) // 2])
    refuses(attack(weights="half.pth"), "is truncated")
    refuses(attack(weights="none.pth"), "no checkpoint file 'none.pth'")
    refuses(attack(weights="ftp://host/a.pth"), "http and https only")


def test_a_model_without_weights(refuses: Refusal, shared_people: People) -> None:
    data = ("--data", shared_people.annotations)
    refuses(["attack", "--model", "tinypose-128x96", "--kind", "all", *data], "no weights of model", "--checkpoint")


def test_a_device_that_is_not_there(attack: Callable[..., Arguments], refuses: Refusal) -> None:
    if not torch.cuda.is_available():
        refuses(attack("--device", "cuda"), "device 'cuda' cannot be used")
    refuses(attack("--device", "toaster"), "device 'toaster' cannot be used")


@pytest.mark.parametrize("out", ["file/run", "/proc/run", "/proc/self/fd/run"])
def test_a_place_that_cannot_be_written(
    attack: Callable[..., Arguments], refuses: Refusal, tmp_path: Path, out: str
) -> None:
    if out.startswith("/proc") and not Path("/proc/self").exists():
        pytest.skip("no /proc")
    (tmp_path / "file").touch()
    refuses(attack("--out", out), f"--out {out!r} cannot be written")


def test_a_disk_that_is_full_leaves_nothing(
    attack: Callable[..., Arguments], refuses: Refusal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "runs").mkdir()
    monkeypatch.setattr("occbench.measure.write_cells", full)
    refuses(attack("--out", "runs/one"), "--out 'runs/one' cannot be written: No space left on device")


def test_an_unexpected_fault_is_one_line_and_leaves_nothing(
    attack: Callable[..., Arguments], occbench: Occbench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a\nb")

    monkeypatch.setattr("occbench.measure.write_cells", broken)
    answer = occbench(*attack())
    assert (answer.code, answer.out) == (1, "")
    line = "occbench: unexpected fault: ZeroDivisionError: a (`occbench --debug ...` shows where)\n"
    assert answer.err == line
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ZeroDivisionError):
        occbench("--debug", *attack())


def test_a_process_says_one_line_too(attack: Callable[..., Arguments], tmp_path: Path) -> None:
    """Warnings of libraries would show here, and only here."""
    torch.save({"weight": torch.zeros(1)}, tmp_path / "other.pth")
    command = [sys.executable, "-m", "occbench", *map(str, attack(weights="other.pth"))]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=300, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("occbench: weights other.pth do not fit the model")
    assert done.stderr.count("\n") == 1, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["other.pth"]
