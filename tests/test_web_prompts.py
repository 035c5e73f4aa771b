"""The pages of prompts: listed, written, labelled, compared with what their versions led to."""

from __future__ import annotations

import datetime as dt
import threading
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from generations import access, prompts, recording
from generations.access import Grant
from generations.models import Project, Prompt, PromptVersion
from generations.models.accounts import Role
from generations.records import FeedbackRecord, GenerationRecord, Record, ScoreRecord
from tests import evaluations, web
from tests.web import shop_client, shop_project  # noqa: F401  the fixtures `client` and `project`

pytestmark = pytest.mark.django_db

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def grant(project: Project) -> Grant:
    return access.of_system(project)


@pytest.fixture
def prompt(grant: Grant) -> Prompt:
    made = prompts.get_or_create(grant, "greeting")
    for text in ("Greet {{name}}.", "Greet {{name}} kindly."):
        messages = [{"role": "system", "content": text}, {"role": "user", "content": "Hello"}]
        prompts.add_version(grant, made, template_messages=messages, settings={"temperature": 0.2})
    return made


def at(row: Prompt, *path: str) -> str:
    return "/".join(("/projects/shop/prompts", str(row.pk), *path)) + "/"


def test_a_prompt_is_named_and_its_first_version_written(client: Client) -> None:
    made = client.post("/projects/shop/prompts/", {"name": "greeting", "description": "Says hello"})
    row = Prompt.objects.get()
    assert made.headers["Location"] == at(row)
    assert "Write the first one" in web.text(client.get(at(row)))

    written = client.post(
        at(row, "new"),
        {
            "role": ["system", "user", ""],
            "content": ["Greet {{name}}.\r\nBriefly.", "{{question}}", ""],
            "settings": '{"temperature": 0}',
            "model": "gpt-4o",
            "label": "Prod",
        },
    )

    version = PromptVersion.objects.in_project(row.project_id).get()
    assert written.headers["Location"] == f"{at(row)}?version=0"
    assert [(m["role"], m["content"]) for m in version.template_messages or ()] == [
        ("system", "Greet {{name}}.\nBriefly."),
        ("user", "{{question}}"),
    ]
    assert (version.inputs, version.settings, version.model_id, version.labels) == (
        ["name", "question"],
        {"temperature": 0},
        "gpt-4o",
        ["prod"],
    )
    assert "greeting Says hello prod 0 1 0" in web.text(client.get("/projects/shop/prompts/"))


def test_a_new_version_begins_as_another_and_keeps_what_the_form_cannot_show(client: Client, grant: Grant) -> None:
    row = prompts.get_or_create(grant, "tools")
    call = {"id": "1", "function": {"name": "look"}}
    base = [{"role": "assistant", "content": None, "tool_calls": [call]}, {"role": "user", "content": "Hi"}]
    prompts.add_version(grant, row, template_messages=base)

    form = client.get(at(row, "new"))
    client.post(at(row, "new"), {"role": ["assistant", "user"], "content": ["", "Hello"]})

    assert "It begins as version 0" in web.text(form)
    newest = prompts.versions(grant, row)[0]
    assert newest.version == 1
    first, second = list(newest.template_messages or ())
    assert (first["tool_calls"], second["content"]) == ([call], "Hello")


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"role": "user", "content": " "}, "at least one message"),
        ({"role": "", "content": "x"}, "a role, such as"),
        ({"role": "user", "content": "x", "settings": "{"}, "expected JSON (line 1"),
        ({"role": "user", "content": "x", "settings": "[]"}, "a JSON object"),
        ({"role": "user", "content": "x", "tools": "{}"}, "a JSON list"),
    ],
)
def test_a_version_that_cannot_be_is_refused_with_what_was_typed(
    client: Client, prompt: Prompt, sent: dict[str, str], words: str
) -> None:
    response = client.post(at(prompt, "new"), sent)

    assert response.status_code == 400
    assert words in web.text(response)
    assert PromptVersion.objects.in_project(prompt.project_id).count() == 2


def test_labels_are_moved_together_on_the_page_or_not_at_all(client: Client, prompt: Prompt, grant: Grant) -> None:
    client.post(at(prompt, "labels"), {"label": ["prod", "test"], "version": ["0", "1"]})
    client.post(at(prompt, "labels"), {"label": ["prod", "test"], "version": ["1", "0"]})
    assert prompts.labels_of(grant, [prompt.pk])[prompt.pk] == {"prod": 1, "test": 0}

    refused = client.post(at(prompt, "labels"), {"label": ["prod", "test"], "version": ["0", "7"]}, follow=True)
    assert "has no version 7" in web.text(refused)
    client.post(at(prompt, "labels"), {"label": ["test", ""], "version": ["", "1"]})
    assert prompts.labels_of(grant, [prompt.pk])[prompt.pk] == {"prod": 1}


