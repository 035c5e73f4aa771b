"""What tests of pages share: people signed in, and HTML read without a browser."""

import datetime as dt
import re
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import pytest
from django.test import Client

from generations import access, recording
from generations.models import Membership, Project, User
from generations.models.accounts import Role
from generations.records import GenerationRecord

NOON = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)


def person(name: str = "mia") -> User:
    """A person who may sign in, and is a member of nothing."""
    return User.objects.create_user(name, password="correct horse")


def signed_in(project: Project, role: str = Role.MEMBER, name: str = "mia") -> Client:
    """A browser with a member of the project signed in."""
    user = person(name)
    Membership.objects.create(project=project, user=user, role=role)
    client = Client()
    client.force_login(user)
    return client


def project(name: str = "Shop") -> Project:
    """A new project without members."""
    return access.create_project(name)


@pytest.fixture(name="project")
def shop_project() -> Project:
    """The project of a file's tests, where it imports this."""
    return project()


@pytest.fixture(name="client")
def shop_client(project: Project) -> Client:
    """A browser with a member of that project signed in, where a file imports this."""
    return signed_in(project)


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def _read(response: Any) -> _Text:
    parser = _Text()
    parser.feed(response.content.decode())
    return parser


def text(response: Any) -> str:
    """What a person would read on the page, with single spaces."""
    return re.sub(r"\s+", " ", " ".join(_read(response).words)).strip()


def tags(response: Any, name: str = "") -> list[dict[str, str | None]]:
    """The attributes of each element of this name on the page, or of all."""
    return [attributes for tag, attributes in _read(response).tags if not name or tag == name]


def links(response: Any) -> list[str]:
    """Where the links of the page lead; those into the page itself as they are."""
    return [absolute(response, found["href"] or "") for found in tags(response, "a") if "href" in found]


def absolute(response: Any, address: str) -> str:
    """An address on the page, as the browser asks for it."""
    return address if address.startswith(("#", "?")) else urljoin(response.request["PATH_INFO"], address)


def page(client: Client, project: Project, id: str = "one", query: str = "") -> Any:
    """The page of the generation."""
    return client.get(f"/projects/{project.slug}/generations/{id}/{query}")


def recorded(project: Project, **fields: Any) -> None:
    """One generation, called `one` unless it is said otherwise."""
    given = {"id": "one", "started_at": NOON, "model_id": "gpt-4o", **fields}
    receipts = recording.record(project, [GenerationRecord(**given)])
    assert receipts[0].state == "stored", receipts


def call(n: int, **fields: Any) -> GenerationRecord:
    """The nth call of a test: a minute after the one before."""
    given: dict[str, Any] = {
        "id": f"call-{n:03}",
        "started_at": NOON + dt.timedelta(minutes=n),
        "model_id": "gpt-4o",
        "prompt": f"Question {n}",
        "completion": f"Reply {n}",
        "cost": Decimal("0.25"),
    }
    return GenerationRecord(**{**given, **fields})


def ids(response: Any) -> list[str]:
    """The ids of the rows, in order."""
    return [str(box["value"]) for box in tags(response, "input") if box.get("name") == "id"]
