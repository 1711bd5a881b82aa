"""Configs that would run what their user has not named: asked about first, and until then nothing of it runs."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from occbench.system.errors import OccbenchError
from occbench.weights.trust import check_config
from occbench.weights.zoo import list_models

from ..command_line import CONFIG, Occbench, assert_refused
from .case import Place, Record, Row, normalised

GROUP = "Configs that run code from elsewhere"
TRAP = "__import__('os').makedirs({mark!r}, exist_ok=True)\n"  # a config is read more than once
"""A config that shows that it ran."""


def write(path: Path, text: str, mode: int = 0o644) -> Path:
    """A file in folders that only its owner may write."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def outside(folder: Path, base: str = "../../elsewhere/base.py", suffix: str = "") -> Path:
    """A config on a base outside of its folder."""
    write(folder / "elsewhere" / "base.py", TRAP.format(mark=str(folder / "mark")) + CONFIG)
    return write(folder / "own" / "mine" / "mine.py", f"_base_ = [{base!r}]{suffix}\n")


def absolute(folder: Path) -> Path:
    """A config on a base by its whole path."""
    return outside(folder, str(folder / "elsewhere" / "base.py"))


def computed(folder: Path) -> Path:
    """A config on a base that is not written down."""
    return outside(folder, "../../elsewhere/", " + ['base.py']")


def template(folder: Path) -> Path:
    """A config on a base that MMEngine fills in."""
    return outside(folder, "{{ fileDirname }}/../../elsewhere/base.py")


def linked(folder: Path) -> Path:
    """A config on a base beside it that is a link to elsewhere."""
    config = outside(folder, "base.py")
    (config.parent / "base.py").symlink_to(folder / "elsewhere" / "base.py")
    return config


def in_between(folder: Path) -> Path:
    """A config on a base beside it, which is based on one elsewhere."""
    config = outside(folder)
    config.rename(config.with_name("between.py"))
    return write(config, "_base_ = './between.py'\n")


def by_yaml(folder: Path) -> Path:
    """A config on YAML beside it, which is based on Python elsewhere."""
    config = outside(folder)
    write(config.with_name("between.yaml"), "_base_: ['../../elsewhere/base.py']\n")
    return write(config, "_base_ = './between.yaml'\n")


def read_base(folder: Path) -> Path:
    """A config of the newer kind on a base outside of its folder."""
    config = outside(folder)
    return write(
        config, "from mmengine.config import read_base\nwith read_base():\n    from ...elsewhere.base import *\n"
    )


def custom_import(folder: Path) -> Path:
    """A config that imports somebody's module."""
    write(folder / "trap_module.py", TRAP.format(mark=str(folder / "mark")))
    return write(folder / "own" / "mine.py", "custom_imports = dict(imports=['trap_module'])\n" + CONFIG)


def plain_import(folder: Path) -> Path:
    """A config with an import statement."""
    write(folder / "trap_module.py", TRAP.format(mark=str(folder / "mark")))
    return write(folder / "own" / "mine.py", "import trap_module\n" + CONFIG)


def for_all_to_write(folder: Path) -> Path:
    """A config that anybody can write."""
    return write(folder / "own" / "mine.py", TRAP.format(mark=str(folder / "mark")) + CONFIG, 0o666)


def folder_for_all(folder: Path) -> Path:
    """A config in a folder that anybody can write."""
    config = for_all_to_write(folder)
    config.chmod(0o644)
    config.parent.chmod(0o777)
    return config


CASES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "a base outside of the config's folder": (outside, "its base 'elsewhere/base.py' lies outside of 'own/mine'"),
    "a base by its whole path": (absolute, "its base 'elsewhere/base.py' lies outside"),
    "a base that is computed": (computed, "its _base_ is computed"),
    "a base in a template": (template, "its _base_ is computed"),
    "a base that is a link to elsewhere": (linked, "its base 'own/mine/base.py' lies outside"),
    "a base of a base outside": (in_between, "its base 'elsewhere/base.py' lies outside"),
    "a base of a YAML base outside": (by_yaml, "its base 'elsewhere/base.py' lies outside"),
    "read_base() from outside": (read_base, "its base 'elsewhere/base.py' lies outside"),
    "custom_imports of somebody's module": (custom_import, "it imports the module 'trap_module'"),
    "an import of somebody's module": (plain_import, "it imports the module 'trap_module'"),
    "a config that anybody can write": (for_all_to_write, "anybody can write 'own/mine.py'"),
    "a config in a folder that anybody can write": (folder_for_all, "anybody can write the folder of 'own/mine.py'"),
}


