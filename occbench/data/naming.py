"""Which photo an entry of somebody's results is of, by its id or by the photo's name; and which are of persons."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

from ..system.errors import OccbenchError, quoted
from .findings import Finding, found
from .persons import Dataset
from .spelling import PICTURES, file_name, folded


def with_numbers(
    raw: list[Any], dataset: Dataset, what: str, things: str = "result"
) -> tuple[list[Any], tuple[Finding, ...]]:
    """The entries with image ids of the annotations: as given, by the annotations' text ids, or by file names.

    Args:
        raw: Of the file; an entry that is no object, or has no such id, is left for the reader to refuse.
        dataset: The annotations.
        what: The file, for messages.
        things: What an entry is.

    Raises:
        OccbenchError: An image id is text that names no photo, or an entry's id and file name are of two photos.
    """
    entries = [e for e in raw if isinstance(e, dict) and isinstance(e.get("image_id"), (int, str))]
    given = {_key(e["image_id"]) for e in entries}
    if dataset.image_names and given <= dataset.image_names.keys():
        return [_numbered(e, dataset.image_names) for e in raw], ()
    if given <= {str(number) for number in dataset.photos}:
        if any("file_name" in e or "image_name" in e for e in entries):
            _check_names(entries, by_name(dataset), what)
        return raw, ()
    names = by_name(dataset)
    spelled = {key: names[name] for key in given if (name := _known(key, names)) is not None}
    if given <= spelled.keys():
        text = "the image id[ of {n} {thing} is a file name|s of {n} {things} are file names]"
        plural = things + ("es" if things.endswith("x") else "s")
        return [_numbered(e, spelled) for e in raw], found(
            "results-by-name", text, len(entries), thing=things, things=plural
        )
    texts = sorted(key for key in given if not key.lstrip("+-").isdecimal() and key not in spelled)
    if texts:
        first = next(iter(dataset.photos.values()))
        raise OccbenchError(
            f"{what}: image_id {quoted(texts[0])} is neither an id nor a file name of the annotations' photos "
            f"(one of them has id {quoted(_given_id(first.id, dataset))} and is {quoted(first.file_name)}); so are "
            f"{len(texts) - 1} more"
        )
    return raw, ()


def _known(key: str, names: Mapping[str, int]) -> str | None:
    """The name of a photo that a key means: as it is, or without folders, in another case, with another ending."""
    path = PurePosixPath(unquote(file_name(key)))
    tried = (key, str(path), path.name, folded(path.name))
    stems = (path.stem, folded(path.stem)) if path.suffix.lower() in PICTURES else ()
    return next((name for name in (*tried, *stems) if name in names), None)


def person_categories(given: Iterable[str], dataset: Dataset) -> frozenset[str]:
    """The categories of results that are persons: those of the annotations or, where none of them is given, 1."""
    return dataset.categories & frozenset(given) or frozenset({"1"})


def category_text(entry: dict[str, Any]) -> str:
    """The category id of an entry as text; 1 where it has none."""
    category = entry.get("category_id")
    return "1" if category is None else str(category).removesuffix(".0")


def by_name(dataset: Dataset) -> dict[str, int]:
    """The photos by their file names: whole, without the folder, without the ending, and that as a number."""
    named: dict[str, set[int]] = {}
    for photo in dataset.photos.values():
        path = PurePosixPath(file_name(photo.file_name))
        keys = {str(path), path.name, str(path.with_suffix("")) if path.name else "", path.stem}
        if path.stem.isascii() and path.stem.isdecimal():
            keys.add(str(int(path.stem[:300])))
        for key in keys | {folded(key) for key in keys}:
            named.setdefault(key, set()).add(photo.id)
    return {key: next(iter(photos)) for key, photos in named.items() if len(photos) == 1}


def numbers_of_names(dataset: Dataset) -> dict[int, int]:
    """The photos by the numbers that their file names are, as COCO's: of ``000000000139.jpg`` 139."""
    numbers: dict[int, set[int]] = {}
    for photo in dataset.photos.values():
        stem = photo.file_name.replace("\\", "/").rpartition("/")[2].partition(".")[0]
        if stem.isascii() and stem.isdecimal():
            numbers.setdefault(int(stem[:300]), set()).add(photo.id)
    return {number: next(iter(photos)) for number, photos in numbers.items() if len(photos) == 1}


def _given_id(number: int, dataset: Dataset) -> int | str:
    """A photo's id as the annotations have it."""
    return next((text for text, known in dataset.image_names.items() if known == number), number)


def _key(image_id: int | str) -> str:
    """An image id as text; numbers in text without leading zeros, which a file name may have."""
    return str(image_id).strip()


def _numbered(entry: Any, numbers: Mapping[str, int]) -> Any:
    if not isinstance(entry, dict) or not isinstance(entry.get("image_id"), (int, str)):
        return entry
    return {**entry, "image_id": numbers[_key(entry["image_id"])]}


def _check_names(entries: list[dict[str, Any]], names: Mapping[str, int], what: str) -> None:
    """Refuse results that name one photo by id and another by file name."""
    for number, entry in enumerate(entries):
        name = entry.get("file_name") or entry.get("image_name")
        if not isinstance(name, str):
            continue
        key = name if name in names else PurePosixPath(file_name(name)).name
        if key in names and names[key] != int(entry["image_id"]):
            raise OccbenchError(
                f"{what}: person {number} has image_id {entry['image_id']}, but file name {quoted(name)}, which is "
                f"image {names[key]} of the annotations: number the results as the annotations do"
            )
