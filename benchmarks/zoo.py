"""Every family of MMPose's top-down zoo over COCO, attacked and compared with MMPose's own test loop.

A family is what the names of MMPose's configs share when sizes and schedules are taken out of them: a backbone, a
codec, a way of training. Of each the smallest config is built with random weights; two persons are predicted, as they
are and with a part hidden, by this project and by MMPose's Runner.test.

    python benchmarks/zoo.py --out zoo.jsonl            # goes on where it was interrupted
    python benchmarks/zoo.py --out zoo.jsonl --table    # the table of docs/models.md

Families that differ in training alone share a row's figures. Random weights give maps of noise, in which the refinement
of some codecs (DARK, UDP) makes whole pixels of a rounding error. So where the traced network is away from MMPose's,
the same is decoded once more from MMPose's own forward pass.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmpose_loop import MMPose

from occbench.attacks import COCO, Attack
from occbench.data.coco import read_coco
from occbench.data.persons import Dataset
from occbench.data.synthetic import generate
from occbench.estimators.config import load_config, read_config
from occbench.estimators.metainfo import tested_dataset
from occbench.estimators.pose_model import PoseModel
from occbench.inference.engine import predict_cells
from occbench.system.compat import setup_mmpose
from occbench.system.openmmlab import mmpose_configs

FOLDERS = ("integral_regression", "rtmpose", "simcc", "topdown_heatmap", "topdown_regression")
SIZES = ("tiny", "t", "small", "s", "m", "base", "b", "large", "l", "huge")
HIDDEN = Attack("part", "meanout", "corpus")
EQUAL = 1e-3
"""Image px between two keypoints that are the same."""


def families() -> dict[str, Path]:
    """By family, the smallest of its configs."""
    found: dict[str, list[Path]] = {}
    for folder in FOLDERS:
        for path in sorted((mmpose_configs() / "body_2d_keypoint" / folder / "coco").glob("*.py")):
            found.setdefault(f"{folder}/{family_of(path.stem)}", []).append(path)
    return {family: min(paths, key=lambda path: _size(path.stem)) for family, paths in found.items()}


def family_of(name: str) -> str:
    """A config's name without sizes and schedules: ``td-hm_hrnet_dark_coco`` of
    ``td-hm_hrnet-w32_dark-8xb64-210e_coco-256x192``."""
    name = re.sub(r"[-_]\d+xb\d+-\d+e", "", name)
    name = re.sub(r"[-_]\d{3}x\d{3}", "", name)
    name = re.sub(r"(?<=[_-])\dx(?=[a-z])", "Nx", name)
    name = re.sub(r"(?<=res|spn|rsn|vgg|ass)\d+|(?<=ext|net|est|v1d)\d+|-w\d+|-p\d+", "", name)
    return re.sub(rf"-({'|'.join(SIZES)}|b2|18|30)(?=[_-]|$)", "", name)


def _size(name: str) -> tuple[int, ...]:
    words = re.split(r"[-_]", name.partition("xb")[0])
    sizes = [SIZES.index(word) for word in words if word in SIZES]
    width, height = re.findall(r"[-_](\d{3})x(\d{3})", name)[-1]
    return (sum(sizes), int(width) * int(height), *(int(number) for number in re.findall(r"\d+", name)))


class Plain:
    """MMPose's forward pass as it is, in place of a backend."""

    halvings = 0
    largest_difference = 0.0

    def __init__(self, estimator: Any) -> None:
        self._estimator = estimator

    def __call__(self, images: np.ndarray, flip: bool) -> Any:
        from occbench.estimators.backends.network import as_raw

        inputs = list(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))
        with torch.inference_mode():
            batch = self._estimator.data_preprocessor({"inputs": inputs, "data_samples": []})["inputs"]
            raw = [as_raw(self._estimator(each, None, mode="tensor")) for each in (batch, batch.flip(-1))]
        return raw[0], raw[1] if flip else None

    def describe(self) -> dict[str, Any]:
        """See :class:`occbench.estimators.backends.Backend`."""
        return {"name": "plain"}


def random_weights(config: Any, path: Path) -> int:
    """Save random weights, the same each time; how many they are."""
    from mmpose.models import build_pose_estimator

    config.model.get("backbone", {}).pop("init_cfg", None)
    torch.manual_seed(0)
    model = build_pose_estimator(config.model)
    for module in model.modules():
        final = getattr(module, "final_layer", None)
        if isinstance(final, torch.nn.Module) and hasattr(final, "weight"):
            torch.nn.init.normal_(final.weight)  # MMPose begins with flat maps, which have no peak
    torch.save(model.state_dict(), path)
    return sum(p.numel() for p in model.parameters())


