"""A project's evaluators: made, changed, put away, and told which of the new generations they are to score."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from generations import filters, verdicts
from generations.access import Grant, Scope, audit
from generations.cleaning import clean_json, clean_string
from generations.models import Evaluator
from generations.records import InvalidRecord, Json

MAX_NAME: Final = 200
MAX_OPTIONS: Final = 1 << 20
MOST: Final = 200
"""Evaluators of a project, those that are put away among them."""


class NoSuchEvaluator(LookupError):
    """The project has no evaluator of this id."""

    def __init__(self, id: str) -> None:
        self.field = "id"
        self.value = id[:80]
        super().__init__(f"There is no evaluator '{id[:80]}' in this project.")


def every(grant: Grant, *, is_archived: bool = False) -> list[Evaluator]:
    """The project's evaluators by name: those in use, or those that are put away. Needs `read`."""
    grant.need(Scope.READ)
    rows = Evaluator.objects.filter(project=grant.project, archived_at__isnull=not is_archived)
    return list(rows.select_related("created_by").order_by("name"))


def find(grant: Grant, evaluator_id: str | uuid.UUID) -> Evaluator | None:
    """The project's evaluator of this id, also one that is put away; None when there is none. Needs `read`."""
    grant.need(Scope.READ)
    try:
        key = evaluator_id if isinstance(evaluator_id, uuid.UUID) else uuid.UUID(evaluator_id)
    except ValueError:
        return None
    return Evaluator.objects.select_related("created_by").filter(project=grant.project, pk=key).first()


def named(grant: Grant, name: str) -> Evaluator | None:
    """The project's evaluator of this name; None when there is none. Needs `read`."""
    grant.need(Scope.READ)
    return Evaluator.objects.select_related("created_by").filter(project=grant.project, name=clean_string(name)).first()


def create(
    grant: Grant, *, name: str, kind: str, options: Mapping[str, Json] | None = None, score_name: str | None = None
) -> Evaluator:
    """A new evaluator; its scores have its own name where no other is said. Needs `write`. Raises InvalidRecord."""
    grant.need(Scope.WRITE)
    row = Evaluator(project=grant.project, created_by=grant.user, created_by_key=grant.key)
    _describe(row, name, kind, options or {}, score_name)
    if Evaluator.objects.filter(project=grant.project).count() >= MOST:
        raise InvalidRecord("name", row.name, f"at most {MOST} evaluators in a project")
    with transaction.atomic():
        _save(row, force_insert=True)
        audit(grant, "evaluator.create", "evaluator", str(row.pk), {"name": row.name, "kind": row.kind})
    return row


def change(
    grant: Grant,
    evaluator_id: str | uuid.UUID,
    *,
    name: str | None = None,
    options: Mapping[str, Json] | None = None,
    score_name: str | None = None,
) -> Evaluator:
    """Rename an evaluator or change its options; None leaves a part as it is. Its kind stays. Needs `write`.

    Scores that it gave stay, and evaluations that run go on with what it was. Raises InvalidRecord, NoSuchEvaluator.
    """
    grant.need(Scope.WRITE)
    with transaction.atomic():
        row = _locked(grant, evaluator_id)
        _describe(
            row,
            row.name if name is None else name,
            row.kind,
            row.options if options is None else options,
            row.score_name if score_name is None else score_name,
        )
        _save(row, update_fields=["name", "options", "score_name"])
        audit(grant, "evaluator.update", "evaluator", str(row.pk), {"name": row.name})
    return row


def archive(grant: Grant, evaluator_id: str | uuid.UUID, *, is_archived: bool = True) -> Evaluator:
    """Put an evaluator away, where it scores nothing any more, or bring it back. Needs `write`."""
    grant.need(Scope.WRITE)
    with transaction.atomic():
        row = _locked(grant, evaluator_id)
        if (row.archived_at is not None) != is_archived:
            Evaluator.objects.filter(pk=row.pk).update(
                archived_at=Now() if is_archived else None, share=0, scored_until=None
            )
            audit(grant, "evaluator.archive" if is_archived else "evaluator.restore", "evaluator", str(row.pk))
        row.refresh_from_db()
    return row


def trigger(grant: Grant, evaluator_id: str | uuid.UUID, *, share: float, document: Json = None) -> Evaluator:
    """Score `share` percent of the new generations that match a filter document, from now on; 0 ends it.

    Needs `write`. Raises InvalidRecord, BadFilter, NoSuchEvaluator.
    """
    grant.need(Scope.WRITE)
    if not 0 <= share <= 100:  # nor what is no number, with which every comparison is false
        raise InvalidRecord("share", share, "percent, from 0 to 100")
    if document is not None and not isinstance(document, Mapping):
        raise InvalidRecord("filter", document, "a filter document")
    # Building the statement finds what reading the document alone cannot.
    filters.narrow("generations", grant.project.pk, filters.from_document("generations", document or {}))
    with transaction.atomic():
        row = _locked(grant, evaluator_id)
        if share and row.archived_at is not None:
            raise InvalidRecord("share", share, "0, because the evaluator is put away")
        if share and row.kind != "judge" and verdicts.KINDS[row.kind].needs_expected and not row.options.get("text"):
            raise InvalidRecord("kind", row.kind, "one that needs no expected output, which new generations have not")
        changes: dict[str, Any] = {"share": share, "filter": document or {}, "problem": ""}
        if not share:
            changes["scored_until"] = None
        elif row.scored_until is None:
            changes["scored_until"] = Now()
        Evaluator.objects.filter(pk=row.pk).update(**changes)
        audit(grant, "evaluator.trigger", "evaluator", str(row.pk), {"share": share, "filter": document or {}})
        row.refresh_from_db()
    return row


def _locked(grant: Grant, evaluator_id: str | uuid.UUID) -> Evaluator:
    known = find(grant, evaluator_id)
    if known is None:
        raise NoSuchEvaluator(str(evaluator_id))
    return Evaluator.objects.select_for_update().get(pk=known.pk)


def _describe(row: Evaluator, name: str, kind: str, options: Json, score_name: str | None) -> None:
    row.name = _text("name", name)
    row.score_name = _text("scoreName", score_name or row.name)
    if not isinstance(options, Mapping):
        raise InvalidRecord("options", options, "an object")
    row.options = clean_json("options", verdicts.checked(kind, options), MAX_OPTIONS)
    row.kind = kind
    if kind == "json_schema":
        with verdicts.Apart() as apart:
            problem = apart.check(row.options["schema"])
        if problem:
            raise InvalidRecord("options.schema", row.options["schema"], f"a JSON schema: {problem}")


def _text(field: str, value: Json) -> str:
    tidy = clean_string(value).strip() if isinstance(value, str) else ""
    if not 1 <= len(tidy) <= MAX_NAME:
        raise InvalidRecord(field, value, f"a text of 1 to {MAX_NAME} characters")
    return tidy


def _save(row: Evaluator, **options: Any) -> None:
    try:
        with transaction.atomic():
            row.save(**options)
    except IntegrityError:
        raise InvalidRecord("name", row.name, "a name that no other evaluator of this project has") from None
