"""Which heads of MMPose say how visible a keypoint is.

They learn it from the annotations' flags, of which MMPose's data sets leave two: a keypoint that is annotated as
occluded counts as one that is visible.
"""

from __future__ import annotations

from typing import Any

AS_SCORES = ("RTMOHead", "YOLOXPoseHead")
"""Heads of one-stage models whose keypoint scores are their visibility."""


def predicts_visibility(head: Any) -> bool:
    """Whether a head of a top-down model has a visibility besides the scores: a branch for it, or a codec that does."""
    decoder = getattr(head, "decoder", None)
    return type(head).__name__ == "VisPredictHead" or bool(getattr(decoder, "decode_visibility", False))
