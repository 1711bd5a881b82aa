"""The names of the data sets and boxes that the command line knows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..errors import OccbenchError, unknown_name
from ..paths import data_dir
from .coco import read_coco
from .matching import with_detections
from .persons import Dataset

KNOWN = ("sample", "coco-val2017")


def coco_val2017() -> tuple[Path, Path]:
    """Where COCO val2017 is looked for: its person keypoints and its image folder (MMPose's layout)."""
    folder = data_dir() / "coco"
    return folder / "annotations" / "person_keypoints_val2017.json", folder / "val2017"


def open_dataset(data: str, images: Path | None = None, boxes: str = "gt") -> Dataset:
    """Read a data set by name or file, with the boxes asked for.

    Args:
        data: ``sample``, ``coco-val2017`` or the path of a COCO keypoint annotation file.
        images: Image folder of an annotation file; by default the folder ``images`` beside its folder, or its own.
        boxes: ``gt`` or the path of a COCO detection-results file.

    Raises:
        OccbenchError: It is not there or is not what it should be.
    """
    dataset = _open(data, images)
    return dataset if boxes == "gt" else with_detections(dataset, Path(boxes))


def _open(data: str, images: Path | None) -> Dataset:
    if data == "sample":
        from .synthetic import embedded_sample

        annotations, folder = embedded_sample()
        return replace(read_coco(annotations, folder, name="sample"), synthetic=True)
    if data == "coco-val2017":
        annotations, folder = coco_val2017()
        if not annotations.is_file():
            raise OccbenchError(
                f"COCO val2017 is not at {str(annotations)!r}: unpack COCO's val2017.zip and "
                "annotations_trainval2017.zip into the folder 'coco' of $OCCBENCH_DATA"
            )
        return read_coco(annotations, images or folder, name="coco-val2017")
    path = Path(data)
    if path.suffix != ".json":
        raise unknown_name("dataset", data, KNOWN)
    if images is None:
        beside = [path.parent.parent / "images", path.parent / "images", path.parent]
        images = next((folder for folder in beside if folder.is_dir()), path.parent)
    elif not images.is_dir():
        raise OccbenchError(f"image folder {str(images)!r} does not exist")
    return read_coco(path, images)
