"""Calls as generations: what the record says, and that recording never keeps or breaks the caller."""

import asyncio
import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from generations import llm, pricing
from generations.client import Generations
from generations.llm import recorded
from tests.completing import TEXT
from tests.scripted import Scripted
from tests.test_llm_http import Kept

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def sink() -> Kept:
    return Kept()


def test_a_call_is_recorded_with_template_variables_settings_tokens_and_times(sink: Kept) -> None:
    m = llm.model("ngram:", text=TEXT, order=2, sink=sink)
    said = {"thread_id": "t1", "tags": ["a"], "metadata": {"k": 1}, "user_id": "u", "name": "cats"}

    text = m.generate_sync("the {{what}}", 4, variables={"what": "dog"}, temperature=0, record=said)

    assert text == "the dog sat on the cat"
    (record,) = sink.records
    assert (record.type, record.prompt, record.completion) == ("completion", "the dog", " sat on the cat")
    assert record.variables == {"what": "dog"}
    assert record.attributes == {recorded.TEMPLATE: "the {{what}}"}
    assert record.parameters == {"temperature": 0, "maxTokens": 4, "decoder": "argmax"}
    assert (record.prompt_tokens, record.completion_tokens, record.total_tokens) == (2, 4, 6)
    assert (record.model_id, record.provider, record.finish_reason) == ("ngram:", "generations", "length")
    assert (record.thread_id, record.tags, record.metadata) == ("t1", ("a",), {"k": 1})
    assert (record.user_id, record.name) == ("u", "cats")
    assert record.started_at is not None and record.ended_at is not None and record.latency is not None
    assert (record.ended_at - record.started_at).total_seconds() == pytest.approx(record.latency, abs=1e-5)
    assert record.error is None


def test_messages_are_recorded_as_a_chat_with_their_template(sink: Kept) -> None:
    m = llm.model("ngram:", sink=sink)
    messages = [{"role": "user", "content": [{"type": "text", "text": "Can I pay by {{how}}?"}]}]

    m.generate_sync(messages, variables={"how": "card"}, tools=[{"type": "function", "function": {"name": "pay"}}])

    (record,) = sink.records
    assert record.type == "chat"
    assert record.messages == [{"role": "user", "content": [{"type": "text", "text": "Can I pay by card?"}]}]
    assert record.attributes == {recorded.TEMPLATE: messages}
    assert record.tools == [{"type": "function", "function": {"name": "pay"}}]
    assert record.message_completion is not None
    assert record.message_completion["content"].startswith("Yes, you can pay by card")


def test_several_answers_beams_and_values_are_alternatives_with_their_scores(sink: Kept) -> None:
    m = llm.model("ngram:", text=TEXT, order=2, sink=sink)

    samples = m.generate_sync("the", 2, decoder="sample", n=3, seed=1, return_full_text=False)
    beams = m.complete_sync("the", 2, decoder="beam", n=2)
    scores = m.score_sync("the", [" cat", " dog"])

    assert isinstance(samples, list)
    sampled, beamed, scored = sink.records
    assert [sampled.completion, *(a.content for a in sampled.alternatives or ())] == samples
    assert all(a.score is not None and a.score < 0 for a in sampled.alternatives or ())
    assert [(a.kind, a.content, a.score) for a in beamed.alternatives or ()] == [
        ("beam", c.text, c.score) for c in beams.answer.choices
    ]
    assert beamed.selected_choice == 0
    assert [(a.kind, a.content, a.score, a.tokens) for a in scored.alternatives or ()] == [
        ("scored", " cat", scores.scores()[0], 1), ("scored", " dog", scores.scores()[1], 1),
    ]  # fmt: skip
    assert (scored.type, scored.prompt, scored.completion, scored.selected_choice) == ("scoring", "the", " cat", 0)
    assert scores.generation_id == scored.id


