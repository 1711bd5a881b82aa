"""A folder of reports, served read-only to this machine alone.

Everything that is asked for is resolved, links included, and must then lie in the folder; names that begin with a dot
are not there. A request whose Host is not this machine is refused, so that no page elsewhere can read along by giving
its own name this address (DNS rebinding).
"""

from __future__ import annotations

import html
import urllib.parse
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from occbench.system.errors import OccbenchError

HOST = "127.0.0.1"
PAGE = "report.html"
_POLICY = (
    "default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)


def make_server(folder: Path, port: int = 0) -> ThreadingHTTPServer:
    """A server of ``folder`` on 127.0.0.1; ``port`` 0 takes any that is free.

    Raises:
        OccbenchError: There is no such folder, or the port is taken.
    """
    if not folder.is_dir():
        raise OccbenchError(f"{str(folder)!r} is no folder; name a run, a report or a folder of them")
    try:
        return ThreadingHTTPServer((HOST, port), partial(_Handler, root=folder.resolve()))
    except OSError as error:
        raise OccbenchError(f"port {port} cannot be used ({error.strerror}); give another one with --port") from None


class _Handler(SimpleHTTPRequestHandler):
    """GET and HEAD of files in the root, and of a page that lists a folder's reports and files."""

    server_version = "occbench"
    sys_version = ""

    def __init__(self, *arguments: Any, root: Path, **options: Any) -> None:
        self._root = root
        super().__init__(*arguments, directory=str(root), **options)

    def send_head(self) -> BinaryIO | BytesIO | None:
        """Headers of what is asked for, and its content."""
        if not _is_here(self.headers.get("Host", "")):
            self.send_error(HTTPStatus.FORBIDDEN, "Not this machine")
            return None
        path = self._resolved()
        if path is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        if not path.is_dir():
            self.path = "/" + urllib.parse.quote(path.relative_to(self._root).as_posix())
            return super().send_head()
        if not urllib.parse.urlsplit(self.path).path.endswith("/"):  # links of the listing are relative
            self._send_elsewhere("/" + urllib.parse.quote(path.relative_to(self._root).as_posix()) + "/")
            return None
        if path == self._root and self._inside(path / PAGE) is not None:
            self._send_elsewhere(f"/{PAGE}")
            return None
        return self._listing(path)

    def _send_elsewhere(self, address: str) -> None:
        self.send_response(HTTPStatus.FOUND)
        self.send_header("Location", address)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _resolved(self) -> Path | None:
        """The file or folder that is asked for; None where it is not there, hidden, or outside of the root."""
        asked = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        return self._inside(self._root / asked.lstrip("/"))

    def _inside(self, path: Path) -> Path | None:
        """``path`` without links; None where that is not there, hidden, or outside of the root."""
        try:
            found = path.resolve(strict=True)
            inside = found.relative_to(self._root)
        except (OSError, ValueError, RuntimeError):  # missing; a name with NUL, or elsewhere; links in a circle
            return None
        hidden = any(part.startswith(".") for part in inside.parts)
        return None if hidden or not (found.is_file() or found.is_dir()) else found

    def _listing(self, folder: Path) -> BytesIO:
        """A page with the reports below ``folder`` first, then what lies in it."""
        shown = [path for path in sorted(folder.iterdir()) if self._inside(path) is not None]
        lines = [_link(PAGE)] if folder / PAGE in shown else []
        lines += [_link(f"{path.name}/{PAGE}", path.name) for path in shown if self._inside(path / PAGE) is not None]
        files = [_link(path.name + ("/" if path.is_dir() else "")) for path in shown]
        title = html.escape(folder.name or "/")
        body = (
            f'<!DOCTYPE html><html lang="en"><meta charset="utf-8"><meta name="color-scheme" content="light dark">'
            f"<title>{title}</title><style>body{{font:16px/1.6 system-ui,sans-serif;margin:2rem}}</style>"
            f"<h1>{title}</h1><h2>Reports</h2><ul>{''.join(lines) or '<li>none'}</ul>"
            f"<h2>Files</h2><ul>{''.join(files)}</ul></html>"
        ).encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        return BytesIO(body)

    def end_headers(self) -> None:
        """Every answer forbids what no report needs."""
        self.send_header("Content-Security-Policy", _POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing: the terminal belongs to the user."""


def _is_here(host: str) -> bool:
    try:
        return urllib.parse.urlsplit(f"//{host}").hostname in ("localhost", HOST, "::1")
    except ValueError:
        return False


def _link(path: str, name: str = "") -> str:
    return f'<li><a href="{urllib.parse.quote(path)}">{html.escape(name or path)}</a>'
