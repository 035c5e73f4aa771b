"""The page of one generation: all that was said, safe and bounded whatever it is, and what people add to it."""

import base64
import datetime as dt
import io
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from generations import attachments, identities
from generations.models import (
    Generation,
    Project,
    PromptVersion,
)
from generations.records import Alternative, AttachmentRecord, FeedbackRecord, Json, ScoreRecord
from tests import web
from tests.web import NOON, page, recorded, shop_client, shop_project  # noqa: F401  the fixtures `client` and `project`

pytestmark = pytest.mark.django_db

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def test_everything_that_was_said_of_a_call_is_on_its_page(client: Client, project: Project) -> None:
    recorded(
        project,
        name="answer-ticket",
        provider="openai",
        messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello?"}],
        message_completion={"role": "assistant", "content": "**Hi.**"},
        finish_reason="stop",
        prompt_tokens=1200,
        cached_tokens=1000,
        completion_tokens=34,
        reasoning_tokens=20,
        latency=2.0,
        time_to_first_token=0.25,
        environment="production",
        release="2026.11",
        user_id="user-7",
        thread_id="chat",
        tags=("vip",),
        parameters={"temperature": 0.2, "stop": ["END"]},
        metadata={"plan": "pro"},
        response_id="chatcmpl-1",
        scores=(ScoreRecord(name="quality", value=0.75, comment="Fine", author="judge", type="AI"),),
        feedback=FeedbackRecord(rating=4, thumbs="up", comment="Thanks", categories=("kind",), user_id="user-7"),
    )

    response = page(client, project)

    said = web.text(response)
    for words in (
        "answer-ticket",
        "System",
        "Be brief.",
        "Hello?",
        "Hi.",
        "2026-11-20 12:00:00",
        "2.00 s",
        "250 ms",
        "17.0 tokens/s",
        "1,200 tokens (1,000 cached)",
        "34 tokens (20 reasoning)",
        "production",
        "2026.11",
        "user-7",
        "chat",
        "vip",
        "temperature 0.2",
        '["END"]',
        "plan",
        "chatcmpl-1",
        "quality 0.75",
        "Fine",
        "judge",
        "4 /5",
        "Thanks",
        "kind",
    ):
        assert words in said, words
    assert "<strong>Hi.</strong>" in response.content.decode()


def test_what_could_not_be_read_of_a_call_and_when_its_pieces_came_stand_on_its_page(
    client: Client, project: Project
) -> None:
    said = ["selected_choice_index: 9 is not valid; expected 0, the only choice", "<b>api_response</b>"]
    recorded(
        project,
        metadata={"application": "writer", "problems": said},
        response_attributes={"chunk_times": [0.25, 0.5, 1.5]},
    )

    response = page(client, project)

    words = web.text(response)
    assert f"It is stored as it came: {said[0]} {said[1]}" in words
    assert "<b>api_response" not in response.content.decode()
    assert "Stream 3 pieces in 1.25 s, longest pause 1.00 s" in words
    # Small attributes need no click.
    assert '<section class="panel" id="responseAttributes">\n    <details open>' in response.content.decode()


def test_a_cost_comes_with_its_arithmetic_and_the_source_of_its_prices(client: Client, project: Project) -> None:
    recorded(project, model_id="gpt-4o", provider="openai", prompt_tokens=1_000_000, completion_tokens=100_000)

    said = web.text(page(client, project))

    assert "$3.50" in said
    assert "input 1,000,000 2.5 $2.50" in said
    assert "output 100,000 10 $1.00" in said
    assert "Price source: genai-prices" in said


def test_what_is_unknown_is_a_dash_and_never_a_zero(client: Client, project: Project) -> None:
    recorded(project, messages=[{"role": "user", "content": "Hello?"}])

    said = web.text(page(client, project))

    for name in ("Duration", "First token", "Speed", "Input", "Output", "Cost"):
        assert f"{name} —" in said, name
    assert "No answer has been recorded yet, nor an end." in said
    recorded(project, id="ended", ended_at=NOON + dt.timedelta(seconds=1))
    assert "No answer was recorded for this call." in web.text(page(client, project, "ended"))


