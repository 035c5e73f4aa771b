"""A backup of a running copy, put back elsewhere, is the same copy; what is not whole is refused."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from generations.management import backups, embedded
from tests.stack import ROOT, Stack

pytestmark = pytest.mark.slow

CALLS = [
    {
        "id": f"call-{n}",
        "timestamp": f"2026-0{1 + n % 9}-11T10:00:00Z",
        "model": {"id": "gpt-4o"},
        "input": {"type": "text", "content": f"Vraag {n} ✓ שאלה"},
        "output": {"type": "text", "content": "x" * n},
        "usage": {"promptTokens": n, "completionTokens": 1},
        "metadata": {"tags": ["kept"], "plan": "pro"},
        "feedback": {"rating": 1 + n % 5, "timestamp": "2026-09-11T10:00:00Z"},
    }
    for n in range(40)
]
PICTURE = bytes(range(256)) * 5_000


@pytest.fixture(scope="module")
def own_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A running copy with nothing in it but what is backed up here."""
    stack = Stack(tmp_path_factory.mktemp("backed-up") / "data")
    try:
        stack.start()
        yield stack
    finally:
        stack.discard()


@pytest.fixture(scope="module")
def picture(own_stack: Stack) -> str:
    """The id of an attachment with a file."""
    with own_stack.client() as client:
        sign = client.post("/api/upload/file", json={"fileName": "p.png", "contentType": "image/png"}).json()["post"]
        files = {"file": ("p.png", PICTURE, "image/png")}
        assert client.post(sign["url"], data=sign["fields"], files=files).status_code == 200
        create = 'mutation M($k: String) { createAttachment(name: "p.png", stepId: "s", objectKey: $k) { id } }'
        id: str = graphql(client, create, k=sign["fields"]["key"])["createAttachment"]["id"]
    return id


@pytest.fixture(scope="module")
def source(own_stack: Stack, picture: str) -> Stack:
    """A running copy with calls in several months and a picture."""
    with own_stack.client() as client:
        assert client.post("/api/generations/batch", json=CALLS).status_code == 200
        client.post("/api/generations/export", json={"format": "jsonl"})
        wait_until_exported(client)
    return own_stack


def wait_until_exported(client: httpx.Client) -> None:
    deadline = time.monotonic() + 120
    while (newest := client.get("/api/exports").json()["data"][0])["state"] != "done":
        assert time.monotonic() < deadline, newest
        time.sleep(0.2)


