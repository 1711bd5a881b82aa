"""Training: from a folder of photos to weights that load safely."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from occbench.compat import setup_mmpose
from occbench.data.synthetic import generate
from occbench.errors import OccbenchError
from occbench.training import (
    EXPORTED,
    RECORD,
    STEPS,
    Augmentation,
    Settings,
    TrainingData,
    best_checkpoint,
    build_config,
    export_checkpoint,
    find_config,
    schedule,
    train,
    training_data,
)
from occbench.training.plan import make_plan

from .augmentations.conftest import TINY
from .augmentations.conftest import mpii as mpii  # fixtures
from .augmentations.conftest import people as people
from .augmentations.conftest import tiny as tiny

CONFIG = Path(__file__).parents[1] / "configs" / "hrnet_mini.py"
WEIGHTS = Path(__file__).parents[1] / "occbench" / "assets" / "hrnet-mini.pth"


def load(path: Path) -> dict[str, Any]:
    import torch

    loaded: dict[str, Any] = torch.load(path, weights_only=True)
    return loaded


def same(a: Path, b: Path) -> bool:
    """Whether two exported checkpoints have the same weights, bit by bit."""
    import torch

    left, right = load(a)["state_dict"], load(b)["state_dict"]
    return left.keys() == right.keys() and all(torch.equal(left[key], right[key]) for key in left)


def curve(out: Path) -> dict[int, tuple[float, float]]:
    """Loss and learning rate by iteration, as MMEngine logged them, of a training and its resumed parts."""
    found = {}
    for path in sorted(out.glob("*/vis_data/scalars.json")):
        for line in path.read_text().splitlines():
            row = json.loads(line)
            if "loss" in row:
                found[row["step"]] = row["loss"], row["lr"]
    return found


def test_train_validate_export_and_start_from_weights(people: TrainingData, tmp_path: Path) -> None:
    import torch

    from occbench.checkpoints import load_into, load_state_dict
    from occbench.inference.model import read_config

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
        "bf16": True, "amp": False, "deterministic": False, "freeze_stages": -1, "baseline": "partmix",
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


# a kill, and what follows


class Killed(BaseException):
    """As SIGKILL: nothing of the training catches it."""


@contextmanager
def kill(monkeypatch: pytest.MonkeyPatch, where: str, epoch: int) -> Iterator[None]:
    """Kill a training in the middle of an epoch (counted from 0), or while it is validated."""
    from mmengine.runner import EpochBasedTrainLoop, ValLoop

    with monkeypatch.context() as patch:
        if where == "iteration":
            run_iter = EpochBasedTrainLoop.run_iter

            def iterate(self: Any, index: int, batch: Any) -> None:
                if self.epoch == epoch and index == 1:
                    raise Killed
                run_iter(self, index, batch)

            patch.setattr(EpochBasedTrainLoop, "run_iter", iterate)
        else:
            validate = ValLoop.run

            def run(self: Any) -> Any:
                if self.runner.epoch == epoch:
                    raise Killed
                return validate(self)

            patch.setattr(ValLoop, "run", run)
        with pytest.raises(Killed):
            yield


@pytest.fixture
def graded(monkeypatch: pytest.MonkeyPatch) -> None:
    """AP by epoch: the fourth is the best, the fifth the second best."""
    from mmengine.evaluator import Evaluator
    from mmengine.runner import ValLoop

    epochs = []
    validate = ValLoop.run

    def run(self: Any) -> Any:
        epochs.append(self.runner.epoch)
        return validate(self)

    monkeypatch.setattr(ValLoop, "run", run)
    table = [0.0, 0.1, 0.2, 0.3, 0.6, 0.5, 0.4]
    monkeypatch.setattr(Evaluator, "evaluate", lambda self, size: {"coco/AP": table[epochs[-1]]})


@pytest.mark.parametrize(("where", "epoch"), [("iteration", 3), ("validation", 4)])
def test_killed_and_resumed_ends_as_the_undisturbed_training(
    tiny: Path,
    people: TrainingData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    graded: None,
    where: str,
    epoch: int,
) -> None:
    """Same weights bit by bit, same loss at every iteration, same best epoch."""
    augmentation = Augmentation(("partmix", "multi-keypoint"), p=0.8, decoys=1)
    settings = Settings(epochs=6, batch_size=2, seed=3, augmentation=augmentation, decay="cosine")
    whole = train(tiny, people, tmp_path / "whole", people, settings, workers=0)
    out = tmp_path / "killed"
    with kill(monkeypatch, where, epoch):
        train(tiny, people, out, people, settings, workers=0)
    assert not (out / EXPORTED).exists()
    with pytest.raises(OccbenchError, match="--resume"):
        train(tiny, people, out, people, settings, workers=0)
    resumed = train(tiny, people, out, people, settings, resume=True, workers=0)
    assert same(whole, resumed)
    assert best_checkpoint(out).name == best_checkpoint(tmp_path / "whole").name == "best_coco_AP_epoch_4.pth"
    undisturbed = curve(tmp_path / "whole")
    assert curve(out) == undisturbed
    assert len(undisturbed) == 6
    assert len({loss for loss, _ in undisturbed.values()}) == 6
    last = [load_whole(folder / "epoch_6.pth") for folder in (out, tmp_path / "whole")]
    assert last[0]["meta"]["iter"] == last[1]["meta"]["iter"]
    assert str(last[0]["optimizer"]) == str(last[1]["optimizer"])


def load_whole(path: Path) -> dict[str, Any]:
    import torch

    loaded: dict[str, Any] = torch.load(path, weights_only=False)
    return loaded


def test_a_killed_training_without_a_checkpoint_begins_again(tiny: Path, people: TrainingData, tmp_path: Path) -> None:
    settings = Settings(epochs=1, batch_size=4)
    assert train(tiny, people, tmp_path / "run", None, settings, resume=True, workers=0).is_file()
    with pytest.raises(OccbenchError, match=r"'.*run' was trained with other settings: --lr was 0.001 and is 0.01;"):
        train(tiny, people, tmp_path / "run", None, Settings(epochs=1, batch_size=4, lr=0.01), resume=True, workers=0)
    other = Settings(epochs=1, batch_size=4, augmentation=Augmentation(("partmix",)))
    with pytest.raises(OccbenchError, match=r"the augmentation was .*partmix"):
        train(tiny, people, tmp_path / "run", None, other, resume=True, workers=0)
    with pytest.raises(OccbenchError, match="the model's config is another one"):
        train(CONFIG, people, tmp_path / "run", None, settings, resume=True, workers=0)
    with pytest.raises(OccbenchError, match="--val is another one"):
        train(tiny, people, tmp_path / "run", people, settings, resume=True, workers=0)
    (tmp_path / "run" / RECORD).unlink()
    with pytest.raises(OccbenchError, match="holds no training of this command"):
        train(tiny, people, tmp_path / "run", None, settings, resume=True, workers=0)


def test_every_epoch_begins_with_a_random_state_of_its_own() -> None:
    """For what draws in a model, such as dropout; it must not hang on what was drawn before."""
    import torch

    from occbench.training.hooks import SeedEpoch

    def first_number(seed: int, epoch: int) -> float:
        torch.rand(3)
        SeedEpoch(seed).before_train_epoch(SimpleNamespace(epoch=epoch))
        return float(torch.rand(1))

    with torch.random.fork_rng():
        assert first_number(1, 4) == first_number(1, 4)
        assert len({first_number(seed, epoch) for seed in (0, 1, 2) for epoch in range(5)}) == 15


def test_another_seed_is_another_training(tiny: Path, people: TrainingData, tmp_path: Path) -> None:
    first, second, third = (
        train(tiny, people, tmp_path / str(n), None, Settings(epochs=1, batch_size=4, seed=seed), workers=0)
        for n, seed in enumerate((1, 1, 2))
    )
    assert same(first, second)
    assert not same(first, third)


def test_processes_of_torchrun_join(
    tiny: Path,
    people: TrainingData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One process of one: MMEngine's distributed model and sampler, and weights without its prefix."""
    import socket

    import torch

    settings = Settings(epochs=1, batch_size=4, seed=2, deterministic=True)
    alone = train(tiny, people, tmp_path / "alone", people, settings, workers=0, launcher="none")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    for name, value in environment.items():
        monkeypatch.setenv(name, str(value))
    try:
        joined = train(tiny, people, tmp_path / "joined", people, settings, workers=0)
    finally:
        torch.use_deterministic_algorithms(False)
    assert load(alone)["state_dict"].keys() == load(joined)["state_dict"].keys()
    (loss, _), (other, _) = curve(tmp_path / "alone")[1], curve(tmp_path / "joined")[1]
    assert loss == pytest.approx(other, rel=1e-4)


