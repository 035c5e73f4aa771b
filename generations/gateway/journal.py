"""What passes through is written to a file as it passes, and recorded from it behind the answer.

The answer waits for nothing but an append to a file. A file belongs to whoever holds its lock: those of a process that
was killed are found by the next one, and recorded as far as they came.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import math
import os
import queue
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
from django.conf import settings
from django.db import Error, connections

from generations import identities, intake, recording
from generations.api import otlp_joining
from generations.ingest import gateway
from generations.ingest.gateway import Passed, Tried
from generations.intake import Refusal
from generations.models import Project

DOOR: Final = "gateway"
SWEEP_SECONDS: Final = 15.0
BEGINS_SECONDS: Final = 60.0
"""For so long an empty file that nobody holds may be that of a call which begins."""
GATHER_SECONDS: Final = 0.05
"""How long a call that has ended waits for others, to be written with them: a transaction takes time from answers."""
TOGETHER: Final = 50
MOST_TOGETHER: Final = 8 << 20
"""Calls, and bytes of them, that are written at once."""
MAX_BODY: Final = 64 << 20
"""Bytes of an answer that are kept; what is beyond passes all the same."""
_FRAME: Final = struct.Struct(">cdI")
_META, _REQUEST, _HEAD, _DATA, _END, _TRIED = b"M", b"Q", b"H", b"D", b"E", b"T"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Call:
    path: Path
    agent: str
    passed: Passed


class Journal:
    """The file of one call. Trouble with the disk is logged, and never reaches whoever is being answered."""

    def __init__(
        self,
        project: int,
        path: str,
        provider: str | None,
        about: dict[str, str],
        agent: str,
        request: bytes,
        above: str | None = None,
    ) -> None:
        # In a trace it is a span of that.
        self.id = identities.new_id() if above is None else f"{above.partition('-')[0]}-{os.urandom(8).hex()}"
        self.path: Path | None = None
        self._file = -1
        self._kept = 0
        told = {"id": self.id, "project": project, "path": path, "provider": provider, "about": about, "agent": agent}
        told["above"] = above
        place = folder()
        try:
            try:
                self._open(place)
            except FileNotFoundError:
                place.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._open(place)
        except OSError as error:
            self._lose(error)
        self._append(_frame(_META, orjson.dumps(told)) + _frame(_REQUEST, request))

    def _open(self, place: Path) -> None:
        path = place / self.id
        self._file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        self.path = path
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def tried(self, one: Tried) -> None:
        """An attempt that came to nothing."""
        self.note(_TRIED, orjson.dumps([one.provider, one.status, one.error]))

    def head(self, status: int, content_type: str, encoding: str, provider: str | None) -> None:
        """Who answers, and how."""
        self.note(_HEAD, orjson.dumps([status, content_type, encoding, provider]))

    def data(self, piece: bytes) -> None:
        """A piece of the answer."""
        self._kept += len(piece)
        if self._kept <= MAX_BODY:
            self.note(_DATA, piece)

    def end(self, error: str | None = None, kind: str | None = None) -> None:
        """The end of it, and what went wrong, if anything; from here on the recorder has the file."""
        self.note(_END, orjson.dumps([error, kind]))
        if self.path is not None:
            start()
            _done.put((self.path, self._file))

    def note(self, kind: bytes, content: bytes) -> None:
        """Append a frame."""
        self._append(_frame(kind, content))

    def _append(self, frames: bytes) -> None:
        if self._file < 0:
            return
        try:
            os.write(self._file, frames)
        except OSError as error:
            self._lose(error)

    def _lose(self, error: OSError) -> None:
        log.error("A call through the gateway cannot be recorded: %s", error)
        if self._file >= 0:
            os.close(self._file)
        if self.path is not None:
            self.path.unlink(missing_ok=True)
        self._file, self.path = -1, None


def _frame(kind: bytes, content: bytes) -> bytes:
    return _FRAME.pack(kind, time.time(), len(content)) + content


def folder() -> Path:
    """Where the files are."""
    return Path(settings.DATA_DIR) / "gateway"


# ------------------------------------------------------------------------------------------------------------ recorder
_done: queue.SimpleQueue[tuple[Path, int]] = queue.SimpleQueue()
_starting: Final = threading.Lock()
_recorder: threading.Thread | None = None


def start() -> None:
    """See to it that this process records what passes through it, and what others left behind."""
    global _recorder
    if _recorder is not None and _recorder.is_alive():
        return
    with _starting:
        if _recorder is None or not _recorder.is_alive():
            _recorder = threading.Thread(target=_work, name="gateway recorder", daemon=True)
            _recorder.start()


def _work() -> None:
    swept = -math.inf
    while True:
        record_ended(SWEEP_SECONDS)
        if time.monotonic() - swept > SWEEP_SECONDS and _done.empty():
            sweep()
            swept = time.monotonic()
        if _done.empty():
            give_back()


def record_ended(patience: float = 0.0) -> bool:
    """Record calls that have ended, or wait for one; False when none came, or they have to wait for the database."""
    ended = _ended(patience)
    return bool(ended) and _record(ended)


def _ended(patience: float) -> list[tuple[Path, int]]:
    """Calls that have ended, as many as are written at once: that takes little longer than one alone."""
    try:
        found = [_done.get(timeout=patience) if patience else _done.get_nowait()]
    except queue.Empty:
        return []
    time.sleep(GATHER_SECONDS if patience else 0)
    size = os.fstat(found[0][1]).st_size
    with contextlib.suppress(queue.Empty):
        while len(found) < TOGETHER and size < MOST_TOGETHER:
            found.append(_done.get_nowait())
            size += os.fstat(found[-1][1]).st_size
    return found


def sweep() -> int:
    """Record the files that nobody holds any more; returns how many there were."""
    found = 0
    with contextlib.suppress(FileNotFoundError):
        for path in sorted(folder().iterdir()):
            try:
                file = os.open(path, os.O_RDONLY)
            except FileNotFoundError:
                continue
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(file)
                continue
            about = os.fstat(file)
            if not about.st_size and time.time() - about.st_mtime < BEGINS_SECONDS:
                os.close(file)  # somebody has just made it, and locks it next
                continue
            found += 1
            if not _record([(path, file)]):
                break
    return found


def _record(held: Sequence[tuple[Path, int]]) -> bool:
    """Record files and remove them; False when they have to wait, because the database does not answer."""
    calls: dict[int, list[_Call]] = {}
    try:
        for path, _ in held:
            try:
                project, agent, passed = read(path)
            except FileNotFoundError:
                continue
            except OSError as error:
                log.error("A call through the gateway could not be read back: %s", error)
                continue
            if passed is None or project is None:
                path.unlink(missing_ok=True)  # nothing of the call was written
            else:
                calls.setdefault(project, []).append(_Call(path, agent, passed))
        for project, ended in calls.items():
            _write(project, ended)
            for one in ended:
                one.path.unlink(missing_ok=True)
    except (recording.Busy, Error) as problem:
        log.warning("Calls through the gateway are recorded later: %s", problem)
        give_back()
        return False
    finally:
        for _, file in held:
            os.close(file)
    return True


def _write(project_pk: int, ended: Sequence[_Call]) -> None:
    project = Project.objects.filter(pk=project_pk).first()
    if project is None:
        return
    made = [gateway.record(one.passed) for one in ended]
    alone = [record for one, record in zip(ended, made, strict=True) if one.passed.above is None]
    traced = [gateway.told(one.passed, record) for one, record in zip(ended, made, strict=True) if one.passed.above]
    refused: dict[str | None, tuple[str, str | None]] = {
        record.id: (receipt.reason or "", receipt.field)
        for record, receipt in zip(alone, recording.record(project, alone), strict=True)
        if receipt.state == "rejected"
    }
    if traced:
        given = otlp_joining.write_spans(project, traced, has_files=False)
        refused |= {id: (reason, field) for id, reason, field in given}
    for one, record in zip(ended, made, strict=True):
        refusals = [Refusal(*refused[record.id], 0, record.id)] if record.id in refused else []
        if refusals:
            request = one.passed.request
            intake.keep(project, DOOR, refusals, intake.Body(request, len(request)), one.agent)
        intake.count(project, DOOR, one.agent, 1, len(refusals))
    try:
        otlp_joining.join_recorded(project, alone)
    except (recording.Busy, Error) as problem:
        # They are stored, and would be counted again.
        log.warning("Calls through the gateway are not joined with their spans: %s", problem)


def give_back() -> None:
    """Let go of this thread's connection to the database: there are few, and a call takes long."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()


