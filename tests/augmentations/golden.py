"""Golden pictures: each augmentation on a fixed crop. ``python -m tests.augmentations.golden`` draws them anew.

``person.png`` and ``donor.png`` are crops of synthetic people with their keypoints in ``people.json``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from occbench.attacks import WORLD_FILLS

from .samples import apply, sample

FOLDER = Path(__file__).parent / "golden"
SEED = 5

GOLDEN: dict[str, dict[str, Any]] = {
    "blur-keypoint": {"type": "TargetedBlur", "level": "keypoint", "p": 1},
    "blur-part": {"type": "TargetedBlur", "level": "part", "p": 1},
    "cutout-keypoint": {"type": "TargetedCutout", "level": "keypoint", "p": 1},
    "cutout-keypoint-decoys": {"type": "TargetedCutout", "level": "keypoint", "p": 1, "radius": 4, "decoys": 4},
    "cutout-part": {"type": "TargetedCutout", "level": "part", "p": 1},
    "cutout-part-decoys": {"type": "TargetedCutout", "level": "part", "p": 1, "radius": 2, "decoys": 2},
    "cutout-blur-keypoint": {"type": "TargetedCutoutBlur", "level": "keypoint", "p": 1},
    "cutout-blur-part": {"type": "TargetedCutoutBlur", "level": "part", "p": 1},
    **{
        f"cutout-{level}-{fill}": {"type": "TargetedCutout", "level": level, "p": 1, "fill": fill}
        for level in ("keypoint", "part")
        for fill in WORLD_FILLS
    },
    "multi-keypoint": {"type": "MultiKeypointOcclusion", "p": 1, "radius": 5},
    "partmix": {"type": "PartMix", "p": 1},
    "partmix-decoys": {"type": "PartMix", "p": 1, "radius": 3, "decoys": 2},
    "random-cutout": {"type": "RandomCutout", "p": 1},
    "random-cutout-part": {"type": "RandomCutout", "level": "part", "p": 1},
}


class People:
    """The two crops as a data set, for PartMix; each fills its photo."""

    def __init__(self) -> None:
        self.people = json.loads((FOLDER / "people.json").read_text())

    def __len__(self) -> int:
        return len(self.people)

    def get_data_info(self, index: int) -> dict[str, Any]:
        """Person ``index``."""
        name = list(self.people)[index]
        keypoints = np.array(self.people[name], dtype=np.float32)
        height, width = picture(name).shape[:2]
        return {
            "img_path": str(FOLDER / f"{name}.png"),
            "id": index,
            "bbox": np.array([[0, 0, width - 1, height - 1]], dtype=np.float32),
            "keypoints": keypoints[None, :, :2],
            "keypoints_visible": np.minimum(1, keypoints[None, :, 2]),
        }


def picture(name: str) -> np.ndarray:
    """A stored picture, BGR."""
    read = cv2.imread(str(FOLDER / f"{name}.png"))
    assert read is not None, name
    return read


def augmented(name: str) -> np.ndarray:
    """The crop of ``person`` under an augmentation of :data:`GOLDEN`."""
    from mmpose.registry import TRANSFORMS

    import occbench.augmentations  # noqa: F401 (registers the transforms)

    people = People()
    info = people.get_data_info(0)
    given = sample(info["keypoints"][0], info["keypoints_visible"][0] > 0, picture("person"), dataset=people, id=0)
    image: np.ndarray = apply(TRANSFORMS.build(GOLDEN[name]), given, SEED)["img"]
    return image


def _draw_people() -> None:
    """Two well labelled synthetic people, cut out at 96x72."""
    from occbench.data.synthetic import photo
    from occbench.system.compat import setup_mmpose

    setup_mmpose()
    from mmpose.datasets.transforms import TopdownAffine
    from mmpose.structures.bbox import bbox_xyxy2cs

    people = {}
    for index in range(200):
        image, annotations = photo(20, index)
        whole = [a for a in annotations if a["num_keypoints"] == 17 and a["bbox"][3] > 150]
        if whole and len(people) < 2:
            name = ("person", "donor")[len(people)]
            x, y, w, h = whole[0]["bbox"]
            keypoints = np.array(whole[0]["keypoints"], dtype=np.float32).reshape(17, 3)
            center, scale = bbox_xyxy2cs(np.array([[x, y, x + w, y + h]], dtype=np.float32), padding=1.25)
            given = {"img": image[..., ::-1], "bbox_center": center, "bbox_scale": scale, "keypoints": keypoints[None]}
            done = TopdownAffine((72, 96)).transform(given)
            cv2.imwrite(str(FOLDER / f"{name}.png"), done["img"])
            people[name] = np.round(done["transformed_keypoints"][0].astype(float), 2).tolist()
    (FOLDER / "people.json").write_text(json.dumps(people) + "\n")


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    if not (FOLDER / "people.json").exists():
        _draw_people()
    for each in GOLDEN:
        cv2.imwrite(str(FOLDER / f"{each}.png"), augmented(each))
