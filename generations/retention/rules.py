"""The rules and holds of a project: made, removed, released, and what they mean as conditions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db import DatabaseError, connection, transaction
from django.db.models import Max
from django.utils import timezone

from generations import filters, recording
from generations import holds as held
from generations.access import Grant, Scope, audit
from generations.at_once import Statement
from generations.filters import BadFilter, Condition
from generations.filters.conditions import And, Not
from generations.models import Kept, LegalHold, Project, RetentionRule
from generations.models.accounts import new_uuid
from generations.records import Json

MOST_RULES: Final = 20
MOST_DAYS: Final = 36_500
What = RetentionRule.What


class BadRule(ValueError):
    """A rule or hold that cannot be: the sentence names the field, the value and what would be right."""


@dataclass(frozen=True, slots=True)
class Due:
    """What one rule says: rows of a list that match `condition` and began before `before`; None keeps them."""

    rule: RetentionRule
    condition: Condition | None
    before: dt.datetime | None
    is_empty: bool = False
    """Whether an earlier rule without a filter, or a hold on everything, leaves nothing to this one."""
    standing: tuple[Statement, ...] = ()
    """What fails (`is_overtaken`) once it is no longer so: a hold was added, or a rule removed or moved. Where
    it does not, neither is done before the end of the transaction."""


def rules(grant: Grant) -> list[RetentionRule]:
    """The project's rules, in the order in which they decide. Needs `read`."""
    grant.need(Scope.READ)
    return list(RetentionRule.objects.filter(project=grant.project))


def holds(grant: Grant) -> list[LegalHold]:
    """The project's holds, released ones too, the newest first. Needs `read`."""
    grant.need(Scope.READ)
    return list(LegalHold.objects.filter(project=grant.project).select_related("created_by"))


def named(rule: RetentionRule) -> str:
    """A rule by what it does: `text of generations where model is gpt-4o: 30 days`."""
    try:
        condition = filters.from_document(rule.kind, rule.filter)
        rows = rule.kind if condition is None else filters.sentence(rule.kind, condition)
    except BadFilter:
        rows = f"{rule.kind} by a filter of an earlier version"
    return rule.told(rows)


def add_rule(
    grant: Grant, *, kind: str, what: str, days: int | None, document: Mapping[str, Json] | None = None
) -> RetentionRule:
    """A rule behind the project's others: `days` None keeps for ever. Needs the scope `admin`. Raises BadRule."""
    grant.need(Scope.ADMIN)
    if what not in What.values:
        raise BadRule(f"what: {str(what)[:40]!r} is not valid; expected one of {', '.join(What.values)}")
    if days is not None and not 1 <= days <= MOST_DAYS:
        raise BadRule(f"days: {days} is not valid; expected 1 to {MOST_DAYS}, or nothing for ever")
    said = _filter(grant, kind, document)
    with transaction.atomic():
        # Two at once would take the same position. The project's row is there, which a first rule's others are not.
        Project.objects.select_for_update(no_key=True).get(pk=grant.project.pk)
        own = RetentionRule.objects.filter(project=grant.project, kind=kind, what=what)
        if own.count() >= MOST_RULES:
            raise BadRule(f"rules: there are {MOST_RULES} for this already; remove one first")
        last = own.aggregate(last=Max("position"))["last"]
        rule = RetentionRule.objects.create(
            project=grant.project,
            kind=kind,
            what=what,
            days=days,
            filter=said,
            position=0 if last is None else last + 1,
            created_by=grant.user,
        )
        audit(grant, "retention.add", "rule", str(rule.pk), {"rule": named(rule), "filter": said})
    return rule


def remove_rule(grant: Grant, rule_id: Any) -> RetentionRule | None:
    """Remove a rule of this project; None when there is none. Needs the scope `admin`."""
    grant.need(Scope.ADMIN)
    with transaction.atomic():
        _wait_for_batches(grant)
        rule = RetentionRule.objects.select_for_update().filter(project=grant.project, pk=rule_id).first()
        if rule is not None:
            audit(grant, "retention.remove", "rule", str(rule.pk), {"rule": named(rule), "filter": rule.filter})
            RetentionRule.objects.filter(pk=rule.pk).delete()
    return rule


def move_up(grant: Grant, rule_id: Any) -> RetentionRule | None:
    """Let a rule decide before the one that it now comes after, if there is one; None when there is no such rule.

    It gets another id: what is expired just now by the former order ends, as it does when a rule is removed.
    Needs the scope `admin`.
    """
    grant.need(Scope.ADMIN)
    with transaction.atomic():
        _wait_for_batches(grant)
        rule = RetentionRule.objects.filter(project=grant.project, pk=rule_id).first()
        if rule is None:
            return None
        same = RetentionRule.objects.select_for_update().filter(project=grant.project, kind=rule.kind, what=rule.what)
        order = list(same)
        place = order.index(rule)
        if place == 0:
            return rule
        order[place - 1 : place + 1] = rule, order[place - 1]
        same.filter(pk=rule.pk).delete()
        rule.pk = new_uuid()
        for position, one in enumerate(order):
            one.position = position
            one.save(force_insert=one is rule)
        audit(grant, "retention.move", "rule", str(rule.pk), {"rule": named(rule), "place": place})
    return rule