def read(path: Path) -> tuple[int | None, str, Passed | None]:
    """(project, program, what passed) of a file; a frame that breaks off ends it."""
    passed: Passed | None = None
    project: int | None = None
    agent, body = "", bytearray()
    for kind, moment, content in _frames(path):
        if kind == _META:
            told: dict[str, Any] = orjson.loads(content)
            project, agent = told["project"], told["agent"]
            passed = Passed(told["id"], told["path"], told["provider"], moment, b"", told["about"])
            passed.above = told.get("above")
        elif passed is None:
            break
        elif kind == _REQUEST:
            passed.request = content
        elif kind == _TRIED:
            passed.tried = (*passed.tried, Tried(*orjson.loads(content)))
        elif kind == _HEAD:
            passed.status, passed.content_type, passed.encoding, provider = orjson.loads(content)
            passed.provider = provider or passed.provider
        elif kind == _DATA:
            passed.first = passed.first or moment
            passed.last = moment
            body += content
        elif kind == _END:
            passed.ended = moment
            passed.error, passed.error_type = orjson.loads(content)
    if passed is not None:
        passed.body = bytes(body)
    return project, agent, passed


def _frames(path: Path) -> Iterator[tuple[bytes, float, bytes]]:
    with path.open("rb") as file:
        while len(head := file.read(_FRAME.size)) == _FRAME.size:
            kind, moment, length = _FRAME.unpack(head)
            content = file.read(length)
            if len(content) < length:
                return
            yield kind, moment, content
