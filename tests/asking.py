"""The GraphQL door as tests ask it: one project with a key for each scope, and a short way to send a document."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from generations import access, recording
from generations.access import Grant, Scope
from generations.models import Project
from generations.records import FeedbackRecord, GenerationRecord, Record, ScoreRecord


@dataclass
class Answer:
    """What came back: the status, the data, and the errors in full."""

    status: int
    data: Any
    errors: list[dict[str, Any]]
    response: HttpResponse

    @property
    def codes(self) -> list[str]:
        """The codes of the errors."""
        return [error["extensions"]["code"] for error in self.errors]


@dataclass
class Door:
    """A project, asked with keys."""

    project: Project
    client: Client = field(default_factory=Client)
    _tokens: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str) -> Door:
        """A door to a new project."""
        return cls(access.create_project(name))

    @property
    def grant(self) -> Grant:
        """A grant that may do everything."""
        return access.of_system(self.project)

    def key(self, *scopes: Scope) -> str:
        """The token of a key with these scopes."""
        name = "+".join(scopes)
        if name not in self._tokens:
            _, self._tokens[name] = access.create_key(self.grant, name=name, scopes=scopes)
        return self._tokens[name]

    def ask(
        self, query: str, variables: dict[str, Any] | None = None, *, token: str | None = None, **headers: str
    ) -> Answer:
        """The answer to a document, asked with a key that may do everything unless another is given."""
        if token is None:
            token = self.key(Scope.ADMIN)
        if token:
            headers["authorization"] = f"Bearer {token}"
        response = self.client.post(
            "/graphql/",
            {"query": query, "variables": variables},
            content_type="application/json",
            headers=headers,
        )
        return answer_of(response)

    def read(self, query: str, variables: dict[str, Any] | None = None) -> Any:
        """The data of an answer without errors."""
        answer = self.ask(query, variables)
        assert answer.errors == [], answer.errors
        assert answer.status == 200
        return answer.data


@pytest.fixture
def door() -> Door:
    """A project of this test's own, asked over GraphQL."""
    return Door.of("GraphQL")


def answer_of(response: Any) -> Answer:
    """A response of the door, taken apart."""
    body = response.json()
    return Answer(response.status_code, body.get("data"), body.get("errors", []), response)


NOON = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)


def minutes(n: float) -> dt.datetime:
    """So many minutes after noon."""
    return NOON + dt.timedelta(minutes=n)


def store(door: Door, *items: Record) -> None:
    """Record these in the door's project; none may be refused."""
    receipts = recording.record(door.project, items)
    assert [r for r in receipts if r.state == "rejected"] == []


def some(door: Door) -> None:
    """Five generations that differ in what filters ask about."""
    store(
        door,
        GenerationRecord(
            id="a", started_at=minutes(0), model_id="gpt-4o", provider="openai", user_id="ann", tags=("prod", "eu"),
            metadata={"plan": "pro", "seats": 5}, total_tokens=100, prompt="Hello", completion="Hi",
        ),
        GenerationRecord(
            id="b", started_at=minutes(1), model_id="gpt-4o-mini", provider="openai", user_id="bob", tags=("prod",),
            metadata={"plan": "free", "seats": 1}, total_tokens=200, error="rate limited", error_type="RateLimit",
        ),
        GenerationRecord(
            id="c", started_at=minutes(2), model_id="claude-sonnet-4", provider="anthropic", user_id="ann",
            metadata={"plan": "pro", "deep": {"a.b": True}}, total_tokens=300,
            feedback=FeedbackRecord(rating=5, thumbs="up"),
            scores=(ScoreRecord(name="tone", value=0.9), ScoreRecord(name="facts", value=0.2)),
        ),
        GenerationRecord(
            id="d", type="embedding", started_at=minutes(3), model_id="embed-3", provider="openai", total_tokens=None,
            scores=(ScoreRecord(name="tone", value=0.4),), environment="staging",
        ),
        GenerationRecord(
            id="e", started_at=minutes(4), model_id="gpt-4o", provider="azure", tags=("eu",), total_tokens=500,
            feedback=FeedbackRecord(rating=2, thumbs="down"),
        ),
    )  # fmt: skip
