"""On the page of a call: several answers as tabs with the one that was used marked, documents, a cost nobody knows."""

from __future__ import annotations

import base64

import pytest
from django.test import Client

from generations.models import AuditEntry, Generation, Project
from generations.models.accounts import Role
from generations.records import Alternative
from tests import web
from tests.web import page, recorded, shop_client, shop_project  # noqa: F401  the fixtures `client` and `project`

pytestmark = pytest.mark.django_db


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

    assert f" {tabs} " in web.text(response).replace("Select this answer ", "")
    assert [
        tab["href"] for tab in web.tags(response, "a") if tab.get("aria-current") and "answer=" in (tab["href"] or "")
    ]
    assert "First" in web.text(response)


def three(project: Project) -> None:
    recorded(
        project,
        completion="First",
        alternatives=(Alternative(index=0, content="Second"), Alternative(index=1, content="Third")),
    )


def stored(project: Project) -> int | None:
    choice: int | None = Generation.objects.in_project(project.pk).get().selected_choice
    return choice


def test_another_answer_is_selected_and_the_audit_says_by_whom(client: Client, project: Project) -> None:
    three(project)
    address = f"/projects/{project.slug}/generations/one/"

    response = client.post(f"{address}selected/", {"choice": "1"})

    assert response["Location"] == f"{address}?answer=1#answers"
    assert stored(project) == 1
    assert "Choice 1 Choice 2 Choice 3 selected" in web.text(page(client, project))
    entry = AuditEntry.objects.get(action="generation.select")
    assert (entry.subject_id, entry.detail, entry.actor) == ("one", {"from": None, "to": 1}, "mia")

    client.post(f"{address}selected/", {"choice": ""})
    client.post(f"{address}selected/", {"choice": ""})

    assert stored(project) is None
    assert AuditEntry.objects.filter(action="generation.select").count() == 2
    assert "Select this answer" in web.text(page(client, project, query="?answer=0"))
    assert "Select this answer" not in web.text(page(client, project))


@pytest.mark.parametrize("choice", ["7", "-1", "x", "99999999999"])
def test_no_answer_is_selected_that_is_not_there(client: Client, project: Project, choice: str) -> None:
    three(project)

    response = client.post(f"/projects/{project.slug}/generations/one/selected/", {"choice": choice})

    assert response.status_code == 404
    assert stored(project) is None


def test_a_viewer_and_another_projects_member_select_nothing(project: Project) -> None:
    three(project)
    viewer, stranger = web.signed_in(project, Role.VIEWER, "vic"), web.signed_in(web.project("Other"), name="sam")
    address = f"/projects/{project.slug}/generations/one/selected/"

    assert viewer.post(address, {"choice": "1"}).status_code == 403
    assert stranger.post(address, {"choice": "1"}).status_code == 404
    assert stored(project) is None
    assert "Select this answer" not in web.text(page(viewer, project, query="?answer=1"))


def test_a_document_that_was_sent_is_named_and_not_written_out(client: Client, project: Project) -> None:
    inside = f"data:application/pdf;base64,{base64.b64encode(b'%PDF-1.4 of no use').decode()}"
    recorded(
        project,
        messages=[
            {"role": "user", "content": [{"type": "file", "file": {"filename": "bill.pdf", "file_data": inside}}]},
            {"role": "user", "content": [{"type": "input_file", "file_data": inside}]},
        ],
    )

    said = web.text(page(client, project))

    assert "bill.pdf of type application/pdf" in said
    assert "A file of type application/pdf" in said
    assert "base64" not in said


def test_a_document_that_was_sent_is_a_download_of_no_type(client: Client, project: Project) -> None:
    def inside(mime: str, content: bytes) -> str:
        return f"data:{mime};base64,{base64.b64encode(content).decode()}"

    script, bill = b"<script>alert(1)</script>", b"%PDF-1.4 of no use"
    named = {"filename": '../../e"vil\r\nX: y.html', "file_data": inside("text/html", script)}
    source = {"type": "text", "media_type": "text/plain", "data": "Plain, and no base64."}
    recorded(
        project,
        messages=[
            {"role": "user", "content": [{"type": "file", "file": named}]},
            {"role": "user", "content": [{"type": "input_file", "file_data": inside("application/pdf", bill)}]},
            {"role": "user", "content": [{"type": "document", "source": source}]},
        ],
    )

    links = [link for link in web.links(page(client, project)) if "as=file" in link]
    answers = [client.get(link) for link in links]

    assert [answer.content for answer in answers] == [script, bill, b"Plain, and no base64."]
    for answer in answers:
        assert answer["Content-Type"] == "application/octet-stream"
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in answer["Content-Security-Policy"]
    assert [answer["Content-Disposition"] for answer in answers] == [
        'attachment; filename="e vil X: y.html"',
        'attachment; filename="file.pdf"',
        'attachment; filename="file.txt"',
    ]


def test_who_sees_a_call_without_a_cost_is_led_to_where_prices_are_set(project: Project) -> None:
    recorded(project, model_id="our-model", provider="us", prompt_tokens=3, completion_tokens=1)
    admin = web.signed_in(project, Role.ADMIN)

    [address] = [link for link in web.links(page(admin, project)) if "settings/prices" in link]
    form = {field.get("name"): field.get("value") for field in web.tags(admin.get(address), "input")}

    assert (form["match"], form["provider"]) == ("our-model", "us")
    assert "Set a price" not in web.text(page(web.signed_in(project, name="ben"), project))
