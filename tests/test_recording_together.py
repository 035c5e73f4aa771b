"""Writes that come at the same time: none fails, none is lost, and they share transactions."""

import threading

import pytest
from django.db import connections

from generations import access, recording
from generations.models import (
    Generation,
    Project,
    Thread,
)
from generations.records import (
    GenerationRecord,
)
from tests.recorded import one

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return access.create_project("Recording")


@pytest.mark.django_db(transaction=True)
def test_concurrent_first_sights_of_the_same_things_never_fail() -> None:
    project = access.create_project("Concurrent")
    failures: list[BaseException] = []

    def write(worker: int) -> None:
        try:
            for n in range(10):
                recording.record(
                    project,
                    [
                        GenerationRecord(
                            id=f"shared-{n}",
                            thread_id=f"t{n % 3}",
                            user_id="u",
                            tags=(f"tag{n}",),
                            metadata={str(worker): n},
                        ),
                        GenerationRecord(id=f"own-{worker}-{n}", thread_id=f"t{n % 3}", user_id="u"),
                    ],
                )
        except BaseException as error:  # noqa: BLE001  (whatever it is, the test has to see it)
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert Generation.objects.in_project(project.pk).count() == 90
    assert sorted(one(project, "shared-0").metadata) == [str(n) for n in range(8)]
    assert Thread.objects.in_project(project.pk).count() == 3
