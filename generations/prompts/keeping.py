"""Prompts and their immutable versions: got or created by content, labelled, rolled out by weight."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import random
import re
import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import orjson
from django.db import transaction
from django.db.models import F, OuterRef, QuerySet, Subquery
from django.utils import timezone

from generations import filters, identities
from generations.access import Grant, Scope, audit
from generations.cleaning import MAX_ID, clean_json, clean_string
from generations.models import Project, Prompt, PromptVersion
from generations.records import InvalidRecord, Json

MAX_NAME: Final = 200
MAX_TEMPLATE: Final = 4 << 20
MAX_DESCRIPTION: Final = 10_000
IN_USE: Final = filters.from_document("prompts", {"deletedAt": {"$exists": False}})
"""What a list of prompts is narrowed by: those that were deleted are in none."""
_VARIABLE: Final = re.compile(r"\{\{\{?\s*+(?:[#^&/]\s*+)?([\w.\-]++)\s*+\}?\}\}")
"""What it took it never gives back: braces before a hundred thousand spaces would be read for minutes otherwise."""
_NOT_CONTENT: Final = frozenset({"uuid", "templated"})


class NoSuchPrompt(LookupError):
    """The project has no such prompt or version; `field` named it with `value` where a document did."""

    def __init__(self, message: str, field: str | None = None, value: object = None) -> None:
        self.field = field
        self.value = None if value is None else str(value)[:80]
        super().__init__(message)


def named(grant: Grant, name: str) -> Prompt | None:
    """The project's prompt of this name, or None, as for one that was deleted. Needs `read`."""
    grant.need(Scope.READ)
    return _in_use(grant).filter(name=clean_string(name)).first()


def found(grant: Grant, prompt_id: str) -> Prompt | None:
    """The project's prompt of this id, or None, as for one that was deleted. Needs `read`."""
    grant.need(Scope.READ)
    try:
        key = uuid.UUID(prompt_id)
    except ValueError:
        return None
    return _in_use(grant).filter(pk=key).first()


def get_or_create(grant: Grant, name: str, description: str = "") -> Prompt:
    """The prompt of this name, made when there is none; one that was deleted is there again, with its versions.

    Needs `write`. Safe to call at once from many. Raises InvalidRecord.
    """
    grant.need(Scope.WRITE)
    clean = clean_string(name).strip()
    if not clean or len(clean) > MAX_NAME:
        raise InvalidRecord("name", name, f"a text of 1 to {MAX_NAME} characters")
    said = _bounded("description", description, MAX_DESCRIPTION)
    with transaction.atomic():
        prompt, made = Prompt.objects.get_or_create(project=grant.project, name=clean, defaults={"description": said})
        if made:
            audit(grant, "prompt.create", "prompt", str(prompt.pk), {"name": clean})
        elif prompt.deleted_at is not None:
            prompt.deleted_at = None
            prompt.save(update_fields=["deleted_at"])
            audit(grant, "prompt.restore", "prompt", str(prompt.pk), {"name": clean})
    return prompt


def names_of(grant: Grant, version_ids: Collection[str]) -> dict[str, tuple[str, int]]:
    """The prompt's name and the number of each of these versions that the project has, in one query. Needs `read`."""
    grant.need(Scope.READ)
    name = Prompt.objects.filter(project=grant.project, pk=OuterRef("prompt_uid")).values("name")[:1]
    rows = PromptVersion.objects.by_ids(grant.project.pk, "prompt_version", version_ids)
    found = rows.annotate(prompt_name=Subquery(name)).values_list("public_id", "prompt_name", "version")
    return {id: (name, number) for id, name, number in found if name is not None}


def versions(grant: Grant, prompt: Prompt) -> list[PromptVersion]:
    """The versions of a prompt, the newest first, without drafts. Needs `read`."""
    grant.need(Scope.READ)
    rows = PromptVersion.objects.in_project(grant.project.pk).filter(prompt_uid=prompt.pk, version__gte=0)
    return list(rows.order_by("-version"))


def version(grant: Grant, version_id: str) -> PromptVersion | None:
    """The version of this id, or None. Needs `read`."""
    grant.need(Scope.READ)
    key = identities.uid(grant.project.pk, "prompt_version", version_id)
    row: PromptVersion | None = PromptVersion.objects.in_project(grant.project.pk).filter(uid=key).first()
    return row


