"""The attack engine beside what people do today, and beside the floor: the forward passes that it cannot avoid.

In one process, interleaved, medians of the repetitions:

- ``mmpose``: MMPose's own Runner.test, once per attack, with the attack as a transform in its test pipeline (the model
  is built and loaded once, outside of the clock);
- each backend: the engine as ``occbench attack`` runs it, from the photos to the predictions on disk;
- its floor: nothing but the backend's forward passes over the crops that the attacks change, in the same batches.

    python benchmarks/suite.py --data ANN.json --images DIR --model tinypose-256x192 --checkpoint tinypose-256x192.pth
    python benchmarks/suite.py --data ANN.json --images DIR --model hrnet --random --persons 16 --every 28
    python benchmarks/suite.py ... --every 1 --alone
    python benchmarks/suite.py ... --kinds part-world --every 1 --alone
    python benchmarks/suite.py ... --model rtmo-s --random --photo --persons 16 --every 14 --batch-size 1
    python benchmarks/suite.py --data person_keypoints_val2017.json --model hrnet --random --persons 300 --every 3 \\
        --device cuda --backends torch,torch:tf32,torch:bf16,torch:fp16 --batch-size 128 --workers 8 --repetitions 1

Predictions of every cell are compared with MMPose's: to 1e-3 px, or the run fails. ``--alone`` leaves MMPose's loop
out, which takes most of the time. Without ``--images``, photos of the annotated sizes are made up: time does not
depend on what they show.

On a GPU MMPose's loop is left out. The floor there is what the same batches take when nothing else is done: crops to
the GPU, forward passes, search for maxima. Beside it stand the raw forward passes of the model as MMPose has it, eager
and with its batch norms, channels last, for a full batch, without the mirror image.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import json
import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("GOMP_SPINCOUNT", "3000")  # as the command line does

import cv2
import numpy as np
import torch
from mmpose_loop import MMPose, Poses  # beside this file
from whole_photos import measure_photos

from occbench.attacks import COCO, Attack, make_suite
from occbench.data.coco import read_coco
from occbench.data.persons import Dataset
from occbench.estimators.backends.lanes import pinned_stack
from occbench.estimators.backends.tuning import timed as per_batch
from occbench.estimators.config import read_config
from occbench.estimators.pose_model import PoseModel
from occbench.inference.engine import run_cells
from occbench.inference.plan import BATCHES_PER_CHUNK, Settings, chunks
from occbench.runs.store import Store
from occbench.system.compat import setup_mmpose
from occbench.weights.zoo import find_model


def random_weights(config_file: Path, folder: Path) -> Path:
    """A checkpoint with random weights: what a forward pass costs does not care."""
    setup_mmpose()
    from mmpose.models import build_pose_estimator

    config = read_config(config_file)
    config.model.backbone.init_cfg = None
    torch.manual_seed(0)
    model = build_pose_estimator(config.model)
    final = getattr(model.head, "final_layer", None)
    if final is not None:
        torch.nn.init.normal_(final.weight)  # heatmaps as they are initialised have no peak to compare
    torch.save(model.state_dict(), folder / "random.pth")
    return folder / "random.pth"


def subset(annotations: Path, images: Path | None, persons: int, folder: Path) -> tuple[Dataset, Path, Path]:
    """The first photos with about so many persons, as a data set and, for MMPose, as a file and a folder of photos."""
    data = json.loads(annotations.read_text())
    wanted: list[int] = []
    count = 0
    for image in data["images"]:
        found = sum(a["num_keypoints"] > 0 for a in data["annotations"] if a["image_id"] == image["id"])
        if found and count < persons:
            wanted.append(image["id"])
            count += found
    data["images"] = [image for image in data["images"] if image["id"] in wanted]
    data["annotations"] = [a for a in data["annotations"] if a["image_id"] in wanted]
    path = folder / "annotations.json"
    path.write_text(json.dumps(data))
    images = images or made_up(data["images"], folder / "images")
    return read_coco(path, images), path, images


def made_up(images: Sequence[dict[str, Any]], folder: Path) -> Path:
    """Photos of clouds, of the annotated sizes."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for image in images:
        clouds = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        photo = cv2.resize(clouds, (image["width"], image["height"]), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / image["file_name"]), photo)
    return folder


