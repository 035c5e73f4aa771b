"""Ties calls to the prompt versions that made them, whichever door they come in by.

By the version's id, by the prompt's name and the version's number, or by what was sent. Of a project without versions
nothing is asked.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import F, OuterRef, Subquery, TextField, Value, Window
from django.db.models.functions import Cast, Coalesce, Length, RowNumber

from generations import filling, identities, reading
from generations.models import Project, Prompt, PromptVersion
from generations.records import GenerationRecord, Json, Record, revised

MOST: Final = 50
"""The newest versions of a prompt, whose templates are compared with what was sent."""
MOST_OF_ALL: Final = 200
"""The newest versions of all prompts, which calls that name no prompt are compared with."""
LONGEST: Final = 128 << 10
"""Characters of a template; longer ones are found by id and number only."""
REMEMBERED: Final = 16 << 20
"""Characters of templates that a process remembers, and sixteen times as many bytes of ids at most."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A version as calls are compared with it. `said` are its texts, each with its message's role if it has one."""

    name: str
    number: int
    id: str
    made_at: dt.datetime
    model: str | None
    settings: Mapping[str, Json]
    said: tuple[tuple[str | None, str], ...]
    holes: frozenset[str]


class _Memory:
    """What this process was told of versions: they never change, and new ones are told by the project's count."""

    def __init__(self) -> None:
        self.numbers: dict[tuple[int, str], tuple[str, int]] = {}
        self.ids: dict[tuple[int, str, int], str] = {}
        self.candidates: dict[tuple[int, str | None], tuple[int, list[Candidate]]] = {}
        self.size = 0

    def keep(self, project: int, name: str, number: int, id: str) -> None:
        if len(self.numbers) >= REMEMBERED >> 8:
            self.numbers, self.ids = {}, {}
        self.numbers[project, id] = name, number
        self.ids[project, name, number] = id

    def keep_candidates(self, project: Project, name: str | None, found: list[Candidate]) -> None:
        size = 200 + sum(len(text) for one in found for _, text in one.said)
        if self.size + size > REMEMBERED:
            self.candidates, self.size = {}, 0
        self.candidates[project.pk, name] = project.versions_made, found
        self.size += size


_memory: Final = _Memory()


def tied(project: Project, items: Sequence[Record]) -> list[Record]:
    """`items`, those that are calls with the id, name and number of their version as far as these can be told.

    What is said of a version is kept, also where there is none such. Three queries at most, and none for versions that
    this process was asked for before. Needs a `project` that was read since the versions were made.
    """
    done = list(items)
    if not project.versions_made:
        return done
    by_place = {n: item for n, item in enumerate(items) if isinstance(item, GenerationRecord) and _may_be_tied(item)}
    _learn(project, by_place.values())
    unnamed: dict[str | None, list[int]] = {}
    for n, call in by_place.items():
        fields = _of_what_is_said(project.pk, call)
        if fields is None:
            unnamed.setdefault(call.prompt_name, []).append(n)
        elif fields:
            done[n] = revised(call, **fields)
    for name, candidates in _candidates(project, unnamed).items():
        for n in unnamed[name]:
            if (made_by := _that_made(by_place[n], candidates)) is not None:
                name, number, id = made_by.name, made_by.number, made_by.id
                done[n] = revised(by_place[n], prompt_name=name, prompt_version=number, prompt_version_id=id)
    return done


def _may_be_tied(call: GenerationRecord) -> bool:
    if call.prompt_version_id is not None:
        return call.prompt_name is None or call.prompt_version is None
    if call.prompt_version is not None:
        return call.prompt_name is not None
    is_sent = call.prompt is not None or bool(call.messages)
    is_told = call.prompt_name is not None or bool(call.variables)
    return is_sent and is_told and call.cleared.isdisjoint(("prompt_name", "prompt_version", "prompt_version_id"))


# ------------------------------------------------------------------------------------------------- by id and by number
def _of_what_is_said(project: int, call: GenerationRecord) -> dict[str, Any] | None:
    """The fields that follow from the version's id or number; None when neither is said."""
    if call.prompt_version_id is not None:
        if (known := _memory.numbers.get((project, call.prompt_version_id))) is None:
            return {}
        name, number = call.prompt_name or known[0], call.prompt_version
        return {"prompt_name": name, "prompt_version": known[1] if number is None else number}
    if call.prompt_version is None:
        return None
    id = _memory.ids.get((project, str(call.prompt_name), call.prompt_version))
    # A call that was another version's is not that one's any more.
    return {"prompt_version_id": id} if id is not None else {"cleared": call.cleared | {"prompt_version_id"}}


