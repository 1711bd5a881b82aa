"""One name, written in several ways: of keypoints, and of files."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
"""How photos' names end."""
_SIDES = {"l": "left", "r": "right"}


def keypoint(name: object) -> str:
    """A keypoint's name without case, space, dash and underscore; the side first, in full (``Eye-L``: ``lefteye``)."""
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+", str(name))
    words = [_SIDES.get(word, word) for word in map(str.lower, parts)]
    return "".join(sorted(words, key=lambda word: word not in _SIDES.values()))


def same_keypoints(names: Sequence[object], known: Sequence[str]) -> bool:
    """Whether two lists name the same keypoints, in the same order."""
    return [keypoint(name) for name in names] == [keypoint(name) for name in known]


def file_name(name: str) -> str:
    """A file's name with forward slashes; those of Windows are turned."""
    return name.replace("\\", "/")


class Folder:
    """Finds files whose names are written otherwise than on the disk.

    As in another case, with another ending, composed or decomposed (NFC, NFD: macOS), percent-encoded, with
    backslashes, or below folders that are not there. Each folder is listed once, at the first question.

    Args:
        root: The image folder; nothing is found outside of it.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._listed: dict[Path, dict[str, list[str]]] = {}

    def find(self, name: str) -> Path | None:
        """The one file that a name can mean, or None."""
        literal = PurePosixPath(name).parts
        if ".." not in PurePosixPath(file_name(name)).parts and len(literal) == 1 and (self._root / name).is_file():
            return self._root / name  # a backslash may be part of a name
        for spelled in dict.fromkeys((file_name(name), unquote(file_name(name)))):
            parts = [part for part in PurePosixPath(spelled).parts if part not in ("/", ".")]
            if ".." in parts or "\0" in spelled:
                continue
            for start in range(len(parts)):
                path = self._walk(parts[start:])
                if path is not None:
                    return path
        return None

    def _walk(self, parts: Sequence[str]) -> Path | None:
        path = self._root
        for part in parts:
            names = self._names(path).get(folded(part), [])
            if part not in names and len(names) != 1:
                names = self._pictures(path, part) if part == parts[-1] else []
                if len(names) != 1:
                    return None
            path = path / (part if part in names else names[0])
        return path if path.is_file() else None

    def _pictures(self, folder: Path, name: str) -> list[str]:
        """The pictures of a name's stem, whatever their ending."""
        stem, ending = os.path.splitext(folded(name))
        stem = stem if ending in PICTURES else folded(name)
        here = self._names(folder)
        return [found for ending in PICTURES for found in here.get(stem + ending, [])]

    def _names(self, folder: Path) -> dict[str, list[str]]:
        if folder not in self._listed:
            found: dict[str, list[str]] = defaultdict(list)
            try:
                for name in os.listdir(folder):
                    found[folded(name)].append(name)
            except OSError:
                found.clear()
            self._listed[folder] = found
        return self._listed[folder]


def folded(name: str) -> str:
    """A name in one case, composed (NFC), without spaces at its ends."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold()).strip()
