"""What earlier versions kept is there after an upgrade, reads the same, and can be added to."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack import ROOT, Stack

DATA = ROOT / "tests" / "data" / "upgrade"
"""Backups that earlier versions made of a demonstration, and beside each what its models had cost."""

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("stack")]


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
    done = subprocess.run(
        [sys.executable, "manage.py", "restore", str(DATA / made)],
        cwd=ROOT,
        env=empty.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    empty.start()

    with empty.client() as client:
        by_model = [{"$group": {"_id": "$model.id", "n": {"$count": {}}, "cost": {"$sum": "$usage.cost"}}}]
        groups = client.post("/api/generations/aggregate", json=by_model).json()["data"]
        expected = json.loads((DATA / f"{made}.json").read_text())
        assert {group["_id"]: [group["n"], pytest.approx(group["cost"])] for group in groups} == expected

        old = client.get("/api/generations/old-one").json()
        assert (old["output"]["content"], old["metadata"]["tags"]) == ("ho", ["old"])
        changed = client.patch("/api/generations/old-one", json={"completion": "changed"})
        assert changed.status_code == 200, changed.text
        assert client.get("/api/generations/old-one").json()["output"]["content"] == "changed"
        new = client.post(
            "/api/generations", json={"id": "new", "model": {"id": "gpt-4o"}, "metadata": {"tags": ["old"]}}
        )
        assert new.status_code == 201, new.text
        assert len(client.get("/api/generations", params={"tags": "old"}).json()["data"]) == 2