def _learn(project: Project, calls: Iterable[GenerationRecord]) -> None:
    """Ask for the versions that these calls name and that are not known yet: one query."""
    ids: set[str] = set()
    numbers: set[tuple[str, int]] = set()
    for call in calls:
        if call.prompt_version_id is not None:
            ids.add(call.prompt_version_id)
        elif call.prompt_version is not None and call.prompt_name is not None:
            numbers.add((call.prompt_name, call.prompt_version))
    ids = {id for id in ids if (project.pk, id) not in _memory.numbers}
    numbers = {(name, number) for name, number in numbers if (project.pk, name, number) not in _memory.ids}
    if not ids and not numbers:
        return
    uids = [identities.uid(project.pk, "prompt_version", id) for id in ids]
    prompts = Prompt.objects.filter(project=project.pk, name__in={name for name, _ in numbers}).values("pk")
    by_number = _versions(project).filter(prompt_uid__in=prompts, version__in={number for _, number in numbers})
    rows = _versions(project).filter(uid__in=uids) | by_number
    for name, number, id in rows.values_list("prompt_name", "version", "public_id"):
        if name is not None:
            _memory.keep(project.pk, name, number, id)


def _versions(project: Project) -> Any:
    name = Prompt.objects.filter(project=project.pk, pk=OuterRef("prompt_uid")).values("name")[:1]
    return PromptVersion.objects.in_project(project.pk).annotate(prompt_name=Subquery(name))


# ------------------------------------------------------------------------------------------------------- by content
def _candidates(project: Project, names: Collection[str | None]) -> dict[str | None, list[Candidate]]:
    """The versions that calls of prompts of these names may have been made by; None stands for calls without a name."""
    told: dict[str | None, list[Candidate]] = {}
    for name in names:
        made, known = _memory.candidates.get((project.pk, name), (0, []))
        if made == project.versions_made:
            told[name] = known
    new: dict[str | None, list[Candidate]] = {name: [] for name in names if name not in told}
    wanted = [name for name in new if name is not None]
    said = Length(Coalesce("template", Value(""))) + Length(Coalesce(Cast("template_messages", TextField()), Value("")))
    rows = _versions(project).filter(version__gte=0).annotate(size=said).filter(size__lte=LONGEST)
    if wanted:
        prompts = Prompt.objects.filter(project=project.pk, name__in=wanted).values("pk")
        place = Window(RowNumber(), partition_by=F("prompt_uid"), order_by=F("version").desc())
        for row in rows.filter(prompt_uid__in=prompts).annotate(place=place).filter(place__lte=MOST):
            new[row.prompt_name].append(_candidate(row))
    if None in new:
        for row in rows.exclude(inputs=[]).order_by("-created_at")[:MOST_OF_ALL]:
            if row.prompt_name is not None:
                new[None].append(_candidate(row))
    for name, found in new.items():
        _memory.keep_candidates(project, name, found)
    return told | new


def _candidate(row: Any) -> Candidate:
    if row.template_messages is None:
        said: tuple[tuple[str | None, str], ...] = ((None, row.template or ""),)
    else:
        said = tuple(
            (one.get("role") if isinstance(one, dict) else None, reading.message_text(one))
            for one in row.template_messages
        )
    return Candidate(
        name=row.prompt_name,
        number=row.version,
        id=row.public_id,
        made_at=row.created_at,
        model=row.model_id,
        settings={_plain(name): value for name, value in row.settings.items() if name not in ("provider", "model")},
        said=said,
        holes=frozenset(name for _, text in said for name in filling.names(text)),
    )


def _that_made(call: GenerationRecord, candidates: Iterable[Candidate]) -> Candidate | None:
    """The version whose template what was sent fits best.

    Of several: one that was there when the call began, whose model and settings the call has, of which the most is said
    literally; then the newest that was there, or else the first that came. So that a call that is sent again later is
    the same version's.
    """
    values = call.variables or {}
    best: tuple[tuple[Any, ...], Candidate] | None = None
    for one in candidates:
        if call.prompt_name is None and not one.holes <= values.keys():
            continue
        own = _fit(one, call, values)
        if own is None or (own == 0 and (call.prompt_name is None or not one.holes <= values.keys())):
            continue
        was_there = call.started_at is not None and one.made_at <= call.started_at
        age = one.made_at.timestamp()
        order = (was_there, _alike(one, call), own, age if was_there else -age)
        if best is None or order > best[0]:
            best = order, one
    return None if best is None else best[1]


def _fit(one: Candidate, call: GenerationRecord, values: Mapping[str, Json]) -> int | None:
    """How many characters of what was sent are the template's own; None where it is not this template."""
    sent: list[tuple[str | None, str]]
    if call.messages:
        sent = [
            (message.get("role") if isinstance(message, dict) else None, reading.message_text(message))
            for message in call.messages[: len(one.said)]
        ]
        # A conversation goes on behind its template's messages; a text is the whole of what was sent.
        if one.said[:1] and one.said[0][0] is None and len(call.messages) > 1:
            return None
    else:
        sent = [(None, call.prompt or "")]
    if len(sent) != len(one.said):
        return None
    own = 0
    for (role, template), (sender, text) in zip(one.said, sent, strict=True):
        if role != sender and role is not None and sender is not None:
            return None
        said = filling.fit(template, text, values)
        if said is None:
            return None
        own += said
    return own


def _alike(one: Candidate, call: GenerationRecord) -> int:
    given = {_plain(name): value for name, value in (call.parameters or {}).items()}
    has_model = one.model is None or one.model == call.model_id
    return has_model + all(given.get(name) == value for name, value in one.settings.items())


def _plain(name: str) -> str:
    """A setting's name without the differences between those who spell it."""
    return name.replace("_", "").lower()
