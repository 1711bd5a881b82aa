"""A training's MMPose config: found, and filled with the data and the settings."""

from __future__ import annotations

import importlib.resources
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..attacks import COCO, MPII
from ..estimators.metainfo import Described
from ..system.errors import OccbenchError
from ..weights.zoo import find_model, list_models
from .augment import check_donors
from .data import TrainingData
from .described import describing, find_beside, turn_to
from .settings import Settings

if TYPE_CHECKING:
    from mmengine.config import Config

RECIPES = "thesis"


def find_config(name: str) -> Path:
    """The config of a model of the zoo, of a recipe of this package (``configs/thesis``), or of a path.

    Raises:
        OccbenchError: There is none.
    """
    recipe = Path(str(importlib.resources.files("occbench.configs"))) / RECIPES / f"{Path(name).name}.py"
    return recipe if Path(name).name == name and recipe.is_file() else find_model(name).config_path


def dataset_of(config: Path) -> str:
    """Whose keypoints a config trains, ``coco`` or ``mpii``, by its training data set.

    Raises:
        OccbenchError: It cannot be read.
    """
    return (
        "mpii" if _read(config).get("train_dataloader", {}).get("dataset", {}).get("type") == "MpiiDataset" else "coco"
    )


def _read(config: Path) -> Config:
    from mmengine.config import Config

    try:
        return Config.fromfile(str(config))
    except Exception as error:  # a config is Python, and can fail in any way
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise OccbenchError(f"config {str(config)!r} cannot be read: {reason}") from error


def build_config(
    config: Path,
    data: TrainingData,
    val: TrainingData | None,
    settings: Settings | None = None,
    workers: int = 1,
    verbose: bool = False,
) -> Config:
    """The model's config with the data filled in, the augmentation in its place, and the machine's matters set.

    Args:
        config: An MMPose config with a train pipeline.
        data: What is trained on.
        val: What the best epoch is chosen by.
        settings: Of the training.
        workers: Processes that decode and augment.
        verbose: MMEngine prints its log.

    Raises:
        OccbenchError: The config has no train pipeline, or does not go with the data or the augmentation.
    """
    settings = settings or Settings()
    warnings.filterwarnings("ignore", message='Use the existing "bbox_center".*')  # as MPII's boxes are meant
    cfg = _read(config)
    pipeline = cfg.get("train_dataloader", {}).get("dataset", {}).get("pipeline")
    if not pipeline or "model" not in cfg:
        raise OccbenchError(f"config {str(config)!r} has no model with a train_dataloader.dataset.pipeline to train by")
    find_beside(cfg, config)
    if data.described:
        turn_to(cfg, data)
    _check_kind(cfg, data, config)
    _fill(cfg.train_dataloader, data, workers)
    cfg.train_dataloader.batch_size = settings.batch_size
    cfg.train_dataloader.drop_last = True
    cfg.train_dataloader.sampler = {"type": "EpochSampler", "shuffle": True}
    cfg.train_dataloader.dataset.pipeline = settings.augmentation.put_into(pipeline, settings.seed)
    if data.described:
        cfg.train_dataloader.dataset.pipeline.insert(1, describing(data))
    _check_same_keypoints(data, val)
    check_donors(cfg.train_dataloader.dataset.pipeline, data)
    _set_validation(cfg, val, workers, config)
    cfg.test_dataloader = cfg.test_evaluator = None
    cfg.model.train_cfg = {**(cfg.model.get("train_cfg") or {}), "compute_acc": False}  # slow, and not for bfloat16
    if settings.freeze_stages >= 0:
        cfg.model.backbone.frozen_stages = settings.freeze_stages
    cfg.log_level = "INFO" if verbose else "WARNING"
    return cfg


def _check_kind(cfg: Config, data: TrainingData, config: Path) -> None:
    wants = str(cfg.train_dataloader.dataset.get("type"))
    has = "MpiiDataset" if data.skeleton is MPII else "CocoDataset"
    if wants != has:
        raise OccbenchError(f"config {config.stem} trains on a {wants}, but {str(data.annotations)!r} is a {has}")
    if not data.described and cfg.train_dataloader.dataset.get("metainfo"):
        Described(cfg, cfg.train_dataloader.dataset).require(data.skeleton)
    elif not data.described and data.skeleton is not MPII and data.skeleton.keypoints != COCO.keypoints:
        raise OccbenchError(
            f"config {config.stem} trains the 17 keypoints of COCO, but {str(data.annotations)!r} has the "
            f"{len(data.skeleton.keypoints)} of {data.skeleton.name}"
        )


