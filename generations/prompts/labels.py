"""Labels of prompt versions: prod, test and others, each on one version of a prompt at a time."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from django.db import transaction
from django.db.models import Q

from generations.access import Grant, Scope, audit
from generations.cleaning import clean_string
from generations.models import Prompt, PromptVersion
from generations.prompts.keeping import NoSuchPrompt, add_version, get_or_create
from generations.records import InvalidRecord

LATEST: Final = "latest"
"""A label that nobody moves: it is always on the newest version."""
MOST: Final = 50
MAX_LABEL: Final = 100


def labelled(grant: Grant, prompt: Prompt, label: str) -> PromptVersion | None:
    """The version that carries this label, or None. Needs `read`."""
    grant.need(Scope.READ)
    rows = PromptVersion.objects.in_project(grant.project.pk).filter(prompt_uid=prompt.pk, version__gte=0)
    chosen = rows if label == LATEST else rows.filter(labels__contains=[label])
    row: PromptVersion | None = chosen.order_by("-version").first()
    return row


def labels_of(grant: Grant, prompts: Collection[uuid.UUID]) -> dict[uuid.UUID, dict[str, int]]:
    """For each of these prompts, its labels with the number of the version that carries each. One query.

    Needs `read`.
    """
    grant.need(Scope.READ)
    rows = PromptVersion.objects.in_project(grant.project.pk).filter(prompt_uid__in=prompts).exclude(labels=[])
    found: dict[uuid.UUID, dict[str, int]] = defaultdict(dict)
    for prompt, labels, number in rows.order_by("version").values_list("prompt_uid", "labels", "version"):
        found[prompt] |= dict.fromkeys(sorted(labels), number)
    return found


def publish(grant: Grant, name: str, *, labels: Sequence[str] = (), **content: Any) -> tuple[PromptVersion, bool]:
    """A version of this content (as `add_version` takes it) of the prompt of this name, with the labels moved to it.

    Both are made where need be, all of it or nothing; says whether the version is new. Needs `write`. Raises
    InvalidRecord.
    """
    grant.need(Scope.WRITE)
    with transaction.atomic():
        prompt = get_or_create(grant, name)
        before = PromptVersion.objects.in_project(grant.project.pk).filter(prompt_uid=prompt.pk).count()
        row = add_version(grant, prompt, **content)
        after = PromptVersion.objects.in_project(grant.project.pk).filter(prompt_uid=prompt.pk).count()
        if labels:
            move(grant, prompt, dict.fromkeys(labels, row.version))
            row = PromptVersion.objects.in_project(grant.project.pk).get(uid=row.uid)
    return row, after > before


def label(grant: Grant, version: PromptVersion, labels: Collection[str]) -> PromptVersion:
    """Move these labels to a version, at once; returns it as it is then. Needs `write`. Raises InvalidRecord."""
    prompt = Prompt.objects.get(pk=version.prompt_uid, project=grant.project)
    move(grant, prompt, dict.fromkeys(labels, version.version))
    row: PromptVersion = PromptVersion.objects.in_project(grant.project.pk).get(uid=version.uid)
    return row


def move(grant: Grant, prompt: Prompt, wanted: Mapping[str, int | None]) -> dict[str, int]:
    """Put each label on the version of its number, or with None on none: all of them, or none. Needs `write`.

    Whoever asks for a labelled version meanwhile sees all labels as before or all as after. Returns the labels as they
    are then. Raises InvalidRecord for what is no label, NoSuchPrompt for a version that there is none of.
    """
    grant.need(Scope.WRITE)
    wanted = {_tidy(label): number for label, number in wanted.items()}
    with transaction.atomic():
        # The prompt's row is the lock under which its versions change.
        Prompt.objects.select_for_update().get(pk=prompt.pk)
        rows = PromptVersion.objects.in_project(grant.project.pk).filter(prompt_uid=prompt.pk)
        numbers = {number for number in wanted.values() if number is not None}
        concerned = rows.filter(Q(version__in=numbers) | Q(labels__overlap=list(wanted)))
        there: dict[int, PromptVersion] = {row.version: row for row in concerned}
        missing = next((number for number in numbers if number not in there or number < 0), None)
        if missing is not None:
            raise NoSuchPrompt(f"The prompt '{prompt.name}' has no version {missing}.", "labels", missing)
        touched: set[int] = set()
        for label, number in wanted.items():
            before = next((row.version for row in there.values() if label in row.labels), None)
            if before == number:
                continue
            if before is not None:
                there[before].labels = [one for one in there[before].labels if one != label]
                touched.add(before)
            if number is not None:
                there[number].labels = sorted({*there[number].labels, label})
                touched.add(number)
            audit(grant, "prompt.label", "prompt", str(prompt.pk), {"label": label, "version": number, "from": before})
        for number in sorted(touched):
            if len(there[number].labels) > MOST:
                raise InvalidRecord("labels", len(there[number].labels), f"at most {MOST} labels on a version")
            rows.filter(version=number).update(labels=there[number].labels)
    return labels_of(grant, [prompt.pk]).get(prompt.pk, {})


def _tidy(label: str) -> str:
    tidy = clean_string(label).strip()
    if not 1 <= len(tidy) <= MAX_LABEL or tidy == LATEST:
        raise InvalidRecord(
            "labels", label, f"texts of 1 to {MAX_LABEL} characters, such as prod; '{LATEST}' moves itself"
        )
    return tidy
