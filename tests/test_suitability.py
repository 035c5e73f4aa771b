"""A PostgreSQL of somebody else's: an ordinary user who owns its database has all that is needed, and less is told."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from generations import doctor, suitability
from tests.stack import Stack, managed

USER = "ordinary"
LATIN = "ENCODING 'LATIN1' LOCALE_PROVIDER libc LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
PLAIN = "ENCODING 'UTF8' LOCALE_PROVIDER libc LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"


def done(*statements: str, database: str | None = None) -> None:
    """As the superuser that the run was given."""
    with psycopg.connect(url(None, database), autocommit=True) as connected:
        for statement in statements:
            connected.execute(statement.encode())


def url(user: str | None, database: str | None) -> str:
    given = urlsplit(os.environ["DATABASE_URL"])
    before, at, host = given.netloc.rpartition("@")
    path = f"/{database}" if database else given.path
    return given._replace(netloc=f"{user or before}{at}{host}", path=path).geturl()


@pytest.fixture
def make() -> Iterator[Callable[..., str]]:
    """Makes a database with what is said of it, and returns its name; an ordinary user is there."""
    made = []
    done(f"DO $$ BEGIN CREATE ROLE {USER} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")

    def database(said: str = f"OWNER {USER}", *statements: str) -> str:
        made.append(name := f"theirs_{uuid.uuid4().hex}")
        done(f"CREATE DATABASE {name} {said}")
        done(*(one.format(name) for one in statements), database=name)
        return name

    yield database
    done(*(f"DROP DATABASE {name} WITH (FORCE)" for name in made))


@pytest.mark.slow
def test_an_ordinary_user_who_owns_the_database_needs_no_more(make: Callable[..., str], tmp_path: Path) -> None:
    theirs = Stack(tmp_path / "data", DATABASE_URL=url(USER, make()))
    try:
        theirs.start()
        with theirs.client() as client:
            stored = client.post("/api/generations", json={"id": "a", "output": {"content": "Ä"}})
            scraped = client.get("/metrics").text
        told = theirs.manage("doctor")
    finally:
        theirs.discard()

    assert stored.status_code == 201
    assert "generations_table_bytes" in scraped
    assert "WRONG" not in told


NOT_THEIRS = ("",)
NO_EXTENSIONS = ("", f"GRANT CREATE ON SCHEMA public TO {USER}")
READ_ONLY = (f"OWNER {USER}", f"ALTER ROLE {USER} IN DATABASE {{}} SET default_transaction_read_only = on")
MADE_BY_HAND = "CREATE EXTENSION btree_gin; CREATE EXTENSION pg_trgm"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "said", "todo"),
    [
        (NOT_THEIRS, "may make no tables in the database", f'OWNER TO "{USER}"'),
        (NO_EXTENSIONS, "may make no extensions in the database", MADE_BY_HAND),
        ((f"OWNER {USER} {LATIN}",), "is encoded as LATIN1, which has not every letter.", "createdb --encoding UTF8"),
        (READ_ONLY, "takes no changes.", "Name the primary server in DATABASE_URL."),
    ],
    ids=["not the owner", "no extensions", "another encoding", "read-only"],
)
def test_a_database_that_cannot_be_filled_is_refused_with_a_sentence(
    how: tuple[str, ...], said: str, todo: str, make: Callable[..., str]
) -> None:
    address = url(USER, make(*how))

    ended = managed("prepare", address)

    assert ended.returncode == 1
    assert ended.stderr.startswith("CommandError: ")
    assert said in ended.stderr
    assert todo in ended.stderr
    with psycopg.connect(address) as connected:
        assert connected.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)


@pytest.mark.slow
def test_doctor_tells_of_a_locale_that_knows_no_letters_but_a_to_z(make: Callable[..., str]) -> None:
    told = [managed("doctor", url(USER, make(f"OWNER {USER} {locale}"))).stdout for locale in (PLAIN, "")]

    assert ["find no Ä by ä" in one for one in told] == [True, False]


@pytest.mark.django_db
def test_older_code_does_not_start_on_what_newer_code_has_changed(capsys: pytest.CaptureFixture[str]) -> None:
    MigrationRecorder(connection).record_applied("generations", "9999_of_tomorrow")

    with pytest.raises(CommandError, match=r"A newer version .* \(9999_of_tomorrow; .*\)\. Start the newer version"):
        call_command("prepare")
    with pytest.raises(SystemExit):
        call_command("doctor")

    assert "WRONG    database     A newer version of Generations has changed" in capsys.readouterr().out


def test_a_server_that_is_newer_than_what_was_tried_is_not_refused_but_told(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suitability, "NEWEST", suitability.OLDEST - 1)

    told = [finding for finding in doctor.examine() if "newer than what this version was tried with" in finding.said]

    assert suitability.lacks() == []
    assert [(finding.check, finding.level) for finding in told] == [("database", "warning")]


def test_a_server_that_is_too_old_is_refused(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suitability, "OLDEST", 99)

    (lack,) = suitability.lacks()

    assert "is too old" in lack.said
    assert lack.todo == "Use PostgreSQL 99 or newer."
