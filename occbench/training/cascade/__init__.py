"""Training of a cascade, stage after stage: each on simulated predictions of the one before it."""

from ...system.compat import setup_mmpose

setup_mmpose()

from .plan import is_cascade, plan  # noqa: E402
from .run import train_cascade  # noqa: E402
from .settings import CascadeSettings  # noqa: E402

__all__ = ["CascadeSettings", "is_cascade", "plan", "train_cascade"]
