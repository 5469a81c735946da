"""`HubServer`: a hub on this machine that speaks the real one's protocol, and breaks it where a test asks.

Large files (.safetensors) are in large storage as on the real one: the resolve address redirects to another path, with
their SHA-256 in X-Linked-Etag. Small ones are served at once, with the checksum of git in ETag.
"""

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
"""Commit that ``main`` is at."""


@dataclass
class Faults:
    """Ways in which the server breaks the protocol. Empty in the beginning."""

    cut_once: dict[str, int] = field(default_factory=dict)
    """Bytes of a file after which the connection is cut, once."""
    cut_always: dict[str, int] = field(default_factory=dict)
    """Bytes after the start of each answer, after which the connection is cut."""
    refuse_after_cut: bool = False
    """Answer 503 to everything after a cut."""
    flip: set[str] = field(default_factory=set)
    """Files of which one byte is another."""
    longer: set[str] = field(default_factory=set)
    """Files that have more bytes than were listed."""
    status: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Status and X-Error-Code of repositories that are refused."""
    extra: list[dict[str, Any]] = field(default_factory=list)
    """Entries that are added to every listing."""
    info: bytes | None = None
    """Answer in place of a listing."""
    ignore_range: bool = False
    """Send whole files to requests for the rest of them."""
    hold: threading.Event | None = None
    """Held before the second half of `held` is sent."""
    held: str = ".safetensors"
    """End of the names of these files."""


@dataclass(frozen=True)
class Seen:
    """One request."""

    method: str
    path: str
    range: str
    token: str


class HubServer:
    """Repositories by id, each a folder of files."""

    def __init__(self) -> None:
        self.repositories: dict[str, Path] = {}
        self.faults = Faults()
        self.seen: list[Seen] = []
        self.was_cut = False
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *arguments: None  # type: ignore[method-assign]  # clients are killed
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        # Large files are on another host, which must not see the token.
        self.storage_url = f"http://localhost:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        if self.faults.hold:
            self.faults.hold.set()
        self._server.shutdown()
        self._server.server_close()

    def paths(self, method: str = "GET") -> list[str]:
        return [each.path for each in self.seen if each.method == method]


@contextmanager
def hub_server() -> Iterator[HubServer]:
    """Start a hub, and stop it at the end."""
    server = HubServer()
    server.start()
    yield server
    server.stop()


def git_sha1(data: bytes) -> str:
    return hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    hub: HubServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def _answer(self, with_body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        headers = self.headers
        self.hub.seen.append(Seen(self.command, path, headers.get("Range", ""), headers.get("Authorization", "")))
        if self.hub.was_cut and self.hub.faults.refuse_after_cut:
            self._send(503, {}, b"", with_body)
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+?)(?:/revision/(.+))?", path):
            self._info(match[1], match[2] or "main", with_body)
        elif match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self._resolve(match[1], match[2], match[3], with_body)
        elif match := re.fullmatch(r"/large/([^/]+/[^/]+)/(.+)", path):
            self._body(match[1], match[2], with_body, {})
        else:
            self._send(404, {}, b"no such address", with_body)

    def _refused(self, repository: str, with_body: bool) -> bool:
        status, code = self.hub.faults.status.get(repository, (0, ""))
        if not status and repository not in self.hub.repositories:
            status, code = 404, "RepoNotFound"
        if status:
            self._send(status, {"X-Error-Code": code} if code else {}, b"", with_body)
        return bool(status)

    def _info(self, repository: str, revision: str, with_body: bool) -> None:
        if self._refused(repository, with_body):
            return
        if revision == "gone":
            self._send(404, {"X-Error-Code": "RevisionNotFound"}, b"", with_body)
            return
        if self.hub.faults.info is not None:
            self._send(200, {}, self.hub.faults.info, with_body)
            return
        siblings = []
        folder = self.hub.repositories[repository]
        for file in sorted(folder.rglob("*")):
            if not file.is_file():
                continue
            data = file.read_bytes()
            entry: dict[str, Any] = {"rfilename": file.relative_to(folder).as_posix(), "size": len(data)}
            entry["blobId"] = git_sha1(data)
            if file.suffix == ".safetensors":
                entry["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
            siblings.append(entry)
        answer = {
            "id": repository,
            "sha": revision if re.fullmatch("[0-9a-f]{40}", revision) else COMMIT,
            "tags": ["diffusers", "license:cc0-1.0"],
            "siblings": siblings + self.hub.faults.extra,
        }
        self._send(200, {"Content-Type": "application/json"}, json.dumps(answer).encode(), with_body)

    def _resolve(self, repository: str, revision: str, name: str, with_body: bool) -> None:
        if self._refused(repository, with_body):
            return
        file = self.hub.repositories[repository] / name
        if not file.is_file():
            self._send(404, {"X-Error-Code": "EntryNotFound"}, b"", with_body)
            return
        data = file.read_bytes()
        headers = {"X-Repo-Commit": revision}
        if file.suffix == ".safetensors":
            headers |= {
                "Location": f"{self.hub.storage_url}/large/{repository}/{name}",
                "X-Linked-Etag": f'"{hashlib.sha256(data).hexdigest()}"',
                "X-Linked-Size": str(len(data)),
            }
            self._send(302, headers, b"", with_body)
        else:
            self._body(repository, name, with_body, headers | {"ETag": f'"{git_sha1(data)}"'})

    def _body(self, repository: str, name: str, with_body: bool, headers: dict[str, str]) -> None:
        faults = self.hub.faults
        data = (self.hub.repositories[repository] / name).read_bytes()
        if name in faults.flip:
            data = data[:-1] + bytes([data[-1] ^ 1])
        if name in faults.longer:
            data += bytes(1000)
        start, status = 0, 200
        if (asked := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))) and not faults.ignore_range:
            start, status = int(asked[1]), 206
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        rest = data[start:]
        cut = faults.cut_once.pop(name, None) if with_body else None
        cut = faults.cut_always.get(name, cut) if with_body else None
        if faults.hold and with_body and name.endswith(faults.held):
            self._begin(status, headers, len(rest))
            self.wfile.write(rest[: len(rest) // 2])
            self.wfile.flush()
            faults.hold.wait(60)
            self.wfile.write(rest[len(rest) // 2 :])
        elif cut is not None:
            self._begin(status, headers, len(rest))
            self.wfile.write(rest[:cut])
            self.wfile.flush()
            self.hub.was_cut = True
            self.close_connection = True
            self.connection.close()
        else:
            self._send(status, headers, rest, with_body)

    def _begin(self, status: int, headers: dict[str, str], length: int) -> None:
        self.send_response(status)
        for key, value in (headers | {"Content-Length": str(length)}).items():
            self.send_header(key, value)
        self.end_headers()

    def _send(self, status: int, headers: dict[str, str], body: bytes, with_body: bool) -> None:
        self._begin(status, headers, len(body))
        if with_body:
            self.wfile.write(body)
