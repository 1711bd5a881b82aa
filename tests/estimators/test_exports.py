"""Exported models: made once, kept, checked before use, and refused where they are not what they should be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from occbench.estimators.backends import make_backend
from occbench.system.compat import setup_mmpose
from occbench.system.errors import OccbenchError

from .small_models import EXPORTED, assert_close, build, crops, make, oracle


def counted_exports(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A list that grows with every export."""
    setup_mmpose()
    from occbench.estimators.backends import exports

    made: list[Any] = []
    real = exports._export

    def export(*arguments: Any) -> bytes:
        made.append(arguments)
        return real(*arguments)

    monkeypatch.setattr(exports, "_export", export)
    return made


def test_exports_are_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = counted_exports(monkeypatch)
    estimator = build()
    said: list[str] = []
    for name in (*EXPORTED, *EXPORTED):
        assert_close(make(name, estimator, tmp_path, say=said.append)(crops(2), False)[0], oracle(estimator, crops(2)))
    assert len(made) == len(said) == 1
    make("openvino", estimator, tmp_path, weights="1")
    make("openvino", estimator, tmp_path, config_sha256="d")
    assert len(made) == 3
    assert len(list(tmp_path.iterdir())) == 3


def test_exports_lie_in_the_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCCBENCH_CACHE", str(tmp_path))
    make_backend(
        "onnxruntime",
        build(),
        precision="fp32",
        device="cpu",
        weights_sha256="w",
        config_sha256="c",
        sample=crops(3),
    )
    assert len(list((tmp_path / "exports").iterdir())) == 1


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda content: b"", id="empty"),
        pytest.param(lambda content: content[:-100], id="truncated"),
        pytest.param(lambda content: content[:500] + bytes([content[500] ^ 1]) + content[501:], id="one bit"),
    ],
)
def test_damaged_export_is_made_again(
    spoil: Callable[[bytes], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = counted_exports(monkeypatch)
    estimator = build()
    make("onnxruntime", estimator, tmp_path)
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    file.write_bytes(spoil(whole))
    make("onnxruntime", estimator, tmp_path)
    assert len(made) == 2
    assert len(file.read_bytes()) == len(whole)
    make("onnxruntime", estimator, tmp_path)
    assert len(made) == 2


@pytest.mark.parametrize("name", EXPORTED)
def test_wrong_export_is_refused(name: str, tmp_path: Path) -> None:
    make(name, build(seed=1), tmp_path)
    with pytest.raises(OccbenchError, match=f"--backend {name} does not compute what MMPose computes"):
        make(name, build(), tmp_path)


def test_wrong_export_is_refused_in_any_precision(tmp_path: Path) -> None:
    import openvino

    wrong = build()
    wrong.head.final_layer.weight.data.mul_(1.001)  # less than bf16 rounds
    make("openvino", wrong, tmp_path)
    expected = "does not compute what MMPose computes"
    if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        expected = "on this processor, not in bf16"
    with pytest.raises(OccbenchError, match=expected):
        make("openvino", build(), tmp_path, precision="bf16")


def test_export_of_other_outputs_is_refused(tmp_path: Path) -> None:
    make("onnxruntime", build("simcc"), tmp_path)
    with pytest.raises(OccbenchError, match="does not compute what MMPose computes"):
        make("onnxruntime", build("heatmap"), tmp_path)


@pytest.mark.parametrize("name", EXPORTED)
def test_model_that_a_runtime_refuses(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("occbench.estimators.backends.exports._export", lambda *arguments: b"no model")
    with pytest.raises(OccbenchError, match=f"--backend {name} cannot run this model.*use --backend torch"):
        make(name, build(), tmp_path)


def test_model_that_cannot_be_exported(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    estimator = build()
    estimator.head.final_layer.register_forward_hook(lambda module, inputs, output: torch.special.i0(output))
    with pytest.raises(
        OccbenchError, match=r"openvino cannot run this model: its export to ONNX failed.*--backend torch"
    ):
        make("openvino", estimator, tmp_path)
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "")
    assert_close(make("torch", estimator, tmp_path)(crops(2), False)[0], oracle(estimator, crops(2)))


def test_batch_size_that_is_baked_into_a_graph_is_found(tmp_path: Path) -> None:
    estimator = build()
    last: Any = estimator.head.final_layer
    last.register_forward_hook(lambda module, inputs, output: output * (2.0 if len(output) == 2 else 1.0))
    said: list[str] = []
    backend = make("torch", estimator, tmp_path, say=said.append)
    assert backend.describe()["graph"] == "eager"
    assert len(said) == 1
    assert "untraced" in said[0]
    for count in (1, 2, 3):
        assert_close(backend(crops(count), False)[0], oracle(estimator, crops(count)))
    with pytest.raises(OccbenchError, match="does not compute what MMPose computes"):
        make("openvino", estimator, tmp_path)


def test_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OccbenchError, match=r"cannot write .*OCCBENCH_CACHE"):
        make("onnxruntime", build(), tmp_path / "file")
