"""Group commit: small writes that come at the same time share a transaction, and are answered after its commit.

There is no thread of our own. The first caller writes at once; whoever comes while it does waits in the line of the
project, and when it is done the first of them writes for all. So nobody waits when there is nothing to wait for. Where
several were there at once a moment ago, who is to write waits until as many are there again, for a few milliseconds: of
those who send one thing after the other, half would come while the other half is written, and there would be twice as
many transactions. Who brings much gains nothing by company: where two may write to a project at once, such a caller
writes by itself beside the one who does.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from django.db import connection

from generations import trusting

MOST_WAITING: Final = 256
"""Callers in the line of one project."""
MOST_RECORDS: Final = 500
"""Records in one transaction, unless a single caller brings more."""
MUCH: Final = 50
"""Records that are worth a transaction of their own, so that Python works on some while the database does on others."""
AT_ONCE: Final = 2
"""Transactions of one project at once, where they may be. More would hold more connections, and gain nothing: the
threads of a process share a processor."""
COMPANY: Final = 0.006
"""Seconds that who is to write waits at most for as many as were there before; no longer than the last write took."""
LATELY: Final = 0.05
"""For so many seconds after a write those who were there are expected again."""
MOST_REMEMBERED: Final = 256
"""Lines of which is remembered how many were there, though nobody is."""
PATIENCE: Final = 2.0
"""Seconds until a caller whom nobody has taken along yet gives up."""

Item = TypeVar("Item")
T = TypeVar("T")
Write = Callable[[Sequence[Item], Sequence[trusting.Trust]], Sequence[T]]
"""Writes items of several callers, once it has confirmed those who are only trusted."""


class Busy(Exception):
    """More is coming in than can be written: nothing of this was stored, and it may be sent again in a moment."""

    retry_after = 1
    """Seconds."""

    def __init__(self) -> None:
        super().__init__(f"Too much is coming in at once. Nothing was stored: send it again in {self.retry_after} s.")


class _Caller(Generic[Item, T]):
    """One who wants records written, and what became of them."""

    __slots__ = ("error", "has_little", "is_taken", "items", "leads", "outcomes", "trust", "woken")

    def __init__(self, items: Sequence[Item], trust: trusting.Trust | None) -> None:
        self.items = items
        self.trust = trust
        self.has_little = len(items) < MUCH
        self.woken = threading.Event()
        self.leads = False
        self.is_taken = False
        self.outcomes: Sequence[T] = ()
        self.error: BaseException | None = None


class _Line:
    """Who waits to be written for, and how many write.

    `is_called` says that one who waits has been told to write, and will take those with it who are there by then;
    `joined` is set when as many are there as the one who is to write waits for.
    """

    __slots__ = ("expected", "is_called", "joined", "number", "waiting", "writing")

    def __init__(self) -> None:
        self.waiting: deque[_Caller[Any, Any]] = deque()
        self.writing = 0
        self.is_called = False
        self.number = 0
        """Callers with little who wait or are written for."""
        self.expected = 0
        self.joined: threading.Event | None = None


@dataclass(slots=True)
class _Crowd:
    """How many callers with little were there at once, at most, since the last write began; when that ended, and how
    long it took, in seconds."""

    most: int = 0
    ended: float = 0.0
    took: float = 0.0


class _Thread(threading.local):
    """What a thread wants done when it begins to wait for another one's transaction."""

    call: Callable[[], None] | None = None


_thread: Final = _Thread()
_guard: Final = threading.Lock()
_lines: Final[dict[tuple[str, str, int], _Line]] = {}
"""By database, kind and project. A line is there for as long as somebody writes for the project."""
_crowds: Final[dict[tuple[str, str, int], _Crowd]] = {}


def when_waiting(call: Callable[[], None] | None) -> None:
    """Have `call` called when this thread waits to be written for: who waits works on nothing, so that another request
    may be taken in hand, and be in the same transaction."""
    _thread.call = call


def together(
    what: str,
    project: int,
    items: Sequence[Item],
    write: Write[Item, T],
    trust: trusting.Trust | None = None,
    *,
    beside: bool = False,
) -> Sequence[T]:
    """What `write` returns for these items, called with them and maybe with others' of the same project and kind.

    They are written in the order in which the callers came, unless `write` may be called `beside` another's. The grants
    that are only remembered are confirmed before anything is written: by `write`, which is given them and raises
    Outdated where one of them is not to be confirmed, and then here, one key after the other. Outdated is raised to who
    has none any more, and nothing of theirs is written. Raises Busy, and what `write` raises: then for all whom it was
    called for.
    """
    place = (str(connection.settings_dict["NAME"]), what, project)
    caller: _Caller[Item, T] = _Caller(items, trust)
    with _guard:
        line = _lines.setdefault(place, _Line())
        if line.writing < (AT_ONCE if beside and not caller.has_little else 1):
            line.writing += 1
            caller.leads = caller.is_taken = True
        elif len(line.waiting) >= MOST_WAITING:
            raise Busy
        else:
            line.waiting.append(caller)
        _count(caller, line, place)
    if not caller.leads:
        _wait(caller, line)
    if caller.leads:
        if caller.has_little:
            _keep_company(caller, line, place)
        _lead(caller, line, place, write)
    if caller.error is not None:
        raise caller.error
    return caller.outcomes


