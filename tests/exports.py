"""What tests of exports share: a folder and a project of their own, some calls, and the file of a job."""

import datetime as dt
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from pytest_django.fixtures import Settings

from generations import access, exporting
from generations.access import Grant
from generations.exporting import rows
from generations.models import Job
from generations.records import (
    Alternative,
    FeedbackRecord,
    GenerationRecord,
    ScoreRecord,
)

NOW = dt.datetime(2026, 3, 4, 5, 6, 7, 890123, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, settings: Settings) -> Path:
    """A DATA_DIR of this test's own."""
    settings.DATA_DIR = tmp_path
    location = {"location": str(tmp_path / "media")}
    settings.STORAGES = {**settings.STORAGES, "default": {**settings.STORAGES["default"], "OPTIONS": location}}
    return tmp_path


@pytest.fixture
def grant(db: None) -> Grant:
    return access.of_system(access.create_project("Exports"))


RICH = GenerationRecord(
    id="rich",
    type="chat",
    name="answer",
    started_at=NOW,
    ended_at=NOW + dt.timedelta(seconds=2.5),
    model_id="gpt-4",
    model_version="gpt-4-0613",
    provider="openai",
    messages=[{"role": "user", "content": '=1+1, "quoted"\nnächste Zeile 生成'}],
    message_completion={"role": "assistant", "content": "- two"},
    variables={"n": 1},
    tools=[{"type": "function", "function": {"name": "add"}}],
    parameters={"temperature": 0.5, "maxTokens": 100},
    prompt_tokens=10,
    completion_tokens=5,
    total_tokens=15,
    cost=Decimal("0.000012345678"),
    currency="USD",
    latency=2.5,
    tags=("a", "b,c"),
    user_id="u1",
    metadata={"plan": "pro", "deep": {"x.y": [1, None, True]}},
    alternatives=(Alternative(index=0, content="two"), Alternative(index=1, content={"a": 1}, score=-0.25)),
    scores=(ScoreRecord(id="s1", name="quality", type="HUMAN", value=0.5, created_at=NOW),),
    feedback=FeedbackRecord(id="f1", rating=4, thumbs="up", comment="good", categories=("x",), created_at=NOW),
)


def plain(n: int, **values: Any) -> GenerationRecord:
    given = {"messages": [{"role": "user", "content": f"question {n}"}], "completion": f"answer {n}"}
    return GenerationRecord(id=f"g{n:05}", started_at=NOW - dt.timedelta(minutes=n + 1), **{**given, **values})


def export(grant: Grant, **asked: Any) -> Job:
    job = exporting.start(grant, **asked)
    assert exporting.run(job.pk)
    job.refresh_from_db()
    return job


def content(job: Job) -> bytes:
    with exporting.open_file(job) as file:
        return bytes(file.read())


def lines(job: Job) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content(job).splitlines()]


def before_each_batch(monkeypatch: pytest.MonkeyPatch, do: Callable[[int], object]) -> None:
    """Make batches of two rows, and `do` something before each one, told its number from 1."""
    read = rows.Keys.batches

    def batches(keys: rows.Keys, number: int | None = None) -> Iterator[list[rows.Key]]:
        for number, batch in enumerate(read(keys), 1):
            do(number)
            yield batch

    monkeypatch.setattr(rows, "BATCH_ROWS", 2)
    monkeypatch.setattr(rows.Keys, "batches", batches)


def left_behind() -> list[str]:
    """Every file in the folder of this test, by name."""
    return sorted(path.name for path in Path(settings.DATA_DIR).rglob("*") if path.is_file())
