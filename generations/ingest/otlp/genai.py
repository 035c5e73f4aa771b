"""What the conventions of OpenTelemetry say of a call: messages with parts, in JSON.

https://github.com/open-telemetry/semantic-conventions-genai
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from generations.ingest.otlp import messages, parts, raw
from generations.ingest.otlp.answers import Fields, answered, asked_fields, may_be_message, reasoned
from generations.records import Json


def read(attributes: Mapping[str, Json], kind: str, choices: int | None) -> Fields:
    """The content of a call of type `kind`; `choices` is how many answers were asked for, where that is known."""
    said = attributes.get("gen_ai.system_instructions")
    instructions = [] if said is None else messages.system(said)
    said = messages.said(attributes.get("gen_ai.input.messages"))
    given = messages.said(attributes.get("gen_ai.output.messages"))
    whole: Fields = {}
    if (is_request := _is_whole(said)) | (is_response := _is_whole(given)):  # where the conventions have messages
        whole = raw.read(said if is_request else None, given if is_response else None, kind)
        if is_request and instructions:
            instruct(whole, instructions)
        said, given = None if is_request else said, None if is_response else given
    asked = messages.conversation([said] if isinstance(said, str) and said else said)
    if asked and not instructions and attributes.get("gen_ai.prompt.0.role") == "system":
        # Laminar's, of OpenAI's newer interface; where nothing else was asked here, all of it stands there.
        instructions = messages.system(attributes.get("gen_ai.prompt.0.content"))
    if instructions and not whole.get("messages") and asked[: len(instructions)] != instructions:  # some say both
        asked = [*instructions, *asked]
    if isinstance(given, str):
        given = [{"role": "assistant", "content": given}] if given else []
    if isinstance(given, dict):
        given = [given]
    fields = asked_fields(asked, kind)
    listed = [one for one in given if not _is_hollow(one)] if isinstance(given, list) else []
    if len(listed) > 1 >= (choices or 1):
        listed = _without_chunks(listed)
    own = listed
    if len(listed) > 1:
        listed = reasoned(listed, attributes.get("gen_ai.response.finish_reasons"))
    # Reasons told beside them may be of items, too: an answer's thoughts, its words and its calls.
    are_choices = _are_choices(own) or (_are_choices(listed) and not any(map(_is_without_words, listed)))
    is_choices = len(listed) > 1 and (are_choices if choices is None else choices > 1)
    return fields | answered(listed, kind, is_choices) | whole


def _is_whole(said: Json) -> bool:
    """Whether this is neither a message nor any of them."""
    if type(said) is list:
        return bool(said) and not any(map(may_be_message, said))
    return type(said) is dict and not may_be_message(said)


def instruct(fields: Fields, instructions: list[Json]) -> None:
    """Put instructions that are told apart before the messages, unless they are among them."""
    said = fields.get("messages") or []
    if isinstance(said, list) and said[: len(instructions)] != instructions:
        fields["messages"] = [*instructions, *said]


def _without_chunks(answers: list[Json]) -> list[Json]:
    """The answers, or the one that they are where they are the chunks of a stream: only its last has a reason for its
    end, and may be all of the others together.

    Google's ADK lists every response of a call, and from its version 2.6 on those of a stream are its chunks alone:
    `_experimental_semconv.py` in its telemetry.
    """
    *chunks, whole = answers
    if not all(isinstance(one, dict) and one.get("finish_reason") == "" for one in chunks):
        return answers
    if not all(isinstance(one, dict) and isinstance(one.get("parts"), list) for one in answers):
        return answers
    told = {str(part.get("id")) for part in _said(whole)}
    text = "".join(str(part.get("content")) for part in _said(whole))
    for part in (part for chunk in chunks for part in _said(chunk)):
        is_call = part.get("type") == "tool_call"
        if str(part.get("id")) not in told if is_call else str(part.get("content")) not in text:
            return [{**whole, "parts": _run_on([part for one in answers for part in _said(one)])}]
    return [whole]


def _run_on(parts: Sequence[Mapping[str, Json]]) -> list[Json]:
    """The parts of chunks, with words that follow one another as one part."""
    found: list[dict[str, Json]] = []
    for part in parts:
        text, last = part.get("content"), found[-1] if found else {}
        if part.keys() == _WORDS == last.keys() and part["type"] == last["type"] and isinstance(text, str):
            found[-1] = {**last, "content": f"{last['content']}{text}"}
        else:
            found.append(dict(part))
    return list(found)


_WORDS: Final = frozenset({"type", "content"})
"""What parts have that are but words or thoughts."""


def _said(answer: Mapping[str, Json]) -> list[Mapping[str, Json]]:
    parts = answer.get("parts")
    return [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []


def _are_choices(answers: Sequence[Json]) -> bool:
    """Whether answers are several; else they are items of one, as OpenAI's newer interface has them."""
    reasons = [m.get("finish_reason") if isinstance(m, dict) else None for m in answers]
    if all(reason == _STATUS for reason in reasons):
        return False
    return all(map(messages.finish_reason, reasons)) and not all(map(_only_calls, answers))


_STATUS: Final = "completed"
"""The status of an answer by OpenAI's newer interface, which MLflow gives each of its items as a reason."""


def _is_hollow(one: Json) -> bool:
    """Whether an answer has nothing in it, as LiteLLM's and Mastra's that call tools: others may have it."""
    if not isinstance(one, dict) or one.get("content") or one.get("tool_calls"):
        return False
    said = one.get("parts")
    if not isinstance(said, list):
        return False
    for part in said:
        if not isinstance(part, dict) or part.get("type") != "text" or part.get("content") != "":
            return False
    return True


def _only_calls(one: Json) -> bool:
    parts = one.get("parts") if isinstance(one, dict) else None
    return isinstance(parts, list) and all(isinstance(p, dict) and p.get("type") == "tool_call" for p in parts)


def _is_without_words(one: Json) -> bool:
    """Whether an answer is but thoughts or calls of tools."""
    said = one.get("parts", one.get("content")) if isinstance(one, dict) else None
    if isinstance(said, list):
        return all(isinstance(part, dict) and parts.typed(part).get("type") in _WORDLESS for part in said)
    return isinstance(one, dict) and not said


_WORDLESS: Final = ("tool_call", "tool_use", "function_call", "reasoning", "thinking")
