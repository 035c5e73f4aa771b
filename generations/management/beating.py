"""Beat's schedule, for a clock that is put back and a queue that is away. Knows no Django."""

import logging
from typing import Any

from celery.beat import PersistentScheduler, SchedulingError

log = logging.getLogger(__name__)


class Scheduler(PersistentScheduler):
    """The scheduler to name in CELERY_BEAT_SCHEDULER."""

    def tick(self, *args: Any, **kwargs: Any) -> Any:
        """Send what is due; returns the seconds until the next time.

        What was last sent at a time to come was sent now: Celery would wait until it is as late again.
        """
        now = self.app.now()
        entries: list[Any] = list(self.schedule.values())
        ahead = [entry for entry in entries if entry.last_run_at > now]
        if ahead:
            for entry in ahead:
                entry.last_run_at = now
            self._heap = None  # the order of what comes next, made anew
        return super().tick(*args, **kwargs)

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        """Send one; where that cannot be, a line says so: Celery writes fifty, every few seconds."""
        try:
            self.apply_async(entry, producer=producer, advance=False)
        except SchedulingError as error:
            log.error("%s", error)
