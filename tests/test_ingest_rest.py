"""The product's own JSON: what it says of a generation, what it refuses, and that reading it back says the same."""

import dataclasses
import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from generations.ingest import rest
from generations.records import (
    Alternative,
    FeedbackRecord,
    GenerationRecord,
    InvalidRecord,
    ScoreRecord,
)

CHAT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]

# --------------------------------------------------------------------------------------------------- what is understood


def test_the_interface_of_a_generation_is_read_field_by_field() -> None:
    record = rest.generation(
        {
            "id": "generation-123",
            "timestamp": "2026-03-04T05:06:07.5+02:00",
            "model": {"id": "gpt-4", "name": "GPT-4", "version": "0613", "provider": "openai"},
            "input": {"type": "text", "content": "Two and two?", "tokens": 5},
            "output": {
                "type": "text",
                "content": "Four.",
                "tokens": 2,
                "alternatives": [{"content": "4", "tokens": 1, "score": 0.25}],
            },
            "parameters": {"temperature": 0.2, "topP": 1, "maxTokens": 10, "seed": 7},
            "usage": {"promptTokens": 5, "completionTokens": 2, "totalTokens": 7, "cost": 0.0012, "currency": "USD"},
            "metadata": {"requestId": "r", "userId": "u", "sessionId": "s", "tags": ["a", "b"], "plan": "pro"},
            "performance": {"latency": 1.5, "timeToFirstToken": 0.25, "tokensPerSecond": 4},
            "feedback": {"rating": 5, "thumbs": "up", "categories": ["accurate"], "userId": "u"},
        }
    )

    assert dataclasses.replace(record, cleared=frozenset()) == GenerationRecord(
        id="generation-123",
        type="completion",
        started_at=dt.datetime(2026, 3, 4, 3, 6, 7, 500_000, tzinfo=dt.UTC),
        model_id="gpt-4",
        model_name="GPT-4",
        model_version="0613",
        provider="openai",
        input_type="text",
        output_type="text",
        prompt="Two and two?",
        completion="Four.",
        prompt_tokens=5,
        completion_tokens=2,
        total_tokens=7,
        cost=Decimal("0.0012"),
        currency="USD",
        parameters={"temperature": 0.2, "topP": 1, "maxTokens": 10, "seed": 7},
        request_id="r",
        user_id="u",
        session_id="s",
        tags=("a", "b"),
        metadata={"plan": "pro"},
        latency=1.5,
        time_to_first_token=0.25,
        tokens_per_second=4.0,
        alternatives=(Alternative(index=0, content="4", tokens=1, score=0.25),),
        feedback=FeedbackRecord(
            generation_id="generation-123", rating=5.0, thumbs="up", categories=("accurate",), user_id="u"
        ),
    )


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"input": {"content": "Hi"}}, {"type": "completion", "prompt": "Hi"}),
        ({"type": "chat", "input": {"content": "Hi"}}, {"type": "chat", "prompt": "Hi"}),
        ({"type": "embedding", "input": {"content": "Hi"}}, {"type": "embedding", "prompt": "Hi"}),
        ({"input": {"content": {"messages": CHAT}}}, {"type": "chat", "messages": CHAT}),
        ({"input": {"content": CHAT}}, {"type": "chat", "messages": CHAT}),
        ({"messages": CHAT}, {"type": "chat", "messages": CHAT}),
        ({"messages": CHAT, "input": {"content": {"messages": CHAT}}}, {"type": "chat", "messages": CHAT}),
        ({"messages": CHAT, "input": {"content": "Hi"}}, {"type": "chat", "messages": CHAT}),
        ({"messages": CHAT, "input": {"content": "x"}}, {"type": "chat", "messages": CHAT, "input": "x"}),
        ({"prompt": "Hi", "input": {"content": "Hi"}}, {"type": "completion", "prompt": "Hi"}),
        ({"prompt": "Hi", "input": {"content": "x"}}, {"type": "completion", "prompt": "Hi", "input": "x"}),
        ({"input": {"content": {"image": 1}}}, {"input": {"image": 1}}),
        ({"input": {"content": ["one", "two"]}}, {"input": ["one", "two"]}),
        ({"input": {"content": []}}, {"input": []}),
        ({"input": {"content": 0}}, {"input": 0}),
        ({"output": {"content": "Yo"}}, {"completion": "Yo"}),
        (
            {"messages": CHAT, "output": {"content": "Yo"}},
            {"type": "chat", "messages": CHAT, "message_completion": {"role": "assistant", "content": "Yo"}},
        ),
        (
            {"type": "chat", "output": {"content": "Yo"}},
            {"type": "chat", "message_completion": {"role": "assistant", "content": "Yo"}},
        ),
        ({"output": {"content": {"role": "assistant", "tool_calls": []}}},
         {"message_completion": {"role": "assistant", "tool_calls": []}}),
        ({"output": {"content": {"label": "spam"}}}, {"output": {"label": "spam"}}),
        ({"completion": "Yo", "output": {"content": "Yo"}}, {"completion": "Yo"}),
        ({"completion": "Yo", "output": {"content": "x"}}, {"completion": "Yo", "output": "x"}),
    ],
)  # fmt: skip
def test_content_is_a_prompt_a_chat_or_kept_as_it_is(document: dict[str, Any], said: dict[str, Any]) -> None:
    record = rest.generation({"id": "g", **document})

    assert dataclasses.replace(record, cleared=frozenset()) == GenerationRecord(id="g", **said)


