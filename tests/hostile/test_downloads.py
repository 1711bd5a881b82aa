"""Addresses of weights that answer with something else, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from occbench.system.download import download
from occbench.system.errors import OccbenchError

from ..command_line import Occbench, assert_refused
from ..weights.test_fetched_weights import CONTENT, DIGEST, Server, server
from .case import Place, Record, Row, normalised

__all__ = ["server"]

GROUP = "Downloads (`occbench attack --checkpoint http://...`)"
NO_SERVER = "http://127.0.0.1:9/weights.pth"  # the discard port: nobody listens


def wrong_content(state: Server) -> str:
    """Another content than the name promises."""
    state.content = CONTENT[:-1] + b"x"
    return state.url()


def gone(state: Server) -> str:
    """No such file."""
    state.statuses = [404]
    return state.url()


def busy(state: Server) -> str:
    """A server that is busy for ever."""
    state.statuses = [503] * 99
    return state.url()


def page(state: Server) -> str:
    """A web page, for the file."""
    state.kind = "text/html"
    return state.url("weights.pth")


def broken(state: Server) -> str:
    """A line that breaks at the same place for ever."""
    state.ranges = False
    state.breaks = [300_000] * 99
    return state.url()


ADDRESSES: dict[str, tuple[Callable[[Server], str], str]] = {
    "no network": (lambda state: NO_SERVER, "cannot fetch"),
    "a content of another checksum": (wrong_content, "wrong checksum"),
    "an answer 404": (gone, "answers HTTP 404"),
    "an answer 503, again and again": (busy, "HTTP 503"),
    "a web page in place of the file": (page, "answers with a web page"),
    "a line that always breaks at the same place": (broken, "it broke off after 300,000 of 1,048,576 bytes"),
}


@pytest.mark.parametrize("fed", ADDRESSES)
def test_nothing_but_what_was_promised(
    fed: str, place: Place, occbench: Occbench, server: Server, row: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask, words = ADDRESSES[fed]
    monkeypatch.setenv("OCCBENCH_CACHE", str(place.folder / "cache"))
    address = ask(server)
    answer = occbench(*place.attack("--checkpoint", address))
    assert_refused(answer, words)
    assert not list((place.folder / "cache").rglob("*.pth"))
    said = normalised(answer.err.replace(f"127.0.0.1:{server.port}", "host"), [place.folder])
    row(Row(GROUP, fed, said, answer.code), [words])


def test_what_is_too_large_leaves_nothing(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "file"
    server.breaks = [300_000, 0, 0, 0, 0]
    with pytest.raises(OccbenchError, match="broke off"):
        download(server.url(), target, prefix=DIGEST)
    assert (tmp_path / "file.part").stat().st_size == 300_000
    server.breaks = []
    with pytest.raises(OccbenchError, match="1,048,576 bytes, more than the 400,000"):
        download(server.url(), target, prefix=DIGEST, max_bytes=400_000)
    assert [path.name for path in tmp_path.iterdir()] == ["file.lock"]


def test_a_damaged_tag_does_not_stop_a_download(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "file"
    (tmp_path / "file.part").write_bytes(CONTENT[:1000])
    (tmp_path / "file.part.tag").write_bytes(b'"v1\xff"')
    download(server.url(), target, prefix=DIGEST)
    assert target.read_bytes() == CONTENT
