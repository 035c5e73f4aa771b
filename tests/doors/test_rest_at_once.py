"""Several callers at once over REST: no change is lost between two of them."""

from __future__ import annotations

import threading

import pytest
from django.db import connection

from tests.doors.rest import Caller, caller

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


def test_changes_of_one_generation_at_once_are_all_kept() -> None:
    api = caller()
    api.post("/api/generations", {"id": "g", "metadata": {"deep": {}}})
    together = threading.Barrier(6)
    statuses: list[int] = []

    def change(number: int) -> None:
        together.wait()
        try:
            mine = Caller(api.project, api.token)
            for n in range(5):
                statuses.append(mine.patch("/api/generations/g", {"$set": {f"metadata.deep.k{number}-{n}": n}}).status)
        finally:
            connection.close()

    threads = [threading.Thread(target=change, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert statuses == [200] * 30
    deep = api.get("/api/generations/g").json["metadata"]["deep"]
    assert deep == {f"k{number}-{n}": n for number in range(6) for n in range(5)}


def test_the_same_batch_at_once_stores_each_generation_once() -> None:
    api = caller()
    batch = [{"id": f"g{n}", "threadId": "t", "metadata": {"userId": "u", "tags": ["x"]}} for n in range(20)]
    together = threading.Barrier(4)
    stored: list[int] = []

    def send() -> None:
        together.wait()
        try:
            stored.append(Caller(api.project, api.token).post("/api/generations/batch", batch).json["counts"]["stored"])
        finally:
            connection.close()

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(stored) == [0, 0, 0, 20]
    assert api.get("/api/generations?count=true").json["count"]["value"] == 20
