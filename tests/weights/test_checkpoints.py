"""Loading of good, foreign, damaged and hostile checkpoints."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from torch import nn

from occbench.system.errors import OccbenchError
from occbench.weights.checkpoints import foreign_globals, load_checkpoint, load_into, load_state_dict, resolve
from occbench.weights.zoo import find_model

from ..conftest import Real

# --- reading ----------------------------------------------------------------------------------------------------------


class Payload:
    """Writes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return (os.mkdir, (str(self.mark),))


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(OrderedDict(backbone=nn.Conv2d(3, 4, 3), bn=nn.BatchNorm2d(4), head=nn.Conv2d(4, 17, 1)))


def equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return list(a) == list(b) and all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "meta": {"epoch": 3}, "optimizer": {"lr": 1.0}},
        lambda state: {"model": state, "ema_state_dict": {"steps": torch.zeros(1)}},
        lambda state: {"state_dict": {f"module.{key}": value for key, value in state.items()}},
    ],
    ids=["plain", "state_dict", "model", "module."],
)
def test_forms_of_checkpoints(tmp_path: Path, wrap: object, legacy: bool) -> None:
    path, state = tmp_path / "a.pth", net().state_dict()
    torch.save(wrap(state), path, _use_new_zipfile_serialization=not legacy)  # type: ignore[operator]
    assert equal(load_state_dict(path), state)


def test_versions_of_modules_are_kept(tmp_path: Path) -> None:
    wrapped = nn.DataParallel(net())
    torch.save({"state_dict": wrapped.state_dict()}, tmp_path / "a.pth")
    state = load_state_dict(tmp_path / "a.pth")
    assert state._metadata["bn"] == {"version": 2}  # type: ignore[attr-defined]
    assert "" in state._metadata  # type: ignore[attr-defined]


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_a_payload_does_not_run(tmp_path: Path, legacy: bool) -> None:
    path, mark = tmp_path / "a.pth", tmp_path / "mark"
    torch.save(
        {"state_dict": net().state_dict(), "meta": Payload(mark)}, path, _use_new_zipfile_serialization=not legacy
    )
    with pytest.raises(OccbenchError, match=r"posix\.mkdir.*--trust-checkpoint") as caught:
        load_state_dict(path)
    assert not mark.exists()
    assert "\n" not in str(caught.value)
    load_state_dict(path, trust=True)
    assert mark.exists()


def test_a_bare_pickle_does_not_run(tmp_path: Path) -> None:
    path, mark = tmp_path / "a.pth", tmp_path / "mark"
    path.write_bytes(pickle.dumps(Payload(mark), protocol=4))
    assert foreign_globals(path) == ["posix.mkdir"]
    with pytest.raises(OccbenchError):
        load_state_dict(path)
    assert not mark.exists()


def saved() -> bytes:
    buffer = io.BytesIO()
    torch.save({"state_dict": net().state_dict()}, buffer)
    return buffer.getvalue()


