"""The same seed gives the same bytes, for any number of workers, in the order that the sampler says."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from occbench.augmentations import EpochSampler, SeedSample
from occbench.augmentations.seeding import Draw
from occbench.system.errors import OccbenchError
from occbench.training import Augmentation, Settings, TrainingData, build_config

EVERYTHING = Augmentation(("blur-keypoint", "cutout-part", "multi-keypoint", "partmix", "random-cutout"), p=0.7)


def epochs(config: Path, data: TrainingData, seed: int, workers: int, n: int = 2) -> list[list[bytes]]:
    """Every sample of ``n`` epochs, pictures and targets, by MMEngine's own loader."""
    from mmengine.runner import Runner

    settings = Settings(seed=seed, batch_size=3, augmentation=EVERYTHING)
    cfg = build_config(config, data, None, settings, workers)
    loader = Runner.build_dataloader(cfg.train_dataloader, seed=seed)
    seen = []
    for epoch in range(n):
        loader.sampler.set_epoch(epoch)
        samples = []
        for batch in loader:
            for image, label in zip(batch["inputs"], batch["data_samples"], strict=True):
                weights = label.gt_instance_labels.keypoint_weights.numpy()
                samples.append(image.numpy().tobytes() + label.gt_fields.heatmaps.numpy().tobytes() + weights.tobytes())
        seen.append(samples)
    return seen


def test_same_seed_same_bytes_with_0_and_2_workers(tiny: Path, people: TrainingData) -> None:
    alone, two = epochs(tiny, people, 3, workers=0), epochs(tiny, people, 3, workers=2)
    assert alone == two
    assert len(alone[0]) >= 6
    assert not set(alone[0]) & set(alone[1])  # every epoch draws anew
    assert not set(alone[0]) & set(epochs(tiny, people, 4, workers=0, n=1)[0])


def test_without_it_mmengine_seeds_each_worker_and_repeats_itself(tiny: Path, people: TrainingData) -> None:
    """A plain MMPose pipeline: the augmentations draw from the state that MMEngine seeds."""
    from mmengine.runner import Runner

    def one_epoch() -> list[np.ndarray]:
        settings = Settings(seed=5, batch_size=3, augmentation=EVERYTHING)
        cfg = build_config(tiny, people, None, settings, workers=2)
        cfg.train_dataloader.dataset.pipeline = cfg.train_dataloader.dataset.pipeline[1:]
        cfg.train_dataloader.sampler = {"type": "DefaultSampler", "shuffle": True}
        loader = Runner.build_dataloader(cfg.train_dataloader, seed=5)
        return [image.numpy() for batch in loader for image in batch["inputs"]]

    first, second = one_epoch(), one_epoch()
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_an_index_knows_its_epoch_in_another_process() -> None:
    draw = pickle.loads(pickle.dumps(Draw(7, 3)))
    assert (draw, draw.epoch, [10, 20, 30, 40, 50, 60, 70, 80][draw]) == (7, 3, 80)


def test_the_order_is_mmengines() -> None:
    from mmengine.dataset import DefaultSampler

    ours, theirs = EpochSampler(range(50), seed=2), DefaultSampler(range(50), seed=2)
    for epoch in (0, 4):
        ours.set_epoch(epoch)
        theirs.set_epoch(epoch)
        drawn = list(ours)
        assert drawn == list(theirs)
        assert {index.epoch for index in drawn if isinstance(index, Draw)} == {epoch}


@pytest.mark.parametrize("index", [5, None])
def test_without_an_epoch_nothing_is_seeded(index: Any) -> None:
    np.random.seed(1)  # noqa: NPY002
    before = np.random.get_state()[1].tolist()  # type: ignore[index]  # noqa: NPY002
    assert "draw_seed" not in SeedSample(0)({"sample_idx": index})
    assert np.random.get_state()[1].tolist() == before  # type: ignore[index]  # noqa: NPY002


@pytest.mark.parametrize("seed", [-1, 2**32, 0.5])
def test_a_wrong_seed_is_one_clear_error(seed: Any) -> None:
    with pytest.raises(OccbenchError, match="seed of SeedSample"):
        SeedSample(seed)