def test_content_replaces_the_other_forms_in_which_it_could_have_been_said() -> None:
    record = rest.generation({"id": "g", "input": {"content": "Hi"}, "output": {"content": "Yo"}})

    assert record.cleared == {"input", "messages", "output", "message_completion"}


@pytest.mark.parametrize(
    ("moment", "meant"),
    [
        ("2026-03-04T05:06:07Z", dt.datetime(2026, 3, 4, 5, 6, 7, tzinfo=dt.UTC)),
        ("2026-03-04T05:06:07", dt.datetime(2026, 3, 4, 5, 6, 7, tzinfo=dt.UTC)),
        ("2026-03-04T05:06:07.123456+01:00", dt.datetime(2026, 3, 4, 4, 6, 7, 123456, tzinfo=dt.UTC)),
        ("2026-03-04", dt.datetime(2026, 3, 4, tzinfo=dt.UTC)),
        (1_772_600_767, dt.datetime(2026, 3, 4, 5, 6, 7, tzinfo=dt.UTC)),
        (1_772_600_767.5, dt.datetime(2026, 3, 4, 5, 6, 7, 500_000, tzinfo=dt.UTC)),
        (1_772_600_767_250, dt.datetime(2026, 3, 4, 5, 6, 7, 250_000, tzinfo=dt.UTC)),
    ],
)
def test_times_are_iso_or_seconds_or_milliseconds(moment: Any, meant: dt.datetime) -> None:
    assert rest.generation({"timestamp": moment}).started_at == meant


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "1999-12-31T23:59:59Z", "2100-01-01", 0, 9e15])
def test_a_time_that_no_clock_means_is_refused_by_name(moment: Any) -> None:
    with pytest.raises(InvalidRecord, match=r"timestamp: .* is not valid"):
        rest.generation({"timestamp": moment})


@pytest.mark.parametrize(("said", "kept"), [("usd", "USD"), (" Eur ", "EUR"), ("credits", "credits"), ("ßd", "ßd")])
def test_a_currency_is_the_same_however_its_code_is_written(said: str, kept: str) -> None:
    assert rest.generation({"usage": {"cost": 1, "currency": said}}).currency == kept


def test_null_empties_and_absence_says_nothing() -> None:
    record = rest.generation(
        {
            "id": "g",
            "error": None,
            "usage": {"cost": None},
            "performance": None,
            "metadata": {"userId": None, "x": None},
        }
    )

    assert record.cleared == {"error", "cost", "latency", "time_to_first_token", "tokens_per_second", "user_id"}
    assert record.metadata == {"x": None}
    assert record.latency is None
    assert rest.generation({"id": "g"}) == GenerationRecord(id="g")


def test_a_null_content_empties_every_form_of_it() -> None:
    record = rest.generation({"id": "g", "input": {"content": None}, "output": None, "metadata": None})

    assert {"input", "messages", "prompt", "output", "message_completion", "completion"} <= record.cleared
    assert {"metadata", "tags", "user_id", "agent_id"} <= record.cleared


def test_parameters_have_one_name_each_whoever_sent_them() -> None:
    sent = {"top_p": 0.9, "max_tokens": 5, "stop": "\n", "presence_penalty": 1, "frequency_penalty": 2, "n": 3}

    assert rest.generation({"parameters": sent}).parameters == {
        "topP": 0.9,
        "maxTokens": 5,
        "stopSequences": ["\n"],
        "presencePenalty": 1,
        "frequencyPenalty": 2,
        "n": 3,
    }