@pytest.mark.parametrize("fed", CASES)
def test_code_from_elsewhere_is_asked_about(
    fed: str, place: Place, occbench: Occbench, row: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, words = CASES[fed]
    monkeypatch.syspath_prepend(str(place.folder))
    config = make(place.folder)
    command = place.attack_with(config)
    answer = occbench(*command)
    assert_refused(answer, "--trust-config")
    assert not (place.folder / "mark").exists()
    said = normalised(answer.err, [place.folder])
    assert words in said
    row(Row(GROUP, fed, said, answer.code), [words])
    assert check_config(config, trusted=True)


def test_trusted_code_runs_and_is_recorded(place: Place, occbench: Occbench) -> None:
    config = outside(place.folder)
    answer = occbench(*place.attack_with(config, None, "--trust-config"))
    assert (answer.code, answer.err) == (0, "")
    assert (place.folder / "mark").is_dir()  # so the trap works
    assert "elsewhere/base.py" in (place.folder / "run" / "manifest.json").read_text()


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda f: write(f / "mine.py", CONFIG), id="its own folder"),
        pytest.param(
            lambda f: (
                (write(f / "b" / "base.py", CONFIG), write(f / "configs" / "b" / "base.py", CONFIG))
                and write(f / "configs" / "a" / "mine.py", "_base_ = '../b/base.py'")
            ),
            id="a configs folder, as MMPose's",
        ),
        pytest.param(
            lambda f: (
                (write(f / ".git" / "HEAD", ""), write(f / "b" / "base.py", CONFIG))
                and write(f / "a" / "mine.py", "_base_ = ['../b/base.py']")
            ),
            id="a git checkout",
        ),
        pytest.param(
            lambda f: write(f / "mine.py", "_base_ = 'mmpose::_base_/default_runtime.py'"), id="MMPose's base"
        ),
        pytest.param(
            lambda f: write(f / "mine.py", "import os\nfrom mmpose.models import HRNet\n"), id="known modules"
        ),
        pytest.param(lambda f: write(f / "mine.py", "_base_ = './gone.py'"), id="a missing base is MMEngine's to name"),
        pytest.param(lambda f: write(f / "mine.py", "_base_ = ("), id="so is what is no Python"),
    ],
)
def test_what_is_ones_own_runs(make: Callable[[Path], Path], tmp_path: Path) -> None:
    assert check_config(make(tmp_path), trusted=False) == ()


def test_every_config_of_the_zoo_is_known() -> None:
    for model in list_models():
        assert check_config(model.config_path, trusted=False) == ()


def test_a_base_of_another_user_is_asked_about(tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("only root can give files away")
    base = write(tmp_path / "base.py", CONFIG)
    config = write(tmp_path / "mine.py", "_base_ = './base.py'")
    os.chown(base, 12345, 12345)
    with pytest.raises(OccbenchError, match="belongs to another user"):
        check_config(config, trusted=False)
    os.chown(config, 12345, 12345)  # the same owner as that of the config, which the user has named
    assert check_config(config, trusted=False) == ()


def test_an_unreadable_config_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_bytes(b"\xff")
    with pytest.raises(OccbenchError, match="cannot be read"):
        check_config(tmp_path / "mine.py", trusted=False)


def test_no_metainfo_of_the_current_folder_runs(place: Place, occbench: Occbench, row: Record) -> None:
    """MMPose by itself runs configs/_base_/datasets/coco.py of the current folder."""
    write(place.folder / "configs" / "_base_" / "datasets" / "coco.py", TRAP.format(mark=str(place.folder / "mark")))
    answer = occbench(*place.attack_with())
    assert (answer.code, answer.err) == (0, "")
    assert not (place.folder / "mark").exists()
    fed = "configs/_base_/datasets/coco.py in the current folder, which MMPose itself would run"
    row(
        Row(GROUP, fed, "attacked; MMPose's own is read, and that of the folder did not run", 0, said=False),
        ["did not run"],
    )