@pytest.fixture(scope="module")
def backup(source: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `manage.py backup` makes of it."""
    folder = tmp_path_factory.mktemp("backups") / "one"
    said = source.manage("backup", str(folder))
    assert " and 1 files to " in said, said
    return folder


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Stack]:
    copy = Stack(tmp_path / "elsewhere")
    try:
        yield copy
    finally:
        copy.discard()


def restore(backup: Path, target: Stack) -> "subprocess.CompletedProcess[str]":
    return manage(target, "restore", backup)


def manage(stack: Stack, command: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "manage.py", command, str(folder)],
        cwd=ROOT,
        env=stack.environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def graphql(client: httpx.Client, query: str, **variables: object) -> dict[str, Any]:
    answer = client.post("/api/graphql", json={"query": query, "variables": variables}).json()
    assert "errors" not in answer, answer
    data: dict[str, Any] = answer["data"]
    return data


def everything(stack: Stack) -> list[dict[str, Any]]:
    with stack.client() as client:
        answer = client.get("/api/generations", params={"limit": 1000, "tags": "kept", "order": "timestamp"})
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["data"]
        return [client.get(f"/api/generations/{row['id']}").json() for row in found]


def test_a_restored_copy_has_every_call_key_and_file(source: Stack, picture: str, backup: Path, target: Stack) -> None:
    done = restore(backup, target)
    assert done.returncode == 0, done.stderr
    assert "as many as were backed up, and 1 files" in done.stdout

    target.api_key = source.api_key
    target.start()

    assert "first start" not in target.output()
    rows = everything(target)
    assert len(rows) == len(CALLS)
    assert rows == everything(source)
    with target.client() as client:
        found = graphql(client, "query Q($id: String!) { attachment(id: $id) { url } }", id=picture)["attachment"]
        assert client.get(found["url"]).content == PICTURE


def test_an_export_whose_file_no_backup_has_is_told_to_be_gone_and_made_again(
    source: Stack, backup: Path, target: Stack
) -> None:
    assert restore(backup, target).returncode == 0
    target.api_key = source.api_key
    target.start()

    with target.client() as client:
        (export,) = client.get("/api/exports").json()["data"]
        fetched = client.get(f"/api/exports/{export['id']}/download")
        assert (export["state"], export["download"]) == ("expired", None)
        assert (fetched.status_code, "is gone" in fetched.json()["error"]["message"]) == (410, True)
        assert client.post(f"/api/exports/{export['id']}/retry").status_code == 202
        wait_until_exported(client)


def test_what_a_restored_copy_is_given_is_added_to_what_it_has(source: Stack, backup: Path, target: Stack) -> None:
    assert restore(backup, target).returncode == 0
    target.api_key = source.api_key
    target.start()
    with target.client() as client:
        answer = client.post("/api/generations/batch", json=[CALLS[3], CALLS[3] | {"id": "later"}])
        assert [receipt["state"] for receipt in answer.json()["receipts"]] == ["unchanged", "stored"]


def test_a_backup_can_be_made_of_a_copy_that_does_not_run(target: Stack, backup: Path, tmp_path: Path) -> None:
    assert restore(backup, target).returncode == 0
    target.manage("backup", str(tmp_path / "second"), "--verify", "--without-secret-key")

    first, second = (json.loads((folder / "manifest.json").read_text()) for folder in (backup, tmp_path / "second"))
    assert first["rows"] == second["rows"]
    assert first["parts"]["files.jsonl"] == second["parts"]["files.jsonl"]
    assert not (tmp_path / "second" / "secret-key").exists()


def test_nothing_is_overwritten(source: Stack, backup: Path, target: Stack) -> None:
    again = manage(source, "backup", backup)
    assert again.returncode == 1
    assert "exists. Name a folder that does not" in again.stderr
    assert restore(backup, target).returncode == 0
    second = restore(backup, target)
    assert second.returncode == 1
    assert "The database is not empty" in second.stderr


@contextmanager
def empty_database(source: Stack) -> Iterator[str]:
    """The address of a database beside that of a running copy."""
    url = source.environment().get("DATABASE_URL") or embedded.url(source.data_dir)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE beside TEMPLATE template0")
        try:
            yield urlsplit(url)._replace(path="/beside").geturl()
        finally:
            connection.execute("DROP DATABASE beside WITH (FORCE)")


def test_a_server_that_does_not_know_all_settings_of_pg_restore_is_filled_by_text(
    source: Stack, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the image there is no pg_restore but that of the newest PostgreSQL; a server of 15 or 16 ended it."""
    monkeypatch.setenv("PATH", "/nowhere")
    manifest = backups.read(backup)
    with empty_database(source) as url:
        monkeypatch.setattr(backups, "_ALL_KNOWN", 10**9)

        backups.put_back(backup, manifest, url)

        with psycopg.connect(url) as connection:
            assert backups.rows(connection) == manifest["rows"]


def test_of_a_dump_that_breaks_off_nothing_is_kept(source: Stack, backup: Path, tmp_path: Path) -> None:
    whole = (backup / backups.DUMP).read_bytes()
    cut = tmp_path / "cut"
    cut.write_bytes(whole[: len(whole) * 4 // 5])
    with empty_database(source) as url, psycopg.connect(url, autocommit=True) as connection:
        with pytest.raises(backups.BackupError, match="pg_restore failed"):
            backups.fill_by_text(cut, url, connection.info.server_version)

        assert backups.rows(connection) == {}


@contextmanager
def held_up(source: Stack, folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """A backup whose pg_dump waits for a table as long as this lasts."""
    url = source.environment().get("DATABASE_URL") or embedded.url(source.data_dir)
    with psycopg.connect(url) as connection:
        connection.execute("LOCK TABLE django_content_type IN ACCESS EXCLUSIVE MODE")
        command = [sys.executable, "manage.py", "backup", str(folder)]
        done = subprocess.Popen(command, cwd=ROOT, env=source.environment(), stderr=subprocess.PIPE, text=True)
        try:
            wait_until(lambda: bool(dumps(source)))
            yield done
        finally:
            connection.rollback()
            done.communicate()


def dumps(source: Stack) -> list[str]:
    return [command for command in source.processes().values() if "pg_dump" in command]


def wait_until(condition: Any) -> None:
    deadline = time.monotonic() + 240
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_backup_that_is_ended_leaves_nothing(source: Stack, tmp_path: Path, sent: signal.Signals) -> None:
    with held_up(source, tmp_path / "ended") as backup:
        backup.send_signal(sent)
        said = backup.communicate(timeout=240)[1]

        assert dumps(source) == []
    assert (backup.returncode, said) == (1, "CommandError: The backup was broken off, and nothing of it is left.\n")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_backup_left_is_in_nobodys_way(source: Stack, tmp_path: Path) -> None:
    with held_up(source, tmp_path / "killed") as backup:
        backup.kill()
        backup.wait()

        wait_until(lambda: dumps(source) == [])
    assert [path.name for path in tmp_path.iterdir()] == ["killed.unfinished"]

    source.manage("backup", str(tmp_path / "killed"), "--verify")

    assert [path.name for path in tmp_path.iterdir()] == ["killed"]


def test_one_backup_of_a_copy_is_made_at_a_time(source: Stack, tmp_path: Path) -> None:
    with held_up(source, tmp_path / "one") as backup:
        second = manage(source, "backup", tmp_path / "one")
        assert second.returncode == 1
        assert "Another backup of it is being made" in second.stderr
    assert backup.returncode == 0
    assert backups.read(tmp_path / "one")["files"] == 1


def test_a_copy_that_runs_is_not_restored_into(source: Stack, backup: Path) -> None:
    before = everything(source)
    done = restore(backup, source)
    assert done.returncode == 1
    assert "It already runs with the folder" in done.stderr
    assert everything(source) == before


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ("dump cut", "is not what was backed up"),
        ("file changed", "is not what was backed up: its checksum is another"),
        ("file gone", "is missing from the backup"),
        ("no manifest", "is no backup"),
        ("half a manifest", "is not whole"),
        ("another format", "this version reads format 1"),
        ("a way out", "outside of the backup"),
        ("rows lost", "Not all rows came back"),
    ],
)
def test_a_backup_that_is_not_whole_is_refused(
    backup: Path, target: Stack, tmp_path: Path, damage: str, reason: str
) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(backup, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    (picture,) = [path for path in (folder / "files").rglob("*") if path.is_file()]
    if damage == "dump cut":
        os.truncate(folder / "database.dump", 10_000)
    elif damage == "file changed":
        picture.write_bytes(PICTURE[:-1] + b"!")
    elif damage == "file gone":
        picture.unlink()
    elif damage == "no manifest":
        (folder / "manifest.json").unlink()
    elif damage == "half a manifest":
        os.truncate(folder / "manifest.json", 100)
    elif damage == "another format":
        (folder / "manifest.json").write_text(json.dumps(manifest | {"format": 2}))
    elif damage == "rows lost":
        rows = manifest["rows"] | {"generation": manifest["rows"]["generation"] + 1}
        (folder / "manifest.json").write_text(json.dumps(manifest | {"rows": rows}))
    else:
        (folder / "files.jsonl").write_text(json.dumps({"key": "../../etc/x", "bytes": 0, "sha256": ""}) + "\n")
        parts = manifest["parts"] | {"files.jsonl": backups.about(folder / "files.jsonl")}
        (folder / "manifest.json").write_text(json.dumps(manifest | {"parts": parts}))

    done = restore(folder, target)

    assert done.returncode == 1
    assert reason in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "manifest",
    [
        "null",
        "[]",
        '{"format": 1}',
        '{"format": 1, "made_at": "", "postgresql": 180000, "rows": {}, "files": 0, "parts": {}}',
        '{"format": 1, "made_at": "", "rows": {}, "files": 0, "parts": {"database.dump": 1, "files.jsonl": 2}}',
    ],
)
def test_a_manifest_that_says_too_little_is_refused_with_a_sentence(tmp_path: Path, manifest: str) -> None:
    (tmp_path / "manifest.json").write_text(manifest)

    with pytest.raises(backups.BackupError, match="is not whole"):
        backups.read(tmp_path)
