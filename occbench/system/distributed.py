"""Several processes on one run, started by torchrun or slurm, through MMEngine's dist helpers.

They share a folder (see ``runs``) and nothing else; messages are only needed to wait for each other.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

LAUNCHERS = ("auto", "none", "pytorch", "slurm")
_WAIT = 14 * 24 * 3600  # seconds: a process that is done with its share may wait for long


@dataclass(frozen=True)
class Ranks:
    """This process among those of the run.

    Attributes:
        rank: Its number; 0 evaluates and reports.
        count: How many there are.
        local: Its number on this machine, which chooses its GPU.
    """

    rank: int = 0
    count: int = 1
    local: int = 0

    @property
    def first(self) -> bool:
        """Whether this is the process that evaluates and reports."""
        return self.rank == 0

    def wait(self) -> None:
        """Until all processes are here."""
        if self.count > 1:
            from mmengine.dist import barrier

            barrier()

    def share(self, value: T) -> T:
        """The value that the first process has, in all of them. It must be picklable."""
        if self.count == 1:
            return value
        from mmengine.dist import broadcast_object_list

        values = [value]
        broadcast_object_list(values)
        return values[0]


@contextmanager
def joined(launcher: str = "auto", backend: str = "gloo") -> Iterator[Ranks]:
    """Join the other processes for the length of the block.

    Args:
        launcher: One of :data:`LAUNCHERS`; ``auto`` is ``pytorch`` under torchrun, else none.
        backend: How they talk: ``gloo`` everywhere, ``nccl`` for gradients between GPUs.
    """
    if launcher == "auto":
        launcher = "pytorch" if {"RANK", "LOCAL_RANK", "WORLD_SIZE"} <= os.environ.keys() else "none"
    if launcher == "none":
        yield Ranks()
        return
    import torch
    from mmengine.dist import get_dist_info, init_dist

    choose = torch.cuda.set_device
    if not torch.cuda.is_available():
        torch.cuda.set_device = lambda device: None  # MMEngine chooses a GPU without asking whether there is one
    try:
        init_dist(launcher, backend=backend, timeout=_WAIT)
    finally:
        torch.cuda.set_device = choose
    rank, count = get_dist_info()
    try:
        yield Ranks(rank, count, int(os.environ["LOCAL_RANK"]))
    finally:
        torch.distributed.destroy_process_group()
