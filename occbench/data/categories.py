"""Which annotations of a COCO file are the persons: those of the categories that have the skeleton's keypoints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..attacks import COCO, Skeleton
from ..system.errors import OccbenchError, quoted
from .findings import Finding, found
from .spelling import keypoint, same_keypoints


@dataclass(frozen=True)
class Persons:
    """The persons among a file's annotations.

    Attributes:
        rows: Where they stand among the annotations.
        categories: Their categories' ids, as text.
        findings: What was found out about categories.
    """

    rows: list[int]
    categories: frozenset[str]
    findings: tuple[Finding, ...]


def whose(skeleton: Skeleton) -> str:
    """A skeleton's name in a message."""
    return "COCO" if skeleton is COCO else repr(skeleton.name)


def choose_persons(
    categories: object,
    annotations: Sequence[Any],
    skeleton: Skeleton,
    listed: Sequence[str],
    what: str,
    wanted: Sequence[str] | None = None,
) -> Persons:
    """Find the persons: every category that lists the keypoints; where none lists any, 1, or those that have some.

    Args:
        categories: Of the file; anything.
        annotations: Of the file; entries that are no objects are left for the reader to refuse.
        skeleton: The keypoints that are asked for.
        listed: How the file may spell them, too.
        what: The file, for messages.
        wanted: Ids or names of the only categories that may be the persons.

    Raises:
        OccbenchError: Keypoints are listed, but others; there are boxes, but no keypoints at all; or there is no
            category of those that are wanted.
    """
    known = {str(c.get("id")): c for c in categories if isinstance(c, dict)} if isinstance(categories, list) else {}
    named = {number: c["keypoints"] for number, c in known.items() if c.get("keypoints")}
    fitting = {number for number, names in named.items() if _fits(names, skeleton, listed)}
    if named and not fitting:
        raise OccbenchError(f"{what}: {_other_keypoints(next(iter(named.values())), skeleton, listed)}")
    of = [_category(a, known) for a in annotations]
    posed = Counter(c for c, a in zip(of, annotations, strict=True) if _has_keypoints(a, len(listed)))
    if not fitting:
        fitting = {c for c in posed if c is not None} or {"1"}
    if annotations and not any(isinstance(a, dict) and a.get("keypoints") for a in annotations):
        raise OccbenchError(
            f"{what}: annotation {quoted(_id(annotations[0]))} has no keypoints, nor has any other; use COCO's "
            "person_keypoints_*.json, not instances_*.json"
        )
    if wanted is not None:
        fitting |= {c for c in posed if c is not None and c not in named}
        fitting = {c for c in fitting if {c, str(known.get(c, {}).get("name"))} & set(wanted)}
        if not fitting:
            names = ", ".join(_name(c, known) for c in posed if c is not None) or "none"
            raise OccbenchError(f"{what}: no category {' or '.join(wanted)} has these keypoints, but {names}")
    rows = [g for g, c in enumerate(of) if c is None or c in fitting]
    return Persons(
        rows, frozenset(fitting), (*_spelling(named, fitting, listed), *_counts(of, posed, fitting, known, wanted))
    )


def _fits(names: object, skeleton: Skeleton, listed: Sequence[str]) -> bool:
    return isinstance(names, list) and (same_keypoints(names, listed) or same_keypoints(names, skeleton.keypoints))


def _other_keypoints(names: object, skeleton: Skeleton, listed: Sequence[str]) -> str:
    ours = f"{whose(skeleton)}'s {len(listed)}"
    if isinstance(names, list) and sorted(map(keypoint, names)) == sorted(map(keypoint, listed)):
        wrong = next(i for i, (a, b) in enumerate(zip(names, listed, strict=True)) if keypoint(a) != keypoint(b))
        return (
            f"its keypoints are {ours} in another order (number {wrong + 1} is {quoted(names[wrong])}, not "
            f"{listed[wrong]!r}): put names and numbers into that order, or describe the file's own in a YAML"
        )
    has = f"{len(names)}: {quoted(names[:3])[1:-1]}, ..." if isinstance(names, list) else "no list"
    return f"its keypoints are not {ours} (it has {has}): describe the file's own in a YAML"


def _category(annotation: Any, known: dict[str, Any]) -> str | None:
    """The category's id as text; None for what is no annotation, which the reader says something about."""
    if not isinstance(annotation, dict):
        return None
    given = annotation.get("category_id")
    if given is None:
        return next(iter(known)) if len(known) == 1 else "1"
    return str(int(given)) if isinstance(given, float) and given.is_integer() else str(given)


def _has_keypoints(annotation: Any, k: int) -> bool:
    points = annotation.get("keypoints") if isinstance(annotation, dict) else None
    return isinstance(points, list) and len(points) in (k, 3 * k)


def _id(annotation: Any) -> Any:
    return annotation.get("id") if isinstance(annotation, dict) else annotation


def _name(number: str | None, known: dict[str, Any]) -> str:
    name = known.get(str(number), {}).get("name")
    return f"{quoted(number, 40)[1:-1]}" + (f" ({quoted(name, 40)[1:-1]})" if isinstance(name, str) else "")


def _names(numbers: Sequence[str], known: dict[str, Any]) -> str:
    """``category 37 (sports ball)``; of many the first three."""
    first = ", ".join(_name(number, known) for number in numbers[:3])
    return f"{'category' if len(numbers) == 1 else 'categories'} {first}{', ...' if len(numbers) > 3 else ''}"


def _spelling(named: dict[str, Any], fitting: set[str], listed: Sequence[str]) -> tuple[Finding, ...]:
    odd = next((named[n] for n in named if n in fitting and [keypoint(x) for x in named[n]] != list(named[n])), None)
    if odd is None or all(str(a).casefold() == b.casefold() for a, b in zip(odd, listed, strict=True)):
        return ()
    names = [name for name, ours in zip(odd, listed, strict=True) if name != ours]
    return found("keypoint-names", "{n} keypoint[ is|s are] spelled otherwise than here", names)


def _counts(
    of: Sequence[str | None],
    posed: Counter[str | None],
    fitting: set[str],
    known: dict[str, Any],
    wanted: Sequence[str] | None,
) -> tuple[Finding, ...]:
    people = [number for number in sorted(fitting) if posed[number]]
    shares = ", ".join(f"{posed[number]:,} of {_name(number, known)}" for number in people)
    several = found("category-counted", "the persons are of {n} categories: {shares}", len(people), shares=shares)
    chosen = (
        found(
            "category-chosen",
            "{n} person[ is|s are] of category {name}, not 1",
            posed[people[0]],
            name=_name(people[0], known),
        )
        if len(people) == 1 and people[0] != "1"
        else ()
    )
    others = [number for number in posed if number not in fitting and number is not None]
    left = found(
        "category-left-out",
        "{n} annotation[ with keypoints is|s with keypoints are] of {lost}, {why}",
        sum(posed[number] for number in others),
        why="for which these keypoints are not listed" if wanted is None else "which the description does not name",
        lost=_names(others, known),
    )
    things = Counter(number for number in of if number is not None and number not in fitting and not posed[number])
    rest = found(
        "other-things",
        "{n} annotation[ without keypoints is|s without keypoints are] of {others}",
        things.total(),
        others=_names(list(things), known),
    )
    return (*(several if len(people) > 1 else chosen), *left, *rest)
