"""Every hostile input through the real command line: refused in one line, and nothing is left behind."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ..command_line import Occbench, assert_refused
from .annotation_cases import ANNOTATIONS, DETECTIONS, FILE_NAMES, LONG_NAMES, RESULTS
from .case import Case, Place, Record, Row, normalised
from .config_cases import CONFIGS
from .photo_cases import PHOTOS
from .weight_cases import WEIGHTS

GROUPS: dict[str, list[Case]] = {
    "Annotations (`occbench attack --data`)": ANNOTATIONS,
    "File names in annotations": FILE_NAMES,
    "Photos": PHOTOS,
    "Detections (`occbench attack --boxes`)": DETECTIONS,
    "Results (`occbench evaluate --predictions`)": RESULTS,
    "Weights (`occbench attack --checkpoint`)": WEIGHTS,
    "Configs (`occbench attack --model`)": CONFIGS,
    "Options of 5,000 characters": LONG_NAMES,
}

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")


def everything(folder: Path) -> list[tuple[str, int]]:
    """Paths and times of change below a folder; links are not followed."""
    found = []
    for root, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            path = Path(root, name)
            found.append((str(path), path.lstat().st_mtime_ns))
    return sorted(found)


@pytest.mark.parametrize(
    ("group", "case"),
    [pytest.param(group, case, id=case.fed) for group, cases in GROUPS.items() for case in cases],
)
def test_hostile_input_is_refused(
    group: str,
    case: Case,
    place: Place,
    occbench: Occbench,
    row: Record,
    folders: Callable[[], list[Path]],
) -> None:
    arguments = case.spoil(place)
    before = everything(place.folder)
    answer = occbench(*arguments)
    assert_refused(answer, *case.words)
    assert len(answer.err) < 1000
    assert everything(place.folder) == before
    case.proof(place)
    row(Row(group, case.fed, normalised(answer.err, folders()), answer.code), case.words)


def test_with_nothing_spoilt_the_next_thing_is_the_weights(place: Place, occbench: Occbench) -> None:
    """So each fault above is found before the weights are looked for, and it is that fault."""
    assert_refused(occbench(*place.attack()), "no weights of model 'tinypose-128x96' are known")
