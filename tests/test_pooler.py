"""A connection pooler before the database: where it keeps no sessions or settings, that is said and nothing starts."""

from __future__ import annotations

import os
import shutil
import socket
import socketserver
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection

from generations import suitability
from tests.stack import free_port, managed

USER = urlsplit(os.environ["DATABASE_URL"]).username or "generations"
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


def relay(path: str) -> tuple[str, int]:
    """Where the socket of the embedded database, at which only its own user gets, can be reached by everybody."""

    class Passing(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.socket(socket.AF_UNIX) as there:
                there.connect(path)
                back = threading.Thread(target=passed, args=(there, self.request), daemon=True)
                back.start()
                passed(self.request, there)
                back.join()

    def passed(start: socket.socket, end: socket.socket) -> None:
        with suppress(OSError):
            while piece := start.recv(65_536):
                end.sendall(piece)
            end.shutdown(socket.SHUT_WR)

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Passing)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return "127.0.0.1", int(server.server_address[1])


@pytest.fixture
def pooled() -> Iterator[Callable[..., dict[str, str]]]:
    """Starts PgBouncer before the database of the tests; returns what replaces its host and port."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("A CONNECTION POOLER IS NOT TESTED: pgbouncer is not installed (apt-get install pgbouncer)")
    started: list[subprocess.Popen[bytes]] = []
    folder = Path(tempfile.mkdtemp(prefix="generations-pooler-"))
    folder.chmod(0o755)

    def start(beginning: str, *said: str) -> dict[str, str]:
        given = urlsplit(os.environ["DATABASE_URL"])
        host = str(parse_qs(given.query).get("host", [given.hostname])[0])
        server = relay(f"{host}/.s.PGSQL.{given.port or 5432}") if host.startswith("/") else (host, given.port or 5432)
        port = free_port()
        lines = [
            "[databases]",
            f"* = host={server[0]} port={server[1]} user={USER} connect_query='{beginning or 'SELECT 1'}'",
            "[pgbouncer]",
            "listen_addr = 127.0.0.1",
            f"listen_port = {port}",
            "auth_type = any",
            "pool_mode = transaction",
            "unix_socket_dir =",
            *said,
        ]
        file = folder / "pgbouncer.ini"
        file.write_text("\n".join(lines))
        # It refuses root.
        other = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.getuid() == 0 else []
        log = (folder / "log").open("wb")
        started.append(subprocess.Popen([*other, program, str(file)], stdout=log, stderr=log))
        deadline = time.monotonic() + 240
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
        return {"HOST": "127.0.0.1", "PORT": str(port)}

    yield start
    for process in started:
        process.terminate()
        process.wait(30)
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("how", "beginning", "said"),
    [
        ((), "", "passes on no settings"),
        (("ignore_startup_parameters = options",), "", "passes on no settings"),
        # As by one that would pass them on: each of its sessions begins with what is looked for.
        (("ignore_startup_parameters = options",), "SET lock_timeout = 1234", "another session"),
    ],
)
def test_a_pooler_that_does_not_keep_what_is_said_to_a_session_is_told(
    pooled: Callable[..., dict[str, str]],
    how: tuple[str, ...],
    beginning: str,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert suitability.pooler() is None

    place = pooled(beginning, *how)
    name = urlsplit(os.environ["DATABASE_URL"]).path
    ended = managed("prepare", f"postgresql://{USER}@{place['HOST']}:{place['PORT']}{name}")
    for setting, value in place.items():
        monkeypatch.setitem(connection.settings_dict, setting, value)
    lack = suitability.pooler()
    monkeypatch.undo()

    assert lack is not None
    assert said in lack.said
    assert ended.returncode == 1
    assert said in ended.stderr
    assert suitability.DIRECTLY in ended.stderr
