"""Training: from a folder of photos to weights that load safely."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from occbench.data.synthetic import generate
from occbench.system.compat import setup_mmpose
from occbench.system.errors import OccbenchError
from occbench.training import (
    EXPORTED,
    STEPS,
    Augmentation,
    Settings,
    TrainingData,
    best_checkpoint,
    build_config,
    export_checkpoint,
    schedule,
    train,
    training_data,
)
from occbench.training.plan import make_plan

from ..augmentations.conftest import TINY
from ..augmentations.conftest import mpii as mpii  # fixtures
from ..augmentations.conftest import people as people
from ..augmentations.conftest import tiny as tiny
from .training_runs import curve, load

CONFIG = Path(__file__).parents[2] / "configs" / "hrnet_mini.py"
WEIGHTS = Path(__file__).parents[2] / "occbench" / "assets" / "hrnet-mini.pth"


def test_train_validate_export_and_start_from_weights(people: TrainingData, tmp_path: Path) -> None:
    import torch

    from occbench.estimators.config import read_config
    from occbench.weights.checkpoints import load_into, load_state_dict

    setup_mmpose()
    from mmpose.models import build_pose_estimator

    out = tmp_path / "run"
    settings = Settings(
        epochs=1, batch_size=2, seed=1, bf16=True, augmentation=Augmentation(("partmix",), removal=True)
    )
    weights = train(CONFIG, people, out, people, settings, workers=0)
    assert weights == out / EXPORTED
    first = load(weights)
    aug = first["meta"].pop("aug")
    assert json.loads(aug) == [{"type": "PartMix", "p": 0.5, "removal": True}]
    assert first["meta"] == {
        "config": "hrnet_mini.py", "epochs": 1, "batch_size": 2, "lr": 1e-3, "decay": "steps", "seed": 1,
        "bf16": True, "amp": False, "deterministic": False, "freeze_stages": -1, "freeze_norm": False,
        "baseline": "partmix",
    }  # fmt: skip
    state = first["state_dict"]
    assert {value.dtype for value in state.values()} <= {torch.float32, torch.int64}
    assert all(torch.isfinite(value).all() for value in state.values())
    assert int(state["backbone.bn1.num_batches_tracked"]) >= 2

    model = build_pose_estimator(read_config(CONFIG).model)
    load_into(model, load_state_dict(weights), weights)  # as the attacks do

    kept = Settings(epochs=1, batch_size=2, init=str(weights), lr=0.0)
    again = load(train(CONFIG, people, tmp_path / "more", None, kept, workers=0))["state_dict"]
    learnt = [key for key in state if key.endswith((".weight", ".bias"))]
    assert all(torch.equal(again[key], state[key]) for key in learnt)  # a rate of 0 keeps what --init gave


def test_training_learns_and_leaves_frozen_stages_alone(people: TrainingData, tmp_path: Path) -> None:
    """The shipped backbone, frozen, with an empty head: what the head learns must show in the loss."""
    import torch

    state = load(WEIGHTS)["state_dict"]
    for name in ("head.final_layer.weight", "head.final_layer.bias"):
        state[name] = torch.zeros_like(state[name])
    torch.save(state, tmp_path / "headless.pth")
    out = tmp_path / "run"
    settings = Settings(epochs=25, batch_size=4, lr=1e-3, init=str(tmp_path / "headless.pth"), freeze_stages=4)
    weights = train(CONFIG, people, out, None, settings, workers=0)
    losses = [loss for loss, _ in curve(out).values()]
    assert losses[-1] < 0.75 * losses[0]
    learnt = load(weights)["state_dict"]
    backbone = [key for key in state if key.startswith("backbone.") and key.endswith(".weight")]
    assert all(torch.equal(learnt[key], state[key]) for key in backbone)


def test_frozen_norms_stay_and_the_rest_learns(people: TrainingData, tmp_path: Path) -> None:
    """Over two epochs: the model is turned to training anew before each."""
    import torch

    from occbench.estimators.config import read_config

    setup_mmpose()
    from mmpose.models import build_pose_estimator

    (tmp_path / "tiny.py").write_text(TINY)
    before = build_pose_estimator(read_config(tmp_path / "tiny.py").model).state_dict()
    norms = {key.rpartition(".")[0] + "." for key in before if key.endswith("running_mean")}
    generator = torch.Generator().manual_seed(0)
    for norm in norms:
        for part in ("weight", "bias", "running_mean", "running_var"):
            before[norm + part].uniform_(0.5, 1.5, generator=generator)
    torch.save(before, tmp_path / "before.pth")
    settings = Settings(epochs=2, batch_size=4, init=str(tmp_path / "before.pth"), freeze_norm=True)
    after = load(train(tmp_path / "tiny.py", people, tmp_path / "run", None, settings, workers=0))["state_dict"]
    assert norms
    for key in before:
        assert torch.equal(after[key], before[key]) == key.startswith(tuple(norms)), key


# what it starts from, and from what data


def test_init_imagenet_is_what_the_config_names(people: TrainingData, tmp_path: Path) -> None:
    import torch

    from occbench.estimators.config import read_config

    setup_mmpose()
    from mmpose.models import build_pose_estimator

    (tmp_path / "plain.py").write_text(TINY)
    backbone = build_pose_estimator(read_config(tmp_path / "plain.py").model).backbone
    torch.save(backbone.state_dict(), tmp_path / "backbone.pth")
    pretrained = f"init_cfg=dict(type='Pretrained', checkpoint={str(tmp_path / 'backbone.pth')!r}), stem_channels"
    (tmp_path / "pretrained.py").write_text(TINY.replace("stem_channels", pretrained))
    wanted = backbone.state_dict()["conv1.weight"]
    for init, equal in ((None, True), ("imagenet", True), ("none", False)):
        settings = Settings(epochs=1, batch_size=4, lr=0.0, init=init)
        state = load(train(tmp_path / "pretrained.py", people, tmp_path / f"run-{init}", None, settings, workers=0))
        assert torch.equal(state["state_dict"]["backbone.conv1.weight"], wanted) == equal
    with pytest.raises(OccbenchError, match="names no pretrained weights"):
        train(tmp_path / "plain.py", people, tmp_path / "x", None, Settings(init="imagenet", batch_size=4), workers=0)
    (tmp_path / "backbone.pth").unlink()
    with pytest.raises(OccbenchError, match=r"no checkpoint file .*; to train from scratch: --init none"):
        train(tmp_path / "pretrained.py", people, tmp_path / "x", None, Settings(batch_size=4), workers=0)


def test_mpii_is_trained_and_chosen_by_pckh(mpii: TrainingData, tmp_path: Path) -> None:
    from scipy.io import savemat

    config = tmp_path / "mpii.py"
    config.write_text(TINY.replace("CocoDataset", "MpiiDataset").replace("out_channels=17", "out_channels=16"))
    settings = Settings(epochs=1, batch_size=4, augmentation=Augmentation(("cutout-part", "partmix")))
    with pytest.raises(OccbenchError, match=r"head boxes .*mpii_gt_val.mat.* do not exist"):
        train(config, mpii, tmp_path / "run", mpii, settings, workers=0)
    heads = np.zeros((2, 2, len(mpii.labelled)))
    heads[1] = 20
    savemat(mpii.headboxes, {"headboxes_src": heads})
    assert train(config, mpii, tmp_path / "run", mpii, settings, workers=0).is_file()
    assert best_checkpoint(tmp_path / "run").name == "best_PCK_epoch_1.pth"


def test_the_plan_tells_what_would_be_done_and_writes_nothing(
    tiny: Path,
    people: TrainingData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings(epochs=21, batch_size=2, augmentation=Augmentation(("bare", "partmix")))
    plan = make_plan(tiny, people, people, settings, workers=0)
    assert list(tmp_path.iterdir()) == []
    assert plan.persons == plan.validated == len(people.labelled)
    assert plan.iterations == plan.persons // 2
    assert plan.pipeline == (
        "SeedSample", "LoadImage", "GetBBoxCenterScale", "TopdownAffine", "PartMix", "GenerateTarget", "PackPoseInputs"
    )  # fmt: skip
    assert plan.parameters * 12 == plan.checkpoint
    text = "\n".join(plan.lines())
    assert f"{plan.iterations} of 2 persons in an epoch, 21 epochs: {21 * plan.iterations}" in text
    assert f"a tenth from iteration {17 * plan.iterations}, a hundredth from {20 * plan.iterations}" in text
    assert "> PartMix > GenerateTarget" in text
    assert plan.seconds > 0
    assert plan.loss > 0


def test_the_schedule_steps_down_at_the_recipes_shares() -> None:
    import torch
    from mmengine.optim.scheduler import LinearLR, MultiStepLR

    kinds = {"LinearLR": LinearLR, "MultiStepLR": MultiStepLR}
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedulers = []
    for settings in schedule(2100):
        options = {key: value for key, value in settings.items() if key not in ("type", "by_epoch")}
        schedulers.append(kinds[settings["type"]](optimizer, by_epoch=False, **options))
    assert [settings["type"] for settings in schedule(39)] == ["MultiStepLR"]  # too short to warm up
    rates = []
    for _ in range(2100):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
    assert STEPS == (170 / 210, 200 / 210)
    assert rates[0] == pytest.approx(0.01)
    assert rates[200] == rates[1690] == pytest.approx(1.0)
    assert rates[1710] == rates[1990] == pytest.approx(0.1)
    assert rates[2010] == rates[-1] == pytest.approx(0.01)


def test_names_become_transforms_in_their_order() -> None:
    both = Augmentation.parse("cutout-part, partmix", p=0.3, removal=True, decoys=2)
    assert both.transforms == [
        {"type": "TargetedCutout", "level": "part", "p": 0.3, "removal": True, "decoys": 2},
        {"type": "PartMix", "p": 0.3, "removal": True, "decoys": 2},
    ]
    assert Augmentation.parse("multi-keypoint").transforms == [{"type": "MultiKeypointOcclusion", "p": 0.2}]
    pipeline = [{"type": t} for t in ("LoadImage", "RandomHalfBody", "RandomFlip", "mmpose.TopdownAffine", "Pack")]
    assert [step["type"] for step in Augmentation.parse("no-half-body,blur-part").put_into(pipeline, 4)] == [
        "SeedSample", "LoadImage", "RandomFlip", "mmpose.TopdownAffine", "TargetedBlur", "Pack",
    ]  # fmt: skip


def test_an_exported_checkpoint_holds_nothing_that_needs_unpickling(tmp_path: Path) -> None:
    import torch

    source = tmp_path / "runner.pth"
    torch.save({"state_dict": {"w": torch.ones(2)}, "message_hub": Augmentation()}, source)
    with pytest.raises(Exception, match="weights_only"):
        load(source)
    exported = load(export_checkpoint(source, tmp_path / "plain.pth", {"seed": 3}))
    assert exported.keys() == {"meta", "state_dict"}
    assert torch.equal(exported["state_dict"]["w"], torch.ones(2))
    assert {path.name for path in tmp_path.iterdir()} == {"runner.pth", "plain.pth"}


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The annotations of the first photos of the embedded sample."""
    from occbench.data.synthetic import SAMPLE_SEED

    return generate(30, SAMPLE_SEED, tmp_path_factory.mktemp("embedded") / "sample")


