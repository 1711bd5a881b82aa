"""torchvision's Keypoint R-CNN as an estimator of whole photos."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from occbench.attacks import SKELETONS
from occbench.estimators.keypoint_rcnn import KeypointRCNN
from occbench.system.compat import setup_mmpose
from occbench.system.errors import OccbenchError
from occbench.weights.zoo import find_model

setup_mmpose()
from torchvision.models import detection  # noqa: E402


@pytest.fixture(scope="module")
def small() -> Callable[..., torch.nn.Module]:
    """A narrow network on small photos, with few proposals: the plain operators take their time."""
    few = {"rpn_pre_nms_top_n_test": 20, "rpn_post_nms_top_n_test": 20, "box_detections_per_img": 4}
    few |= {"min_size": 64, "max_size": 96, "box_score_thresh": 0.0}

    def made(weights: None, weights_backbone: None) -> torch.nn.Module:
        return detection.KeypointRCNN(
            detection.backbone_utils.resnet_fpn_backbone(backbone_name="resnet18", weights=None),
            box_head=detection.faster_rcnn.TwoMLPHead(256 * 7**2, 16),
            box_predictor=detection.faster_rcnn.FastRCNNPredictor(16, 2),
            keypoint_head=detection.keypoint_rcnn.KeypointRCNNHeads(256, (16, 16)),
            keypoint_predictor=detection.keypoint_rcnn.KeypointRCNNPredictor(16, 17),
            **few,
        )

    return made


@pytest.fixture(scope="module")
def weights(small: Callable[..., torch.nn.Module], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rcnn") / "rcnn.pth"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        torch.save(small(weights=None, weights_backbone=None).state_dict(), path)
    return path


@pytest.fixture
def model(small: object, weights: Path, monkeypatch: pytest.MonkeyPatch) -> KeypointRCNN:
    monkeypatch.setattr(detection, "keypointrcnn_resnet50_fpn", small)
    roi_align = sys.modules["torchvision.ops.roi_align"]
    for name in ("_bilinear_interpolate", "_roi_align"):  # else compiled first, which takes longer
        plain = getattr(roi_align, name)
        monkeypatch.setattr(roi_align, name, getattr(plain, "__wrapped__", plain))
    return KeypointRCNN(weights)


def test_predictions_are_torchvisions(model: KeypointRCNN) -> None:
    photo = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    ready = model.prepare(photo)
    assert ready.scale == pytest.approx(64 / 60)
    first, again = model.predict([ready, ready])
    with torch.inference_mode():
        (theirs,) = model._model([torch.from_numpy(photo[..., ::-1].copy()).permute(2, 0, 1) / 255])
    people = theirs["labels"] == 1
    assert 0 < len(first) <= 4
    np.testing.assert_allclose(first.keypoints, theirs["keypoints"][people][..., :2], atol=1e-4)
    np.testing.assert_allclose(first.scores, theirs["scores"][people], atol=1e-6)
    np.testing.assert_array_equal(first.keypoints, again.keypoints)
    assert first.keypoint_scores.shape == (len(first), 17)


def test_it_is_for_cocos_keypoints_and_without_options(model: KeypointRCNN, weights: Path) -> None:
    model.require(SKELETONS["coco"])
    with pytest.raises(OccbenchError, match="predicts the keypoints of COCO"):
        model.require(SKELETONS["mpii"])
    with pytest.raises(OccbenchError, match="neither a flip test nor --scales"):
        KeypointRCNN(weights, flip=True)
    with pytest.raises(OccbenchError, match="by torchvision itself"):
        model.use("onnxruntime")


@pytest.mark.parametrize(("name", "weights"), [("keypointrcnn", "COCO_V1"), ("keypointrcnn-legacy", "COCO_LEGACY")])
def test_weights_are_torchvisions_own(name: str, weights: str) -> None:
    theirs = detection.KeypointRCNN_ResNet50_FPN_Weights[weights]
    model = find_model(name)
    assert model.checkpoint == theirs.url
    assert model.published["AP"] == pytest.approx(theirs.meta["_metrics"]["COCO-val2017"]["kp_map"] / 100)
    assert find_model(f"keypointrcnn-{weights.lower()}") is model
