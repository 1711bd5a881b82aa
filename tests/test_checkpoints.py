"""Fetching against a server on the loopback, and loading of good, foreign, damaged and hostile checkpoints."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import threading
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from torch import nn

from occbench import download as download_module
from occbench.checkpoints import (
    cached,
    foreign_globals,
    load_into,
    load_state_dict,
    resolve,
    sha256,
    sha256_prefix,
)
from occbench.download import download
from occbench.errors import OccbenchError
from occbench.zoo import ZooModel, find_model

from .conftest import Real

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


# --- reading ----------------------------------------------------------------------------------------------------------


class Payload:
    """Writes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return (os.mkdir, (str(self.mark),))


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(OrderedDict(backbone=nn.Conv2d(3, 4, 3), bn=nn.BatchNorm2d(4), head=nn.Conv2d(4, 17, 1)))


def equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return list(a) == list(b) and all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "meta": {"epoch": 3}, "optimizer": {"lr": 1.0}},
        lambda state: {"model": state, "ema_state_dict": {"steps": torch.zeros(1)}},
        lambda state: {"state_dict": {f"module.{key}": value for key, value in state.items()}},
    ],
    ids=["plain", "state_dict", "model", "module."],
)
def test_forms_of_checkpoints(tmp_path: Path, wrap: object, legacy: bool) -> None:
    path, state = tmp_path / "a.pth", net().state_dict()
    torch.save(wrap(state), path, _use_new_zipfile_serialization=not legacy)  # type: ignore[operator]
    assert equal(load_state_dict(path), state)


def test_versions_of_modules_are_kept(tmp_path: Path) -> None:
    wrapped = nn.DataParallel(net())
    torch.save({"state_dict": wrapped.state_dict()}, tmp_path / "a.pth")
    state = load_state_dict(tmp_path / "a.pth")
    assert state._metadata["bn"] == {"version": 2}  # type: ignore[attr-defined]
    assert "" in state._metadata  # type: ignore[attr-defined]


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_a_payload_does_not_run(tmp_path: Path, legacy: bool) -> None:
    path, mark = tmp_path / "a.pth", tmp_path / "mark"
    torch.save(
        {"state_dict": net().state_dict(), "meta": Payload(mark)}, path, _use_new_zipfile_serialization=not legacy
    )
    with pytest.raises(OccbenchError, match=r"posix\.mkdir.*--trust-checkpoint") as caught:
        load_state_dict(path)
    assert not mark.exists()
    assert "\n" not in str(caught.value)
    load_state_dict(path, trust=True)
    assert mark.exists()


def test_a_bare_pickle_does_not_run(tmp_path: Path) -> None:
    path, mark = tmp_path / "a.pth", tmp_path / "mark"
    path.write_bytes(pickle.dumps(Payload(mark), protocol=4))
    assert foreign_globals(path) == ["posix.mkdir"]
    with pytest.raises(OccbenchError):
        load_state_dict(path)
    assert not mark.exists()


def test_checkpoints_of_mmengine_need_trust(tmp_path: Path) -> None:
    from mmengine.logging import HistoryBuffer

    path, state = tmp_path / "epoch_1.pth", net().state_dict()
    torch.save({"state_dict": state, "message_hub": {"loss": HistoryBuffer([1.0], [1])}}, path)
    with pytest.raises(OccbenchError, match=r"HistoryBuffer.*--trust-checkpoint"):
        load_state_dict(path)
    assert equal(load_state_dict(path, trust=True), state)


def saved() -> bytes:
    buffer = io.BytesIO()
    torch.save({"state_dict": net().state_dict()}, buffer)
    return buffer.getvalue()