def test_a_parameter_under_two_names_loses_neither_value() -> None:
    record = rest.generation({"parameters": {"top_p": 0.9, "topP": 0.8, "max_tokens": 5, "maxTokens": 5}})

    assert record.parameters == {"topP": 0.8, "top_p": 0.9, "maxTokens": 5}


def test_a_generation_without_an_id_gets_a_fresh_one() -> None:
    first, second = rest.generation({}), rest.generation({})

    assert first.id != second.id
    assert first.id < second.id


def test_numbers_are_taken_as_ids() -> None:
    assert rest.generation({"id": 7, "metadata": {"userId": 42}}).id == "7"
    assert rest.generation({"metadata": {"userId": 42}}).user_id == "42"


def test_a_model_may_be_named_by_its_id_alone() -> None:
    assert rest.generation({"model": "gpt-4"}).model_id == "gpt-4"
    said = rest.generation({"input": "Why?", "output": "Because."})
    assert (said.type, said.prompt, said.completion) == ("completion", "Why?", "Because.")
    chat = rest.generation({"messages": [{"role": "user", "content": "Why?"}], "output": "Because."})
    assert (chat.type, chat.message_completion) == ("chat", {"role": "assistant", "content": "Because."})


def test_what_only_the_store_knows_is_passed_over() -> None:
    assert rest.generation({"id": "g", "createdAt": "x", "updatedAt": 1}) == GenerationRecord(id="g")


# ------------------------------------------------------------------------------------------------------ what is refused
@pytest.mark.parametrize(
    ("document", "field", "sentence"),
    [
        ({"usage": {"promptTokens": "abc"}}, "usage.promptTokens", "'abc' is not valid; expected a whole number"),
        ({"usage": {"promptTokens": 1.5}}, "usage.promptTokens", "a whole number from 0 to 2147483647"),
        ({"usage": {"promptTokens": -1}}, "usage.promptTokens", "a whole number from 0 to 2147483647"),
        ({"usage": {"promptTokens": True}}, "usage.promptTokens", "a whole number"),
        ({"usage": {"promptTokens": float("nan")}}, "usage.promptTokens", "a whole number"),
        ({"usage": {"totalTokens": 10**400}}, "usage.totalTokens", "'a huge number' is not valid"),
        ({"usage": {"cost": "much"}}, "usage.cost", "an amount such as 0.0012"),
        ({"usage": {"cost": -1}}, "usage.cost", "an amount from 0"),
        ({"usage": {"cost": float("inf")}}, "usage.cost", "an amount from 0"),
        ({"usage": {"prompt_tokens": 1}}, "usage.prompt_tokens", "did you mean 'usage.promptTokens'?"),
        ({"usage": []}, "usage", "[] is not valid; expected an object"),
        ({"tags": ["a"]}, "tags", "there is no such field; did you mean 'metadata.tags'?"),
        ({"userId": "u"}, "userId", "did you mean 'metadata.userId'?"),
        ({"latency": 1}, "latency", "did you mean 'performance.latency'?"),
        ({"rating": 1}, "rating", "did you mean 'feedback.rating'?"),
        ({"temperature": 1}, "temperature", "did you mean 'parameters.temperature'?"),
        ({"error": {"type": "RateLimit", "message": "Slow"}}, "error", "its type goes into errorType"),
        ({"error": 429}, "error", "a text"),
        ({"outptu": {}}, "outptu", "did you mean 'output'?"),
        ({"$set": {}}, "$set", "there is no such field"),
        ({"timestamp": "yesterday"}, "timestamp", "expected a time such as 2026-01-31T12:00:00Z"),
        ({"timestamp": 1e300}, "timestamp", "expected a time"),
        ({"timestamp": float("nan")}, "timestamp", "expected a time"),
        ({"timestamp": True}, "timestamp", "expected a time"),
        ({"timestamp": "0001-01-01T00:00:00+23:59"}, "timestamp", "expected a time"),
        ({"type": "CHAT"}, "type", "expected one of chat, completion"),
        ({"performance": {"latency": -1}}, "performance.latency", "a number that is not negative"),
        ({"performance": {"latency": "fast"}}, "performance.latency", "a number"),
        ({"messages": "Hi"}, "messages", "an array"),
        ({"messages": ["Hi"]}, "messages[0]", "an object"),
        ({"metadata": []}, "metadata", "an object"),
        ({"metadata": {"userId": {}}}, "metadata.userId", "a text"),
        ({"metadata": {"tags": "a"}}, "metadata.tags", "an array of texts"),
        ({"metadata": {"tags": ["a", 1]}}, "metadata.tags[1]", "a text"),
        ({"feedback": {"rating": 6}}, "feedback.rating", "a number from 1 to 5"),
        ({"feedback": {"thumbs": "sideways"}}, "feedback.thumbs", "one of up, down"),
        ({"feedback": {"thumb": "up"}}, "feedback.thumb", "did you mean 'feedback.thumbs'?"),
        ({"feedback": "good"}, "feedback", "an object"),
        ({"scores": [{"value": 1}]}, "scores[0].name", "the name of what is judged"),
        ({"scores": [{"name": "x", "value": "1"}]}, "scores[0].value", "a number"),
        ({"scores": [{"name": "x", "generationId": "h"}]}, "scores[0].generationId", "there is no such field"),
        ({"scores": {}}, "scores", "an array"),
        ({"output": {"alternatives": [{"contents": 1}]}}, "output.alternatives[0].contents", "did you mean"),
        ({"output": {"alternatives": ["x"]}}, "output.alternatives[0]", "an object"),
        ({"attachments": [{"storageKey": "/etc/passwd"}]}, "attachments[0].storageKey", "there is no such field"),
        ({"id": ""}, "id", "a text of 1 to 512 characters"),
        ({"id": None}, "id", "a text of 1 to 512 characters"),
        ({"id": 1.5}, "id", "a text"),
        ([], "generation", "an object"),
        ("x", "generation", "an object"),
        (None, "generation", "an object"),
    ],
)
def test_a_wrong_document_is_refused_by_its_exact_path(document: Any, field: str, sentence: str) -> None:
    with pytest.raises(InvalidRecord) as refusal:
        rest.generation(document)

    assert refusal.value.field == field
    assert str(refusal.value).startswith(f"{field}: ")
    assert sentence in str(refusal.value)


