"""Calls to models out of documents that say themselves what they are: pairs, batch results, what is exported here.
With the calls that are exported here come steps, threads, participants and scores, each as what it was."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from functools import partial
from typing import IO, BinaryIO, Final

from generations import importing, reading
from generations.importing import Found, Reader, tables
from generations.ingest import exported, files, gantry, rest
from generations.records import FeedbackRecord, GenerationRecord, InvalidRecord, Json, ScoreRecord, revised

MAX_REQUESTS: Final = 200_000
"""Requests of one batch whose places are kept in memory: twice as many as the providers take."""


def reader(requests: Requests | None = None) -> Reader:
    """Reads each row as a call; `requests` are those of a batch whose results are read."""

    def read(value: Json) -> Iterator[Found]:
        if (row := exported.read(value)) is not None:
            yield Found(row.kind, row.record, partial(_told, row), lambda field: rest.path_of(field, row.table))
            return
        call = files.read(value, files.no_requests if requests is None else requests.of)
        path_of = rest.path_of if call.shape == "generation" else str
        shape = files.SHAPES[call.shape]
        record = call.record if call.shape == "generation" else _judged(call.record, value)
        yield Found(shape, record, partial(sentence, shape, record), path_of)

    return read


def _told(row: exported.Row) -> str:
    name = getattr(row.record, "name", None) or getattr(row.record, "identifier", None)
    return f"{row.kind} {row.record.id}" + (f", called “{name[:80]}”" if name else "")


def _judged(record: GenerationRecord, row: Json) -> GenerationRecord:
    """The record with the `feedback` that stands beside the call: names with any values."""
    said = row.get("feedback") if isinstance(row, Mapping) else None
    if not isinstance(said, Mapping):
        return record
    made = list(gantry.judgements(record.id, said, record.started_at, record.id))
    return revised(
        record,
        scores=tuple(one for one in made if isinstance(one, ScoreRecord)),
        feedback=next((one for one in made if isinstance(one, FeedbackRecord)), None),
        metadata={name: value for name, value in (record.metadata or {}).items() if name != "feedback"} or None,
    )


class Requests:
    """A batch's file of requests, read by `custom_id`. Only the places of the lines are held in memory."""

    def __init__(self, file: BinaryIO, *, is_bounded: bool = False) -> None:
        """Reads through the file once. Raises InvalidRecord naming the line that is no request, and BadFile."""
        self._file: IO[bytes] = file
        if not file.seekable() or tables.head_of(file).startswith(importing.GZIP):
            # Places cannot be gone back to in a compressed file, nor in a pipe.
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as this object
            with tables.unpacked(file, is_bounded) as stream:
                shutil.copyfileobj(stream, self._file)
            self._file.seek(0)
        self._places: dict[str, tuple[int, int]] = {}
        place = 0
        for number, content in enumerate(iter(lambda: self._file.readline(importing.MAX_LINE + 1), b""), start=1):
            if content.strip():
                try:
                    custom_id, _ = files.request_of_line(importing.decoded(content))
                except InvalidRecord as problem:
                    raise InvalidRecord(f"requests, line {number}", problem.value, problem.expected) from None
                self._places[custom_id] = (place, len(content))
                if is_bounded and len(self._places) > MAX_REQUESTS:
                    raise tables.BadFile(f"A batch has at most {MAX_REQUESTS:,} requests; this file has more.")
            place += len(content)

    def __len__(self) -> int:
        return len(self._places)

    def of(self, custom_id: str) -> Mapping[str, Json] | None:
        """The body of the request of this id; None when the file has none."""
        if custom_id not in self._places:
            return None
        place, size = self._places[custom_id]
        self._file.seek(place)
        return files.request_of_line(importing.decoded(self._file.read(size)))[1]


def sentence(shape: str, record: GenerationRecord) -> str:
    """What a row would be stored as, as a person would say it; `shape` is what such a row is called."""
    parts = [shape]
    parts.append(f"by {record.model_id or 'an unknown model'}")
    parts.append(f"on {record.started_at:%Y-%m-%d %H:%M:%S} UTC" if record.started_at else "at an unknown time")
    if record.thread_id:
        parts.append(f"in thread {record.thread_id}")
    if record.tags:
        parts.append(f"tagged {', '.join(record.tags)}")
    count = record.total_tokens
    parts.append(f"{count} tokens" if count is not None else "tokens unknown")
    said = reading.preview(reading.input_text(record)) or "nothing"
    answer = reading.answered(record) or "nothing"
    ending = f"failed with “{record.error[:80]}”" if record.error else f"answered “{answer[:80]}”"
    return f"{', '.join(parts)}: asked “{said[:80]}”, {ending}"