def bomb() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(50_000_000))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"", "empty", id="empty"),
        pytest.param(b"\n<!DOCTYPE html><html>", "web page", id="web page"),
        pytest.param(b"version https://git-lfs.github.com/spec/v1\n", "LFS", id="lfs pointer"),
        pytest.param(saved()[:-200], "truncated", id="truncated zip"),
        pytest.param(saved()[:40], "truncated", id="first bytes of a zip"),
        pytest.param(b"PK\x05\x06" + bytes(18), "cannot be read", id="zip of nothing"),
        pytest.param(b"weights, honestly", "cannot be read", id="text"),
        pytest.param(bytes(1000), "cannot be read", id="zeros"),
        pytest.param(pickle.dumps([1, 2, 3]), "cannot be read|no weights", id="pickled list"),
        pytest.param(bomb(), "unpacks to 50,000,000", id="zip bomb"),
    ],
)
def test_what_is_no_checkpoint(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(content)
    for trust in (False, True):
        with pytest.raises(OccbenchError, match=said) as caught:
            load_state_dict(path, trust=trust)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_truncated_legacy_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save({"state_dict": net().state_dict()}, path, _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    for length in (20, len(content) // 2, len(content) - 10):
        path.write_bytes(content[:length])
        with pytest.raises(OccbenchError, match="damaged"):
            load_state_dict(path)


@pytest.mark.parametrize("content", [[1, 2], {}, {"state_dict": {}}, {"epoch": 3}, {"state_dict": {"a": 1}}, 5])
def test_no_weights_in_it(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(OccbenchError, match="weights"):
        load_state_dict(tmp_path / "a.pth")


def test_missing_and_unreadable_files(tmp_path: Path) -> None:
    for path in (tmp_path / "none.pth", tmp_path):
        with pytest.raises(OccbenchError, match="cannot read checkpoint"):
            load_state_dict(path)


# --- putting weights into a model -------------------------------------------------------------------------------------


def test_all_weights_arrive() -> None:
    model, state = net(), {key: torch.full_like(value, 2) for key, value in net().state_dict().items()}
    load_into(model, state, "a.pth")
    assert equal(dict(model.state_dict()), state)


def test_harmless_buffers_are_ignored() -> None:
    load_into(net(), {**net().state_dict(), "data_preprocessor.mean": torch.zeros(3, 1, 1)}, "a.pth")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s.pop("head.bias"), r"1 missing \(head\.bias\)"),
        (lambda s: s.update(extra=torch.zeros(1)), r"1 left over \(extra\)"),
        (lambda s: s.update({"head.bias": torch.zeros(16)}), r"1 of another shape \(head\.bias \(16,\) for \(17,\)\)"),
    ],
    ids=["missing", "left over", "shape"],
)
def test_weights_that_do_not_fit(change: object, said: str) -> None:
    state = dict(net().state_dict())
    change(state)  # type: ignore[operator]
    with pytest.raises(OccbenchError, match=r"a\.pth") as caught:
        load_into(net(), state, "a.pth")
    caught.match(said)
    assert "\n" not in str(caught.value)


def test_many_keys_are_counted() -> None:
    state = {key: value for key, value in net().state_dict().items() if key.startswith("bn.")}
    with pytest.raises(OccbenchError, match=r"4 missing \(backbone\.weight, backbone\.bias, head\.weight, \.\.\.\), 1"):
        load_into(net(), state | {"other": torch.zeros(1)}, "a.pth")


@pytest.fixture(scope="module")
def tinypose() -> nn.Module:
    from occbench.compat import setup_mmpose

    setup_mmpose()
    from mmengine.config import Config
    from mmpose.models import build_pose_estimator

    model: nn.Module = build_pose_estimator(Config.fromfile(find_model("tinypose-128x96").config_path).model)
    return model


def test_old_names_of_mmpose_are_understood(tinypose: nn.Module) -> None:
    state = {key.replace("head.", "keypoint_head.", 1): value for key, value in tinypose.state_dict().items()}
    assert any(key.startswith("keypoint_head.") for key in state)
    load_into(tinypose, state, "old.pth")


def test_weights_of_another_architecture(tinypose: nn.Module) -> None:
    with pytest.raises(OccbenchError, match=r"missing \(backbone.*left over \(bn"):
        load_into(tinypose, net().state_dict(), "other.pth")
    foreign = {"head.final_layer.0.weight": torch.zeros(1), "backbone.layer1.weight": torch.zeros(1)}
    with pytest.raises(OccbenchError, match="missing"):
        load_into(tinypose, foreign, "other.pth")


@pytest.mark.real
@pytest.mark.parametrize("name", ["tinypose-256x192", "tinypose-128x96"])
def test_real_weights_fit(name: str, real: Real) -> None:
    path = real.weights(name)
    from occbench.compat import setup_mmpose

    setup_mmpose()
    from mmengine.config import Config
    from mmpose.models import build_pose_estimator

    model = build_pose_estimator(Config.fromfile(find_model(name).config_path).model)
    state = load_state_dict(resolve(str(path), find_model(name)))
    load_into(model, state, path)
    assert equal(dict(model.state_dict()), state)
