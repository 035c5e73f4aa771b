"""Group commit: small writes that come at the same time share a transaction, and are answered after its commit.

There is no thread of our own. The first caller writes at once; whoever comes while it does waits in the line of the
project, and when it is done the first of them writes for all. So nobody waits when there is nothing to wait for, and
under load a transaction carries as many callers as arrived during the one before. Who brings much gains nothing by
company: where two may write to a project at once, such a caller writes by itself beside the one who does.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, TypeVar

from django.db import connection

from generations import access

MOST_WAITING: Final = 256
"""Callers in the line of one project."""
MOST_RECORDS: Final = 500
"""Records in one transaction, unless a single caller brings more."""
MUCH: Final = 50
"""Records that are worth a transaction of their own, so that Python works on some while the database does on others."""
AT_ONCE: Final = 2
"""Transactions of one project at once, where they may be. More would hold more connections, and gain nothing: the
threads of a process share a processor."""
PATIENCE: Final = 2.0
"""Seconds until a caller whom nobody has taken along yet gives up."""

Item = TypeVar("Item")
T = TypeVar("T")


class Busy(Exception):
    """More is coming in than can be written: nothing of this was stored, and it may be sent again in a moment."""

    retry_after = 1
    """Seconds."""

    def __init__(self) -> None:
        super().__init__(f"Too much is coming in at once. Nothing was stored: send it again in {self.retry_after} s.")


class _Caller(Generic[Item, T]):
    """One who wants records written, and what became of them."""

    __slots__ = ("error", "is_taken", "items", "leads", "outcomes", "trust", "woken")

    def __init__(self, items: Sequence[Item], trust: access.Trust | None) -> None:
        self.items = items
        self.trust = trust
        self.woken = threading.Event()
        self.leads = False
        self.is_taken = False
        self.outcomes: Sequence[T] = ()
        self.error: BaseException | None = None


class _Line:
    """Who waits to be written for, and how many write.

    `is_called` says that one who waits has been told to write, and will take those with it who are there by then.
    """

    __slots__ = ("is_called", "waiting", "writing")

    def __init__(self) -> None:
        self.waiting: deque[_Caller[Any, Any]] = deque()
        self.writing = 0
        self.is_called = False


class _Thread(threading.local):
    """What a thread wants done when it begins to wait for another one's transaction."""

    call: Callable[[], None] | None = None


_thread: Final = _Thread()
_guard: Final = threading.Lock()
_lines: Final[dict[tuple[str, str, int], _Line]] = {}
"""By database, kind and project. A line is there for as long as somebody writes for the project."""


def when_waiting(call: Callable[[], None] | None) -> None:
    """Have `call` called when this thread waits to be written for: who waits works on nothing, so that another request
    may be taken in hand, and be in the same transaction."""
    _thread.call = call


def together(
    what: str,
    project: int,
    items: Sequence[Item],
    write: Callable[[Sequence[Item]], Sequence[T]],
    trust: access.Trust | None = None,
    *,
    beside: bool = False,
) -> Sequence[T]:
    """What `write` returns for these items, called with them and maybe with others' of the same project and kind.

    They are written in the order in which the callers came, unless `write` may be called `beside` another's. The grants
    that are only remembered are confirmed before, by one query for all: Outdated is raised to who has none any more,
    and nothing of theirs is written. Raises Busy, and what `write` raises: then for all whom it was called for.
    """
    place = (str(connection.settings_dict["NAME"]), what, project)
    caller: _Caller[Item, T] = _Caller(items, trust)
    with _guard:
        line = _lines.setdefault(place, _Line())
        if line.writing < (AT_ONCE if beside and len(items) >= MUCH else 1):
            line.writing += 1
            caller.leads = caller.is_taken = True
        elif len(line.waiting) >= MOST_WAITING:
            raise Busy
        else:
            line.waiting.append(caller)
    if not caller.leads:
        _wait(caller, line)
    if caller.leads:
        _lead(caller, line, place, write)
    if caller.error is not None:
        raise caller.error
    return caller.outcomes


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
                raise Busy
        caller.woken.wait()


def _lead(
    caller: _Caller[Item, T],
    line: _Line,
    place: tuple[str, str, int],
    write: Callable[[Sequence[Item]], Sequence[T]],
) -> None:
    """Write for oneself and for those who wait, then pass the lead on."""
    with _guard:
        group = [caller] if caller.is_taken else _taken(caller, line)
    try:
        group = _let_in(caller, group, line)
        outcomes = iter(write([item for one in group for item in one.items]) if group else ())
        for one in group:
            one.outcomes = [next(outcomes) for _ in one.items]
    except BaseException as error:
        for one in group:
            if one is not caller:
                one.error = _again(error)
        raise
    finally:
        with _guard:
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
    """The one who was called, and as many from the head of the line as one transaction takes."""
    line.is_called = False
    line.waiting.remove(caller)
    group, number = [caller], len(caller.items)
    while line.waiting and number + len(line.waiting[0].items) <= MOST_RECORDS:
        group.append(line.waiting.popleft())
        number += len(group[-1].items)
    for one in group:
        one.is_taken = True
    return group


def _let_in(caller: _Caller[Item, T], group: list[_Caller[Item, T]], line: _Line) -> list[_Caller[Item, T]]:
    """Those of a group whose grants are good. The others go, and with a leader who goes nobody is written for."""
    refused = access.outdated([one.trust for one in group if one.trust is not None])
    if not refused:
        return group
    staying = [one for one in group if one.trust not in refused]
    for one in group:
        if one.trust in refused:
            one.error = access.Outdated()
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