@pytest.mark.django_db(transaction=True)
def test_whoever_asks_while_two_labels_move_sees_both_moved_or_neither() -> None:
    grant = access.of_system(web.project())
    row = prompts.get_or_create(grant, "swapped")
    for n in range(2):
        prompts.add_version(grant, row, template=f"Version {n}")
    prompts.move(grant, row, {"prod": 0, "test": 1})
    seen: set[tuple[tuple[str, int], ...]] = set()
    stop = threading.Event()

    def ask() -> None:
        try:
            while not stop.is_set():
                seen.add(tuple(sorted(prompts.labels_of(grant, [row.pk])[row.pk].items())))
        finally:
            connection.close()

    asker = threading.Thread(target=ask)
    asker.start()
    for n in range(20):
        prompts.move(grant, row, {"prod": n % 2, "test": 1 - n % 2})
    stop.set()
    asker.join()

    assert seen <= {(("prod", 0), ("test", 1)), (("prod", 1), ("test", 0))}


def calls(project: Project, version: int, *values: tuple[float, str]) -> None:
    now = timezone.now() - dt.timedelta(hours=1)
    made: list[Record] = []
    for n, (value, city) in enumerate(values):
        id = f"v{version}-{n}"
        made.append(
            GenerationRecord(
                id=id,
                started_at=now,
                prompt_name="greeting",
                prompt_version=version,
                latency=value,
                cost=Decimal(str(value)),
                currency="USD",
                variables={"city": city},
                error="Boom" if n == 0 else None,
            )
        )
        made.append(ScoreRecord(id=f"s-{id}", name="kind", value=value / 10, generation_id=id))
        made.append(FeedbackRecord(id=f"f-{id}", generation_id=id, thumbs="up" if n else "down"))
    recording.record(project, made)


def test_what_two_versions_led_to_is_compared_with_intervals(grant: Grant, prompt: Prompt) -> None:
    calls(grant.project, 0, (1, "Rome"), (2, "Oslo"), (3, "Bonn"))
    calls(grant.project, 1, (4, "Rome"), (2.5, "Oslo"))
    calls(access.of_system(web.project("Other")).project, 0, (99, "Rome"))
    end = timezone.now()

    told = prompts.numbers(grant, prompt, [0, 1], end - dt.timedelta(days=1), end)
    early = prompts.numbers(grant, prompt, [0, 1], end - dt.timedelta(days=9), end - dt.timedelta(days=1))

    old = told[0]
    assert (old.count, old.total_cost, old.currency) == (3, 6.0, "USD")
    latency = old.means["latency"]
    assert (latency.count, latency.mean) == (3, 2)
    assert latency.half == pytest.approx(2.484, abs=0.001)
    assert old.scores["kind"].mean == pytest.approx(0.2)
    assert old.errors is not None
    assert old.errors.mean == pytest.approx(1 / 3)
    assert old.thumbs is not None
    assert old.thumbs.mean == pytest.approx(2 / 3)
    assert "tokens" not in old.means
    assert (early[0].count, early[0].errors, early[0].means) == (0, None, {})


def test_the_inputs_on_which_two_versions_differ_most_come_first(grant: Grant, prompt: Prompt) -> None:
    calls(grant.project, 0, (1, "Rome"), (2, "Oslo"), (4, "Oslo"), (3, "Bonn"))
    calls(grant.project, 1, (2, "Rome"), (9, "Oslo"), (1, "Nice"))
    end = timezone.now()

    by_latency = prompts.apart(grant, prompt, 0, 1, end - dt.timedelta(days=1), end, by="latency")
    by_score = prompts.apart(grant, prompt, 0, 1, end - dt.timedelta(days=1), end, by="kind")

    assert [(one.text, one.old, one.new, one.old_count) for one in by_latency] == [
        ('{"city": "Oslo"}', 3, 9, 2),
        ('{"city": "Rome"}', 1, 2, 1),
    ]
    assert [round(one.difference, 3) for one in by_score] == [0.6, 0.1]
    assert {by_latency[0].old_id, by_latency[0].new_id} <= {"v0-2", "v1-1"}


