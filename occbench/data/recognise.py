"""What a file is that is not what it should be, so that the message can say how to come by the right one."""

from __future__ import annotations

from typing import Any

_BY_KEYS = (
    ({"shapes", "imagePath"}, "LabelMe's file of one photo: export the project as COCO keypoints"),
    ({"_via_img_metadata"}, "a project of VIA: export it as COCO"),
    ({"people", "version"}, "OpenPose's file of one photo: gather all photos in one list of COCO results"),
    ({"people"}, "OpenPose's file of one photo: gather all photos in one list of COCO results"),
    ({"meta_info", "instance_info"}, "what MMPose's inferencer saves: dump its results by CocoMetric's outfile_prefix"),
    ({"objects", "tags"}, "Supervisely's file of one photo: export the project as COCO keypoints"),
    ({"images", "annotations"}, "a COCO annotation file"),
)
_BY_ENTRIES = (
    ({"annotations", "data"}, "an export of Label Studio: export it as COCO"),
    ({"completions", "data"}, "an export of Label Studio: export it as COCO"),
    ({"annotations", "filename"}, "an export of Sloth or CVAT by photo: export it as COCO keypoints"),
    ({"Label", "External ID"}, "an export of Labelbox: export it as COCO"),
    ({"keypoints", "keypoint_scores"}, "what MMPose's inferencer saves: dump by CocoMetric's outfile_prefix"),
    ({"keypoints", "score", "image_id"}, "a file of results, which are no annotations"),
    ({"bbox", "score", "image_id"}, "a file of detections, which are no annotations"),
)


def other_format(raw: Any) -> str:
    """``it is LabelMe's file ..., but ``, or nothing for what is not known."""
    first = raw[0] if isinstance(raw, list) and raw else raw
    known = _BY_ENTRIES if isinstance(raw, list) else _BY_KEYS
    found = next((what for keys, what in known if isinstance(first, dict) and keys <= first.keys()), None)
    return f"it is {found}; " if found else ""
