"""Answers HTTP in one process, on a socket that somebody else holds.

granian's own server runs a second process that binds the port and restarts the first. Here the
supervisor does both: it keeps the socket open, so that while this process is restarted callers wait in
the queue of the socket and are not refused; and one Python process less is 25 MB less. For that a few
names are used which granian does not promise to keep: its version is held in pyproject.toml.
"""

import argparse
import asyncio
import importlib
import signal
import threading
from typing import Any, Final

from granian import _futures, _granian, wsgi
from granian.http import HTTP1Settings

# Their type stubs describe another version.
_compiled: Any = _granian
_scheduling: Any = _futures

# Threads beyond those that work: in them requests wait for their turn, which is given out by project.
ROOM: Final = 24
# More requests than threads may be open: they wait for one, and callers see a slow answer, not an error.
_WAITING_PER_THREAD: Final = 4


def serve(target: str, file_descriptor: int, threads: int, streams: int = 0) -> None:
    """Answer requests with the WSGI application `module:name` until TERM or INT, then finish those begun.

    `threads` of them at once, and `streams` more that only wait for others, if the application sees to that: there are
    ROOM threads more. Threads are made when they are needed.
    """
    threads += ROOM
    module, _, name = target.partition(":")
    application = getattr(importlib.import_module(module), name)
    stopping, stopped = _compiled.WorkerSignal(), threading.Event()
    stopping.add_cb(stopped.set)

    def stop(number: int, frame: object) -> None:
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    no_tls: Any = (False, None, None, None, "tls1.3", None, [], False)
    http: Any = ("1", HTTP1Settings(header_read_timeout=30_000), None)
    listener = (None, _compiled.SocketHolder(file_descriptor, False, 1024))
    waiting = threads * _WAITING_PER_THREAD
    worker = _compiled.WSGIWorker(
        1, listener, None, 1, 4, threads + streams, 30, waiting + streams, *http, None, *no_tls, (None, None)
    )  # fmt: skip
    loop = asyncio.new_event_loop()
    callback = wsgi._callback_wrapper(application, {})
    worker.serve_mtr(_scheduling._new_cbscheduler(loop, callback), loop, stopping)
    stopped.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target")
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--streams", type=int, default=0)
    arguments = parser.parse_args()
    serve(arguments.target, arguments.fd, arguments.threads, arguments.streams)
