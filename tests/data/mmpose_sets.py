"""What MMPose's own dataset classes read, and person by person comparison with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from occbench.data.persons import Person
from occbench.system.compat import setup_mmpose


def theirs(kind: str, annotations: Path, images: Path, **options: Any) -> list[dict[str, Any]]:
    """The persons of an MMPose class, in its order."""
    setup_mmpose()
    from mmpose.datasets import datasets

    dataset = getattr(datasets, kind)(
        ann_file=str(annotations), data_prefix={"img": f"{images}/"}, test_mode=True, pipeline=[], **options
    )
    return [dataset.get_data_info(i) for i in range(len(dataset))]


def assert_same(ours: Sequence[Person], expected: list[dict[str, Any]], offset: float = 0) -> None:
    """Ids, photos, boxes, centres, scales, keypoints and visibility, one by one, to the last bit.

    Args:
        ours: Persons, photo by photo.
        expected: MMPose's, in the order of their ids or of ours.
        offset: What MMPose's keypoints have too much.
    """
    by_id = {person.id: person for person in ours}
    assert len(by_id) == len(ours) == len(expected)
    for info in expected:
        person = by_id[info["id"]]
        assert person.photo.id == info["img_id"]
        assert person.photo.path == Path(info["img_path"])
        assert person.box.dtype == np.float32
        np.testing.assert_array_equal(person.box, info["bbox"][0])
        assert person.score == info["bbox_score"][0]
        np.testing.assert_array_equal(person.keypoints, (info["keypoints"][0].astype(np.float64) - offset))
        np.testing.assert_array_equal(np.minimum(1, person.visibility), info["keypoints_visible"][0])
        for mine, name in ((person.center, "bbox_center"), (person.scale, "bbox_scale")):
            assert (mine is None) == (name not in info)
            if mine is not None:
                assert mine.dtype == np.float32
                np.testing.assert_array_equal(mine, info[name][0])
