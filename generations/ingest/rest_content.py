"""What was sent and what came back, between `input.content` / `output.content` and the fields that hold them.

A text is a prompt or a completion, a list of messages is a chat, anything else is kept as it is. `settled` brings
every mixture of them to one form, so that a document read back says the same again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from generations import reading
from generations.records import GenerationRecord, Json

SENT: Final = ("input", "messages", "prompt")
RECEIVED: Final = ("output", "message_completion", "completion")


@dataclass(frozen=True, slots=True)
class Content:
    """The fields of a generation that say what was said. None: not said."""

    type: str | None = None
    input: Json = None
    messages: list[Json] | None = None
    prompt: str | None = None
    output: Json = None
    message_completion: dict[str, Json] | None = None
    completion: str | None = None

    @property
    def is_chat(self) -> bool:
        """Whether a text that came back is an assistant's message."""
        return self.type == "chat" or (self.type is None and self.messages is not None)

    @property
    def sent(self) -> Json:
        """`input.content`: the input, else the messages, else the prompt."""
        if self.input is not None:
            return self.input
        return {"messages": self.messages} if self.messages is not None else self.prompt

    @property
    def received(self) -> Json:
        """`output.content`: the output, else the text of a plain assistant message or the message, else the text."""
        if self.output is not None:
            return self.output
        message = self.message_completion
        if message is None:
            return self.completion
        if set(message) == {"role", "content"} and message["role"] == "assistant":
            return message["content"] if isinstance(message["content"], str) else message
        return message


def content_of(record: GenerationRecord) -> Content:
    """The settled content of a record."""
    return settled(
        Content(
            type=record.type,
            input=record.input,
            messages=record.messages,
            prompt=record.prompt,
            output=record.output,
            message_completion=record.message_completion,
            completion=record.completion,
        ),
        infer_type=True,
    )


def settled(content: Content, *, infer_type: bool) -> Content:
    """`content` in its one form: what `input` and `output` hold that messages, prompt and the like can say moves there.

    `infer_type` calls a generation with messages a chat, and one with a prompt a completion, when no type is given.
    """
    content = _settle_sent(content)
    if infer_type and content.type is None:
        if content.messages is not None:
            content = replace(content, type="chat")
        elif content.prompt is not None:
            content = replace(content, type="completion")
    return _settle_received(content)


def _settle_sent(content: Content) -> Content:
    given = content.input
    if given is None:
        return content
    bare = replace(content, input=None)
    if content.messages is not None:
        known = (
            same(given, bare.sent) or same(given, content.messages) or (isinstance(given, str) and given == asked(bare))
        )
        return bare if known else content
    messages = _messages_in(given)
    if messages is not None:
        return replace(bare, messages=messages)
    if isinstance(given, str) and content.prompt in (None, given):
        return replace(bare, prompt=given)
    return content


def _settle_received(content: Content) -> Content:
    given = content.output
    if given is None:
        return content
    bare = replace(content, output=None)
    if same(given, bare.received):
        return bare
    if content.message_completion is None:
        if isinstance(given, dict) and isinstance(given.get("role"), str):
            return replace(bare, message_completion=given)
        if isinstance(given, str) and content.completion is None:
            if content.is_chat:
                return replace(bare, message_completion={"role": "assistant", "content": given})
            return replace(bare, completion=given)
    return content


def _messages_in(given: Json) -> list[Json] | None:
    """The messages, when `given` is a list of them or an object with nothing but such a list."""
    found = given["messages"] if isinstance(given, dict) and set(given) == {"messages"} else given
    if not isinstance(found, list) or not found:
        return None
    return found if all(isinstance(m, dict) and isinstance(m.get("role"), str) for m in found) else None


def asked(content: Content) -> str:
    """The text a person would read in what was sent."""
    return reading.input_text(GenerationRecord(id="", messages=content.messages, prompt=content.prompt))


def same(one: Json, other: Json) -> bool:
    """Whether two JSON values are equal. What is nested too deep to compare is not."""
    try:
        return type(one) is type(other) and bool(one == other)
    except RecursionError:
        return False


def fields_of(content: Content) -> dict[str, Any]:
    """The fields that are said, by name."""
    names = ("type", *SENT, *RECEIVED)
    return {name: getattr(content, name) for name in names if getattr(content, name) is not None}
