"""Connections are given out from a stack, a dead one not at all; a transaction begins without a message of its own;
kept statements are asked for by their name."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psycopg
import psycopg.conninfo
import pytest
from django.conf import settings
from django.db import DataError, OperationalError, connection, connections, transaction
from psycopg.errors import ReadOnlySqlTransaction
from psycopg.pq import TransactionStatus
from psycopg_pool import PoolTimeout

from generations import claims, outages
from generations.prepared import Execute, Prepare
from observability.postgresql import base, silence
from observability.postgresql.base import Pool, check


@pytest.fixture
def pool() -> Iterator[Pool]:
    with Pool(os.environ["DATABASE_URL"], min_size=2, max_size=2, check=check, timeout=30) as made:
        made.wait()
        yield made


def test_the_connection_that_was_used_last_is_given_out_first(pool: Pool) -> None:
    one, other = pool.getconn(), pool.getconn()
    pool.putconn(one)
    pool.putconn(other)

    given = [pool.getconn() for _ in range(2)]

    assert given == [other, one]
    for one in given:
        pool.putconn(one)


def test_a_connection_that_the_server_ended_is_replaced(pool: Pool) -> None:
    one = pool.getconn()
    ended = one.info.backend_pid
    pool.putconn(one)
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as server:
        server.execute("SELECT pg_terminate_backend(%s, 10000)", [ended])

    with pool.connection() as first, pool.connection() as second:
        assert ended not in (first.info.backend_pid, second.info.backend_pid)
        assert first.execute("SELECT 1").fetchone() == second.execute("SELECT 1").fetchone() == (1,)


def test_who_came_to_a_server_that_takes_no_changes_is_soon_let_go_to_look_for_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A name that leads to a standby for a while, as after a fail-over: connections that stay would stay there."""
    there = {"options": "-c default_transaction_read_only=on"}
    with Pool(os.environ["DATABASE_URL"], kwargs=there, min_size=1, max_size=1, check=check, timeout=30) as made:
        with made.connection() as first, pytest.raises(ReadOnlySqlTransaction):
            first.execute("CREATE TABLE refused ()")
        with made.connection() as same:
            assert same is first
        there.clear()
        monkeypatch.setattr(base, "READ_ONLY_FOR", 0.0)
        with made.connection() as same:
            assert same is first
        with made.connection() as other:
            assert other is not first
            assert other.execute("SHOW transaction_read_only").fetchone() == ("off",)
        with made.connection() as same:
            assert same is other


@pytest.mark.slow
def test_a_server_that_was_away_for_long_is_found_as_soon_as_one_that_was_not() -> None:
    """psycopg's own way is to wait twice as long after each attempt that fails, up to minutes."""
    options = settings.DATABASES["default"]["OPTIONS"]["pool"]
    away = {"port": 1}
    with Pool(os.environ["DATABASE_URL"], kwargs=away, check=check, **options) as made:
        for _ in range(4):
            with pytest.raises(PoolTimeout):
                made.getconn()
        away.clear()

        with made.connection(timeout=2 * options["timeout"]) as found:
            assert found.execute("SELECT 1").fetchone() == (1,)


class Standstill:
    """A way to the database that can stand still: who is connected hears nothing more, and nobody is let in."""

    def __init__(self) -> None:
        self.moves, self.lets_in = threading.Event(), threading.Event()
        self.moves.set()
        self.lets_in.set()
        self.door = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._let_in, daemon=True).start()

    def _let_in(self) -> None:
        parts = psycopg.conninfo.conninfo_to_dict(os.environ["DATABASE_URL"])
        while True:
            with suppress(OSError):
                caller, _ = self.door.accept()
                self.moves.wait()
                self.lets_in.wait()
                place = f"{parts['host']}/.s.PGSQL.{parts.get('port', 5432)}"
                server = socket.socket(socket.AF_UNIX) if str(parts["host"]).startswith("/") else socket.socket()
                server.connect(place if server.family == socket.AF_UNIX else (parts["host"], int(str(parts["port"]))))
                for one, other in ((caller, server), (server, caller)):
                    threading.Thread(target=self._pass_on, args=(one, other), daemon=True).start()

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while piece := one.recv(65536):
                self.moves.wait()
                other.sendall(piece)
        with suppress(OSError):
            other.shutdown(socket.SHUT_RDWR)


@contextmanager
def behind(way: Standstill, size: int) -> Iterator[Pool]:
    """A pool of so many connections to the database by this way."""
    there = {"host": "127.0.0.1", "port": way.door.getsockname()[1], "sslmode": "disable", "gssencmode": "disable"}
    there["autocommit"] = True
    with Pool(os.environ["DATABASE_URL"], kwargs=there, min_size=size, max_size=size, check=check, timeout=30) as made:
        made.wait()
        yield made


