"""Models behind HTTP: what is sent, what is made of the answers, batches, streams."""

import asyncio
import json
from typing import Any

import pytest

from generations import llm
from generations.records import GenerationRecord
from tests.completing import MODEL, answered, endpoint
from tests.scripted import Scripted

__all__ = ["endpoint"]


class Kept:
    """A sink that keeps what it gets."""

    def __init__(self) -> None:
        self.records: list[GenerationRecord] = []

    def record(self, record: GenerationRecord) -> None:
        self.records.append(record)


def bodies(endpoint: Scripted) -> list[dict[str, Any]]:
    return [json.loads(body) for _, _, _, body in endpoint.requests]


def test_a_text_goes_to_completions_and_comes_back_whole(endpoint: Scripted) -> None:
    m = llm.model("m", endpoint=endpoint.url, api_key="k1", sink=None)

    text = m.generate_sync("the dog", max_tokens=3, temperature=0, stop=["x"], top_p=0.5)

    assert text == "the dog sat on the"
    method, path, headers, _ = endpoint.requests[0]
    assert (method, path, headers["Authorization"]) == ("POST", "/v1/completions", "Bearer k1")
    assert bodies(endpoint) == [
        {"model": "m", "prompt": "the dog", "max_tokens": 3, "temperature": 0, "stop": ["x"], "top_p": 0.5}
    ]


def test_messages_go_to_chat_and_so_does_a_text_for_a_model_that_only_chats(endpoint: Scripted) -> None:
    sink = Kept()
    m = llm.model("m", endpoint=f"{endpoint.url}/v1/chat/completions", sink=sink)

    said = m.generate_sync([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "the dog"}])
    text = m.generate_sync("the dog")

    assert said == " sat on the cat"
    assert text == "the dog sat on the cat"
    assert [path for _, path, _, _ in endpoint.requests] == ["/v1/chat/completions"] * 2
    assert bodies(endpoint)[1] == {"model": "m", "messages": [{"role": "user", "content": "the dog"}], "temperature": 0}
    assert [record.type for record in sink.records] == ["chat", "chat"]
    assert sink.records[0].model_version == "m-2"


@pytest.mark.parametrize(
    ("name", "options", "path", "header"),
    [
        ("openai/gpt-4o", {"endpoint": "{url}/v1", "api_key": "k"}, "/v1/chat/completions",
         ("Authorization", "Bearer k")),
        ("openai/gpt-3.5-turbo-instruct", {"endpoint": "{url}", "api_key": "k"}, "/v1/completions",
         ("Authorization", "Bearer k")),
        ("openai/x", {"endpoint": "{url}/deep/v1/completions"}, "/deep/v1/completions", None),
        ("azure/gpt-4o", {"endpoint": "{url}", "api_key": "k", "api_version": "2024-10-21"},
         "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21", ("api-key", "k")),
        ("ollama/llama3", {"endpoint": "{url}", "chat": True}, "/v1/chat/completions", None),
    ],
)  # fmt: skip
def test_each_name_finds_its_way(
    endpoint: Scripted, name: str, options: dict[str, Any], path: str, header: tuple[str, str] | None
) -> None:
    given = {key: value.format(url=endpoint.url) if key == "endpoint" else value for key, value in options.items()}

    llm.model(name, **given, environ={}, sink=None).generate_sync("the", max_tokens=1)

    assert endpoint.requests[0][1] == path
    if header is None:
        assert "Authorization" not in endpoint.requests[0][2]
    else:
        assert endpoint.requests[0][2][header[0]] == header[1]


def test_anthropic_is_spoken_to_in_its_own_words(endpoint: Scripted) -> None:
    answer = {
        "type": "message", "id": "msg_1", "model": "claude-x", "role": "assistant", "stop_reason": "end_turn",
        "content": [{"type": "text", "text": "sat."}], "usage": {"input_tokens": 7, "output_tokens": 2},
    }  # fmt: skip
    endpoint.answer = lambda method, path, body: (200, {}, json.dumps(answer).encode())
    sink = Kept()
    m = llm.model("anthropic/claude-x", endpoint=endpoint.url, api_key="k", sink=sink)
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "the cat"}]

    text = m.generate_sync(messages, max_tokens=9, stop="!", n=2)

    assert text == ["sat.", "sat."]
    assert len(endpoint.requests) == 2
    _, path, headers, _ = endpoint.requests[0]
    assert (path, headers["x-api-key"], headers["anthropic-version"]) == ("/v1/messages", "k", "2023-06-01")
    assert bodies(endpoint)[0] == {
        "model": "claude-x", "messages": [{"role": "user", "content": "the cat"}], "max_tokens": 9,
        "system": "Be brief.", "temperature": 0, "stop_sequences": ["!"],
    }  # fmt: skip
    (record,) = sink.records
    assert (record.provider, record.prompt_tokens, record.completion_tokens) == ("anthropic", 14, 4)
    assert [other.content for other in record.alternatives or ()] == [
        {"role": "assistant", "content": [{"type": "text", "text": "sat."}]}
    ]


