"""New generations, scored as they come in: behind the write, a stable share of those that match, each once."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence
from typing import Any, Final

from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from generations import access, filters, recording, verdicts
from generations.access import Scope
from generations.evaluating import subjects
from generations.evaluating.running import score_id
from generations.evaluating.scoring import Models, Scorer, Used
from generations.filters import BadFilter
from generations.models import Evaluator, Generation, Project, Score

OVERLAP: Final = dt.timedelta(seconds=60)
"""What was written so long before the watermark is looked at again: a transaction may commit late."""
HELD: Final = dt.timedelta(minutes=10)
"""How long a worker has an evaluator to itself without a sign of life: longer than a batch of calls takes."""
_TOO_FAR: Final = 2
"""How many times HELD it may be held for at most: what is held for longer was taken before the clock was set back."""
AT_ONCE: Final = 200


def look(seconds: float = 20.0) -> int:
    """Score what is new, of all projects, for so long; returns how many generations were scored.

    Each evaluator is one worker's at a time, and a killed worker's is another's after a while.
    """
    end = timezone.now() + dt.timedelta(seconds=seconds)
    scored = 0
    for row in Evaluator.objects.filter(share__gt=0, archived_at=None, problem="").order_by("scored_until"):
        if timezone.now() >= end:
            break
        if _held(row):
            try:
                scored += _caught_up(row, end)
            finally:
                Evaluator.objects.filter(pk=row.pk).update(held_until=None)
    return scored


def seconds_behind(row: Evaluator) -> float | None:
    """How far the scores of new generations are behind the writes; None for an evaluator that scores none."""
    if row.scored_until is None:
        return None
    return max(0.0, (timezone.now() - row.scored_until).total_seconds())


def is_among(share: float, id: str) -> bool:
    """Whether a generation of this id is among so many percent: always the same answer for the same id."""
    digest = hashlib.blake2b(id.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) * 100 < share * (1 << 64)


def _held(row: Evaluator) -> bool:
    free = Q(held_until=None) | Q(held_until__lt=Now()) | Q(held_until__gt=Now() + _TOO_FAR * HELD)
    return bool(Evaluator.objects.filter(free, pk=row.pk, share__gt=0).update(held_until=Now() + HELD))


def _caught_up(row: Evaluator, end: dt.datetime) -> int:
    row.refresh_from_db()
    if row.scored_until is None:
        return 0
    project: Project = row.project
    try:
        grant = access.of_maker(project, row.created_by, row.created_by_key).need(Scope.WRITE)
    except (access.NotAllowed, access.NotAuthenticated, access.NoSuchProject):
        return _ended(row, "Who made this evaluator may not run it any more; make it again.")
    used, now = Used.of(row), timezone.now()
    if row.scored_until > now + OVERLAP:
        # The clock was ahead and has been set back: what is written until then would be before the watermark for ever.
        # What has scores already is known by them.
        if not Evaluator.objects.filter(pk=row.pk, scored_until=row.scored_until).update(scored_until=now):
            return 0
        row.scored_until = now
    try:
        condition = filters.from_document("generations", row.filter)
        matching: Any = filters.narrow("generations", project.pk, condition)
    except BadFilter as error:
        return _ended(row, f"The filter is no longer possible. {error}")
    matching = matching.filter(updated_at__gte=row.scored_until - OVERLAP, updated_at__lte=now)
    matching = matching.exclude(metadata__has_key=subjects.JUDGED_BY).exclude(metadata__has_key="evaluation")
    # A call that is under way has no answer yet: it is written again with it, and looked at then.
    matching = matching.filter(error=None).exclude(ended_at=None, output_preview=None)
    models = Models(grant, filter(None, [used.model]))
    scored, after = 0, None
    with verdicts.Apart() as apart:
        scorer = Scorer([used], models, apart, {"online": used.id})
        while True:
            rows = matching if after is None else matching.filter(_beyond(after))
            page = list(rows.order_by("updated_at", "uid")[:AT_ONCE])
            scored += _scored(
                project, scorer, models, used, [one for one in page if is_among(row.share, one.public_id)]
            )
            is_last = len(page) < AT_ONCE
            until = now if is_last else page[-1].updated_at
            # Only forwards, and not when the trigger was ended or begun anew meanwhile.
            mine = Evaluator.objects.filter(
                pk=row.pk, share=row.share, filter=row.filter, scored_until=row.scored_until
            )
            if not mine.update(scored_until=max(until, row.scored_until), held_until=Now() + HELD):
                return scored
            row.scored_until = max(until, row.scored_until)
            if is_last or timezone.now() >= end:
                return scored
            after = page[-1]


def _ended(row: Evaluator, problem: str) -> int:
    Evaluator.objects.filter(pk=row.pk).update(problem=problem)
    return 0


def _beyond(last: Generation) -> Q:
    return Q(updated_at__gt=last.updated_at) | Q(updated_at=last.updated_at, uid__gt=last.uid)


def _scored(project: Project, scorer: Scorer, models: Models, used: Used, rows: Sequence[Generation]) -> int:
    ids = {score_id(project, used.id, row.public_id): row for row in rows}
    known = set(Score.objects.by_ids(project.pk, "score", ids).values_list("public_id", flat=True))
    new = [row for id, row in ids.items() if id not in known]
    for first in range(0, len(new), subjects.AT_ONCE):
        cases = subjects.of_rows(project, new[first : first + subjects.AT_ONCE])
        made = [
            one.record(score_id(project, used.id, case.key), generation_id=case.key)
            for case, findings in zip(cases, scorer.findings(cases), strict=True)
            for one in findings
        ]
        recording.record(project, [*models.kept.taken(), *made])
    return len(new)
