"""A hub on this machine: repositories with commits, cards, redirects, plain files of other hosts, and faults on demand."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq


def parquet(rows: list[dict], schema: pa.Schema | None = None) -> bytes:
    made = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), made)
    return made.getvalue()


def jsonl(rows: list[dict]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def packed(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def tsv(*rows: tuple) -> bytes:
    return "".join("\t".join(map(str, row)) + "\n" for row in rows).encode()


def card(configs: dict[str, dict[str, str]]) -> bytes:
    """A card that names the files of each configuration and split."""
    lines = ["---", "license: mit", "configs:"]
    for name, splits in configs.items():
        lines += [f"- config_name: {name}", "  data_files:"]
        for split, path in splits.items():
            lines += [f"  - split: {split}", f"    path: {json.dumps(path)}"]
    return "\n".join([*lines, "---", "# A set", ""]).encode()


def tarred(members: dict[str, bytes]) -> bytes:
    """A packed archive of these files."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return made.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    """The same as a .zip."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return made.getvalue()


class FakeHub:
    """What the server has, and how it fails.

    repositories: files by path, by (name, commit); ``branches``: the commit of (name, branch).
    plain: contents by ``<host>/<path>``, as ``KIT_HUB_MIRROR`` asks for them.
    cuts: of the next answers with content, after how many bytes the connection is dropped.
    statuses: that the next answers have instead.
    asked: (path, Range) of all requests for content; n_requests: of all.
    """

    def __init__(self) -> None:
        self.repositories: dict[tuple[str, str], dict[str, bytes]] = {}
        self.branches: dict[tuple[str, str], str] = {}
        self.plain: dict[str, bytes] = {}
        self.cuts: list[int] = []
        self.statuses: list[int] = []
        self.sends_parts = True
        self.sent: dict[str, bytes] = {}  # path -> what comes in place of the content that the tree tells
        self.asked: list[tuple[str, str]] = []
        self.n_requests = 0
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                hub.n_requests += 1
                hub._answer(self)

            do_HEAD = do_GET

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                pass  # a client that stops reading is what the tests are about

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def add(self, name: str, files: dict[str, bytes], revision: str = "a" * 40, branch: str = "main") -> str:
        self.repositories[name, revision] = files
        self.branches[name, branch] = revision
        return f"hf:{name}@{revision}"

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        path = unquote(request.path.partition("?")[0]).lstrip("/")
        if found := re.fullmatch(r"api/datasets/([^/]+/[^/]+)/(tree|revision|commits)/(.+)", path):
            return self._api(request, *found.groups())
        if found := re.fullmatch(r"datasets/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            name, revision, file = found.groups()
            if file not in self.repositories.get((name, revision), {}):
                return self._send(request, 404)
            return self._send(
                request, 302, headers={"Location": f"/cdn/{name}/{revision}/{file}", "X-Repo-Commit": revision}
            )
        if path.startswith("api.github.com/repos/"):
            owner, name, _, branch = path.split("/")[2:6]
            commit = self.branches.get((f"{owner}/{name}", branch))
            return self._send(request, 200, commit.encode()) if commit else self._send(request, 422, b"No commit found")
        if path.startswith("cdn/"):
            owner, name, revision, file = path.split("/", 4)[1:]
            return self._content(request, path, self.repositories[f"{owner}/{name}", revision][file])
        if path in self.plain:
            return self._content(request, path, self.plain[path])
        return self._send(request, 404)

    def _api(self, request: BaseHTTPRequestHandler, name: str, what: str, revision: str) -> None:
        commit = self.branches.get((name, revision), revision)
        files = self.repositories.get((name, commit))
        if what == "commits":
            commits = sorted({one for known, one in self.repositories if known == name})
            told = [
                {"id": one, "title": "t", "message": "", "date": "2026-01-01T00:00:00.000Z", "authors": []}
                for one in commits
            ]
        elif files is None:
            return self._send(request, 404, headers={"X-Error-Code": "RevisionNotFound"})
        elif what == "revision":
            told = {"id": name, "sha": commit, "siblings": []}
        else:
            told = [self._listed(path, content) for path, content in files.items()]
        return self._send(request, 200, json.dumps(told).encode(), {"Content-Type": "application/json"})

    @staticmethod
    def _listed(path: str, content: bytes) -> dict:
        git = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        told = {"type": "file", "oid": git, "size": len(content), "path": path}
        if path.endswith((".parquet", ".gz", ".zip")):
            told["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
        return told

    def _content(self, request: BaseHTTPRequestHandler, path: str, content: bytes) -> None:
        content = self.sent.get(path.rpartition("/")[2], content)
        wanted = request.headers.get("Range", "")
        if request.command == "GET":
            self.asked.append((path, wanted))
        if self.statuses:
            return self._send(request, self.statuses.pop(0))
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.sends_parts else 0
        if start and start >= len(content):
            return self._send(request, 416, headers={"Content-Range": f"bytes */{len(content)}"})
        headers = {"ETag": f'"{hashlib.md5(content).hexdigest()}"'}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        return self._send(request, 206 if start else 200, content[start:], headers, self.cuts.pop(0) if self.cuts else None)

    @staticmethod
    def _send(
        request: BaseHTTPRequestHandler, status: int, body: bytes = b"", headers: dict | None = None, cut: int | None = None
    ) -> None:
        request.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            request.send_header(name, value)
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(body if cut is None else body[:cut])
        if cut is not None:
            request.wfile.flush()
            request.close_connection = True
