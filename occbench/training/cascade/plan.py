"""Which configs are cascades, and what their training would do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ...data.persons import Dataset
from ...estimators.config import load_config, read_config
from ...models.deeppose import DeepPoseCascade
from ...system.errors import OccbenchError
from .settings import CascadeSettings


def is_cascade(config: Path) -> bool:
    """Whether a config's model is a cascade; a config that cannot be read is none: whoever trains it says why."""
    try:
        model = load_config(config).model
    except OccbenchError:
        return False
    return bool((model.get("backbone") or {}).get("type") == DeepPoseCascade.__name__)


def plan(config: Path, data: Dataset, settings: CascadeSettings) -> Iterator[str]:
    """The training in lines, for reading; the cascade is built, nothing is trained.

    Raises:
        OccbenchError: The config is not what it should be.
    """
    from mmpose.models import build_pose_estimator

    cascade: DeepPoseCascade = build_pose_estimator(read_config(config).model).backbone
    persons = len(data.persons)
    parameters = sum(p.numel() for p in cascade.networks[0].parameters())
    yield f"model    {len(cascade.networks)} stages of {parameters / 1e6:.2f} million parameters, {cascade.size} px"
    yield f"data     {persons} persons as canvases of {cascade.side} px: {3 * cascade.side**2 * persons / 1e9:.2f} GB"
    for stage in range(len(cascade.networks)):
        crops = settings.crops(stage, persons, cascade.keypoints)
        yield f"stage {stage + 1}  {crops:,} crops in steps of {settings.batch_size}"
    yield f"rate     {settings.optimizer} {settings.lr:g}, {settings.decay}"
