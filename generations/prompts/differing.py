"""What is different between two versions of a prompt, line by line."""

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
    """A part of the versions: its lines, each as (`same`, `old`, `new` or `gap`, its text), and whether it differs."""

    name: str
    lines: list[tuple[str, str]]
    is_same: bool
    is_cut: bool = False


def differences(old: PromptVersion, new: PromptVersion) -> list[Part]:
    """The parts of two versions with what is different in each; parts that neither has are left out."""
    parts = []
    for name, read in _PARTS.items():
        before, after = read(old), read(new)
        if before or after:
            is_cut = max(len(before), len(after)) > MOST_LINES
            lines = list(_compared(before[:MOST_LINES], after[:MOST_LINES]))
            parts.append(Part(name, lines, before == after, is_cut))
    return parts


def _compared(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[str, str]]:
    matcher = SequenceMatcher(None, old, new, autojunk=len(old) > 500)
    groups = list(matcher.get_grouped_opcodes(AROUND))
    if not groups:
        yield from (("same", line) for line in old[: 2 * AROUND])
        if len(old) > 2 * AROUND:
            yield "gap", f"{len(old) - 2 * AROUND} more lines, the same"
        return
    last = 0
    for group in groups:
        if group[0][1] > last:
            yield "gap", f"{group[0][1] - last} lines, the same"
        for tag, old_from, old_to, new_from, new_to in group:
            if tag == "equal":
                yield from (("same", line) for line in old[old_from:old_to])
                continue
            yield from (("old", line) for line in old[old_from:old_to])
            yield from (("new", line) for line in new[new_from:new_to])
        last = group[-1][2]
    if len(old) > last:
        yield "gap", f"{len(old) - last} lines, the same"


def _messages(version: PromptVersion) -> list[str]:
    if version.template_messages is None:
        return _lines(version.template or "")
    said = []
    for message in version.template_messages:
        role = str(message.get("role") or "") if isinstance(message, Mapping) else ""
        said.append(f"[{role or 'message'}]")
        content = message.get("content") if isinstance(message, Mapping) else message
        said += _lines(content if isinstance(content, str) else reading.text_of(content) if content else "")
        rest = {k: v for k, v in message.items() if k not in _SHOWN} if isinstance(message, Mapping) else {}
        said += _json({name: value for name, value in rest.items() if value is not None})
    return said


_SHOWN: Final = frozenset({"role", "content", "uuid", "templated"})


def _lines(text: str) -> list[str]:
    return [line[:MOST_LINE] for line in text.splitlines()]


def _json(value: Json) -> list[str]:
    if not value:
        return []
    return _lines(reading.indented(value, in_order=True))


_PARTS: Final[dict[str, Callable[[PromptVersion], list[str]]]] = {
    "Messages": _messages,
    "Model": lambda version: [part for part in (version.model_id, version.provider) if part],
    "Settings": lambda version: _json(version.settings),
    "Tools": lambda version: _json(version.tools),
    "Default values": lambda version: _json(version.input_defaults),
}
