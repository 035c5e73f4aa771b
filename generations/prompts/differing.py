"""What is different between two versions of a prompt, or between two of anything that is told in lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

from generations import reading
from generations.models import PromptVersion
from generations.records import Json

AROUND: Final = 3
"""Lines that are the same and shown before and after those that differ."""
MOST_LINES: Final = 3_000
MOST_LINE: Final = 2_000


@dataclass(frozen=True, slots=True)
class Part:
    """A part of what is compared: its lines, each as (`same`, `old`, `new` or `gap`, its text), whether it differs, and
    whether it has more lines than the `most` that were looked at."""

    name: str
    lines: list[tuple[str, str]]
    is_same: bool
    is_cut: bool = False
    most: int = MOST_LINES


def differences(old: PromptVersion, new: PromptVersion) -> list[Part]:
    """The parts of two versions with what is different in each; parts that neither has are left out."""
    read = [(name, lines(old), lines(new)) for name, lines in _PARTS.items()]
    return [part(name, before, after) for name, before, after in read if before or after]


def part(name: str, old: Sequence[str], new: Sequence[str], *, most: int = MOST_LINES) -> Part:
    """What is different between these lines, of which the first `most` are looked at."""
    is_cut = max(len(old), len(new)) > most
    return Part(name, list(_compared(old[:most], new[:most])), list(old) == list(new), is_cut, most)


def message_lines(messages: Sequence[Json]) -> list[str]:
    """Messages as lines to compare: the role, the text, and as JSON whatever else one says."""
    said = []
    for message in messages:
        role = str(message.get("role") or "") if isinstance(message, Mapping) else ""
        said.append(f"[{role or 'message'}]")
        content = message.get("content") if isinstance(message, Mapping) else message
        said += text_lines(content if isinstance(content, str) else reading.text_of(content) if content else "")
        rest = {k: v for k, v in message.items() if k not in _SHOWN} if isinstance(message, Mapping) else {}
        said += json_lines({name: value for name, value in rest.items() if value is not None})
    return said


def text_lines(text: str) -> list[str]:
    """The lines of a text; one of more than MOST_LINE characters in pieces of as many."""
    lines = text.splitlines()
    return [line[at : at + MOST_LINE] for line in lines for at in range(0, max(1, len(line)), MOST_LINE)]


def json_lines(value: Json) -> list[str]:
    """A value as lines of JSON; none for nothing."""
    return text_lines(reading.indented(value, in_order=True)) if value else []


def _gap(count: int, more: str = "") -> str:
    """What stands in the place of so many lines that are the same."""
    return f"{count}{more} {'line' if count == 1 else 'lines'}, the same"


def _compared(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[str, str]]:
    matcher = SequenceMatcher(None, old, new, autojunk=len(old) > 500)
    groups = list(matcher.get_grouped_opcodes(AROUND))
    if not groups:
        yield from (("same", line) for line in old[: 2 * AROUND])
        if len(old) > 2 * AROUND:
            yield "gap", _gap(len(old) - 2 * AROUND, " more")
        return
    last = 0
    for group in groups:
        if group[0][1] > last:
            yield "gap", _gap(group[0][1] - last)
        for tag, old_from, old_to, new_from, new_to in group:
            if tag == "equal":
                yield from (("same", line) for line in old[old_from:old_to])
                continue
            yield from (("old", line) for line in old[old_from:old_to])
            yield from (("new", line) for line in new[new_from:new_to])
        last = group[-1][2]
    if len(old) > last:
        yield "gap", _gap(len(old) - last)


def _messages(version: PromptVersion) -> list[str]:
    if version.template_messages is None:
        return text_lines(version.template or "")
    return message_lines(version.template_messages)


_SHOWN: Final = frozenset({"role", "content", "uuid", "templated"})


_PARTS: Final[dict[str, Callable[[PromptVersion], list[str]]]] = {
    "Messages": _messages,
    "Model": lambda version: [part for part in (version.model_id, version.provider) if part],
    "Settings": lambda version: json_lines(version.settings),
    "Tools": lambda version: json_lines(version.tools),
    "Default values": lambda version: json_lines(version.input_defaults),
}
