"""Which copies of what was recorded may hold something of a participant: files of exports, bodies that were refused."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import reduce
from operator import or_
from typing import Any, Final

from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from generations import filters, incoming
from generations.filters import BadFilter, Condition, sql
from generations.filters.conditions import Some, parts_of
from generations.models import AuditEntry, Job, Participant, Project, Thread

_NOUNS: Final = {"generations": "generation", "steps": "step", "threads": "thread"}
_DELETING: Final = (Job.Kind.BULK, Job.Kind.RETENTION, Job.Kind.ERASURE)
_ESCAPED: Final = re.compile(r"\\u[0-9a-f]{4}")


def exports(project: Project, id: str, erasure: Job, **where: Any) -> Iterator[Job]:
    """The exports that were made and may hold rows of the participant, those that ended first before the others.

    For an erasure that has begun: whatever export it does not find here finds it, and is made anew.
    """
    done = Job.objects.filter(project=project, kind=Job.Kind.EXPORT, state=Job.State.DONE, **where)
    with transaction.atomic():
        # One that is being finished has looked for erasures before this one began: it is waited for.
        ending = Job.objects.filter(project=project, kind=Job.Kind.EXPORT, state=Job.State.RUNNING)
        list(ending.select_for_update().order_by("pk").values_list("pk"))
    return (export for export in done.order_by("finished_at", "pk") if _may_hold(project, id, export, erasure))


def _may_hold(project: Project, id: str, export: Job, erasure: Job) -> bool:
    """Whether rows of theirs matched when the export was made, as far as rows can tell that by now."""
    kind = str(export.parameters.get("kind"))
    if kind not in _NOUNS:
        return True
    try:
        condition = filters.from_document(kind, export.parameters.get("filter") or {})
        matched = filters.q(kind, condition, project.pk, now=export.started_at)
        matched |= filters.q(kind, condition, project.pk, now=export.finished_at)
    except BadFilter:
        return True
    theirs = _theirs(project, kind, id).filter(created_at__lte=export.finished_at)
    if kind == "threads" or not _is_of_the_row(kind, condition) or not matched:
        # Threads and what is beside a row do not say when that was changed; and an export of all that there is asked
        # nothing, of which no "or" can be made: it would be what is said after it alone.
        may = theirs
    else:
        may = theirs.filter(matched | Q(updated_at__gte=export.started_at))
    return bool(may.exists() or (_was_known(project, id, export) and _were_deleted(project, export, erasure)))


def _theirs(project: Project, kind: str, id: str) -> QuerySet[Any]:
    threads = Thread.objects.in_project(project.pk).filter(user_id=id)
    reference = "public_id" if kind == "threads" else "thread_id"
    return filters.rows(kind, project.pk).filter(
        Q(user_id=id) | Q(Exists(threads.filter(public_id=OuterRef(reference))))
    )


def _is_of_the_row(kind: str, condition: Condition | None) -> bool:
    """Whether all that a condition asks stands in the row itself."""
    if condition is None:
        return True
    if isinstance(condition, filters.Leaf):
        return bool(filters.catalogue(kind).asked(condition).columns)
    return not isinstance(condition, Some) and all(_is_of_the_row(kind, part) for part in parts_of(condition))


def _was_known(project: Project, id: str, export: Job) -> bool:
    """Whether the participant may have had rows before the export ended."""
    row = Participant.objects.by_ids(project.pk, "participant", [id]).first()
    return row is None or export.finished_at is None or row.created_at <= export.finished_at


def _were_deleted(project: Project, export: Job, erasure: Job) -> bool:
    """Whether rows, of whomever, may have been deleted since the export began, of which nothing tells any more."""
    jobs = Job.objects.filter(project=project, kind__in=_DELETING, started_at__isnull=False).exclude(pk=erasure.pk)
    jobs = jobs.exclude(parameters__dry=True).filter(Q(finished_at=None) | Q(finished_at__gte=export.started_at))
    by_hand = [f"{noun}.delete" for noun in _NOUNS.values()]
    noted = AuditEntry.objects.filter(project=project, created_at__gte=export.started_at, action__in=by_hand)
    return jobs.exists() or noted.exists()


# ------------------------------------------------------------------------------------------- what came in from outside
def forget_files_to_import(project: Project) -> int:
    """Delete the files that wait to be imported and those that tell what an import refused, but for what jobs read just
    now; returns how many. Nobody looks into them, for they may be large, packed and of any form; they can be sent
    again.
    """
    keys = list(incoming.idle(project.pk))
    for key in keys:
        default_storage.delete(key)
    return len(keys)


def mentions(id: str) -> Q:
    """Bodies that have the id in them, whatever their format."""
    return reduce(or_, [_has(one.encode()) for one in sorted(_spellings(id))])


def _has(part: bytes) -> Q:
    return sql.true("(position(%(expressions)s) > 0)", sql.Param(part, "::bytea"), F("body"), joined_by=" IN ")


def _spellings(id: str) -> set[str]:
    """The id as it is, and as programs write it in JSON: with or without what is beyond ASCII, digits of either case,
    and slashes escaped."""
    told = {id, *(json.dumps(id, ensure_ascii=is_ascii)[1:-1] for is_ascii in (True, False))}
    told |= {_ESCAPED.sub(lambda found: rf"\u{found[0][2:].upper()}", one) for one in told}
    return told | {one.replace("/", r"\/") for one in told}
