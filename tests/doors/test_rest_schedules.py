"""Scheduled exports over REST."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from generations import exporting
from generations.models import ExportSchedule, Job
from tests.doors.rest import Caller, caller

pytestmark = pytest.mark.django_db
SAID = {"name": "Nightly calls", "destination": "nightly", "every": "hour", "minute": 5, "incremental": True}
PATH = "/api/export-schedules"


@pytest.fixture
def api(settings: Settings, tmp_path: Path) -> Caller:
    settings.EXPORT_FOLDER = tmp_path / "scheduled"
    return caller("admin")


def test_a_schedule_is_made_read_changed_run_and_deleted(api: Caller) -> None:
    api.post("/api/generations", {"id": "g1"})

    made = api.post(PATH, SAID)
    address = made.headers["Location"]
    assert (made.status, address) == (201, f"{PATH}/{made.json['id']}")
    assert {name: made.json[name] for name in SAID} == SAID
    assert (made.json["format"], made.json["compression"], made.json["paused"]) == ("jsonl", "none", False)
    assert made.json["nextAt"].endswith(":05:00Z")
    assert api.get(PATH).data == [made.json]

    changed = api.send("PATCH", address, {"paused": True, "format": "csv", "compression": "zstd"})
    assert (changed.status, changed.json["paused"], changed.json["nextAt"]) == (200, True, None)

    started = api.send("POST", f"{address}/run")
    assert (started.status, started.headers["Location"]) == (202, f"/api/exports/{started.json['id']}")
    assert exporting.run(started.json["id"])
    read = api.get(address).json
    [run] = read["runs"]
    assert (run["id"], run["state"], run["schedule"]) == (started.json["id"], "done", made.json["id"])
    assert run["delivered"].endswith(".csv.zst") and run["download"] is None
    assert api.get(run["manifest"]).json["rows"] == 1
    assert read["changedSince"] is not None
    assert [job["id"] for job in api.get(f"/api/exports?schedule={made.json['id']}").data] == [run["id"]]
    gone = api.get(f"/api/exports/{run['id']}/download")
    assert (gone.status, gone.error["code"]) == (410, "gone")

    deleted = api.send("DELETE", address)
    assert (deleted.status, deleted.json["id"]) == (200, made.json["id"])
    assert api.get(address).status == 404
    assert api.get(f"/api/exports/{run['id']}").json["schedule"] is None


@pytest.mark.parametrize(
    ("said", "status", "field"),
    [
        ({"destination": "../up"}, 422, "destination"),
        ({"destination": "s3://any/where"}, 422, "destination"),
        ({"compression": "brotli"}, 400, "compression"),
        ({"filter": {"modl.id": 1}}, 400, "modl.id"),
        ({"zone": "Mars"}, 422, "zone"),
        ({"hour": "two"}, 422, "hour"),
        ({"hours": 2}, 422, "hours"),
    ],
)
def test_what_cannot_be_is_refused_by_name(api: Caller, said: dict[str, Any], status: int, field: str) -> None:
    address = api.post(PATH, SAID).headers["Location"]

    for answer in (api.post(PATH, {**SAID, "name": "Another", **said}), api.send("PATCH", address, said)):
        assert (answer.status, answer.error["field"]) == (status, field)

    assert ExportSchedule.objects.count() == 1


def test_another_project_finds_nothing(api: Caller) -> None:
    address = api.post(PATH, SAID).headers["Location"]
    other = caller("admin")

    assert other.get(PATH).data == []
    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/run")):
        answer = other.send(method, f"{address}{path}", {"paused": True} if method == "PATCH" else None)
        assert (answer.status, answer.error["code"]) == (404, "not_found")
    assert ExportSchedule.objects.count() == 1 and not Job.objects.exists()
