"""Beat's schedule, whatever the clock does."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.beat import ScheduleEntry

from generations.management.beating import Scheduler


@pytest.fixture
def app() -> Celery:
    made = Celery("tests", broker="memory://", set_as_current=False)
    made.conf.beat_schedule = {
        "sweep": {"task": "sweep", "schedule": 15.0},
        "tidy": {"task": "tidy", "schedule": 30.0},
    }
    return made


def entries(beat: Scheduler) -> list[Any]:
    found: dict[str, ScheduleEntry] = beat.schedule
    return list(found.values())


def scheduler(app: Celery, folder: Path) -> Scheduler:
    return Scheduler(app=app, schedule_filename=str(folder / "beat-schedule"))


@pytest.mark.parametrize("restarted", [True, False])
def test_a_clock_that_was_a_day_ahead_and_is_put_back_stops_nothing(
    app: Celery, tmp_path: Path, restarted: bool
) -> None:
    beat = scheduler(app, tmp_path)
    for entry in entries(beat):
        entry.last_run_at = app.now() + dt.timedelta(days=1)
    beat.populate_heap()
    if restarted:
        beat.close()
        beat = scheduler(app, tmp_path)

    assert 0 < beat.tick() <= 15
    assert all(entry.last_run_at <= app.now() for entry in entries(beat))
    beat.close()


def test_a_queue_that_is_away_is_told_in_a_line(app: Celery, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    app.conf.update(broker_url="filesystem://localhost/")
    app.conf.broker_transport = "generations.management.folder_queue:Transport"
    app.conf.broker_transport_options = {
        "data_folder_out": "/proc/nothing",
        "data_folder_in": "/proc/nothing",
        "control_folder": str(tmp_path / "control"),
    }
    beat = scheduler(app, tmp_path)

    beat.apply_entry(beat.schedule["sweep"])

    [told] = caplog.messages
    assert told.startswith("Couldn't apply scheduled task sweep: Nothing can be put into /proc/nothing")
