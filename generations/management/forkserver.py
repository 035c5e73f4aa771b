"""Loads everything once and becomes web, worker and beat, which share what was loaded.

Each would take 80 MB by itself, most of it the same code. The supervisor says over a socket what is to
be started, and is told by which process, and how that one ended. Only this process knows Django; it has
no thread, no connection and no data, and is there to be copied.
"""

import argparse
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from generations.management import balancing, lifetimes, serving

# Started without Celery's command line, which loads 7 MB of its own into each.
_BOTH: Final = ("celery.app.amqp", "celery.app.events", "celery.app.log", "celery.app.routes", "celery.events")
_CELERY: Final = {
    "worker": (
        *_BOTH,
        "celery.app.control",
        "celery.apps.worker",
        "celery.concurrency.thread",
        "celery.worker.autoscale",
        "celery.worker.components",
        "celery.worker.consumer.delayed_delivery",
        "celery.worker.strategy",
    ),
    "beat": (*_BOTH, "celery.apps.beat", "dbm.dumb", "generations.management.beating"),
}
"""What Celery would load only when it runs that part, and so each for itself."""


def main() -> None:
    """Load what the parts need, then start each as often as it is asked for, until nobody is there to ask."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--talk", type=int, required=True, help="the socket to the supervisor")
    parser.add_argument("parts", help="in JSON: by name what is run, as module:name, and with what it is run")
    asked = parser.parse_args()
    lifetimes.entitle("fork server")
    told: dict[str, dict[str, Any]] = json.loads(asked.parts)
    in_hand = balancing.counts(max(1, sum(name not in _CELERY for name in told)))  # a machine may have no web
    parts = {name: _loaded(name, in_hand, **about) for name, about in told.items()}
    if forget := getattr(sys, "_clear_type_cache", None):
        forget()  # of names all over the memory; whoever puts another one in its place writes to the page of the first
    gc.collect()
    gc.freeze()  # else the next collection would write to every object, and each process have its own again
    with socket.socket(fileno=asked.talk) as talk:
        name = _asked_for(talk)
    if name is not None:
        parts[name]()


def _loaded(name: str, in_hand: memoryview, target: str, **arguments: Any) -> Callable[[], None]:
    """Load a part; what is returned runs it, in a process of its own."""
    module, _, attribute = target.partition(":")
    there = getattr(importlib.import_module(module), attribute)
    if name not in _CELERY:
        return lambda: serving.serve(target, in_hand=in_hand, **arguments)
    for one in _CELERY[name]:
        importlib.import_module(one)
    there.loader.import_default_modules()
    there.finalize()
    _ = there.conf.beat_schedule  # with it the names of all settings, for both
    if name == "beat":
        return lambda: there.Beat(quiet=True).run()
    return lambda: _work(there)


def _work(app: Any) -> None:
    from django.conf import settings

    # Whoever asks is waited for, and nobody waits for what is done behind the writes.
    os.nice(settings.WORKER_NICE)
    # One worker has nobody to gossip with; its heartbeats would only be written to disk.
    worker = app.Worker(quiet=True, without_gossip=True, without_mingle=True, without_heartbeat=True)
    worker.start()
    sys.exit(worker.exitcode)


def _asked_for(talk: socket.socket) -> str | None:
    """Start a process for each name that comes and tell how each ends; returns in these, with their name.

    None when there is nobody any more who asks.
    """
    wakened, waken = lifetimes.woken_by_signals()
    said = b""
    while True:
        ready = select.select([talk, wakened], [], [])[0]
        if wakened in ready:
            os.read(wakened, 4096)
            _tell_ended(talk)
        if talk in ready:
            heard = talk.recv(4096)
            if not heard:
                return None
            *names, said = (said + heard).split(b"\n")
            for name in map(bytes.decode, names):
                if not (pid := lifetimes.fork()):
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    os.close(wakened)
                    os.close(waken)
                    lifetimes.entitle(name)
                    return name
                _tell(talk, name=name, pid=pid)


def _tell_ended(talk: socket.socket) -> None:
    with suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            _tell(talk, pid=pid, code=os.waitstatus_to_exitcode(status))


def _tell(talk: socket.socket, **what: str | int) -> None:
    with suppress(OSError):  # it has gone, which is heard next
        talk.sendall(json.dumps(what).encode() + b"\n")


if __name__ == "__main__":
    main()
