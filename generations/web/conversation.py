"""What was said in a call, as cards to read: one a message, in every provider's shape, whatever its size. Pure.

The cards of a page share one budget of bytes. The answer is served first, then the last and the first message, then
the others from the last to the first, because that is the order in which they matter; what does not fit is a card that
says how large it is and is opened on request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.utils.safestring import SafeString

from generations import reading
from generations.records import Json
from generations.web import markup, parts
from generations.web.markup import Budget, Shown, Variables
from generations.web.parts import Block

FIRST: Final = 4
LAST: Final = 24
"""How many messages a page shows from the beginning and from the end of a long conversation."""
AROUND: Final = 8
"""How many messages are shown before and after one that is asked for, and then from the end."""
SMALLEST: Final = 1024
"""A block is not begun with less room than this."""
OVERHEAD: Final = 900
"""The bytes of HTML around a block, at most, with its label and its links."""
CARD: Final = 1_300
"""The bytes of HTML of a card without its blocks, or of one that is folded, at most."""
TEMPLATE: Final = 2_000
"""The bytes of HTML of a template that a card shows, at most."""
SHARE: Final = 0.5
"""No block takes more than this part of the room that is left: what follows it is to be seen too."""
ROLES: Final = {
    "system": ("System", "settings"),
    "developer": ("Developer", "wrench"),
    "user": ("User", "user"),
    "assistant": ("Assistant", "bot"),
    "model": ("Assistant", "bot"),
    "tool": ("Tool", "terminal"),
    "function": ("Tool", "terminal"),
}


@dataclass(slots=True)
class Card:
    """A message. `anchor` names it on the page. One that is folded has no blocks, and `teaser` says what is in it."""

    role: str
    title: str
    icon: str
    anchor: str
    place: str
    number: int | None = None
    name: str = ""
    is_answer: bool = False
    is_folded: bool = False
    teaser: str = ""
    size: int = 0
    blocks: list[Block] = field(default_factory=list)
    template: str = ""


@dataclass(frozen=True, slots=True)
class Gap:
    """Messages that are left out of the page: from `first` to before `last`, counted from 0."""

    first: int
    last: int

    @property
    def count(self) -> int:
        """How many they are."""
        return self.last - self.first

    @property
    def query(self) -> str:
        """What their address asks for."""
        return f"from={self.first}&to={self.last}"


@dataclass(frozen=True, slots=True)
class Reading:
    """How the text is to be shown: rendered (`formatted`), or exactly as it is (`raw`), and what is known of it."""

    is_raw: bool = False
    variables: Variables = field(default_factory=Variables)
    templates: Sequence[str] = ()


def cards(messages: Sequence[Json], budget: Budget, how: Reading, here: int | None = None) -> list[Card | Gap]:
    """The messages of a call, in order; of a long conversation the ends, and what is around the message `here`.

    What is left out is a Gap.
    """
    count = len(messages)
    chosen = set(range(count))
    if count > FIRST + LAST:
        chosen = {*range(FIRST), *range(count - LAST, count)}
        if here is not None and here not in chosen:
            chosen = {*range(FIRST), *range(here - AROUND, here + AROUND + 1), *range(count - AROUND, count)}
            chosen &= set(range(count))
    budget.left -= CARD * len(chosen)
    # The first is the system's more often than not: after the last one, and the one asked for, it says most.
    by_weight = sorted(chosen, key=lambda index: (index != here, index not in (0, count - 1), -index))
    made = {index: card(messages, index, budget, how) for index in by_weight}
    shown: list[Card | Gap] = []
    after = 0
    for index in sorted(chosen):
        if index > after:
            shown.append(Gap(after, index))
        shown.append(made[index])
        after = index + 1
    join_calls(list(made.values()))
    return shown


def window(
    messages: Sequence[Json], first: int, last: int, budget: Budget, how: Reading, *, is_whole: bool = False
) -> list[Card]:
    """The messages from `first` to before `last`: the inside of a Gap. With `is_whole` those of them that have room,
    so that none is cut but one that has more to say than a page has room for."""
    places = range(first, min(last, len(messages)))
    budget.left -= 0 if is_whole else CARD * len(places)
    shown: list[Card] = []
    for index in places:
        budget.left -= CARD if is_whole else 0
        made = card(messages, index, budget, how)
        if is_whole and shown and (made.is_folded or any(map(_is_cut, made.blocks))):
            break
        shown.append(made)
    join_calls(shown)
    return shown


def _is_cut(block: Block) -> bool:
    """Whether more of it would be shown with more room."""
    if block.shown is None:
        return block.kind in ("text", "call", "result") or (block.kind == "json" and not block.label)
    return block.shown.rest is not None


def card(messages: Sequence[Json], index: int, budget: Budget, how: Reading) -> Card:
    """One message of what was sent. The template that made it, if there is one, marks its variables exactly."""
    template = how.templates[index] if index < len(how.templates) else ""
    made = message(messages[index], markup.pointer("messages", index), budget, how, template=template)
    made.number = index
    return made


def message(
    said: Json,
    place: str,
    budget: Budget,
    how: Reading,
    *,
    role: str = "user",
    template: str = "",
    is_answer: bool = False,
) -> Card:
    """One message, of any provider's shape, as a card; folded when the page has no room for it."""
    given = said.get("role") or said.get("type") if isinstance(said, Mapping) else None
    role = str(given or role)[:40]
    title, icon = ROLES.get(role, (role.replace("_", " ").capitalize(), "message-square"))
    text = reading.message_text(said)
    made = Card(
        role=role if role in ROLES else "other",
        title=title,
        icon=icon,
        anchor="m" + place.replace("/", "-").replace("~", ""),
        place=place,
        name=str(said.get("name") or "")[:100] if isinstance(said, Mapping) else "",
        is_answer=is_answer,
        size=len(text.encode("utf-8", "replace")),
        template=template,
    )
    if budget.left < SMALLEST + OVERHEAD:
        made.is_folded = True
        made.teaser = reading.preview(text[:800]) or ""
        return made
    budget.left -= TEMPLATE if template else 0
    rendered = not how.is_raw and made.role in ("assistant", "model")
    for block in parts.blocks(said, place):
        if budget.left < 0:
            made.blocks.append(Block("note", place, label="More parts than this page has room for: see the JSON"))
            break
        _fill(block, budget, how, said=_at(said, place, block.place), rendered=rendered, template=template)
        made.blocks.append(block)
    return made


