"""A thread as its user saw it: what was said in turns, with what happened in between folded into a line each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.urls import reverse

from generations import bundles, paging, reading
from generations.bundles import Bundle, StepBundle
from generations.filters import And, Condition, Leaf, Or
from generations.models import Generation, Project, Score, Step
from generations.records import Json
from generations.web import answers, attachments, conversation
from generations.web.attachments import Attached
from generations.web.conversation import Card, Reading
from generations.web.generation import document
from generations.web.markup import Budget
from generations.web.parts import Block

Row = Step | Generation

TURNS: Final = 20
LEAD: Final = 8
"""How many turns before the one that was asked for a page begins."""
ROOM: Final = 90_000
"""The bytes of HTML that the turns of a page have together."""
TURN: Final = 12_000
"""The most bytes of HTML of a turn; the rest is on the page of its generation or step."""
NEWS: Final = 6
"""How many of the messages that a call brought are shown."""
SPOKEN: Final = {
    "user_message": "user",
    "assistant_message": "assistant",
    "system_message": "system",
    "message": "message",
}
WORK: Final = {
    "tool": "wrench",
    "retrieval": "search",
    "embedding": "layers",
    "rerank": "list-tree",
    "llm": "sparkles",
}
"""Types of steps that are work between the turns, with their icons. Runs hold others together and are not shown."""
UNSAID: Final = frozenset({"embedding", "rerank", "moderation", "scoring"})
"""Types of generations that are no part of a conversation."""


@dataclass(slots=True)
class Said:
    """A message of a turn, or one that is folded because it was said between programs."""

    card: Card
    is_aside: bool = False


@dataclass(slots=True)
class Turn:
    """A step or a generation of a thread. `is_here` marks the one that the address asks for."""

    row: Row
    anchor: str
    is_here: bool
    said: list[Said] = field(default_factory=list)
    files: list[Attached] = field(default_factory=list)
    scores: list[Score] = field(default_factory=list)
    actions: dict[str, str] = field(default_factory=dict)

    @property
    def is_generation(self) -> bool:
        """Whether it is a call of a model."""
        return isinstance(self.row, Generation)

    @property
    def is_aside(self) -> bool:
        """Whether all of it is folded."""
        return bool(self.said) and not self.files and all(one.is_aside for one in self.said)

    @property
    def is_cut(self) -> bool:
        """Whether there is more of it than is shown."""
        blocks = [block for one in self.said for block in one.card.blocks]
        return any(block.size and (block.shown is None or block.shown.rest is not None) for block in blocks)


@dataclass(frozen=True, slots=True)
class Page:
    """Some turns of a thread; `before` and `after` are the cursors of what lies around them."""

    turns: list[Turn]
    before: str | None
    after: str | None


def page(
    project: Project, thread_id: str, *, order: str, after: str | None, before: str | None, here: str | None
) -> Page:
    """The turns of a thread from one end, from a cursor, or around the step or generation `here`.

    Where the application recorded what was said as steps, those are the turns; else its calls of models are, and where
    there are none, its topmost steps. A constant number of queries. Raises BadCursor.
    """
    rows = _Rows.of(project.pk, thread_id, order, here)
    if here and not after and not before:
        after = rows.lead()
    found, previous, following = rows.page(after=after, before=before)
    steps = bundles.of_steps(project, [row for row in found if isinstance(row, Step)])
    calls = bundles.of_generations(project, [row for row in found if isinstance(row, Generation)], alternatives=False)
    by_uid: dict[Any, Bundle | StepBundle] = {one.generation.uid: one for one in calls}
    # A step that is the frame of a call of a model says nothing beside it.
    by_uid |= {one.step.uid: one for one in steps if not one.generations}
    bodies = [by_uid[row.uid] for row in found if row.uid in by_uid]
    first = _first_call(bodies, order, previous, following)
    turns, left = [], ROOM
    for index, body in enumerate(bodies):
        room = min(TURN, left // (len(bodies) - index))
        budget = Budget(room)
        if isinstance(body, Bundle):
            turn = _of_call(body, project, budget, here, is_folded=rows.is_spoken, is_first=body is first)
        else:
            turn = _of_step(body, budget, here, is_bare=rows.is_bare)
        left -= room - max(0, budget.left)
        turns.append(turn)
    conversation.join_calls([one.card for turn in turns for one in turn.said])
    _judge(project, turns)
    return Page(turns, previous, following)


def _first_call(
    bodies: Sequence[Bundle | StepBundle], order: str, previous: str | None, following: str | None
) -> Bundle | None:
    """The call that the thread begins with, if it is on this page."""
    in_order = reversed(bodies) if order.startswith("-") else iter(bodies)
    if (following if order.startswith("-") else previous) is not None:
        return None
    return next((body for body in in_order if isinstance(body, Bundle) and body.generation.type not in UNSAID), None)


# -------------------------------------------------------------------------------------------------------------- which
@dataclass(frozen=True, slots=True)
class _Rows:
    """What of a thread is shown: two lists, of steps and of generations, read as one by the same keyset."""

    pk: int
    order: str
    lists: Mapping[str, Condition]
    target: Row | None
    is_spoken: bool
    is_bare: bool

    @classmethod
    def of(cls, pk: int, thread_id: str, order: str, here: str | None) -> _Rows:
        inside = Leaf("threadId", (), "eq", thread_id)
        rows = Step.objects.in_project(pk).filter(thread_id=thread_id)
        wanted: list[Condition] = [Leaf("type", (), "in", (*SPOKEN, *WORK)), Leaf("hasError", (), "eq", True)]
        target: Row | None = None
        if here:
            target = (
                Step.objects.by_ids(pk, "step", [here]).filter(thread_id=thread_id).first()
                or Generation.objects.by_ids(pk, "generation", [here]).filter(thread_id=thread_id).first()
            )
        is_spoken = rows.filter(type__in=list(SPOKEN)).exists()
        is_bare = not is_spoken and not Generation.objects.in_project(pk).filter(thread_id=thread_id).exists()
        if is_bare:
            wanted.append(Leaf("parentId", (), "exists", False))
        if isinstance(target, Step):
            wanted.append(Leaf("id", (), "eq", target.public_id))
        return cls(
            pk,
            order,
            {"steps": And((inside, Or(tuple(wanted)))), "generations": inside},
            target,
            is_spoken,
            is_bare,
        )

    def lead(self) -> str | None:
        """The cursor after which a page has some turns before the one that is asked for; None: from the beginning."""
        if self.target is None:
            return None
        before, _, _ = self.page(before=self.cursor(self.target), limit=LEAD + 1)
        return self.cursor(before[0]) if len(before) > LEAD else None

    def page(
        self, *, after: str | None = None, before: str | None = None, limit: int = TURNS
    ) -> tuple[list[Row], str | None, str | None]:
        """Some rows in order, and the cursors of what is before and after them."""
        afters, befores = _parts(after), _parts(before)
        pages = [
            paging.page(kind, self.pk, condition, order=self.order, after=afters[n], before=befores[n], limit=limit)
            for n, (kind, condition) in enumerate(self.lists.items())
        ]
        rows: list[Row] = [row for page in pages for row in page.rows]
        rows.sort(key=lambda row: (row.started_at, row.uid), reverse=self.order.startswith("-"))
        is_more = len(rows) > limit
        kept = rows[-limit:] if before else rows[:limit]
        if not kept:
            return [], None, None
        is_next = bool(before) or is_more or any(page.next for page in pages)
        is_previous = bool(after) or (bool(before) and (is_more or any(page.previous for page in pages)))
        return (
            kept,
            self.cursor(kept[0]) if is_previous else None,
            self.cursor(kept[-1]) if is_next else None,
        )

    def cursor(self, row: Row) -> str:
        """The place of a row in both lists, which have the same key."""
        return ".".join(paging.cursor(kind, self.pk, said, self.order, row) for kind, said in self.lists.items())


def _parts(cursor: str | None) -> tuple[str | None, str | None]:
    if not cursor:
        return None, None
    first, _, second = cursor.partition(".")
    return first, second


# --------------------------------------------------------------------------------------------------------------- what
def _of_step(body: StepBundle, budget: Budget, here: str | None, *, is_bare: bool) -> Turn:
    """A step: a message that was said, or work, with what it was given and gave back.

    In a thread with nothing but work, what the topmost steps were given and gave back is all that was said.
    """
    row, payload = body.step, body.payload
    turn = Turn(row, f"s-{row.uid}", row.public_id == here)
    turn.files, turn.scores = attachments.shown(body.attachments), list(body.scores)
    given, gave = (_plain(payload.input), _plain(payload.output)) if payload else (None, None)
    error = reading.error_text(row.error, payload.error_detail if payload else None)
    role = SPOKEN.get(row.type)
    if is_bare and row.parent_id is None:
        exchange = (("user", given), ("failed", error), ("assistant", gave))
        turn.said += [Said(_card(name, value, budget)) for name, value in exchange if value]
        return turn
    if role is None:
        card = Card("tool", row.name or row.type.capitalize(), WORK.get(row.type, "list-tree"), "", "", name=row.type)
        told = _ends_with(error)
        named = (("Error", told or error), ("", told and error), ("Input", given), ("Output", gave))
        card.blocks = [_block(value, budget, label=label) for label, value in named if value]
        turn.said.append(Said(card, is_aside=True))
        return turn
    content = gave if gave else given
    if error:
        turn.said.append(Said(_card("failed", error, budget)))
    if content and content != error:
        turn.said.append(Said(_card(role, content, budget, name=row.name or "")))
    return turn


def _of_call(
    body: Bundle, project: Project, budget: Budget, here: str | None, *, is_folded: bool, is_first: bool
) -> Turn:
    """A call of a model: what was new to it and what it answered, folded when it is no part of what the user saw."""
    row, said = body.generation, document(body)
    turn = Turn(row, f"g-{row.uid}", here in (row.public_id, row.step_id) and here is not None)
    turn.files, turn.scores = attachments.shown(body.attachments), list(body.scores)
    address = reverse("web:generation", args=[project.slug, row.public_id])
    turn.actions = {"block": f"{address}block/", "messages": f"{address}messages/"}
    cards: list[Card] = []
    for name in ("messageCompletion", "completion", "output"):
        if name in said and row.type not in UNSAID:
            cards.append(answers.card(said[name], f"/{name}", budget, Reading()))
            break
    if "error" in said:
        cards.insert(0, _card("failed", said["error"], budget, place="/error"))
    cards = [*_asked(said, budget, is_first=is_first), *cards]
    if is_folded or row.type in UNSAID:
        blocks = [block for card in cards for block in card.blocks]
        title = row.name or row.model_id or row.type.capitalize()
        folded = Card("tool", title, "sparkles", "", "", name=row.type, blocks=blocks)
        turn.said.append(Said(folded, is_aside=True))
        return turn
    for card in cards:
        card.anchor = f"{turn.anchor}-{card.anchor}"
        turn.said.append(Said(card, is_aside=_is_between_programs(card)))
    return turn


def _asked(said: Mapping[str, Json], budget: Budget, *, is_first: bool) -> list[Card]:
    """What a call was asked that no call before it knew: its messages since the last answer, its prompt or input."""
    messages = said.get("messages")
    if isinstance(messages, list) and messages:
        return [conversation.card(messages, index, budget, Reading()) for index in news(messages, is_first=is_first)]
    for name in ("prompt", "input"):
        if name in said:
            return [_card("user", said[name], budget, place=f"/{name}")]
    return []


def news(messages: Sequence[Json], *, is_first: bool = False) -> list[int]:
    """Which messages of a call are new in the thread: those after the last answer, without the system's.

    Of the first call, all since the user last spoke: what led to a tool's result was in no call before it.
    """
    roles = [str(m.get("role") or m.get("type") or "user") if isinstance(m, Mapping) else "user" for m in messages]
    kept: list[int] = []
    for index in range(len(roles) - 1, -1, -1):
        if roles[index] in _ANSWERS:
            if kept:
                break
        elif roles[index] not in _RULES:
            kept.append(index)
    if is_first and "user" in roles and "user" not in {roles[index] for index in kept}:
        asked = len(roles) - 1 - roles[::-1].index("user")
        since = [index for index in range(len(roles) - 1, asked, -1) if roles[index] not in _RULES]
        kept = [*since[: NEWS - 1], asked]
    return kept[:NEWS][::-1]


_ANSWERS: Final = frozenset({"assistant", "model", "function_call", "reasoning"})
_RULES: Final = frozenset({"system", "developer"})
_UNSAID: Final = frozenset({"call", "result", "reasoning", "hidden"})
"""The kinds of parts of a message that its user does not get to see."""


def _is_between_programs(card: Card) -> bool:
    """Whether a message holds only calls of tools, or what tools answered."""
    return card.role in ("tool", "function") or (
        bool(card.blocks) and all(block.kind in _UNSAID for block in card.blocks)
    )


def _card(role: str, value: Json, budget: Budget, *, place: str = "", name: str = "") -> Card:
    title, icon = _TITLES.get(role, conversation.ROLES["user"])
    blocks = [_block(value, budget, place, role=role)]
    if told := _ends_with(value) if role == "failed" else None:
        blocks.insert(0, _block(told, budget, role=role))
    return Card(role, title, icon, "said", place, name=name, blocks=blocks)


def _ends_with(error: Json) -> str | None:
    """What a trace ends with, which says more than the calls before it."""
    return reading.raised(error) if isinstance(error, str) else None


_TITLES: Final = {**conversation.ROLES, "failed": ("Error", "circle-alert"), "message": ("Message", "message-square")}


def _block(value: Json, budget: Budget, place: str = "", *, role: str = "", label: str = "") -> Block:
    # The text of a tool is JSON more often than not, and Markdown only by chance.
    rendered = role in ("assistant", "message") or (not role and conversation.is_json(value))
    block = conversation.value_block(place, value, budget, Reading(), rendered=rendered)
    block.label = label
    return block


def _plain(value: Json) -> Json:
    """What Literal AI's clients wrap in `{"content": ...}` by itself; None for what is empty."""
    if isinstance(value, Mapping) and set(value) == {"content"}:
        value = value["content"]
    return None if value in (None, "", "{}", {}, []) else value


# ------------------------------------------------------------------------------------------------------------- judged
def _judge(project: Project, turns: Sequence[Turn]) -> None:
    """Give the votes on a run to the last message it said: there the user clicked."""
    last: dict[str, Turn] = {}
    for turn in turns:
        if isinstance(turn.row, Step) and turn.row.type == "assistant_message" and turn.row.parent_id:
            last[turn.row.parent_id] = turn
    if last:
        shown = {turn.row.public_id for turn in turns}
        found = Score.objects.in_project(project.pk).filter(step_id__in=[id for id in last if id not in shown])
        for score in found.order_by("created_at", "uid"):
            last[score.step_id].scores.append(score)