def of_number(grant: Grant, prompt: Prompt, number: int) -> PromptVersion | None:
    """The version of this number, or None. Needs `read`."""
    grant.need(Scope.READ)
    rows = PromptVersion.objects.in_project(grant.project.pk).filter(prompt_uid=prompt.pk, version=number)
    row: PromptVersion | None = rows.first()
    return row


def drawn(grant: Grant, prompt: Prompt, number: int | None = None) -> PromptVersion | None:
    """The version of this number; without one, drawn by the weights of the rollout, or else the newest.

    Needs `read`.
    """
    grant.need(Scope.READ)
    rows = PromptVersion.objects.in_project(grant.project.pk).filter(prompt_uid=prompt.pk, version__gte=0)
    if number is None:
        weights = {int(part["version"]): float(part["rollout"]) for part in prompt.rollout if part["rollout"] > 0}
        if weights:
            number = random.choices(list(weights), list(weights.values()))[0]  # noqa: S311  (a draw, not a secret)
    chosen = rows if number is None else rows.filter(version=number)
    row: PromptVersion | None = chosen.order_by("-version").first()
    return row


def add_version(
    grant: Grant,
    prompt: Prompt,
    *,
    template_messages: Sequence[Json] | None = None,
    template: str | None = None,
    settings: Mapping[str, Json] | None = None,
    tools: Sequence[Json] | None = None,
    input_defaults: Mapping[str, Json] | None = None,
    description: str | None = None,
    model_id: str | None = None,
    provider: str | None = None,
    is_draft: bool = False,
    metadata: Mapping[str, Json] | None = None,
    id: str | None = None,
    created_at: dt.datetime | None = None,
    first: int = 0,
    is_new: bool = False,
) -> PromptVersion:
    """The version of this content, or a new one with the next number, from `first`. Needs `write`.

    A new one has the given `id` and moment, or its own. With `is_new` there is a new one also of known content.

    Two versions are of the same content whatever their messages' uuids and their settings' provider. Drafts have
    numbers below 0 and are always new. Raises InvalidRecord, with the names of `documents`.
    """
    grant.need(Scope.WRITE)
    messages = None if template_messages is None else clean_json("messages", template_messages, MAX_TEMPLATE)
    chosen = clean_json("settings", dict(settings or {}), MAX_TEMPLATE)
    offered = clean_json("tools", list(tools or []), MAX_TEMPLATE)
    defaults = clean_json("inputDefaults", dict(input_defaults or {}), MAX_TEMPLATE)
    text = None if template is None else _bounded("template", template, MAX_TEMPLATE)
    model = None if model_id is None else _bounded("model", model_id, MAX_ID)
    whose = _bounded("provider", provider or _text(chosen.get("provider")) or "", MAX_ID) or None
    said = _bounded("description", description or "", MAX_DESCRIPTION)
    content = _content(messages, text, chosen, offered)
    with transaction.atomic():
        # The prompt's row is the lock under which numbers are given out.
        Prompt.objects.select_for_update().get(pk=prompt.pk)
        rows = PromptVersion.objects.in_project(grant.project.pk).filter(prompt_uid=prompt.pk)
        if not is_draft and not is_new:
            same: PromptVersion | None = rows.filter(content_hash=content, version__gte=0).order_by("-version").first()
            if same is not None:
                return same
        number, is_first = _next(rows, first, is_draft=is_draft)
        public_id = id or identities.new_id()
        row: PromptVersion = PromptVersion.objects.create(
            project=grant.project,
            uid=identities.uid(grant.project.pk, "prompt_version", public_id),
            public_id=public_id,
            prompt_uid=prompt.pk,
            version=number,
            content_hash=content,
            template_messages=None if messages is None else [_identified(m) for m in messages],
            template=text,
            inputs=variables_of(messages, text),
            input_defaults=defaults,
            model_id=model,
            provider=whose,
            settings=chosen,
            tools=offered,
            description=said,
            metadata=dict(metadata or {}),
            created_at=created_at or timezone.now(),
        )
        Project.objects.filter(pk=grant.project.pk).update(versions_made=F("versions_made") + 1)
        grant.project.refresh_from_db(fields=["versions_made"])
        if is_first and not is_draft:
            Prompt.objects.filter(pk=prompt.pk).update(rollout=[{"version": number, "rollout": 100}])
        audit(grant, "prompt.version", "prompt", str(prompt.pk), {"version": number})
    return row