def test_the_comparison_shows_what_differs_and_links_to_the_calls(client: Client, prompt: Prompt) -> None:
    calls(prompt.project, 0, (1, "Rome"), (1.1, HOSTILE))
    calls(prompt.project, 1, (4, "Rome"), (4.1, HOSTILE))

    page = client.get(at(prompt, "compare") + "?old=0&new=1&days=7&by=latency")

    words = web.text(page)
    assert "was: Greet {{name}}. is: Greet {{name}} kindly." in words
    assert "Settings the same" in words
    assert "Latency 1.05 s ± 635 ms 4.05 s ± 635 ms worse" in words
    assert "/projects/shop/generations/v1-0/" in web.links(page)
    assert "<script>alert" not in page.content.decode()


def test_inputs_are_told_with_the_difference_in_the_unit_of_the_measure(
    client: Client, prompt: Prompt, grant: Grant
) -> None:
    prompts.move(grant, prompt, {"prod": 0, "test": 1})
    calls(prompt.project, 0, (0.00004, "Rome"))
    calls(prompt.project, 1, (0.00001, "Rome"))

    words = web.text(client.get(at(prompt, "compare") + "?old=0&new=1&by=cost"))

    assert "Version 0 prod Version 1 test Calls 1 1" in words
    assert "city: Rome $0.00004 $0.00001 −$0.00003" in words
    # What is different comes before where it shows.
    assert words.index("What is different") < words.index("Inputs on which they differ most")
    by_score = web.text(client.get(at(prompt, "compare") + "?old=1&new=0&by=latency"))
    assert "city: Rome 0.01 ms 0.04 ms +0.03 ms" in by_score


def test_a_score_of_0_or_1_is_a_share_of_which_few_calls_are_not_certain(
    client: Client, prompt: Prompt, grant: Grant
) -> None:
    for version, value, n in ((0, 0.0, 2), (1, 1.0, 2)):
        for one in range(n):
            call = GenerationRecord(
                id=f"c{version}{one}",
                started_at=timezone.now() - dt.timedelta(hours=1),
                prompt_name="greeting",
                prompt_version=version,
                variables={"city": f"town {one}"},
                scores=(
                    ScoreRecord(name="solved", value=value),
                    ScoreRecord(name="alike", value=0.25),
                    ScoreRecord(name="wide", value=version * 10.0 + one / 10),
                ),
            )
            recording.record(grant.project, [call])

    told = prompts.numbers(grant, prompt, [0, 1], timezone.now() - dt.timedelta(days=1), timezone.now())
    page = web.text(client.get(at(prompt, "compare") + "?old=0&new=1"))
    same = web.text(client.get(at(prompt, "compare") + "?old=0&new=1&by=alike"))

    assert told[0].shares == told[1].shares == {"solved"}
    assert told[1].scores["solved"].low == pytest.approx(0.342, abs=0.001)
    # Two of two against none of two is no difference yet.
    assert "Score: solved 0 % 0 % to 65.8 % 100 % 34.2 % to 100 % Score: wide" in page
    # The inputs are by the score that sets them apart.
    assert "Inputs on which they differ most in wide" in page
    assert "Both came to the same in alike on each input that both were given." in same


NAMING = "promptVersion.name=greeting&promptVersion.version=99"


def test_a_generation_leads_to_the_version_that_made_it(client: Client, prompt: Prompt, grant: Grant) -> None:
    prompts.add_version(grant, prompt, template="Hello", description="As short as can be", model_id="gpt-4o")
    recording.record(grant.project, [GenerationRecord(id="tied", prompt_name="greeting", prompt_version=2)])
    recording.record(grant.project, [GenerationRecord(id="loose", prompt_name="greeting", prompt_version=99)])

    def leads(id: str) -> list[str]:
        return [
            link for link in web.links(client.get(f"/projects/shop/generations/{id}/")) if "/prompts/named/" in link
        ]

    [link] = leads("tied")
    found = client.get(link)
    assert (found.status_code, found.headers["Location"]) == (302, f"{at(prompt)}?version=2")
    words = web.text(client.get(found.headers["Location"]))
    assert "As short as can be" in words
    assert "Model gpt-4o" in words
    assert leads("loose") == []
    assert f"/projects/shop/generations/?{NAMING}" in web.links(client.get("/projects/shop/generations/loose/"))
    stranger = web.signed_in(web.project("Other"), name="zoe")
    assert stranger.get(link).status_code == 404
    elsewhere = stranger.get(link.replace("/shop/", "/other/"))
    assert elsewhere.headers["Location"].startswith("/projects/other/generations/?")