@pytest.mark.parametrize(
    ("name", "least"), [("hrnet-mini", 0.78), ("simplebaseline-mini", 0.61), ("hourglass-prm-mini", 0.73)]
)
def test_the_shipped_weights_are_small_and_good(name: str, least: float, embedded: Path, tmp_path: Path) -> None:
    """AP of the shipped weights on the first of the embedded photos, by MMPose's own loop."""
    from mmengine.runner import Runner

    from occbench.weights.checkpoints import load_into, load_state_dict
    from occbench.weights.zoo import find_model

    setup_mmpose()
    config, weights = find_model(name).config_path, Path(str(find_model(name).checkpoint))
    assert weights.stat().st_size <= 5_000_000
    assert load(weights)["meta"]["config"] == config.name
    sample = training_data(embedded)
    cfg = build_config(config, sample, sample, Settings(batch_size=1), workers=0)
    runner = Runner(
        cfg.model,
        str(tmp_path / "run"),
        val_dataloader=cfg.val_dataloader,
        val_cfg={},
        val_evaluator=cfg.val_evaluator,
        default_hooks={"checkpoint": None},
        log_level="WARNING",
        default_scope="mmpose",
    )
    load_into(runner.model, load_state_dict(weights), weights)
    metrics = runner.val()
    assert metrics["coco/AP"] >= least
