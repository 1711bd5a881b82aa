"""Models with other heads than MSRA heatmaps: the same predictions as MMPose's own loop, from random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from occbench.attacks import COCO, Attack
from occbench.data.coco import read_coco
from occbench.data.synthetic import generate
from occbench.estimators.config import read_config
from occbench.estimators.pose_model import PoseModel
from occbench.inference.engine import predict_cells
from occbench.system.compat import setup_mmpose
from occbench.weights.zoo import find_model

from .mmpose_loop import mmpose_runner, outcome

CONFIGS = {
    "regression": "td-reg_mobilenetv2_rle-pretrained-8xb64-210e_coco-256x192",
    "simcc": "simcc_mobilenetv2_wo-deconv-8xb64-210e_coco-256x192",
    "simcc-rtmpose": "rtmpose-t_8xb256-420e_coco-256x192",
    "heatmap-udp": "cspnext-tiny_udp_8xb256-210e_coco-256x192",
    "heatmap-dark": "td-hm_res50_dark-8xb64-210e_coco-256x192",
}


NOISY = (CONFIGS["heatmap-udp"], CONFIGS["heatmap-dark"])
"""Their maps are noise under random weights, in which the refinement turns a rounding error into whole pixels: what
the network computes must be the same to the last bit, so no other memory layout."""


class Plain:
    """MMPose's forward pass as it is."""

    halvings = 0
    largest_difference = 0.0

    def __init__(self, estimator: Any) -> None:
        self._estimator = estimator

    def __call__(self, images: np.ndarray, flip: bool) -> Any:
        import torch

        with torch.inference_mode():
            inputs = list(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))
            batch = self._estimator.data_preprocessor({"inputs": inputs, "data_samples": []})["inputs"]
            raw = [(self._estimator(each, None, mode="tensor"),) for each in (batch, batch.flip(-1))]
        return raw[0], raw[1] if flip else None

    def describe(self) -> dict[str, Any]:
        return {"name": "plain"}


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(2, 3, tmp_path_factory.mktemp("people") / "set")


@pytest.mark.parametrize("name", CONFIGS.values(), ids=CONFIGS.keys())
def test_keypoints_are_those_of_mmpose(people: Path, tmp_path: Path, name: str) -> None:
    setup_mmpose()
    import torch
    from mmpose.models import build_pose_estimator

    path = find_model(name).config_path
    config = read_config(path)
    config.model.backbone.init_cfg = None
    torch.manual_seed(0)
    random = build_pose_estimator(config.model)
    final = getattr(random.head, "final_layer", None)
    if final is not None:
        torch.nn.init.normal_(final.weight)  # flat heatmaps, as MMPose initialises them, have no peak to decode
    weights = tmp_path / "random.pth"
    torch.save(random.state_dict(), weights)
    dataset = read_coco(people, people.parent / "images")
    model = PoseModel(path, weights)
    model.use("torch", sample=list(model.crops.cut_all(dataset.persons)))
    if name in NOISY:
        model._backend = Plain(model._model)
    (clean, attacked), _ = predict_cells(model, dataset.persons, [Attack("part", "meanout", "corpus")], COCO)
    _, theirs = outcome(mmpose_runner(config, weights, people, people.parent / "images", tmp_path))
    for i, person in enumerate(dataset.persons):
        np.testing.assert_allclose(clean.keypoints[i], theirs[person.id][:, :2], atol=1e-3)
        # RTMPose's scores are no probabilities: with random weights they are around 6, where float32 has fewer digits.
        np.testing.assert_allclose(clean.scores[i], theirs[person.id][:, 2], atol=1e-5, rtol=1e-5)
    assert attacked.attacked.any()
