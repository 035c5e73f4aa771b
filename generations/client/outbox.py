"""What is still to be sent: a bounded queue, and a thread that sends it in batches behind the caller's back.

Its law: whoever calls is never kept waiting and never broken. What cannot be kept is dropped and counted, what the
server refuses is kept in `rejected`, both are logged. Nothing is stored twice, because ids are made before sending.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
import weakref
from collections import Counter, deque
from dataclasses import dataclass
from typing import Any, Final

from generations.client.connection import Connection, wait_before
from generations.client.errors import GenerationsError

BATCH_PATH: Final = "/api/generations/batch"
JSON_LINES: Final = "application/x-ndjson"
BATCH_ITEMS: Final = 500
BATCH_BYTES: Final = 4 << 20
LINGER: Final = 0.5
"""Seconds that the first of a batch waits for others."""
IDLE: Final = 5.0
"""Seconds after which a thread with nothing to do ends; the next item starts another."""
REJECTED_KEPT: Final = 1_000
REJECTED_TOLD: Final = 20
"""So many rejections are logged one by one; a program that is wrong is wrong a thousand times a minute."""
EXIT_PATIENCE: Final = 5.0

_log = logging.getLogger("generations.client")


@dataclass(frozen=True, slots=True)
class Rejection:
    """A generation that the server did not store, and why."""

    id: str
    reason: str
    field: str | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class _Item:
    id: str
    line: bytes


class Outbox:
    """The queue of one client."""

    def __init__(self, connection: Connection, *, max_items: int, max_bytes: int) -> None:
        self._connection = connection
        self._max_items, self._max_bytes = max_items, max_bytes
        self.dropped = 0
        self.rejected: deque[Rejection] = deque(maxlen=REJECTED_KEPT)
        self._told = 0
        self._empty()
        _outboxes.add(self)

    def _empty(self) -> None:
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._waiting: deque[_Item] = deque()
        self._sending: list[_Item] = []
        self._ids: Counter[str] = Counter()
        self._bytes = 0
        self._first_at = 0.0
        self._is_urgent = False
        self._give_up_at: float | None = None
        self._warned: set[str] = set()

    def put(self, id: str, line: bytes) -> bool:
        """Queue a document; False when there is no room for it, which is counted in `dropped`."""
        with self._changed:
            if len(self) >= self._max_items or self._bytes + len(line) > self._max_bytes:
                self.dropped += 1
                self._warn_once("drop", "The queue is full: generations are dropped until the server takes some again.")
                return False
            if not self._waiting:
                self._first_at = time.monotonic()
            self._waiting.append(_Item(id, line))
            self._ids[id] += 1
            self._bytes += len(line)
            self._give_up_at = None
            if self._thread is None or not self._thread.is_alive():
                self._start()
            elif len(self._waiting) == 1 or len(self._waiting) >= BATCH_ITEMS:
                self._changed.notify_all()
            return True

    def reject(self, rejection: Rejection) -> None:
        """Note a generation that is not stored."""
        self.rejected.append(rejection)
        self._told += 1
        if self._told <= REJECTED_TOLD:
            _log.warning("Generation %s was not stored. %s", rejection.id, rejection.reason)
        elif self._told == REJECTED_TOLD + 1:
            _log.warning("More generations were not stored; from here on see `rejected` for the reasons.")

    def refusals(self, ids: list[str], receipts: list[dict[str, Any]]) -> list[Rejection]:
        """Those of a batch of these ids that the server's receipts refuse; each is noted."""
        refused = [
            Rejection(ids[receipt["index"]], receipt["reason"], receipt.get("field"))
            for receipt in receipts
            if receipt["state"] == "rejected"
        ]
        for rejection in refused:
            self.reject(rejection)
        return refused

    def holds(self, id: str) -> bool:
        """Whether something of this id has not been delivered yet."""
        return id in self._ids

    def __len__(self) -> int:
        return len(self._waiting) + len(self._sending)

    def flush(self, timeout: float | None) -> bool:
        """Send now what is waiting; True once nothing is, False when `timeout` seconds did not suffice."""
        with self._changed:
            if not len(self):
                return True
            self._is_urgent = True
            if self._thread is None or not self._thread.is_alive():
                self._start()
            self._changed.notify_all()
            if self._thread is not None:
                return self._changed.wait_for(lambda: not len(self), timeout)
            if self._give_up_at is None and timeout is not None:
                self._give_up_at = time.monotonic() + timeout
        return self._send_here()

    def close(self, timeout: float) -> int:
        """Send what is waiting, for at most `timeout` seconds; returns how many were not sent and are lost."""
        with self._changed:
            self._give_up_at = time.monotonic() + timeout
        if self.flush(timeout + 0.5):
            return 0
        with self._changed:
            lost = len(self)
            self._waiting.clear()
            self._sending = []
            self._ids.clear()
            self._bytes = 0
        _log.error("%d generations could not be sent in %g s and are lost.", lost, timeout)
        return lost

    # ------------------------------------------------------------------------------------------------- the thread
    def _start(self) -> None:
        """Called with the lock held. What a thread that died was sending goes back to the queue."""
        if self._sending:
            self._waiting.extendleft(reversed(self._sending))
            self._sending = []
        self._thread = threading.Thread(target=self._work, name="generations-client", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # the interpreter is ending, or the system has no threads left: `flush` sends by itself
            self._thread = None

    def _send_here(self) -> bool:
        """Send what is waiting from the thread that asks, where no other can be started."""
        while self._waiting:
            with self._changed:
                self._sending = self._take()
            undelivered = self._deliver(list(self._sending))
            with self._changed:
                self._sending = []
                self._waiting.extendleft(reversed(undelivered))
            if undelivered:
                return False
        return True

    def _work(self) -> None:
        while True:
            with self._changed:
                if not self._changed.wait_for(lambda: self._waiting, IDLE):
                    self._thread = None
                    return
                self._changed.wait_for(
                    lambda: self._is_urgent or len(self._waiting) >= BATCH_ITEMS,
                    max(self._first_at + LINGER - time.monotonic(), 0.0),
                )
                self._sending = self._take()
            undelivered = self._deliver(list(self._sending))
            with self._changed:
                self._sending = []
                self._waiting.extendleft(reversed(undelivered))
                if not self._waiting:
                    self._is_urgent = False
                self._changed.notify_all()
                if undelivered:
                    self._thread = None
                    return

    def _take(self) -> list[_Item]:
        batch: list[_Item] = []
        size = 0
        while self._waiting and len(batch) < BATCH_ITEMS and (not batch or size < BATCH_BYTES):
            item = self._waiting.popleft()
            batch.append(item)
            size += len(item.line)
        return batch

    def _deliver(self, batch: list[_Item]) -> list[_Item]:
        """Send until the server has taken it or refused it; what it had not when patience ended is returned."""
        attempt = 0
        while batch:
            attempt += 1
            try:
                body = b"\n".join(item.line for item in batch)
                receipts = receipts_of(self._connection.once("POST", BATCH_PATH, body, JSON_LINES))
            except GenerationsError as problem:
                if problem.status == 413 and len(batch) > 1:
                    middle = len(batch) // 2
                    return self._deliver(batch[:middle]) + self._deliver(batch[middle:])
                if not problem.is_temporary:
                    self._refused(batch, problem)
                    return []
                self._warn_once("away", f"Generations wait to be sent: {problem}")
                if not self._pause(wait_before(attempt, problem.retry_after), is_asked=problem.retry_after is not None):
                    return batch
                continue
            self._warned.discard("away")
            for item in batch:
                self._forget(item)
            self.refusals([item.id for item in batch], receipts)
            return []
        return batch

    def _pause(self, seconds: float, *, is_asked: bool) -> bool:
        """Wait before another attempt, shorter when somebody flushes; False when patience has ended."""
        until = time.monotonic() + seconds
        with self._changed:
            self._is_urgent = False
            while True:
                now = time.monotonic()
                if self._give_up_at is not None and min(until, now) + 0.05 > self._give_up_at:
                    return False
                if now >= until or (self._is_urgent and not is_asked):
                    return True
                ends = [until] if self._give_up_at is None else [until, self._give_up_at]
                self._changed.wait(max(min(ends) - now, 0.01))

    def _refused(self, batch: list[_Item], problem: GenerationsError) -> None:
        for item in batch:
            self._forget(item)
            self.rejected.append(Rejection(item.id, str(problem), problem.field, problem.code))
        _log.error("%d generations were not stored: %s", len(batch), problem)

    def _forget(self, item: _Item) -> None:
        with self._changed:
            self._bytes = max(self._bytes - len(item.line), 0)
            self._ids[item.id] -= 1
            if self._ids[item.id] <= 0:
                del self._ids[item.id]

    def _warn_once(self, about: str, message: str) -> None:
        if about not in self._warned:
            self._warned.add(about)
            _log.warning(message)

    def after_fork(self) -> None:
        """Begin anew in a child: what was waiting is the parent's to send, and its thread did not come along."""
        self._empty()
        self._connection.after_fork()
        self.dropped = 0
        self.rejected.clear()


def receipts_of(answer: Any) -> list[dict[str, Any]]:
    """The receipts in a batch's answer; GenerationsError when it is the answer of something else than the server."""
    receipts = answer.get("receipts") if isinstance(answer, dict) else None
    if not isinstance(receipts, list):
        raise GenerationsError("The answer has no receipts; is GENERATIONS_URL the address of the server?")
    return receipts


_outboxes: weakref.WeakSet[Outbox] = weakref.WeakSet()


def _flush_at_exit() -> None:
    for outbox in list(_outboxes):
        if len(outbox):
            outbox.close(EXIT_PATIENCE)


def _after_fork() -> None:
    for outbox in list(_outboxes):
        outbox.after_fork()


atexit.register(_flush_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
