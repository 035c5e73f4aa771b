"""What a model call was sent and what came back, read from whichever attributes hold it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from generations.cleaning import MAX_ID, MAX_TEXT, clean_string
from generations.ingest.otlp import definitions, genai, langfuse, messages, raw, sentry, spelt
from generations.ingest.otlp.answers import ANSWERED, SENT, Fields, answered, asked_fields, reasoned
from generations.ingest.otlp.dialects import TOOLS, member
from generations.ingest.otlp.messages import loaded
from generations.ingest.otlp.names import About
from generations.reading import compact
from generations.records import Json

Attributes = Mapping[str, Json]


def read(attributes: Attributes, about: About, kind: str, choices: int | None) -> Fields:
    """The content of a call of type `kind`; `choices` is how many answers were asked for, where that is known.

    The dialects are read from the most particular to the least; a field that one lacks is filled from the next.
    """
    fields: Fields = {}
    for dialect in about.dialects:
        _fill(fields, _DIALECTS[dialect](attributes, about, kind, choices))
    for asked, given in about.pairs:
        whole = raw.read(loaded(attributes.get(asked)), loaded(attributes.get(given)), kind)
        _identify(fields, whole)
        _fill(fields, whole)
    if "gen_ai.system_instructions" in attributes and "gen_ai.input.messages" not in attributes:
        genai.instruct(fields, messages.system(attributes["gen_ai.system_instructions"]))
    if kind == "embedding":
        if "messages" in fields:
            _fill(fields, asked_fields(fields.pop("messages"), kind))
        # Vectors of thousands of numbers that nobody reads.
        for name in ("output", "message_completion", "completion", "alternatives"):
            fields.pop(name, None)
    return _typed(fields)


_STORABLE: Final = frozenset({str, list, dict})


def work(value: Json) -> Json:
    """What work was given or made: an object, a list or a text; numbers and the like as their text."""
    found = loaded(value)
    if found is None or type(found) in _STORABLE:
        return found
    return value if isinstance(value, str) else compact(value)


_TEXTS: Final = (("prompt", "input"), ("completion", "output"))


def _typed(fields: Fields) -> Fields:
    """The fields that have the type that a record has for them; others where they can be kept, as input and output."""
    if "finish_reason" in fields:
        fields["finish_reason"] = fields["finish_reason"][:MAX_TEXT]
    if _DOUBTFUL.isdisjoint(fields):
        return fields
    for name, other in _TEXTS:
        if name in fields and (value := fields[name]) is not None and not isinstance(value, str):
            fields[other] = fields.pop(name)
    for name in ("input", "output"):
        if name in fields:
            fields[name] = work(fields[name])
    if "logprobs" in fields and not isinstance(fields["logprobs"], dict | list):
        del fields["logprobs"]
    for name in ("response_id", "user_id"):
        if name in fields:
            fields[name] = clean_string(str(fields[name]))[:MAX_ID] or None
    return fields


_DOUBTFUL: Final = frozenset({"prompt", "completion", "input", "output", "logprobs", "response_id", "user_id"})
"""The fields that may be of another type than a record has."""


def _fill(fields: Fields, more: Fields) -> None:
    if not fields:
        fields.update(more if None not in more.values() else {n: v for n, v in more.items() if v is not None})
        return
    has_input, has_output = not SENT.isdisjoint(fields), not ANSWERED.isdisjoint(fields)
    is_same = has_output and any(name in fields and fields[name] == more.get(name) for name in ANSWERED)
    for name, value in more.items():
        if value is None or name in fields:
            continue
        if has_input and name in SENT:
            continue
        if has_output and (name in ANSWERED or (name == "alternatives" and not is_same)):
            continue
        fields[name] = value


def _identify(fields: Fields, whole: Fields) -> None:
    """Put the same messages in the place of those that lost ids or texts: LangChain's in JavaScript."""
    if isinstance(said := fields.get("messages"), list) and any(map(_is_broken, said)):
        told = whole.get("messages")
        if isinstance(told, list) and _roles(told) == _roles(said) and not any(map(_is_broken, told)):
            fields["messages"] = told
    if _is_broken(fields.get("message_completion")):
        told = whole.get("message_completion")
        is_empty = len(fields["message_completion"]) == 2 and "tool_calls" not in fields["message_completion"]
        if isinstance(told, dict) and (is_empty or told.get("tool_calls")) and not _is_broken(told):
            fields["message_completion"] = told


