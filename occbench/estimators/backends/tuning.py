"""How a network runs on a GPU: chosen by a rule, or by timing a real batch, once per card, model and batch size.

On one card channels last doubles the speed of an HRNet in half precision, and halves it in full precision. The choice
moves predictions by rounding, so it belongs to what identifies a cell, and it is kept: the same command makes it again
with the same bytes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...system.paths import cache_dir

TUNE = ("off", "quick")
FORMAT = 2
CLEARLY = 1.05
"""So many times as fast another choice must be than the usual one: below, the clock decides."""

BATCHES, ROUNDS = 4, 2


@dataclass(frozen=True)
class Choice:
    """How a network runs on a GPU.

    Attributes:
        channels_last: The memory format.
        doubled: Whether crops and mirrored crops are one batch.
        products: Whether convolutions of single pixels are matrix products.
        graph: Whether kernels are started as a CUDA graph, which changes no bit.
    """

    channels_last: bool = True
    doubled: bool = True
    products: bool = True
    graph: bool = True

    def identity(self) -> dict[str, Any]:
        """What of it moves predictions, by rounding."""
        return {"channels_last": self.channels_last, "doubled": self.doubled, "products": self.products}


def usual(network: nn.Module, precision: str) -> Choice:
    """The choice by rule: products; channels last where tensor cores multiply, or where convolutions are depthwise."""
    depthwise = any(isinstance(m, nn.Conv2d) and m.groups == m.in_channels > 1 for m in network.modules())
    return Choice(channels_last=depthwise or precision != "fp32")


def fastest(first: Choice, flip: bool, seconds: Callable[[Choice], float]) -> Choice:
    """The choice that is clearly the fastest.

    Args:
        first: Where to begin; it stays where no other is clearly faster.
        flip: Whether there are mirrored crops.
        seconds: What a batch takes.
    """
    best, took = first, seconds(first)
    changes = [{"products": not first.products}, {"channels_last": not first.channels_last}]
    if flip:
        changes.append({"doubled": not first.doubled})
    for change in changes:
        other = replace(best, **change)
        needed = seconds(other)
        if needed * CLEARLY < took:
            best, took = other, needed
    return best


def timed(run: Callable[[], Callable[[], Any]]) -> float:
    """Seconds of a batch.

    Args:
        run: Queues one, and gives what waits for it.
    """
    run()()
    rounds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for wait in [run() for _ in range(BATCHES)]:
            wait()
        rounds.append((time.perf_counter() - start) / BATCHES)
    return min(rounds)


def kept(parts: list[Any], make: Callable[[], Choice], cache: Path | None = None) -> Choice:
    """The choice that was made for the same parts before, else a new one, which is kept.

    Args:
        parts: What it was made for; plain values.
        make: Makes it.
        cache: Where choices are kept; None: ``tuning`` in the cache folder.
    """
    key = hashlib.sha256(json.dumps([FORMAT, *parts]).encode()).hexdigest()[:32]
    path = (cache_dir() / "tuning" if cache is None else cache) / f"{key}.json"
    with contextlib.suppress(OSError, ValueError, TypeError):
        return Choice(**json.loads(path.read_text()))
    choice = make()
    with contextlib.suppress(OSError), _beside(path) as name:  # without a cache it is made again next time
        name.write_text(json.dumps(asdict(choice)))
    return choice


@contextlib.contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """A file that takes the place of ``path`` when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".")
    os.close(handle)
    try:
        yield Path(name)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def card(device: torch.device) -> list[Any]:
    """What a choice depends on besides the model: the card and the libraries."""
    return [torch.cuda.get_device_name(device), torch.__version__, torch.backends.cudnn.version()]