def roll_out(grant: Grant, prompt: Prompt, weights: Sequence[Mapping[str, Any]]) -> Prompt:
    """Replace the weights by which versions are drawn. Needs `write`. Raises InvalidRecord, NoSuchPrompt."""
    grant.need(Scope.WRITE)
    clean: list[dict[str, float | int]] = []
    for n, part in enumerate(weights):
        number, weight = part.get("version"), part.get("rollout")
        if not isinstance(number, int) or isinstance(number, bool):
            raise InvalidRecord(f"rollouts[{n}].version", number, "a version's number")
        if not isinstance(weight, int | float) or isinstance(weight, bool) or not 0 <= weight <= 1e6:
            raise InvalidRecord(f"rollouts[{n}].rollout", weight, "a weight, 0 or more")
        clean.append({"version": number, "rollout": weight})
    rows = PromptVersion.objects.in_project(grant.project.pk).filter(prompt_uid=prompt.pk)
    there = set(rows.filter(version__in=[part["version"] for part in clean]).values_list("version", flat=True))
    missing = [part["version"] for part in clean if part["version"] not in there]
    if missing:
        raise NoSuchPrompt(f"The prompt '{prompt.name}' has no version {missing[0]}.", "rollouts", missing[0])
    with transaction.atomic():
        Prompt.objects.filter(pk=prompt.pk).update(rollout=clean)
        audit(grant, "prompt.rollout", "prompt", str(prompt.pk), {"rollout": clean})
    prompt.rollout = clean
    return prompt


def variables_of(messages: Sequence[Json] | None, template: str | None) -> list[str]:
    """The names between double braces, in the order of their first appearance."""
    texts = [template or ""]
    for message in messages or ():
        content = message.get("content") if isinstance(message, Mapping) else None
        parts = content if isinstance(content, list) else [content]
        texts += [str((part.get("text") if isinstance(part, Mapping) else part) or "") for part in parts]
    return list(dict.fromkeys(name for text in texts for name in _VARIABLE.findall(text)))


def _content(messages: Json, template: str | None, settings: Mapping[str, Json], tools: Json) -> bytes:
    """What makes two versions the same: all but uuids, `templated` marks and the provider."""
    plain = [
        {key: value for key, value in message.items() if key not in _NOT_CONTENT and value is not None}
        if isinstance(message, Mapping)
        else message
        for message in messages or ()
    ]
    chosen = {key: value for key, value in settings.items() if key != "provider"}
    whole = [plain, template or "", chosen, tools or []]
    try:
        said = orjson.dumps(whole, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # a number beyond 64 bits
        said = json.dumps(whole, sort_keys=True).encode()
    return hashlib.blake2b(said, digest_size=16).digest()


def _in_use(grant: Grant) -> QuerySet[Prompt]:
    return Prompt.objects.filter(project=grant.project, deleted_at=None)


def _next(rows: QuerySet[PromptVersion], first: int, *, is_draft: bool) -> tuple[int, bool]:
    """The number of a new one beside these versions, and whether it is the first of its sort: drafts count down."""
    numbers = rows.filter(version__lt=0) if is_draft else rows.filter(version__gte=0)
    last = numbers.order_by("version" if is_draft else "-version").values_list("version", flat=True).first()
    if last is None:
        return (-1 if is_draft else first), True
    return last + (-1 if is_draft else 1), False


def _bounded(field: str, text: str, most: int) -> str:
    clean = clean_string(text)
    if len(clean) > most:
        raise InvalidRecord(field, text, f"at most {most} characters, got {len(clean)}")
    return clean


def _identified(message: Json) -> Json:
    """A template message with a uuid, by which rendered messages are linked to it."""
    if not isinstance(message, Mapping):
        return message
    rest = {key: value for key, value in message.items() if key != "templated"}
    return {**rest, "uuid": message.get("uuid") or str(uuid.uuid4())}


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) else None
