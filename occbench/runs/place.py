"""Where a run goes when nobody says: the same folder for the same command, which so goes on with what it began."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ..system.download import sha256

RUNS = Path("runs")
WHOLE_PHOTOS = "photo"
"""In the place of boxes, where an estimator sees whole photos and needs none."""
_DIGITS = 6
"""Of the hash that tells checkpoints of one name apart."""


def default_folder(model: str, checkpoint: str | None, data: str, boxes: str, scope: str) -> Path:
    """``runs/MODEL[@CHECKPOINT]-DATA-BOXES[-image]``.

    Args:
        model: Its name.
        checkpoint: File or address of weights other than the model's own; None for these.
        data: Name or file of the data set.
        boxes: As on the command line: ``gt``, ``jitter:S``, a file, ``detector:NAME``; or :data:`WHOLE_PHOTOS`.
        scope: ``person`` or ``image``.
    """
    kind, _, name = boxes.partition(":")
    source = Path(boxes).stem if boxes.endswith(".json") else boxes.replace(":", "-")
    if kind == "detector":
        source = f"detector-{Path(name).stem if name.endswith('.py') else name}"
    weights = "" if checkpoint is None else f"@{checkpoint_name(checkpoint)}"
    return RUNS / (f"{model}{weights}-{Path(data).stem}-{source}" + "-image" * (scope == "image"))


def checkpoint_name(checkpoint: str) -> str:
    """A short name of weights: the file's, or the folder's for a training's ``model.pth``, and the start of a hash.

    The hash is of the file's content; of an address, which is fetched later, it is of the address. A file that is not
    there has none.
    """
    remote = re.match(r"https?://", checkpoint, re.IGNORECASE)
    path = Path(unquote(urlsplit(checkpoint).path)) if remote else Path(checkpoint).expanduser()
    stem = path.resolve().parent.name if path.name == "model.pth" and not remote else path.stem
    name = re.sub(r"[^\w.+-]+", "_", stem).strip("._-")[:40] or "weights"
    if remote:
        return f"{name}-{hashlib.sha256(checkpoint.encode()).hexdigest()[:_DIGITS]}"
    try:
        return f"{name}-{sha256(path)[:_DIGITS]}"
    except OSError:
        return name  # the file is asked for later, and then missed
