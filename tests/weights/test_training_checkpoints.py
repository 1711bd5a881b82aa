"""What training frameworks write is read as it is, without trust, and without running anything of it."""

from __future__ import annotations

import argparse
import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from occbench.system.errors import OccbenchError
from occbench.weights.checkpoints import foreign_globals, load_checkpoint, load_into, load_state_dict

from .test_checkpoints import equal, net

State = dict[str, Tensor]


def of_mmengine(state: State) -> dict[str, Any]:
    """As MMPose's tools/train.py and `occbench train` write epoch_N.pth."""
    from mmengine.logging import HistoryBuffer

    info = {"epoch": np.int64(3), "loss": np.float32(0.5), "seen": np.arange(3)}
    meta = {"epoch": 3, "iter": 9, "dataset_meta": {"dataset_name": "coco", "sigmas": np.ones(17)}}
    logs = {"train/loss": HistoryBuffer([1.0, 2.0], [1, 1])}
    return {"meta": meta, "state_dict": state, "message_hub": {"log_scalars": logs, "runtime_info": info}}


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_checkpoints_of_mmengine_need_no_trust(tmp_path: Path, legacy: bool) -> None:
    from mmengine.logging import HistoryBuffer

    path, state = tmp_path / "epoch_3.pth", net().state_dict()
    torch.save(of_mmengine(state), path, _use_new_zipfile_serialization=not legacy)
    methods, allowed = dict(HistoryBuffer._statistics_methods), set(torch.serialization.get_safe_globals())
    weights, meta = load_checkpoint(path)
    assert equal(weights, state)
    assert meta["epoch"] == 3
    assert meta["dataset_meta"]["dataset_name"] == "coco"
    assert HistoryBuffer._statistics_methods == methods  # which unpickling one would have set
    assert set(torch.serialization.get_safe_globals()) == allowed  # for this file only
    assert equal(load_state_dict(path, trust=True), state)


def test_checkpoints_with_a_command_line_need_no_trust(tmp_path: Path) -> None:
    path, state = tmp_path / "checkpoint.pth", net().state_dict()
    torch.save({"model": state, "args": argparse.Namespace(lr=1e-3, output_dir=Path("/tmp"))}, path)
    assert equal(load_state_dict(path), state)


class Method:
    """Pickles as a call of getattr, and a call of what that gives."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return (getattr, (type(self.mark), "mkdir"))


class Called:
    """Pickles as a call of the method of a class that is let through."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.mkdir, (self.mark,))


def test_what_is_let_through_is_not_called(tmp_path: Path) -> None:
    path, mark = tmp_path / "a.pth", tmp_path / "mark"
    torch.save({"state_dict": net().state_dict(), "meta": Method(mark)}, path)
    assert equal(load_state_dict(path), net().state_dict())
    torch.save({"state_dict": net().state_dict(), "meta": Called(mark)}, path)
    with pytest.raises(OccbenchError):
        load_state_dict(path)
    assert not mark.exists()


def test_a_getattr_is_no_way_in(tmp_path: Path) -> None:
    """getattr(getattr(HistoryBuffer, '__init__'), '__globals__')['...'] and a call, as an attacker would write it."""
    code = b"\x80\x02}q\x00X\x01\x00\x00\x00aq\x01cbuiltins\ngetattr\ncmmengine.logging.history_buffer\nHistoryBuffer\n"
    code += b"X\x08\x00\x00\x00__init__\x86R(X\x04\x00\x00\x00evilo."
    buffer = io.BytesIO()
    torch.save({"a": torch.zeros(1)}, buffer)
    path = tmp_path / "a.pth"
    with zipfile.ZipFile(buffer) as good, zipfile.ZipFile(path, "w") as bad:
        for entry in good.infolist():
            bad.writestr(entry.filename, code if entry.filename.endswith("data.pkl") else good.read(entry))
    with pytest.raises(OccbenchError):
        load_state_dict(path)


