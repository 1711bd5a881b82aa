"""The photo engine beside its floor: the estimator's own test step over the photos that the attacks change.

Of ``suite.py --photo``. The floor is what cannot be avoided: MMPose's forward passes and its decoding of them, of the
same prepared photos in the same batches. On top of it come decoding the files, painting, resizing, cutting the
reference crops, matching, and writing.
"""

from __future__ import annotations

import argparse
import logging
import resource
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from occbench.attacks import COCO, Attack, make_suite
from occbench.data.persons import Dataset, Photo
from occbench.data.photos import decode
from occbench.estimators.photo_model import PhotoModel
from occbench.estimators.protocol import PhotoInput, PhotoPoses
from occbench.estimators.reference import SIZE, reference_crops
from occbench.inference.photo_engine import run_photos
from occbench.inference.plan import Settings
from occbench.runs.store import Store
from occbench.system.compat import setup_mmpose
from occbench.weights.zoo import find_model


class Recorded:
    """An estimator that keeps the batches that it is asked for, once."""

    def __init__(self, model: PhotoModel) -> None:
        self._model = model
        self.batches: list[list[PhotoInput]] | None = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def predict(self, inputs: Sequence[PhotoInput]) -> list[PhotoPoses]:
        """As the model has it."""
        if self.batches is not None:
            self.batches.append(list(inputs))
        return self._model.predict(inputs)


def random_photo_weights(config_file: Path, photos: Sequence[Photo], folder: Path) -> Path:
    """A checkpoint as training begins with it, its normalisation fitted to some photos: such a model finds nobody.

    So the floor is as low as it can be: whoever is found has to be decoded on top of it.
    """
    setup_mmpose()
    from mmpose.models import build_pose_estimator

    from occbench.estimators.config import load_config

    config = load_config(config_file)
    config.model.backbone.init_cfg = None
    torch.manual_seed(0)
    net = build_pose_estimator(config.model)
    logging.disable(logging.INFO)  # it says a line about every weight
    net.init_weights()
    logging.disable(logging.NOTSET)
    path = folder / "random.pth"
    torch.save(net.state_dict(), path)
    model = PhotoModel(config_file, path)
    norms = [module for module in model._model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum, norm.training = None, True
    with torch.no_grad():
        for photo in photos:
            image, sample = model.prepare(decode(photo)).content
            batch = model._model.data_preprocessor({"inputs": [image], "data_samples": [sample]}, False)["inputs"]
            model._model.head(model._model.extract_feat(batch))
    torch.save(model._model.state_dict(), path)
    return path


def measure_photos(arguments: argparse.Namespace, dataset: Dataset, folder: Path) -> None:
    """Print the engine's time as a multiple of its floor, and the memory that few and many cells take."""
    chosen = find_model(arguments.model)
    weights = arguments.checkpoint
    if arguments.random:
        weights = random_photo_weights(chosen.config_path, list(dataset.photos.values())[:2], folder)
    model = PhotoModel(chosen.config_path, weights, arguments.device)
    reference = reference_crops(SIZE)
    settings = Settings(batch_size=arguments.batch_size, workers=arguments.workers, scope="image")
    every = make_suite(COCO, ["all"])[:: arguments.every]
    for attacks in (every[:2], every):  # before batches are kept for the floor
        _engine(model, reference, dataset, attacks, settings, folder)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{1 + len(attacks)} cells: peak memory {peak:.0f} MB", flush=True)
    engine, floor = [], []
    cpu: list[tuple[float, float]] = []
    kept: list[list[PhotoInput]] = []
    for repetition in range(arguments.repetitions + 1):  # the first one is kept for the floor, and not counted
        recorded = Recorded(model)
        recorded.batches = kept if repetition == 0 else None
        before = time.process_time()
        engine.append(_engine(recorded, reference, dataset, every, settings, folder))
        between = time.process_time()
        start = time.perf_counter()
        for batch in kept:
            model.predict(batch)
        floor.append(time.perf_counter() - start)
        cpu.append((between - before, time.process_time() - between))
    spent, least = statistics.median(engine[1:]), statistics.median(floor[1:])
    inferred = sum(map(len, kept))
    print(
        f"{arguments.model}: {len(dataset.photos)} photos, {1 + len(every)} cells, {inferred} photos inferred; batches "
        f"of {arguments.batch_size}, {arguments.threads} threads, {arguments.workers} workers, {arguments.device}\n"
        f"engine {spent:.1f} s, floor {least:.1f} s: {spent / least:.2f} x its floor, {inferred / spent:.2f} photos/s; "
        f"of processor time {statistics.median(a / b for a, b in cpu[1:]):.2f} x",
        flush=True,
    )


def _engine(
    model: Any, reference: Any, dataset: Dataset, attacks: Sequence[Attack], settings: Settings, folder: Path
) -> float:
    place = folder / f"run-{time.time_ns()}"
    place.mkdir()
    start = time.perf_counter()
    store = Store(place, {}, 0)
    run_photos(model, reference, dataset, attacks, settings, store)
    return time.perf_counter() - start
