"""What a look at somebody's files finds: how bad it is, how often, where, and what is done about it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ..system.errors import OccbenchError, quoted

Severity = Literal["error", "warning", "note"]
Action = Literal["refuse", "leave out", "repair", "use"]
EXAMPLES = 3
"""How many of those concerned are named."""


@dataclass(frozen=True)
class Kind:
    """A kind of finding.

    Attributes:
        severity: ``error``: no figure can be had; ``warning``: figures may be wrong, or are of fewer than one thinks;
            ``note``: good to know.
        action: What is done with those concerned.
        done: The same in words, for the line that is printed.
    """

    severity: Severity
    action: Action
    done: str


KINDS = {
    # Annotations that cannot be read as they are
    "refused": Kind("error", "refuse", "refused"),
    "encoding": Kind("note", "use", "read all the same"),
    "category-counted": Kind("warning", "use", "counted like the others"),
    "category-chosen": Kind("note", "use", "taken for the persons"),
    "category-left-out": Kind("warning", "leave out", "left out"),
    "other-things": Kind("note", "leave out", "left out"),
    "empty-person": Kind("warning", "leave out", "left out"),
    "box-only": Kind("note", "use", "not measured; whoever is found there is no false alarm"),
    "num-keypoints-0": Kind("warning", "leave out", "not measured, as in COCO's evaluation"),
    "no-box": Kind("warning", "repair", "the box is drawn around the labelled keypoints"),
    "box-without-area": Kind("warning", "repair", "the box is drawn around the labelled keypoints"),
    "no-extent": Kind("warning", "leave out", "left out"),
    "no-area": Kind("note", "repair", "taken as .53 of the box, as MMPose takes it"),
    "area-0": Kind("warning", "repair", "taken as .53 of the box, as MMPose takes it where none is given"),
    "area-of-others": Kind("warning", "use", "used as they are"),
    "no-position": Kind("note", "repair", "not labelled"),
    "visibility": Kind("note", "repair", "not labelled"),
    "outside-photo": Kind("warning", "repair", "taken as not labelled"),
    "no-photo-size": Kind("note", "repair", "read from the photos"),
    "size-unknown": Kind("note", "use", "scored all the same"),
    "text-ids": Kind("note", "repair", "numbered in the order of the file"),
    "keypoint-names": Kind("note", "use", "taken for the same"),
    "photos-twice": Kind("warning", "use", "counted each"),
    # Annotations that can be read, but look wrong
    "normalised": Kind("error", "refuse", "refused: give image px"),
    "percent": Kind("warning", "use", "used as they are"),
    "boxes-otherwise": Kind("warning", "use", "used as they are, clipped to the photo"),
    "boxes-leave-photo": Kind("warning", "use", "clipped to the photo"),
    "keypoints-outside-box": Kind("warning", "use", "used as they are"),
    "axes-swapped": Kind("warning", "use", "used as they are"),
    "corner": Kind("warning", "use", "used as they are: give them visibility 0 if they are not labelled"),
    "sides-swapped": Kind("warning", "use", "used as they are"),
    "duplicates": Kind("warning", "use", "counted each"),
    # Photos
    "photo-missing": Kind("error", "refuse", "refused, or left out by --skip-unreadable"),
    "photo-unreadable": Kind("error", "refuse", "refused, or left out by --skip-unreadable"),
    "photo-size": Kind("error", "refuse", "refused, or left out by --skip-unreadable"),
    "photo-turned": Kind("error", "refuse", "refused, or left out by --skip-unreadable"),
    "photo-name": Kind("note", "repair", "the photo of the other spelling is taken"),
    "backslashes": Kind("note", "repair", "taken for folders"),
    "photo-tail": Kind("note", "use", "decoded whole, and used"),
    "photo-turn-unseen": Kind("warning", "use", "taken for annotated as they are shown, turned"),
    "photos-left-out": Kind("warning", "leave out", "left out, with their people"),
    # Results
    "results-lack-photos": Kind("warning", "use", "nobody counts as found there"),
    "results-differ": Kind("warning", "leave out", "left out of all"),
    "results-normalised": Kind("warning", "use", "scored as they are"),
    "results-by-name": Kind("note", "use", "matched by them"),
    "results-contradict": Kind("warning", "use", "matched by id"),
    "results-category": Kind("warning", "leave out", "left out"),
    "results-empty": Kind("warning", "leave out", "left out"),
    "results-twice": Kind("warning", "use", "counted each"),
    "results-spots": Kind("warning", "use", "scored as they are"),
    "results-otherwise": Kind("warning", "use", "scored as they are"),
    "results-scores": Kind("warning", "use", "ranked as they are: higher is surer"),
    "results-alike": Kind("note", "use", "ranked by the order of the file"),
    # Detections
    "detections-category": Kind("note", "leave out", "left out"),
    "detections-useless": Kind("warning", "leave out", "left out"),
    "detections-otherwise": Kind("warning", "use", "used as they are"),
    # Figures
    "nobody": Kind("note", "use", "no figure there"),
    "ap-near-0": Kind("warning", "use", "reported as it is"),
    "nothing-hidden": Kind("warning", "use", "a drop of 0 says nothing there"),
}


@dataclass(frozen=True)
class Finding:
    """One finding.

    Attributes:
        kind: Of :data:`KINDS`.
        count: How many are concerned.
        text: What is the matter with them, in one line.
        examples: The first of them.
    """

    kind: str
    count: int
    text: str
    examples: tuple[str, ...] = ()

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return KINDS[self.kind].severity

    @property
    def action(self) -> Action:
        """What is done about it."""
        return KINDS[self.kind].action

    @property
    def line(self) -> str:
        """The whole finding in one line."""
        where = f" ({', '.join(self.examples)}{', ...' if self.count > len(self.examples) else ''})"
        done = KINDS[self.kind].done
        text = f"{self.text}{where if self.examples else ''}"
        return text if self.kind == "refused" else f"{text}{';' if text.endswith('?') else ':'} {done}"

    @property
    def is_telling(self) -> bool:
        """Whether figures are to be read in its light: a warning, or one that a figure stands on nobody."""
        return self.severity != "note" or self.kind == "nobody"

    def record(self) -> dict[str, Any]:
        """For manifests and JSON."""
        about = {"severity": self.severity, "action": self.action, "line": self.line}
        return {**asdict(self), "examples": list(self.examples), **about}


def found(
    kind: str, text: str, concerned: Sequence[object] | int, what: str = "", **values: object
) -> tuple[Finding, ...]:
    """A finding about some things; nothing where there are none.

    Args:
        kind: Of :data:`KINDS`.
        text: What is the matter; ``{n}`` is how many there are, and of ``[is|are]`` the first is said of one of them.
        concerned: Them, or how many.
        what: What an example is: ``annotation``.
        values: What else the text names: ``{share}``.
    """
    count = concerned if isinstance(concerned, int) else len(concerned)
    if not count:
        return ()
    shown = () if isinstance(concerned, int) else concerned[:EXAMPLES]
    text = _ONE_OR_MANY.sub(lambda match: match[1 if count == 1 else 2], text).format(n=f"{count:,}", **values)
    return (Finding(kind, count, text, tuple(_shown(one, what) for one in shown)),)


_ONE_OR_MANY = re.compile(r"\[([^][|]*)\|([^][|]*)\]")


def counted(n: int, noun: str) -> str:
    """``1 keypoint``, ``3,681 keypoints``."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def _shown(one: object, what: str) -> str:
    return f"{what} {quoted(one, 60)}".strip()


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Errors, then warnings, then notes, otherwise in order."""
    rank = ("error", "warning", "note")
    return sorted(findings, key=lambda one: rank.index(one.severity))


def warnings_of(findings: Iterable[Finding], what: str = "") -> list[str]:
    """The lines that are printed at the start of a command; notes are for ``occbench check``.

    Args:
        findings: Of the files that the command reads.
        what: Which file they are of, where there are several: ``--val``.
    """
    of = f"{what}: " if what else ""
    return [f"warning: {of}{' '.join(one.line.split())}" for one in findings if one.severity != "note"]


def refuse_errors(findings: Iterable[Finding], what: str, strict: bool = False) -> None:
    """Stop where a finding is to be refused; with ``strict`` also where anything is left out or repaired.

    Raises:
        OccbenchError: The first such finding, and how many more there are.
    """
    bad = [f for f in findings if f.severity == "error" or (strict and f.severity == "warning" and f.action != "use")]
    if bad:
        more = f" (and {len(bad) - 1} more findings: `occbench check` lists them)" if len(bad) > 1 else ""
        line = f"{what}: {bad[0].line}"
        raise OccbenchError(f"{line}{' (--strict)' if bad[0].severity != 'error' else ''}{more}")