def test_an_unknown_id_and_another_projects_id_are_not_there(client: Client, project: Project) -> None:
    other = web.project("Other")
    recorded(other)

    assert page(client, project).status_code == 404
    assert page(client, project, "%00").status_code == 404


@pytest.mark.parametrize(
    "id", ["a/b", "a b?c=d#e", "~2F", "100%", "..", "東京", "a\\b", "line\nline", "<b>", "x/scores"]
)
def test_any_id_has_a_page_that_its_list_leads_to(client: Client, project: Project, id: str) -> None:
    recorded(project, id=id, prompt="Hello?")

    listed = web.links(client.get(f"/projects/{project.slug}/generations/"))
    (address,) = {a for a in listed if a.startswith(f"/projects/{project.slug}/generations/") and a.count("/") == 5}
    response = client.get(address)

    assert response.status_code == 200
    assert Generation.objects.in_project(project.pk).get().public_id == id
    assert client.post(f"{address}tags/", {"add": "x"}).status_code == 302
    assert Generation.objects.in_project(project.pk).get().tags == ["x"]


# -------------------------------------------------------------------------------------------------------- conversation
def test_variables_are_marked_where_the_template_put_them(client: Client, project: Project) -> None:
    PromptVersion.objects.create(
        project=project,
        uid=identities.uid(project.pk, "prompt_version", "v1"),
        public_id="v1",
        prompt_uid=identities.uid(project.pk, "prompt", "p"),
        version=1,
        content_hash=b"",
        template_messages=[{"role": "user", "content": "Add {{a}} to {{b}}, and 1 more."}],
        created_at=timezone.now(),
    )
    recorded(
        project,
        prompt_version_id="v1",
        variables={"a": "1", "b": "2"},
        messages=[{"role": "user", "content": "Add 1 to 2, and 1 more."}],
    )

    html = page(client, project).content.decode()

    first, second = (f'<a class="var v{n}" href="#variable-{n}" title="{"ab"[n]}">{n + 1}</a>' for n in (0, 1))
    assert f"Add {first} to {second}, and 1 more." in html
    assert '<tr id="variable-1"><th scope="row"><span class="var v1">b</span>' in html
    assert "Add {{a}} to {{b}}, and 1 more." in html


def test_variables_of_an_unknown_template_are_marked_wherever_their_values_stand(
    client: Client, project: Project
) -> None:
    recorded(
        project, variables={"city": "Paris", "n": 5}, messages=[{"role": "user", "content": "Paris, 5 days, 15 h"}]
    )

    html = page(client, project).content.decode()

    assert 'title="city">Paris</a>, <a class="var v0" href="#variable-0" title="n">5</a> days, 15 h' in html


def test_tool_calls_are_joined_to_their_definitions_and_results(client: Client, project: Project) -> None:
    recorded(
        project,
        tools=[{"type": "function", "function": {"name": "get_weather", "description": "Weather of today"}}],
        messages=[
            {"role": "user", "content": "Weather?"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "c1", "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'}}],
            },
            {"role": "tool", "tool_call_id": "c1", "content": '{"rain": true}'},
        ],
        message_completion={"role": "assistant", "content": "Rain."},
    )

    response = page(client, project)

    links = web.links(response)
    anchors = {found.get("id") for found in web.tags(response)}
    assert {"#tool-get_weather", "#m-messages-2", "#m-messages-1"} <= set(links)
    assert {"tool-get_weather", "m-messages-2", "m-messages-1"} <= anchors
    assert "Weather of today" in web.text(response)
    assert "Result of get_weather" in web.text(response)


def test_anthropic_tool_calls_are_joined_too_and_thinking_is_folded(client: Client, project: Project) -> None:
    recorded(
        project,
        messages=[
            {"role": "user", "content": "Weather?"},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "I look it up."},
                    {"type": "tool_use", "id": "t1", "name": "get_weather", "input": {"city": "Paris"}},
                ],
            },
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "Rain"}]},
        ],
    )

    response = page(client, project)

    html = response.content.decode()
    assert '<details class="reasoning"><summary>' in html
    assert "I look it up." in web.text(response)
    assert "Result of get_weather" in web.text(response)


