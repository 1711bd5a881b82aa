"""A data set of the user's own: twelve keypoints with their own names and parts, and a small model made for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from occbench.attacks import COCO

from .conftest import CONFIG, People, TinyModel

KEPT = {f"{side}_{joint}": f"{side}_{own}" for side in ("left", "right") for joint, own in (
    ("shoulder", "wing_root"), ("elbow", "wing_bend"), ("wrist", "wing_tip"),
    ("hip", "thigh"), ("knee", "shin"), ("ankle", "foot"))}  # fmt: skip
"""COCO's names to those of the set."""
PARTS = {
    "left_wing": ["left_wing_root", "left_wing_bend", "left_wing_tip"],
    "right_wing": ["right_wing_root", "right_wing_bend", "right_wing_tip"],
    "legs": ["left_shin", "right_shin", "left_foot", "right_foot"],
}


def description(**changes: Any) -> dict[str, Any]:
    """What the YAML says."""
    sigmas = dict(zip(COCO.keypoints, COCO.sigmas, strict=True))
    content = {
        "name": "cranes",
        "annotations": "annotations/val.json",
        "images": "images",
        "keypoints": list(KEPT.values()),
        "sigmas": [sigmas[name] for name in KEPT],
        "parts": PARTS,
        "skeleton": [["left_wing_root", "left_wing_bend"], ["left_wing_bend", "left_wing_tip"]],
    }
    return {**content, **changes}


def own_set(folder: Path, people: People, **changes: Any) -> Path:
    """Write the set into a folder: its description, its annotations and its photos; returns the description."""
    content = json.loads(people.annotations.read_text())
    columns = [COCO.keypoints.index(name) for name in KEPT]
    for person in content["annotations"]:
        triples = [person["keypoints"][3 * c : 3 * c + 3] for c in columns]
        person["keypoints"] = [value for triple in triples for value in triple]
        person["num_keypoints"] = sum(triple[2] > 0 for triple in triples)
    content["categories"] = [{"id": 1, "name": "crane", "keypoints": list(KEPT.values())}]
    (folder / "annotations").mkdir(parents=True)
    (folder / "annotations" / "val.json").write_text(json.dumps(content))
    (folder / "images").mkdir()
    for photo in people.images.iterdir():
        (folder / "images" / photo.name).write_bytes(photo.read_bytes())
    path = folder / "cranes.yaml"
    path.write_text(yaml.safe_dump(description(**changes), sort_keys=False))
    return path


def own_model(folder: Path, tiny: TinyModel) -> tuple[Path, Path]:
    """A config of twelve keypoints with their description beside it, and the weights of ``tiny`` for these."""
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    names = list(KEPT.values())
    infos = {i: {"name": n, "id": i, "color": [0, 0, 0], "type": "", "swap": _other(n)} for i, n in enumerate(names)}
    about = {"dataset_name": "cranes", "keypoint_info": infos, "skeleton_info": {}}
    about |= {"joint_weights": [1.0] * 12, "sigmas": [0.05] * 12}
    (folder / "cranes_info.py").write_text(f"dataset_info = {about!r}\n")
    config = folder / "own.py"
    text = CONFIG.replace("out_channels=17", "out_channels=12")
    config.write_text(
        text.replace("type='CocoDataset',", "type='CocoDataset', metainfo=dict(from_file='cranes_info.py'),")
    )
    columns = [COCO.keypoints.index(name) for name in KEPT]
    state = torch.load(tiny.weights, weights_only=True)
    state |= {name: value[columns] for name, value in state.items() if name.startswith("head.final_layer.")}
    torch.save(state, folder / "own.pth")
    return config, folder / "own.pth"


def _other(name: str) -> str:
    side, _, rest = name.partition("_")
    return f"{'right' if side == 'left' else 'left'}_{rest}"
