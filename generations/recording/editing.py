"""Changes to what is already recorded: what is said anew, the answer that is selected, tags, prices, deletions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from django.db import connection, transaction
from django.utils import timezone

from generations import access, bundles, cleaning, identities, pricing, records
from generations.access import Grant
from generations.models import Feedback, Project
from generations.recording import departing, derive, locking, looking, merging, storing, writing
from generations.recording.tables import HANGING, TABLES, Keys
from generations.recording.writing import amend
from generations.records import revised

_TAGGED: Final = ("generation", "step", "thread")


def retag(
    project: Project, kind: str, ids: Sequence[str], *, add: Iterable[str] = (), remove: Iterable[str] = ()
) -> int:
    """Add and remove tags of generations, steps or threads; returns how many rows changed.

    Unknown ids are passed over. Raises InvalidRecord for tags that cannot be stored.
    """
    if kind not in _TAGGED:
        raise records.InvalidRecord("kind", kind, " or ".join(_TAGGED))
    added = cleaning.clean(records.ThreadRecord(id="-", tags=tuple(add)), now=timezone.now()).tags or ()
    removed = [tag for said in remove if (tag := cleaning.clean_string(said).strip()) not in added]
    with transaction.atomic(), connection.cursor() as cursor:
        locking.lock(cursor, project.pk)
        storing.write(cursor, Keys(project.pk), {}, added, timezone.now())
        touched = ", updated_at = %(now)s" if kind != "thread" else ""
        cursor.execute(
            f"UPDATE {kind} SET tags = wanted.tags{touched} FROM ("  # noqa: S608
            "  SELECT uid, ARRAY(SELECT tag FROM unnest(tags || %(add)s::text[]) WITH ORDINALITY AS t(tag, place)"
            "    WHERE tag <> ALL(%(remove)s::text[]) GROUP BY tag ORDER BY min(place)) AS tags"
            f"  FROM {kind} WHERE project_id = %(project)s AND uid = ANY(%(uids)s)"
            f") AS wanted WHERE {kind}.project_id = %(project)s AND {kind}.uid = wanted.uid"
            f" AND {kind}.tags <> wanted.tags AND cardinality(wanted.tags) <= %(most)s",
            {
                "project": project.pk,
                "uids": [identities.uid(project.pk, kind, id) for id in ids],
                "add": list(added),
                "remove": removed,
                "most": cleaning.MAX_TAGS,
                "now": timezone.now(),
            },
        )
        return int(cursor.rowcount)


def reprice(project: Project, ids: Sequence[str], *, now: dt.datetime | None = None) -> int:
    """Reckon the cost of these generations again with today's prices; returns how many changed.

    Costs that the caller gave stay.
    """
    moment = now or timezone.now()
    keys = Keys(project.pk)
    # Saying that the cost is cleared brings all that a price is kept in.
    wanted = {id: records.GenerationRecord(id=id, cleared=frozenset({"cost"})) for id in ids}
    with transaction.atomic(), connection.cursor() as cursor:
        found = looking.look(cursor, keys, {"generation": wanted})
        rows = []
        for _, old in sorted(found.rows["generation"].items()):
            if pricing.is_given(old.record):
                continue
            price = pricing.price(old.record, found.prices)
            record = revised(old.record, **{**dict.fromkeys(derive.COSTS), **derive.costs(price)})
            if record != old.record:
                extra = {**old.extra, "updated_at": moment}
                rows.append(merging.Merged(record, old, extra=extra, writes_alternatives=False))
        storing.write(cursor, keys, {"generation": rows}, (), moment)
        return len(rows)


def said_now(project: Project, feedback: records.FeedbackRecord) -> records.FeedbackRecord:
    """Feedback that somebody gives at this moment: with an id of its own where the same was said before, and something
    else since then. What is merely sent again stays the same. One query, and none where it says its id or time."""
    if feedback.id is not None or feedback.created_at is not None:
        return feedback
    same = writing.feedback_of(feedback)
    rows = Feedback.objects.by_ids(project.pk, "feedback", [str(same.id)])
    return revised(feedback, id=identities.new_id()) if rows.filter(is_latest=False).exists() else feedback


def update(
    grant: Grant,
    id: str,
    said: Callable[[records.GenerationRecord], records.GenerationRecord],
    *,
    fields: Collection[str],
) -> bool:
    """Change a generation in somebody's name by what is `said` of it as it stands; False when there is none.

    The audit keeps the `fields` that it was changed by. Raises InvalidRecord, as `change` does.
    """
    with transaction.atomic():
        # Nobody else writes from here to the commit: what is read next stays as it is.
        with connection.cursor() as cursor:
            locking.lock(cursor, grant.project.pk)
        there = bundles.generation(grant.project, id)
        if there is None:
            return False
        stored = there.record  # perhaps another, to which the one of that id gave way
        change(grant, revised(said(stored), id=stored.id), stored)
        access.audit(grant, "generation.update", "generation", stored.id or id, {"fields": sorted(fields)})
    return True


def change(grant: Grant, said: records.GenerationRecord, stored: records.GenerationRecord) -> None:
    """Merge what somebody said into the generation as it is stored; the audit keeps which answer was selected before.

    Where the answer is one of the alternatives itself, it is the selected one from then on. Raises InvalidRecord for a
    choice that is none of the alternatives, or anything else that cannot be stored.
    """
    if said.feedback is not None:
        feedback = said_now(grant.project, revised(said.feedback, generation_id=said.id))
        said = revised(said, feedback=feedback)
    before = stored.selected_choice
    is_cleared = "selected_choice" in said.cleared
    wanted = None if is_cleared else before if said.selected_choice is None else said.selected_choice
    with transaction.atomic():
        if wanted == before:
            amend(grant.project, said)
            return
        others = (
            ()
            if "alternatives" in said.cleared
            else stored.alternatives
            if said.alternatives is None
            else said.alternatives
        )
        there = {other.index: other for other in others or ()}
        if wanted is not None and wanted != 0 and wanted not in there:
            expected = f"one of {', '.join(map(str, sorted({0, *there})))}, the places of the answers"
            raise records.InvalidRecord("selected_choice", wanted, expected)
        amend(grant.project, _answered(said, stored, there.get(wanted or 0), there.values()))
        access.audit(grant, "generation.select", "generation", stored.id or "", {"from": before, "to": wanted})


def _answered(
    said: records.GenerationRecord,
    stored: records.GenerationRecord,
    chosen: records.Alternative | None,
    others: Collection[records.Alternative],
) -> records.GenerationRecord:
    """`said` with the chosen alternative as the answer, unless another one is said or there is none of this to lose."""
    now = stored.completion if stored.message_completion is None else stored.message_completion
    is_said = said.completion is not None or said.message_completion is not None
    if chosen is None or is_said or now not in [other.content for other in others]:
        return said
    answer: dict[str, Any] = {}
    if stored.message_completion is None and isinstance(chosen.content, str):
        answer["completion"] = chosen.content
    elif stored.message_completion is not None and isinstance(chosen.content, Mapping):
        answer["message_completion"] = dict(chosen.content)
    else:
        return said
    own = {name: getattr(chosen, name) for name in ("finish_reason", "logprobs") if getattr(said, name) is None}
    unknown = {name for name, value in own.items() if value is None}
    return revised(said, **answer, **own, cleared=said.cleared | unknown)


def delete(project: Project, kind: str, ids: Sequence[str]) -> int:
    """Delete rows and what hangs on them; returns how many of that kind there were.

    A generation takes its payload, alternatives, scores, feedback and attachments along. What was made in a step, is in
    a thread or is a participant's stays, and so do files. Nobody asks for holds here: `retention.removing` does both.
    """
    if kind not in TABLES:
        raise records.InvalidRecord("kind", kind, " or ".join(TABLES))
    with transaction.atomic(), connection.cursor() as cursor:
        locking.lock(cursor, project.pk)
        return _delete(cursor, project.pk, kind, list(ids))


def _delete(cursor: Any, project: int, kind: str, ids: list[str]) -> int:
    if not ids:
        return 0
    uids = [identities.uid(project, kind, id) for id in ids]
    for statement in departing.rows(project, kind, uids, ids):
        cursor.execute(*statement)
    for table in HANGING.get(kind, ()):
        cursor.execute(
            f"DELETE FROM {table} WHERE project_id = %s AND {kind}_id = ANY(%s)",  # noqa: S608
            [project, ids],
        )
    if kind == "generation":
        cursor.execute("DELETE FROM alternative WHERE project_id = %s AND generation_uid = ANY(%s)", [project, uids])
        cursor.execute("DELETE FROM generation_search WHERE project_id = %s AND uid = ANY(%s)", [project, uids])
    orphaned: list[str | None] = []
    if kind == "feedback":
        cursor.execute("SELECT generation_id FROM feedback WHERE project_id = %s AND uid = ANY(%s)", [project, uids])
        orphaned = [row[0] for row in cursor.fetchall()]
    payload = TABLES[kind].payload
    if payload is not None:
        cursor.execute(
            f"DELETE FROM {payload} WHERE project_id = %s AND uid = ANY(%s)",  # noqa: S608
            [project, uids],
        )
    starts = ", started_at" if kind == "generation" else ""
    cursor.execute(
        f"DELETE FROM {TABLES[kind].facts} WHERE project_id = %s AND uid = ANY(%s) RETURNING uid{starts}",  # noqa: S608
        [project, uids],
    )
    gone = cursor.fetchall()
    if kind == "generation" and gone:
        # Of the text too: an extract may be on its way in of what was read before this transaction.
        cursor.execute(*storing.marks(project, [row[0] for row in gone], [row[1] for row in gone], timezone.now()))
    writing.mark_latest(cursor, project, orphaned)
    return len(gone)
