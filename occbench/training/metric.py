"""COCO's AP of an estimator that may find nobody, as one does that has learnt next to nothing yet."""

from __future__ import annotations

import json
from pathlib import Path

from mmpose.evaluation.metrics import CocoMetric
from mmpose.registry import METRICS

_NAMES = ("AP", "AP .5", "AP .75", "AP (M)", "AP (L)", "AR", "AR .5", "AR .75", "AR (M)", "AR (L)")


@METRICS.register_module()
class PhotoCocoMetric(CocoMetric):
    """MMPose's CocoMetric, whose figures are 0 where nobody was found in any photo; MMPose's own breaks."""

    def _do_python_keypoint_eval(self, outfile_prefix: str) -> list[tuple[str, float]]:
        if not json.loads(Path(f"{outfile_prefix}.keypoints.json").read_text()):
            return [(name, 0.0) for name in _NAMES]
        found: list[tuple[str, float]] = super()._do_python_keypoint_eval(outfile_prefix)
        return found
