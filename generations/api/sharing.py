"""Shares a web process among projects: who sends more than there is room for waits, and at last is told to come again.

Requests come to a process in one line, whoever sends them, and each takes a thread as soon as there is one. There are
more threads than requests that are worked on: the others wait here, in a line for each project, and the project that
has the least in hand is next. While a body is waited for, its turn is lent to others: who sends a byte a second works
on nothing, and would keep everybody else from it. Nothing here asks the database; that it serves nobody is seen by
what was answered, and that it stands still is told.
"""

from __future__ import annotations

import base64
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from django.http import HttpResponse

from generations import access, outages
from generations.api.prometheus import door_of
from generations.recording import grouping

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

SENTENCE: Final = "This project sends more than there is room for beside the others. Send it again in a moment."
STUCK: Final = "The server serves nobody at the moment. Nothing of this was stored: send it again in a moment."
NOBODY: Final = 0
"""Whoever sends no key that was let in before: people at pages, above all. They are shared with, and do not share."""
UNSHARED: Final = ("gateway", "health", "static")
"""Doors whose requests take no turn: who waits for a model works on nothing."""
WHILE: Final = 2.0
"""For so many seconds after its last request a project is one of those that share."""
PART: Final = 4
"""A project that is not alone has one in so many of the requests that are worked on at once. What more it had would
take its time from the others: threads of one process share a processor."""
PATIENCE: Final = 1.5
PATIENCE_ALONE: Final = 30.0
"""Seconds that a request waits for its turn: among others or while nobody is served, and when its project is the only
one."""
OUTAGES: Final = (502, 503)
"""What is answered where the database, the disk or a storage cannot serve; Gantry's client wants the first."""


class _Place(threading.Event):
    """A place in a line; set when its turn has come, or when it is not worth waiting for."""

    def __init__(self) -> None:
        super().__init__()
        self.since = time.monotonic()
        self.is_over = False


class _Turn:
    """A request that is worked on, until it is not."""

    __slots__ = ("is_over", "project")

    def __init__(self, project: int) -> None:
        self.project = project
        self.is_over = False


class _Pausing:
    """A body that is read while one works; while it is waited for, one does not, and others may."""

    def __init__(self, body: Any, pause: Callable[[], AbstractContextManager[None]]) -> None:
        self.body = body
        self.pause = pause

    def read(self, size: int = -1) -> bytes:
        with self.pause():
            found: bytes = self.body.read(size)
        return found

    def readline(self, size: int = -1) -> bytes:
        with self.pause():
            found: bytes = self.body.readline(size)
        return found