def value_block(
    place: str, value: Json, budget: Budget, how: Reading, *, rendered: bool = False, language: str = ""
) -> Block:
    """A value that may be text or anything else: an input, an output, an alternative's content.

    Text that is a program is coloured by the rules of its `language`, where those are known.
    """
    block = Block("text" if isinstance(value, str) else "json", place)
    html = markup.coloured(value, language) if language and isinstance(value, str) and not how.is_raw else None
    if html is not None and markup.weight(html) + OVERHEAD < budget.left * SHARE:
        block.kind, block.shown, block.size = "json", Shown(SafeString(html)), len(value.encode("utf-8", "replace"))
        budget.left -= OVERHEAD
        budget.spend(html)
        return block
    template = how.templates[0] if how.templates and place == "/prompt" else ""
    _fill(block, budget, how, said=value, rendered=rendered and not how.is_raw, template=template)
    return block


# ----------------------------------------------------------------------------------------------------------- filling
def _at(said: Json, place: str, inner: str) -> Json:
    return markup.at(said, inner[len(place) :])


def _fill(block: Block, budget: Budget, how: Reading, *, said: Json, rendered: bool, template: str = "") -> None:
    """Put as much of what was said into the block as a block may hold and the page has room for."""
    budget.left -= OVERHEAD
    if block.kind in ("picture", "sound", "file", "link", "note", "hidden"):
        return
    text = said if isinstance(said, str) else markup.pretty(said)
    block.size = len(text.encode("utf-8", "replace"))
    if block.kind == "json" and not how.is_raw and (vectors := reading.vectors_of(said)):
        block.label = vectors  # numbers by the thousand are shown when they are asked for
        return
    room = min(markup.CHUNK, int(budget.left * SHARE))
    if room < SMALLEST and block.size > room:
        return
    block.shown = _whole(block, said, room, rendered=rendered)
    if block.shown is None or block.shown.rest is not None:
        # What is cut is shown exactly as it is, so that the next piece begins where this one ends.
        spans = markup.template_spans(template, text, how.variables) if template else None
        block.shown = markup.plain(text, room, variables=how.variables, spans=spans)
    elif rendered and block.kind == "text":
        block.kind = "json" if is_json(said) else "markdown"
    budget.spend(block.shown.html)


def _whole(block: Block, said: Json, room: int, *, rendered: bool) -> Shown | None:
    """What was said in a form that is easier to read, if all of it fits; None when it is best shown as it is."""
    if block.kind in ("call", "result") and isinstance(said, str):
        value = _parsed(said)
        return None if isinstance(value, str) else markup.json_text(value, room)
    if block.kind in ("result", "reasoning") and isinstance(said, list) and reading.text_of(said):
        return markup.plain(reading.text_of(said), room)
    if not isinstance(said, str):
        return markup.json_text(said, room)
    if not rendered or block.kind not in ("text", "reasoning"):
        return None
    return markup.json_text(_parsed(said), room) if is_json(said) else markup.markdown(said, room)


def is_json(said: Json) -> bool:
    """Whether a text is an object or a list in JSON, as answers are that a program asked for."""
    return isinstance(said, str) and not isinstance(_parsed(said), str)


def _parsed(text: str) -> Json:
    """Arguments and results are JSON in a string more often than not."""
    if len(text) > markup.CHUNK or not text.lstrip().startswith(("{", "[")):
        return text
    try:
        return markup.parsed(text)
    except ValueError:
        return text


def join_calls(shown: Sequence[Card]) -> None:
    """Join calls of tools to what the tools answered, by the call's id: each knows the other's card."""
    calls: dict[str, tuple[Card, Block]] = {}
    for made in shown:
        for block in made.blocks:
            if block.kind == "call" and block.call_id:
                calls.setdefault(block.call_id, (made, block))
    for made in shown:
        for block in made.blocks:
            found = calls.get(block.call_id) if block.kind == "result" else None
            if found is not None:
                caller, call = found
                call.answered_by = made.anchor
                block.answered_by = caller.anchor
                block.label = block.label or call.label


def templates_of(version: Any) -> list[str]:
    """The text of each message of a prompt version's template, in order."""
    if version is None:
        return []
    if isinstance(version.template_messages, list):
        return [reading.text_of(m.get("content") if isinstance(m, Mapping) else m) for m in version.template_messages]
    return [version.template] if isinstance(version.template, str) else []
