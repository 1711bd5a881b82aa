"""MMPose's bottom-up estimator, which knows the weights of HigherHRNet under the names of its publishers."""

from __future__ import annotations

from typing import Any

from mmpose.models.pose_estimators.bottomup import BottomupPoseEstimator
from mmpose.registry import MODELS

_HEAD = ("final_layers.", "deconv_layers.")


@MODELS.register_module()
class HigherHRNet(BottomupPoseEstimator):
    """A ``BottomupPoseEstimator`` that loads the authors' weights and those of MMPose 0.x as well as its own.

    The authors' names have no part of a model in front; MMPose 0.x calls the head ``keypoint_head``.
    """

    def _load_state_dict_pre_hook(
        self, state_dict: dict[str, Any], prefix: str, local_meta: Any, *args: Any, **kwargs: Any
    ) -> None:
        for name in list(state_dict):
            own = own_name(name.removeprefix(prefix))
            if own != name.removeprefix(prefix):
                state_dict[prefix + own] = state_dict.pop(name)
        super()._load_state_dict_pre_hook(state_dict, prefix, local_meta, *args, **kwargs)


def own_name(name: str) -> str:
    """What a weight of another publisher is called here."""
    if name.startswith("keypoint_head."):
        return name.replace("keypoint_head.", "head.", 1)
    if name.startswith(_HEAD):
        return f"head.{name}"
    if name.startswith(("backbone.", "head.", "data_preprocessor.")):
        return name
    return f"backbone.{name}"
