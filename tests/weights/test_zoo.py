"""The models by name, against what MMPose has installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from occbench.system.errors import OccbenchError
from occbench.system.openmmlab import mmpose_configs
from occbench.weights import zoo
from occbench.weights.zoo import OWN, find_model, list_models

MMPOSE = [model for model in list_models() if model.source == "mmpose" and not model.config.startswith(OWN)]

# Published by MMPose in the tables beside its configs; (AP, AR) or PCKh.
PUBLISHED = {
    "hrnet": (0.746, 0.799),
    "simplebaseline": (0.718, 0.774),
    "hourglass": (0.726, 0.780),
    "deeppose": (0.541, 0.649),
    "rle": (0.706, 0.753),
    "rtmpose-m": (0.746, 0.795),
    "rtmpose-t": (0.682, 0.736),
    "rtmpose-s": (0.716, 0.768),
    "rtmpose-l": (0.758, 0.806),
    "vitpose-s": (0.739, 0.792),
    "vitpose-b": (0.757, 0.810),
    "vitpose-l": (0.782, 0.834),
    "vitpose-h": (0.788, 0.839),
    "hrnet-w48-384": (0.767, 0.816),
    "hrnet-w32-dark": (0.757, 0.807),
    "hrnet-w32-udp": (0.762, 0.810),
    "litehrnet-18": (0.642, 0.705),
    "litehrnet-30": (0.676, 0.736),
    "mspn": (0.765, 0.826),
    "simcc": (0.721, 0.781),
    "ae-hrnet": (0.656, 0.711),
    "dekr-hrnet-w32": (0.686, 0.735),
    "dekr-hrnet-w48": (0.714, 0.762),
    "cid-hrnet-w32": (0.704, 0.753),
    "rtmo-s": (0.673, 0.715),
    "rtmo-m": (0.709, 0.747),
    "rtmo-l": (0.724, 0.762),
    "yoloxpose-s": (0.641, 0.682),
    "yoloxpose-m": (0.695, 0.733),
    "edpose-res50": (0.716, 0.793),
    "mpii-hrnet": (0.900,),
    "mpii-res50": (0.882,),
    "mpii-hourglass": (0.889,),
}
DIGESTS = {
    "hrnet": "81c58e40",
    "simplebaseline": "04af38ce",
    "hourglass": "4ec713ba",
    "deeppose": "72ef04f3",
    "rle": "d37efd64",
    "rtmpose-m": "d8dd5ca4",
    "rtmpose-t": "e613ba3f",
    "rtmpose-s": "8edcf0d7",
    "rtmpose-l": "1352a4d2",
    "vitpose-s": "62d7a712",
    "vitpose-b": "216eae50",
    "vitpose-l": "53609f55",
    "vitpose-h": "e32adcd4",
    "hrnet-w48-384": "c161b7de",
    "hrnet-w32-dark": "0e00bf12",
    "hrnet-w32-udp": "73ede547",
    "litehrnet-18": "6bace359",
    "litehrnet-30": "4176555b",
    "mspn": "7b837afb",
    "simcc": "8e0f5b59",
    "ae-hrnet": "bcb8c247",
    "dekr-hrnet-w32": "ac7c17bf",
    "dekr-hrnet-w48": "74796c32",
    "cid-hrnet-w32": "42b7e6e6",
    "rtmo-s": "8db55a59",
    "rtmo-m": "6f4e0306",
    "rtmo-l": "516a421f",
    "yoloxpose-s": "56c79c1f",
    "yoloxpose-m": "84e9a538",
    "edpose-res50": "edpose_res50_coco_3rdparty",
    "mpii-hrnet": "6c4f923f",
    "mpii-res50": "418ffc88",
    "mpii-hourglass": "ae358435",
}


@pytest.mark.parametrize("model", MMPOSE, ids=lambda model: model.name)
def test_mmpose_has_config_weights_and_figures(model: zoo.ZooModel) -> None:
    assert model.config_path.is_file()
    assert model.checkpoint is not None
    assert model.checkpoint.startswith("https://")
    assert model.checkpoint.endswith(".pth")
    assert model.input_size is not None
    assert 0 < model.published["AP" if model.dataset == "coco" else "Mean"] < 1


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_figures_and_weights(name: str) -> None:
    model = find_model(name)
    keys = ("AP", "AR") if len(PUBLISHED[name]) == 2 else ("Mean",)
    assert tuple(model.published[key] for key in keys) == PUBLISHED[name]
    assert DIGESTS[name] in str(model.checkpoint)


@pytest.mark.parametrize("name", ["tinypose-256x192", "tinypose-128x96"])
def test_tinypose_has_a_config_but_no_weights(name: str) -> None:
    model = find_model(name)
    assert model.config_path.is_file()
    assert model.checkpoint is None
    assert dict(model.published) == {}


def test_hrnet_mini_is_in_the_package() -> None:
    model = find_model("hrnet-mini")
    assert model.checkpoint is not None
    assert Path(model.checkpoint).parts[-3:] == ("occbench", "assets", "hrnet-mini.pth")


def test_input_size_is_width_and_height() -> None:
    assert find_model("tinypose-128x96").input_size == (96, 128)
    assert find_model("hrnet-w32-384").input_size == (288, 384)
    assert find_model("rtmpose-m").input_size == (192, 256)
    assert find_model("yoloxpose-s").input_size == (640, 640)


def test_names_are_unique() -> None:
    names = [name for model in list_models() for name in (model.name, *model.aliases)]
    assert len(names) == len(set(names))
    assert find_model("hrnet-w32") is find_model("hrnet")
    assert find_model("res50") is find_model("simplebaseline")


@pytest.mark.parametrize(
    ("name", "near"), [("hrnt", "hrnet"), ("tinypose", "tinypose-128x96"), ("vitpose", "vitpose-s")]
)
def test_unknown_names_are_answered_with_near_ones(name: str, near: str) -> None:
    with pytest.raises(OccbenchError, match=f"unknown model '{name}'.*{near}"):
        find_model(name)


def test_models_say_what_they_see() -> None:
    assert find_model("ae-hrnet").sees == "photo"
    assert {find_model(name).sees for name in ("hrnet", "mpii-hrnet")} == {"crop"}
    assert find_model("dekr_hrnet-w32_8xb10-140e_coco-512x512").sees == ""  # its config says it


def test_any_config_of_mmpose_by_its_name() -> None:
    model = find_model("td-hm_res101_8xb64-210e_coco-256x192")
    assert model.config_path.stem == model.name
    assert model.published["AP"] == 0.728
    assert "065d3625" in str(model.checkpoint)


def test_a_config_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "my_pose_320x240.py"
    path.write_text("raise SystemExit('a config is not run to find it')")
    (tmp_path / "broken.yml").write_text("my_pose_320x240.py: [")
    model = find_model(str(path))
    assert (model.name, model.config_path, model.dataset) == ("my_pose_320x240", path, "unknown")
    assert model.input_size == (240, 320)
    assert model.checkpoint is None
    assert model.sees == ""
    with pytest.raises(OccbenchError, match="no config file"):
        find_model(str(tmp_path / "other.py"))


def test_without_mmpose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(OccbenchError, match=r"MMPose is not installed: `pip install --no-deps mmpose==1.3.2`"):
        mmpose_configs()
    with pytest.raises(OccbenchError, match="unknown model 'hrnt'"):
        find_model("hrnt")
    assert find_model("tinypose-128x96").config_path.is_file()


@pytest.mark.parametrize("size", ["256x192", "128x96"])
def test_tinypose_configs_build_what_they_say(size: str) -> None:
    from occbench.system.compat import setup_mmpose

    setup_mmpose()
    import torch
    from mmengine.config import Config
    from mmpose.models import build_pose_estimator

    model = find_model(f"tinypose-{size}")
    config = Config.fromfile(model.config_path)
    assert model.input_size is not None
    width, height = model.input_size
    for pipeline in (config.val_dataloader.dataset.pipeline, config.test_dataloader.dataset.pipeline):
        assert [step["type"] for step in pipeline] == [
            "LoadImage",
            "GetBBoxCenterScale",
            "TopdownAffine",
            "PackPoseInputs",
        ]
        assert tuple(pipeline[2]["input_size"]) == (width, height)
    network = build_pose_estimator(config.model).eval()
    with torch.inference_mode():
        heatmaps = network.head(network.backbone(torch.zeros(1, 3, height, width)))
    assert tuple(heatmaps.shape) == (1, 17, height // 4, width // 4)


def test_looking_things_up_is_light() -> None:
    code = (
        "import sys; from occbench.weights.zoo import list_models\n"
        "assert [m.published and m.checkpoint for m in list_models()]\n"
        "heavy = {'torch', 'mmpose', 'mmengine', 'mmcv', 'numpy'} & set(sys.modules); assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_model_whose_package_is_missing_says_how_to_mend_that(monkeypatch: pytest.MonkeyPatch) -> None:
    model = find_model("vitpose-b")
    assert model.missing == ""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert model.missing == (
        "it needs the package mmpretrain, which is not installed: pip install -c constraints.txt mmpretrain"
    )
    assert find_model("hrnet-mini").missing == ""
