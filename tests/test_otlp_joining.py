"""Calls that several spans and log events tell of: one generation, with all that was said, in any order and split."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from generations import recording
from generations.models import Generation, GenerationPayload, Score, Step, StepPayload, Thread
from generations.records import FeedbackRecord, ScoreRecord, StepRecord
from tests.doors.rest import Answer, Caller, caller
from tests.doors.test_otlp import BARE, CHAT, START, TRACE, calls, post, span, steps

pytestmark = pytest.mark.django_db

ORDERS = list(itertools.permutations(range(3)))


@pytest.fixture
def api() -> Caller:
    return caller("ingest")


def event(name: str, body: Any, number: int = 1, at: int = 0) -> dict[str, Any]:
    """A log record in OTLP/JSON, beside span `number`."""
    return {
        "eventName": name,
        "timeUnixNano": str(START + at),
        "traceId": TRACE,
        "spanId": f"{number:016x}",
        "body": value(body),
    }


def value(given: Any) -> dict[str, Any]:
    if isinstance(given, dict):
        return {"kvlistValue": {"values": [{"key": k, "value": value(v)} for k, v in given.items()]}}
    return {"intValue": given} if isinstance(given, int) else {"stringValue": given}


def log(api: Caller, *events: Any) -> Answer:
    return api.post("/v1/logs", {"resourceLogs": [{"scopeLogs": [{"logRecords": list(events)}]}]})


SYSTEM = event("gen_ai.system.message", {"content": "Be brief."}, at=1)
USER = event("gen_ai.user.message", {"content": "Hello"}, at=2)
FIRST = event("gen_ai.choice", {"index": 0, "finish_reason": "stop", "message": {"content": "Hi"}}, at=3)
SECOND = event("gen_ai.choice", {"index": 1, "finish_reason": "stop", "message": {"content": "Hey"}}, at=3)


def asked(sent: Iterable[dict[str, str]]) -> list[str]:
    """The statements among what was sent; more than a few rows are copied besides, a table at a time."""
    return [query["sql"] for query in sent if not query["sql"].startswith("COPY")]


def payload(api: Caller) -> GenerationPayload:
    return GenerationPayload.objects.in_project(api.project.pk).get()


# ------------------------------------------------------------------------------------------------- spans in a chain
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("knows", [0, 1, 2])
@pytest.mark.parametrize("split", [(1, 2), (2, 1), (1, 1, 1), (3,)])
def test_a_call_told_by_a_wrapper_a_client_and_a_gateway_is_one(
    api: Caller, order: tuple[int, ...], knows: int, split: tuple[int, ...]
) -> None:
    chain = [span(n + 1, parent=n or None, attributes=CHAT if n == knows else BARE) for n in range(3)]
    ordered = [chain[n] for n in order]
    for size in split:
        assert post(api, *ordered[:size]).json == {}
        ordered = ordered[size:]

    (call,) = calls(api)
    assert call.span_id == f"{knows + 1:016x}"
    assert (call.prompt_tokens, call.completion_tokens, call.total_tokens) == (10, 5, 15)
    assert steps(api) == 3


@pytest.mark.parametrize("order", ORDERS)
def test_requests_over_http_between_a_client_and_a_gateway_part_no_call(api: Caller, order: tuple[int, ...]) -> None:
    http = {"http.request.method": "POST"}
    chain = [span(9, attributes={"app": "x"})]
    chain += [
        span(1, parent=9, attributes=BARE),
        span(2, parent=1, attributes=http),
        span(3, parent=2, attributes=CHAT),
    ]
    post(api, chain[0])
    for n in order:
        post(api, chain[1:][n])

    assert [call.span_id for call in calls(api)] == [f"{3:016x}"]
    assert steps(api) == 4


@pytest.mark.parametrize("order", ORDERS)
def test_a_call_that_a_tool_makes_within_a_call_is_another(api: Caller, order: tuple[int, ...]) -> None:
    tool = {"gen_ai.operation.name": "execute_tool"}
    chain = [span(1, attributes=CHAT), span(2, parent=1, attributes=tool), span(3, parent=2, attributes=CHAT)]
    for n in order:
        post(api, chain[n])

    assert len(calls(api)) == 2


def test_what_was_said_of_a_call_stays_when_another_span_turns_out_to_know_more(api: Caller) -> None:
    post(api, span(1, attributes=BARE))
    (first,) = calls(api)
    recording.record(
        api.project,
        [
            ScoreRecord(id="s", name="quality", value=0.5, generation_id=first.public_id),
            FeedbackRecord(id="f", rating=4, generation_id=first.public_id),
        ],
    )

    post(api, span(2, parent=1, attributes=CHAT))

    (call,) = calls(api)
    assert call.public_id != first.public_id
    assert Score.objects.get(project_id=api.project.pk).generation_id == call.public_id
    answer = caller("read", project=api.project).get(f"/api/generations/{call.public_id}").json
    assert answer["feedback"]["rating"] == 4


def test_a_very_deep_chain_of_calls_is_one(api: Caller) -> None:
    assert post(api, *(span(n, parent=n - 1 or None, attributes=BARE) for n in range(1, 3_000))).json == {}

    assert len(calls(api)) == 1


# ------------------------------------------------------------------------------------------------------- log events
@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
@pytest.mark.parametrize("place", [0, 2, 4])
def test_messages_split_over_requests_are_all_there_in_their_order(
    api: Caller, order: tuple[int, ...], place: int
) -> None:
    events = [SYSTEM, USER, FIRST, SECOND]
    for turn, n in enumerate(order):
        if turn == place:
            post(api, span(1, attributes=BARE))
        assert log(api, events[n]).json == {}
    if place == 4:
        post(api, span(1, attributes=BARE))

    (call,) = calls(api)
    assert call.prompt_tokens == 10
    found = payload(api)
    assert [(m["role"], m["content"]) for m in found.messages or ()] == [("system", "Be brief."), ("user", "Hello")]
    assert (found.message_completion or {})["content"] == "Hi"
    assert [a.content["content"] for a in api_alternatives(call)] == ["Hey"]


def api_alternatives(call: Generation) -> list[Any]:
    from generations.models import Alternative

    return list(Alternative.objects.in_project(call.project_id).filter(generation_uid=call.uid).order_by("index"))


def test_log_events_sent_again_say_nothing_twice_but_words_said_twice_stay(api: Caller) -> None:
    yes = event("gen_ai.user.message", {"content": "yes"}, at=5)
    post(api, span(1, attributes=BARE))
    for _ in range(2):
        log(api, yes, event("gen_ai.assistant.message", {"content": "sure?"}, at=5), yes)
    log(api, yes)

    assert [m["content"] for m in payload(api).messages or ()] == ["yes", "sure?", "yes"]


@pytest.mark.parametrize("order", ORDERS)
def test_messages_of_a_span_whose_call_another_span_tells_complete_that_call(
    api: Caller, order: tuple[int, ...]
) -> None:
    # The wrapper logs the messages, and the client below it has the tokens and the answer.
    without = {k: v for k, v in CHAT.items() if "input" not in k} | {"gen_ai.usage.input_tokens": "10"}
    sent = [
        lambda: post(api, span(1, attributes={k: v for k, v in BARE.items() if "usage" not in k})),
        lambda: post(api, span(2, parent=1, attributes=without)),
        lambda: log(api, SYSTEM, USER),
    ]
    for n in order:
        assert sent[n]().json == {}

    (call,) = calls(api)
    assert call.span_id == f"{2:016x}"
    assert [m["content"] for m in payload(api).messages or ()] == ["Be brief.", "Hello"]


def test_messages_of_a_span_that_answers_with_the_same_id_elsewhere_make_no_second_call(api: Caller) -> None:
    twin = {**BARE, "gen_ai.response.id": "chatcmpl-1"}
    post(api, span(2, attributes=CHAT))
    body = {"resourceSpans": [{"scopeSpans": [{"scope": {"name": "another"}, "spans": [span(1, attributes=twin)]}]}]}
    body["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["traceId"] = TRACE  # type: ignore[index]
    api.post("/v1/traces", body)
    log(api, USER)

    (call,) = calls(api)
    assert call.span_id == f"{2:016x}"
    assert [m["content"] for m in payload(api).messages or ()] == ["Hello"]


@pytest.mark.parametrize("logs_first", [True, False])
def test_messages_that_an_agent_logs_make_no_call(api: Caller, logs_first: bool) -> None:
    agent = span(1, attributes={"gen_ai.operation.name": "invoke_agent"})
    if logs_first:
        log(api, USER)
        post(api, agent)
    else:
        post(api, agent)
        log(api, USER)

    assert calls(api) == []
    assert Step.objects.get(project_id=api.project.pk).type == "run"
    attributes = StepPayload.objects.get(project_id=api.project.pk).attributes or {}
    assert [v["body"] for k, v in attributes.items() if k.startswith("log.")] == [{"content": "Hello"}]


def test_an_evaluation_of_a_span_whose_call_is_anothers_is_of_that_call(api: Caller) -> None:
    post(api, span(1, attributes=BARE), span(2, parent=1, attributes=CHAT))
    judged = {**event("gen_ai.evaluation.result", ""), "attributes": [
        {"key": "gen_ai.evaluation.name", "value": {"stringValue": "Relevance"}},
        {"key": "gen_ai.evaluation.score.value", "value": {"doubleValue": 0.5}},
    ]}  # fmt: skip
    assert log(api, judged).json == {}

    (call,) = calls(api)
    assert Score.objects.get(project_id=api.project.pk).generation_id == call.public_id


def test_a_bad_log_record_is_counted_and_the_good_ones_are_stored(api: Caller) -> None:
    post(api, span(1, attributes=BARE))
    nowhere = {**event("gen_ai.evaluation.result", ""), "spanId": "", "attributes": [
        {"key": "gen_ai.evaluation.name", "value": {"stringValue": "Relevance"}},
    ]}  # fmt: skip

    answer = log(api, USER, {**SYSTEM, "timeUnixNano": "noon"}, nowhere)

    told = answer.json["partialSuccess"]
    assert (answer.status, told["rejectedLogRecords"]) == (200, "2")
    assert "timeUnixNano" in told["errorMessage"] and "'Relevance' names neither" in told["errorMessage"]
    assert [m["content"] for m in payload(api).messages or ()] == ["Hello"]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"gen_ai.evaluation.score.value": "0.5"}, "gen_ai.evaluation.name: null is not valid; expected a name"),
        ({"gen_ai.evaluation.name": "Relevance"}, "The evaluation 'Relevance' names neither a span nor"),
    ],
)
def test_an_evaluation_of_nothing_is_refused_with_what_it_lacks(api: Caller, said: dict[str, str], told: str) -> None:
    attributes = [{"key": name, "value": {"stringValue": value}} for name, value in said.items()]
    judged = {**event("gen_ai.evaluation.result", ""), "spanId": "", "attributes": attributes}

    answer = log(api, judged).json["partialSuccess"]

    assert answer["rejectedLogRecords"] == "1"
    assert told in answer["errorMessage"]


def test_an_evaluation_that_says_a_word_where_a_number_should_be_has_it_as_its_label(api: Caller) -> None:
    post(api, span(1, attributes=BARE))
    said = {"gen_ai.evaluation.name": "Relevance", "gen_ai.evaluation.score.value": "high"}
    attributes = [{"key": name, "value": {"stringValue": value}} for name, value in said.items()]

    assert log(api, {**event("gen_ai.evaluation.result", ""), "attributes": attributes}).json == {}

    score = Score.objects.get(project_id=api.project.pk)
    assert (score.value, score.label) == (None, "high")


def test_logs_of_another_project_say_nothing_of_this_ones_call(api: Caller) -> None:
    post(api, span(1, attributes=BARE))
    other = caller("ingest")
    log(other, USER)

    assert payload(api).messages is None
    assert len(calls(other)) == 1


def test_joining_logs_takes_as_many_queries_for_one_call_as_for_fifty(api: Caller) -> None:
    post(api, *(span(n, attributes=BARE) for n in range(1, 61)))
    log(api, event("gen_ai.user.message", {"content": "x"}, 60))
    with CaptureQueriesContext(connection) as one:
        log(api, event("gen_ai.user.message", {"content": "x"}, 1))
    with CaptureQueriesContext(connection) as fifty:
        log(api, *(event("gen_ai.user.message", {"content": "x"}, n) for n in range(2, 52)))

    assert len(asked(fifty)) == len(asked(one))


# ------------------------------------------------------------------------------------------- what a trace has in common
SAID = {"session.id": "chat-1", "user.id": "ada", "tag.tags": '["geography"]'}
AGENT = {"gen_ai.operation.name": "invoke_agent"}


@pytest.mark.parametrize("split", [(1, 1, 1, 1), (2, 2), (1, 3), (4,)])
@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1), (1, 3, 0, 2)])
@pytest.mark.parametrize("holder", range(4))
def test_the_thread_user_and_tags_that_one_span_names_hold_for_its_whole_trace(
    api: Caller, holder: int, order: tuple[int, ...], split: tuple[int, ...]
) -> None:
    """A root, an agent below it, a call below that, and a call beside the agent."""
    tree: list[tuple[int, int | None, dict[str, Any]]] = [(1, None, {}), (2, 1, AGENT), (3, 2, CHAT), (4, 1, CHAT)]
    spans = [
        span(number, parent=parent, attributes=kind | (SAID if n == holder else {}))
        for n, (number, parent, kind) in enumerate(tree)
    ]
    waiting = [spans[place] for place in order]

    for count in split:
        post(api, *waiting[:count])
        del waiting[:count]

    rows = Step.objects.in_project(api.project.pk).values_list("thread_id", "user_id", "tags")
    assert [*rows, *((c.thread_id, c.user_id, c.tags) for c in calls(api))] == [("chat-1", "ada", ["geography"])] * 6


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4), (4, 3, 2, 1, 0), (2, 1, 4, 3, 0)])
def test_each_of_two_threads_in_one_trace_has_what_is_below_it(api: Caller, order: tuple[int, ...]) -> None:
    """A program that works through conversations in one trace: two agents, each with the thread of its call."""
    tree = [
        span(1, attributes={}),
        span(2, parent=1, attributes={**AGENT, "session.id": "chat-1", "user.id": "ada"}),
        span(3, parent=2, attributes=CHAT),
        span(4, parent=1, attributes={**AGENT, "session.id": "chat-2", "user.id": "bob"}),
        span(5, parent=4, attributes=CHAT),
    ]

    post(api, *(tree[place] for place in order))

    assert [(c.thread_id, c.user_id) for c in calls(api)] == [("chat-1", "ada"), ("chat-2", "bob")]


def test_what_another_trace_says_does_not_hold_here(api: Caller) -> None:
    post(api, span(1, attributes={**CHAT, **SAID}))
    post(api, {**span(2, attributes=CHAT), "traceId": "1" * 32})

    assert {c.trace_id: c.thread_id for c in calls(api)} == {TRACE: "chat-1", "1" * 32: None}


def rows_of(api: Caller) -> list[Any]:
    """The steps and calls with what they have in common with others, and the times of their threads."""
    found: list[Any] = []
    for model in (Step, Generation):
        rows = model._base_manager.filter(project_id=api.project.pk).order_by("public_id")
        found += rows.values_list("public_id", "thread_id", "user_id", "tags")
    return [
        *found,
        *Thread.objects.in_project(api.project.pk).order_by("public_id").values_list("public_id", "user_id"),
    ]


@pytest.mark.parametrize("split", [(5,), (1, 4), (4, 1), (2, 3), (3, 2), (1, 1, 1, 1, 1)])
def test_a_stored_call_is_corrected_by_its_own_parent_that_names_another_thread(
    api: Caller, split: tuple[int, ...]
) -> None:
    """Two conversations in one trace, the call below the second of which may come long before it."""
    first = {**AGENT, "session.id": "chat-1", "user.id": "ada", "tag.tags": '["a"]'}
    second = {**AGENT, "session.id": "chat-2", "user.id": "bob", "tag.tags": '["b"]'}
    tree = [
        span(1, attributes={}),
        span(2, parent=1, attributes=first),
        span(3, parent=2, attributes=CHAT),
        span(4, parent=1, attributes=second),
        span(5, parent=4, attributes=CHAT),
    ]
    for number, one in enumerate(tree):
        one["startTimeUnixNano"] = str(START + number * 10**10)
        one["endTimeUnixNano"] = str(START + number * 10**10 + 10**9)
    wanted = None
    for order in ("12345", "54321", "25143", "52314", "15243"):
        other = caller("ingest")
        waiting = [tree[int(number) - 1] for number in order]
        for count in split:
            post(other, *waiting[:count])
            del waiting[:count]
        found = rows_of(other)
        wanted = wanted or found
        assert found == wanted
        assert [(c.thread_id, c.user_id, c.tags) for c in calls(other)] == [
            ("chat-1", "ada", ["a"]),
            ("chat-2", "bob", ["b"]),
        ]


@pytest.mark.django_db(transaction=True)
def test_what_a_post_changes_besides_its_spans_is_of_the_same_transaction(api: Caller) -> None:
    """A call leaves the thread that it was lent for that of its parent, which comes later."""
    agents = [{**AGENT, "session.id": f"chat-{n}"} for n in (1, 2)]
    plain, leaving = (
        (span(2, parent=1, attributes=agents[0]), span(3, parent=4, attributes=CHAT)),
        span(4, parent=1, attributes=agents[1]),
    )
    ended = []
    for some in (plain, (leaving,)):
        with CaptureQueriesContext(connection) as sent:
            post(api, *some)
        ended.append([one["sql"].startswith("EXECUTE write_") for one in sent if one["sql"].endswith("; COMMIT")])

    assert ended == [[True], []]
    assert [c.thread_id for c in calls(api)] == ["chat-2"]


def test_a_thread_that_was_given_in_another_way_stays_when_spans_name_others(api: Caller) -> None:
    post(api, span(1, attributes={}), span(2, parent=1, attributes=CHAT))
    recording.record(api.project, [StepRecord(id=f"{TRACE}-{1:016x}", thread_id="by-hand")])

    post(api, span(3, parent=1, attributes={**AGENT, "session.id": "chat-1"}), span(4, parent=3, attributes=CHAT))
    post(api, span(5, parent=1, attributes={**AGENT, "session.id": "chat-2"}), span(6, parent=5, attributes=CHAT))

    threads = Step.objects.in_project(api.project.pk).order_by("public_id").values_list("thread_id", flat=True)
    assert list(threads) == ["by-hand", "by-hand", "chat-1", "chat-1", "chat-2", "chat-2"]


def test_what_spans_have_in_common_is_asked_of_those_that_are_stored_only_where_they_differ(api: Caller) -> None:
    def sent(*spans: Any) -> int:
        with CaptureQueriesContext(connection) as queries:
            post(api, *spans)
        return len(asked(queries))

    post(api, span(1, attributes={**AGENT, "session.id": "chat-1"}), span(2, parent=1, attributes=CHAT))
    alike = sent(span(3, parent=1, attributes=CHAT), span(4, parent=1, attributes={**AGENT, "session.id": "chat-1"}))
    few = sent(span(5, parent=1, attributes=CHAT), span(6, parent=1, attributes={**AGENT, "session.id": "chat-2"}))
    many = [span(number, parent=1, attributes=CHAT) for number in range(20, 70)]
    post(api, *many)
    later = sent(span(7, parent=1, attributes=CHAT), span(8, parent=1, attributes={**AGENT, "session.id": "chat-3"}))

    assert few == later
    assert few - alike <= 3
