"""A web server that answers as it is told: the network between a client and the real one, at its worst."""

import gzip
import json
import threading
import time
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, dict[str, str], bytes | Sequence[bytes]]
"""Status, headers and body; a body in parts is sent part by part, chunked, with `pause` seconds between two."""


class Scripted:
    """A server that answers as it is told, in order, and then as a server that takes everything."""

    def __init__(self) -> None:
        self.script: list[Answer] = []
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.times: list[float] = []
        self.delay = 0.0
        self.pause = 0.0
        self.cut_after: int | None = None
        self.answer: Callable[[str, str, bytes], Answer] = receipts
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                outer.times.append(time.monotonic())
                outer.requests.append((self.command, self.path, dict(self.headers), body))
                time.sleep(outer.delay)
                status, headers, answer = (
                    outer.script.pop(0) if outer.script else outer.answer(self.command, self.path, body)
                )
                self.send_response(status)
                if not isinstance(answer, bytes):
                    return self._stream(headers, answer)
                for name, value in {"Content-Length": str(len(answer)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                cut, outer.cut_after = outer.cut_after, None
                self.wfile.write(answer[:cut])
                if cut is not None:
                    self.wfile.flush()
                    self.close_connection = True

            def _stream(self, headers: dict[str, str], parts: Sequence[bytes]) -> None:
                for name, value in {"Transfer-Encoding": "chunked", **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                for n, part in enumerate([*parts, b""]):
                    time.sleep(outer.pause if n else 0)
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
                    self.wfile.flush()

            do_GET = do_POST = do_PATCH = do_PUT = _answer  # noqa: N815 - http.server asks for these names

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def lines(self) -> list[str]:
        """Ids of all generations that came, in order."""
        return [json.loads(line)["id"] for _, _, _, body in self.requests for line in body.split(b"\n") if line]


def receipts(method: str, path: str, body: bytes) -> Answer:
    stored = [{"index": n, "state": "stored"} for n, _ in enumerate(body.split(b"\n"))]
    return 200, {"Content-Type": "application/json"}, json.dumps({"receipts": stored}).encode()
