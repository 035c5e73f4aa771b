"""Writes that come at the same time: none fails, none is lost, and they share transactions."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest
from django.db import OperationalError, connection, connections, transaction

from generations import access, recording
from generations.models import Generation, Participant, Project, Thread
from generations.recording import grouping
from generations.records import GenerationRecord, Record, ScoreRecord, StepRecord
from tests.recorded import one, states

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def project() -> Project:
    return access.create_project("Together")


def at_once(number: int, work: Callable[[int], None]) -> None:
    """Do this in as many threads at the same time; raises the first thing that went wrong in one."""
    failures: list[BaseException] = []
    ready = threading.Barrier(number)

    def run(n: int) -> None:
        try:
            ready.wait()
            work(n)
        except BaseException as error:  # noqa: BLE001  (whatever it is, the test has to see it)
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(n,)) for n in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def record(project: Project, *items: Record) -> list[recording.Receipt]:
    """Record, and give the connection back as a request does at its end."""
    try:
        return recording.record(project, items)
    finally:
        if not connection.in_atomic_block:
            connection.close()


def transactions_of(model: str, project: Project) -> int:
    """How many transactions wrote the rows that are there."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(DISTINCT xmin::text) FROM {model} WHERE project_id = %s", [project.pk])
        return int(cursor.fetchone()[0])


@contextmanager
def held(project: Project) -> Iterator[threading.Event]:
    """While another transaction holds the project's lock; it lets go when the event is set, or at the end."""
    taken, free = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(recording.alone(project.pk))
            taken.set()
            free.wait(240)
        connections.close_all()

    thread = threading.Thread(target=hold)
    thread.start()
    taken.wait()
    try:
        yield free
    finally:
        free.set()
        thread.join()


def waiting(project: Project) -> int:
    """How many callers stand in the project's line."""
    line = grouping._lines.get((str(connection.settings_dict["NAME"]), "records", project.pk))
    return len(line.waiting) if line else 0


def until(is_so: Callable[[], bool]) -> None:
    """Wait until it is so; the limit only ends a test that has failed already."""
    for _ in range(24_000):
        if is_so():
            return
        threading.Event().wait(0.01)
    raise AssertionError("It did not come to that in time.")


def release(held: threading.Event, when: Callable[[], bool]) -> None:
    """Let go of what is held as soon as it is so."""
    try:
        until(when)
    finally:
        held.set()
        connections.close_all()


def test_what_was_acknowledged_is_stored_with_poison_among_it(project: Project) -> None:
    # Within its bound, but too long for an entry of the index on scores: only the database refuses it.
    noise = "".join(chr(0x10000 + (n * 7919) % 60000) for n in range(1000))
    acknowledged: Counter[str] = Counter()
    refused: list[recording.Receipt] = []

    def work(worker: int) -> None:
        for n in range(10):
            id = f"{worker}-{n}"
            poison = (ScoreRecord(name=noise, value=1.0),) if n == worker % 10 and worker % 4 == 0 else ()
            (receipt,) = record(
                project, GenerationRecord(id=id, thread_id=f"t{n % 3}", user_id="u", tags=(f"x{n}",), scores=poison)
            )
            if receipt.state == "stored":
                acknowledged[id] += 1
            else:
                refused.append(receipt)

    at_once(32, work)

    assert len(refused) == 8
    assert all(r.state == "rejected" and "index row" in (r.reason or "") for r in refused)
    stored = Generation.objects.in_project(project.pk).values_list("public_id", flat=True)
    assert Counter(stored) == acknowledged
    assert len(acknowledged) == 312


def test_those_who_wait_share_a_transaction(project: Project) -> None:
    receipts: list[recording.Receipt] = []

    def work(n: int) -> None:
        receipts.extend(record(project, GenerationRecord(id=f"g{n}", thread_id="t", user_id="u")))

    with held(project) as free:
        releasing = threading.Thread(target=release, args=(free, lambda: waiting(project) == 31))
        releasing.start()
        at_once(32, work)
        releasing.join()

    assert states(receipts) == ["stored"] * 32
    # The first one's own, and one for all who came while it waited for the lock.
    assert transactions_of("generation", project) == 2
    assert grouping._lines == {}


