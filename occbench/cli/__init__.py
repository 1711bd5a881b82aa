"""The command line: parse, call, print. Torch and MMPose are imported only inside a command that needs them."""

from __future__ import annotations

import gc
import io
import os
import signal
import sys
from typing import Annotated

import typer

from ..system.errors import OccbenchError
from . import (
    attack,
    check,
    compare,
    doctor,
    evaluate,
    export,
    fetch,
    fit_nms,
    fit_proposals,
    ls,
    preview,
    preview_attacks,
    python,
    report,
    sample,
    setup,
    suite,
    train,
    verify,
    view,
)
from .panels import ATTACK, legible

app = typer.Typer(
    name="occbench",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="What happens to a human pose estimator when part of the person is hidden?",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"occbench {version('occbench')}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an unexpected fault.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """What happens to a human pose estimator when part of the person is hidden?"""


app.command()(legible(attack.attack, ATTACK))
app.command()(legible(report.report))
app.command()(legible(compare.compare))
app.command()(legible(view.view))
app.command()(legible(verify.verify))
app.command()(legible(export.export))
app.command()(legible(evaluate.evaluate))
app.command()(legible(suite.suite))
app.command()(legible(check.check))
app.command("fit-nms")(legible(fit_nms.fit_nms))
app.command("fit-proposals")(legible(fit_proposals.fit_proposals))
app.command()(legible(train.train))
app.command("preview-aug")(legible(preview.preview))
app.command("preview-attacks")(legible(preview_attacks.preview_attacks))
app.command()(legible(sample.sample))
app.command()(legible(fetch.fetch))
app.command()(legible(ls.ls))
app.command()(legible(doctor.doctor))
app.command()(legible(setup.setup))
app.command(context_settings=python.AS_PYTHON)(legible(python.python))


def main() -> None:
    """Run the command line: 0 is success, 2 bad input (one line), 1 a fault of its own, 130 or 143 a stop by others."""
    # OpenMP threads that spin for long while they wait for each other cost a busy machine up to tenfold; this much
    # costs a quiet one little. To be set before torch loads its OpenMP.
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")
    gc.set_threshold(100_000)  # at 700 objects it looks through all that is imported, again and again
    _own_surroundings()
    signal.signal(signal.SIGTERM, _terminated)
    try:
        app(prog_name="occbench")
    except OccbenchError as error:
        _fail(str(error), 2)
    except SystemExit as end:
        if end.code != 130:  # Typer's answer to Ctrl-C
            raise
        _fail("interrupted", 130)
    except _Terminated:
        _fail("terminated", 143)
    except Exception as error:
        if "--debug" in sys.argv:
            raise
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        _fail(f"unexpected fault: {reason} (`occbench --debug ...` shows where)", 1)


def _own_surroundings() -> None:
    """Take out of a notebook's, a console's or a service's environment what could end a run after its work.

    Pictures are only drawn into files, and what a console's encoding cannot show is shown as its escape.
    """
    if os.name == "nt":
        _fail("occbench runs on Linux and macOS; on Windows run it in WSL (Windows Subsystem for Linux)", 2)
    os.environ["MPLBACKEND"] = "Agg"  # whatever it was: a notebook's backend is not installed elsewhere
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


class _Terminated(BaseException):
    """SIGTERM, as an exception, so that what is open is closed and locks are given back."""


def _terminated(*_: object) -> None:
    raise _Terminated


def _fail(line: str, code: int) -> None:
    print("occbench: " + " ".join(line.split()), file=sys.stderr)
    sys.exit(code)
