"""The cascade: what each stage reads, its way through MMPose's estimator and out of it, and what it refuses."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from occbench.estimators.config import read_config
from occbench.estimators.decoding import find_decoder
from occbench.models import DeepPoseCascade
from occbench.models.complexity import config_complexity
from occbench.models.deeppose.boxes import joint_side
from occbench.system.errors import OccbenchError
from occbench.weights.zoo import find_model

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "deeppose"
NETWORK = {"size": 64, "widths": (6, 6, 6, 6, 6), "units": 16, "norm": "batch"}
SWAP = (5, 4, 3, 2, 1, 0, 11, 10, 9, 8, 7, 6, 12, 13)


def small(**options: Any) -> DeepPoseCascade:
    """A cascade whose first stage says a pose in the middle of the canvas, and whose later ones move it a little."""
    torch.manual_seed(0)
    made = DeepPoseCascade(**{"canvas": 2, "network": NETWORK, **options}).eval()
    made.init_weights()
    pose = torch.rand(made.keypoints, 2) * 0.2 - 0.1
    first, second = made.ends
    pose[first], pose[second] = torch.tensor([0.05, -0.05]), torch.tensor([-0.05, 0.05])
    made.networks[0].out.bias.data = pose.flatten()
    return made


def canvases(n: int, side: int = 128) -> Tensor:
    coarse = torch.randn(n, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    return F.interpolate(coarse, size=side, mode="bicubic")


@torch.no_grad()
def test_first_stage_reads_the_mean_of_the_canvas() -> None:
    cascade, canvas = small(), canvases(2)
    view = canvas.unflatten(3, (64, 2)).unflatten(2, (64, 2)).mean((3, 5))
    torch.testing.assert_close(cascade.first_view(canvas), view)
    torch.testing.assert_close(cascade(canvas)[0], cascade.networks[0](view))


@torch.no_grad()
def test_later_stages_are_a_loop_over_persons_and_joints() -> None:
    cascade, canvas = small(), canvases(2)
    poses = cascade(canvas)
    for stage in (1, 2):
        for person in range(2):
            before = poses[stage - 1][person]
            side = 2.0 * max(float(torch.dist(before[9], before[2])), 0.05)
            for joint in range(14):
                offsets = (torch.arange(64) + 0.5) / 64 - 0.5
                x, y = before[joint, 0] + side * offsets, before[joint, 1] + side * offsets
                grid = 2 * torch.stack([x.expand(64, 64), y[:, None].expand(64, 64)], -1)
                crop = F.grid_sample(canvas[person : person + 1], grid[None], align_corners=False)
                moved = before[joint] + cascade.networks[stage](crop)[0, joint] * side
                torch.testing.assert_close(poses[stage][person, joint], moved, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_what_is_painted_in_a_box_changes_its_joint_and_what_lies_outside_of_all_boxes_nothing() -> None:
    cascade, canvas = small(stages=2, sigma=1.0), canvases(1)
    before = cascade(canvas)[0]
    side = float(joint_side(before, cascade.ends, cascade.sigma))
    px = 128 * (before[0] + 0.5)
    reach = 64 * side + 1.5  # half a side, and what bilinear reading touches beyond
    rows, columns = torch.meshgrid(torch.arange(128) + 0.5, torch.arange(128) + 0.5, indexing="ij")
    places = torch.stack([columns, rows], -1)
    in_box = ((places[None] - px[:, None, None]).abs() <= reach).all(-1)  # (K, S, S)
    network = cascade.networks[1]

    def again(mask: Tensor) -> Tensor:
        return cascade.look_again(network, canvas.masked_fill(mask, -3.0), before)[0]

    clean = again(torch.zeros(128, 128, dtype=torch.bool))
    assert not in_box.any(0).all()  # something is left outside
    torch.testing.assert_close(again(~in_box.any(0)), clean, atol=0, rtol=0)
    joint = int(before[0, :, 0].argmin())  # the leftmost box: its left edge is nobody else's
    painted = in_box[joint] & ~in_box[torch.arange(14) != joint].any(0)
    changed = (again(painted) != clean).any(-1)
    assert painted.any()
    assert changed.nonzero().flatten().tolist() == [joint]


def made_model(name: str, **backbone: Any) -> Any:
    from mmpose.models import build_pose_estimator

    config = read_config(CONFIGS / name)
    config.model.backbone.update(network=NETWORK, canvas=2, **backbone)
    config.model.head.decoder.input_size = (128, 128)
    torch.manual_seed(0)
    model = build_pose_estimator(config.model).eval()
    stand_in = small(keypoints=model.backbone.keypoints, ends=model.backbone.ends, stages=len(model.backbone.networks))
    model.backbone.load_state_dict(stand_in.state_dict())
    return model


def samples(n: int) -> list[Any]:
    from mmengine.structures import InstanceData
    from mmpose.structures import PoseDataSample

    found = []
    for i in range(n):
        box = {"input_center": np.array([100.0 + i, 80.0]), "input_scale": np.array([160.0, 160.0])}
        sample = PoseDataSample(metainfo={**box, "input_size": (128, 128), "flip_indices": list(SWAP)})
        sample.gt_instances = InstanceData(bboxes=np.zeros((1, 4)), bbox_scores=np.ones(1))
        found.append(sample)
    return found


@pytest.mark.parametrize("flip", [False, True])
def test_decoder_gives_what_the_model_itself_predicts(flip: bool) -> None:
    model, canvas = made_model("deeppose-cascade_lsp-220x220.py"), canvases(3)
    model.test_cfg["flip_test"] = flip
    with torch.inference_mode():
        expected = [s.pred_instances for s in model.predict(canvas, samples(3))]
        raw = model(canvas, None, mode="tensor")
        flipped = model(canvas.flip(-1), None, mode="tensor") if flip else None
    decoder = find_decoder(model.head, model.test_cfg, SWAP)
    assert decoder is not None
    assert decoder.earlier == 2
    keypoints, scores = decoder(raw, flipped)
    assert keypoints.shape == (3, 14, 6)
    assert (scores == 1).all()
    for i, person in enumerate(expected):
        placed = keypoints[i, :, 4:] / 128 * 160 + np.array([100.0 + i, 80.0]) - 80
        np.testing.assert_allclose(placed, person.keypoints[0], atol=1e-4)
    first = (raw[0].numpy() + 0.5) * 128
    if not flip:
        np.testing.assert_allclose(keypoints[:, :, :2], first, atol=1e-4)


def test_exports_to_onnx() -> None:
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    from occbench.estimators.backends.network import FromCrops  # MMPose has been made importable by now

    model, file = FromCrops(made_model("deeppose-cascade_flic-220x220.py")).eval(), io.BytesIO()
    crops = torch.randint(0, 256, (3, 128, 128, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        axes = {"images": {0: "batch"}}
        named: dict[str, Any] = {"input_names": ["images"], "dynamic_axes": axes, "opset_version": 17, "dynamo": False}
        torch.onnx.export(model, (crops[:2],), file, **named)
        expected = model(crops)
    session = runtime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])
    for found, wanted in zip(session.run(None, {"images": crops.numpy()}), expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-3)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"sigma": 0}, "must be above 0, but got sigma=0"),
        ({"sigma": -1.0}, "must be above 0"),
        ({"ends": (9, 9)}, "a shoulder and the opposite hip"),
        ({"ends": (9, 14)}, "a shoulder and the opposite hip"),
        ({"stages": 0}, "at least one stage"),
        ({"canvas": 1.5}, "a whole number"),
    ],
)
def test_bad_cascade(change: dict[str, Any], says: str) -> None:
    with pytest.raises(OccbenchError, match=says):
        DeepPoseCascade(**{"network": NETWORK, **change})


def test_canvas_of_another_size_is_refused() -> None:
    with pytest.raises(OccbenchError, match="reads a canvas of 128x128 px"):
        small()(canvases(1, 120))


def test_a_cascade_has_no_loss_of_its_own() -> None:
    with pytest.raises(OccbenchError, match="stage after stage"):
        made_model("deeppose-cascade_lsp-220x220.py").loss(canvases(1), samples(1))


@pytest.mark.parametrize(
    ("name", "keypoints", "stages", "sigma"),
    [("deeppose-cascade", 14, 3, 2.0), ("deeppose-cascade-flic", 11, 2, 1.0), ("deeppose-cascade-coco", 17, 3, 2.0)],
)
def test_models_by_name(name: str, keypoints: int, stages: int, sigma: float) -> None:
    from occbench.attacks import SKELETONS

    model = find_model(name)
    config = read_config(model.config_path)
    names = SKELETONS[model.dataset].keypoints
    first, second = config.model.backbone.ends
    assert (names[first], names[second]) == ("left_shoulder", "right_hip")
    assert len(names) == keypoints == config.model.head.num_joints
    assert (config.model.backbone.get("stages"), config.model.backbone.sigma) == (stages, sigma)
    assert config.model.head.stages == stages
    assert not config.model.test_cfg.flip_test
    counted = config_complexity(model.config_path)
    assert counted.parameters == stages * (58_281_344 + 8194 * keypoints)
    assert counted.input_size == (660, 660)


@pytest.mark.parametrize("name", ["lsp", "flic"])
def test_description_of_the_keypoints_is_the_skeletons(name: str) -> None:
    from mmengine.config import Config

    from occbench.attacks import SKELETONS
    from occbench.estimators.metainfo import written

    found = Config.fromfile(CONFIGS / f"{name}.py").dataset_info.to_dict()
    expected = written(SKELETONS[name])
    assert {int(i): info for i, info in found["keypoint_info"].items()} == expected["keypoint_info"]
    assert found["sigmas"] == expected["sigmas"]
    assert found["dataset_name"] == name
