"""The collection of generations as a program sees it: questions are asked at once, records sent in the background."""

from __future__ import annotations

import datetime as dt
import os
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from generations.client import documents, exports
from generations.client.connection import Connection
from generations.client.documents import Document
from generations.client.errors import GenerationsError, NotFound
from generations.client.outbox import BATCH_BYTES, BATCH_ITEMS, BATCH_PATH, JSON_LINES, Outbox, Rejection, receipts_of

DEFAULT_URL: Final = "http://localhost:8000"
PAGE: Final = 100

Filter = Mapping[str, Any]
"""Paths, each with a value or operators: `{"model.id": "gpt-4", "feedback.rating": {"$gte": 4}}`."""
Sort = str | Mapping[str, int] | Sequence[tuple[str, int]]
"""`"-timestamp"`, `{"timestamp": -1}` or `[("timestamp", -1)]`."""


@dataclass(frozen=True, slots=True)
class Updated:
    """What an update met: how many generations (0 or 1), and the one as it is now."""

    matched: int
    document: Document | None = None


class Generations:
    """All generations of one project.

    What is recorded is queued and sent by a thread of its own: `create` neither waits nor fails for the server's
    sake. Everything else asks the server at once, after what is still queued, so that a program reads what it wrote;
    GenerationsError tells what is wrong. May be shared by threads, and used on after a fork.
    """

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        timeout: float = 30.0,
        attempts: int = 5,
        max_queued: int = 10_000,
        max_queued_bytes: int = 64 << 20,
    ) -> None:
        """`url` and `key` are GENERATIONS_URL and GENERATIONS_API_KEY of the environment when they are left out.

        `timeout` is how many seconds an answer may take, `attempts` how often a question is asked of a server that is
        busy or away. Beyond `max_queued` generations, or so many bytes of them, new ones are dropped and counted.
        """
        url = url or os.environ.get("GENERATIONS_URL") or DEFAULT_URL
        key = key or os.environ.get("GENERATIONS_API_KEY")
        if not key:
            raise ValueError("There is no API key: pass key=, or set GENERATIONS_API_KEY.")
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"url: {url!r} is not valid; expected http://... or https://...")
        self.url = url.rstrip("/")
        self._timeout = timeout
        self._connection = Connection(self.url, key, timeout=timeout, attempts=attempts)
        self._outbox = Outbox(self._connection, max_items=max_queued, max_bytes=max_queued_bytes)

    # ---------------------------------------------------------------------------------------------------- questions
    def find(
        self,
        filter: Filter | None = None,
        *,
        sort: Sort | None = None,
        fields: Sequence[str] | None = None,
        limit: int | None = None,
    ) -> Iterator[Document]:
        """The generations that match, newest first unless sorted otherwise; pages are fetched as they are reached.

        `fields` leaves only these paths of each; `limit` ends after so many.
        """
        if limit is not None and limit < 1:
            raise ValueError(f"limit: {limit} is not valid; expected at least 1")
        asked: Document = {"filter": _filter(filter), "limit": min(limit or PAGE, PAGE)}
        if sort is not None:
            asked["sort"] = _sort(sort)
        if fields is not None:
            asked["fields"] = list(fields)
        return islice(self._pages(asked), limit)

    def _pages(self, asked: Document) -> Iterator[Document]:
        self._settle()
        while True:
            answer = self._connection.send("POST", "/api/generations/query", asked)
            yield from answer["data"]
            if answer["page"]["next"] is None:
                return
            asked = {**asked, "after": answer["page"]["next"]}

    def find_one(
        self, filter: Filter | None = None, *, sort: Sort | None = None, fields: Sequence[str] | None = None
    ) -> Document | None:
        """The first generation that matches; None when none does."""
        return next(self.find(filter, sort=sort, fields=fields, limit=1), None)

    def get(self, id: str) -> Document | None:
        """The generation of this id; None when there is none."""
        self._settle(id)
        try:
            return self._document("GET", _path(id))
        except NotFound:
            return None

    def aggregate(self, pipeline: Sequence[Mapping[str, Any]]) -> list[Document]:
        """The rows of a pipeline of `$match`, `$group`, `$sort`, `$limit` and `$project` stages."""
        self._settle()
        answer = self._connection.send("POST", "/api/generations/aggregate", list(pipeline))
        rows: list[Document] = answer["data"]
        return rows

    def export(
        self,
        format: str = "jsonl",
        filters: Filter | None = None,
        fields: Sequence[str] | None = None,
        *,
        to: str | os.PathLike[str],
        order: str | None = None,
        timeout: float | None = None,
    ) -> Path:
        """Write all that match into the file `to` (jsonl, csv or parquet), and return its path.

        Waits, at most `timeout` seconds, until the server has made the file, then fetches it; a broken download goes
        on where it broke off. The file stands under its name only once it is whole.
        """
        self._settle()
        asked = {"format": format, "filters": _filter(filters), "fields": fields, "order": order}
        asked = {name: value for name, value in asked.items() if value is not None}
        # Started twice, it would be made twice: not repeated when it may have arrived.
        job = self._connection.send("POST", "/api/generations/export", asked, is_repeatable=False)
        return exports.fetch(self._connection, job["id"], Path(to), timeout)

    # ------------------------------------------------------------------------------------------------------ changes
    def create(self, document: Mapping[str, Any] | None = None, /, *, wait: bool = False, **fields: Any) -> str:
        """Record a generation, given as a document, as fields, or both; returns its id, which is made when absent.

        Fields may be spelt `thread_id` for `threadId`, and `model` may be the id alone. It is sent in the background;
        `wait=True` sends it now and raises GenerationsError when it is refused. An id that is known already is
        merged into.
        """
        return self.create_many([{**(document or {}), **_spelt(fields)}], wait=wait)[0]

    def create_many(self, documents_: Iterable[Mapping[str, Any]], /, *, wait: bool = False) -> list[str]:
        """Record generations, as `create` does; returns their ids in order.

        With `wait=True` those that are refused are in `rejected`, and GenerationsError tells of the first of them when
        all others are stored.
        """
        made = [_prepared(document) for document in documents_]
        if wait:
            self._send_now(made)
        else:
            for document in made:
                self._queue(document)
        return [document["id"] for document in made]

    def update_one(self, filter: Filter, update: Mapping[str, Any]) -> Updated:
        """Change one generation: `update_one({"id": "g1"}, {"$set": {"feedback": {"rating": 5}}})`.

        With another filter than an id, the first that matches. Nothing is changed when none does.
        """
        if set(update) != {"$set"} or not isinstance(update["$set"], Mapping):
            raise ValueError(f'update: {sorted(update)} is not valid; expected {{"$set": {{...}}}}')
        id = _filter(filter).get("id")
        if set(filter) != {"id"} or not isinstance(id, str):
            found = self.find_one(filter, fields=["id"])
            if found is None:
                return Updated(0)
            id = found["id"]
        self._settle(id)
        try:
            return Updated(1, self._document("PATCH", _path(id), {"$set": dict(update["$set"])}))
        except NotFound:
            return Updated(0)

    def feedback(
        self,
        id: str,
        *,
        rating: float | None = None,
        thumbs: str | None = None,
        comment: str | None = None,
        categories: Sequence[str] | None = None,
        user_id: str | None = None,
        timestamp: dt.datetime | None = None,
    ) -> Document:
        """Say what a user thought of an answer: a rating from 1 to 5, thumbs "up" or "down". Raises NotFound."""
        said = {
            "id": documents.new_id(),  # sent twice, it is one
            "rating": rating,
            "thumbs": thumbs,
            "comment": comment,
            "categories": None if categories is None else list(categories),
            "userId": user_id,
            "timestamp": timestamp or dt.datetime.now(dt.UTC),
        }
        return self._judge(id, "feedback", said)

    def score(
        self,
        id: str,
        name: str,
        value: float | None = None,
        *,
        label: str | None = None,
        type: str = "CODE",
        comment: str | None = None,
        author: str | None = None,
    ) -> Document:
        """Judge a generation; `type` is HUMAN, AI or CODE. Raises NotFound."""
        judgement = {
            "id": documents.new_id(),
            "name": name,
            "value": value,
            "label": label,
            "type": type,
            "comment": comment,
            "author": author,
        }
        return self._judge(id, "scores", judgement)

    def tag(self, id: str, *tags: str, remove: Sequence[str] = ()) -> list[str]:
        """Add tags to a generation, and take others away; returns all it has then. Raises NotFound."""
        self._settle(id)
        answer = self._document("PUT", f"{_path(id)}/tags", {"add": list(tags), "remove": list(remove)})
        have: list[str] = answer["tags"]
        return have

    # --------------------------------------------------------------------------------------------------- the queue
    @property
    def rejected(self) -> list[Rejection]:
        """The last generations that were sent and not stored, oldest first."""
        return list(self._outbox.rejected)

    @property
    def dropped(self) -> int:
        """How many generations were not even queued, because the queue was full."""
        return self._outbox.dropped

    def flush(self, timeout: float | None = 30.0) -> bool:
        """Send what is queued; True once it is all delivered, False when that took longer than `timeout` seconds."""
        return self._outbox.flush(timeout)

    def close(self, timeout: float = 5.0) -> None:
        """Send what is queued, for at most `timeout` seconds, and give the connections back."""
        self._outbox.close(timeout)
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close(self._timeout)

    # -------------------------------------------------------------------------------------------------------- parts
    def _settle(self, id: str | None = None) -> None:
        """Deliver what is queued, or what is queued of one id, before the server is asked about it."""
        if len(self._outbox) and (id is None or self._outbox.holds(id)):
            self._outbox.flush(self._timeout)

    def _document(self, method: str, path: str, document: object = None) -> Document:
        answer: Document = self._connection.send(method, path, document)
        return answer

    def _judge(self, id: str, what: str, judgement: Mapping[str, Any]) -> Document:
        self._settle(id)
        return self._document(
            "POST", f"{_path(id)}/{what}", {name: value for name, value in judgement.items() if value is not None}
        )

    def _queue(self, document: Document) -> None:
        try:
            line = documents.encode(document)
        except (TypeError, ValueError, RecursionError) as problem:
            self._outbox.reject(Rejection(document["id"], f"It cannot be written as JSON: {problem}"))
        else:
            self._outbox.put(document["id"], line)

    def _send_now(self, made: list[Document]) -> None:
        refused: list[Rejection] = []
        lines = [(document["id"], documents.encode(document)) for document in made]
        for id in {id for id, _ in lines if self._outbox.holds(id)}:
            self._settle(id)
        while lines:
            size, count = 0, 0
            while count < min(len(lines), BATCH_ITEMS) and (not count or size + len(lines[count][1]) <= BATCH_BYTES):
                size += len(lines[count][1])
                count += 1
            batch, lines = lines[:count], lines[count:]
            body = b"\n".join(line for _, line in batch)
            receipts = receipts_of(self._connection.send("POST", BATCH_PATH, body=body, content_type=JSON_LINES))
            refused.extend(self._outbox.refusals([id for id, _ in batch], receipts))
        if refused:
            first = refused[0]
            others = f" (and {len(refused) - 1} more were refused)" if len(refused) > 1 else ""
            raise GenerationsError(f"{first.reason}{others}", status=200, code="rejected", field=first.field)


