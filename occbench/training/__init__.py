"""Training: MMEngine's Runner around an MMPose config, with an augmentation put into its pipeline."""

from .augment import AUGMENTATIONS, BASELINES, Augmentation
from .config import build_config, dataset_of, find_config, own_settings
from .data import TrainingData, training_data
from .export import EXPORTED, best_checkpoint, export_checkpoint
from .run import train
from .runner import STEPS, build_loader, build_runner, has_tensorboard, schedule
from .settings import DECAYS, RECORD, Settings

__all__ = [
    "AUGMENTATIONS",
    "BASELINES",
    "DECAYS",
    "EXPORTED",
    "RECORD",
    "STEPS",
    "Augmentation",
    "Settings",
    "TrainingData",
    "best_checkpoint",
    "build_config",
    "build_loader",
    "build_runner",
    "dataset_of",
    "export_checkpoint",
    "find_config",
    "has_tensorboard",
    "own_settings",
    "schedule",
    "train",
    "training_data",
]
