"""A killed and resumed training ends as an undisturbed one, and several processes train as one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from occbench.system.errors import OccbenchError
from occbench.training import (
    EXPORTED,
    RECORD,
    Augmentation,
    Settings,
    TrainingData,
    best_checkpoint,
    train,
)

from ..augmentations.conftest import people as people  # fixtures
from ..augmentations.conftest import tiny as tiny
from .training_runs import curve, load, same

CONFIG = Path(__file__).parents[2] / "configs" / "hrnet_mini.py"


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


def grade(patch: pytest.MonkeyPatch) -> None:
    """AP by epoch: the fourth is the best, the fifth the second best."""
    from mmengine.evaluator import Evaluator
    from mmengine.runner import ValLoop

    epochs = []
    validate = ValLoop.run

    def run(self: Any) -> Any:
        epochs.append(self.runner.epoch)
        return validate(self)

    patch.setattr(ValLoop, "run", run)
    table = [0.0, 0.1, 0.2, 0.3, 0.6, 0.5, 0.4]
    patch.setattr(Evaluator, "evaluate", lambda self, size: {"coco/AP": table[epochs[-1]]})


SIX = Settings(
    epochs=6,
    batch_size=2,
    seed=3,
    augmentation=Augmentation(("partmix", "multi-keypoint"), p=0.8, decoys=1),
    decay="cosine",
)


@pytest.fixture(scope="module")
def whole(tiny: Path, people: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The exported weights of a training that nothing disturbed."""
    with pytest.MonkeyPatch.context() as patch:
        grade(patch)
        return train(tiny, people, tmp_path_factory.mktemp("undisturbed") / "whole", people, SIX, workers=0)


@pytest.mark.parametrize(("where", "epoch"), [("iteration", 3), ("validation", 4)])
def test_killed_and_resumed_ends_as_the_undisturbed_training(
    tiny: Path,
    people: TrainingData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    whole: Path,
    where: str,
    epoch: int,
) -> None:
    """Same weights bit by bit, same loss at every iteration, same best epoch."""
    grade(monkeypatch)
    out = tmp_path / "killed"
    with kill(monkeypatch, where, epoch):
        train(tiny, people, out, people, SIX, workers=0, every_epoch=True)
    assert not (out / EXPORTED).exists()
    with pytest.raises(OccbenchError, match="--resume"):
        train(tiny, people, out, people, SIX, workers=0)
    (out / "epochs" / f"{epoch}.pth").unlink()  # as if killed between the checkpoint and these weights
    resumed = train(tiny, people, out, people, SIX, resume=True, workers=0, every_epoch=True)
    assert same(whole, resumed)
    assert sorted(weights.name for weights in (out / "epochs").iterdir()) == [f"{n}.pth" for n in range(1, 7)]
    assert same(out / "epochs" / "4.pth", whole)  # the best
    assert load(out / "epochs" / "4.pth")["meta"]["epoch"] == 4
    assert best_checkpoint(out).name == best_checkpoint(whole.parent).name == "best_coco_AP_epoch_4.pth"
    undisturbed = curve(whole.parent)
    assert curve(out) == undisturbed
    assert len(undisturbed) == 6
    assert len({loss for loss, _ in undisturbed.values()}) == 6
    last = [load_whole(folder / "epoch_6.pth") for folder in (out, whole.parent)]
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
