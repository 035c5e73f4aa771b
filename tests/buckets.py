"""As much of S3 as our storage asks for, on a port of its own."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from tests.test_schedules_delivery import unchunked

NAME = "files"


class Bucket(BaseHTTPRequestHandler):
    """One bucket; its objects by their keys, each with the moment that it was put there. Those that are frozen lie in
    an archive: listed, but neither read nor copied until they are put anew. One that is closed tells nothing of any."""

    objects: ClassVar[dict[str, tuple[bytes, dt.datetime]]] = {}
    frozen: ClassVar[set[str]] = set()
    copied: ClassVar[list[str]] = []
    closed: ClassVar[set[str]] = set()
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("x-amz-decoded-content-length"):
            body = unchunked(body)
        if source := self.headers.get("x-amz-copy-source"):
            key = unquote(source).lstrip("/").removeprefix(f"{NAME}/")
            there = self.objects.get(key)
            if key in self.frozen:
                return self._answer(403, b"<Error><Code>InvalidObjectState</Code></Error>")
            self.copied.append(key)
            if there is None:
                return self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
            body = there[0]
        self.frozen.discard(self._key())
        self.objects[self._key()] = (body, dt.datetime.now(dt.UTC))
        return self._answer(200, b"<CopyObjectResult><ETag>x</ETag></CopyObjectResult>" if source else b"")

    def do_GET(self) -> None:
        if self.closed:
            return self._answer(403, b"<Error><Code>ExpiredToken</Code></Error>")
        asked = parse_qs(urlsplit(self.path).query)
        if not self._key():
            prefix, marker = (asked.get(name, [""])[0] for name in ("prefix", "marker"))
            every = [key for key in sorted(self.objects) if key.startswith(prefix) and key > marker]
            folders: set[str] = set()
            if "delimiter" in asked:
                below = {key: key[len(prefix) :].partition("/") for key in every}
                folders = {f"{prefix}{name}/" for name, slash, _ in below.values() if slash}
                every = [key for key, (_, slash, _) in below.items() if not slash]
            told = (
                f"<Contents><Key>{escape(key)}</Key><Size>1</Size>"
                f"<LastModified>{self.objects[key][1]:%Y-%m-%dT%H:%M:%S.000Z}</LastModified></Contents>"
                for key in every
            )
            inside = "".join(
                f"<CommonPrefixes><Prefix>{escape(one)}</Prefix></CommonPrefixes>" for one in sorted(folders)
            )
            listed = f"<ListBucketResult><IsTruncated>false</IsTruncated>{''.join(told)}{inside}</ListBucketResult>"
            return self._answer(200, listed.encode())
        if (there := self.objects.get(self._key())) is None:
            return self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        if self._key() in self.frozen and self.command == "GET":
            return self._answer(403, b"<Error><Code>InvalidObjectState</Code></Error>")
        return self._answer(200, there[0], there[1])

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_DELETE(self) -> None:
        self.objects.pop(self._key(), None)
        self._answer(204, b"")

    def _key(self) -> str:
        return unquote(urlsplit(self.path).path).lstrip("/").removeprefix(NAME).lstrip("/")

    def _answer(self, status: int, body: bytes, at: dt.datetime | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if at is not None:
            self.send_header("Last-Modified", format_datetime(at, usegmt=True))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def served() -> Iterator[str]:
    """An empty bucket, and where it is."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Bucket)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    for kept in (Bucket.objects, Bucket.frozen, Bucket.copied, Bucket.closed):
        kept.clear()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
