"""What goes wrong, as typed errors that are recorded with what had arrived."""

import json
import socket
import time
from typing import Any

import pytest

from generations import llm
from tests.completing import EVENTS, JSON, answered, endpoint
from tests.scripted import Scripted
from tests.test_llm_http import Kept

__all__ = ["endpoint"]
BRACED = [
    {"role": "system", "content": "{{a}} {{z}}"},
    {"role": "user", "content": [{"type": "text", "text": "{{b}}"}, {"type": "tool_result", "content": "{{c}}"}]},
]


def told(message: str, **more: Any) -> bytes:
    return json.dumps({"error": {"message": message, **more}}).encode()


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (401, told("Incorrect API key provided: sk-x."), llm.WrongKey, "Incorrect API key"),
        (403, told("You may not use this model."), llm.WrongKey, "may not"),
        (404, told("The model `m` does not exist", code="model_not_found"), llm.UnknownModel, "does not exist"),
        (400, told("This model's maximum context length is 10 tokens", code="context_length_exceeded"),
         llm.ContextTooLong, "maximum context length"),
        (400, b'{"object": "error", "message": "temperature must be below 2", "code": 400}', llm.Refused, "below 2"),
        (422, b'{"detail": [{"msg": "field required"}]}', llm.Refused, "field required"),
        (429, told("Rate limit reached"), llm.RateLimited, "Rate limit"),
        (500, b"<html>oops</html>", llm.ProviderFailed, "oops"),
        (504, b"", llm.TooSlow, "504"),
        (302, b"", llm.Refused, "redirects are not followed"),
        (200, b"<html>hello</html>", llm.Broken, "other than JSON"),
        (200, b'{"choices": []}', llm.Broken, "0 of 1"),
        (200, b'{"choices": "none"}', llm.Broken, "a list"),
        (200, b"[]", llm.Broken, "no object"),
    ],
)  # fmt: skip
def test_a_refusal_has_a_type_and_is_recorded(
    endpoint: Scripted, status: int, body: bytes, kind: type[llm.LLMError], words: str
) -> None:
    endpoint.script.append((status, {**JSON, "Location": "http://169.254.169.254/"}, body))
    sink = Kept()
    m = llm.model("m", endpoint=endpoint.url, sink=sink, attempts=1)

    with pytest.raises(kind, match=words) as caught:
        m.generate_sync("the dog")

    assert type(caught.value) is kind
    (record,) = sink.records
    assert (record.error_type, record.prompt, record.completion) == (kind.kind, "the dog", None)
    assert record.error
    assert len(endpoint.requests) == 1


def test_nobody_there_is_unreachable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"

    with pytest.raises(llm.Unreachable, match="No connection"):
        llm.model("m", endpoint=url, sink=None, attempts=1).generate_sync("x")


def test_who_is_silent_is_too_slow(endpoint: Scripted) -> None:
    endpoint.delay = 2.0

    with pytest.raises(llm.TooSlow, match="silent"):
        llm.model("m", endpoint=endpoint.url, sink=None, timeout=0.1).generate_sync("x")


def test_who_dies_in_the_answer_has_broken(endpoint: Scripted) -> None:
    endpoint.cut_after = 20

    with pytest.raises(llm.Broken, match="lost"):
        llm.model("m", endpoint=endpoint.url, sink=None).generate_sync("the")


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("body", [b"<html>Log in first</html>", b"[" * 200_000])
@pytest.mark.parametrize("is_stream", [False, True])
def test_an_answer_that_cannot_be_read_is_an_error_of_its_provider(
    endpoint: Scripted, status: int, body: bytes, is_stream: bool
) -> None:
    endpoint.script += [(status, JSON, body)]
    sink = Kept()
    model = llm.model("m", endpoint=endpoint.url, sink=sink, attempts=1)

    with pytest.raises(llm.LLMError) as caught:
        "".join(piece.text for piece in model.stream("the")) if is_stream else model.generate_sync("the")

    assert type(caught.value) is (llm.Broken if status == 200 else llm.ProviderFailed)
    assert [record.error_type for record in sink.records] == [caught.value.kind]


