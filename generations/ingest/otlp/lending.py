"""What the spans of one call have of each other, and what is kept of each: `couples` says which of them is the call.

A field is lent by one span to another where that says nothing of it. What a span says itself is kept, so that it is
known whatever comes later: of a call that is none, beside its step (`NOTE`); of one that is, which fields it has of
others (`LENT`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import Any, Final

from generations import reading
from generations.cleaning import MAX_INT
from generations.records import Alternative, GenerationRecord, Json, revised

NOTE: Final = "call"
"""Attribute of the step of a call that other spans tell of: what its own span says of it."""
LENT: Final = "lent"
"""Attribute of a generation: the fields that it has of others."""
COUNTED: Final = "counted"
"""Attribute of a generation that has others' tokens: those that its own span counted."""
TOKENS: Final = (
    *("prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens", "cache_write_tokens"),
    *("reasoning_tokens", "input_audio_tokens", "output_audio_tokens"),
)
SENT: Final = ("messages", "prompt", "input")
FETCHED: Final = "fetched"
"""What is noted of an answer that was fetched, in the place of the call that asked for it, which may come later."""
ANSWERED: Final = ("message_completion", "completion", "output")
ERRORS: Final = ("error", "error_type", "error_detail")
_GROUPS: Final = (TOKENS, SENT, (*ANSWERED, "alternatives"), ERRORS)
"""Fields that are taken of another together, where a call has none of them."""
SHARED: Final = ("thread_id", "user_id", "tags")
"""Fields that the spans of a trace have in common anyway."""
_SINGLE: Final = (
    *("model_id", "model_version", "provider", "response_id", "finish_reason", "time_to_first_token"),
    *("session_id", "agent_id", "workflow_id", "function_id"),
    *("prompt_name", "prompt_version", "metadata", "parameters", "tools", "variables", "logprobs"),
)
FIELDS: Final = (*_SINGLE, *SHARED, *(name for group in _GROUPS for name in group))


def filled(record: GenerationRecord, other: GenerationRecord, besides: Collection[str] = ()) -> GenerationRecord:
    """`record` with what it lacks taken from `other`, but for fields `besides`; content and tokens each as a whole."""
    names = [name for name in (*_SINGLE, *SHARED) if getattr(record, name) is None and name not in besides]
    for group in _GROUPS:
        if all(getattr(record, name) is None for name in group):
            names += group
    if any(getattr(record, name) is not None for name in ANSWERED):
        names = [name for name in names if name not in _GROUPS[-1]]  # what was answered did not fail
    changes = {name: value for name in names if (value := getattr(other, name)) is not None}
    return revised(record, **changes) if changes else record


def words(record: GenerationRecord) -> str:
    """What a call was asked, without blanks and what stands for files: each instrumentation has its own of these."""
    return _NO_WORDS.sub("", reading.input_text(record))


_NO_WORDS: Final = re.compile(r"\[\w+\]|attachment:\S+|\s+")


def difference(whole: GenerationRecord, stored: GenerationRecord) -> GenerationRecord:
    """What `whole` says beyond `stored`."""
    return GenerationRecord(
        id=stored.id, **{n: getattr(whole, n) for n in FIELDS if getattr(whole, n) != getattr(stored, n)}
    )


def by_itself(stored: GenerationRecord) -> GenerationRecord:
    """A stored generation without what it has of others."""
    found: dict[str, Any] = {n: getattr(stored, n) or None for n in ("metadata", "parameters", "tags")}
    if _is_derived(stored):
        found["total_tokens"] = None
    return revised(stored, **{**found, **dict.fromkeys(lent_to(stored)), **_counted(stored)})


def _counted(stored: GenerationRecord) -> dict[str, int]:
    """The tokens that a generation's own span counted, where it has others'."""
    said = (stored.attributes or {}).get(COUNTED)
    return {n: v for n, v in said.items() if n in TOKENS and type(v) is int} if isinstance(said, dict) else {}


def counted(record: GenerationRecord) -> dict[str, Json]:
    """What is kept of the tokens of a call by itself while it has those of another."""
    found: dict[str, Json] = {name: value for name in TOKENS if (value := getattr(record, name)) is not None}
    if _is_derived(record):
        del found["total_tokens"]
    return found


def _is_derived(record: GenerationRecord) -> bool:
    """Whether the total is what follows from its parts."""
    sent, answered = record.prompt_tokens, record.completion_tokens
    return sent is not None and answered is not None and record.total_tokens == sent + answered


def lent_to(stored: GenerationRecord | None) -> set[str]:
    """The fields that a stored generation has of others, with what follows from them."""
    said = (stored.attributes or {}).get(LENT) if stored is not None else None
    lent = {name for name in FIELDS if name in said} if isinstance(said, list) else set()
    for group in _GROUPS:
        if not lent.isdisjoint(group):
            lent |= set(group)
    return lent


def note(record: GenerationRecord) -> dict[str, Json]:
    """What is kept of a call that others tell of; its times, and what it shares with its trace, are its step's."""
    found = {n: value for n in FIELDS if n not in SHARED and (value := getattr(record, n)) not in (None, {})}
    if _is_derived(record):
        del found["total_tokens"]
    if record.alternatives is not None:
        found["alternatives"] = [asdict(one) for one in record.alternatives]
    return found


def read_note(attributes: Mapping[str, Json]) -> dict[str, Json] | None:
    """The note among the attributes of a step; None where there is none, or where that is an attribute of its own."""
    said = attributes.get(NOTE)
    if not isinstance(said, dict) or not ("into" in said or said.get(FETCHED) is True):
        return None
    if not isinstance(said.get("into"), str | None):
        return None
    return said if all(_is_noted(name, said[name]) for name in FIELDS if name in said) else None


def _is_noted(name: str, value: Json) -> bool:
    """Whether a value may be that of a field of a call."""
    if name in (*TOKENS, "prompt_version"):
        return type(value) is int and 0 <= value <= MAX_INT
    if name == "alternatives":
        return isinstance(value, list) and all(
            isinstance(one, dict) and type(one.get("index")) is int and one.keys() <= _OF_ALTERNATIVES for one in value
        )
    return isinstance(value, _KINDS.get(name, str))


_OF_ALTERNATIVES: Final = frozenset(Alternative.__dataclass_fields__)
_KINDS: Final[Mapping[str, Any]] = {
    **dict.fromkeys(("metadata", "parameters", "variables", "message_completion"), dict),
    **dict.fromkeys(("messages", "tools", "tags"), list),
    **dict.fromkeys(("input", "output", "logprobs"), object),
    "time_to_first_token": int | float,
}
"""What the fields of a note are that are no texts."""


def noted(id: str, note: Mapping[str, Json], **more: Any) -> GenerationRecord:
    """A call as it was noted, with what its step has of it."""
    said = {name: note[name] for name in FIELDS if name in note}
    if others := said.get("alternatives"):
        said["alternatives"] = tuple(Alternative(**one) for one in others)
    return GenerationRecord(id=id, **said, **more)
