"""``xtcocotools`` on top of pycocotools, for MMPose.

MMPose reads COCO files and computes its AP through xtcocotools, a fork of pycocotools. Its wheels are built for
NumPy 1 and stop at CPython 3.11, and elsewhere it needs a compiler. What MMPose uses of it is little more than
pycocotools: OKS with sigmas of one's own, areas from boxes, the parts of COCO-WholeBody and the levels of CrowdPose.
Here these are brought into the form of plain COCO keypoints, which pycocotools then judges.

The figures are those of xtcocotools 1.14.3: see tests/system/test_coco_tools.py.
"""

from __future__ import annotations

import contextlib
import importlib.machinery
import io
import json
import sys
import warnings
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from pycocotools import coco, cocoeval, mask

WHOLE_BODY = ("keypoints", "foot_kpts", "face_kpts", "lefthand_kpts", "righthand_kpts")
PARTS = {
    "keypoints_wholebody": WHOLE_BODY,
    **{f"keypoints_{part.removesuffix('_kpts')}": (part,) for part in WHOLE_BODY[1:]},
}
"""Evaluation types of COCO-WholeBody, and the entries of a person that each looks at."""

AREA_OF_BOX = 0.53
"""Area of a person without an area, as a share of the box."""


class COCO(coco.COCO):
    """Annotations, as ``pycocotools.coco.COCO``; persons are no crowd where the file does not say.

    Args:
        annotation_file: JSON file in COCO's format.
        test_index: Indices of the keypoints to keep; all if ``None``.
        ann_data: What the file holds, where it has been read before.
    """

    def __init__(
        self,
        annotation_file: str | Path | None = None,
        test_index: Sequence[int] | None = None,
        ann_data: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(None if ann_data is not None else annotation_file)
        self.anno_file = [annotation_file]
        self.test_index = test_index
        if ann_data is not None:
            self.dataset = ann_data
        for person in self.dataset.get("annotations", []):
            person.setdefault("iscrowd", False)
            if test_index is not None:
                person["keypoints"] = np.reshape(person["keypoints"], (-1, 3))[list(test_index)].ravel().tolist()
        if ann_data is not None:
            self.createIndex()

    def loadRes(self, resFile: Any, resData: list[dict[str, Any]] | None = None) -> COCO:
        """Results as annotations of the same images; other than pycocotools, none at all are taken too.

        Args:
            resFile: JSON file in COCO's results format, or what one holds.
            resData: What the file holds, where it has been read before.
        """
        if len(self.anno_file) == 1:
            self.anno_file.append(resFile)
        found = resFile if resData is None else resData
        if isinstance(found, str):
            found = json.loads(Path(found).read_text(encoding="utf-8"))
        results = COCO()
        results.dataset = super().loadRes(found).dataset if len(found) else {**self.dataset, "annotations": []}
        results.createIndex()
        return results


class COCOeval(cocoeval.COCOeval):
    """AP and AR by OKS, as ``pycocotools.cocoeval.COCOeval``, for keypoints of any kind.

    Args:
        cocoGt: Persons.
        cocoDt: Results.
        iouType: ``keypoints``, ``keypoints_crowd`` (CrowdPose: nine figures, the last three of its levels), or one of
            :data:`PARTS`, whose results may have a score of their own (``foot_score`` and so on).
        sigmas: Of the keypoints, shape (K,); COCO's if ``None``.
        use_area: Whether OKS divides by the persons' areas or, where they have none, by 0.53 times their boxes' areas.
    """

    evalImgs: list[Any]
    eval: dict[str, Any]
    stats: Any

    def __init__(
        self,
        cocoGt: Any = None,
        cocoDt: Any = None,
        iouType: str = "keypoints",
        sigmas: np.ndarray | None = None,
        use_area: bool = True,
    ) -> None:
        super().__init__(cocoGt, cocoDt, "keypoints" if "keypoints" in iouType else iouType)
        self.crowd = iouType == "keypoints_crowd"
        self.parts = PARTS.get(iouType, WHOLE_BODY[:1])
        self.score_key = f"{iouType.removeprefix('keypoints_')}_score" if iouType in PARTS else "score"
        self.use_area = use_area
        self.sigmas = self.params.kpt_oks_sigmas if sigmas is None else np.asarray(sigmas)

    def _prepare(self) -> None:
        """What to judge, as plain COCO keypoints; the annotations stay as they are."""
        if self.params.iouType != "keypoints":
            super()._prepare()
            return
        self.params.kpt_oks_sigmas = self.sigmas
        self._gts, self._dts = defaultdict(list), defaultdict(list)
        for number, person in enumerate(self._chosen(self.cocoGt), 1):  # pycocotools takes no match for the number 0
            plain = self._plain(person) | {"id": number}
            labelled = person["num_keypoints"] if self.crowd else _visible(plain)  # CrowdPose's counts visible ones
            plain["ignore"] = labelled == 0 or bool(person.get("iscrowd"))
            if not self.use_area or "area" not in person:
                plain["area"] = person["bbox"][3] * person["bbox"][2] * AREA_OF_BOX
            self._gts[person["image_id"], person["category_id"]].append(plain)
        for result in self._chosen(self.cocoDt):
            if self.score_key not in result:
                warnings.warn(f"{self.score_key!r} not found, use 'score' instead.", stacklevel=2)
            plain = self._plain(result) | {"score": result.get(self.score_key, result["score"])}
            if _visible(plain):
                self._dts[result["image_id"], result["category_id"]].append(plain)
        self.evalImgs, self.eval = [], {}

    def _chosen(self, annotations: Any) -> list[dict[str, Any]]:
        categories = self.params.catIds if self.params.useCats else []
        found: list[dict[str, Any]] = annotations.loadAnns(annotations.getAnnIds(self.params.imgIds, categories))
        return found

    def _plain(self, annotation: dict[str, Any]) -> dict[str, Any]:
        """A copy whose keypoints are those that are looked at."""
        return {**annotation, "keypoints": [value for part in self.parts for value in annotation[part]]}

    def summarize(self) -> None:
        """Print the figures and keep them in ``stats``: pycocotools' ten or, of CrowdPose, nine.

        These are AP, AP50, AP75, AR, AR50, AR75 and the AP of the easy, medium and hard images. Afterwards ``eval`` is
        that of the hard images, as in xtcocotools.
        """
        super().summarize()
        if self.crowd:
            levels = self.get_type_result(first=0.2, second=0.8)
            for level, ap in zip(("easy", "medium", "hard"), levels, strict=True):
                print(f" Average Precision  (AP) @[ IoU=0.50:0.95 | type={level:>6s} | maxDets= 20 ] = {ap:0.3f}")
            self.stats = np.array([*self.stats[[0, 1, 2, 5, 6, 7]], *levels])

    def get_type_result(self, first: float = 0.01, second: float = 0.85) -> list[float]:
        """AP of the images whose ``crowdIndex`` is below ``first``, below ``second``, and higher, to four digits."""
        index = {image["id"]: image["crowdIndex"] for image in self.cocoGt.dataset["images"]}
        levels = [[image for image in index if low <= index[image] < high] for low, high in (
            (-np.inf, first), (first, second), (second, np.inf))]  # fmt: skip
        found = []
        with contextlib.redirect_stdout(io.StringIO()):
            for images in levels:
                self.params.imgIds = images
                self.evaluate()
                self.accumulate()
                found.append(round(float(np.mean(self.eval["precision"][:, :, :, 0, :])), 4))
        return found


def _visible(annotation: dict[str, Any]) -> int:
    """Number of keypoints whose flag, or score, is above 0."""
    return int(np.count_nonzero(np.array(annotation["keypoints"])[2::3] > 0))


def register() -> None:
    """Make ``import xtcocotools`` mean this module, also where there is a real one. Idempotent."""
    contents = {"coco": {"COCO": COCO}, "cocoeval": {"COCOeval": COCOeval}, "mask": vars(mask)}
    package = _module("xtcocotools", __path__=[])
    for name, members in contents.items():
        members = {key: value for key, value in members.items() if not key.startswith("__")}
        setattr(package, name, _module(f"xtcocotools.{name}", **members))


def _module(name: str, **members: Any) -> ModuleType:
    module = ModuleType(name, __doc__)
    module.__spec__ = importlib.machinery.ModuleSpec(name, loader=None, is_package="__path__" in members)
    vars(module).update(members)
    sys.modules[name] = module
    return module
