"""From run folders to tables, plots and one self-contained page. Never touches a model."""

from .page.build import build_report
from .reading.load import Run, load_run

__all__ = ["Run", "build_report", "load_run"]