@pytest.mark.parametrize(
    "part",
    [
        {"type": "redacted_thinking", "data": "EmwKAhgBEgy3va3pzix/LafPsn4a"},
        {"type": "thinking", "thinking": "", "signature": "EmwKAhgBEgy3va3pzix/LafPsn4a"},
        {"type": "reasoning", "summary": [], "encrypted_content": "EmwKAhgBEgy3va3pzix/LafPsn4a"},
    ],
    ids=["redacted", "signed", "encrypted"],
)
def test_reasoning_that_a_provider_hides_is_named_and_not_shown_as_text(
    client: Client, project: Project, part: dict[str, Json]
) -> None:
    recorded(project, message_completion={"role": "assistant", "content": [part, {"type": "text", "text": "Rain."}]})

    response = page(client, project)

    html = response.content.decode()
    said = web.text(response)
    assert "Reasoning that the provider does not show, 28 B encrypted" in said
    assert "Rain." in said
    assert '<details class="reasoning"' not in html
    assert "EmwKAhgBEgy3va3pzix" not in html


def test_images_that_were_sent_are_shown_from_here_and_others_are_links(client: Client, project: Project) -> None:
    recorded(
        project,
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
                    {"type": "image_url", "image_url": {"url": "https://images.example/cat.jpg"}},
                    {"type": "image_url", "image_url": {"url": "data:image/svg+xml;base64,PHN2Zz4="}},
                    {"type": "image_url", "image_url": {"url": "javascript:alert(1)"}},
                ],
            }
        ],
    )

    response = page(client, project)

    images = [web.absolute(response, str(image["src"])) for image in web.tags(response, "img")]
    assert len(images) == 2
    for address in images:
        picture = client.get(address)
        assert picture["Content-Type"] == "image/png"
        assert picture.content == base64.b64decode(PIXEL)
        assert picture["Content-Security-Policy"] == "default-src 'none'; sandbox"
        assert picture["X-Content-Type-Options"] == "nosniff"
    assert "https://images.example/cat.jpg" in web.links(response)
    assert not [address for address in web.links(response) if address.startswith("javascript:")]
    svg = images[0].replace("%2F0%2F", "%2F3%2F")
    assert svg != images[0]
    assert client.get(svg).status_code == 404


def test_files_that_are_kept_here_are_shown_and_others_are_links(client: Client, project: Project) -> None:
    key = attachments.new_key(project)
    attachments.save(key, io.BytesIO(base64.b64decode(PIXEL)))
    recorded(
        project,
        attachments=(
            AttachmentRecord(id="a", name="cat.png", mime="image/png", size=70, storage_key=key),
            AttachmentRecord(id="b", name="bad", url="javascript:alert(1)"),
            AttachmentRecord(id="c", name="elsewhere", mime="image/png", url="https://images.example/cat.png"),
        ),
    )

    response = page(client, project)

    (image,) = web.tags(response, "img")
    assert image["alt"] == "cat.png"
    assert b"".join(client.get(str(image["src"]))) == base64.b64decode(PIXEL)
    assert "https://images.example/cat.png" in web.links(response)
    assert not [address for address in web.links(response) if address.startswith("javascript:")]


def test_what_an_answer_says_aloud_can_be_read(client: Client, project: Project) -> None:
    audio = {"id": "a", "data": "UklGRg==", "transcript": "A tone of 250 Hz."}
    recorded(project, message_completion={"role": "assistant", "content": None, "audio": audio}, completion_tokens=1)

    shown = web.text(page(client, project))

    assert "Transcript A tone of 250 Hz." in shown
    assert Generation.objects.in_project(project.pk).get().output_preview == "A tone of 250 Hz."
    assert "Output 1 token " in shown


def test_a_completion_an_error_and_a_bare_output_have_their_places(client: Client, project: Project) -> None:
    recorded(project, id="text", type="completion", prompt="Say hello", completion="hello")
    failure = {"error": "Rate limit reached", "error_type": "RateLimitError", "error_detail": "Traceback: line 3"}
    recorded(project, id="failed", prompt="Say hello", **failure)
    recorded(project, id="json", input={"rows": [1]}, output={"sum": 1})

    assert "Prompt 9 B Copy Say hello" in web.text(page(client, project, "text"))
    failed = web.text(page(client, project, "failed"))
    assert "RateLimitError" in failed
    assert "Rate limit reached Traceback: line 3" in failed
    assert '"sum"' in web.text(page(client, project, "json"))


