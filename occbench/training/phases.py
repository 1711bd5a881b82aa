"""Trainings in phases: which parts of a model learn, and by which loss, hangs on the epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper

from ..system.errors import OccbenchError

if TYPE_CHECKING:
    from mmengine.config import Config


def shares_of(cfg: Config) -> dict[str, float]:
    """The phases of a config in order, by the share of the epochs: its ``model.train_cfg.phases``; empty for one."""
    return dict((cfg.model.get("train_cfg") or {}).get("phases") or {})


def epochs_of(shares: Mapping[str, float], epochs: int) -> dict[str, int]:
    """How many epochs each phase has; those that have any share have one at least.

    Raises:
        OccbenchError: There are fewer epochs than phases, or the shares are none.
    """
    wanted = {phase: float(share) for phase, share in shares.items() if share}
    if not wanted or min(wanted.values()) < 0:
        raise OccbenchError(f"the phases of a training have shares above 0 of its epochs, but got {dict(shares)}")
    if epochs < len(wanted):
        raise OccbenchError(
            f"this model is trained in {len(wanted)} phases ({', '.join(wanted)}), which {epochs} epochs do not "
            "suffice for; raise --epochs"
        )
    total, found, begin, done = sum(wanted.values()), {}, 0, 0.0
    for left, (phase, share) in zip(reversed(range(len(wanted))), wanted.items(), strict=True):
        done += share
        end = min(max(round(epochs * done / total), begin + 1), epochs - left)
        found[phase], begin = end - begin, end
    return found


class Phases(Hook):
    """Tells the model before every epoch in which phase it is, so that a resumed training is in the right one.

    Args:
        epochs: Of each phase, in order.
    """

    priority = "VERY_HIGH"

    def __init__(self, epochs: Mapping[str, int]) -> None:
        self.names = [phase for phase, count in epochs.items() for _ in range(count)]

    def before_train_epoch(self, runner: Any) -> None:
        """Set the phase."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        model.set_phase(self.names[runner.epoch])