class Occbench:
    """The engine on one backend, and its floor."""

    def __init__(
        self, model: PoseModel, backend: str, precision: str, dataset: Dataset, settings: Settings, tune: str
    ) -> None:
        self._model, self._dataset, self._settings = model, dataset, settings
        sample = list(model.crops.cut_all(dataset.persons[:8]))
        choice = model.choose(backend, precision, sample, settings.batch_size, tune, print)
        model.use(backend, precision, sample, print, choice, settings.batch_size)
        self.batches: list[np.ndarray] = []
        self.sizes: Counter[int] = Counter()
        self._poses: list[Poses] = []

    def run(self, attacks: Sequence[Attack | None], folder: Path) -> list[Poses]:
        """Predict every cell into a fresh store; keypoints (K, 2; image px) by annotation id."""
        with tempfile.TemporaryDirectory(dir=folder) as out:
            store = Store(Path(out), {"engine": 0}, 0)
            hidden = [attack for attack in attacks if attack is not None]
            run_cells(self._model, self._dataset.persons, hidden, COCO, self._settings, store)
            stretches = chunks(self._dataset.persons, BATCHES_PER_CHUNK * self._settings.batch_size)
            for attack in attacks:
                store.finish(attack, stretches, self._dataset)
            cells = [store.read(attack) for attack in attacks]
        return [
            {person.id: pose for person, pose in zip(self._dataset.persons, cell.keypoints, strict=True)}
            for cell in cells
        ]

    def describe(self) -> dict[str, Any]:
        """What computes."""
        return self._model.about_backend()

    @property
    def crops(self) -> int:
        """How many were inferred while recording."""
        return sum(map(len, self.batches)) + sum(size * count for size, count in self.sizes.items())

    @contextlib.contextmanager
    def recording(self) -> Iterator[None]:
        """Keep the batches that the backend is asked for; on a GPU, their sizes."""
        lane: Any = self._model._lane
        if lane is not None:
            start = lane.start

            def counted(images: np.ndarray) -> Any:
                self.sizes[len(images)] += 1
                return start(images)

            lane.start = counted
            yield
            del lane.start
            return
        backend: Any = self._model._backend
        batches = self.batches

        class Recorder:
            def __call__(self, images: np.ndarray, flip: bool) -> Any:
                batches.append(images.copy())
                return backend(images, flip)

            def describe(self) -> dict[str, Any]:
                described: dict[str, Any] = backend.describe()
                return described

        self._model._backend = Recorder()
        yield
        self._model._backend = backend

    def floor(self) -> float:
        """Seconds of the forward passes alone; on a GPU, of as many batches of each size, one after the other."""
        if self._model._lane is not None:
            return sum(count * self.batch_seconds(size) for size, count in self.sizes.items())
        start = time.perf_counter()
        backend: Any = self._model._backend
        for images in self.batches:
            backend(images, self._model.flip)
        return time.perf_counter() - start

    def batch_seconds(self, size: int) -> float:
        """Of a batch of so many crops on the GPU, where the next ones are queued meanwhile."""
        lane: Any = self._model._lane
        width, height = self._model.crops.input_size
        rng = np.random.default_rng(0)
        images = pinned_stack([*rng.integers(0, 256, (size, height, width, 3), dtype=np.uint8)])
        return per_batch(lambda: lane.start(images))


