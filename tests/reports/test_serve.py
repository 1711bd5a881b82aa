"""The server: its folder, read-only, this machine alone."""

from __future__ import annotations

import http.client
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from occbench.reports.page.serve import HOST, make_server
from occbench.system.errors import OccbenchError


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A served folder with two runs, links and a hidden file; beside it a secret."""
    base = tmp_path_factory.mktemp("served")
    root = base / "runs"
    for name in ("a", "b & c"):
        (root / name / "plots").mkdir(parents=True)
        (root / name / "report.html").write_text(f"<p>{name}")
    (root / "a" / "plots" / "x.svg").write_text("<svg/>")
    (root / "a" / ".lock").write_text("mine")
    (root / ".work").mkdir()
    (root / ".work" / "piece").write_text("unfinished")
    (base / "secret.txt").write_text("secret")
    (base / "secrets").mkdir()
    (base / "secrets" / "report.html").write_text("secret")
    (base / "runs-private").mkdir()
    (base / "runs-private" / "x.txt").write_text("secret")
    (root / "out").symlink_to(base / "secret.txt")
    (root / "outdir").symlink_to(base / "secrets")
    (root / "inside").symlink_to(root / "a" / "report.html")
    (root / "hidden").symlink_to(root / "a" / ".lock")
    (root / "loop").symlink_to(root / "loop")
    os.mkfifo(root / "pipe")
    with make_server(root) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield int(server.server_address[1])
        server.shutdown()
        thread.join(10)


def ask(port: int, path: str, method: str = "GET", host: str = "localhost") -> tuple[int, str, dict[str, str]]:
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    connection.putrequest(method, path, skip_host=True)
    connection.putheader("Host", host)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read().decode(errors="replace")
    connection.close()
    return answer.status, body, dict(answer.getheaders())


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/a/report.html", "<p>a"),
        ("/b%20%26%20c/report.html", "<p>b & c"),
        ("/a/plots/x.svg?y=1", "<svg/>"),
        ("/a/plots/../report.html", "<p>a"),
        ("/inside", "<p>a"),
    ],
)
def test_what_is_inside_is_served(port: int, path: str, body: str) -> None:
    status, found, headers = ask(port, path)
    assert (status, found) == (200, body)
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "path",
    [
        *("/../secret.txt", "/a/../../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/%2e%2e%2fsecret.txt"),
        *("//../secret.txt", "/a/%2e%2e/%2e%2e/secret.txt", "/../runs-private/x.txt", "/..", "/%2e%2e/"),
        *("/out", "/outdir", "/outdir/", "/outdir/report.html", "/loop", "/pipe", "/nothing", "/a/report.html/x"),
        *("/.work/piece", "/.work/", "/a/.lock", "/hidden", "/a%00", "/%ff", "//etc/passwd", "/a/\\..\\..\\secret.txt"),
    ],
)
def test_what_is_outside_or_hidden_is_not_there(port: int, path: str) -> None:
    status, body, _ = ask(port, path)
    assert status == 404
    assert "secret" not in body.replace(path, "")


def test_absolute_paths_are_taken_inside(port: int, tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("secret")
    for path in (str(tmp_path / "x.txt"), "/" + str(tmp_path / "x.txt"), f"http://localhost{tmp_path}/x.txt"):
        assert ask(port, path)[0] == 404


def test_the_listing_names_reports_and_nothing_outside(port: int) -> None:
    status, body, _ = ask(port, "/")
    assert status == 200
    for link in ('href="a/report.html"', 'href="b%20%26%20c/report.html">b &amp; c<', 'href="inside"'):
        assert link in body
    for name in ("outdir", '"out"', "loop", "pipe", ".work", "secret", "hidden"):
        assert name not in body
    assert ask(port, "/a")[0] == 302
    assert ask(port, "/a")[2]["Location"] == "/a/"
    assert "report.html" in ask(port, "/a/")[1]


def test_a_single_report_opens_at_once(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("<p>here")
    with make_server(tmp_path) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        status, _, headers = ask(int(server.server_address[1]), "/")
        assert (status, headers["Location"]) == (302, "/report.html")
        server.shutdown()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_read_only(port: int, method: str) -> None:
    assert ask(port, "/a/report.html", method)[0] == 501


def test_head_sends_no_content(port: int) -> None:
    assert ask(port, "/a/report.html", "HEAD")[:2] == (200, "")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "", "localhost.evil.example", "[::1", "127.0.0.2"])
def test_another_host_is_refused(port: int, host: str) -> None:
    assert ask(port, "/a/report.html", host=host)[0] == 403


@pytest.mark.parametrize("host", ["localhost:8137", "LOCALHOST", "127.0.0.1:1", "[::1]:8137"])
def test_a_tunnel_may_end_at_another_port(port: int, host: str) -> None:
    assert ask(port, "/a/report.html", host=host)[0] == 200


def test_only_this_machine_can_connect(port: int) -> None:
    others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)} - {HOST}
    others |= {"127.0.0.2"}
    for address in others:
        with pytest.raises(OSError, match=r"."):
            socket.create_connection((str(address), port), timeout=2)


def test_errors_are_one_clear_line(port: int, tmp_path: Path) -> None:
    with pytest.raises(OccbenchError, match="is no folder"):
        make_server(tmp_path / "missing")
    with pytest.raises(OccbenchError, match="--port"):
        make_server(tmp_path, port)
