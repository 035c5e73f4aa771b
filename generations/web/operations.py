"""How the installation is doing, for those who run it: superusers, whatever their projects."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from generations import access, doctor, operations, search
from generations.models import Project
from generations.web.gate import to_login
from generations.web.ingestion import title

SHOWN: Final = 50
"""How many projects' shares of the space are shown, and"""
LARGEST: Final = 16
"""how many tables."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table with all its months, and the months by themselves, the newest first."""

    name: str
    size: int
    rows: int | None
    months: list[operations.Stored]


def tables(stored: list[operations.Stored]) -> list[Table]:
    """The tables, the largest first."""
    found: dict[str, list[operations.Stored]] = {}
    for part in stored:
        found.setdefault(part.table, []).append(part)
    whole = [
        Table(
            name,
            sum(part.size for part in parts),
            sum(counted) if (counted := [part.rows for part in parts if part.rows is not None]) else None,
            sorted((part for part in parts if part.month), key=lambda part: part.month or "", reverse=True),
        )
        for name, parts in found.items()
    ]
    return sorted(whole, key=lambda table: -table.size)


_REMEMBERED: Final = 600.0
_well: list[doctor.Finding] = []
_well_until = 0.0


def findings() -> list[doctor.Finding]:
    """What is found now; of buckets that were well within the last ten minutes, what was found then: each look writes
    into every one, which somebody pays for, and this page is looked at often."""
    global _well_until
    if time.monotonic() < _well_until:
        return [*doctor.examine(buckets=False), *_well]
    found = list(doctor.examine())
    _well[:] = [one for one in found if one.check in doctor.of_buckets()]
    if all(one.level == "well" for one in _well):
        _well_until = time.monotonic() + _REMEMBERED
    return found


@never_cache
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """Checks, processes, what comes in and waits, connections, bytes and slow statements. For superusers."""
    if not request.user.is_authenticated:
        return to_login(request)
    if not request.user.is_superuser:
        return render(request, "403.html", {"reason": "This page is for who runs the installation."}, status=403)
    growth, disks = operations.daily_growth(), operations.disks()
    shares, stored = operations.shares(), tables(operations.stored())
    shown, refusing = shares[:SHOWN], operations.refusing()
    slugs = [one.project for one in shown]
    names = dict(Project.objects.filter(slug__in=slugs).values_list("slug", "name"))
    # Who runs the installation is no member of every project, and is led only where they may go.
    own = set(access.own(request.user).filter(slug__in=[one.slug for one in refusing]).values_list("slug", flat=True))
    context = {
        "findings": findings(),
        "parts": operations.parts(),
        "incoming": [(one, title(one.door)) for one in operations.incoming()],
        "refusing": [(one, one.slug in own) for one in refusing],
        "queues": operations.queues(),
        "failed": operations.failed(),
        "behind": search.lag(),
        "hours_due": operations.hours_to_sum_up(),
        "connections": operations.connections(),
        "disks": disks,
        "growth": growth,
        "days_left": disks[0].free // growth if growth else None,
        "shares": [(share, names.get(share.project, share.project)) for share in shown],
        "other_shares": len(shares) - len(shown),
        "tables": stored[:LARGEST],
        "other_tables": len(stored[LARGEST:]),
        "other_bytes": sum(table.size for table in stored[LARGEST:]),
        "slow": operations.slowest(),
        "now": timezone.now(),
    }
    return render(request, "operations.html", context)
