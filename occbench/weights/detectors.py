"""The person detectors by name: MMDet config, weights, published figures.

As for the pose models of :mod:`occbench.weights.zoo`, what MMDet says about its models is read from the metafiles that
it installs beside its configs, when it is asked for. Importing this module imports neither torch nor MMDet.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ..system.errors import OccbenchError, quoted, unknown_name
from ..system.openmmlab import installed_config, installed_configs
from .metafiles import metafile_entry


@dataclass(frozen=True)
class ZooDetector:
    """A detector that can be named on the command line.

    Attributes:
        name: The name, also of boxes in tables.
        config: A path inside MMDet's installed configs, or the absolute path of a user's own config.
        note: What a user should know before choosing it.
    """

    name: str
    config: str
    note: str = ""

    @property
    def config_path(self) -> Path:
        """Where the config lies.

        Raises:
            OccbenchError: MMDet is not installed, or is installed without this config.
        """
        path = Path(self.config)
        if not path.is_absolute():
            path = installed_configs("mmdet") / path
        if not path.is_file():
            raise OccbenchError(f"the config of detector {self.name!r} is missing: {path}; install MMDet again")
        return path

    @property
    def checkpoint(self) -> str | None:
        """The address of the weights that MMDet's metafile gives, or None."""
        address = metafile_entry(self.config_path).get("Weights")
        return str(address) if address else None

    @property
    def box_ap(self) -> float | None:
        """The published box AP on COCO val2017, all classes, as a fraction; None where the metafile has none."""
        for result in metafile_entry(self.config_path).get("Results") or []:
            value = (result.get("Metrics") or {}).get("box AP")
            if isinstance(value, (int, float)):
                return float(value) / 100
        return None


_DETECTORS = (
    ZooDetector("cascade-rcnn", "cascade_rcnn/cascade-rcnn_r50_fpn_1x_coco.py", "Cascade R-CNN, ResNet-50 FPN"),
    ZooDetector("faster-rcnn", "faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py", "Faster R-CNN, ResNet-50 FPN"),
    ZooDetector("retinanet", "retinanet/retinanet_r50_fpn_1x_coco.py", "RetinaNet, ResNet-50 FPN"),
    ZooDetector("rtmdet", "rtmdet/rtmdet_m_8xb32-300e_coco.py", "RTMDet-m; boxes down to a score of 0.001"),
)


def list_detectors() -> tuple[ZooDetector, ...]:
    """Every detector that has a name."""
    return _DETECTORS


def find_detector(name_or_path: str) -> ZooDetector:
    """The detector of that name, or an anonymous one for the path of an MMDet config.

    Args:
        name_or_path: A name of :func:`list_detectors`, the name of a config that MMDet installs (without ``.py``), or
            the path of a config file, which must end in ``.py``.

    Raises:
        OccbenchError: No such detector (naming the nearest ones) or no such file.
    """
    by_name = {detector.name: detector for detector in _DETECTORS}
    if name_or_path in by_name:
        return by_name[name_or_path]
    if name_or_path.endswith(".py"):
        path = Path(name_or_path).expanduser()
        if not os.path.isfile(path):  # which, other than Path.is_file, takes any name for an answer
            raise OccbenchError(
                f"there is no detector config {quoted(name_or_path, 300)}; give a path, or a name of "
                "`occbench ls detectors`"
            )
        return ZooDetector(path.stem, str(path.resolve()))
    installed = installed_config("mmdet", name_or_path)
    if installed is not None:
        return ZooDetector(name_or_path, str(installed))
    raise unknown_name("detector", name_or_path, by_name)
