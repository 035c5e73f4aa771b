"""A call's content in a whole request and a whole response, as providers and frameworks write them in one attribute."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, TypeGuard

from generations.ingest import anthropic, openai, streams
from generations.ingest.otlp import definitions, messages, parts
from generations.ingest.otlp.answers import (
    ANSWERED,
    SENT,
    Fields,
    alone,
    answered,
    asked_fields,
    is_messages,
    may_be_message,
)
from generations.ingest.otlp.dialects import member
from generations.ingest.otlp.fields import MASTRA
from generations.ingest.otlp.usage import written_apart
from generations.ingest.usage import openai_tokens
from generations.records import InvalidRecord, Json

PAIRS: Final = (
    ("input.value", "output.value"),
    ("mlflow.spanInputs", "mlflow.spanOutputs"),
    ("gen_ai.prompt", "gen_ai.completion"),
    ("gen_ai.prompt_json", "gen_ai.completion_json"),
    ("request_data", "response_data"),
    ("braintrust.input_json", "braintrust.output_json"),
    ("gcp.vertex.agent.llm_request", "gcp.vertex.agent.llm_response"),
    ("genkit:input", "genkit:output"),
    ("lmnr.span.input", "lmnr.span.output"),
    ("haystack.component.input", "haystack.component.output"),
    ("haystack.agent.step.llm.input", "haystack.agent.step.llm.output"),
    ("langwatch.input", "langwatch.output"),
    ("judgment.input", "judgment.output"),
    ("confident.span.input", "confident.span.output"),
    ("gen_ai.request.messages", "gen_ai.response.text"),
    ("gen_ai.rerank.input_documents", "gen_ai.rerank.output_documents"),
    ("ai.documents", "ai.ranking"),
    *((f"gen_ai.embeddings.input{end}", "") for end in (".texts", "")),  # what comes of it nobody tells
    ("inputs", "output"),  # Prompt flow's; Pydantic AI has the first alone, of what is embedded
    ("llm.messages", ""),  # VoltAgent's, whose answer is its agent's
    ("input", "output"),
    *((f"{start}input", f"{start}output") for start in MASTRA[:3]),
)
"""Attributes with a whole request and with a whole response, as JSON."""
_ASKED: Final = ("messages", "input", "prompt", "contents")
"""Names in a request that hold what was asked; the others are settings."""
_OWN_IDS: Final = ("run-", "run_", "lc_run-")
"""Beginnings of ids that LangChain gives to answers that have none of their provider."""
_COUNTS: Final[Mapping[str, str]] = {
    "prompt_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "total_tokens": "total_tokens",
    "cached_tokens": "input_token_details>cache_read",
    "cache_write_tokens": "input_token_details>cache_creation",
    "reasoning_tokens": "output_token_details>reasoning",
}
_KEPT: Final = (
    *("messages", "prompt", "input", "message_completion", "completion", "alternatives", "tools", "logprobs"),
    *("response_id", "finish_reason", "response_attributes", "user_id"),
)


def read(asked: Json, given: Json, kind: str) -> Fields:
    """The content of a call of type `kind` in its request and its response; what is not understood is kept as it is."""
    if (whole := _put_together(given)) is not None:
        counts, response = whole
        return counts | read(asked, response, kind)
    asked, given = _unwrapped(asked), alone(_unwrapped(given))
    fields = {name: value for name, value in _read(asked, given, kind).items() if value is not None}
    # A request of one form and a response of another are read each by itself.
    if asked is not None and SENT.isdisjoint(fields):
        fields |= _only(_read(asked, None, kind), SENT)
        if isinstance(asked, dict) and SENT.isdisjoint(fields) and not _is_of_settings(asked):
            fields["input"] = asked
    if given and ANSWERED.isdisjoint(fields):
        is_wordless = isinstance(given, dict) and _is_wordless(given)
        fields |= _only(_read(None, given, kind), _OF_ANSWERS - {"output"} if is_wordless else _OF_ANSWERS)
    return fields


_OF_ANSWERS: Final = frozenset({*ANSWERED, "alternatives", "finish_reason"})


def _only(fields: Fields, names: Collection[str]) -> Fields:
    return {name: value for name, value in fields.items() if name in names and value is not None}


def _is_of_settings(asked: Mapping[str, Json]) -> bool:
    """Whether a request says nothing of what was asked, or that nothing was."""
    return not asked or "model" in asked or any(name in asked for name in _ASKED)


def _is_wordless(given: Mapping[str, Json]) -> bool:
    """Whether a response is a provider's or a framework's, of which all that it says was found, is but empty, or but
    counts tokens. What a model was made to answer by a schema may have an id, a type or a message as well."""
    if not _OF_RESPONSES.isdisjoint(given) or any(given.keys() >= names for names in _TOGETHER):
        return True
    if isinstance(given.get("error"), dict) or given.get("type") == "message":
        return True
    return not any(value for name, value in given.items() if name != "object" and not name.endswith("_tokens"))


def _read(asked: Json, given: Json, kind: str) -> Fields:
    if isinstance(asked, dict) and "model" in asked and not any(name in asked for name in _ASKED):
        asked = None  # a request without what was asked in it
    request = asked if isinstance(asked, dict) else {}
    response = given if isinstance(given, dict) else {}
    if (answers := _generations(response)) is not None:
        asked = request.get("messages", request.get("prompts")) if request else asked
        return _asked(asked, kind) | _about(answers) | answered(answers, kind, len(answers) > 1)
    answers = _answers(response)
    if answers is not None or "contents" in request or ("config" in request and not response):
        if isinstance(asked, list) and any(map(may_be_message, asked)):
            request = {"messages": asked}
        named = {"response_id": id} if isinstance(id := response.get("id"), str) and id else {}
        return named | _conversation(request, kind) | answered(answers or [], kind, len(answers or ()) > 1)
    if known := _known(request, response):
        if not request and is_messages(asked):
            return known | _asked(asked, kind)
        return known if response or not given else known | _given(given, kind)
    return _asked(asked, kind) | _given(given, kind)


def _unwrapped(value: Json) -> Json:
    """A value out of what LangWatch has around it: the type that it is of."""
    return value["value"] if isinstance(value, dict) and value.keys() == {"type", "value"} else value


def _put_together(given: Json) -> tuple[Fields, dict[str, Json]] | None:
    """The whole of a response whose chunks are listed, as Prompt flow lists them, and what it counts; None for any
    other."""
    if not isinstance(given, list) or not all(map(_is_chunk, given)):
        return None
    try:
        whole = streams.response(given)
        return openai_tokens(whole.get("usage")), whole
    except InvalidRecord:
        return None


def _is_chunk(one: Json) -> bool:
    return isinstance(one, dict) and _CHUNK.issubset(one) and one["object"] != _WHOLE


_CHUNK: Final = frozenset({"id", "object", "choices"})
_WHOLE: Final = "chat.completion"
"""What OpenAI calls a whole answer, which has a message where a chunk has a part of one."""


# ----------------------------------------------------------------------------------------------------------- providers
def _known(request: Mapping[str, Json], response: Mapping[str, Json]) -> Fields:
    """The content as OpenAI's interfaces have it, and Anthropic's; empty for others."""
    fields: Fields = {}
    if request.get("tools") == "":  # so OpenInference's of Mistral has all that was not asked for
        request = {name: value for name, value in request.items() if value != ""}
    shape = openai.shape_of(request, response)
    try:
        if response.get("type") == "message" or (not response and anthropic.is_ours(request, response)):
            found = anthropic.generation(request, response)
            fields = {name: found[name] for name in _KEPT if found.get(name) is not None}
            if answer := fields.pop("message_completion", None):
                fields |= answered([answer], "chat", False)
            fields["tools"] = definitions.tools(fields.get("tools"))
            fields["messages"] = messages.conversation(fields.get("messages") or []) or None
        elif "role" in response and "stop_reason" in response:  # LangSmith's of Anthropic: a message, with our calls
            fields = asked_fields(messages.conversation(request.get("messages")), "chat")
            fields |= answered([response], "chat", False)
            fields["tools"] = definitions.tools(request.get("tools"))
        elif shape is not None:
            found = openai.content(shape, request, response)
            fields = {name: found[name] for name in _KEPT if found.get(name) is not None}
            if "tools" in fields:  # as Python shows them, in OpenInference's of Haystack, they are none
                fields["tools"] = [one for one in fields["tools"] if isinstance(one, dict)] or None
            if fields.get("messages") and not response:  # which would say whose messages they are
                fields["messages"] = messages.conversation(fields["messages"])
            if fields and shape == "openai.responses":
                fields.pop("finish_reason", None)  # the status of the whole answer is no reason
                fields["messages"] = messages.conversation(fields.get("messages") or []) or None
                if answer := fields.pop("message_completion", None):
                    fields |= answered([answer], "chat", False)
    except InvalidRecord:
        return {}
    return fields


def _conversation(request: Mapping[str, Json], kind: str) -> Fields:
    """What Gemini, Bedrock, Genkit, Haystack, Ollama or Cohere was asked."""
    config = request.get("config")
    places = (request, config if isinstance(config, dict) else {})
    names = ("system", "systemInstruction", "system_instruction")
    said = next((place[name] for place in places for name in names if place.get(name)), None)
    if isinstance(said, dict) and "parts" in said:
        said = said["parts"]
    asked = messages.conversation(request.get("contents", request.get("messages", request.get("prompt"))))
    given = next((place["tools"] for place in places if place.get("tools")), None)
    if given is None and isinstance(settings := request.get("toolConfig"), dict):
        given = settings.get("tools")
    fields = asked_fields([*messages.system(said), *asked], kind)
    return fields | ({"tools": tools} if (tools := definitions.tools(given)) else {})


def _answers(response: Mapping[str, Json]) -> list[Json] | None:
    """Their answers, each with the reason for its end; None for a response of another form."""
    listed = response.get("candidates")
    if isinstance(listed, list):
        return [_answer(one.get("content"), one) for one in listed if isinstance(one, dict)]
    if isinstance(replies := response.get("replies"), list):  # Haystack's
        about = response.get("meta")
        return [_answer(one, _meta(one, about, n)) for n, one in enumerate(replies)]
    if "toolCalls" in response or "warnings" in response:  # Vercel's, as Mastra has them
        said = {"content": response.get("text") or None, "toolCalls": response.get("toolCalls")}
        return [_answer(said, response)] if any(said.values()) else []
    output = response.get("output")
    for inner in (response.get("message"), output.get("message") if isinstance(output, dict) else None):
        if isinstance(inner, dict):
            return [_answer(inner, response)]
    content = response.get("content")
    return [_answer(content, response)] if isinstance(content, dict) and "parts" in content else None


def _meta(reply: Json, listed: Json, place: int) -> Mapping[str, Json]:
    """What Haystack says of a reply: in it, or in a list beside."""
    found = reply.get("meta") if isinstance(reply, dict) else None
    if found is None and isinstance(listed, list) and place < len(listed):
        found = listed[place]
    return found if isinstance(found, dict) else {}


def _answer(message: Json, about: Mapping[str, Json]) -> dict[str, Json]:
    names = ("finish_reason", "finishReason", "stopReason", "done_reason")
    reason = next((about[name] for name in names if about.get(name)), None)
    whole = message if isinstance(message, dict) else {"content": message}
    return {"role": "assistant", **whole, "finish_reason": reason}


def _generations(response: Mapping[str, Json]) -> list[Json] | None:
    """LangChain's answers: in a list for each conversation, of which a call's span has one."""
    listed = response.get("generations")
    if isinstance(listed, list) and len(listed) == 1 and isinstance(listed[0], list):
        listed = listed[0]
    if not isinstance(listed, list):
        return None
    found: list[Json] = []
    for one in listed:
        if not isinstance(one, dict):
            continue
        inner = one.get("message")
        said = parts.message(inner) if isinstance(inner, dict) else {"content": one.get("text")}
        places = (one.get("generation_info"), said.get("response_metadata"), said.get("additional_kwargs"))
        names = ("finish_reason", "stop_reason")
        reason = next((p[n] for p in places if isinstance(p, dict) for n in names if p.get(n)), None)
        whole = inner.get("kwargs", inner) if isinstance(inner, dict) else {}
        found.append({"role": "assistant", **said, "finish_reason": reason, "message_id": member(whole, "id")})
    return found


def _about(answers: Sequence[Json]) -> Fields:
    """What LangChain says of an answer beside its words: counts, of which the parts are within, and who gave it."""
    first = answers[0] if answers and isinstance(answers[0], dict) else {}
    usage = first.get("usage_metadata")
    found: Fields = {n: count for n, path in _COUNTS.items() if isinstance(count := member(usage, path), int)}
    if not found.get("cache_write_tokens") and (written := written_apart(member(usage, "input_token_details"))):
        found["cache_write_tokens"] = written
    about = first.get("response_metadata")
    for name, key in (("response_id", "id"), ("model_version", "model_name")):
        if isinstance(about, dict) and isinstance(about.get(key), str):
            found[name] = about[key]
    if isinstance(own := first.get("message_id"), str) and not own.startswith(_OWN_IDS):
        found.setdefault("response_id", own)
    return found


# -------------------------------------------------------------------------------------------------------------- others
def _asked(asked: Json, kind: str) -> Fields:
    if isinstance(asked, list) and len(asked) == 1 and isinstance(asked[0], list | str):
        asked = asked[0]
    if kind == "embedding" and isinstance(asked, dict) and isinstance(asked.get("text"), str):
        asked = asked["text"]  # as Haystack's are asked
    if is_messages(asked) or (isinstance(asked, dict) and "role" in asked and is_messages([asked])):
        return asked_fields(messages.conversation(asked), kind)
    if isinstance(asked, str):
        return {"prompt": asked} if kind == "completion" else {"messages": messages.conversation([asked])}
    return {} if asked is None else {"input": asked}


def _given(given: Json, kind: str) -> Fields:
    if isinstance(given, list) and len(given) > 1 and all(map(_is_conversation, given)):  # LangWatch's several answers
        return answered([one["value"][0] for one in given], kind, is_choices=True)
    if isinstance(given, list) and len(given) == 1 and isinstance(given[0], str) and kind != "rerank":
        given = given[0]  # Spring AI's answer
    if is_messages(given) or (isinstance(given, dict) and "role" in given):
        return answered(given if isinstance(given, list) else [given], kind, False)
    if isinstance(given, dict) and isinstance(text := given.get("text"), str) and "usage" in given:  # Dify's
        more = {name: given.get(name) for name in ("reasoning_content", "tool_calls")}
        return answered([_answer({"content": text, **more}, given)], kind, False)
    if isinstance(given, str):
        is_object = _OBJECT.fullmatch(given) is not None
        return {} if is_object else answered([{"role": "assistant", "content": given}], kind, False)
    if _are_choices(given):
        said = [{**one["message"], "finish_reason": one.get("finish_reason")} for one in given]
        return answered(said, kind, len(said) > 1)
    if _are_texts(given):
        said = [{"role": "assistant", "content": one["text"], **one} for one in given]
        return answered(said, kind, len(said) > 1)
    if isinstance(given, dict) and (reason := messages.finish_reason(given.get("finish_reason"))):
        return {"output": given, "finish_reason": reason}
    return {} if given is None else {"output": given}


_OF_RESPONSES: Final = frozenset({"choices", "candidates", "replies", "generations", "usage"})
"""Names in responses of providers and frameworks, of which some say nothing: those to be fetched later, and streams."""
_TOGETHER: Final = (frozenset({"id", "model"}), frozenset({"id", "object"}), frozenset({"created", "data"}))
"""Names that stand together in others of theirs."""
_OBJECT: Final = re.compile(r"<[\w.]+ object at 0x[0-9a-f]+>")
"""An object as Python shows it, which is all that is said of a stream by some: no text."""


def _is_conversation(one: Json) -> bool:
    if not isinstance(one, dict) or one.keys() != {"type", "value"} or one["type"] != "chat_messages":
        return False
    return is_messages(one["value"]) and len(one["value"]) == 1


def _are_choices(given: Json) -> TypeGuard[list[dict[str, Any]]]:
    """Whether this is what OpenAI's answers have as their choices, which is all that Braintrust has of them."""
    return (
        isinstance(given, list)
        and bool(given)
        and all(isinstance(one, dict) and isinstance(one.get("message"), dict) for one in given)
    )


def _are_texts(given: Json) -> TypeGuard[list[dict[str, Any]]]:
    """Whether these are answers as DSPy has them where they are more than a text (clients/base_lm.py, version 3.4)."""
    return isinstance(given, list) and bool(given) and all(isinstance(one, dict) and _is_text(one) for one in given)


def _is_text(one: Mapping[str, Json]) -> bool:
    return isinstance(one.get("text"), str | None) and "text" in one and one.keys() <= _BESIDE_TEXTS


_BESIDE_TEXTS: Final = frozenset({"text", "reasoning_content", "logprobs", "citations", "tool_calls"})