def test_an_answer_in_json_is_laid_out(client: Client, project: Project) -> None:
    recorded(project, prompt="Decide", completion='{"decision":"repair","amount":0}')

    assert '"decision" : "repair" , "amount" : 0' in web.text(page(client, project))


def test_a_key_leads_past_what_was_asked_to_the_answer(client: Client, project: Project) -> None:
    recorded(project, prompt="long " * 9_000, completion="Short")

    shown = page(client, project).content.decode()

    assert 'href="#answers" data-key="a"' in shown and 'id="answers"' in shown


def test_the_text_may_be_seen_raw_and_as_json(client: Client, project: Project) -> None:
    recorded(project, messages=[{"role": "user", "content": "Hi"}], message_completion={"content": "**Hello**"})

    raw, document = page(client, project, query="?view=raw"), page(client, project, query="?view=json")

    assert "**Hello**" in web.text(raw)
    assert "content **Hello**" in web.text(document)


def test_a_page_takes_as_many_queries_whatever_hangs_on_it(client: Client, project: Project) -> None:
    recorded(project, id="bare", prompt="x")
    recorded(
        project,
        id="rich",
        messages=[{"role": "user", "content": "x"}] * 30,
        alternatives=tuple(Alternative(index=n, content="x") for n in range(10)),
        scores=tuple(ScoreRecord(name=f"s{n}", value=1) for n in range(30)),
    )
    counts = []
    for id in ("bare", "rich"):
        with CaptureQueriesContext(connection) as queries:
            page(client, project, id)
        counts.append(len(queries))

    assert counts[0] == counts[1]
    assert counts[0] <= 20


@pytest.mark.parametrize("more", ["", f"&id__ne={'long' * 100}"])
def test_its_neighbours_are_those_of_the_list_it_was_opened_from(client: Client, project: Project, more: str) -> None:
    """Also where its filters are too long for the links of its rows: the browser says where it came from."""
    listed = f"/projects/{project.slug}/generations/?model.id=gpt-4{more}"
    for n in range(5):
        recorded(
            project, id=f"g{n}", started_at=NOON + dt.timedelta(minutes=n), model_id="gpt-4" if n % 2 == 0 else "other"
        )

    (opened,) = [address for address in web.links(client.get(listed)) if "/generations/g2/" in address]
    assert ("list=" in opened) is not bool(more)
    response = client.get(opened, headers={"Referer": f"http://testserver{listed}"})

    links = {a.get("rel"): a["href"] for a in web.tags(response, "a") if a.get("rel") in ("prev", "next")}
    assert "/generations/g4/" in str(links["prev"])
    assert "/generations/g0/" in str(links["next"])
    assert listed in web.links(response)


def test_a_list_that_cannot_be_asked_has_no_neighbours(client: Client, project: Project) -> None:
    recorded(project)

    response = page(client, project, query="?list=rubbish%3D1")

    assert response.status_code == 200
    assert not [a for a in web.tags(response, "a") if a.get("rel") in ("prev", "next")]


def test_money_is_exact_to_what_matters() -> None:
    from generations.templatetags.web import money

    assert money(Decimal("0.000000150")) == "$0.00000015"
    assert money(Decimal("0.0100")) == "$0.01"
    assert money(Decimal("1234.5")) == "$1,234.50"
    assert money(Decimal(0)) == "$0.00"
    assert money(Decimal("2.5"), "CHF") == "2.50 CHF"
    assert "Unknown" in money(None)


def test_what_a_trace_ends_with_stands_above_it() -> None:
    project = web.project()
    client = web.signed_in(project)
    trace = "Traceback (most recent call last):\n" + '  File "x.py", line 1, in f\n    f()\n' * 200 + "ValueError: No\n"
    web.recorded(project, error=trace)
    web.recorded(project, id="other", error="Rate limit reached\nTry again")

    (raised,) = [one for one in web.tags(web.page(client, project), "p") if "raised" in (one.get("class") or "")]
    words = web.text(web.page(client, project))

    assert raised is not None
    assert words.index("ValueError: No") < words.index("Traceback (most recent call last)")
    assert "raised" not in web.page(client, project, "other").content.decode()
