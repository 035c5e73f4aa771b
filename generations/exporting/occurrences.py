"""When something that is done every hour, day or week in a time zone is next to be done."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Rhythm:
    """`every` hour, day or week; `weekday` 0 is Monday. Times are those of clocks in the zone."""

    every: str
    minute: int = 0
    hour: int = 0
    weekday: int = 0
    zone: str = "UTC"

    def after(self, moment: dt.datetime) -> dt.datetime:
        """The first occurrence after `moment`, in UTC.

        A time of day that clocks leave out comes when they have gone on; one that they show twice comes once.
        """
        zone = ZoneInfo(self.zone)
        if self.every == "hour":
            # By real hours: clocks that are set change nothing but the minutes of a zone's offset.
            offset = (moment.astimezone(zone).utcoffset() or dt.timedelta()).total_seconds() // 60 % 60
            found = moment.astimezone(dt.UTC).replace(minute=int(self.minute - offset) % 60, second=0, microsecond=0)
            return found if found > moment else found + dt.timedelta(hours=1)
        day = moment.astimezone(zone).date() - dt.timedelta(days=1)
        while True:
            if self.every == "day" or day.weekday() == self.weekday:
                found = dt.datetime.combine(day, dt.time(self.hour, self.minute), zone).astimezone(dt.UTC)
                if found > moment:
                    return found
            day += dt.timedelta(days=1)
