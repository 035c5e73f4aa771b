"""Applications by name: made, found, archived and deleted."""

from __future__ import annotations

import uuid
from typing import Final

from django.db import transaction
from django.utils import timezone

from generations.access import Grant, Scope, audit
from generations.cleaning import clean_string
from generations.models import Application
from generations.records import InvalidRecord

MAX_NAME: Final = 200


class NameTaken(ValueError):
    """There is an application of this name already."""


def create(grant: Grant, name: str, type: str | None = None) -> Application:
    """Make an application; an archived one of the name comes back. Needs `write`. Raises InvalidRecord, NameTaken."""
    grant.need(Scope.WRITE)
    clean, kind = _name(name), type or Application.Type.CUSTOM
    if kind not in Application.Type.values:
        raise InvalidRecord("model_type", type, f"one of {', '.join(Application.Type.values)}")
    with transaction.atomic():
        found, made = Application.objects.select_for_update().get_or_create(
            project=grant.project, name=clean, defaults={"type": kind}
        )
        if not made:
            if found.archived_at is None:
                raise NameTaken(f"There is an application '{clean}' in this project already.")
            found.archived_at, found.type = None, kind
            found.save(update_fields=["archived_at", "type"])
        audit(grant, "application.create", "application", str(found.pk), {"name": clean, "type": kind})
    return found


def seen(grant: Grant, name: str, type: str) -> None:
    """See to it that an application that logs exists. Needs `ingest`; safe to call at once from many."""
    grant.need(Scope.INGEST)
    Application.objects.get_or_create(project=grant.project, name=_name(name), defaults={"type": type})


def find(grant: Grant, name_or_id: str) -> Application | None:
    """The project's application of this name or id, unless it is archived. Needs `read`."""
    grant.need(Scope.READ)
    rows = Application.objects.filter(project=grant.project, archived_at=None)
    found = rows.filter(name=clean_string(name_or_id)).first()
    if found is None:
        try:
            found = rows.filter(pk=uuid.UUID(name_or_id)).first()
        except ValueError:
            return None
    return found


def every(grant: Grant) -> list[Application]:
    """The project's applications, by name. Needs `read`."""
    grant.need(Scope.READ)
    return list(Application.objects.filter(project=grant.project, archived_at=None))


def archive(grant: Grant, application: Application) -> None:
    """Put an application away; what it logged stays. Needs `write`."""
    grant.need(Scope.WRITE)
    with transaction.atomic():
        Application.objects.filter(pk=application.pk, project=grant.project).update(archived_at=timezone.now())
        audit(grant, "application.archive", "application", str(application.pk), {"name": application.name})


def delete(grant: Grant, application: Application) -> None:
    """Forget an application. What it logged stays: that is deleted by retention or erasure. Needs `write`."""
    grant.need(Scope.WRITE)
    with transaction.atomic():
        Application.objects.filter(pk=application.pk, project=grant.project).delete()
        audit(grant, "application.delete", "application", str(application.pk), {"name": application.name})


def _name(name: object) -> str:
    clean = clean_string(name).strip() if isinstance(name, str) else ""
    if not clean or len(clean) > MAX_NAME:
        raise InvalidRecord("model_name", name, f"a text of 1 to {MAX_NAME} characters")
    return clean