def _roles(said: list[Json]) -> list[Json]:
    return [one.get("role") if isinstance(one, dict) else None for one in said]


def _is_broken(message: Json) -> bool:
    if not isinstance(message, dict):
        return False
    if len(message) == 2 and message.get("content", "") is None:
        return True
    if "tool_calls" in message and isinstance(calls := message["tool_calls"], list):
        for one in calls:
            if isinstance(one, dict) and one.get("id") is None:
                return True
    return message.get("role") == "tool" and not message.get("tool_call_id")


# ------------------------------------------------------------------------------------------------------------- dialects
def _openinference(attributes: Attributes, about: About, kind: str, choices: int | None) -> Fields:
    fields: Fields = {}
    spoken = spelt.spoken(about.asked, attributes) if about.asked else None
    if spoken or (asked := spelt.valued(about.lists["llm.input_messages."], attributes)):
        fields["messages"] = spoken or messages.conversation(asked)
        if '"system"' in str(attributes.get("llm.invocation_parameters")):
            fields["messages"] = _instructed(fields["messages"], attributes["llm.invocation_parameters"])
    elif prompts := [p for p in spelt.valued(about.lists["llm.prompts."], attributes) if _has_prompt(p)]:
        texts = [_deep(p, "prompt", "text") for p in prompts]
        fields["prompt" if len(texts) == 1 else "input"] = texts[0] if len(texts) == 1 else texts
    elif embedded := spelt.valued(about.lists["embedding.embeddings."], attributes):
        texts = [_deep(e, "embedding", "text") for e in embedded]
        fields["prompt" if len(texts) == 1 else "input"] = texts[0] if len(texts) == 1 else texts
    if about.given and len(about.given) == 1 and kind != "completion":
        answer = spelt.spoken(about.given, attributes)
    else:
        answer = None
    given = answer or spelt.valued(about.lists["llm.output_messages."], attributes)
    if not given and (
        texts := [_deep(c, "completion", "text") for c in spelt.valued(about.lists["llm.choices."], attributes)]
    ):
        given = [{"role": "assistant", "content": text} for text in texts]
        choices = len(texts)
    if answer:
        (fields["message_completion"],) = answer
    else:
        fields |= answered(given, kind, (choices or 1) > 1)
    if about.tools and all(type(attributes[name]) is str for name in about.tools):
        fields["tools"] = definitions.defined(tuple([attributes[name] for name in about.tools]))
    elif tools := spelt.valued(about.lists["llm.tools."], attributes):
        fields["tools"] = definitions.tools(tools)
    elif '"tools"' in str(attributes.get("llm.invocation_parameters")):
        fields["tools"] = definitions.tools(member(attributes["llm.invocation_parameters"], "tools"))
    return fields


def _instructed(asked: list[Json], settings: Json) -> list[Json]:
    """Messages with the instructions that Anthropic's in JavaScript have among the settings alone."""
    given = loaded(settings)
    if not isinstance(given, dict) or any(one["role"] == "system" for one in asked):
        return asked
    return [*messages.system(given.get("system")), *asked]


def _has_prompt(one: Json) -> bool:
    return isinstance(one, dict) and "prompt" in one


def _traceloop(attributes: Attributes, about: About, kind: str, choices: int | None) -> Fields:
    fields: Fields = {}
    asked = _listed(attributes, about, "gen_ai.prompt.", "llm.prompts.")
    if asked and all(isinstance(one, dict) and "prompt" not in one for one in asked):
        if kind == "completion":
            fields["prompt"] = asked[0].get("user", asked[0].get("content"))
        elif kind == "embedding":
            texts = [text for one in asked for text in _texts(one.get("content"))]
            fields["prompt" if len(texts) == 1 else "input"] = texts[0] if len(texts) == 1 else texts
        else:
            fields["messages"] = messages.conversation([{"role": "user", **one} for one in asked])
    given = _gathered(_listed(attributes, about, "gen_ai.completion.", "llm.completions."))
    if given and all(isinstance(one, dict) and set(one) == {"function_call"} for one in given):
        # LiteLLM's, of one answer.
        given = [{"role": "assistant", "tool_calls": [one["function_call"] for one in given]}]
    if kind == "rerank" and given:  # what is said of each document is one answer
        fields["output"] = [one.get("content") if isinstance(one, dict) else one for one in given]
    else:
        if len(given) > 1:
            given = reasoned(given, attributes.get("gen_ai.response.finish_reasons"))
        fields |= answered(given, kind, len(given) > 1)
    if functions := _listed(attributes, about, *TOOLS):
        fields["tools"] = definitions.tools(functions)
    return fields


