"""Synthetic people for the data sets of MMPose, and a model small enough to train in a second."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from occbench.attacks import COCO, MPII
from occbench.data.synthetic import generate
from occbench.system.compat import setup_mmpose
from occbench.training import TrainingData, training_data

setup_mmpose()


@pytest.fixture(scope="session")
def people(tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    """Four photos."""
    return training_data(generate(4, 30, tmp_path_factory.mktemp("people") / "four"))


@pytest.fixture(scope="session")
def mpii(people: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    """The same people in MMPose's form of MPII."""
    content = json.loads(people.annotations.read_text())
    names = {image["id"]: image["file_name"] for image in content["images"]}
    folder = tmp_path_factory.mktemp("mpii")
    (folder / "images").mkdir()
    records = []
    for annotation in content["annotations"]:
        keypoints = np.array(annotation["keypoints"], dtype=float).reshape(17, 3)
        at = dict(zip(COCO.keypoints, keypoints[:, :2], strict=True))
        at["pelvis"] = (at["left_hip"] + at["right_hip"]) / 2
        at["thorax"] = (at["left_shoulder"] + at["right_shoulder"]) / 2
        at["upper_neck"] = at["thorax"] + 0.3 * (at["nose"] - at["thorax"])
        at["head_top"] = at["thorax"] + 1.4 * (at["nose"] - at["thorax"])
        labelled = dict(zip(COCO.keypoints, (keypoints[:, 2] > 0).astype(int).tolist(), strict=True))
        shown = min(labelled["left_shoulder"], labelled["right_shoulder"], labelled["nose"])
        labelled |= {"thorax": shown, "upper_neck": shown, "head_top": shown}
        labelled["pelvis"] = min(labelled["left_hip"], labelled["right_hip"])
        x, y, width, height = annotation["bbox"]
        photo = f"{annotation['image_id']:09}.jpg"  # MMPose makes a number of the name
        link = folder / "images" / photo
        if not link.exists():
            link.symlink_to(people.images / names[annotation["image_id"]])
        records.append(
            {
                "image": photo,
                "center": [x + width / 2, y + height / 2],
                "scale": max(width, height) / 200,
                "joints": [at[name].tolist() for name in MPII.keypoints],
                "joints_vis": [labelled[name] for name in MPII.keypoints],
            }
        )
    path = folder / "mpii_train.json"
    path.write_text(json.dumps(records))
    return training_data(path)


TINY = """
default_scope = 'mmpose'
codec = dict(type='MSRAHeatmap', input_size=(48, 64), heatmap_size=(12, 16), sigma=1)
model = dict(
    type='TopdownPoseEstimator',
    data_preprocessor=dict(
        type='PoseDataPreprocessor', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True),
    backbone=dict(type='ResNet', depth=18, num_stages=1, strides=(1,), dilations=(1,), out_indices=(0,),
                  stem_channels=16, base_channels=16),
    head=dict(type='HeatmapHead', in_channels=16, out_channels=17, deconv_out_channels=None,
              loss=dict(type='KeypointMSELoss', use_target_weight=True), decoder=codec),
    test_cfg=dict(flip_test=False))
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='RandomFlip', direction='horizontal'),
    dict(type='RandomHalfBody'),
    dict(type='RandomBBoxTransform'),
    dict(type='TopdownAffine', input_size=codec['input_size']),
    dict(type='GenerateTarget', encoder=codec),
    dict(type='PackPoseInputs')]
val_pipeline = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='TopdownAffine', input_size=codec['input_size']),
    dict(type='PackPoseInputs')]
train_dataloader = dict(
    batch_size=2, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(type='CocoDataset', data_mode='topdown', ann_file='', data_prefix=dict(img=''),
                 pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=8, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(type='CocoDataset', data_mode='topdown', ann_file='', data_prefix=dict(img=''), test_mode=True,
                 pipeline=val_pipeline))
val_evaluator = dict(type='CocoMetric', ann_file='')
"""
"""A few convolutions at 64x48, as an MMPose config with pipelines and no data."""


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """:data:`TINY` as a file."""
    path = tmp_path_factory.mktemp("config") / "tiny.py"
    path.write_text(TINY)
    return path
