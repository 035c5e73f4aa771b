"""What came in is kept for a while: raw bodies of what was refused, and counts of what was sent."""

from __future__ import annotations

import datetime as dt
from typing import Final

from django.db import connection
from django.utils import timezone

from generations.models import IngestReject

KEEP_REFUSED_BODIES: Final = dt.timedelta(days=1)
KEEP_REASONS: Final = dt.timedelta(days=30)
KEEP_MINUTES: Final = dt.timedelta(hours=25)
"""How long is told what came in each minute; of each program the last minute is kept as long as reasons are."""


def forget_refused_bodies() -> int:
    """Drop the raw bodies of what was refused more than a day ago; why it was refused stays. Returns how many."""
    old = IngestReject.objects.filter(created_at__lt=timezone.now() - KEEP_REFUSED_BODIES, body__isnull=False)
    return old.update(body=None)


def forget_intake() -> int:
    """Drop what was refused and counted too long ago. Returns how many rows."""
    now = timezone.now()
    gone, _ = IngestReject.objects.filter(last_at__lt=now - KEEP_REASONS).delete()
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM intake AS old WHERE minute < %(oldest)s OR (minute < %(recent)s AND EXISTS ("
            " SELECT 1 FROM intake AS new WHERE new.project_id = old.project_id AND new.door = old.door"
            " AND new.agent = old.agent AND new.minute > old.minute))",
            {"oldest": now - KEEP_REASONS, "recent": now - KEEP_MINUTES},
        )
        return gone + int(cursor.rowcount)