def test_other_classes_are_still_refused_and_named(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save({**of_mmengine(net().state_dict()), "hook": Unknown()}, path)
    assert foreign_globals(path) == [f"{__name__}.Unknown"]
    with pytest.raises(OccbenchError, match=r"\.Unknown\).*--trust-checkpoint"):
        load_state_dict(path)


class Unknown:
    """Somebody's own class."""


WRAPPED: dict[str, Callable[[State], Any]] = {
    "DDP": lambda s: {f"module.{k}": v for k, v in s.items()},
    "Lightning": lambda s: {f"model.{k}": v for k, v in s.items()},
    "compiled, then DDP": lambda s: {f"module._orig_mod.{k}": v for k, v in s.items()},
    "parts compiled": lambda s: {k.replace("backbone.", "backbone._orig_mod."): v for k, v in s.items()},
    "FSDP": lambda s: {f"_fsdp_wrapped_module.{k}": v for k, v in s.items()},
    "torch's AveragedModel": lambda s: {"n_averaged": torch.tensor(9), **{f"module.{k}": v for k, v in s.items()}},
    "mmcv 1.x EMA": lambda s: {**s, **{"ema_" + k.replace(".", "_"): v + 1 for k, v in s.items()}},
    "mmcv 1.x EMA, DDP": lambda s: {
        **{f"module.{k}": v for k, v in s.items()},
        **{f"module.ema_{k.replace('.', '_')}": v + 1 for k, v in s.items()},
    },
    "EMA beside": lambda s: {**s, **{f"ema.{k}": v + 1 for k, v in s.items()}},
    "EMA beside, Lightning": lambda s: {
        **{f"model.{k}": v for k, v in s.items()},
        **{f"model_ema.{k}": v + 1 for k, v in s.items()},
    },
    "EMA alone": lambda s: {f"ema.{k}": v for k, v in s.items()},
    "MMEngine's EMA alone": lambda s: {
        "ema_state_dict": {"steps": torch.zeros(()), **{f"module.{k}": v for k, v in s.items()}}
    },
    "model_state_dict": lambda s: {"model_state_dict": s, "epoch": 3},
    "DeepSpeed": lambda s: {"module": s, "ds_config": {}},
    "an average and no model": lambda s: {"ema": s, "model": None},
    "a network inside": lambda s: {"params": {f"net.{k}": v for k, v in s.items()}},
}


@pytest.mark.parametrize("wrap", WRAPPED.values(), ids=WRAPPED.keys())
def test_what_wrappers_leave_in_names(wrap: Callable[[State], Any], tmp_path: Path) -> None:
    state = net().state_dict()
    torch.save(wrap(dict(state)), tmp_path / "a.pth")
    assert equal(load_state_dict(tmp_path / "a.pth"), state)


def test_nothing_without_a_twin_is_left_out(tmp_path: Path) -> None:
    odd = {"ema_backbone_weight": torch.zeros(1), "head.weight": torch.zeros(1), "ema.head.bias": torch.zeros(1)}
    torch.save(odd, tmp_path / "a.pth")
    assert equal(load_state_dict(tmp_path / "a.pth"), odd)
    torch.save({"module._orig_mod.a": torch.zeros(1), "module.a": torch.ones(1)}, tmp_path / "b.pth")
    assert len(load_state_dict(tmp_path / "b.pth")) == 2


def test_versions_of_modules_are_kept_under_their_own_names(tmp_path: Path) -> None:
    compiled = nn.DataParallel(torch.compile(net()))
    torch.save({"state_dict": compiled.state_dict()}, tmp_path / "a.pth")
    state = load_state_dict(tmp_path / "a.pth")
    assert state._metadata["bn"] == {"version": 2}  # type: ignore[attr-defined]
    load_into(net(), state, "a.pth")


def test_a_pickle_of_the_list_alone_is_no_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(pickle.dumps(np.arange(3), protocol=2))
    with pytest.raises(OccbenchError):
        load_state_dict(tmp_path / "a.pth")
