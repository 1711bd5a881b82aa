"""Bottom-up training: photos with any number of persons, crowds that do not count, exact resuming, AP by photo."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from occbench.data.synthetic import generate
from occbench.estimators.config import load_config
from occbench.models.higherhrnet.transforms import regions
from occbench.training import (
    Augmentation,
    Settings,
    TrainingData,
    build_config,
    build_loader,
    find_config,
    own_settings,
    train,
    training_data,
)
from occbench.training.runner import STEPS, schedule, steps_of

from .test_training_resume import kill
from .training_runs import curve, same

SIDE = 64
CROWD_COUNTS = [0, 800]
"""Of the run-length encoding: everything up to some columns."""


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four photos: with a crowd alone, with one person, with two of whom one has no labels, and with thirty."""
    file = generate(4, 5, tmp_path_factory.mktemp("bottomup") / "set")
    content = json.loads(file.read_text())
    by_photo = {
        image["id"]: [a for a in content["annotations"] if a["image_id"] == image["id"]] for image in content["images"]
    }
    first, second, third, fourth = content["images"]
    someone = content["annotations"][0]
    nobody = {"keypoints": [0] * 51, "num_keypoints": 0}
    height, width = first["height"], first["width"]
    crowd = {"size": [height, width], "counts": [0, height * (width // 2), height * (width - width // 2)]}
    people = [
        {**by_photo[first["id"]][0], **nobody, "iscrowd": 1, "segmentation": crowd},
        by_photo[second["id"]][0],
        by_photo[third["id"]][0],
        {**someone, **nobody, "id": 900, "image_id": third["id"], "bbox": [10.0, 20.0, 30.0, 40.0], "segmentation": []},
        *({**by_photo[fourth["id"]][0], "id": 1000 + i} for i in range(30)),
    ]
    file.write_text(json.dumps({**content, "annotations": people}))
    return file


@pytest.fixture(scope="module")
def data(photos: Path) -> TrainingData:
    return training_data(photos)


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """HigherHRNet of a few channels at 64x64."""
    config = load_config(find_config("higherhrnet-mini"))
    config.model.backbone.pop("init_cfg")
    extra = config.model.backbone.extra
    extra.stage1.num_channels = (4,)
    for branches, stage in enumerate(("stage2", "stage3", "stage4"), 2):
        extra[stage].update(num_blocks=(1,) * branches, num_channels=tuple(4 * (i + 1) for i in range(branches)))
    config.model.head.update(in_channels=4, deconv_channels=(4,), blocks=1)
    sizes = {"input_size": (SIDE, SIDE), "heatmap_sizes": [(SIDE // 4,) * 2, (SIDE // 2,) * 2]}
    config.model.head.decoder.update(sizes)
    for step in (*config.train_dataloader.dataset.pipeline, *config.val_dataloader.dataset.pipeline):
        if "encoder" in step:
            step.encoder.update(sizes)
        elif "input_size" in step:
            step.input_size = (SIDE, SIDE)
    file = tmp_path_factory.mktemp("narrow") / "narrow.py"
    config.dump(file)
    return file


def test_killed_and_resumed_ends_as_the_undisturbed_training(
    narrow: Path, data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With 0, 1, 2 and 30 persons in a batch, PartMix, and a validation in which nobody is found."""
    settings = Settings(epochs=2, batch_size=2, seed=3, augmentation=Augmentation(("partmix", "blur-keypoint"), p=0.8))
    whole = train(narrow, data, tmp_path / "whole", data, settings, workers=0)
    with kill(monkeypatch, "iteration", 1):
        train(narrow, data, tmp_path / "killed", data, settings, workers=0)
    resumed = train(narrow, data, tmp_path / "killed", data, settings, resume=True, workers=0)
    assert same(whole, resumed)
    undisturbed = curve(tmp_path / "whole")
    assert curve(tmp_path / "killed") == undisturbed
    assert all(0 < loss < 10 for loss, _ in undisturbed.values())
    assert list((tmp_path / "whole").glob("best_coco_AP_epoch_*.pth"))


def batches(config: Path, data: TrainingData, size: int) -> tuple[Any, Any]:
    settings = Settings(batch_size=size, init="none")
    cfg = build_config(config, data, None, settings, workers=0)
    return cfg, build_loader(cfg, settings)


def test_losses_are_means_over_the_batch(narrow: Path, data: TrainingData) -> None:
    import torch
    from mmpose.registry import MODELS

    cfg, loader = batches(narrow, data, 1)
    torch.manual_seed(0)
    net = MODELS.build(cfg.model).eval()
    each = []
    samples: dict[str, list[Any]] = {"inputs": [], "data_samples": []}
    with torch.no_grad():
        for batch in loader:
            each.append({k: v.item() for k, v in net(**net.data_preprocessor(batch), mode="loss").items()})
            samples["inputs"] += list(batch["inputs"])
            samples["data_samples"] += batch["data_samples"]
        together = net(**net.data_preprocessor(samples), mode="loss")
    assert set(together) == {"loss_heatmap_0", "loss_heatmap_1", "loss_push", "loss_pull"}
    for name, value in together.items():
        assert value.item() == pytest.approx(np.mean([one[name] for one in each]), rel=1e-4, abs=1e-9)


def test_crowds_and_persons_without_labels_do_not_count(narrow: Path, data: TrainingData) -> None:
    """The crowd's run-length encoding is kept, and a person without one is left out by the box."""
    content = json.loads(data.file.read_text())
    ignored = {a["id"]: a["segmentation"] for a in content["annotations"] if "segmentation" in a}
    assert len(ignored) == 2
    crowd = next(region for region in ignored.values() if isinstance(region, dict))
    height, width = crowd["size"]
    drawn = regions([crowd], (height, width))
    assert drawn[:, : width // 2].all()
    assert not drawn[:, width // 2 :].any()
    assert ignored[900] == [[10.0, 20.0, 40.0, 20.0, 40.0, 60.0, 10.0, 60.0]]
    cfg = build_config(narrow, data, None, Settings(init="none", batch_size=1), workers=0)
    for step in cfg.train_dataloader.dataset.pipeline:
        if step["type"] == "BottomupRandomAffine":
            step.update(shift_prob=0, rotate_prob=0, scale_prob=0)
        elif step["type"] == "RandomFlip":
            step["prob"] = 0.0
    from mmpose.registry import DATASETS

    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    sample = next(s["data_samples"] for s in dataset if s["data_samples"].img_id == content["images"][0]["id"])
    low, high = sample.gt_fields.heatmap_mask
    assert 0.3 < low.float().mean() < 0.7
    assert not high[0, :, : SIDE // 4 - 2].any()
    assert high[0, :, SIDE // 4 + 2 :].all()
    assert not sample.gt_instance_labels.keypoint_indices[..., 1].any()


def test_epochs_batch_rate_and_its_falls_are_the_configs() -> None:
    config = find_config("higherhrnet-w32_partmix-p50")
    assert own_settings(config) == {"epochs": 300, "batch_size": 12, "lr": 1e-3}
    assert own_settings(find_config("hrnet-mini")) == {}
    cfg = load_config(config)
    assert steps_of(cfg) == pytest.approx((200 / 300, 260 / 300))
    assert steps_of(load_config(find_config("res50_baseline"))) == STEPS
    assert schedule(3000, shares=steps_of(cfg))[-1]["milestones"] == [2000, 2600]


def test_the_mini_begins_with_the_backbone_of_hrnet_mini(data: TrainingData) -> None:
    import torch
    from mmpose.registry import MODELS

    from occbench.training.config import prepare_init
    from occbench.weights.checkpoints import load_state_dict
    from occbench.weights.zoo import find_model

    cfg = build_config(find_config("higherhrnet-mini"), data, None, Settings(batch_size=1), workers=0)
    assert prepare_init(cfg, None) is None
    net = MODELS.build(cfg.model)
    net.init_weights()
    theirs = load_state_dict(Path(str(find_model("hrnet-mini").checkpoint)))
    ours = net.state_dict()
    shared = [name for name in theirs if name.startswith("backbone.")]
    assert len(shared) > 100
    assert all(torch.equal(ours[name], theirs[name]) for name in shared)