@pytest.mark.parametrize("how", ["cut", "error", "garbage", "depth"])
def test_a_stream_that_breaks_keeps_what_had_arrived(endpoint: Scripted, how: str) -> None:
    status, headers, body = answered("POST", "/", b'{"prompt": "the dog", "max_tokens": 9, "stream": true}')
    assert not isinstance(body, bytes)
    endings = {
        "cut": b"",
        "error": b"data: " + told("overloaded", type="server_error") + b"\n\n",
        "garbage": b"data: {\n\n",
        "depth": b"data: " + b"[" * 200_000 + b"\n\n",
    }
    kinds = {"cut": llm.Broken, "error": llm.ProviderFailed, "garbage": llm.Broken, "depth": llm.Broken}
    parts = [*body[:3], endings[how]] if endings[how] else body[:3]
    endpoint.script.append((status, headers, parts))
    sink = Kept()
    stream = llm.model("m", endpoint=endpoint.url, sink=sink).stream("the dog")
    seen: list[str] = []

    with pytest.raises(kinds[how]) as caught:
        seen.extend(piece.text for piece in stream)

    assert caught.value.partial == " sat on"
    (record,) = sink.records
    assert (record.completion, record.error_type) == (" sat on", kinds[how].kind)
    assert record.time_to_first_token is not None


def test_leaving_a_stream_ends_the_call_and_is_recorded(endpoint: Scripted) -> None:
    piece = b'data: {"choices": [{"index": 0, "text": " la"}]}\n\n'
    endpoint.script.append((200, EVENTS, [piece] * 1000))
    endpoint.pause = 0.01
    sink = Kept()
    pieces = iter(llm.model("m", endpoint=endpoint.url, sink=sink).stream("sing"))

    assert next(pieces).text == " la"
    pieces.close()

    (record,) = sink.records
    assert record.error_type == "cancelled"
    assert (record.completion or "").startswith(" la")
    assert len(record.completion or "") < 1000


def test_patience_is_as_long_as_the_provider_asks(endpoint: Scripted) -> None:
    endpoint.script.append((429, {"Retry-After": "0.3"}, told("slow down")))
    endpoint.script.append((503, {}, told("loading")))
    m = llm.model("m", endpoint=endpoint.url, sink=None)

    began = time.monotonic()
    assert m.generate_sync("the dog", 1) == "the dog sat"

    assert len(endpoint.requests) == 3
    assert time.monotonic() - began >= 0.3


def test_who_asks_for_too_much_patience_gets_none(endpoint: Scripted) -> None:
    endpoint.script.append((429, {"Retry-After": "3600"}, told("come back tomorrow")))

    with pytest.raises(llm.RateLimited) as caught:
        llm.model("m", endpoint=endpoint.url, sink=None).generate_sync("x")

    assert caught.value.retry_after == 3600
    assert caught.value.status == 429
    assert len(endpoint.requests) == 1


