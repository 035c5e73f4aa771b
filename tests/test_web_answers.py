"""Several answers to one call: tabs on its page, numbered, with the one that was used marked."""

from __future__ import annotations

import pytest
from django.test import Client

from generations.models import Project
from generations.records import Alternative
from tests import web
from tests.web import page, recorded

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return web.project()


@pytest.fixture
def client(project: Project) -> Client:
    return web.signed_in(project)


def test_alternatives_are_tabs_with_the_selected_one_marked(client: Client, project: Project) -> None:
    recorded(
        project,
        message_completion={"role": "assistant", "content": "First"},
        alternatives=(
            Alternative(index=0, content={"role": "assistant", "content": "Second"}),
            Alternative(index=1, content="Third"),
        ),
        selected_choice=1,
    )

    first, third = page(client, project), page(client, project, query="?answer=1")

    assert "Choice 1 Choice 2 Choice 3 selected" in web.text(first)
    assert "First" in web.text(first)
    assert "Third" not in web.text(first)
    assert "Third" in web.text(third)


@pytest.mark.parametrize(
    ("others", "chosen", "tabs"),
    [
        ([("choice", "First"), ("choice", "Second"), ("choice", "Third")], None, "Choice 1 selected Choice 2 Choice 3"),
        ([("choice", "Second"), ("choice", "First")], None, "Choice 1 Choice 2 selected"),
        ([("choice", "Second"), ("choice", "Third")], None, "Choice 1 selected Choice 2 Choice 3"),
        ([("beam", "Second")], 0, "Beam 1 Beam 2 selected"),
        ([("retry", "Second"), ("fallback", "Third")], None, "Answer selected Retry 1 Fallback 2"),
    ],
)
def test_answers_are_numbered_and_the_one_that_was_used_is_marked(
    client: Client, project: Project, others: list[tuple[str, str]], chosen: int | None, tabs: str
) -> None:
    recorded(
        project,
        completion="First",
        alternatives=tuple(Alternative(index=n, kind=kind, content=said) for n, (kind, said) in enumerate(others)),
        selected_choice=chosen,
    )

    response = page(client, project)

    assert f" {tabs} Assistant" in web.text(response)
    assert [
        tab["href"] for tab in web.tags(response, "a") if tab.get("aria-current") and "answer=" in (tab["href"] or "")
    ]
    assert "First" in web.text(response)
