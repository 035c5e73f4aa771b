"""What tests of the admin share: rows of every kind, addresses of lists, and what is read on them."""

import datetime as dt
import re
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from generations import access, recording
from generations.models import (
    Generation,
    Project,
    User,
)
from generations.records import FeedbackRecord, GenerationRecord, ParticipantRecord, ScoreRecord, StepRecord

NOW = dt.datetime(2026, 3, 4, 5, 6, 7, 123456, tzinfo=dt.UTC)
EVENTS = ("generation", "step", "thread", "participant", "score", "feedback")


def root() -> User:
    """A superuser."""
    return User.objects.create_superuser("root", "root@example.com", "x")


def signed_in(user: User) -> Client:
    """A browser with this person signed in."""
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def superuser() -> User:
    """The one who may do everything."""
    return root()


@pytest.fixture
def client(superuser: User) -> Client:
    """Their browser."""
    return signed_in(superuser)


@pytest.fixture
def project() -> Project:
    """A project without rows."""
    return access.create_project("Shop")


def store(project: Project, count: int, **fields: Any) -> None:
    """So many of each: generations, steps, threads, users, scores and feedback, a second apart."""
    recording.record(
        project,
        [
            record
            for n in range(count)
            for record in (
                GenerationRecord(
                    **{
                        "id": f"g{n:03}",
                        "started_at": NOW + dt.timedelta(seconds=n),
                        "model_id": "gpt-4",
                        "prompt": f"Question {n}",
                        "completion": f"Answer {n}",
                        "tags": ("old",),
                        "thread_id": f"t{n:03}",
                        "user_id": f"u{n:03}",
                        "scores": (ScoreRecord(id=f"s{n:03}", name="exact", value=1.0, type="CODE"),),
                        "feedback": FeedbackRecord(id=f"f{n:03}", rating=4.0),
                        **fields,
                    }
                ),
                StepRecord(id=f"p{n:03}", name="look up", started_at=NOW + dt.timedelta(seconds=n), input={"q": n}),
                ParticipantRecord(id=f"u{n:03}", seen_at=NOW + dt.timedelta(seconds=n)),
            )
        ],
    )


def listed(model: str, /, **parameters: Any) -> str:
    """The address of a list; `from_` stands for the parameter `from`."""
    there = reverse(f"admin:generations_{model}_changelist")
    asked = "&".join(f"{name.rstrip('_')}={value}" for name, value in parameters.items())
    return f"{there}?{asked}" if asked else there


def ids_in(page: bytes, prefix: str = "g") -> list[str]:
    """The ids of the rows on a page of a list, in order."""
    return re.findall(rf">({prefix}\d\d\d)</a></th>", page.decode())


def links(page: bytes) -> dict[str, str]:
    """The addresses behind Newer and Older on a page of a list."""
    found = re.findall(r'<a href="([^"]*)">(?:‹ )?(Newer|Older)', page.decode())
    return {label: there.replace("&amp;", "&") for there, label in found}


def act(client: Client, project: Project, action: str, ids: list[str], **typed: str) -> str:
    """Select these generations, choose the action and press Go; returns the messages."""
    rows = Generation.objects.in_project(project.pk).filter(public_id__in=ids)
    answer = client.post(
        listed("generation", project=project.pk),
        {"action": action, "index": "0", "_selected_action": [str(row.pk) for row in rows], **typed},
        follow=True,
    )
    assert answer.status_code == 200
    return " ".join(str(message) for message in answer.context["messages"])


def tags(project: Project) -> dict[str, list[str]]:
    """The tags of each generation."""
    return dict(Generation.objects.in_project(project.pk).order_by("public_id").values_list("public_id", "tags"))


def person(*permissions: str, is_staff: bool = True) -> Client:
    """A browser with Pat signed in, who has these of Django's permissions."""
    user = User.objects.create_user("pat", password="x", is_staff=is_staff)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client