def test_a_server_that_makes_scores_up_is_refused(endpoint: Scripted) -> None:
    def zeros(method: str, path: str, body: bytes) -> Any:
        status, headers, answer = answered(method, path, body)
        assert isinstance(answer, bytes)
        response = json.loads(answer)
        for choice in response["choices"]:
            choice["logprobs"]["token_logprobs"] = [0.0] * len(choice["logprobs"]["tokens"])
        return status, headers, json.dumps(response).encode()

    endpoint.answer = zeros
    sink = Kept()

    with pytest.raises(llm.NoPromptLogprobs, match="does not really score"):
        llm.model("m", endpoint=endpoint.url, sink=sink).score_sync("the cat", [" sat", " ate"])

    assert sink.records[0].error_type == "no_prompt_logprobs"
    assert sink.records[0].type == "scoring"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((400, told("Setting 'echo' and 'logprobs' at once is not supported for this model.")), "does not score"),
        ((200, b'{"choices": [{"index": 0, "text": "the cat", "logprobs": null}]}'), "gives no log-probabilities"),
        ((200, b'{"choices": [{"index": 0, "logprobs": {"tokens": ["cat"], "token_logprobs": [-1]}}]}'), "echo"),
    ],
)  # fmt: skip
def test_a_server_that_does_not_score_is_refused(endpoint: Scripted, answer: tuple[int, bytes], words: str) -> None:
    endpoint.script.append((answer[0], JSON, answer[1]))

    with pytest.raises(llm.NoPromptLogprobs, match=words):
        llm.model("m", endpoint=endpoint.url, sink=None).score_sync("the", [" cat"])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda m: m.generate_sync(3), "prompt: 3"),
        (lambda m: m.generate_sync([]), "prompt: "),
        (lambda m: m.generate_sync("x", n=0), "n: 0 is not valid; expected a whole number from 1"),
        (lambda m: m.generate_sync("x", n=True), "n: True"),
        (lambda m: m.generate_sync("x", max_tokens=0), "max_tokens: 0"),
        (lambda m: m.generate_sync("x", decoder="greedy"), "decoder: 'greedy' is not valid; expected one of argmax"),
        (lambda m: m.generate_sync("x", temperature=float("nan")), "temperature: nan"),
        (lambda m: m.generate_sync("x", temperature="hot"), "temperature: 'hot'"),
        (lambda m: m.generate_sync("x", top_p=2), "top_p: 2"),
        (lambda m: m.generate_sync("x", stop=""), "stop: ''"),
        (lambda m: m.generate_sync("{{a}} {{b}}", variables={"a": 1}), "no value for 'b'"),
        (lambda m: m.generate_sync("{{a}} {{b}} {{c}} {{b}}", variables={}), "no value for 'a', 'b', 'c' of"),
        (lambda m: m.generate_sync(BRACED, variables={"z": 1}), "no value for 'a', 'b' of the template; given are: z"),
        (lambda m: m.generate_sync("x", record={"thread": "t"}), "record: 'thread' is not known"),
        (lambda m: m.generate_sync("x", metadata_set={1, 2}), "cannot be written as JSON"),
        (lambda m: m.score_sync("x", []), "values: "),
        (lambda m: m.score_sync("x", ""), r"values\[0\]: ''"),
        (lambda m: m.score_sync("x", ["a", 3]), r"values\[1\]: 3"),
        (lambda m: m.score_sync("x", 3), "values: 3"),
        (lambda m: m.score_sync(None, ["a"]), "prompt: None"),
        (lambda m: m.score_sync("x", "a", temperature=1), "temperature: scoring has no such argument"),
        (lambda m: m.score_sync("x", "a", straddle="maybe"), "straddle: 'maybe'"),
    ],
)
def test_what_makes_no_sense_is_refused_before_it_is_sent(endpoint: Scripted, call: Any, words: str) -> None:
    m = llm.model("m", endpoint=endpoint.url, sink=None)

    with pytest.raises(llm.InvalidCall, match=words):
        call(m)

    assert endpoint.requests == []


@pytest.mark.parametrize(
    ("name", "options", "kind", "words"),
    [
        ("opnai/gpt-4", {}, llm.UnknownModel, "Did you mean 'openai'"),
        ("llama.cpp:x.bin", {}, llm.UnknownModel, "pass its address as endpoint="),
        ("openai/", {}, llm.UnknownModel, "empty"),
        ("ngram:/no/such/file.txt", {}, llm.UnknownModel, "cannot be read"),
        ("openai/gpt-4", {"end_point": "http://x"}, llm.InvalidCall, "did you mean 'endpoint'"),
        ("m", {"endpoint": "ftp://x"}, llm.InvalidCall, "endpoint: 'ftp://x'"),
        ("m", {"endpoint": "http://x", "api_key": "a\nb"}, llm.InvalidCall, "not valid in a header"),
        ("azure/x", {"environ": {}}, llm.InvalidCall, "endpoint: azure/ needs"),
        ("ngram:", {"order": 99}, llm.InvalidCall, "order: 99"),
        ("ngram:", {"compat": "openai"}, llm.InvalidCall, "compat: 'openai'"),
        (7, {}, llm.InvalidCall, "model: 7"),
    ],
)
def test_a_model_that_does_not_exist_is_refused(name: Any, options: Any, kind: type[llm.LLMError], words: str) -> None:
    with pytest.raises(kind, match=words):
        llm.model(name, **options)


@pytest.mark.parametrize(("name", "key"), [("openai/gpt-4o", "OPENAI_API_KEY"), ("claude-x", "ANTHROPIC_API_KEY")])
def test_a_missing_key_is_told_when_it_is_needed(name: str, key: str) -> None:
    m = llm.model(name, environ={}, sink=None)

    with pytest.raises(llm.NotConfigured, match=key):
        m.generate_sync("x")