def at_once(pool: Pool, ended_after: float = 0) -> silence.Watch:
    """A watch that asks as soon as somebody waits, and gives up as soon as told."""
    return silence.Watch(pool, quiet=0, refused_after=0, ended_after=ended_after)


@contextmanager
def waiting(one: psycopg.Connection) -> Iterator[list[str]]:
    """Somebody who asks something over a connection; what he hears instead of an answer."""
    heard: list[str] = []

    def ask() -> None:
        try:
            one.execute("SELECT pg_sleep(1)")
        except psycopg.OperationalError as error:
            heard.append(str(error))

    asking = threading.Thread(target=ask)
    asking.start()
    assert eventually(lambda: one.pgconn.transaction_status == TransactionStatus.ACTIVE)
    yield heard
    asking.join(240)


def test_who_waits_for_a_server_that_stands_still_is_told_so_and_it_goes_on_with_it() -> None:
    way = Standstill()
    with behind(way, 2) as made:
        watch = at_once(made)
        one = made.getconn()
        assert watch.look() == 0
        assert not watch._questions  # nobody waits yet
        way.moves.clear()
        with waiting(one) as heard:
            assert eventually(lambda: watch.look() == 1)
            assert outages.is_silent()
        made.putconn(one)
        assert len(heard) == 1
        # Whoever comes now waits for nothing.
        with pytest.raises(psycopg.OperationalError, match="answers nobody"):
            made.getconn()
        watch.look()
        assert made.is_silent
        way.moves.set()

        assert eventually(lambda: not watch.look() and not made.is_silent)
        assert not outages.is_silent()
        with made.connection(timeout=240) as found:
            assert found.execute("SELECT 1").fetchone() == (1,)


def test_who_comes_is_refused_before_those_that_wait_are_ended_and_these_may_be_answered_yet() -> None:
    way = Standstill()
    with behind(way, 2) as made:
        watch = at_once(made, ended_after=3600)
        one = made.getconn()
        way.moves.clear()
        with waiting(one) as heard:
            assert eventually(lambda: not watch.look() and made.is_silent)
            way.moves.set()
        assert eventually(lambda: not watch.look() and not made.is_silent)
        assert heard == []
        made.putconn(one)


def test_where_nobody_new_is_let_in_those_that_are_answered_stay() -> None:
    way = Standstill()
    with behind(way, 2) as made:
        watch = at_once(made, ended_after=3600)
        one = made.getconn()
        way.lets_in.clear()
        # Another one has nothing to do, and is answered.
        with waiting(one) as heard:
            assert watch.look() == 0
            (asked,) = watch._questions
            asked.join(240)
            assert asked.has_sign
            assert watch.look() == 0
            assert not made.is_silent
        assert heard == []
        # None is without work, but somebody is answered while the server is asked for one more.
        two = made.getconn()
        with waiting(one) as heard:
            watch.look()
            (asked,) = watch._questions
            assert asked.one is None
            made.putconn(two)
            two = made.getconn()
            watch.look()
            assert not made.is_silent
            assert not watch._questions
        assert heard == []
        made.putconn(one)
        made.putconn(two)
        way.lets_in.set()


