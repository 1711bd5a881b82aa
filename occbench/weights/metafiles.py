"""The metafiles that MMPose and MMDet install beside their configs: where weights are, and what they reach."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any


@cache
def metafile_entry(config: Path) -> Mapping[str, Any]:
    """What the metafiles beside ``config`` say about it; empty where there are none."""
    import yaml  # type: ignore[import-untyped]

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    for metafile in sorted(config.parent.glob("*.yml")):
        text = metafile.read_text(encoding="utf-8", errors="replace")
        if config.name not in text:  # parsing is the slow part
            continue
        try:
            content = yaml.load(text, Loader=loader)
        except yaml.YAMLError:
            continue  # a stray file in a user's folder is none of our business
        models = content.get("Models") if isinstance(content, dict) else None
        for entry in models or []:
            if isinstance(entry, dict) and Path(str(entry.get("Config", ""))).name == config.name:
                return entry
    return {}
