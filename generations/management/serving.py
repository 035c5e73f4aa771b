"""Answers HTTP in one process or a few, on sockets that somebody else holds.

granian's own server runs a second process that binds the port and restarts the first. Here the
supervisor does both: it keeps the sockets open, so that while this process is restarted callers wait in
the queues of the sockets and are not refused; and one Python process less is 25 MB less. For that a few
names are used which granian does not promise to keep: its version is held in pyproject.toml.

Several processes are one that loads everything and then becomes several, so that they share what they have loaded:
another one costs half the memory of the first. They end together, and are started again together.
"""

import argparse
import asyncio
import gc
import importlib
import os
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from granian import _futures, _granian, wsgi
from granian.http import HTTP1Settings

from generations.management import balancing, lifetimes

# Their type stubs describe another version.
_compiled: Any = _granian
_scheduling: Any = _futures

# Threads beyond those that work: in them requests wait for their turn, which is given out by project.
ROOM: Final = 24
# More requests than threads may be open: they wait for one, and callers see a slow answer, not an error.
_WAITING_PER_THREAD: Final = 4
_GARBAGE: Final = 20_000
"""Objects from which on those are looked for that hold each other: a batch makes thousands, and none of these."""


def serve(target: str, file_descriptors: Sequence[int], threads: int, streams: int = 0, processes: int = 1) -> None:
    """Answer requests with the WSGI application `module:name` until TERM or INT, then finish those begun.

    `threads` of them at once in each process, and `streams` more that only wait for others, if the application sees to
    that: there are ROOM threads more. Threads are made when they are needed. If the module has a function `begin`, each
    process calls it first: what has threads or connections must not be there before. Each process has one of the
    sockets, or shares one where there are fewer. Exits with 1 when one of several processes ended by itself.
    """
    threads += ROOM
    name, _, attribute = target.partition(":")
    module = importlib.import_module(name)
    application = getattr(module, attribute)
    in_hand = balancing.counts(processes)
    place, others = _become(processes)
    if processes > 1:
        application = balancing.Balanced(application, place, in_hand)
    gc.set_threshold(_GARBAGE)
    stopping, stopped = _compiled.WorkerSignal(), threading.Event()
    stopping.add_cb(stopped.set)
    lost: list[int] = []
    is_ending = False

    def stop(number: int, frame: object) -> None:
        nonlocal is_ending
        is_ending = True  # before the others are told: one may have ended before `stopped` is set by another thread
        stopping.set()
        for pid in others:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    def lose(number: int, frame: object) -> None:
        if not is_ending:
            lost.extend(pid for pid in others if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT))
            if lost:
                stop(number, frame)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    if others:
        signal.signal(signal.SIGCHLD, lose)
        lose(signal.SIGCHLD, None)  # one may have ended before
    if begin := getattr(module, "begin", None):
        begin()
    no_tls: Any = (False, None, None, None, "tls1.3", None, [], False)
    http: Any = ("1", HTTP1Settings(header_read_timeout=30_000), None)
    listener = (None, _compiled.SocketHolder(file_descriptors[place % len(file_descriptors)], False, 1024))
    waiting = threads * _WAITING_PER_THREAD
    worker = _compiled.WSGIWorker(
        1, listener, None, 1, 4, threads + streams, 30, waiting + streams, *http, None, *no_tls, (None, None)
    )  # fmt: skip
    loop = asyncio.new_event_loop()
    callback = wsgi._callback_wrapper(application, {})
    worker.serve_mtr(_scheduling._new_cbscheduler(loop, callback), loop, stopping)
    stopped.wait()
    for pid in others:
        os.waitpid(pid, 0)
    if lost:
        sys.exit(1)


def _become(processes: int) -> tuple[int, list[int]]:
    """Go on as so many processes; each gets its place, the first one also the ids of the others, which end with it."""
    others: list[int] = []
    if processes > 1:
        gc.collect()
        gc.freeze()  # else the next collection would write to every object, and each process have its own again
    for place in range(1, processes):
        pid = lifetimes.fork()
        if not pid:
            lifetimes.entitle(f"web {place + 1} of {processes}")
            return place, []
        others.append(pid)
    lifetimes.entitle(f"web 1 of {processes}")
    return 0, others


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target")
    parser.add_argument("--fd", type=int, required=True, action="append", help="of a socket; one for each process")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--streams", type=int, default=0)
    parser.add_argument("--processes", type=int, default=1)
    arguments = parser.parse_args()
    serve(arguments.target, arguments.fd, arguments.threads, arguments.streams, arguments.processes)
