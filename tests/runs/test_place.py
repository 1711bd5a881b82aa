"""Where a run goes by default."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from occbench.runs.place import checkpoint_name, default_folder


@pytest.mark.parametrize(
    ("data", "boxes", "scope", "name"),
    [
        ("sample", "gt", "person", "hrnet-mini-sample-gt"),
        ("a/val.json", "jitter:0.1", "person", "hrnet-mini-val-jitter-0.1"),
        ("birds.yaml", "found/boxes.json", "image", "hrnet-mini-birds-boxes-image"),
        ("sample", "detector:rtmdet", "person", "hrnet-mini-sample-detector-rtmdet"),
        ("sample", "detector:mine/rtm.py", "person", "hrnet-mini-sample-detector-rtm"),
    ],
)
def test_the_models_own_weights_are_not_named(data: str, boxes: str, scope: str, name: str) -> None:
    assert default_folder("hrnet-mini", None, data, boxes, scope) == Path("runs") / name


def test_other_weights_are_named_by_file_and_content(tmp_path: Path) -> None:
    for name in ("partmix", "none"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.pth").write_text(name)
    digits = hashlib.sha256(b"partmix").hexdigest()[:6]
    folder = default_folder("hrnet-mini", str(tmp_path / "partmix" / "model.pth"), "sample", "gt", "person")
    assert folder == Path("runs") / f"hrnet-mini@partmix-{digits}-sample-gt"
    (tmp_path / "partmix" / "model.pth").rename(tmp_path / "best epoch=3.pth")
    assert checkpoint_name(str(tmp_path / "best epoch=3.pth")) == f"best_epoch_3-{digits}"
    assert checkpoint_name(str(tmp_path / "gone.pth")) == "gone"


def test_an_address_is_named_by_itself() -> None:
    first = checkpoint_name("https://example.org/a/hrnet%20w32.pth?download=1")
    assert first.startswith("hrnet_w32-")
    assert first != checkpoint_name("https://example.org/b/hrnet%20w32.pth?download=1")
