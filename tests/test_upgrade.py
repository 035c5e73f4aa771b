"""What earlier versions kept is there after an upgrade, reads the same, and can be added to."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from tests.stack import ROOT, Stack

DATA = ROOT / "tests" / "data" / "upgrade"
"""Backups that earlier versions made of a demonstration, and beside each what its models had cost.

`2026-11-21` is of migration 0002 and has calls alone; `2026-11-21-rooms` is of 0016 and has something in every room,
and beside it what that version answered over REST, without what changes by itself: states of files, next runs.
"""
ROOMS = "2026-11-21-rooms"
PAGES = {
    "dashboard/?from=2026-11-13&to=2026-11-21": "27,184",
    "generations/": "old view",
    "generations/?tags=old": "old-one",
    "steps/": "steps",
    "threads/": "old-thread",
    "users/": "old-user",
    "datasets/": "old questions",
    "experiments/": "old run",
    "evaluators/": "old exact",
    "review/": "old queue",
    "prompts/": "old prompt",
    "jobs/": "xport",
    "exports/": "old nightly",
    "settings/": "My project",
    "settings/retention/": "old case",
    "settings/members/": "owner",
    "settings/prices/": "old-model",
    "settings/providers/": "old provider",
    "settings/keys/": "gen_upg",
    "settings/audit/": "queue.create",
    "search/?q=FH-87671": "01a1d4c7-6600-700f-98b1-4f547678cc28",
}
"""Rooms of the project, and a word that the restored one has to show."""

pytestmark = pytest.mark.slow


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    # The backups are of the embedded PostgreSQL, and an older server could not read them.
    monkeypatch.setenv("OUTSIDE_DATABASE_URL", "")
    copy = Stack(tmp_path / "upgraded")
    copy.api_key = "gen_upgrade_0123456789"
    try:
        yield copy
    finally:
        copy.discard()


@pytest.mark.parametrize("made", sorted(path.name for path in DATA.iterdir() if path.is_dir()))
def test_a_copy_of_an_earlier_version_goes_on(made: str, empty: Stack) -> None:
    empty.manage("restore", str(DATA / made))
    empty.start()

    with empty.client() as client:
        by_model = [{"$group": {"_id": "$model.id", "n": {"$count": {}}, "cost": {"$sum": "$usage.cost"}}}]
        groups = client.post("/api/generations/aggregate", json=by_model).json()["data"]
        expected = json.loads((DATA / f"{made}.json").read_text())
        assert {group["_id"]: [group["n"], pytest.approx(group["cost"])] for group in groups} == expected

        old = client.get("/api/generations/old-one").json()
        assert (old["output"]["content"], old["metadata"]["tags"]) == ("ho", ["old"])
        changed = client.patch("/api/generations/old-one", json={"output": {"content": "changed"}})
        assert changed.status_code == 200, changed.text
        assert client.get("/api/generations/old-one").json()["output"]["content"] == "changed"
        new = client.post(
            "/api/generations", json={"id": "new", "model": {"id": "gpt-4o"}, "metadata": {"tags": ["old"]}}
        )
        assert new.status_code == 201, new.text
        assert len(client.get("/api/generations", params={"tags": "old"}).json()["data"]) == 2

        # An id of which a new project would make another key: the row is the one that is there.
        [known, *_] = [
            one["id"] for one in client.get("/api/generations?limit=50").json()["data"] if is_uuid7(one["id"])
        ]
        again = client.patch(f"/api/generations/{known}", json={"output": {"content": "again"}})
        assert again.json()["output"]["content"] == "again"
        there = client.get("/api/generations", params={"id": known, "limit": 2}).json()["data"]
        assert [one["id"] for one in there] == [known]


def is_uuid7(id: str) -> bool:
    with suppress(ValueError):
        return UUID(id).version == 7
    return False


def test_every_room_of_an_earlier_version_is_kept_and_opens(empty: Stack) -> None:
    empty.manage("restore", str(DATA / ROOMS))
    empty.start()

    answers = json.loads((DATA / f"{ROOMS}.answers.json").read_text())
    with empty.client() as client:
        for path, before in answers.items():
            now = client.get(path)
            assert now.status_code == 200, (path, now.text)
            assert list(differences(before, now.json())) == [], path
    with signed_in(empty) as browser:
        for path, word in PAGES.items():
            page = browser.get(f"/projects/default/{path}")
            assert page.status_code == 200, path
            assert word in page.text, path
            for link in links_below(page):
                assert browser.get(link).status_code == 200, (path, link)
        assert browser.get("/operations/").status_code == 200
    secrets = "from generations.providers import *; from generations.models import *"
    opened = f"{secrets}; print(open_one(ProviderCredential.objects.get()).key)"
    assert empty.manage("shell", "--no-imports", "-c", opened).strip() == "sk-old-secret"


def differences(before: object, now: object, place: str = "") -> Iterator[str]:
    """Where what was said is not said any more; what is said beside it is news and no difference."""
    if isinstance(before, dict) and isinstance(now, dict):
        for name, value in before.items():
            yield from differences(value, now.get(name, "nothing"), f"{place}.{name}")
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for n, value in enumerate(before):
            yield from differences(value, now[n], f"{place}[{n}]")
    elif before != now:
        yield f"{place}: {before!r} was said, and now {now!r}"


@contextmanager
def signed_in(copy: Stack) -> Iterator[httpx.Client]:
    """What a browser of the owner is."""
    with httpx.Client(base_url=copy.url, timeout=60) as browser:
        (token,) = set(re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', browser.get("/login/").text))
        form = {"csrfmiddlewaretoken": token, "username": "owner", "password": "upgrade-pass-0123"}
        assert browser.post("/login/", data=form).status_code == 302
        yield browser


def links_below(page: httpx.Response) -> set[str]:
    """The addresses of single rows that a page of a list names, without those that a filter is in."""
    return {
        link
        for link in re.findall(r'href="([^"?#]+)"', page.text)
        if link.startswith(page.url.path) and link != page.url.path
    }