def _count(caller: _Caller[Any, Any], line: _Line, place: tuple[str, str, int]) -> None:
    """One more is there. Who waits for as many goes on when they are, or as many records as one transaction takes."""
    if caller.has_little:
        line.number += 1
        crowd = _crowds.setdefault(place, _Crowd())
        crowd.most = max(crowd.most, line.number)
    if line.joined is not None and (
        len(line.waiting) >= line.expected or sum(len(one.items) for one in line.waiting) >= MOST_RECORDS
    ):
        line.joined.set()


def _keep_company(caller: _Caller[Any, Any], line: _Line, place: tuple[str, str, int]) -> None:
    """Wait for as many as were there before, if that was just now."""
    with _guard:
        crowd = _crowds[place]
        if time.monotonic() - crowd.ended > LATELY or line.joined is not None:
            return
        line.expected = crowd.most - caller.is_taken
        if len(line.waiting) >= line.expected:
            return
        line.joined = joined = threading.Event()
        seconds = min(COMPANY, crowd.took)
    joined.wait(seconds)
    with _guard:
        line.joined = None


def _wait(caller: _Caller[Item, T], line: _Line) -> None:
    if not connection.in_atomic_block:
        # Who is written for needs no connection of their own, and each that is open holds megabytes in the database.
        connection.close()
    if _thread.call is not None:
        _thread.call()
    if not caller.woken.wait(PATIENCE):
        with _guard:
            if not caller.leads and not caller.is_taken:
                line.waiting.remove(caller)
                line.number -= caller.has_little
                raise Busy
        caller.woken.wait()


def _lead(
    caller: _Caller[Item, T],
    line: _Line,
    place: tuple[str, str, int],
    write: Write[Item, T],
) -> None:
    """Write for oneself and for those who wait, then pass the lead on."""
    with _guard:
        taken = group = _taken(caller, line)
        if caller.has_little:
            _crowds[place].most = line.number
    began = time.monotonic()
    try:
        trusts = [one.trust for one in taken if one.trust is not None]
        try:
            trusting.one_key(trusts)
            outcomes = iter(write([item for one in taken for item in one.items], trusts))
            trusting.note_use(trusts)
        except trusting.Outdated:
            group = _let_in(caller, taken, line)
            outcomes = iter(write([item for one in group for item in one.items], ()) if group else ())
        for one in group:
            one.outcomes = [next(outcomes) for _ in one.items]
    except BaseException as error:
        for one in group:
            if one is not caller:
                one.error = _again(error)
        raise
    finally:
        with _guard:
            # Those who were put back still wait.
            _leave([one for one in taken if one.is_taken], line, place, began)
            if line.waiting and not line.is_called:
                line.is_called = line.waiting[0].leads = True
                line.waiting[0].woken.set()
            else:
                line.writing -= 1
                if not line.writing:
                    del _lines[place]
        for one in group:
            one.woken.set()


def _taken(caller: _Caller[Any, Any], line: _Line) -> list[_Caller[Any, Any]]:
    """The one who writes, and as many from the head of the line as one transaction takes.

    One who came first takes nobody whom another has been called to write for, and with much, nobody at all.
    """
    group, number = [caller], len(caller.items)
    if not caller.is_taken:
        line.is_called = False
        line.waiting.remove(caller)
    elif line.is_called or not caller.has_little:
        return group
    while line.waiting and number + len(line.waiting[0].items) <= MOST_RECORDS:
        group.append(line.waiting.popleft())
        number += len(group[-1].items)
    for one in group:
        one.is_taken = True
    return group


def _leave(group: Sequence[_Caller[Any, Any]], line: _Line, place: tuple[str, str, int], began: float) -> None:
    """These are written, or not to be."""
    little = sum(one.has_little for one in group)
    if not little:
        return
    line.number -= little
    crowd = _crowds[place]
    crowd.ended = time.monotonic()
    crowd.took = crowd.ended - began
    if len(_crowds) > MOST_REMEMBERED:
        for old in [old for old, one in _crowds.items() if old not in _lines and crowd.ended - one.ended > LATELY]:
            del _crowds[old]


def _let_in(caller: _Caller[Item, T], group: list[_Caller[Item, T]], line: _Line) -> list[_Caller[Item, T]]:
    """Those of a group whose grants are good. The others go, and with a leader who goes nobody is written for."""
    refused = trusting.outdated([one.trust for one in group if one.trust is not None])
    if not refused:
        return group
    staying = [one for one in group if one.trust not in refused]
    for one in group:
        if one.trust in refused:
            one.error = trusting.Outdated()
            one.woken.set()
    if caller.trust not in refused:
        return staying
    # `write` is the leader's, and goes by what the leader takes the project to be.
    with _guard:
        for one in reversed(staying):
            one.is_taken = False
            line.waiting.appendleft(one)
    return []


def _again(error: BaseException) -> BaseException:
    """The same error for another thread, for a traceback belongs to one."""
    try:
        twin = type(error)(*error.args)
    except TypeError:  # one that is made of something else than its arguments
        return error
    twin.__cause__ = error.__cause__
    return twin
