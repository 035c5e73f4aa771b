"""The GraphQL door as tests ask it: one project with a key for each scope, and a short way to send a document."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.http import HttpResponse
from django.test import Client

from generations import access
from generations.access import Grant, Scope
from generations.models import Project


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


def answer_of(response: Any) -> Answer:
    """A response of the door, taken apart."""
    body = response.json()
    return Answer(response.status_code, body.get("data"), body.get("errors", []), response)