def _check_same_keypoints(data: TrainingData, val: TrainingData | None) -> None:
    if val is not None and val.skeleton.keypoints != data.skeleton.keypoints:
        raise OccbenchError(
            f"--val {str(val.annotations)!r} has other keypoints than {str(data.annotations)!r}: give data of the same "
            "(a described data set by its YAML file)"
        )


def _set_validation(cfg: Config, val: TrainingData | None, workers: int, config: Path) -> None:
    if val is None:
        cfg.val_dataloader = cfg.val_evaluator = None
        return
    if not cfg.get("val_dataloader"):
        raise OccbenchError(f"config {config.stem} has no val_dataloader; leave out --val")
    _check_kind(cfg, val, config)
    _fill(cfg.val_dataloader, val, workers)
    if val.skeleton is MPII:
        if not val.headboxes.is_file():
            raise OccbenchError(f"the head boxes {str(val.headboxes)!r}, which MPII's PCKh needs, do not exist")
        cfg.val_dataloader.dataset.headbox_file = str(val.headboxes)
        cfg.val_evaluator = {"type": "MpiiPCKAccuracy"}
    else:
        own = dict(cfg.get("val_evaluator") or {})
        kept = own if own.get("type") == "CocoMetric" else {"type": "CocoMetric"}
        cfg.val_evaluator = {**kept, "ann_file": str(val.file)}


def _fill(loader: Any, data: TrainingData, workers: int) -> None:
    loader.num_workers = workers
    loader.persistent_workers = workers > 0
    for key in ("bbox_file", "headbox_file"):
        loader.dataset.pop(key, None)
    loader.dataset.update(data_root="", ann_file=str(data.file), data_prefix={"img": str(data.images)})


def prepare_init(cfg: Config, init: str | None) -> Path | None:
    """Set what the weights start from.

    Args:
        cfg: The config; its pretrained parts get a local file, or go.
        init: As in :class:`~.settings.Settings`.

    Returns:
        A checkpoint to load into the whole model, or None.

    Raises:
        OccbenchError: There is no such checkpoint or model, or its weights are none or cannot be had.
    """
    pretrained = list(_pretrained(cfg.model))
    if init == "imagenet" and not pretrained:
        raise OccbenchError("this config names no pretrained weights for its backbone; use --init none or a checkpoint")
    if init in (None, "imagenet"):
        for part in pretrained:
            part.init_cfg.checkpoint = _fetched(str(part.init_cfg.checkpoint))
        return None
    for part in pretrained:
        part.init_cfg = None
    if init == "none":
        return None
    return _weights_of(str(init))


def _weights_of(init: str) -> Path:
    """The file of a checkpoint, or of the weights that a named model has."""
    from ..weights.checkpoints import resolve

    path = Path(init).expanduser()
    if path.is_file():
        return path
    named = next((model for model in list_models() if init in (model.name, *model.aliases)), None)
    if named is None:
        raise OccbenchError(
            f"--init is imagenet, none, a checkpoint or a model of `occbench ls models`, but there is no {init!r}"
        )
    return resolve(None, named, option="--init")


def _pretrained(part: Any) -> Iterator[Any]:
    """The parts of a model's config that start from weights of their own."""
    if isinstance(part, dict):
        init = part.get("init_cfg")
        if isinstance(init, dict) and init.get("type") == "Pretrained":
            yield part
        for value in part.values():
            yield from _pretrained(value)


def _fetched(address: str) -> str:
    """The local file of pretrained weights; read once here, since MMEngine itself may run what a file holds."""
    from ..weights.checkpoints import BY_HAND, load_state_dict, resolve

    scheme, _, name = address.partition("://")
    if scheme == "torchvision":
        from mmengine.runner.checkpoint import get_torchvision_models

        address = str(get_torchvision_models().get(name, address))
    elif scheme not in ("http", "https") and "://" in address:
        return address  # other model zoos of MMEngine's
    try:
        path = resolve(address, find_model("hrnet"))
    except OccbenchError as error:
        reason = str(error).replace(BY_HAND, "without network, download it elsewhere and put it into the cache")
        raise OccbenchError(f"{reason}; to train from scratch: --init none") from error
    load_state_dict(path)
    return str(path)