def test_what_a_call_cost_follows_from_its_record(sink: Kept) -> None:
    m = llm.model("ngram:", text=TEXT, sink=sink)
    m.generate_sync("the dog", 2)
    (record,) = sink.records
    agreed = pricing.Override("o", "ngram:", input_price=Decimal(2), output_price=Decimal(3))

    price = pricing.price(record, [agreed])

    assert price is not None
    assert price.cost == Decimal("0.000010")


def test_an_awaited_call_that_is_cancelled_is_recorded_so(sink: Kept) -> None:
    server = Scripted()
    server.delay = 3.0
    m = llm.model("m", endpoint=server.url, sink=sink)

    async def impatient() -> None:
        await asyncio.wait_for(m.generate("x"), 0.1)

    with pytest.raises(TimeoutError):
        asyncio.run(impatient())

    assert [record.error_type for record in sink.records] == ["cancelled"]
    server.close()


def test_calls_of_an_application_reach_the_server_in_a_batch() -> None:
    server = Scripted()
    sink = llm.HttpSink(Generations(server.url, "gen_key"))
    m = llm.model("ngram:", text=TEXT, sink=sink)

    for word in ("the", "the dog", "a"):
        m.generate_sync(word, 2, n=2)
    assert sink.flush()

    sent = [json.loads(line) for _, _, _, body in server.requests for line in body.split(b"\n")]
    assert [document["input"]["content"] for document in sent] == ["the", "the dog", "a"]
    assert len(server.requests) == 1
    assert server.requests[0][2]["Authorization"] == "Bearer gen_key"
    assert [a["content"] for a in sent[1]["output"]["alternatives"]] == [" sat on"]
    server.close()


def test_a_server_that_is_away_neither_keeps_nor_breaks_a_call() -> None:
    generations = Generations("http://127.0.0.1:9", "gen_key")

    text = llm.model("ngram:", text=TEXT, sink=llm.HttpSink(generations)).generate_sync("the dog")

    assert text == "the dog sat on the cat"
    generations.close(timeout=0)


PROGRAM = """
import generations.llm as llm
print(llm.generate_sync("Hello", 3))
"""


def test_a_program_that_ends_at_once_has_recorded_by_its_environment() -> None:
    server = Scripted()
    environment = {
        "PYTHONPATH": str(ROOT), "GENERATIONS_URL": server.url, "GENERATIONS_API_KEY": "k",
        "LMQL_DEFAULT_MODEL": "ngram:",
    }  # fmt: skip

    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True)

    assert done.stdout.startswith("Hello")
    (document,) = [json.loads(line) for _, _, _, body in server.requests for line in body.split(b"\n")]
    assert (document["model"]["id"], document["output"]["content"]) == ("ngram:", done.stdout.strip()[5:])
    server.close()


def test_without_a_server_nothing_is_recorded_and_nothing_heavy_is_imported() -> None:
    program = (
        "import sys, generations.llm\n"
        "heavy = {'httpx', 'django', 'transformers', 'torch', 'orjson', 'pydantic', 'uuid6', 'numpy'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
        "print(generations.llm.recorded.default_sink())"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True
    )

    assert done.stdout.splitlines() == ["[]", "None"]


def test_the_default_model_is_the_one_that_was_set_or_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llm, "_default", [])
    assert llm.get_default_model() == "openai/gpt-3.5-turbo-instruct"
    monkeypatch.setenv("LMQL_DEFAULT_MODEL", "random")
    assert llm.model().model_identifier == "random"
    monkeypatch.setenv("LLM_DEFAULT_MODEL", "ngram:")
    assert llm.score_sync("Hello", [" World", " Apples"]).model_identifier == "ngram:"

    llm.set_default_model(llm.model("ngram:", text=TEXT, sink=None))

    assert llm.generate_sync("the dog") == "the dog sat on the cat"
    assert asyncio.run(llm.generate("the dog", 1)) == "the dog sat"
    assert asyncio.run(llm.score("the", " dog")).argmax() == " dog"
