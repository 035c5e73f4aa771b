"""Answers HTTP in one process, on a socket that somebody else holds.

granian's own server runs a second process that binds the port and restarts the first. Here the
supervisor does both: it keeps the sockets open, so that while this process is restarted callers wait in
the queues of the sockets and are not refused; and one Python process less is 25 MB less. For that a few
names are used which granian does not promise to keep: its version is held in pyproject.toml.

Several such processes are copies of one that has loaded everything (`forkserver`): another one costs half the memory of
the first. One that ends is started again by itself, and the others go on.
"""

import asyncio
import gc
import importlib
import signal
import threading
from typing import Any, Final

from granian import _futures, _granian, wsgi
from granian.http import HTTP1Settings

from generations.management import balancing

# Their type stubs describe another version.
_compiled: Any = _granian
_scheduling: Any = _futures

# Threads beyond those that work: in them requests wait for their turn, which is given out by project.
ROOM: Final = 24
# More requests than threads may be open: they wait for one, and callers see a slow answer, not an error.
_WAITING_PER_THREAD: Final = 4
_GARBAGE: Final = 20_000
"""Objects from which on those are looked for that hold each other: a batch makes thousands, and none of these."""


def serve(target: str, file_descriptor: int, threads: int, streams: int, place: int, in_hand: memoryview) -> None:
    """Answer requests with the WSGI application `module:name` until TERM or INT, then finish those begun.

    `threads` of them at once, and `streams` more that only wait for others, if the application sees to that: there are
    ROOM threads more. Threads are made when they are needed. If the module has a function `begin`, it is called first:
    what has threads or connections must not be there before. `in_hand` are the counts of all such processes, of which
    this one has the `place`.
    """
    threads += ROOM
    name, _, attribute = target.partition(":")
    module = importlib.import_module(name)
    application = getattr(module, attribute)
    if len(in_hand) > 1:
        application = balancing.Balanced(application, place, in_hand)
    gc.set_threshold(_GARBAGE)
    stopping, stopped = _compiled.WorkerSignal(), threading.Event()
    stopping.add_cb(stopped.set)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: stopping.set())
    if begin := getattr(module, "begin", None):
        begin()
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
