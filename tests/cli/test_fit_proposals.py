"""``occbench fit-proposals``: the offsets that were put into the boxes come out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import Occbench, People, Refusal


def test_offsets_are_found_and_written(
    occbench: Occbench, people: People, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("occbench.data.proposals.MIN_BOXES", 5)  # seven persons
    boxes = [
        {"image_id": one["image_id"], "category_id": 1, "score": 0.9, "bbox": [x + 0.1 * w, y, 0.9 * w, h]}
        for one in json.loads(people.annotations.read_text())["annotations"]
        for x, y, w, h in [one["bbox"]]
    ]
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    answer = occbench(
        *("fit-proposals", "--data", people.annotations, "--detections", tmp_path / "boxes.json"),
        *("--out", tmp_path / "offsets.json"),
    )
    assert answer.code == 0, answer.err
    pooled = json.loads((tmp_path / "offsets.json").read_text())["pooled"]
    assert pooled["mean"] == pytest.approx([0.1, 0, 0, 0], abs=1e-3)
    assert pooled["std"] == pytest.approx([0, 0, 0, 0], abs=1e-3)
    assert f"n = {len(boxes)} " in answer.out
    assert "published" in answer.out


def test_detections_that_are_missing(refuses: Refusal, people: People, tmp_path: Path) -> None:
    refuses(
        ["fit-proposals", "--data", people.annotations, "--detections", tmp_path / "none.json", "--out", "o.json"],
        "none.json",
    )