def _texts(said: Json) -> list[Json]:
    """The texts that were embedded: OpenLLMetry's of Cohere has all of them as the parts of one."""
    parts = loaded(said)
    if isinstance(parts, list) and parts and all(isinstance(one, dict) and one.get("type") == "text" for one in parts):
        return [one.get("text") for one in parts]
    return [said]


def _listed(attributes: Attributes, about: About, *starts: str) -> list[Json]:
    """What attributes of the first of these beginnings spell out that any has."""
    found: list[Json] = next((tree for start in starts if (tree := about.lists[start])), [])
    return spelt.valued(found, attributes) if found else []


def _gathered(given: list[Json]) -> list[Json]:
    """These answers; Netra lists each call of a tool, and the reason why an answer ended, as another after it."""
    found: list[Json] = []
    for one in given:
        before = found[-1] if found else None
        if not isinstance(one, dict) or not isinstance(before, dict | None):
            found.append(one)
        elif before and "finish_reason" not in before and one.keys() == {"finish_reason"}:
            found[-1] = {**one, **before}
        elif "tool_call_id" in one and isinstance(called := loaded(one.get("content")), dict):
            calls = listed if isinstance(listed := (before or {}).get("tool_calls"), list) else []
            found = [*(found[:-1] if calls else found), {"role": "assistant", "tool_calls": [*calls, called]}]
            called["id"] = one["tool_call_id"]
        else:
            found.append(one)
    return found


def _vercel(attributes: Attributes, about: About, kind: str, choices: int | None) -> Fields:
    fields: Fields = {}
    if "ai.prompt.messages" in attributes:
        fields["messages"] = messages.conversation(attributes["ai.prompt.messages"])
    elif "ai.prompt" in attributes:
        asked = loaded(attributes["ai.prompt"])
        if isinstance(asked, dict):
            fields["messages"] = [
                *messages.system(asked.get("system")),
                *messages.conversation(asked.get("messages", asked.get("prompt"))),
            ]
        else:
            fields["prompt"] = attributes["ai.prompt"]
    elif kind == "embedding" and (values := attributes.get("ai.values", attributes.get("ai.value"))) is not None:
        texts = [loaded(v) for v in values] if isinstance(values, list) else [loaded(values)]
        fields["prompt" if len(texts) == 1 else "input"] = texts[0] if len(texts) == 1 else texts
    text = attributes.get("ai.response.text", attributes.get("ai.response.object"))
    calls = loaded(attributes.get("ai.response.toolCalls"))
    if text is not None or calls:
        answer: dict[str, Json] = {"role": "assistant", "content": text or None}
        if isinstance(calls, list) and calls:
            answer["tool_calls"] = [messages.call(one) for one in calls]
        if reasoning := attributes.get("ai.response.reasoning"):
            answer["reasoning"] = reasoning
        fields["message_completion"] = answer
    return fields


def _deep(node: Json, *path: str) -> Json:
    for name in path:
        node = node.get(name) if isinstance(node, dict) else None
    return node


def _genai(attributes: Attributes, about: About, kind: str, choices: int | None) -> Fields:
    return genai.read(attributes, kind, choices)


def _flattened_genai(attributes: Attributes, about: About, kind: str, choices: int | None) -> Fields:
    """Future AGI's: the names of the conventions, spread out as OpenInference's are."""
    asked = spelt.valued(about.lists["gen_ai.input.messages."], attributes)
    given = spelt.valued(about.lists["gen_ai.output.messages."], attributes)
    return asked_fields(messages.conversation(asked), kind) | answered(given, kind, (choices or 1) > 1)


def _langfuse(attributes: Attributes, about: About, kind: str, choices: int | None) -> Fields:
    return langfuse.read(attributes, kind, choices)


def _sentry(attributes: Attributes, about: About, kind: str, choices: int | None) -> Fields:
    return sentry.read(attributes, kind)


_DIALECTS: Final[Mapping[str, Callable[[Attributes, About, str, int | None], Fields]]] = {
    "langfuse": _langfuse,
    "genai": _genai,
    "flattened genai": _flattened_genai,
    "openinference": _openinference,
    "traceloop": _traceloop,
    "vercel": _vercel,
    "sentry": _sentry,
}