def test_feedback_that_says_nothing_is_refused() -> None:
    with pytest.raises(InvalidRecord, match="at least one of rating, thumbs, comment and categories"):
        rest.feedback("g", {"userId": "u"})


def test_a_score_is_on_something_and_only_on_what_the_address_says() -> None:
    assert rest.score({"name": "quality", "value": 1, "stepId": "s"}).step_id == "s"
    assert rest.score({"name": "quality"}, generation_id="g") == ScoreRecord(name="quality", generation_id="g")
    with pytest.raises(InvalidRecord, match="what the score is on"):
        rest.score({"name": "quality"})
    with pytest.raises(InvalidRecord, match="generationId: 'h' is not valid; expected 'g', as in the address"):
        rest.score({"name": "quality", "generationId": "h"}, generation_id="g")


def test_asked_fields_have_to_exist() -> None:
    assert rest.check_fields("input, usage.cost,metadata.plan.name") == ("input", "usage.cost", "metadata.plan.name")
    assert rest.check_fields(["id", "scores"]) == ("id", "scores")
    assert rest.check_fields(None) is None
    for wrong, hint in (("usage.costs", "usage.cost"), (["outputs"], "output"), ("tags", "metadata.tags")):
        with pytest.raises(InvalidRecord, match=f"did you mean '{hint}'"):
            rest.check_fields(wrong)
    with pytest.raises(InvalidRecord, match="a list of paths"):
        rest.check_fields([1])


def test_only_what_is_asked_for_is_shown() -> None:
    record = rest.generation(
        {"id": "g", "input": {"content": "Hi", "type": "text"}, "usage": {"cost": 1, "promptTokens": 3},
         "metadata": {"plan": "pro", "x": 1}}
    )  # fmt: skip

    assert rest.document(record, ["usage.cost", "input", "metadata.plan", "feedback"]) == {
        "input": {"type": "text", "content": "Hi", "tokens": 3},
        "usage": {"cost": 1.0},
        "metadata": {"plan": "pro"},
    }


def test_an_error_of_a_step_that_is_no_text_is_told_where_its_parts_go() -> None:
    with pytest.raises(InvalidRecord) as raised:
        rest.step({"id": "s", "error": {"message": "No", "code": 5}})

    assert raised.value.field == "error"
    assert raised.value.expected == "a text: what it says; a trace goes into errorDetail"
