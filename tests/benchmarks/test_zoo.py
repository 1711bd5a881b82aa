"""The benchmark of MMPose's zoo: which families there are, and one of them beside MMPose's loop."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from ..conftest import CHECKOUT


@pytest.fixture
def zoo(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(CHECKOUT / "benchmarks"))
    yield importlib.import_module("zoo")
    for name in ("zoo", "suite"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("config", "family"),
    [
        ("td-hm_hrnet-w32_dark-8xb64-210e_coco-384x288", "td-hm_hrnet_dark_coco"),
        ("td-hm_resnetv1d101_8xb32-210e_coco-384x288", "td-hm_resnetv1d_coco"),
        ("td-hm_3xmspn50_8xb32-210e_coco-256x192", "td-hm_Nxmspn_coco"),
        ("td-hm_swin-b-p4-w7_8xb32-210e_coco-256x192", "td-hm_swin_coco"),
        ("cspnext-tiny_udp_8xb256-210e_aic-coco-256x192", "cspnext_udp_aic-coco"),
        ("rtmpose-l_8xb256-420e_coco-256x192", "rtmpose_coco"),
    ],
)
def test_a_family_has_neither_size_nor_schedule(zoo: ModuleType, config: str, family: str) -> None:
    assert zoo.family_of(config) == family


def test_of_each_family_the_smallest(zoo: ModuleType) -> None:
    chosen = {family: path.stem for family, path in zoo.families().items()}
    assert len(chosen) == 53
    assert chosen["topdown_heatmap/td-hm_ViTPose_coco"] == "td-hm_ViTPose-small_8xb64-210e_coco-256x192"
    assert chosen["topdown_heatmap/td-hm_litehrnet_coco"] == "td-hm_litehrnet-18_8xb64-210e_coco-256x192"


def test_one_family(
    zoo: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "zoo.jsonl"

    def run(*options: str) -> str:
        monkeypatch.setattr("sys.argv", ["zoo.py", "--out", str(out), "--only", "simcc_vipnas", *options])
        zoo.main()
        return capsys.readouterr().out

    row = json.loads(run().splitlines()[-1])
    assert row["decoding"] == "batched"
    assert max(row.get("px_same_network", row["px"])) <= zoo.EQUAL
    before = out.read_bytes()
    run()  # is there already
    assert out.read_bytes() == before
    assert run("--table").count("\n| simcc_vipnas") == 1