# what it starts from, and from what data


def test_init_imagenet_is_what_the_config_names(people: TrainingData, tmp_path: Path) -> None:
    import torch

    from occbench.inference.model import read_config

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


# bad input


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(None, "does not exist", id="missing"),
        pytest.param("{not json", "is not valid JSON", id="no JSON"),
        pytest.param("[1, 2]", "is no COCO file", id="no COCO"),
        pytest.param('{"images": [], "annotations": []}', "no person with labelled keypoints", id="empty"),
        pytest.param('{"images": [], "annotations": [{"bbox": [0, 0, 1, 1]}]}', "no person", id="boxes only"),
        pytest.param('{"images": [], "annotations": [{"keypoints": [1, 2]}]}', "17 whole keypoints", id="too few"),
        pytest.param('{"annotations": [{"keypoints": [1]}]}', "no list 'images'", id="no images"),
        pytest.param('[{"joints_vis": [1, 1], "image": "a.jpg"}]', "16 whole keypoints", id="MPII, too few"),
    ],
)
def test_bad_annotations_are_one_clear_error(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "annotations.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(OccbenchError, match=message):
        training_data(path)


def test_missing_photos_are_noticed_before_the_training(people: TrainingData, tmp_path: Path) -> None:
    with pytest.raises(OccbenchError, match=r"and 3 more of 4 photos of .* are not in .*; check --images"):
        training_data(people.annotations, tmp_path)
    with pytest.raises(OccbenchError, match="--images"):
        training_data(people.annotations, tmp_path / "nowhere")


def test_a_photo_that_cannot_be_decoded_is_one_clear_error(tiny: Path, people: TrainingData, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for path in people.images.iterdir():
        (images / path.name).write_bytes(path.read_bytes()[:40])
    spoilt = training_data(people.annotations, images)
    with pytest.raises(OccbenchError, match=r"^photo '.*\.jpg' cannot be read or decoded$"):
        train(tiny, spoilt, tmp_path / "run", None, Settings(epochs=1, batch_size=2), workers=0)


def test_an_error_of_a_worker_is_one_clear_line(tmp_path: Path) -> None:
    """As torch passes it on: with the worker's traceback in the message."""
    from torch._utils import ExceptionWrapper

    from occbench.training.run import one_line

    def raised(error: Exception) -> str:
        try:
            raise error
        except Exception:
            wrapped = ExceptionWrapper(where="in DataLoader worker process 0")
        with pytest.raises(OccbenchError) as caught, one_line(tmp_path):
            wrapped.reraise()
        return str(caught.value)

    assert raised(OccbenchError("PartMix needs more")) == "PartMix needs more"
    lost = FileNotFoundError("`gone` occurs when loading `/data/a b.jpg`.Please check whether the file exists.")
    assert raised(lost) == "photo '/data/a b.jpg' cannot be read or decoded"


def test_partmix_needs_parts_to_mix(tiny: Path, people: TrainingData, tmp_path: Path) -> None:
    content = json.loads(people.annotations.read_text())
    for annotation in content["annotations"]:
        annotation["keypoints"][2::3] = [2] * 5 + [0] * 12  # heads alone
    (tmp_path / "heads.json").write_text(json.dumps(content))
    heads = training_data(tmp_path / "heads.json", people.images)
    settings = Settings(epochs=1, batch_size=2, augmentation=Augmentation(("partmix",)))
    with pytest.raises(OccbenchError, match=r"two persons with different parts .* head [0-9]+, left_arm 0"):
        train(tiny, heads, tmp_path / "run", None, settings, workers=0)
    content["annotations"] = content["annotations"][:1]
    content["annotations"][0]["keypoints"][2::3] = [2] * 17
    (tmp_path / "one.json").write_text(json.dumps(content))
    with pytest.raises(OccbenchError, match="of 1 persons: head 1, left_arm 1"):
        train(tiny, training_data(tmp_path / "one.json", people.images), tmp_path / "run", None, settings, workers=0)


def test_no_space_for_a_checkpoint_is_one_clear_error(
    tiny: Path,
    people: TrainingData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from collections import namedtuple

    settings = Settings(epochs=2, batch_size=4)
    out = tmp_path / "full"
    out.mkdir()
    (out / "epoch_2.pth").symlink_to("/dev/full")
    with pytest.raises(OccbenchError, match=r"no space is left for a checkpoint in .*full'; make room"):
        train(tiny, people, out, None, settings, workers=0)
    (out / "epoch_2.pth").unlink()
    resumed = train(tiny, people, out, None, settings, resume=True, workers=0)
    assert same(resumed, train(tiny, people, tmp_path / "whole", None, settings, workers=0))

    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(10**9, 10**9, 100_000))
    with pytest.raises(OccbenchError, match="has 0 MB left, but the checkpoints of this training need 1 MB"):
        train(tiny, people, tmp_path / "small", None, settings, workers=0)


def test_other_mistakes_are_one_clear_error(people: TrainingData, tmp_path: Path) -> None:
    few = Settings(epochs=1)
    (tmp_path / "file").touch()
    with pytest.raises(OccbenchError, match="--out"):
        train(CONFIG, people, tmp_path / "file" / "run", None, Settings(epochs=1, batch_size=2), workers=0)
    with pytest.raises(OccbenchError, match=r"no file '.*none.pth'"):
        train(CONFIG, people, tmp_path / "a", None, Settings(init=str(tmp_path / "none.pth")), workers=0)
    with pytest.raises(OccbenchError, match="--batch-size"):
        train(CONFIG, people, tmp_path / "b", None, Settings(batch_size=500), workers=0)
    with pytest.raises(OccbenchError, match="--amp needs a GPU"):
        train(CONFIG, people, tmp_path / "c", None, Settings(batch_size=2, amp=True), workers=0)
    with pytest.raises(OccbenchError, match="exclude each other"):
        Settings(amp=True, bf16=True)
    with pytest.raises(OccbenchError, match="unknown decay 'step'; did you mean steps"):
        Settings(decay="step")
    with pytest.raises(OccbenchError, match="--seed"):
        Settings(seed=2**32)
    with pytest.raises(OccbenchError, match="no checkpoint"):
        best_checkpoint(tmp_path)
    with pytest.raises(OccbenchError, match=r"trains on a MpiiDataset, but .* is a CocoDataset"):
        train(find_config("hrnet-w32-mpii_baseline"), people, tmp_path / "d", None, few, workers=0)
    mixed = Settings(augmentation=Augmentation(("blur-part",)))
    with pytest.raises(OccbenchError, match=r"has an augmentation already \(PartMix\)"):
        train(find_config("hrnet-w32_partmix-p50"), people, tmp_path / "e", None, mixed, workers=0)
    for name, text, words in (
        ("broken", "model = ", "cannot be read: SyntaxError"),
        ("bare", "model = dict()", "has no model with a train_dataloader"),
        (
            "ae",
            TINY.replace("dict(type='TopdownAffine', input_size=codec['input_size']),", ""),
            "cannot be trained here",
        ),
    ):
        (tmp_path / f"{name}.py").write_text(text)
        with pytest.raises(OccbenchError, match=words):
            train(tmp_path / f"{name}.py", people, tmp_path / "f", None, few, workers=0)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["c"]


@pytest.mark.parametrize(
    ("text", "settings", "words"),
    [
        pytest.param("part-mix", {}, "unknown augmentation 'part-mix'; did you mean partmix", id="unknown"),
        pytest.param("partmix,partmix", {}, "named twice", id="twice"),
        pytest.param("partmix", {"p": 1.5}, "from 0 to 1, but got 1.5", id="p"),
        pytest.param("none", {"p": 0.5}, "need an augmentation, but --aug is none", id="p of none"),
        pytest.param("bare", {"decoys": 2}, "need an augmentation", id="decoys of none"),
        pytest.param("blur-keypoint", {"removal": True}, "a single keypoint under its disc is all", id="removal"),
        pytest.param("partmix,multi-keypoint", {"removal": True}, "not go with multi-keypoint", id="removal, multi"),
        pytest.param("random-cutout", {"removal": True}, "the control that knows no labels", id="removal, random"),
        pytest.param("random-cutout-part", {"decoys": 1}, "hides no target", id="decoys, random"),
    ],
)
def test_a_wrong_augmentation_is_one_clear_error(text: str, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(OccbenchError, match=words):
        Augmentation.parse(text, **settings)


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


def test_the_shipped_weights_are_small_and_good(tmp_path: Path) -> None:
    """AP of the shipped weights on the embedded sample, by MMPose's own loop."""
    from mmengine.runner import Runner

    from occbench.checkpoints import load_into, load_state_dict
    from occbench.data.synthetic import SAMPLE_PHOTOS, SAMPLE_SEED

    setup_mmpose()
    assert WEIGHTS.stat().st_size <= 5_000_000
    assert load(WEIGHTS)["meta"]["config"] == "hrnet_mini.py"
    sample = training_data(generate(SAMPLE_PHOTOS, SAMPLE_SEED, tmp_path / "sample"))
    cfg = build_config(CONFIG, sample, sample, Settings(batch_size=1), workers=0)
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
