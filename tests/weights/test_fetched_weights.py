"""Weights by address and by path: fetched from a server on the loopback, named, checked."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from occbench.system import download as download_module
from occbench.system.download import download
from occbench.system.errors import OccbenchError
from occbench.weights.checkpoints import cached, resolve, sha256, sha256_prefix
from occbench.weights.zoo import ZooModel, find_model

CONTENT = bytes(range(256)) * 4096  # 1 MiB
DIGEST = hashlib.sha256(CONTENT).hexdigest()
NAMED = f"weights-{DIGEST[:8]}_20220909.pth"


@dataclass
class Server:
    """What the loopback server shall answer, and what it was asked."""

    port: int = 0
    content: bytes = CONTENT
    ranges: bool = True
    etag: str = '"v1"'
    kind: str = "application/octet-stream"
    statuses: list[int] = field(default_factory=list)  # of the next answers, before it answers as it should
    breaks: list[int] = field(default_factory=list)  # of the next answers: bytes after which the line goes dead
    asked: list[str] = field(default_factory=list)  # Range headers
    sent: int = 0

    def url(self, name: str = NAMED) -> str:
        return f"http://127.0.0.1:{self.port}/{name}"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range", "")
            state.asked.append(asked)
            if state.statuses:
                self.send_error(state.statuses.pop(0))
                return
            start = 0
            if asked and state.ranges and self.headers.get("If-Range", state.etag) == state.etag:
                start = int(asked.removeprefix("bytes=").removesuffix("-"))
                if start >= len(state.content):
                    self.send_error(416)
                    return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(state.content) - 1}/{len(state.content)}")
            self.send_header("Content-Length", str(len(state.content) - start))
            self.send_header("Content-Type", state.kind)
            if state.etag:
                self.send_header("ETag", state.etag)
            self.end_headers()
            body = state.content[start:]
            if state.breaks:
                body = body[: state.breaks.pop(0)]
            self.wfile.write(body)
            state.sent += len(body)

        def log_message(self, *args: object) -> None:
            pass

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(download_module, "WAITS", (0.0, 0.0, 0.0))
    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client may hang up
    state.port = http.server_address[1]
    thread = threading.Thread(target=http.serve_forever, args=(0.01,))
    thread.start()
    yield state
    http.shutdown()
    thread.join()
    http.server_close()


@pytest.fixture
def model() -> ZooModel:
    return find_model("tinypose-128x96")


def fetched(folder: Path) -> list[str]:
    """Names of everything in ``folder`` but the locks."""
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")


# --- fetching ---------------------------------------------------------------------------------------------------------


def test_fetches_once(server: Server, model: ZooModel, tmp_path: Path) -> None:
    path = resolve(server.url(), model, tmp_path)
    assert path.read_bytes() == CONTENT
    assert resolve(server.url(), model, tmp_path) == path
    assert len(server.asked) == 1
    assert fetched(tmp_path) == [NAMED]


def test_resumes_where_the_line_broke(server: Server, model: ZooModel, tmp_path: Path) -> None:
    server.breaks = [300_000, 200_000]
    assert resolve(server.url(), model, tmp_path).read_bytes() == CONTENT
    assert server.asked == ["", "bytes=300000-", "bytes=500000-"]
    assert server.sent == len(CONTENT)
    assert fetched(tmp_path) == [NAMED]


def test_resumes_in_the_next_run(server: Server, model: ZooModel, tmp_path: Path) -> None:
    server.breaks = [400_000, 0, 0, 0, 0]
    with pytest.raises(OccbenchError, match=r"400,000 of 1,048,576 bytes.*--checkpoint"):
        resolve(server.url(), model, tmp_path)
    server.breaks = []
    assert resolve(server.url(), model, tmp_path).read_bytes() == CONTENT
    assert server.sent == len(CONTENT)


def test_many_breaks_do_not_matter_while_it_gets_further(server: Server, model: ZooModel, tmp_path: Path) -> None:
    server.breaks = [100_000] * 10
    assert resolve(server.url(), model, tmp_path).read_bytes() == CONTENT


def test_starts_over_without_ranges(server: Server, model: ZooModel, tmp_path: Path) -> None:
    server.ranges = False
    server.breaks = [300_000]
    assert resolve(server.url(), model, tmp_path).read_bytes() == CONTENT
    assert server.sent == len(CONTENT) + 300_000


def test_gives_up_where_it_always_breaks_at_the_same_place(server: Server, model: ZooModel, tmp_path: Path) -> None:
    server.ranges = False
    server.breaks = [300_000] * 100
    with pytest.raises(OccbenchError, match="broke off after 300,000"):
        resolve(server.url(), model, tmp_path)
    assert len(server.asked) == 5


@pytest.mark.parametrize("etag", ['"v1"', ""], ids=["tagged", "untagged"])
def test_does_not_mix_two_versions(server: Server, model: ZooModel, tmp_path: Path, etag: str) -> None:
    server.etag = etag
    server.breaks = [300_000, 0, 0, 0, 0]
    with pytest.raises(OccbenchError):
        resolve(server.url("plain.pth"), model, tmp_path)
    server.breaks = []
    server.content, server.etag = CONTENT[::-1], etag and '"v2"'
    assert resolve(server.url("plain.pth"), model, tmp_path).read_bytes() == CONTENT[::-1]


def test_a_part_that_is_too_long_is_dropped(server: Server, tmp_path: Path) -> None:
    target = tmp_path / NAMED
    target.with_name(NAMED + ".part").write_bytes(CONTENT + b"more")
    download(server.url(), target, prefix=DIGEST)
    assert target.read_bytes() == CONTENT


def test_wrong_checksum(server: Server, model: ZooModel, tmp_path: Path) -> None:
    server.content = CONTENT[:-1] + b"x"
    with pytest.raises(OccbenchError, match=f"wrong checksum of {server.url()}.*{DIGEST[:8]}") as caught:
        resolve(server.url(), model, tmp_path)
    assert "\n" not in str(caught.value)
    assert fetched(tmp_path) == []


def test_a_damaged_file_in_the_cache_is_fetched_again(server: Server, model: ZooModel, tmp_path: Path) -> None:
    (tmp_path / NAMED).write_bytes(CONTENT[:100])
    assert resolve(server.url(), model, tmp_path).read_bytes() == CONTENT


def test_busy_servers_are_asked_again(server: Server, model: ZooModel, tmp_path: Path) -> None:
    server.statuses = [503, 429]
    assert resolve(server.url(), model, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_missing_file_is_not_asked_for_again(server: Server, model: ZooModel, tmp_path: Path, status: int) -> None:
    server.statuses = [status] * 9
    with pytest.raises(OccbenchError, match=rf"{server.url()} answers HTTP {status}"):
        resolve(server.url(), model, tmp_path)
    assert len(server.asked) == 1
    assert fetched(tmp_path) == []


def test_a_web_page_is_no_checkpoint(server: Server, model: ZooModel, tmp_path: Path) -> None:
    server.kind = "text/html; charset=utf-8"
    with pytest.raises(OccbenchError, match="web page"):
        resolve(server.url("plain.pth"), model, tmp_path)


def test_too_large(server: Server, tmp_path: Path) -> None:
    with pytest.raises(OccbenchError, match="1,048,576 bytes, more than the 1,000"):
        download(server.url(), tmp_path / "file", max_bytes=1000)
    assert not (tmp_path / "file").exists()


def test_no_network(server: Server, model: ZooModel, tmp_path: Path) -> None:
    url = "http://127.0.0.1:9/weights.pth"  # the discard port: nobody listens
    with pytest.raises(OccbenchError) as caught:
        resolve(url, model, tmp_path)
    assert url in str(caught.value)
    assert "--checkpoint FILE" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("url", ["http:///x.pth", "http://127.0.0.1:port/x.pth", "http://127.0.0.1/a b.pth"])
def test_addresses_that_are_none(url: str, model: ZooModel, tmp_path: Path) -> None:
    with pytest.raises(OccbenchError, match="address"):
        resolve(url, model, tmp_path)


def test_other_schemes_are_refused(model: ZooModel, tmp_path: Path) -> None:
    with pytest.raises(OccbenchError, match="http and https only"):
        resolve("file:///etc/passwd", model, tmp_path)


def test_a_folder_that_cannot_be_made(server: Server, model: ZooModel, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OccbenchError, match=r"cannot write .*OCCBENCH_CACHE"):
        resolve(server.url(), model, tmp_path / "file" / "cache")


def test_two_at_once_fetch_it_once(server: Server, tmp_path: Path) -> None:
    errors: list[Exception] = []

    def fetch() -> None:
        try:
            download(server.url(), tmp_path / NAMED, prefix=DIGEST)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=fetch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(server.asked) == 1
    assert (tmp_path / NAMED).read_bytes() == CONTENT


def test_progress_goes_to_stderr_only(server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    download(server.url(), tmp_path / "quiet")
    assert capsys.readouterr() == ("", "")
    download(server.url(), tmp_path / "loud", progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "loud" in err


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "prefix"),
    [
        ("td-hm_hrnet-w32_8xb64-210e_coco-256x192-81c58e40_20220909.pth", "81c58e40"),
        ("resnet50-0676ba61.pth", "0676ba61"),
        ("net-20220909_20220909.pth", "20220909"),
        ("net-20220909.pth", ""),
        ("tinypose-256x192.pth", ""),
        ("net-81c58e4.pth", ""),
        (f"net-{DIGEST}.pth", DIGEST),
    ],
)
def test_sha256_prefix(name: str, prefix: str) -> None:
    assert sha256_prefix(name) == prefix


def test_every_address_of_the_zoo_promises_a_checksum() -> None:
    address = find_model("hrnet").checkpoint
    assert address is not None
    assert sha256_prefix(cached(address).name) == "81c58e40"


def test_equal_names_of_two_addresses_do_not_meet(tmp_path: Path) -> None:
    assert cached("http://a/x.pth", tmp_path) != cached("http://b/x.pth", tmp_path)
    assert cached("http://a/%2e%2e%2f%2e%2e%2fetc", tmp_path).resolve().is_relative_to(tmp_path)


# --- local files ------------------------------------------------------------------------------------------------------


def test_local_files(model: ZooModel, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(CONTENT)
    assert resolve(str(path), model) == path
    assert sha256(path) == DIGEST
    with pytest.raises(OccbenchError, match="no checkpoint file"):
        resolve(str(tmp_path / "other.pth"), model)
    with pytest.raises(OccbenchError, match="no checkpoint file"):
        resolve(str(tmp_path), model)
    with pytest.raises(OccbenchError, match=r"tinypose-128x96.*--checkpoint"):
        resolve(None, model)


def test_local_file_with_a_wrong_checksum_stays(model: ZooModel, tmp_path: Path) -> None:
    path = tmp_path / "weights-00000000_20220909.pth"
    path.write_bytes(CONTENT)
    with pytest.raises(OccbenchError, match="wrong checksum"):
        resolve(str(path), model)
    assert path.exists()
