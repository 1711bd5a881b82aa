"""MMPose's bottom-up and one-stage estimators over COCO beside MMPose's own test loop, with random weights.

Each config is built whole, but for its input, which is made as small as its network takes: two photos of the synthetic
sample are predicted as they are and with everybody's corpus hidden, by this project and by MMPose's Runner.test over
the attacked photos as files.

    python benchmarks/zoo_photos.py --out photos.jsonl            # goes on where it was interrupted
    python benchmarks/zoo_photos.py --out photos.jsonl --table    # the table of docs/models.md

Random weights find people by chance: thresholds of scores are taken away, and a photo keeps few of them. They also
magnify rounding: the same network by other kernels of torch (oneDNN off) says how much of a distance is that.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import io
import json
import pickle
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from occbench.attacks import COCO, Attack
from occbench.data.coco import read_coco
from occbench.data.persons import Dataset
from occbench.data.photos import decode
from occbench.data.synthetic import generate
from occbench.estimators.config import load_config
from occbench.estimators.photo_model import PhotoModel
from occbench.estimators.reference import SIZE, reference_crops
from occbench.inference.photo_engine import predict_photos
from occbench.inference.plan import Settings
from occbench.inference.scenes import Scene, cut_subjects, paint
from occbench.system.compat import setup_mmpose
from occbench.weights.zoo import find_model, list_models

HIDDEN = Attack("part", "meanout", "corpus")
SIDES: Mapping[str, int] = {"EDPoseHead": 256}
"""By head, px of the input's shorter side: ED-Pose's 900 queries need as many places in its feature maps."""
SIDE = 128
FEW = 10
"""Persons that a photo keeps, where its config says how many."""

Found = dict[int, np.ndarray]
"""By image id keypoints (D, K, 2), image px."""


def shrunk(config: Any) -> Any:
    """A config with a small input, and with thresholds that random weights pass."""
    config = copy.deepcopy(config)
    config.model.backbone.pop("init_cfg", None)
    head, test = config.model.head, config.model.test_cfg
    side = SIDES.get(head.type, SIDE)
    for step in config.test_dataloader.dataset.pipeline:
        if "input_size" in step:
            step["input_size"] = (side, side)
        if "scales" in step:
            step["scales"] = [(side, side * 5 // 3)]
    if "input_size" in test:
        test["input_size"] = (side, side)
    for name, value in {"score_thr": 0.0, "nms_thr": 0.1, "max_instances": FEW, "max_num_people": FEW}.items():
        if name in test:
            test[name] = value
    codec = head.get("decoder") or head.get("data_decoder") or {}
    few = dict.fromkeys(("decode_max_instances", "decode_topk", "num_select"), FEW)
    for name, value in {**few, "decode_keypoint_thr": -1.0, "decode_thr": -1.0}.items():
        if name in codec:
            codec[name] = value
    return config


def random_weights(config: Any, inputs: Sequence[np.ndarray], folder: Path) -> tuple[Path, Path, int]:
    """A config file and a checkpoint that answers moderately to two photos; how many weights there are."""
    from mmpose.models import build_pose_estimator

    file, weights = folder / "config.py", folder / "random.pth"
    config.dump(file)
    torch.manual_seed(0)
    net = build_pose_estimator(config.model)
    for parameter in net.parameters():
        if not torch.isfinite(parameter).all() or parameter.abs().max() > 1e3:  # what MMPose leaves uninitialised
            torch.nn.init.normal_(parameter)
    torch.save(net.state_dict(), weights)
    model = PhotoModel(file, weights)
    norms = [module for module in model._model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum, norm.training = None, True
    for picture in inputs if norms else ():
        model.predict([model.prepare(picture)])
    for module in model._model.head.modules():
        if isinstance(module, torch.nn.Conv2d) and module.bias is not None:  # what predicts, without a norm behind it
            torch.nn.init.normal_(module.weight, std=0.01)
    torch.save(model._model.state_dict(), weights)
    return file, weights, sum(parameter.numel() for parameter in net.parameters())


def by_mmpose(config: Any, weights: Path, annotations: Path, images: Path, folder: Path) -> Found:
    """What MMPose's own test loop finds in the photos of a folder."""
    from mmengine.runner import Runner

    config = copy.deepcopy(config)
    dataset = config.test_dataloader.dataset
    dataset.update(data_root="", ann_file=str(annotations), data_prefix={"img": f"{images}/"}, test_mode=True)
    config.test_dataloader.update(batch_size=1, num_workers=0, persistent_workers=False)
    dump = folder / "predictions.pkl"
    with contextlib.redirect_stdout(io.StringIO()):
        Runner(
            model=config.model,
            work_dir=str(folder),
            test_dataloader=config.test_dataloader,
            test_cfg={},
            test_evaluator=[{"type": "DumpResults", "out_file_path": str(dump)}],
            load_from=str(weights),
            default_scope="mmpose",
            log_level="ERROR",
            experiment_name=f"zoo-{time.time_ns()}",
        ).test()
    samples = pickle.loads(dump.read_bytes())
    return {int(sample["img_id"]): np.asarray(sample["pred_instances"]["keypoints"])[..., :2] for sample in samples}


