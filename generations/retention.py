"""What is kept for how long."""

from __future__ import annotations

import datetime as dt
from typing import Final

from django.utils import timezone

from generations.models import IngestReject

KEEP_REFUSED_BODIES: Final = dt.timedelta(days=1)


def forget_refused_bodies() -> int:
    """Drop the raw bodies of what was refused more than a day ago; why it was refused stays. Returns how many."""
    old = IngestReject.objects.filter(created_at__lt=timezone.now() - KEEP_REFUSED_BODIES, body__isnull=False)
    return old.update(body=None)
