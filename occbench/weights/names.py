"""The names of weights, freed of what wrappers put around them and of the averages that some keep beside them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

OUTER = ("module", "model", "_forward_module", "net", "network")
"""What DataParallel and Lightning, DeepSpeed put in front of every name, where all have it."""

INNER = frozenset({"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})
"""What ``torch.compile`` and sharding put anywhere into a name."""

COUNTERS = frozenset({"n_averaged", "steps"})
"""What averaged models (torch's, MMEngine's) count beside their weights."""

AVERAGES = ("ema", "ema_model", "model_ema", "module_ema", "averaged_model")
"""Under which names others keep the moving average beside the weights."""


@dataclass(frozen=True)
class Wrapping:
    """What stands around the model's own names in a checkpoint.

    Attributes:
        prefix: In front of all of them, with the dot; empty for nothing.
    """

    prefix: str = ""

    def undo(self, name: str) -> str:
        """The model's own name of a weight; of a module (a path without the final dot) as well."""
        own = ".".join(part for part in name.split(".") if part not in INNER)
        return f"{own}.".removeprefix(self.prefix).removesuffix(".")


def kept_names(names: Collection[str]) -> list[str]:
    """Which tensors of a state dict are the model's.

    Left out are counters of averaged models, and moving averages that are kept beside the weights: mmcv 1.x's buffers
    ``ema_backbone_conv1_weight`` beside ``backbone.conv1.weight`` (whose plain names hold the average already when a
    checkpoint is written), and ``ema.*`` beside the same names without. What has no twin stays.
    """
    own = {name: _without_outer(name) for name in names if name not in COUNTERS or len(names) == 1}
    buffers = {"ema_" + name.replace(".", "_") for name in own.values()}
    plain = set(own.values()) - {name for name in own.values() if _is_average(name)}
    return [
        name
        for name, short in own.items()
        if short not in buffers and not (_is_average(short) and short.partition(".")[2] in plain)
    ]


def wrapping_of(names: Collection[str]) -> Wrapping:
    """The wrappers that ``names``, of one model, have in common."""
    prefix, rest = "", [Wrapping().undo(name) for name in names]
    while outer := next(
        (f"{w}." for w in (*OUTER, *AVERAGES) if rest and all(r.startswith(f"{w}.") for r in rest)), ""
    ):
        prefix, rest = prefix + outer, [name.removeprefix(outer) for name in rest]
    return Wrapping(prefix)


def _is_average(name: str) -> bool:
    return name.partition(".")[0] in AVERAGES


def _without_outer(name: str) -> str:
    first, _, rest = name.partition(".")
    return _without_outer(rest) if rest and first in OUTER else name
