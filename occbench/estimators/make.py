"""From the name of a model to its estimator: what it sees, and the estimator itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from ..system.errors import OccbenchError
from ..weights.trust import check_config
from ..weights.zoo import ZooModel
from .config import CROPS
from .protocol import CropEstimator, PhotoEstimator, Say, Sees


@dataclass(frozen=True)
class Options:
    """How an estimator is to be made.

    Attributes:
        device: ``cpu``, ``cuda``, ``cuda:1``, ...
        flip: Whether to average with the mirrored input; None for what the model says.
        trust: Unpickle the weights even where that can run code.
        trust_config: Let a config run code from elsewhere.
        scales: Of an image pyramid; empty for scale 1 alone.
        note: Told what had to be guessed.
        time_limit: Seconds that a program has for a cell; None for a day.
    """

    device: str = "cpu"
    flip: bool | None = None
    trust: bool = False
    trust_config: bool = False
    scales: tuple[float, ...] = ()
    note: Say = lambda line: None
    time_limit: float | None = None


@dataclass(frozen=True)
class Maker:
    """What makes the estimators of one source.

    Attributes:
        sees: What a model whose name does not tell it is given, from its files alone; raises OccbenchError where they
            are none of an estimator.
        make: The estimator of a model with its weights; raises OccbenchError where they do not fit.
    """

    sees: Callable[[ZooModel, Options], Sees]
    make: Callable[[ZooModel, Path, Options], CropEstimator | PhotoEstimator]


def what_it_sees(model: ZooModel, options: Options | None = None) -> Sees:
    """Whether a model is given crops or whole photos. A model of the zoo says so; of others the files are read.

    Raises:
        OccbenchError: The files cannot be read, or are no estimator's.
    """
    return model.sees or MAKERS[model.source].sees(model, options or Options())


def make_estimator(model: ZooModel, weights: Path, options: Options | None = None) -> CropEstimator | PhotoEstimator:
    """Build an estimator and load its weights.

    Args:
        model: As :func:`~occbench.weights.zoo.find_model` found it.
        weights: The file.
        options: How.

    Raises:
        OccbenchError: The model or its weights are not what they should be, or an option is not for it.
    """
    return MAKERS[model.source].make(model, weights, options or Options())


KINDS: Mapping[str, Sees] = {**dict.fromkeys(CROPS, "crop"), "BottomupPoseEstimator": "photo"}
"""Estimators of configs, by what they see."""


def _mmpose_sees(model: ZooModel, options: Options) -> Sees:
    from .config import load_config

    check_config(model.config_path, options.trust_config)
    return _kind(load_config(model.config_path), model.config_path)


def _kind(config: Any, path: Path) -> Sees:
    kind = config.model.get("type")
    name = getattr(kind, "__name__", str(kind)).rsplit(".", 1)[-1]
    if name not in KINDS:
        raise OccbenchError(f"config {str(path)!r} is a {name}, and not one of {', '.join(KINDS)}")
    return KINDS[name]


def _mmpose(model: ZooModel, weights: Path, options: Options) -> CropEstimator | PhotoEstimator:
    from .photo_model import PhotoModel
    from .pose_model import PoseModel

    how = (options.device, options.flip, options.trust, options.trust_config, options.scales)
    if what_it_sees(model, options) == "photo":
        return PhotoModel(model.config_path, weights, *how)
    return PoseModel(model.config_path, weights, *how)


def _onnx_sees(model: ZooModel, options: Options) -> Sees:
    from .onnx.crop_model import OnnxFile
    from .onnx.specification import read_specification

    given = read_specification(model.specification)
    output = given.output or OnnxFile(model.config_path, given).specification.output
    return "photo" if output == "persons" else "crop"


def _onnx(model: ZooModel, weights: Path, options: Options) -> CropEstimator | PhotoEstimator:
    from .onnx.crop_model import OnnxCrops
    from .onnx.photo_model import OnnxPhotos
    from .onnx.specification import read_specification

    if options.scales:
        raise OccbenchError("--scales averages heatmaps of MMPose's models, not of an ONNX file: leave it out")
    kind = OnnxPhotos if what_it_sees(model, options) == "photo" else OnnxCrops
    made = kind(weights, read_specification(model.specification), options.device, options.flip)
    if made.guessed:
        options.note(f"guessed of {weights.name}: {made.guesses}")
    return made


def _torchvision(model: ZooModel, weights: Path, options: Options) -> PhotoEstimator:
    from .keypoint_rcnn import KeypointRCNN

    return KeypointRCNN(weights, options.device, options.flip, options.trust, options.scales)


def _outside(model: ZooModel, weights: Path, options: Options) -> PhotoEstimator:
    from .outside import TIME_LIMIT, Given, Program

    if options.flip is not None or options.scales:
        raise OccbenchError("what runs elsewhere has neither --flip nor --scales: leave them out")
    made: Program | Given
    if model.source == "command":
        made = Program(model.config, TIME_LIMIT if options.time_limit is None else options.time_limit)
    else:
        made = Given(Path(model.config))
    return cast(PhotoEstimator, made)  # but for predict, in place of which it answers for whole cells


def _photo(model: ZooModel, options: Options) -> Sees:
    return "photo"


MAKERS: Mapping[str, Maker] = {
    "mmpose": Maker(_mmpose_sees, _mmpose),
    "onnx": Maker(_onnx_sees, _onnx),
    "torchvision": Maker(_photo, _torchvision),
    "command": Maker(_photo, _outside),
    "results": Maker(_photo, _outside),
}
"""By :attr:`~occbench.weights.zoo.ZooModel.source`."""
