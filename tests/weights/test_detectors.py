"""Detectors by name: what MMDet installs, and what is no detector."""

from __future__ import annotations

from pathlib import Path

import pytest

from occbench.system.errors import OccbenchError
from occbench.weights.checkpoints import resolve, sha256_prefix
from occbench.weights.detectors import ZooDetector, find_detector, list_detectors


@pytest.mark.parametrize("detector", list_detectors(), ids=lambda detector: str(detector.name))
def test_a_named_detector_has_a_config_of_mmdet_with_published_weights(detector: ZooDetector) -> None:
    assert detector.config_path.is_file()
    assert "mmdet" in detector.config_path.parts
    address = detector.checkpoint
    assert address is not None
    assert address.startswith("https://download.openmmlab.com/mmdetection/")
    assert len(sha256_prefix(address)) == 8  # so that what is fetched can be verified
    assert detector.box_ap is not None
    assert 0.3 < detector.box_ap < 0.6


def test_the_four_of_the_protocol_are_there() -> None:
    assert [detector.name for detector in list_detectors()] == ["cascade-rcnn", "faster-rcnn", "retinanet", "rtmdet"]


def test_any_config_of_mmdet_by_its_name() -> None:
    tiny = find_detector("rtmdet_tiny_8xb32-300e_coco")
    assert tiny.config_path.name == "rtmdet_tiny_8xb32-300e_coco.py"
    assert "rtmdet_tiny" in (tiny.checkpoint or "")


def test_no_such_detector(tmp_path: Path) -> None:
    with pytest.raises(OccbenchError, match="unknown detector 'rtmdt'; did you mean rtmdet"):
        find_detector("rtmdt")
    with pytest.raises(OccbenchError, match="no detector config"):
        find_detector(str(tmp_path / "none.py"))


def test_a_config_of_ones_own_has_no_weights_of_its_own(tmp_path: Path) -> None:
    config = tmp_path / "mine.py"
    config.write_text("model = dict()")
    with pytest.raises(
        OccbenchError, match="no weights of model 'mine' are known; give them with --detector-checkpoint"
    ):
        resolve(None, find_detector(str(config)), option="--detector-checkpoint")