def measured(name: str, dataset: Dataset, folder: Path) -> dict[str, Any]:
    """What is said of one model: how far it is from MMPose, or what stands in the way."""
    row: dict[str, Any] = {"model": name}
    try:
        config = shrunk(load_config(find_model(name).config_path))
        row |= {"head": config.model.head.type}
        pictures = [decode(photo) for photo in dataset.photos.values()]
        file, weights, row["parameters"] = random_weights(config, pictures, folder)
        model = PhotoModel(file, weights)
        row["input"] = list(model.input_size)
        reference = reference_crops(SIZE)
        settings = Settings(batch_size=1, scope="image")
        cells, _ = predict_photos(model, reference, dataset, [HIDDEN], settings)
        with torch.backends.mkldnn.flags(enabled=False):
            rounded, _ = predict_photos(model, reference, dataset, [HIDDEN], settings)
        row |= {"found": [], "px": [], "rounding": []}
        for cell, other in zip(cells, rounded, strict=True):
            images = attacked(dataset, reference, cell.attack, folder)
            theirs = by_mmpose(load_config(file), weights, dataset.annotations, images, folder)
            assert cell.found is not None
            assert other.found is not None
            own = [cell.found.some(cell.found.image == image) for image in theirs]
            counts = [(len(mine), len(points)) for mine, points in zip(own, theirs.values(), strict=True)]
            if any(mine != other for mine, other in counts):
                raise ValueError(f"finds {counts} persons (here, MMPose)")
            row["found"].append(sum(mine for mine, _ in counts))
            apart = [np.abs(a.keypoints - b).max(initial=0) for a, b in zip(own, theirs.values(), strict=True)]
            row["px"].append(float(max(apart)))
            same = len(cell.found.keypoints) == len(other.found.keypoints)
            away = np.abs(cell.found.keypoints - other.found.keypoints).max(initial=0) if same else np.nan
            row["rounding"].append(float(away))
    except Exception as error:  # whatever a model cannot do belongs into the table
        return row | {"error": (str(error).strip().splitlines() or [type(error).__name__])[0][:300]}
    return row


def attacked(dataset: Dataset, reference: Any, attack: Attack | None, folder: Path) -> Path:
    """A folder of the photos under an attack, as lossless files; of no attack, as they are."""
    if attack is None:
        return dataset.images
    place = folder / "attacked"
    place.mkdir(exist_ok=True)
    people = dataset.people()
    for photo in dataset.photos.values():
        picture, subjects = cut_subjects(reference, photo, people.get(photo.id, ()))
        painted = paint(Scene(picture, (), subjects), attack, COCO, 0).picture
        _, png = cv2.imencode(".png", painted)
        (place / photo.file_name).write_bytes(png.tobytes())  # whatever it is called, its content is lossless
    return place


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows in Markdown."""
    lines = [
        "| model | head | input, px | persons found: clean, attacked | px from MMPose's loop: clean, attacked "
        "| px by other kernels |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        size = " x ".join(map(str, row.get("input", ["-"])))
        start = f"| `{row['model']}` | {row.get('head', '-')} | {size} |"
        if "error" in row:
            lines.append(f"{start} - | {row['error']} | - |")
            continue
        found = ", ".join(map(str, row["found"]))
        lines.append(f"{start} {found} | {_distances(row['px'])} | {_distances(row['rounding'])} |")
    return "\n".join(lines)


def _distances(values: Sequence[float]) -> str:
    return ", ".join("0" if value == 0 else f"{value:.0e}" for value in values)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="a JSON line per model; those that are there are kept")
    parser.add_argument("--only", default="", help="models that contain this text")
    parser.add_argument("--table", action="store_true", help="print the table of what is there")
    given = parser.parse_args()
    rows = [json.loads(line) for line in given.out.read_text().splitlines()] if given.out.exists() else []
    if given.table:
        print(table(rows))
        return
    setup_mmpose()
    torch.set_num_threads(1)
    known = {row["model"] for row in rows}
    names = [model.name for model in list_models() if model.sees == "photo" and model.source == "mmpose"]
    with tempfile.TemporaryDirectory() as work:
        annotations = generate(2, 7, Path(work) / "people")
        dataset = read_coco(annotations, annotations.parent / "images")
        for name in names:
            if name in known or given.only not in name:
                continue
            folder = Path(work) / name
            folder.mkdir()
            started = time.perf_counter()
            row = measured(name, dataset, folder) | {"seconds": round(time.perf_counter() - started, 1)}
            with given.out.open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
