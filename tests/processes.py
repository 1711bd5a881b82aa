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
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(CHECKOUT)  # whence the server can import what it shares
        _FORKED.set_forkserver_preload(["tests.preloaded"])
        forkserver.ensure_running()
    process = _FORKED.Process(target=_command, args=(list(map(str, arguments)), str(log), dict(environment or {})))
    process.start()
    return process


def finished(process: BaseProcess) -> int:
    """Wait for it; its exit code."""
    process.join(300)
    assert process.exitcode is not None, "still runs after 300 s"
    return process.exitcode


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
