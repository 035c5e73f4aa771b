"""Connections are given out from a stack, and a dead one is not given out at all."""

from __future__ import annotations

import os
from collections.abc import Iterator

import psycopg
import pytest

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
    for connection in given:
        pool.putconn(connection)


def test_a_connection_that_the_server_ended_is_replaced(pool: Pool) -> None:
    one = pool.getconn()
    ended = one.info.backend_pid
    pool.putconn(one)
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as server:
        server.execute("SELECT pg_terminate_backend(%s, 10000)", [ended])

    with pool.connection() as first, pool.connection() as second:
        assert ended not in (first.info.backend_pid, second.info.backend_pid)
        assert first.execute("SELECT 1").fetchone() == second.execute("SELECT 1").fetchone() == (1,)
