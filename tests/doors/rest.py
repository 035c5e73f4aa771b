"""A caller of REST for tests: a key of a project, and requests with it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.test import Client

from generations import access
from generations.models import (
    Alternative,
    Attachment,
    Dataset,
    DatasetItem,
    Feedback,
    Generation,
    GenerationPayload,
    Job,
    Participant,
    Project,
    Score,
    Step,
    Tag,
    Thread,
)

GZIP = {"Content-Encoding": "gzip"}
WRITTEN = (
    Alternative, Attachment, Dataset, DatasetItem, Feedback, Generation, GenerationPayload, Job, Participant, Score,
    Step, Tag, Thread,
)  # fmt: skip


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: Any
    content: bytes

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.content)

    @property
    def data(self) -> Any:
        """The rows of a page."""
        return self.json["data"]

    @property
    def error(self) -> dict[str, str]:
        """What was refused, in the one form that there is."""
        body = self.json
        assert set(body) == {"error"}
        error: dict[str, str] = body["error"]
        assert {"code", "message"} <= set(error) <= {"code", "message", "field", "value", "expected"}
        assert self.headers["Content-Type"] == "application/json"
        return error


class Caller:
    """Sends requests with a key. `client` may be used for what this has no name for."""

    def __init__(self, project: Project, token: str | None) -> None:
        self.project = project
        self.token = token
        self.client = Client(headers={"authorization": f"Bearer {token}"} if token else {})

    def send(
        self,
        method: str,
        path: str,
        document: Any = None,
        *,
        raw: bytes | None = None,
        type: str = "application/json",
        headers: Mapping[str, str] | None = None,
        **environ: Any,
    ) -> Answer:
        """One request. `document` is sent as JSON, `raw` as it is."""
        body = raw if raw is not None else b"" if document is None else json.dumps(document).encode()
        response: Any = self.client.generic(
            method.upper(), path, body, content_type=type, headers=dict(headers or {}), **environ
        )
        content = b"".join(response.streaming_content) if response.streaming else response.content
        return Answer(response.status_code, response.headers, content)

    def get(self, path: str, **headers: str) -> Answer:
        return self.send("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def post(self, path: str, document: Any) -> Answer:
        return self.send("POST", path, document)

    def patch(self, path: str, document: Any) -> Answer:
        return self.send("PATCH", path, document)

    def put(self, path: str, document: Any) -> Answer:
        return self.send("PUT", path, document)

    def delete(self, path: str) -> Answer:
        return self.send("DELETE", path)

    def packed(self, path: str, body: bytes, type: str = "application/json") -> Answer:
        """POST `body` as gzip."""
        return self.send("POST", path, raw=gzip.compress(body), type=type, headers=GZIP)


def caller(
    *scopes: str, project: Project | None = None, environment: str = "", name: str = "A project of its own"
) -> Caller:
    """A caller with a fresh key of these scopes (write), in a fresh project unless one is given."""
    project = project or access.create_project(name)
    _, token = access.create_key(
        access.of_system(project), name="test", scopes=scopes or ("write",), environment=environment
    )
    return Caller(project, token)


def rows() -> dict[str, int]:
    """How many rows there are of everything that a request can write, whatever the project."""
    return {model.__name__: model._base_manager.count() for model in WRITTEN}


def ids(answer: Answer) -> list[str]:
    """The ids of a page, in order."""
    assert answer.status == 200, answer.content
    return [row["id"] for row in answer.data]