def raw_rate(model: PoseModel, precision: str, size: int) -> float:
    """Crops a second of MMPose's forward pass on a GPU, eager, of batches of ``size`` that are there already."""
    from occbench.estimators.backends.torch_backend import tf32

    device = torch.device("cuda")
    network = copy.deepcopy(model._model).to(memory_format=torch.channels_last)
    width, height = model.crops.input_size
    inputs = torch.randn(size, 3, height, width, device=device).contiguous(memory_format=torch.channels_last)
    cast: Any = contextlib.nullcontext()
    if precision in ("bf16", "fp16"):
        cast = torch.autocast("cuda", {"bf16": torch.bfloat16, "fp16": torch.float16}[precision])
    rounds = []
    with torch.inference_mode(), cast, tf32(precision == "tf32"):
        for _ in range(4):  # the first one warms up
            torch.cuda.synchronize()
            start = time.perf_counter()
            for _ in range(3):
                network(inputs, None, mode="tensor")
            torch.cuda.synchronize()
            rounds.append((time.perf_counter() - start) / 3)
    return size / min(rounds)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of wall clock, and what came out."""
    start = time.perf_counter()
    found = work()
    return time.perf_counter() - start, found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--images", type=Path, help="by default, made up")
    parser.add_argument("--model", default="tinypose-256x192")
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--random", action="store_true", help="random weights in place of a checkpoint")
    parser.add_argument("--backends", default="torch,openvino,onnxruntime", help="NAME or NAME:PRECISION, with commas")
    parser.add_argument("--persons", type=int, default=64)
    parser.add_argument("--kinds", default="all", help="as --kind of occbench attack; others than all need --alone")
    parser.add_argument("--every", type=int, default=6, help="one attack of so many of the suite")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--tune", default="quick", choices=("off", "quick"), help="on a GPU: see occbench attack")
    parser.add_argument(
        "--photo", action="store_true", help="of a model that sees whole photos: beside its floor alone"
    )
    parser.add_argument("--alone", action="store_true", help="without MMPose's loop: for the whole suite")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        if arguments.photo:
            measure_photos(arguments, subset(arguments.data, arguments.images, arguments.persons, folder)[0], folder)
            return
        chosen = find_model(arguments.model)
        weights = random_weights(chosen.config_path, folder) if arguments.random else arguments.checkpoint
        dataset, annotations, images = subset(arguments.data, arguments.images, arguments.persons, folder)
        attacks: list[Attack | None] = [None, *make_suite(COCO, arguments.kinds.split(","))[:: arguments.every]]
        settings = Settings(batch_size=arguments.batch_size, workers=arguments.workers)
        contenders = {}
        on_gpu = arguments.device.startswith("cuda")
        for name in arguments.backends.split(","):
            backend, _, precision = name.partition(":")
            model = PoseModel(chosen.config_path, weights, arguments.device)
            contenders[name] = Occbench(model, backend, precision or "fp32", dataset, settings, arguments.tune)
            if on_gpu:
                rate = raw_rate(model, precision or "fp32", arguments.batch_size)
                print(
                    f"{name}: {rate:.0f} raw forward passes a second, {rate / 2:.0f} with the mirror image", flush=True
                )
        mmpose = None if arguments.alone or on_gpu else MMPose(model.config, weights, annotations, images, folder)
        seconds: dict[str, list[float]] = {}
        processor: dict[str, list[float]] = {}
        for repetition in range(arguments.repetitions + 1):  # the first one warms up, is compared, and is not counted
            took: dict[str, float] = {}
            if mmpose is not None:
                took["mmpose"], theirs = timed(lambda: mmpose.run(attacks))
            for name, contender in contenders.items():
                recording = contender.recording() if repetition == 0 else contextlib.nullcontext()
                before = time.process_time()
                with recording:
                    took[name], ours = timed(lambda c=contender: c.run(attacks, folder))  # type: ignore[misc]
                between = time.process_time()
                if mmpose is not None and repetition == 0 and ":" not in name:
                    compare(theirs, ours, attacks, name)
                took[f"{name} floor"] = contender.floor()
                if repetition:
                    share = (between - before) / (time.process_time() - between)
                    processor.setdefault(name, []).append(share)
            if repetition:
                for name, spent in took.items():
                    seconds.setdefault(name, []).append(spent)
        for name, contender in contenders.items() if on_gpu else ():
            print(f"{name}: {json.dumps(contender.describe())}", flush=True)
        changed = next(iter(contenders.values())).crops
        report(arguments, dataset, attacks, changed, seconds)
        for name, shares in processor.items():
            print(f"{name}: {statistics.median(shares):.2f} x the processor seconds of its floor")


def compare(theirs: list[Poses], ours: list[Poses], attacks: Sequence[Attack | None], name: str) -> None:
    """Every keypoint of every cell, to 1e-3 px."""
    worst = 0.0
    for attack, a, b in zip(attacks, theirs, ours, strict=True):
        if a.keys() != b.keys():
            raise SystemExit(f"{name} predicts other persons than MMPose under {attack}")
        worst = max(worst, *(float(np.abs(a[i] - b[i]).max()) for i in a))
    print(f"{name}: keypoints of {len(attacks)} cells equal MMPose's; largest difference {worst:.1e} px", flush=True)
    if worst > 1e-3:
        raise SystemExit(f"{name} differs from MMPose by {worst:.3g} px")


def report(
    arguments: argparse.Namespace,
    dataset: Dataset,
    attacks: Sequence[Attack | None],
    changed: int,
    seconds: dict[str, list[float]],
) -> None:
    """Medians as ratios."""
    pairs = len(dataset.persons) * len(attacks)
    print(
        f"\n{arguments.model}: {len(dataset.persons)} persons x {len(attacks)} cells = {pairs} crops, {changed} of "
        f"them inferred; batches of {arguments.batch_size}, {arguments.threads} threads, {arguments.device}, "
        f"medians of {arguments.repetitions} interleaved repetitions\n"
    )
    middle = {name: statistics.median(spent) for name, spent in seconds.items()}
    print("| | seconds | persons/s | crops/s | ms per crop | x its floor | times as fast as MMPose's loop |")
    print("|---|---|---|---|---|---|---|")
    for name, spent in middle.items():
        floor = f"{spent / middle[f'{name} floor']:.2f}" if f"{name} floor" in middle else ""
        crops = pairs if name == "mmpose" else changed
        rates = f"{len(dataset.persons) / spent:.2f} | {crops / spent:.1f} | {1000 * spent / crops:.1f}"
        faster = f"{middle['mmpose'] / spent:.2f}" if "mmpose" in middle else ""
        print(f"| {name} | {spent:.1f} | {rates} | {floor} | {faster} |")


if __name__ == "__main__":
    main()
