"""A person detector: an MMDet config, its weights, and the boxes that it finds in a photo."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..estimators.config import first_line, hash_of_config, load_config
from ..system.compat import setup_mmpose
from ..system.download import sha256
from ..system.errors import OccbenchError, quoted
from ..weights.checkpoints import load_checkpoint, load_into
from ..weights.trust import check_config

PERSON = "person"


class Detector:
    """A detector of MMDet, ready to find persons. Its config decides on resizing, score floor and NMS.

    Args:
        config_file: An MMDet config.
        checkpoint: Its weights; they must fit exactly.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``...
        trust: Unpickle the checkpoint even where that can run code.
        trust_config: Let the config run code from elsewhere.

    Attributes:
        from_elsewhere: What of the config's code is from elsewhere, and was trusted.
        config_sha256: Of the config's content, with all that it inherits.
        classes: What it tells apart, by name: as the checkpoint says, else the data set of the config.

    Raises:
        OccbenchError: The config or the weights are not what they should be, or no class is called ``person``.
    """

    def __init__(
        self,
        config_file: Path,
        checkpoint: Path,
        device: str = "cpu",
        trust: bool = False,
        trust_config: bool = False,
    ) -> None:
        setup_mmpose()
        import torch

        self.from_elsewhere = check_config(config_file, trust_config)
        self.config = load_config(config_file)
        self.config_sha256 = hash_of_config(self.config)
        # MMDet would fetch the backbone's ImageNet weights, which the checkpoint replaces anyway.
        self.config.model.get("backbone", {}).pop("init_cfg", None)
        model = build_detector(self.config, config_file)
        self._pipeline = _pipeline(self.config, config_file)
        state, meta = load_checkpoint(checkpoint, trust)
        load_into(model, state, str(checkpoint))
        self.classes = _classes(meta, self.config)
        names = [name.lower() for name in self.classes]
        if PERSON not in names:
            raise OccbenchError(
                f"detector {str(config_file)!r} knows no class {PERSON!r}, but {quoted(list(self.classes))[1:-1]}; "
                "give one that finds persons, or name its classes in the config's test data set (metainfo)"
            )
        self._person = names.index(PERSON)
        try:
            self._model = model.to(torch.device(device)).eval()
        except (RuntimeError, AssertionError) as error:
            raise OccbenchError(f"device {device!r} cannot be used: {first_line(error)}") from error
        self._model.cfg = self.config  # where MMDet looks for it
        self._checkpoint = checkpoint

    @cached_property
    def weights_sha256(self) -> str:
        """Of the checkpoint file."""
        return sha256(self._checkpoint)

    def detect(self, photo: np.ndarray) -> np.ndarray:
        """Find the persons in a photo (PROTOCOL section 7), by MMDet's own test pipeline and test step.

        Args:
            photo: Shape (h, w, 3), uint8, BGR.

        Returns:
            Shape (n, 5), float64: x1, y1, x2, y2 in image px, and the score; best first. As MMDet gives them, so that
            a box may reach over the edge of a photo that was padded; those without an area in the photo are left out.

        Raises:
            OccbenchError: The detector gives numbers that are not finite, or it needs what is not installed.
        """
        from mmdet.apis import inference_detector

        with _mmdet_scope():
            found = inference_detector(self._model, photo, self._pipeline).pred_instances
        persons = found[found.labels == self._person]
        boxes = persons.bboxes.detach().cpu().numpy().astype(np.float64).reshape(-1, 4)
        scores = persons.scores.detach().cpu().numpy().astype(np.float64)
        if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
            raise OccbenchError(
                f"the detector's boxes are not finite numbers: are the weights {self._checkpoint} sound?"
            )
        height, width = photo.shape[:2]
        kept = (boxes[:, 2:] > boxes[:, :2]).all(1)
        kept &= (boxes[:, :2] < (width, height)).all(1) & (boxes[:, 2:] > 0).all(1)
        best = np.argsort(-scores[kept], kind="stable")
        return np.column_stack([boxes[kept], scores[kept]])[best]


def _mmdet_scope() -> Any:
    """Where MMEngine looks for what configs and models name: MMDet, though MMPose is the default of the process."""
    from mmengine.registry import DefaultScope

    return DefaultScope.overwrite_default_scope("mmdet")


def build_detector(config: Any, config_file: Path) -> Any:
    """The network of an MMDet config, with random weights.

    Args:
        config: Of :func:`~.model.load_config`.
        config_file: Where it is from, for messages.

    Raises:
        OccbenchError: It is no detector's, or MMDet cannot build it.
    """
    import mmdet.models  # noqa: F401  # registers them
    from mmdet.models.detectors.base import BaseDetector
    from mmdet.registry import MODELS
    from mmengine.model import revert_sync_batchnorm

    kind = config.model.get("type")
    try:
        with _mmdet_scope():
            model = revert_sync_batchnorm(MODELS.build(config.model))
    except (KeyError, TypeError, AttributeError, ValueError, AssertionError, ImportError) as error:
        raise OccbenchError(f"MMDet cannot build the detector of {str(config_file)!r}: {first_line(error)}") from error
    if not isinstance(model, BaseDetector):
        raise OccbenchError(f"config {str(config_file)!r} is a {kind}, no detector of MMDet; give a detector's config")
    return model


def _pipeline(config: Any, config_file: Path) -> Any:
    """The config's own test pipeline, on arrays in place of files."""
    import mmdet.datasets  # noqa: F401  # registers its steps
    from mmcv.transforms import Compose
    from mmdet.utils import get_test_pipeline_cfg

    try:
        steps = get_test_pipeline_cfg(config.copy())
        steps[0].type = "mmdet.LoadImageFromNDArray"
        with _mmdet_scope():
            return Compose(steps)
    except (KeyError, TypeError, AttributeError, ValueError, IndexError, RuntimeError) as error:
        raise OccbenchError(
            f"config {str(config_file)!r} has no test pipeline that works (test_dataloader.dataset.pipeline): "
            f"{first_line(error)}"
        ) from error


def _classes(meta: dict[str, Any], config: Any) -> tuple[str, ...]:
    """The names of the detector's classes: of the checkpoint (those before MMDet 3 too), else of the config's data."""
    of_data = meta.get("dataset_meta") or {}
    found = of_data.get("classes") or of_data.get("CLASSES") or meta.get("CLASSES") or _classes_of_data(config)
    return (found,) if isinstance(found, str) else tuple(str(name) for name in found)


def _classes_of_data(config: Any) -> Any:
    """The classes of the config's test data set, as its ``metainfo`` or its class in MMDet gives them."""
    from mmdet.registry import DATASETS

    dataset = config.get("test_dataloader", {}).get("dataset", {})
    own = (dataset.get("metainfo") or {}).get("classes")
    kind = dataset.get("type")
    with _mmdet_scope():
        known = DATASETS.get(kind) if isinstance(kind, str) else kind
    return own or getattr(known, "METAINFO", {}).get("classes") or ()
