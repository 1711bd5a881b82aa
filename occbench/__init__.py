"""What happens to a human pose estimator when part of the person is hidden.

Importing this imports neither torch nor MMPose: each name below is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api.attack import attack
    from .api.evaluate import evaluate
    from .api.occlude import occlude
    from .api.run import Run, open_run
    from .system.errors import OccbenchError

__all__ = ["OccbenchError", "Run", "attack", "evaluate", "occlude", "open_run"]

_PLACES = {
    "OccbenchError": ".system.errors",
    "Run": ".api.run",
    "attack": ".api.attack",
    "evaluate": ".api.evaluate",
    "occlude": ".api.occlude",
    "open_run": ".api.run",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PLACES[name], __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