def add_hold(grant: Grant, *, reason: str, kind: str, document: Mapping[str, Json] | None = None) -> LegalHold:
    """Hold what matches; without a filter everything in the project. Needs the scope `admin`. Raises BadRule."""
    grant.need(Scope.ADMIN)
    if not reason.strip() or len(reason) > 500:
        raise BadRule("reason: expected 1 to 500 characters that say why")
    said = _filter(grant, kind, document)
    with transaction.atomic():
        _wait_for_batches(grant)
        with connection.cursor() as cursor:
            # What is being written ends first: nothing is emptied by what was decided without this hold.
            cursor.execute(recording.alone(grant.project.pk))
        hold = LegalHold.objects.create(
            project=grant.project, reason=reason.strip(), kind=kind, filter=said, created_by=grant.user
        )
        audit(grant, "hold.add", "hold", str(hold.pk), {"reason": hold.reason, "filter": said})
    return hold


def release_hold(grant: Grant, hold_id: Any) -> LegalHold | None:
    """Release a hold of this project; None when there is none. Needs the scope `admin`. Twice changes nothing."""
    grant.need(Scope.ADMIN)
    with transaction.atomic():
        hold = LegalHold.objects.select_for_update().filter(project=grant.project, pk=hold_id).first()
        if hold is not None and hold.released_at is None:
            hold.released_at = timezone.now()
            hold.save(update_fields=["released_at"])
            audit(grant, "hold.release", "hold", str(hold.pk), {"reason": hold.reason})
    return hold


def _wait_for_batches(grant: Grant) -> None:
    """Once this is committed nothing expires or is deleted against it: who is at that now ends first."""
    with connection.cursor() as cursor:
        cursor.execute(*held.alone(grant.project.pk))


def _filter(grant: Grant, kind: str, document: Mapping[str, Json] | None) -> dict[str, Any]:
    if kind not in Kept.values:
        raise BadRule(f"kind: {str(kind)[:40]!r} is not valid; expected one of {', '.join(Kept.values)}")
    try:
        condition = filters.from_document(kind, document)
        # Building it finds what reading alone cannot.
        filters.q(kind, condition, grant.project.pk)
    except BadFilter as error:
        raise BadRule(str(error)) from error
    return filters.to_document(condition)


# ------------------------------------------------------------------------------------------------------------ meaning
def meanings(project_pk: int, kind: str, what: str, now: dt.datetime) -> list[Due]:
    """What each rule of the project says of a list now. A row falls under one of them at most, and under none when it
    is held. Raises BadFilter for a rule whose filter is no longer possible."""
    there = held.open_holds(project_pk)
    deciding = list(RetentionRule.objects.filter(project_id=project_pk, kind=kind, what=what))
    standing = _standing(project_pk, there, deciding)
    refused = held.conditions(there, kind)
    made = []
    for rule in deciding:
        own = filters.from_document(kind, rule.filter)
        is_empty = None in refused
        parts = [*([own] if own else []), *(Not(one) for one in refused if one is not None)]
        condition = None if not parts else parts[0] if len(parts) == 1 else And(tuple(parts))
        before = None if rule.days is None else now - dt.timedelta(days=rule.days)
        made.append(Due(rule, condition, before, is_empty, standing))
        refused.append(own)
    return made


def all_due_before(project_pk: int, kind: str, texts: list[Due]) -> dt.datetime | None:
    """The moment before which every row of a list has to lose its text by these rules; None when there is none."""
    rules = [one for one in texts if not one.is_empty]
    if held.conditions(held.open_holds(project_pk), kind) or not any(not one.rule.filter for one in rules):
        return None
    moments = [one.before for one in rules if one.before is not None]
    return min(moments) if len(moments) == len(rules) else None


# ----------------------------------------------------------------------------------------------------------- meanwhile
def _standing(project_pk: int, there: Sequence[LegalHold], deciding: Sequence[RetentionRule]) -> tuple[Statement, ...]:
    kept, ruled = (f"'{{{','.join(str(one.pk) for one in some)}}}'::uuid[]" for some in (there, deciding))
    others = f"SELECT FROM legal_hold WHERE project_id = {project_pk:d} AND released_at IS NULL AND id <> ALL({kept})"
    same = f"SELECT count(*) FROM retention_rule WHERE project_id = {project_pk:d} AND id = ANY({ruled})"  # noqa: S608
    return (
        held.shared(project_pk),
        unless(f"EXISTS ({others}) OR ({same}) <> {len(deciding)}"),
    )


def unless(condition: str) -> Statement:
    """What fails where this is so in the database: see `is_overtaken`."""
    return f"DO $$ BEGIN IF {condition} THEN RAISE EXCEPTION USING ERRCODE = '{_OVERTAKEN}'; END IF; END $$", ()


def is_overtaken(error: DatabaseError) -> bool:
    """Whether what was about to be done is no longer to be done, as it was decided by what has changed since."""
    return getattr(error.__cause__, "sqlstate", None) == _OVERTAKEN


_OVERTAKEN: Final = "GN001"
