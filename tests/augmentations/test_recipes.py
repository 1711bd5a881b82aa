"""The thesis' recipes: every one can be read, feeds samples, and trains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from occbench.training import Settings, TrainingData, build_config, build_loader, build_runner, find_config
from occbench.weights.zoo import find_model

RECIPES = sorted((Path(__file__).parents[2] / "configs" / "thesis").glob("*.py"))
TABLE_1 = {
    *("baseline-bare", "baseline-no-half-body", "baseline"),
    *(f"{kind}-keypoint-{p}" for kind in ("blur", "cutout", "cutout-blur") for p in ("p20", "p50")),
    *(f"{kind}-part-{p}" for kind in ("blur", "cutout", "cutout-blur") for p in ("p20-removal", "p50-removal", "p50")),
    *("multi-keypoint-p20", "partmix-p50-removal", "partmix-p50"),
}
CHOSEN = {"baseline", "blur-keypoint-p50", "cutout-part-p50", "partmix-p50"}
SIZES = {
    "hrnet-w32": (192, 256), "hrnet-w32-384": (288, 384), "res50": (192, 256), "hourglass": (256, 256),
    "hrnet-w32-mpii": (256, 256), "higherhrnet-w32": (512, 512),
}  # fmt: skip
MMPOSE = {
    "hrnet-w32": "hrnet", "hrnet-w32-384": "hrnet-w32-384", "res50": "res50", "hourglass": "hourglass",
    "hrnet-w32-mpii": "mpii-hrnet", "higherhrnet-w32": "higherhrnet-w32",
}  # fmt: skip


def read(path: Path) -> Any:
    from mmengine.config import Config

    return Config.fromfile(str(path))


def test_every_row_of_the_tables_has_its_recipe() -> None:
    rows: dict[str, set[str]] = {}
    for path in RECIPES:
        model, _, row = path.stem.partition("_")
        rows.setdefault(model, set()).add(row)
    rows_of = dict.fromkeys(SIZES, CHOSEN) | {"hrnet-w32": TABLE_1, "higherhrnet-w32": CHOSEN | {"fork"}}
    assert rows == rows_of
    assert len(TABLE_1) == 21


@pytest.mark.parametrize("model", SIZES)
def test_the_recipes_of_a_model_differ_in_the_pipeline_alone(
    model: str, people: TrainingData, mpii: TrainingData
) -> None:
    """Each is read, its training data are built as they stand in the file, and two samples are drawn."""
    from mmpose.registry import DATASETS

    base = read(find_config(f"{model}_baseline"))
    zoo = read(find_model(MMPOSE[model]).config_path)
    assert base.model.backbone == zoo.model.backbone
    assert base.model.head == zoo.model.head
    data = mpii if "mpii" in model else people
    pipelines = {}
    for path in RECIPES:
        if path.stem.partition("_")[0] != model:
            continue
        cfg = read(path)
        for key in base:
            if not key.endswith(("train_pipeline", "train_dataloader", "custom_imports")):
                assert cfg[key] == base[key], (path.stem, key)
        assert cfg.train_dataloader.dataset.data_root in ("data/coco/", "data/mpii/")
        cfg.train_dataloader.dataset.update(
            data_root="",
            ann_file=str(data.annotations),
            data_prefix={"img": str(data.images)},
            serialize_data=False,  # faster for a few
        )
        np.random.seed(0)  # noqa: NPY002
        dataset = DATASETS.build(cfg.train_dataloader.dataset)
        for index in (0, len(dataset) - 1):
            sample = dataset[index]
            assert sample["inputs"].shape == (3, *SIZES[model][::-1])
            heatmaps = sample["data_samples"].gt_fields.heatmaps
            heatmaps = heatmaps[0] if isinstance(heatmaps, list) else heatmaps
            assert heatmaps.shape[0] == (16 if "mpii" in model else 17)
            assert heatmaps.max() > 0.5
        pipelines[path.stem] = str(cfg.train_dataloader.dataset.pipeline)
    assert len(set(pipelines.values())) == len(pipelines)


def test_the_settings_are_the_thesis() -> None:
    cfg = read(find_config("hrnet-w32_cutout-blur-part-p50-removal"))
    assert (cfg.optim_wrapper.optimizer.type, cfg.optim_wrapper.optimizer.lr) == ("Adam", 1e-3)
    assert (cfg.train_cfg.max_epochs, cfg.param_scheduler[0].milestones) == (210, [170, 200])
    steps = {step["type"]: step for step in cfg.train_dataloader.dataset.pipeline}
    assert steps["RandomBBoxTransform"]["scale_factor"] == (0.65, 1.35)
    assert steps["RandomBBoxTransform"]["rotate_factor"] == 45
    assert (steps["RandomHalfBody"]["prob"], steps["RandomHalfBody"]["min_total_keypoints"]) == (0.3, 8)
    assert steps["TargetedCutoutBlur"] == {"type": "TargetedCutoutBlur", "level": "part", "p": 0.5, "removal": True}
    order = list(steps)
    assert order.index("TopdownAffine") + 1 == order.index("TargetedCutoutBlur") == order.index("GenerateTarget") - 1
    assert "RandomHalfBody" not in str(read(find_config("hrnet-w32-mpii_baseline")).train_dataloader)


@pytest.mark.parametrize("model", [model for model in SIZES if model != "higherhrnet-w32"])  # 46 G a photo
def test_one_iteration_of_each_model(model: str, people: TrainingData, mpii: TrainingData, tmp_path: Path) -> None:
    settings = Settings(epochs=1, batch_size=1, init="none")
    data = mpii if "mpii" in model else people
    cfg = build_config(find_config(f"{model}_partmix-p50"), data, None, settings, workers=0)
    cfg.model.backbone.init_cfg = None
    runner = build_runner(cfg, build_loader(cfg, settings), tmp_path, settings)
    runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    runner.model.train()
    weight = next(
        iter(runner.model.head.final_layer.parameters() if model != "hourglass" else runner.model.parameters())
    )
    before = weight.detach().clone()
    loss = runner.model.train_step(next(iter(runner.train_dataloader)), runner.optim_wrapper)["loss"]
    assert 0 < loss.item() < 100
    assert (weight != before).any()