def _prepared(document: Mapping[str, Any]) -> Document:
    """A document with an id, and with a start when neither was given: it began so long ago as it took."""
    made = dict(document)
    if isinstance(made.get("model"), str):
        made["model"] = {"id": made["model"]}
    if made.get("id") is None:
        made["id"] = documents.new_id()
        if made.get("timestamp") is None:
            performance = made.get("performance")
            took = performance.get("latency") if isinstance(performance, Mapping) else None
            seconds = took if isinstance(took, int | float) and 0 <= took < 86_400 else 0
            made["timestamp"] = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=seconds)
    else:
        made["id"] = str(made["id"])
    return made


def _spelt(fields: Mapping[str, Any]) -> Document:
    return {documents.camel(name): value for name, value in fields.items()}


def _filter(filter: Filter | None) -> Document:
    if not isinstance(filter, Mapping | None):
        raise ValueError(
            f'filter: {filter!r} is not valid; expected conditions, such as {{"id": "g1"}}; or call get("g1")'
        )
    return dict(filter or {})


def _sort(sort: Sort) -> str:
    if isinstance(sort, str):
        return sort
    pairs = list(sort.items()) if isinstance(sort, Mapping) else list(sort)
    if len(pairs) != 1 or pairs[0][1] not in (1, -1):
        raise ValueError(f'sort: {sort!r} is not valid; expected one field, such as {{"timestamp": -1}}')
    path, direction = pairs[0]
    return f"-{path}" if direction == -1 else path


def _path(id: str) -> str:
    quoted = urllib.parse.quote(id, safe="")
    # Unquoted, they would mean this folder and the one above.
    return f"/api/generations/{quoted.replace('.', '%2E') if id in ('.', '..') else quoted}"