def bomb() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(50_000_000))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"", "empty", id="empty"),
        pytest.param(b"\n<!DOCTYPE html><html>", "web page", id="web page"),
        pytest.param(b"version https://git-lfs.github.com/spec/v1\n", "LFS", id="lfs pointer"),
        pytest.param(saved()[:-200], "truncated", id="truncated zip"),
        pytest.param(saved()[:40], "truncated", id="first bytes of a zip"),
        pytest.param(b"PK\x05\x06" + bytes(18), "cannot be read", id="zip of nothing"),
        pytest.param(b"weights, honestly", "cannot be read", id="text"),
        pytest.param(bytes(1000), "cannot be read", id="zeros"),
        pytest.param(pickle.dumps([1, 2, 3]), "cannot be read|no weights", id="pickled list"),
        pytest.param(b"\x08\x0e:7\n\x10" + bytes(50), "an ONNX model; give the .pth", id="onnx"),
        pytest.param(b"\x08\x07\x12\x07pytorch" + bytes(50), "an ONNX model", id="onnx of torch"),
        pytest.param(b"\x1f\x8b\x08" + bytes(50), "an archive; unpack it", id="gzip"),
        pytest.param(b"\x89HDF\r\n\x1a\n" + bytes(50), "Keras", id="hdf5"),
        pytest.param(
            (60).to_bytes(8, "little") + b'{"a":{}}' + bytes(60),
            r"a safetensors file.*ends in \.safetensors",
            id="safetensors",
        ),
        pytest.param(b"\x1c\0\0\0TFL3" + bytes(60), "TensorFlow Lite", id="tflite"),
        pytest.param(bomb(), "unpacks to 50,000,000", id="zip bomb"),
    ],
)
def test_what_is_no_checkpoint(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(content)
    for trust in (False, True):
        with pytest.raises(OccbenchError, match=said) as caught:
            load_state_dict(path, trust=trust)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_models_of_torchscript_and_of_openvino(tmp_path: Path) -> None:
    scripted, exported = tmp_path / "scripted.pth", tmp_path / "model.xml"
    torch.jit.trace(net(), torch.zeros(1, 3, 8, 8)).save(str(scripted))
    exported.write_bytes(b'<?xml version="1.0"?>\n<net name="Model0" version="11">')
    for path, said in ((scripted, "TorchScript"), (exported, "OpenVINO")):
        with pytest.raises(OccbenchError, match=rf"{said}.*\.pth.*occbench evaluate"):
            load_state_dict(path)


def test_truncated_legacy_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save({"state_dict": net().state_dict()}, path, _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    for length in (20, len(content) // 2, len(content) - 10):
        path.write_bytes(content[:length])
        with pytest.raises(OccbenchError, match="damaged"):
            load_state_dict(path)


@pytest.mark.parametrize("content", [[1, 2], {}, {"state_dict": {}}, {"epoch": 3}, {"state_dict": {"a": 1}}, 5])
def test_no_weights_in_it(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(OccbenchError, match="weights"):
        load_state_dict(tmp_path / "a.pth")


def test_missing_and_unreadable_files(tmp_path: Path) -> None:
    for path in (tmp_path / "none.pth", tmp_path):
        with pytest.raises(OccbenchError, match="cannot read checkpoint"):
            load_state_dict(path)


# --- putting weights into a model -------------------------------------------------------------------------------------


def test_all_weights_arrive() -> None:
    model, state = net(), {key: torch.full_like(value, 2) for key, value in net().state_dict().items()}
    load_into(model, state, "a.pth")
    assert equal(dict(model.state_dict()), state)


def test_harmless_buffers_are_ignored() -> None:
    load_into(net(), {**net().state_dict(), "data_preprocessor.mean": torch.zeros(3, 1, 1)}, "a.pth")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s.pop("head.bias"), r"1 missing \(head\.bias\)"),
        (lambda s: s.update(extra=torch.zeros(1)), r"1 left over \(extra\)"),
        (lambda s: s.update({"head.bias": torch.zeros(16)}), r"1 of another shape \(head\.bias \(16,\) for \(17,\)\)"),
    ],
    ids=["missing", "left over", "shape"],
)
def test_weights_that_do_not_fit(change: object, said: str) -> None:
    state = dict(net().state_dict())
    change(state)  # type: ignore[operator]
    with pytest.raises(OccbenchError, match=r"a\.pth") as caught:
        load_into(net(), state, "a.pth")
    caught.match(said)
    assert "\n" not in str(caught.value)


def test_many_keys_are_counted() -> None:
    state = {key: value for key, value in net().state_dict().items() if key.startswith("bn.")}
    with pytest.raises(OccbenchError, match=r"4 missing \(backbone\.weight, backbone\.bias, head\.weight, \.\.\.\), 1"):
        load_into(net(), state | {"other": torch.zeros(1)}, "a.pth")


@pytest.fixture(scope="module")
def tinypose() -> nn.Module:
    from occbench.system.compat import setup_mmpose

    setup_mmpose()
    from mmengine.config import Config
    from mmpose.models import build_pose_estimator

    model: nn.Module = build_pose_estimator(Config.fromfile(find_model("tinypose-128x96").config_path).model)
    return model


def test_old_names_of_mmpose_are_understood(tinypose: nn.Module) -> None:
    state = {key.replace("head.", "keypoint_head.", 1): value for key, value in tinypose.state_dict().items()}
    assert any(key.startswith("keypoint_head.") for key in state)
    load_into(tinypose, state, "old.pth")


def test_weights_of_another_architecture(tinypose: nn.Module) -> None:
    with pytest.raises(OccbenchError, match=r"missing \(backbone.*left over \(bn"):
        load_into(tinypose, net().state_dict(), "other.pth")
    foreign = {"head.final_layer.0.weight": torch.zeros(1), "backbone.layer1.weight": torch.zeros(1)}
    with pytest.raises(OccbenchError, match="missing"):
        load_into(tinypose, foreign, "other.pth")


@pytest.mark.real
@pytest.mark.parametrize("name", ["tinypose-256x192", "tinypose-128x96"])
def test_real_weights_fit(name: str, real: Real) -> None:
    path = real.weights(name)
    from occbench.system.compat import setup_mmpose

    setup_mmpose()
    from mmengine.config import Config
    from mmpose.models import build_pose_estimator

    model = build_pose_estimator(Config.fromfile(find_model(name).config_path).model)
    state = load_state_dict(resolve(str(path), find_model(name)))
    load_into(model, state, path)
    assert equal(dict(model.state_dict()), state)


def test_safetensors_load_and_damaged_ones_are_refused(tmp_path: Path) -> None:
    save_file = pytest.importorskip("safetensors.torch").save_file
    weights = {"backbone.conv.weight": torch.arange(6.0).reshape(2, 3), "head.bias": torch.ones(2)}
    path = tmp_path / "weights.safetensors"
    save_file({f"module.{name}": value for name, value in weights.items()}, path, metadata={"seed": "3"})
    state, meta = load_checkpoint(path)
    assert {name: value.tolist() for name, value in state.items()} == {n: v.tolist() for n, v in weights.items()}
    assert meta == {"seed": "3"}
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(OccbenchError, match="no whole safetensors file"):
        load_checkpoint(path)