class FairShare:
    """A WSGI application in which at most `at_once` requests are worked on, and some `waiting` more may wait.

    `refuse` makes the answer to one that is to come again, of its environment and the sentence.
    """

    def __init__(
        self,
        application: WSGIApplication,
        at_once: int,
        waiting: int,
        refuse: Callable[[WSGIEnvironment, str], HttpResponse],
    ) -> None:
        self.application = application
        self.refuse = refuse
        self.at_once = at_once
        self.waiting = waiting
        self._guard = threading.Lock()
        self._in_hand: Counter[int] = Counter()
        self._lines: dict[int, deque[_Place]] = {}
        self._seen: dict[int, float] = {}
        self._served = time.monotonic()
        """When somebody was last answered otherwise than by an outage."""
        outages.when_silent(self._let_go)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if door_of(environ.get("PATH_INFO", "")) in UNSHARED:
            return self.application(environ, start_response)
        project = _project_of(environ)
        if why := self._enter(project):
            refused = self.refuse(environ, why)
            start_response(f"{refused.status_code} {refused.reason_phrase}", list(refused.items()))
            return [refused.content]
        turn = _Turn(project)
        if environ.get("CONTENT_LENGTH") and not hasattr(body := environ.get("wsgi.input"), "seek"):
            environ["wsgi.input"] = _Pausing(body, lambda: self._paused(turn))
        grouping.when_waiting(lambda: self._rest(turn))
        try:
            answer = self.application(environ, start_response)
            self._note(answer)
            return _whole(answer)
        finally:
            grouping.when_waiting(None)
            with self._guard:
                self._end(turn)

    @contextmanager
    def _paused(self, turn: _Turn) -> Iterator[None]:
        with self._guard:
            if is_lent := not turn.is_over:
                self._in_hand[turn.project] -= 1
                self._call_next()
        try:
            yield
        finally:
            if is_lent:
                with self._guard:
                    self._in_hand[turn.project] += 1

    def _rest(self, turn: _Turn) -> None:
        """Let another request be worked on instead of one that waits to be written for.

        Only those of a project that has the process for itself: its own come after it, and share its transaction.
        """
        with self._guard:
            if self._is_alone(turn.project):
                self._end(turn)

    def _end(self, turn: _Turn) -> None:
        if not turn.is_over:
            turn.is_over = True
            self._in_hand[turn.project] -= 1
            self._call_next()

    def _note(self, answer: Iterable[bytes]) -> None:
        """Where nobody was served for a while, those who waited for as long are told so now, all at once."""
        now = time.monotonic()
        if not (isinstance(answer, HttpResponse) and answer.status_code in OUTAGES):
            self._served = now
        elif now - self._served > PATIENCE:
            with self._guard:
                for project, line in list(self._lines.items()):
                    while line and now - line[0].since > PATIENCE:
                        place = line.popleft()
                        place.is_over = True
                        place.set()
                    if not line:
                        del self._lines[project]

    def _enter(self, project: int) -> str:
        """Wait for one's turn; empty when it has come, or else why there is no room to wait or it does not come."""
        with self._guard:
            self._see(project)
            is_alone = self._is_alone(project)
            if self._may_go(project) and project not in self._lines:
                self._in_hand[project] += 1
                return ""
            line = self._lines.setdefault(project, deque())
            if not is_alone and len(line) >= max(1, self.waiting // len(self._seen)):
                return SENTENCE
            place = _Place()
            line.append(place)
            # One that went may have left room that nobody waited for.
            self._call_next()
        if place.wait(PATIENCE_ALONE if is_alone else PATIENCE):
            return STUCK if place.is_over else ""
        with self._guard:
            if place.is_set():
                return STUCK if place.is_over else ""
            line.remove(place)
            if not line:
                del self._lines[project]
            return SENTENCE

    def _see(self, project: int) -> None:
        now = time.monotonic()
        if project != NOBODY:
            self._seen[project] = now
        for other in [other for other, moment in self._seen.items() if now - moment > WHILE]:
            if not self._in_hand[other]:
                del self._seen[other], self._in_hand[other]

    def _is_alone(self, project: int) -> bool:
        return project == NOBODY or len(self._seen) == 1

    def _let_go(self) -> None:
        """While the database answers nobody there is nothing to wait for: each is refused in the form of its door."""
        with self._guard:
            self._call_next()

    def _may_go(self, project: int) -> bool:
        if outages.is_silent():
            return True
        most = self.at_once if self._is_alone(project) else max(1, self.at_once // PART)
        return self._in_hand[project] < most and self._in_hand.total() < self.at_once

    def _call_next(self) -> None:
        """Let those go whose turn it is: of the projects that wait, the one that has the least in hand is next."""
        while ready := [project for project in self._lines if self._may_go(project)]:
            project = min(ready, key=self._in_hand.__getitem__)
            line = self._lines.pop(project)
            self._in_hand[project] += 1
            line.popleft().set()
            if line:
                # Behind those that have waited longer.
                self._lines[project] = line


def _whole(answer: Iterable[bytes]) -> Iterable[bytes]:
    """An answer that is all there as a list: the server sends that at once, and comes back for nothing."""
    if not isinstance(answer, HttpResponse):
        return answer
    answer.close()
    return [answer.content]


def _project_of(environ: WSGIEnvironment) -> int:
    said = unquote(environ.get("HTTP_AUTHORIZATION", "")).strip()
    scheme, _, rest = said.partition(" ")
    if scheme.lower() == "basic":
        try:
            name, _, secret = base64.b64decode(rest.strip(), validate=True).decode().partition(":")
        except ValueError:
            return NOBODY
        rest = secret or name
    key = rest or said or environ.get("HTTP_X_API_KEY", "") or environ.get("HTTP_X_GANTRY_API_KEY", "")
    return access.project_of(key) or NOBODY
