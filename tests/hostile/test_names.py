"""Names with markup, quotes, line ends and emoji in them: text wherever they are shown, and a path nowhere."""

from __future__ import annotations

import shutil
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from ..command_line import Occbench
from .case import Content, Place, Record, Row

GROUP = "Names"
FILE_NAMES = {
    "a script tag in a file name": "<script>alert(1)<!--.jpg",
    "quotes, ampersands and backticks in a file name": '"it\'s" &amp; `touch x` $(touch x).jpg',
    "a line end and an escape sequence in a file name": "a\nb\x1b[31m\r.jpg",
    "emoji and a right-to-left override in a file name": "😀\u202egpj.jpg",
    "a handler that closes an attribute in a file name": "x' onerror='alert(1)' y.jpg",
    "an option and a template in a file name": "-rf {{7*7}} %s.jpg",
}
CATEGORY = "a script tag in a category's name"
MODEL = "a script tag in the name of a model"
DATA = "a handler in the name of an annotation file"
OUT = "a script tag, quotes and emoji in the name of a run"


class Page(HTMLParser):
    """What a browser would make of a page: elements, attributes and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: dict[str, int] = {}
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.scripts = ""
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] = self.elements.get(tag, 0) + 1
        self.attributes += [(name, value or "") for name, value in attrs]
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts += data
        else:
            self.text += data


@pytest.mark.usefixtures("with_figures")
def test_names_are_text(place: Place, occbench: Occbench, row: Record) -> None:
    weights, model = place.tiny.weights, place.folder / "<script>alert(2)<!--.py"
    shutil.copy(place.tiny.config, model)
    plain = occbench(*place.attack_with(model, weights, "--out", "plain"))
    assert (plain.code, plain.err) == (0, "")

    def rename(content: Content) -> None:
        images, persons = content["images"], content["annotations"]
        names = list(FILE_NAMES.values())
        for image, name in zip(images, names, strict=False):
            (place.people.images / image["file_name"]).rename(place.people.images / name)
            image["file_name"] = name
        for number, name in enumerate(names[len(images) :], start=100):
            shutil.copy(place.people.images / names[0], place.people.images / name)
            images.append({**images[0], "id": number, "file_name": name})
            persons.append({**persons[0], "id": number, "image_id": number})
        content["categories"][0] |= {"name": "<script>alert(3)</script>", "supercategory": "<b onclick='alert(4)'>"}

    place.change(rename)
    data = place.people.annotations.rename(place.people.annotations.with_name("<img src=x onerror=alert(5)>.json"))
    out = "run \"<script>alert(6)<!--' 😀"
    answer = occbench(*place.attack_with(model, weights, "--data", data, "--out", out))
    assert (answer.code, answer.err) == (0, "")
    assert f"on {data.stem}" in answer.out
    before, page = (Page((place.folder / run / "report.html").read_text()) for run in ("plain", out))
    assert page.elements.keys() == before.elements.keys()
    assert page.elements.get("script") == before.elements.get("script")
    assert page.scripts == before.scripts
    assert {name for name, _ in page.attributes} == {name for name, _ in before.attributes}
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    for shown in (model.stem, data.stem):
        assert shown in page.text
    for figure in (place.folder / out / "plots").rglob("*.svg"):
        assert not [e for e in ElementTree.parse(figure).iter() if e.tag.endswith("}script") or "onerror" in e.attrib]
    assert not (place.folder / "x").exists()
    row(Row(GROUP, MODEL, "attacked; text in report.html", 0, said=False), ["text"])
    row(Row(GROUP, DATA, "attacked; text in report.html", 0, said=False), ["text"])
    row(Row(GROUP, OUT, "attacked; text in report.html", 0, said=False), ["text"])
    for name in (CATEGORY, *FILE_NAMES):
        row(Row(GROUP, name, "attacked; never more than text", 0, said=False), ["text"])


def test_a_name_in_a_message_is_one_line_of_text(place: Place, occbench: Occbench, row: Record) -> None:
    name = "a\nb\x1b[31m<script>😀.jpg"
    place.change(lambda content: content["images"][0].update(file_name=name))
    answer = occbench(*place.attack())
    assert answer.code == 2
    assert answer.err.count("\n") == 1
    assert "\x1b" not in answer.err
    assert "a\\nb\\x1b[31m<script>😀.jpg' is missing" in answer.err
    said = answer.err.replace(f"{place.folder}/", "").removeprefix("occbench: ").strip()
    row(Row(GROUP, "the name of a missing photo with a line end and an escape sequence", said, 2), ["is missing"])


def test_the_parser_sees_a_script(tmp_path: Path) -> None:
    """So the test above can fail."""
    page = Page("<p title='a'>x<script>alert(1)</script><img src=x onerror=alert(2)>")
    assert page.elements == {"p": 1, "script": 1, "img": 1}
    assert page.scripts == "alert(1)"
    assert ("onerror", "alert(2)") in page.attributes
