"""Every finding is told of one thing in the singular, of two in the plural."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import occbench
from occbench.data.findings import KINDS, found

SOURCE = Path(occbench.__file__).parent


def templates() -> Iterator[tuple[str, str]]:
    """The kind and the text of every finding in the source."""
    for path in sorted(SOURCE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        texts = [
            (node.lineno, target.id, node.value.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
            if isinstance(target, ast.Name) and isinstance(node.value.value, str)
        ]
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and len(node.args) >= 2 and isinstance(node.args[0], ast.Constant):
                kind, text = node.args[0].value, node.args[1]
                if kind in KINDS:
                    text = text.value if isinstance(text, ast.Constant) else _named(text, texts)
                    if isinstance(text, str) and "{" in text:
                        yield str(kind), text


def _named(text: ast.expr, texts: list[tuple[int, str, str]]) -> str:
    """What a name was last given before it is used."""
    given = [value for line, name, value in sorted(texts) if name == getattr(text, "id", "") and line < text.lineno]
    return given[-1] if given else ""


def told(kind: str, text: str, count: int) -> str:
    """The text with something for every name in it."""
    names = {name.split(":")[0] for name in re.findall(r"{([^}]+)}", text)} - {"n"}
    return found(kind, text, count, **{name: 0.0 if f"{{{name}:" in text else "..." for name in names})[0].text


def test_one_thing_is_told_of_as_one() -> None:
    told_of = list(templates())
    assert len(told_of) > 35
    assert len({kind for kind, _ in told_of}) > 30
    for kind, text in told_of:
        one, two = told(kind, text, 1), told(kind, text, 2)
        assert "[" not in one + two, text
        if "1 of " not in one and "{n} boxes" not in text and "{n} results have ids" not in text:
            assert not re.search(r"\b1 (persons|photos|results|annotations|boxes|keypoints|figures)\b", one), one
        if re.search(r"\b2 (person|photo|result|annotation|keypoint|figure|box)\b", two):
            raise AssertionError(two)


def test_numbers_and_braces_of_the_user_stay_as_they_are() -> None:
    (one,) = found("encoding", "{file} is {encoding}", 1, file="a{n}[x|y].json", encoding="UTF-16")
    assert one.text == "a{n}[x|y].json is UTF-16"
