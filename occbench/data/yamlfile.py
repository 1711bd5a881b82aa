"""YAML files of users: read whole or not at all, and what is wrong with them said in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..system.errors import OccbenchError

MAX_BYTES = 2**20
"""Of such a file."""


def read_yaml(path: Path, what: str, fields: str) -> dict[str, Any]:
    """Read a YAML file that is a mapping.

    Args:
        path: The file.
        what: What it is, for messages.
        fields: What it should have, for the message where it is no mapping.

    Raises:
        OccbenchError: It is missing, unreadable, too large, no YAML, or no mapping.
    """
    import yaml  # type: ignore[import-untyped]

    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise OccbenchError(f"{what} has more than the {MAX_BYTES:,} bytes that are read")
        content = yaml.safe_load(data.decode("utf-8"))
    except FileNotFoundError:
        raise OccbenchError(f"{what} does not exist") from None
    except (OSError, UnicodeDecodeError) as error:
        raise OccbenchError(f"{what} cannot be read: {error}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise OccbenchError(f"{what} is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise OccbenchError(f"{what} must be a mapping with {fields}")
    return content
