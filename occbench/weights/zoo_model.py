"""A model that has a name: MMPose config, weights, published figures.

What MMPose says about its models (address of the weights, AP, AR) is read from the metafiles that it installs beside
its configs, when it is asked for; nothing of it is repeated here. Importing this module imports neither torch nor
MMPose.
"""

from __future__ import annotations

import importlib.resources
import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from ..system.errors import OccbenchError
from ..system.openmmlab import mmpose_configs, without
from .metafiles import metafile_entry

if TYPE_CHECKING:
    from ..attacks import Skeleton

OWN = "occbench:"  # prefix of a config that lies in this package's configs/
OUTSIDE = ("command", "results")
"""Sources of models that are run elsewhere."""
_WITHOUT_CONFIG = (*OUTSIDE, "torchvision")


@dataclass(frozen=True)
class ZooModel:
    """A pose model that can be named on the command line.

    Attributes:
        name: The name, also of result rows.
        config: A path inside MMPose's installed configs, ``"occbench:FILE"`` for a config of this package, or the
            path of a user's own config.
        aliases: Other names for it.
        dataset: Whose keypoints it predicts: ``"coco"``, ``"mpii"``, or ``"unknown"`` for a user's own config.
        sees: ``"crop"``: one person's crop at a time (top-down); ``"photo"``: whole photos (bottom-up, one-stage, ...);
            ``""``: its config says it (:func:`occbench.estimators.make.what_it_sees`).
        source: What makes an estimator of it: a key of :data:`occbench.estimators.make.MAKERS`.
        weights: File name of weights that ship in this package, or empty.
        like: For a config of this package that stands for one of MMPose's: that one's path, whose metafile speaks.
        note: What a user should know before choosing it.
        address: Of its weights, where no metafile of MMPose says it.
        figures: Published ones, likewise, by MMPose's names.
        specification: Of an ONNX file, which is the ``config``: a YAML file, or the name of a ready one; None: none.
        needs: Packages besides MMPose that its config takes parts from.
    """

    name: str
    config: str
    aliases: tuple[str, ...] = ()
    dataset: str = "coco"
    sees: Literal["crop", "photo", ""] = "crop"
    source: str = "mmpose"
    weights: str = ""
    like: str = ""
    note: str = ""
    address: str = ""
    figures: tuple[tuple[str, float], ...] = ()
    specification: str | None = None
    needs: tuple[str, ...] = ()

    @property
    def missing(self) -> str:
        """Why it cannot be built here, and how to mend that; empty where nothing is missing."""
        return next((without(package) for package in self.needs if importlib.util.find_spec(package) is None), "")

    @property
    def config_path(self) -> Path:
        """Where the config lies; of what has none, what it is called with.

        Raises:
            OccbenchError: MMPose is not installed, or is installed without this config.
        """
        if self.source in _WITHOUT_CONFIG:
            return Path(self.config)
        if self.config.startswith(OWN):
            path = Path(str(importlib.resources.files("occbench.configs"))) / self.config.removeprefix(OWN)
        elif self.dataset == "unknown":
            path = Path(self.config)
        else:
            path = mmpose_configs() / self.config
        if not path.is_file():
            raise OccbenchError(
                f"the config of model {self.name!r} is missing: {path}; install occbench or MMPose again"
            )
        return path

    @property
    def input_size(self) -> tuple[int, int] | None:
        """Width and height of the input in pixels, as the config's name tells them (height first), or None."""
        stem = Path(self.like or self.config).stem
        sizes = re.findall(r"(\d{2,4})x(\d{2,4})(?!\d)", stem) or [
            (side, side) for side in re.findall(r"-(\d{3})$", stem)
        ]
        return (int(sizes[-1][1]), int(sizes[-1][0])) if sizes else None

    @property
    def published(self) -> Mapping[str, float]:
        """Figures of the metafile by its own names (``AP``, ``AR``; ``Mean``, i.e. PCKh, for MPII), or nothing."""
        if self.figures:
            return MappingProxyType(dict(self.figures))
        results = self._metafile_entry().get("Results") or [{}]
        metrics = results[0].get("Metrics") or {}
        return MappingProxyType({str(k): float(v) for k, v in metrics.items() if isinstance(v, (int, float))})

    @property
    def checkpoint(self) -> str | None:
        """The weights: a file of this package, or the address that MMPose's metafile gives. None: there are none."""
        if self.source == "onnx":
            return self.config
        if self.address:
            return self.address
        if self.weights:
            return str(Path(str(importlib.resources.files("occbench"))) / "assets" / self.weights)
        address = self._metafile_entry().get("Weights")
        return str(address) if address else None

    def require_keypoints_of(self, skeleton: Skeleton) -> None:
        """Refuse data with other keypoints, before any weights are fetched; their parts may be any.

        Args:
            skeleton: The data's.

        Raises:
            OccbenchError: The model is known to predict other keypoints.
        """
        from ..attacks import SKELETONS

        own = SKELETONS.get(self.dataset)
        if own is not None and own.keypoints != skeleton.keypoints:
            raise OccbenchError(
                f"model {self.name!r} predicts the keypoints of {self.dataset.upper()}, but the data has those of "
                f"{skeleton.name.upper()}; choose a model or data that go together (`occbench ls models`)"
            )

    @property
    def has_weights(self) -> bool:
        """Whether it is loaded from a file of weights of its own."""
        return self.source not in OUTSIDE

    def _metafile_entry(self) -> Mapping[str, Any]:
        if self.like:
            return metafile_entry(mmpose_configs() / self.like)
        return {} if self.config.startswith(OWN) or self.source != "mmpose" else metafile_entry(self.config_path)
