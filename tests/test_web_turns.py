"""A thread's page: turns as its user saw them, what happened in between folded, one turn marked on request."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from generations import recording
from generations.identities import uid
from generations.models import Project
from generations.records import AttachmentRecord, GenerationRecord, Record, ScoreRecord, StepRecord, ThreadRecord
from generations.web import turns
from generations.web.gate import CallersId
from tests import web
from tests.web import NOON, shop_client, shop_project  # noqa: F401  the fixtures `client` and `project`

pytestmark = pytest.mark.django_db

CALL = {"id": "c1", "type": "function", "function": {"name": "find_museum", "arguments": '{"city": "Lisbon"}'}}
ASKED = {"role": "user", "content": "What is open?"}
CALLED = {"role": "assistant", "content": None, "tool_calls": [CALL]}
FOUND = {"role": "tool", "tool_call_id": "c1", "content": '{"name": "Azulejo"}'}
RULES = {"role": "system", "content": "Be kind"}
ANSWER = {"role": "assistant", "content": "The **Azulejo**."}


def step(n: int, id: str, type: str, **fields: Any) -> StepRecord:
    return StepRecord(id=id, type=type, thread_id="chat", started_at=NOON + dt.timedelta(seconds=n), **fields)


def call(n: int, id: str, **fields: Any) -> GenerationRecord:
    return GenerationRecord(**{"id": id, "thread_id": "chat", "started_at": NOON + dt.timedelta(seconds=n), **fields})


def show(client: Client, project: Project, query: str = "", thread: str = "chat") -> Any:
    return client.get(f"/projects/{project.slug}/threads/{thread}/{query}")


def shown(response: Any) -> list[str]:
    """What is shown of each turn: the roles of its messages, folded ones in brackets."""
    return [
        " ".join(f"[{said.card.title}]" if said.is_aside else said.card.role for said in turn.said)
        for turn in response.context["turns"]
    ]


def texts(response: Any) -> list[str]:
    """The text of each turn, without its links and facts."""
    blocks = [[block for said in turn.said for block in said.card.blocks] for turn in response.context["turns"]]
    return [" | ".join(str(block.shown.html) for block in turn if block.shown) for turn in blocks]


CHAT: list[Record] = [
    step(0, "hello", "assistant_message", name="Greeter", output={"content": "Welcome"}, parent_id="start"),
    step(0, "start", "run", name="on_chat_start"),
    step(1, "asked", "user_message", name="ann", output={"content": "What is <b>open</b>?"}),
    step(2, "run", "run", name="on_message", parent_id="asked", input={"content": "What is open?"}),
    step(3, "llm", "llm", name="Thinks", parent_id="run"),
    call(3, "llm", step_id="llm", type="chat", model_id="gpt-4o", messages=[RULES, ASKED], message_completion=ANSWER),
    step(4, "look", "tool", name="find_museum", parent_id="run", input={"content": "{}"}, output={"content": "[1]"}),
    step(5, "broken", "run", name="Breaks", parent_id="run", error="It broke"),
    step(
        6, "said", "assistant_message", name="Bot", parent_id="run", output={"content": "The **Azulejo**."},
        attachments=(AttachmentRecord(id="a", name="map.png", url="https://example.com/map.png"),),
    ),
    ScoreRecord(name="user-feedback", type="HUMAN", value=1, comment="Well said", step_id="run"),
]  # fmt: skip


def test_a_chat_of_messages_reads_as_its_user_saw_it_with_the_work_folded(client: Client, project: Project) -> None:
    recording.record(project, CHAT)

    response = show(client, project)

    assert shown(response) == ["assistant", "user", "[gpt-4o]", "[find_museum]", "[Breaks]", "assistant"]
    assert texts(response)[:2] == ["<p>Welcome</p>\n", "What is &lt;b&gt;open&lt;/b&gt;?"]
    assert texts(response)[-1] == "<p>The <strong>Azulejo</strong>.</p>\n"
    last = response.context["turns"][-1]
    assert [(score.name, score.comment) for score in last.scores] == [("user-feedback", "Well said")]
    assert [file.row.name for file in last.files] == ["map.png"]
    assert "Well said" in web.text(response)
    assert f"/projects/{project.slug}/steps/look/" in web.links(response)
    assert f"/projects/{project.slug}/generations/llm/" in web.links(response)


def test_what_tools_were_asked_and_answered_is_no_turn_of_the_user(client: Client, project: Project) -> None:
    recording.record(
        project,
        [
            call(0, "e", type="embedding", input="What is open?", output=[[0.5] * 8]),
            call(1, "a", type="chat", messages=[RULES, ASKED], message_completion=CALLED),
            call(2, "b", type="chat", messages=[RULES, ASKED, CALLED, FOUND], message_completion=ANSWER),
            call(3, "c", type="chat", messages=[ASKED, ANSWER, {"role": "user", "content": "And then?"}], error="Full"),
        ],
    )

    response = show(client, project)

    assert shown(response) == ["[Embedding]", "user [Assistant]", "[Tool] assistant", "user failed"]
    assert web.text(response).count("What is open?") == 2  # asked once, and embedded once
    assert "0.5" not in web.text(response)
    assert "Calls find_museum" in web.text(response)
    assert "Result of find_museum" in web.text(response)


ANTHROPIC = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "21 degrees"}]}
USES = {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "weather", "input": {}}]}


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([RULES, ASKED], [1]),
        ([ASKED, CALLED, FOUND, {**FOUND, "tool_call_id": "c2"}], [2, 3]),
        ([ASKED, ANSWER, RULES, ASKED], [3]),
        ([ASKED, {"role": "assistant", "content": "Sure, it is"}], [0]),
        (["only text"], [0]),
        ([RULES], []),
        ([], []),
        ([{"role": "user", "content": str(n)} for n in range(9)], [3, 4, 5, 6, 7, 8]),
        ([ASKED, {"type": "function_call", "name": "f"}, {"type": "function_call_output", "output": "1"}], [2]),
        ([None, 5, {"role": None}], [0, 1, 2]),
    ],
)
def test_a_call_brings_the_messages_since_the_last_answer(messages: list[Any], expected: list[int]) -> None:
    assert turns.news(messages) == expected


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([RULES, ASKED, CALLED, FOUND], [1, 2, 3]),
        ([ASKED, ANSWER, ASKED, CALLED, FOUND], [2, 3, 4]),
        ([ASKED, *[CALLED, FOUND] * 9], [0, 14, 15, 16, 17, 18]),
        ([ASKED, ANSWER, ASKED], [2]),
        ([CALLED, FOUND], [1]),
    ],
)
def test_the_first_call_brings_what_the_user_asked_before_its_tools(messages: list[Any], expected: list[int]) -> None:
    assert turns.news(messages, is_first=True) == expected


@pytest.mark.parametrize("order", ["timestamp", "-timestamp"])
def test_a_thread_whose_first_call_is_not_recorded_begins_with_what_was_asked(
    client: Client, project: Project, order: str
) -> None:
    recording.record(
        project,
        [
            call(1, "b", type="chat", messages=[RULES, ASKED, CALLED, FOUND], message_completion=ANSWER),
            call(2, "c", type="chat", messages=[ASKED, ANSWER, {"role": "user", "content": "Then?"}], completion="No"),
        ],
    )

    response = client.get(f"/projects/{project.slug}/threads/chat/?order={order}")

    found = ["user [Assistant] [Tool] assistant", "user assistant"]
    assert shown(response) == (found[::-1] if order.startswith("-") else found)


def test_results_of_tools_are_folded_in_every_providers_shape(client: Client, project: Project) -> None:
    recording.record(
        project,
        [
            call(1, "a", type="chat", messages=[ASKED], message_completion=USES),
            call(2, "b", type="chat", messages=[ASKED, USES, ANTHROPIC], message_completion=ANSWER),
        ],
    )

    assert shown(show(client, project)) == ["user [Assistant]", "[User] assistant"]
    assert "Result of weather" in web.text(show(client, project))


def test_a_thread_of_runs_alone_shows_what_they_were_given_and_gave_back(client: Client, project: Project) -> None:
    recording.record(
        project,
        [
            step(0, "r", "run", input={"content": "2 + 2?"}, output={"content": "4"}),
            step(1, "child", "tool", parent_id="r", output="four"),
            step(2, "bad", "run", input={"content": "1 / 0?"}, error="Division by zero"),
        ],
    )

    response = show(client, project)

    assert shown(response) == ["user assistant", "[Tool]", "user failed"]
    assert texts(response)[0] == "2 + 2? | <p>4</p>\n"


@pytest.mark.parametrize(
    ("query", "anchor"),
    [
        ("?currentStepId=said", ("step", "said", "s")),
        ("?currentStepId=run", ("step", "run", "s")),
        ("?currentStepId=llm", ("generation", "llm", "g")),
        ("?generation=llm", ("generation", "llm", "g")),
    ],
)
def test_the_step_that_the_address_asks_for_is_marked(
    client: Client, project: Project, query: str, anchor: tuple[str, str, str]
) -> None:
    recording.record(project, CHAT)

    response = show(client, project, query)

    kind, id, letter = anchor
    marked = [one["id"] for one in web.tags(response, "article") if "current" in (one["class"] or "").split()]
    assert marked == [f"{letter}-{uid(project.pk, kind, id)}"]
    assert [one["id"] for one in web.tags(response, "span") if one.get("id")] == ["current"]


@pytest.mark.parametrize(
    "query", ["", "?currentStepId=", "?currentStepId=none", "?currentStepId=other", "?generation=%00"]
)
def test_nothing_is_marked_that_is_not_in_the_thread(client: Client, project: Project, query: str) -> None:
    elsewhere = StepRecord(id="other", type="user_message", thread_id="another", started_at=NOON)
    recording.record(project, [*CHAT, elsewhere])

    response = show(client, project, query)

    assert len(response.context["turns"]) == 6
    assert not [one for one in web.tags(response, "article") if "current" in (one["class"] or "").split()]


def messages(count: int, thread: str = "chat") -> list[Record]:
    return [
        StepRecord(
            id=f"{thread}-{n:03}",
            type="user_message" if n % 2 == 0 else "assistant_message",
            thread_id=thread,
            started_at=NOON + dt.timedelta(seconds=n // 3),
            output={"content": f"Line {n}"},
        )
        for n in range(count)
    ]


@pytest.mark.parametrize("order", ["timestamp", "-timestamp"])
def test_pages_hold_every_turn_once_and_lead_both_ways(client: Client, project: Project, order: str) -> None:
    calls = [call(n, f"call-{n}", prompt="x", type="completion") for n in range(20)]
    recording.record(project, [*messages(50), *calls])
    seen: list[list[str]] = []
    query = f"?order={order}"
    while True:
        response = show(client, project, query)
        seen.append([turn.anchor for turn in response.context["turns"]])
        if not response.context["newer"]:
            break
        query = response.context["newer"]

    back = [seen[-1]]
    while response.context["older"]:
        response = show(client, project, response.context["older"])
        back.insert(0, [turn.anchor for turn in response.context["turns"]])

    assert [len(page) for page in seen] == [20, 20, 20, 10]
    assert len({anchor for page in seen for anchor in page}) == 70
    assert [anchor for page in back for anchor in page] == [anchor for page in seen for anchor in page]


@pytest.mark.parametrize("order", ["timestamp", "-timestamp"])
def test_a_page_around_a_step_has_turns_before_it_and_leads_on(client: Client, project: Project, order: str) -> None:
    recording.record(project, messages(60))

    response = show(client, project, f"?order={order}&currentStepId=chat-030")

    found = [turn.row.public_id for turn in response.context["turns"]]
    assert len(found) == 20
    assert found.index("chat-030") == turns.LEAD
    after = show(client, project, response.context["newer"])
    assert not {turn.row.public_id for turn in after.context["turns"]} & set(found)
    assert "currentStepId=chat-030" in response.context["newer"]


@pytest.mark.parametrize("query", ["?after=rubbish", "?before=a.b", "?after=.", "?after=x&before=y"])
def test_a_cursor_that_leads_nowhere_is_not_found(client: Client, project: Project, query: str) -> None:
    recording.record(project, CHAT)

    assert show(client, project, query).status_code == 404


def test_as_many_queries_for_one_turn_as_for_fifty_and_the_page_stays_small(client: Client, project: Project) -> None:
    counts = {}
    # The first page asks once for what is remembered from then on.
    for count in (3, 2, 50):
        thread = f"t{count}"
        recording.record(project, [ThreadRecord(id=thread), *messages(count, thread)])
        recording.record(
            project,
            [
                # Not all at one moment: a page of calls alone asks for nothing that belongs to steps.
                call(n, f"{thread}-g{n}", thread_id=thread, prompt="x" * 50_000)
                for n in range(count // 2)
            ],
        )
        with CaptureQueriesContext(
            connection,
        ) as captured:
            response = show(client, project, thread=thread)
        counts[count] = len(captured)
        assert len(response.content) < 150_000

    assert counts[2] == counts[50]


def test_another_projects_thread_and_steps_are_not_shown(client: Client, project: Project) -> None:
    other = web.project("Other")
    recording.record(other, CHAT)
    recording.record(project, [step(0, "mine", "user_message", output={"content": "Mine"})])

    response = show(client, project, "?currentStepId=said")

    assert shown(response) == ["user"]
    assert client.get(f"/projects/{other.slug}/threads/chat/").status_code == 404


def test_a_thread_of_two_thousand_turns_opens_at_either_end(client: Client, project: Project) -> None:
    recording.record(project, [ThreadRecord(id="short"), *messages(4, "short")])
    recording.record(project, messages(2000))
    counts = []
    for thread, query in (
        ("short", ""),
        ("chat", ""),
        ("chat", "?order=-timestamp"),
        ("chat", "?currentStepId=chat-1000"),
    ):
        with CaptureQueriesContext(connection) as captured:
            response = show(client, project, query, thread)
        counts.append(len(captured))
        assert len(response.content) < 150_000

    assert len(set(counts[:3])) == 1
    assert counts[0] <= 30
    assert "Line 1999" in web.text(show(client, project, "?order=-timestamp"))
    assert "2,000" in web.text(show(client, project))


def test_what_a_thread_comes_to_is_said_and_never_added_across_currencies(client: Client, project: Project) -> None:
    recording.record(
        project,
        [
            ThreadRecord(id="chat", user_id="ann", tags=("vip",), metadata={"plan": "pro"}),
            call(0, "a", prompt="x", cost=Decimal("0.25"), currency="USD", total_tokens=100, latency=1.0),
            call(1, "b", prompt="x", cost=Decimal("0.5"), currency="USD", total_tokens=50, latency=2.5, error="Full"),
            call(2, "c", prompt="x", cost=Decimal(2), currency="EUR"),
            step(3, "s", "run", error="It broke"),
            ScoreRecord(name="quality", value=0.5, generation_id="a"),
            ScoreRecord(name="quality", value=1, step_id="s"),
            ScoreRecord(name="mood", value=3, thread_id="chat"),
        ],
    )

    said = web.text(show(client, project))

    assert "Generations 3 1 failed Steps 1 1 failed Tokens 150" in said
    assert "Model time 3.50 s Cost €2.00 + $0.75" in said
    assert "mood 3" in said
    assert "quality mean of 2 0.75" in said
    assert "plan pro" in said
    assert "vip" in said
    links = web.links(show(client, project))
    assert f"/projects/{project.slug}/generations/?threadId=chat&hasError=true" in links
    assert f"/projects/{project.slug}/users/ann/" in links


def test_a_thread_without_calls_costs_nothing_that_is_known(client: Client, project: Project) -> None:
    recording.record(project, [step(0, "s", "user_message", output="Hello")])

    assert "Generations 0 Steps 1 Tokens — Model time — Cost —" in web.text(show(client, project))


EVIL = (
    "<script>alert(1)</script><img src=x onerror=alert(1)> [x](javascript:alert(1)) \u202edaer\x1b[31m <svg onload=x>"
)


@pytest.mark.parametrize("letter", ["東", "<", "%"])
def test_a_thread_page_is_bounded_and_text_whatever_is_in_it(client: Client, project: Project, letter: str) -> None:
    long = letter * (170 if letter == "東" else 500)
    recording.record(
        project,
        [
            ThreadRecord(
                id=long, name=EVIL + letter * 800, user_id=long, tags=(EVIL[:100],),
                metadata={f"{EVIL}{n}": EVIL + letter * 500 for n in range(300)},
            ),
            *(
                StepRecord(
                    id=f"{n:03}{long}", type=("user_message", "assistant_message", "run")[n % 3], name=EVIL,
                    thread_id=long, started_at=NOON + dt.timedelta(seconds=n), output=EVIL + letter * 4000, error=EVIL,
                )
                for n in range(90)
            ),
            *(
                GenerationRecord(
                    id=f"g{n:03}{long}", thread_id=long, step_id=f"{n:03}{long}", model_id=EVIL,
                    started_at=NOON + dt.timedelta(seconds=n), messages=[{"role": EVIL, "content": EVIL}],
                    message_completion={"role": "assistant", "content": EVIL},
                )
                for n in range(90)
            ),
        ],
    )  # fmt: skip
    address = f"/projects/{project.slug}/threads/{CallersId().to_url(long)}/"

    for query in ("", "?order=-timestamp"):
        response = client.get(address + query)
        assert response.status_code == 200
        assert len(response.content) < 150_000
        assert all("nonce" in script for script in web.tags(response, "script"))
        assert not [image for image in web.tags(response, "img") if image.get("src") == "x"]
        assert "\u202e" not in response.content.decode()
        assert "\x1b" not in response.content.decode()
        for attributes in web.tags(response):
            assert not [name for name in attributes if name.startswith("on")]
            assert not (attributes.get("href") or "").startswith("javascript:")


def test_of_a_trace_that_failed_what_it_ends_with_comes_first(client: Client, project: Project) -> None:
    trace = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    f()\nKeyError: city'
    recording.record(
        project,
        [
            call(0, "failed", messages=[ASKED], error=trace),
            step(1, "work", "tool", error=trace, parent_id="start"),
            step(2, "said", "user_message", error=trace, output={"content": "Hm"}, parent_id="start"),
        ],
    )

    for told in texts(show(client, project)):
        assert told.index("KeyError: city") < told.index("Traceback"), told