def test_nobody_alone_waits_for_others(project: Project) -> None:
    record(project, GenerationRecord(id="g1"))
    record(project, GenerationRecord(id="g2"))

    assert transactions_of("generation", project) == 2
    assert grouping._lines == {}


def test_many_writers_of_one_id_end_as_one_row_and_one_says_stored(project: Project) -> None:
    said: list[str] = []

    def work(worker: int) -> None:
        for n in range(10):
            receipts = record(project, GenerationRecord(id="same", metadata={f"{worker}-{n}": 1}))
            said.extend(states(receipts))

    at_once(100, work)

    assert Counter(said) == {"stored": 1, "merged": 999}
    assert Generation.objects.in_project(project.pk).count() == 1
    assert len(one(project, "same").metadata) == 1000


def test_writers_of_the_same_threads_do_not_lock_each_other_out(project: Project) -> None:
    def work(worker: int) -> None:
        for n in range(5):
            order = range(8) if worker % 2 else range(7, -1, -1)
            # Some alone, some in a batch too large for a group, some in a transaction of the caller's.
            some = [StepRecord(id=f"{worker}-{n}-{t}", thread_id=f"t{t}", user_id=f"u{t}") for t in order]
            if worker % 3 == 0:
                for step in some:
                    record(project, step)
            elif worker % 3 == 1:
                record(project, *some, *(GenerationRecord(id=f"{worker}-{n}-{g}") for g in range(100)))
            else:
                with transaction.atomic():
                    record(project, *some)

    at_once(16, work)

    assert Thread.objects.in_project(project.pk).count() == 8
    assert Participant.objects.in_project(project.pk).count() == 8


def test_two_projects_do_not_wait_for_each_other(project: Project) -> None:
    other = access.create_project("Other")

    with held(project):
        stuck = threading.Thread(target=at_once, args=(1, lambda n: record(project, StepRecord(id="s"))))
        stuck.start()
        until(lambda: waiting(project) == 0 and bool(grouping._lines))
        receipts = recording.record(other, [GenerationRecord(id="g")])
        assert stuck.is_alive()
    stuck.join()

    assert states(receipts) == ["stored"]


def test_who_is_not_taken_along_in_time_is_told_and_nothing_of_it_is_stored(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grouping, "PATIENCE", 0.05)
    with held(project):
        first = threading.Thread(target=at_once, args=(1, lambda n: record(project, StepRecord(id="1st"))))
        first.start()
        until(lambda: bool(grouping._lines))

        with pytest.raises(recording.Busy, match="Nothing was stored: send it again in 1 s"):
            record(project, GenerationRecord(id="late"))
    first.join()

    assert Generation.objects.in_project(project.pk).count() == 0
    assert states(record(project, GenerationRecord(id="late"))) == ["stored"]


def test_a_line_has_an_end(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "MOST_WAITING", 3)
    busy: list[recording.Busy] = []

    def work(n: int) -> None:
        try:
            record(project, GenerationRecord(id=f"g{n}"))
        except recording.Busy as error:
            busy.append(error)

    with held(project) as free:
        releasing = threading.Thread(target=release, args=(free, lambda: len(busy) == 4))
        releasing.start()
        at_once(8, work)
        releasing.join()

    assert Generation.objects.in_project(project.pk).count() == 4


def test_a_failure_of_the_database_reaches_everybody_it_concerns(project: Project) -> None:
    failed: list[OperationalError] = []

    def work(n: int) -> None:
        try:
            record(project, GenerationRecord(id=f"g{n}"))
        except OperationalError as error:
            failed.append(error)

    def is_cut() -> bool:
        if waiting(project) < 7:
            return False
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'"
                " AND classid = 1195724338 AND objid = %s AND database = (SELECT oid FROM pg_database"
                " WHERE datname = current_database())",
                [project.pk],
            )
            return bool(cursor.fetchall())

    with held(project) as free:
        cutting = threading.Thread(target=release, args=(free, is_cut))
        cutting.start()
        at_once(8, work)
        cutting.join()

    # The one who waited for the lock; the others were still in the line, and the next of them wrote for all.
    assert len(failed) == 1
    assert Generation.objects.in_project(project.pk).count() == 7
    assert grouping._lines == {}