def test_calls_that_come_together_travel_together(endpoint: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    # Together, however slowly a busy machine lets them come.
    monkeypatch.setattr("generations.llm.batching.WINDOW", 0.3)
    sink = Kept()
    m = llm.model("m", endpoint=endpoint.url, sink=sink)

    async def four() -> list[str | list[str]]:
        return await asyncio.gather(*(m.generate(text, max_tokens=2) for text in ("the", "the dog", "cat", "on")))

    texts = asyncio.run(four())

    assert texts == [m.generate_sync(text, max_tokens=2) for text in ("the", "the dog", "cat", "on")]
    assert bodies(endpoint)[0]["prompt"] == ["the", "the dog", "cat", "on"]
    together, alone = sink.records[:4], sink.records[4:]
    assert len(endpoint.requests) == 1 + 4
    for name in ("prompt_tokens", "completion_tokens"):
        assert sum(getattr(r, name) for r in together) == sum(getattr(r, name) for r in alone)
    assert {r.tokens_estimated for r in together} == {True}
    assert {r.tokens_estimated for r in alone} == {None}


def test_several_answers_to_each_of_several_prompts_find_their_callers(endpoint: Scripted) -> None:
    m = llm.model("m", endpoint=endpoint.url, sink=None)

    async def both() -> list[str | list[str]]:
        calls = [m.generate("the", 1, n=2), m.generate(" sat", 1, n=2), m.generate("the", 3)]
        return await asyncio.gather(*calls)

    assert asyncio.run(both()) == [["the cat"] * 2, [" sat on"] * 2, m.generate_sync("the", 3)]
    sent = [(b["prompt"], b.get("n")) for b in bodies(endpoint)[:2]]
    assert sorted(sent, key=repr) == [("the", None), (["the", " sat"], 2)]


def test_a_hundred_values_are_one_request(endpoint: Scripted) -> None:
    sink = Kept()
    m = llm.model("m", endpoint=endpoint.url, sink=sink)
    values = [f" {word}{n}" for n, word in enumerate(["cat", "dog", "mat", "sat"] * 25)]

    result = m.score_sync("the", values)

    assert len(endpoint.requests) == 1
    body = bodies(endpoint)[0]
    assert (len(body["prompt"]), body["max_tokens"], body["echo"]) == (100, 0, True)
    before = MODEL.tokens("the")
    expected = [sum(MODEL.logprobs(before, MODEL.tokens(value))) for value in values]
    assert list(result.scores()) == pytest.approx(expected)
    (record,) = sink.records
    assert record.type == "scoring"
    assert [(a.kind, a.content) for a in record.alternatives or ()] == [("scored", value) for value in values]
    assert [a.score for a in record.alternatives or ()] == pytest.approx(expected)
    assert record.completion == result.argmax() == values[record.selected_choice or 0]


def test_a_server_that_must_make_a_token_makes_one_that_does_not_count(endpoint: Scripted) -> None:
    def least_one(method: str, path: str, body: bytes) -> Any:
        if json.loads(body)["max_tokens"] == 0:
            return 400, {}, b'{"error": {"message": "max_tokens must be at least 1, got 0."}}'
        return answered(method, path, body)

    endpoint.answer = least_one
    m = llm.model("m", endpoint=endpoint.url, sink=None)

    first, again = m.score_sync("the", [" cat", " dog sat"]), m.score_sync("the", " cat")

    assert [seq.value_tokens for seq in first.seqs] == [1, 2]
    assert first.scores()[0] == again.scores()[0]
    assert [b["max_tokens"] for b in bodies(endpoint)] == [0, 1, 1]


def test_a_stream_brings_the_answer_in_pieces_and_is_recorded_once_whole(endpoint: Scripted) -> None:
    sink = Kept()
    m = llm.model("m", endpoint=endpoint.url, sink=sink)
    stream = m.stream("the dog", max_tokens=20)

    texts = [piece.text for piece in stream if piece.text]

    assert texts == [" sat", " on", " the", " cat"]
    assert bodies(endpoint)[0]["stream"] is True
    (record,) = sink.records
    assert (record.id, record.completion, record.finish_reason) == (stream.id, " sat on the cat", "stop")
    assert (record.prompt_tokens, record.completion_tokens) == (2, 4)
    assert record.time_to_first_token is not None
    assert record.latency is not None
    assert 0 < record.time_to_first_token <= record.latency


def test_a_stream_may_be_awaited_from_any_loop(endpoint: Scripted) -> None:
    m = llm.model("m", endpoint=f"{endpoint.url}/v1/chat/completions", sink=None)

    async def read() -> str:
        return "".join([piece.text async for piece in m.stream([{"role": "user", "content": "the dog"}])])

    assert asyncio.run(read()) == asyncio.run(read()) == " sat on the cat"


def test_an_answer_that_comes_as_a_stream_unasked_is_an_answer(endpoint: Scripted) -> None:
    def always(method: str, path: str, body: bytes) -> Any:
        return answered(method, path, json.dumps({**json.loads(body), "stream": True}).encode())

    endpoint.answer = always

    assert llm.model("m", endpoint=endpoint.url, sink=None).generate_sync("the dog", 9) == "the dog sat on the cat"


def test_a_beam_search_is_asked_for_where_there_may_be_one(endpoint: Scripted) -> None:
    m = llm.model("m", endpoint=endpoint.url, sink=None)

    m.generate_sync("the", 1, decoder="beam", n=2)

    assert {k: v for k, v in bodies(endpoint)[0].items() if k not in ("model", "prompt", "max_tokens")} == {
        "use_beam_search": True, "best_of": 2, "n": 2, "temperature": 0,
    }  # fmt: skip
    with pytest.raises(llm.NotSupported, match="no beam search"):
        llm.model("openai/gpt-4o", api_key="k", sink=None).generate_sync("the", decoder="beam")


def test_a_key_is_never_shown(endpoint: Scripted) -> None:
    m = llm.model("m", endpoint=endpoint.url, api_key="sk-secret", headers={"X-Key": "sk-secret"})

    assert "sk-secret" not in f"{m} {m!r}"
    assert endpoint.url in str(m)
