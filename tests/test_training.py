"""Training: from a folder of photos to weights that load safely."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from occbench.compat import setup_mmpose
from occbench.data.synthetic import generate
from occbench.errors import OccbenchError
from occbench.training import (
    EXPORTED,
    STEPS,
    TrainingData,
    best_checkpoint,
    build_config,
    export_checkpoint,
    schedule,
    train,
    training_data,
)

CONFIG = Path(__file__).parents[1] / "configs" / "hrnet_mini.py"
WEIGHTS = Path(__file__).parents[1] / "occbench" / "assets" / "hrnet-mini.pth"


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    return training_data(generate(4, 30, tmp_path_factory.mktemp("people") / "four"))


def load(path: Path) -> dict[str, Any]:
    import torch

    loaded: dict[str, Any] = torch.load(path, weights_only=True)
    return loaded


def test_train_validate_export_resume_and_start_from_weights(people: TrainingData, tmp_path: Path) -> None:
    import torch

    out = tmp_path / "run"
    settings: dict[str, Any] = {"batch_size": 2, "workers": 0, "seed": 1}
    weights = train(CONFIG, people, out, people, epochs=1, bf16=True, **settings)
    assert weights == out / EXPORTED
    first = load(weights)
    assert first["meta"] == {
        "config": "hrnet_mini.py", "epochs": 1, "batch_size": 2, "lr": 1e-3,
        "decay": "steps", "seed": 1, "bf16": True
    }  # fmt: skip
    state = first["state_dict"]
    assert {value.dtype for value in state.values()} <= {torch.float32, torch.int64}
    assert all(torch.isfinite(value).all() for value in state.values())
    steps = int(state["backbone.bn1.num_batches_tracked"])
    assert steps >= 2

    with pytest.raises(OccbenchError, match="--resume"):
        train(CONFIG, people, out, people, epochs=2, **settings)
    resumed = load(train(CONFIG, people, out, None, epochs=2, resume=True, **settings))["state_dict"]
    assert (out / "last_checkpoint").read_text().strip().endswith("epoch_2.pth")
    last = torch.load(out / "epoch_2.pth", weights_only=False)["state_dict"]
    assert int(last["backbone.bn1.num_batches_tracked"]) == 2 * steps  # went on, did not begin again
    assert resumed.keys() == state.keys()

    again = load(train(CONFIG, people, tmp_path / "more", epochs=1, init=weights, lr=0.0, **settings))["state_dict"]
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
    settings: dict[str, Any] = {"epochs": 25, "batch_size": 4, "workers": 0, "lr": 1e-1}
    weights = train(CONFIG, people, out, init=tmp_path / "headless.pth", freeze_stages=4, **settings)
    (scalars,) = out.glob("*/vis_data/scalars.json")
    losses = [json.loads(line)["loss"] for line in scalars.read_text().splitlines() if '"loss"' in line]
    assert losses[-1] < 0.75 * losses[0]
    learnt = load(weights)["state_dict"]
    backbone = [key for key in state if key.startswith("backbone.") and key.endswith(".weight")]
    assert all(torch.equal(learnt[key], state[key]) for key in backbone)


def test_the_schedule_steps_down_at_the_recipes_shares() -> None:
    import torch
    from mmengine.optim.scheduler import LinearLR, MultiStepLR

    kinds = {"LinearLR": LinearLR, "MultiStepLR": MultiStepLR}
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedulers = []
    for settings in schedule(2100):
        options = {key: value for key, value in settings.items() if key not in ("type", "by_epoch")}
        schedulers.append(kinds[settings["type"]](optimizer, by_epoch=False, **options))
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


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(None, "cannot read annotations", id="missing"),
        pytest.param("{not json", "cannot read annotations", id="no JSON"),
        pytest.param("[1, 2]", "is no COCO file", id="no COCO"),
        pytest.param('{"images": [], "annotations": []}', "no person with labelled keypoints", id="empty"),
        pytest.param('{"images": [], "annotations": [{"bbox": [0, 0, 1, 1]}]}', "no person", id="boxes only"),
    ],
)
def test_bad_annotations_are_one_clear_error(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "annotations.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(OccbenchError, match=message):
        training_data(path)


def test_other_mistakes_are_one_clear_error(people: TrainingData, tmp_path: Path) -> None:
    with pytest.raises(OccbenchError, match="--images"):
        training_data(people.annotations, tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(OccbenchError, match="--out"):
        train(CONFIG, people, tmp_path / "file" / "run", epochs=1)
    with pytest.raises(OccbenchError, match="do not exist"):
        train(CONFIG, people, tmp_path / "a", epochs=1, init=tmp_path / "none.pth")
    with pytest.raises(OccbenchError, match="--batch-size"):
        train(CONFIG, people, tmp_path / "b", epochs=1, batch_size=500, workers=0)
    with pytest.raises(OccbenchError, match="no checkpoint"):
        best_checkpoint(tmp_path)


def test_an_exported_checkpoint_holds_nothing_that_needs_unpickling(tmp_path: Path) -> None:
    import torch

    source = tmp_path / "runner.pth"
    torch.save({"state_dict": {"w": torch.ones(2)}, "message_hub": TrainingData(Path("a"), Path("b"))}, source)
    with pytest.raises(Exception, match="weights_only"):
        load(source)
    exported = load(export_checkpoint(source, tmp_path / "plain.pth", {"seed": 3}))
    assert exported.keys() == {"meta", "state_dict"}
    assert torch.equal(exported["state_dict"]["w"], torch.ones(2))
    assert {path.name for path in tmp_path.iterdir()} == {"runner.pth", "plain.pth"}


def test_the_shipped_weights_are_small_and_good(tmp_path: Path) -> None:
    """AP of the shipped weights on the embedded sample, by MMPose's own loop."""
    from mmengine.runner import Runner

    from occbench.checkpoints import load_into, load_state_dict
    from occbench.data.synthetic import SAMPLE_PHOTOS, SAMPLE_SEED

    setup_mmpose()
    assert WEIGHTS.stat().st_size <= 5_000_000
    assert load(WEIGHTS)["meta"]["config"] == "hrnet_mini.py"
    sample = training_data(generate(SAMPLE_PHOTOS, SAMPLE_SEED, tmp_path / "sample"))
    cfg = build_config(CONFIG, sample, sample, batch_size=1, workers=0, verbose=False)
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
    load_into(runner.model, load_state_dict(WEIGHTS), WEIGHTS)
    metrics = runner.val()
    assert metrics["coco/AP"] >= 0.8
