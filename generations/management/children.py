"""The processes that the supervisor keeps running, and the fork server that they come from. Knows no Django."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from generations.management import lifetimes, places

_LONGEST_PAUSE: Final = 30.0
_STEADY_AFTER: Final = 20.0


class Process:
    """A process of the fork server, to be asked and told what a Popen is."""

    def __init__(self, server: "ForkServer") -> None:
        self.server = server
        self.pid: int | None = None
        """None until the server has loaded everything and started it."""
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """How it ended; None while it runs."""
        self.server.hear()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal; before it was started, end the server that would start it."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid or self.server.pid, number if self.pid else signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)


class ForkServer:
    """The one process that loads the code, and those that it became. Started when it is needed, and again."""

    def __init__(self, parts: Mapping[str, Mapping[str, Any]], fds: tuple[int, ...] = ()) -> None:
        self._command = [sys.executable, "-m", "generations.management.forkserver", json.dumps(parts)]
        self._fds = fds
        self._server: subprocess.Popen[bytes] | None = None
        self._talk: socket.socket | None = None
        self._said = b""
        self._asked: dict[str, Process] = {}
        """Those that have no number yet, by name."""
        self._there: dict[int, Process] = {}

    @property
    def pid(self) -> int:
        """The number of the server itself."""
        return -1 if self._server is None else self._server.pid

    def begin(self) -> None:
        """Let it load, if it is not there."""
        if self._talk is not None:
            return
        self._talk, theirs = socket.socketpair()
        self._talk.setblocking(False)
        with theirs:
            self._server = spawn(
                [*self._command, f"--talk={theirs.fileno()}"],
                fds=(theirs.fileno(), *self._fds),
                environment={
                    places.SUPERVISOR: str(os.getpid()),
                    # Titles stay within the command line, so that others still find the environment.
                    "SPT_NOENV": "1",
                    "NOSETPS": "1",
                    "OBJC_DISABLE_INITIALIZE_FORK_SAFETY": "YES",
                },
            )

    def start(self, name: str) -> Process:
        """Ask for the part of that name."""
        self.begin()
        assert self._talk is not None
        process = self._asked[name] = Process(self)
        with suppress(OSError):  # it has gone, which is heard next
            self._talk.sendall(name.encode() + b"\n")
        return process

    def hear(self) -> None:
        """Take in what it has told; whoever was its process has ended when it has."""
        while self._talk is not None:
            try:
                heard = self._talk.recv(4096)
            except BlockingIOError:
                return
            except ConnectionResetError:
                heard = b""
            if not heard:
                self._lose()
                return
            *lines, self._said = (self._said + heard).split(b"\n")
            for told in map(json.loads, lines):
                if "code" in told:
                    if (ended := self._there.pop(told["pid"], None)) is not None:
                        ended.returncode = told["code"]
                else:
                    self._there[told["pid"]] = started = self._asked.pop(told["name"])
                    started.pid = told["pid"]

    def sockets(self) -> list[socket.socket]:
        """What to wait on for news."""
        return [] if self._talk is None else [self._talk]

    def stop(self) -> None:
        """End it, and with it what is left of its processes."""
        if self._server is not None and self._talk is not None:
            self._server.kill()
            self._lose()

    def _lose(self) -> None:
        assert self._server is not None and self._talk is not None
        self._talk.close()
        self._talk, self._said = None, b""
        code = self._server.wait()
        for process in (*self._asked.values(), *self._there.values()):
            process.returncode = code
        self._asked, self._there = {}, {}


class Child:
    """One part that is to run all the time."""

    def __init__(self, name: str, server: ForkServer, *, marks_ready: bool = True) -> None:
        self.name = name
        self.server = server
        self.marks_ready = marks_ready
        self.process: Process | None = None
        self.started = 0.0
        self.next_start = 0.0
        self.failures = 0

    def start(self) -> None:
        """Start it."""
        self.started = time.monotonic()
        self.process = self.server.start(self.name)

    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self.process is not None and self.process.poll() is None

    def is_ready(self, data_dir: Path) -> bool:
        """Whether it does its work, as far as it tells."""
        if not self.is_running() or self.process is None or self.process.pid is None:
            return False
        return not self.marks_ready or places.is_marked_ready(data_dir, self.name, self.process.pid)

    def keep_running(self) -> str | None:
        """Start it again when it has ended: at once the first time, then after 1, 2, 4 ... seconds. How it ended."""
        if self.is_running():
            return None
        now, said = time.monotonic(), None
        if self.process is not None:
            ended_with, self.process = self.process.returncode, None
            self.failures = 1 if now - self.started > _STEADY_AFTER else self.failures + 1
            pause = 0.0 if self.failures == 1 else min(2.0 ** (self.failures - 2), _LONGEST_PAUSE)
            self.next_start = now + pause
            said = f"{self.name} ended ({_how(ended_with)}) and is started again in {pause:.0f} s."
        if now >= self.next_start:
            self.start()
        return said


def spawn(
    command: list[str], *, fds: tuple[int, ...] = (), environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a process that the kernel ends with this one, out of reach of the terminal's Ctrl-C."""
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        pass_fds=fds,
        env={**os.environ, **(environment or {})},
        preexec_fn=lifetimes.tied(signal.SIGKILL),
        start_new_session=True,
    )


def _how(code: int | None) -> str:
    if code is not None and code < 0:
        return f"signal {signal.Signals(-code).name}"
    return f"exit code {code}"
