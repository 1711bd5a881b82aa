"""The command line in processes of its own that start at once: forked from one that has imported what takes long."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parent.parent
_FORKED = multiprocessing.get_context("forkserver")


def start(arguments: Sequence[object], log: Path, environment: Mapping[str, str] | None = None) -> BaseProcess:
    """Start ``occbench``.

    Args:
        arguments: Of the command line.
        log: Where it prints to.
        environment: What is added to this process' own.

    Returns:
        The process; its exit code is below 0 where a signal killed it.
    """
    _serve()
    process = _FORKED.Process(target=_command, args=(list(map(str, arguments)), str(log), dict(environment or {})))
    process.start()
    return process


def launched(n: int, arguments: Sequence[object], log: Path) -> None:
    """Run ``occbench`` as ``torchrun --standalone --nproc-per-node=N`` does: by its agent, which sets the environment.

    Args:
        n: Number of processes; one that fails is an error.
        arguments: Of the command line.
        log: Where they print to.
    """
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    _serve()
    config = LaunchConfig(
        *(1, 1, n), run_id=log.name, rdzv_backend="c10d", rdzv_endpoint="localhost:0", start_method="forkserver",
        monitor_interval=0.05, max_restarts=0,
    )  # fmt: skip
    elastic_launch(config, _command)(list(map(str, arguments)), str(log), {})


def finished(process: BaseProcess) -> int:
    """Wait for it; its exit code."""
    process.join(300)
    assert process.exitcode is not None, "still runs after 300 s"
    return process.exitcode


def _serve() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(CHECKOUT)  # whence the server can import what it shares
        _FORKED.set_forkserver_preload(["tests.preloaded"])
        forkserver.ensure_running()


def _command(arguments: list[str], log: str, environment: dict[str, str]) -> None:
    import torch

    from occbench.cli import main

    os.environ.update(environment)
    printed = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(printed, 1)
    os.dup2(printed, 2)
    torch.set_num_threads(1)
    sys.argv = ["occbench", *arguments]
    main()