def tested(path: Path) -> str:
    """A hash of what decides a config's predictions: its model and its crops. Ways of training do not."""
    config = load_config(path)
    config.model.get("backbone", {}).pop("init_cfg", None)
    steps = [dict(step) for step in tested_dataset(config)["pipeline"]]
    network = {name: part for name, part in config.model.items() if name != "train_cfg"}
    return hashlib.sha256(json.dumps([network, steps], sort_keys=True, default=str).encode()).hexdigest()


def measured(path: Path, dataset: Dataset, folder: Path) -> dict[str, Any]:
    """What is said of one config: how it runs and how far it is from MMPose, or what stands in the way."""
    row: dict[str, Any] = {"config": path.stem, "persons": len(dataset.persons)}
    weights = folder / "random.pth"
    try:
        config = read_config(path)
        row["parameters"] = random_weights(config, weights)
        row |= {"head": config.model.head.type, "codec": _codec(config.model.head)}
        model = PoseModel(path, weights)
        noted: list[str] = []
        model.use("torch", sample=list(model.crops.cut_all(dataset.persons)), say=noted.append)
        predict_cells(model, dataset.persons, [HIDDEN], COCO)
        row |= {"decoding": model.about_backend()["decoding"], "notes": noted}
        theirs = MMPose(config, weights, dataset.annotations, dataset.images, folder).run([None, HIDDEN])
    except Exception as error:  # whatever a family cannot do belongs into the table
        said = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
        return row | {"error": f"MMPose's own loop stops: {said}" if "decoding" in row else said}
    row["px"] = differences(model, dataset, theirs)
    if model._decoder is not None and max(row["px"]) > EQUAL:
        model._backend = Plain(model._model)
        row["px_same_network"] = differences(model, dataset, theirs)
    return row


def differences(model: PoseModel, dataset: Dataset, theirs: Sequence[dict[int, np.ndarray]]) -> list[float]:
    """The largest distance between two keypoints, image px, of the clean and of the attacked persons."""
    cells, _ = predict_cells(model, dataset.persons, [HIDDEN], COCO)
    ids = [person.id for person in dataset.persons]
    return [
        float(np.linalg.norm(cell.keypoints - np.stack([poses[i] for i in ids]), axis=-1).max())
        for cell, poses in zip(cells, theirs, strict=True)
    ]


def _codec(head: Any) -> str:
    codec = head.get("decoder") or head.get("pose_cfg", {}).get("decoder") or {}
    codec = codec[-1] if isinstance(codec, list) else codec
    extras = ["unbiased"] if codec.get("unbiased") else []
    extras += [codec["heatmap_type"]] if codec.get("heatmap_type", "gaussian") != "gaussian" else []
    return " ".join([str(codec.get("type", "-")), *extras])


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows in Markdown."""
    lines = ["| config | head, codec | decoded | px from MMPose's loop: clean, attacked |", "|---|---|---|---|"]
    for row in rows:
        what = f"{row.get('head', '')}, {row.get('codec', '')}".strip(", ")
        if "error" in row:
            lines.append(f"| {row['config']} | {what} | {row.get('decoding', '-')} | {row['error']} |")
            continue
        px = row.get("px_same_network", row["px"])
        text = ", ".join("0" if value == 0 else f"{value:.0e}" for value in px)
        text += " (same forward pass)" if "px_same_network" in row else ""
        text += f"; the model of {row['same_as']}" if "same_as" in row else ""
        lines.append(f"| {row['config']} | {what} | {row['decoding']} | {text} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="a JSON line per family; those that are there are kept")
    parser.add_argument("--only", default="", help="families that contain this text")
    parser.add_argument("--table", action="store_true", help="print the table of what is there")
    given = parser.parse_args()
    rows = [json.loads(line) for line in given.out.read_text().splitlines()] if given.out.exists() else []
    if given.table:
        print(table(sorted(rows, key=lambda row: str(row["family"]))))
        return
    setup_mmpose()
    torch.set_num_threads(1)
    known = {row["family"] for row in rows}
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        annotations = generate(1, 7, folder / "people")
        dataset = read_coco(annotations, annotations.parent / "images")
        for family, path in families().items():
            if family in known or given.only not in family:
                continue
            started = time.perf_counter()
            key = tested(path)
            same = next((row for row in rows if row.get("tested") == key), None)
            row = measured(path, dataset, folder) if same is None else {**same, "same_as": same["config"]}
            row |= {"family": family, "config": path.stem, "tested": key}
            row["seconds"] = round(time.perf_counter() - started, 1)
            rows.append(row)
            with given.out.open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
