"""The parameters of pose NMS, fitted to a figure: two at a time, the other two kept, until nothing gets better."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

from ..system.progress import Progress
from .pose_nms import PoseNms

PAIRS = (("sigma1", "sigma2"), ("weight", "eta"))
FACTORS = (1, 0.5, 2, 0.25, 4, 2**-0.5, 2**0.5, 0.1, 10)
"""What parameters are multiplied with: the present value first, which is left only for a better one."""

ROUNDS = 6


@dataclass(frozen=True)
class Fitted:
    """What a fit found.

    Attributes:
        rule: The best one.
        figure: Of it; ``before``: of the rule that the fit began with.
        rounds: How often both pairs were tried, the last time in vain unless these are :data:`ROUNDS`.
    """

    rule: PoseNms
    figure: float
    before: float
    rounds: int


def fit_nms(rule: PoseNms, figure: Callable[[PoseNms], float], progress: Progress | None = None) -> Fitted:
    """Fit sigma1 and sigma2, then lambda and eta, and so on, each pair over a grid of factors.

    Args:
        rule: Where to begin; what it has besides the four parameters stays.
        figure: What is to be as large as it can be; it must give the same for the same rule.
        progress: Shows how far a pair is, and what it came to.
    """
    progress = progress or Progress(False)
    known: dict[PoseNms, float] = {}

    def value(of: PoseNms) -> float:
        if of not in known:
            known[of] = figure(of)
        return known[of]

    best, rounds = rule, 0
    while rounds < ROUNDS:
        rounds, start = rounds + 1, best
        for names in PAIRS:
            here = [getattr(best, name) for name in names]
            pair = f"round {rounds}, {' and '.join(names)}"
            with progress.stage("rules", len(FACTORS) ** len(names), pair) as advance:
                for factors in product(FACTORS, repeat=len(names)):
                    changed = {n: float(f"{v * f:.4g}") for n, v, f in zip(names, here, factors, strict=True)}
                    tried = best.changed(changed)
                    if value(tried) > value(best) + 1e-9:
                        best = tried
                    advance(1)
            progress.tell(f"{pair}: {value(best):.5f} with {best}")
        if best == start:
            break
    return Fitted(best, value(best), value(rule), rounds)