def test_concurrent_first_sights_of_the_same_things_never_fail(project: Project) -> None:
    def work(worker: int) -> None:
        for n in range(10):
            shared = GenerationRecord(
                id=f"shared-{n}", thread_id=f"t{n % 3}", user_id="u", tags=(f"tag{n}",), metadata={str(worker): n}
            )
            own = GenerationRecord(id=f"own-{worker}-{n}", thread_id=f"t{n % 3}", user_id="u")
            record(project, shared, own)

    at_once(8, work)

    assert Generation.objects.in_project(project.pk).count() == 90
    assert sorted(one(project, "shared-0").metadata) == [str(n) for n in range(8)]
    assert Thread.objects.in_project(project.pk).count() == 3


def test_of_those_who_bring_much_two_write_at_once_and_the_others_share(project: Project) -> None:
    groups: list[list[int]] = []
    free = threading.Event()
    place = (str(connection.settings_dict["NAME"]), "many", project.pk)

    def write(items: Sequence[int], _: object) -> Sequence[int]:
        groups.append(sorted(set(items)))
        free.wait(240)
        return items

    def call(n: int, much: int) -> None:
        assert grouping.together("many", project.pk, [n] * much, write, beside=True) == [n] * much

    def started(n: int, much: int, there: Callable[[], bool]) -> threading.Thread:
        thread = threading.Thread(target=call, args=(n, much))
        thread.start()
        until(there)
        return thread

    threads = [
        started(1, 2, lambda: groups == [[1]]),
        started(2, 2, lambda: len(grouping._lines[place].waiting) == 1),
        started(3, grouping.MUCH, lambda: groups == [[1], [3]]),
        started(4, grouping.MUCH, lambda: len(grouping._lines[place].waiting) == 2),
        started(5, 2, lambda: len(grouping._lines[place].waiting) == 3),
    ]
    free.set()
    for thread in threads:
        thread.join()

    assert groups == [[1], [3], [2, 4, 5]]
    assert grouping._lines == {}


def test_who_is_to_write_waits_for_as_many_as_were_there_a_moment_ago(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups: list[list[int]] = []
    place = (str(connection.settings_dict["NAME"]), "few", project.pk)

    def write(items: Sequence[int], _: object) -> Sequence[int]:
        groups.append(sorted(items))
        return items

    def call(n: int) -> None:
        assert grouping.together("few", project.pk, [n], write) == [n]

    def started(n: int) -> threading.Thread:
        thread = threading.Thread(target=call, args=(n,))
        thread.start()
        return thread

    monkeypatch.setattr(grouping, "COMPANY", 60.0)
    monkeypatch.setattr(grouping, "LATELY", 60.0)
    grouping._crowds[place] = grouping._Crowd(most=3, ended=time.monotonic(), took=60.0)
    threads = [started(1)]
    until(lambda: place in grouping._lines and grouping._lines[place].joined is not None)
    threads += [started(2), started(3)]
    for thread in threads:
        thread.join()

    assert groups == [[1, 2, 3]]
    assert grouping._lines == {}
    # They were three, and are not waited for in vain more than once, nor longer than a write takes.
    grouping._crowds[place].took = 0.001
    call(4)
    call(5)
    assert groups == [[1, 2, 3], [4], [5]]
    assert grouping._crowds[place].most == 1


def test_nobody_is_waited_for_who_was_there_long_ago(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    place = (str(connection.settings_dict["NAME"]), "few", project.pk)
    monkeypatch.setattr(grouping, "COMPANY", 60.0)
    grouping._crowds[place] = grouping._Crowd(most=3, ended=time.monotonic() - 2 * grouping.LATELY, took=60.0)

    assert grouping.together("few", project.pk, [1], lambda items, _: items) == [1]

    assert grouping._crowds[place].most == 1