def test_time_in_which_nobody_looked_is_not_silence(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that was stopped has not been waiting for its database."""
    watch = silence.Watch(pool)
    one = pool.getconn()
    with waiting(one):
        for _ in range(3):
            watch._looked -= 3600
            watch.look()
        assert watch._waited <= 3 * 2 * silence.LOOKS_EVERY
        assert not pool.is_silent
    pool.putconn(one)


def test_all_that_is_waited_for_together_is_less_than_two_seconds() -> None:
    assert 2 * silence.LOOKS_EVERY + silence.QUIET + silence.ENDED_AFTER < 2
    assert settings.DATABASES["default"]["OPTIONS"]["pool"]["timeout"] < 2


def test_a_claim_on_a_database_that_stands_still_is_refused_and_keeps_no_other_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    way = Standstill()
    with behind(way, 1) as made:
        monkeypatch.setattr(type(connections["default"]), "pool", made)
        monkeypatch.setattr(claims, "_PATIENCE", 0.2)
        monkeypatch.setattr(claims, "_session", made.getconn())
        got: list[claims.Claim] = []
        way.moves.clear()
        refused: list[OperationalError] = []

        def ask() -> None:
            try:
                got.append(claims.claim("one"))
            except OperationalError as error:
                refused.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        assert eventually(claims._lock.locked)
        with pytest.raises(OperationalError, match="has not answered"):
            claims.claim("another")

        # It is looked after as those of the pool are, and no other connection is waited for.
        watch = at_once(made)
        assert eventually(lambda: watch.look() > 0)
        asking.join(240)
        assert len(refused) == 1
        way.moves.set()
        assert eventually(lambda: not watch.look() and not made.is_silent)
        ask()
        assert len(got) == 1
        got[0].release()


def eventually(is_so: Callable[[], bool]) -> bool:
    until = time.monotonic() + 240
    while time.monotonic() < until:
        if is_so():
            return True
        time.sleep(0.02)
    return False


def test_who_waits_long_for_a_server_that_answers_others_goes_on_waiting(pool: Pool) -> None:
    watch = at_once(pool)
    one = pool.getconn()
    with waiting(one) as heard:
        for _ in range(3):
            assert watch.look() == 0
            (asked,) = watch._questions
            asked.join(240)
            assert watch.look() == 0
            assert not watch._questions
            assert not pool.is_silent
    assert heard == []
    pool.putconn(one)


@pytest.mark.django_db
def test_a_server_that_is_gone_without_a_word_is_found_to_be_so() -> None:
    connection.ensure_connection()

    told = connection.connection.info.get_parameters()

    assert (told["tcp_user_timeout"], told["keepalives_idle"], told["connect_timeout"]) == ("30000", "10", "5")


def test_what_the_address_of_the_database_says_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "tcp_user_timeout", "7000")

    told = connection.get_connection_params()

    assert (told["tcp_user_timeout"], told["connect_timeout"]) == ("7000", 5)


SENT = "SELECT query, %s FROM pg_stat_activity WHERE pid = pg_backend_pid()"


@pytest.mark.django_db(transaction=True)
def test_a_transaction_begins_in_the_message_of_its_first_statement() -> None:
    with connection.cursor() as cursor:
        said = []
        with transaction.atomic():
            for number in range(2):
                cursor.execute(SENT, [number])
                said.append((cursor.rowcount, cursor.fetchone()))
                cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(SENT, [2])
        said.append((cursor.rowcount, cursor.fetchone()))

    assert said == [
        (1, ("BEGIN; " + SENT % 0, 0)),
        (1, (SENT % 1, 1)),
        (1, (SENT % 2, 2)),
    ]


@pytest.mark.django_db(transaction=True)
def test_a_transaction_whose_first_statement_fails_is_over_and_the_next_one_is_whole() -> None:
    with pytest.raises(DataError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT 1 / %s", [0])
    with pytest.raises(KeyError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("CREATE TABLE taken_back ()")
        raise KeyError

    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('taken_back')")
        assert cursor.fetchone() == (None,)


@pytest.fixture
def name(transactional_db: None) -> Iterator[str]:
    """What a statement is kept by, until the test ends."""
    yield "kept"
    with connection.cursor() as cursor:
        cursor.execute("DEALLOCATE kept")


def test_a_kept_statement_is_asked_for_by_its_name_and_its_values_are_sent_as_they_are(name: str) -> None:
    given = 'it\'s 100 % \\ \u2013 {"a": $1}'
    with connection.cursor() as cursor:
        cursor.execute(Prepare(name, ("text", "bytea"), f"SELECT $1, $2, query FROM ({SENT % 1}) AS sent"))
        cursor.execute(Execute((name, 2)), [given, b"\0'"])
        said, bytes, sent = cursor.fetchone()
        cursor.execute("SELECT from_sql FROM pg_prepared_statements WHERE name = %s", [name])

        assert (said, bytes, cursor.fetchone()) == (given, b"\0'", (False,))
    # As SQL it would be EXECUTE.
    assert sent.startswith("SELECT $1, $2, query")


def test_a_message_begins_a_transaction_does_a_kept_statement_and_ends_it(name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE ended (number integer)")
        try:
            cursor.execute(Prepare(name, ("integer",), "INSERT INTO ended VALUES ($1) RETURNING txid_current()"))
            with transaction.atomic():
                cursor.execute(Execute((name, 1), before=["SELECT txid_current()"], after=["COMMIT"]), [7])
                before = cursor.fetchone()
                cursor.nextset()
                after = cursor.fetchone()
                assert connection.connection.info.transaction_status == TransactionStatus.IDLE
            cursor.execute("SELECT number, xmin::text::bigint FROM ended")
            assert (cursor.fetchone(), before) == ((7, after[0] % 2**32), after)
        finally:
            cursor.execute("DROP TABLE ended")


@pytest.mark.parametrize("around", [(["SELECT 1 / 0"], ["COMMIT"]), ([], ["SELECT 1 / 0", "COMMIT"]), ([], [])])
def test_of_a_message_of_which_a_part_fails_nothing_is_done_and_the_next_one_is_whole(
    name: str, around: tuple[list[str], list[str]]
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(Prepare(name, ("integer",), "SELECT set_config('tests.seen', 'x', false), 1 / $1"))
        with pytest.raises(DataError, match="division by zero"), transaction.atomic():
            cursor.execute(Execute((name, 1), before=around[0], after=around[1]), [1 if any(around) else 0])
        with transaction.atomic():
            cursor.execute("SELECT coalesce(current_setting('tests.seen', true), '')")
            assert cursor.fetchone() == ("",)