def test_a_prompt_that_is_kept_elsewhere_leads_to_the_calls_that_name_it(client: Client, grant: Grant) -> None:
    for id, number in (("one", 3), ("other", 4)):
        naming = GenerationRecord(
            id=id, prompt_name="ours/away", prompt_version=number, prompt_version_id=f"away@{number}"
        )
        recording.record(grant.project, [naming])
    place = web.links(client.get("/projects/shop/generations/one/"))
    [link] = [link for link in place if "/prompts/named/" in link]

    found = client.get(link, follow=True)

    assert found.status_code == 200
    assert web.ids(found) == ["one"]
    assert "This project keeps no prompt of this name: these are the calls that name it." in web.text(found)


def test_two_versions_that_are_compared_are_evaluated_from_there_by_who_may(
    client: Client, prompt: Prompt, grant: Grant
) -> None:
    def leads(to: Client) -> list[str]:
        links = web.tags(to.get(at(prompt, "compare") + "?old=0&new=1"), "a")
        return [str(link["href"]) for link in links if "/evaluate/" in str(link.get("href"))]

    evaluations.evaluator(grant, "regex", pattern=".")
    [link] = leads(client)

    chosen = [str(one["value"]) for one in web.tags(client.get(link), "option") if "selected" in one]
    ids = [one.public_id for one in sorted(prompts.versions(grant, prompt), key=lambda one: one.version)]
    assert [id for id in chosen if id in ids] == ids[:2]
    assert leads(web.signed_in(grant.project, Role.VIEWER, "vera")) == []


def test_a_version_is_tried_in_the_playground_and_evaluated_from_its_page_by_who_may(
    client: Client, prompt: Prompt, grant: Grant
) -> None:
    newest = prompts.versions(grant, prompt)[0]
    here = f"/projects/{grant.project.slug}"
    there = {f"{here}/playground/?version={newest.public_id}", f"{here}/evaluate/?version={newest.public_id}"}
    viewer = web.signed_in(grant.project, Role.VIEWER, "vera")

    page = client.get(at(prompt))

    assert there <= set(web.links(page))
    assert all(client.get(address).status_code == 200 for address in there)
    assert not there & set(web.links(viewer.get(at(prompt))))


def test_a_prompt_without_two_versions_has_nothing_to_compare(client: Client, grant: Grant) -> None:
    row = prompts.get_or_create(grant, "alone")
    prompts.add_version(grant, row, template="x")

    assert client.get(at(row, "compare")).status_code == 404


def test_hostile_content_is_text_on_every_page(client: Client, grant: Grant) -> None:
    row = prompts.get_or_create(grant, HOSTILE, HOSTILE)
    for n in range(2):
        prompts.add_version(
            grant, row, template_messages=[{"role": HOSTILE, "content": f"{HOSTILE}{n}"}], description=HOSTILE
        )

    for address in ("/projects/shop/prompts/", at(row), at(row, "new"), at(row, "compare")):
        response = client.get(address)
        assert response.status_code == 200
        assert "<script>alert" not in response.content.decode()


def test_another_projects_prompt_is_not_there_and_a_viewer_writes_none(project: Project, prompt: Prompt) -> None:
    stranger, viewer = web.signed_in(web.project("Other"), name="zoe"), web.signed_in(project, Role.VIEWER, "vic")

    for path in ((), ("compare",), ("new",)):
        assert stranger.get(at(prompt, *path)).status_code == 404
        assert stranger.get(at(prompt, *path).replace("/shop/", "/other/")).status_code == 404
    assert viewer.get(at(prompt, "compare")).status_code == 200
    assert viewer.get(at(prompt, "new")).status_code == 403
    assert viewer.post(at(prompt, "labels"), {"label": "prod", "version": "0"}).status_code == 403
    assert viewer.post("/projects/shop/prompts/", {"name": "x"}).status_code == 403
    assert (Prompt.objects.count(), prompts.labels_of(access.of_system(project), [prompt.pk])) == (1, {})


def test_pages_take_as_many_queries_for_one_as_for_fifty(client: Client, grant: Grant, prompt: Prompt) -> None:
    def queries(address: str) -> int:
        with CaptureQueriesContext(connection) as made:
            assert client.get(address).status_code == 200
        return len(made)

    calls(grant.project, 0, (1, "Rome"))
    addresses: list[Any] = ["/projects/shop/prompts/", at(prompt), at(prompt, "compare")]
    few = [queries(address) for address in addresses]
    calls(grant.project, 1, *((float(n), f"City {n}") for n in range(30)))
    for n in range(49):
        prompts.get_or_create(grant, f"p{n}")
        prompts.add_version(grant, prompt, template=f"Version {n}")

    assert [queries(address) for address in addresses] == few
