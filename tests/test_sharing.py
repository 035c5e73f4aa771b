"""One project may have the whole process, and among others it has its part: what is more waits, or is to come again."""

import base64
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import orjson
import pytest
from django.http import HttpResponse

from generations import outages
from generations.api import sharing
from generations.api.sharing import NOBODY, FairShare
from generations.recording import grouping
from observability import refusing
from tests.doors.rest import Caller, caller

AT_ONCE, ROOM = 8, 24


class Work:
    """An application that says who is in it, and lets them go when it is told to."""

    def __init__(self) -> None:
        self.inside: list[str] = []
        self.changed = threading.Condition()
        self.doors: dict[str, threading.Event] = {}

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        name = environ["test.name"]
        with self.changed:
            self.inside.append(name)
            self.changed.notify_all()
        self.doors[name].wait(240)
        status = int(environ.get("test.status", "200"))
        start_response(f"{status} as told", [])
        return HttpResponse(b"done", status=status)

    def until(self, number: int) -> None:
        """Wait until so many have come in, in all."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.inside) >= number, 240), self.inside


class Senders:
    """Requests in threads of their own, by name, and what each was answered."""

    def __init__(self) -> None:
        self.work = Work()
        self.shared = FairShare(self.work, AT_ONCE, ROOM, refusing.busy)
        self.threads: list[threading.Thread] = []
        self.answers: dict[str, tuple[str, dict[str, str], bytes]] = {}

    def send(self, name: str, who: Caller | None, path: str = "/api/generations", **environ: str) -> None:
        """One request. Returns at once; a name is used once."""
        self.work.doors[name] = threading.Event()
        key = {"HTTP_AUTHORIZATION": f"Bearer {who.token}"} if who else {}

        def run() -> None:
            said: list[Any] = []
            body = self.shared(
                {"PATH_INFO": path, "test.name": name, **key, **environ},
                lambda *told: said.extend(told),  # type: ignore[arg-type]
            )
            self.answers[name] = (said[0], dict(said[1]), b"".join(body))

        self.threads.append(threading.Thread(target=run))
        self.threads[-1].start()

    def waiting(self, number: int) -> None:
        """Wait until so many wait for their turn."""
        for _ in range(24_000):
            with self.shared._guard:
                if sum(map(len, self.shared._lines.values())) >= number:
                    return
            threading.Event().wait(0.01)
        raise AssertionError(self.shared._lines)

    def end(self) -> None:
        """Let everybody go."""
        for door in self.work.doors.values():
            door.set()
        for thread in self.threads:
            thread.join(240)


@pytest.fixture
def senders(monkeypatch: pytest.MonkeyPatch) -> Iterator[Senders]:
    # Nobody is to give up because the machine is slow.
    monkeypatch.setattr(sharing, "PATIENCE", 60.0)
    made = Senders()
    yield made
    made.end()


@pytest.fixture
def known(db: None) -> Iterator[list[Caller]]:
    """Three projects whose keys were let in."""
    made = [caller(), caller(), caller()]
    for one in made:
        assert one.get("/api/generations").status == 200
    yield made


def test_while_the_database_answers_nobody_nobody_waits_for_a_turn(senders: Senders, known: list[Caller]) -> None:
    """Each is refused in the form of its door, where the turns are held by those that wait for an answer."""
    for n in range(AT_ONCE + 3):
        senders.send(f"many {n}", known[0])
    senders.work.until(AT_ONCE)
    senders.waiting(3)
    try:
        outages.note_silent(True)
        senders.work.until(AT_ONCE + 3)
        senders.send("one more", known[0])
        senders.work.until(AT_ONCE + 4)
    finally:
        outages.note_silent(False)


def test_alone_a_project_has_everything_and_the_rest_waits_its_turn(senders: Senders, known: list[Caller]) -> None:
    for n in range(AT_ONCE + 3):
        senders.send(f"many {n}", known[0])
    senders.work.until(AT_ONCE)
    senders.waiting(3)

    assert len(senders.work.inside) == AT_ONCE
    senders.end()
    assert {answer[0] for answer in senders.answers.values()} == {"200 as told"}


class Slow:
    """A body that comes when it is let go, all at once; `asked` says that somebody waits for it."""

    def __init__(self, content: bytes) -> None:
        self.rest = content
        self.asked, self.comes = threading.Event(), threading.Event()

    def read(self, size: int) -> bytes:
        self.asked.set()
        self.comes.wait(240)
        found, self.rest = self.rest[:size], self.rest[size:]
        return found


def test_while_the_body_of_one_who_has_a_turn_is_waited_for_others_work(
    senders: Senders, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = [Slow(b"x") for _ in range(AT_ONCE)]

    def read_first(environ: Any, start_response: Any) -> Iterable[bytes]:
        if "CONTENT_LENGTH" in environ:
            assert environ["wsgi.input"].read(1) == b"x"
        return senders.work(environ, start_response)

    monkeypatch.setattr(senders.shared, "application", read_first)
    for n, body in enumerate(slow):
        more: dict[str, Any] = {"wsgi.input": body, "CONTENT_LENGTH": "1"}
        senders.send(f"slow {n}", None, "/v1/traces", **more)
        assert body.asked.wait(240)

    senders.send("quick", None)
    senders.work.until(1)

    assert senders.work.inside == ["quick"]
    for body in slow:
        body.comes.set()
    senders.end()
    assert {answer[0] for answer in senders.answers.values()} == {"200 as told"}
    assert not any(senders.shared._in_hand.values())


def test_beside_another_a_project_has_a_part_and_the_other_comes_in_at_once(
    senders: Senders, known: list[Caller]
) -> None:
    senders.send("other 0", known[1])
    senders.work.until(1)
    for n in range(2 + ROOM // 2):
        senders.send(f"many {n}", known[0])
    senders.work.until(3)
    senders.waiting(ROOM // 2)

    senders.send("one too many", known[0])
    senders.threads[-1].join(240)
    senders.send("other 1", known[1])
    senders.work.until(4)

    assert [name.split()[0] for name in senders.work.inside].count("many") == AT_ONCE // sharing.PART
    assert senders.work.inside[-1] == "other 1"
    status, headers, body = senders.answers["one too many"]
    assert (status, headers["Retry-After"]) == ("503 Service Unavailable", "1")
    assert orjson.loads(body)["error"] == {"code": "busy", "message": sharing.SENTENCE}


def test_who_has_the_least_in_hand_is_next(senders: Senders, known: list[Caller]) -> None:
    for n in range(AT_ONCE + 1):
        senders.send(f"many {n}", known[0])
    senders.work.until(AT_ONCE)
    senders.waiting(1)
    senders.send("other 0", known[1])
    senders.waiting(2)

    senders.work.doors[senders.work.inside[0]].set()
    senders.work.until(AT_ONCE + 1)

    assert senders.work.inside[-1] == "other 0"


def test_four_that_send_little_never_wait_behind_one_that_fills_its_line(senders: Senders, known: list[Caller]) -> None:
    one, others = known[0], [*known[1:], caller(), caller()]
    for other in others:
        assert other.get("/api/generations").status == 200
    senders.send("other first", others[0])
    senders.work.until(1)
    for n in range(2 + ROOM // 2):
        senders.send(f"many {n}", one)
    senders.work.until(3)
    senders.waiting(ROOM // 2)
    senders.work.doors["other first"].set()
    senders.threads[0].join(240)

    for turn in range(25):
        # Not one of the one's requests ends meanwhile.
        names = [f"other {turn} {place}" for place in range(len(others))]
        for name, other in zip(names, others, strict=True):
            senders.send(name, other)
        senders.work.until(3 + len(others) * (turn + 1))
        assert set(senders.work.inside[-len(others) :]) == set(names)
        for name, thread in zip(names, senders.threads[-len(others) :], strict=True):
            senders.work.doors[name].set()
            thread.join(240)

    assert [name.split()[0] for name in senders.work.inside].count("many") == AT_ONCE // sharing.PART


def test_who_waits_too_long_is_told_to_come_again(
    senders: Senders, known: list[Caller], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "PATIENCE", 0.01)
    senders.send("other 0", known[1])
    senders.work.until(1)
    for n in range(AT_ONCE // sharing.PART):
        senders.send(f"many {n}", known[0])
    senders.work.until(3)

    senders.send("late", known[0])
    senders.threads[-1].join(240)

    assert senders.answers["late"][0] == "503 Service Unavailable"
    assert "late" not in senders.work.inside
    assert senders.shared._lines == {}


def one_away_and_three_waiting(senders: Senders, who: Caller) -> None:
    """Fill the process with requests, of which "away" will be answered by an outage, until three more wait."""
    senders.send("away", who, **{"test.status": "503"})
    senders.work.until(1)
    for n in range(AT_ONCE + 2):
        senders.send(f"many {n}", who)
    senders.work.until(AT_ONCE)
    senders.waiting(3)


def test_while_nobody_is_served_those_who_waited_are_told_at_once(
    senders: Senders, known: list[Caller], monkeypatch: pytest.MonkeyPatch
) -> None:
    one_away_and_three_waiting(senders, known[0])
    monkeypatch.setattr(sharing, "PATIENCE", 0.0)
    senders.work.doors["away"].set()
    for _ in range(24_000):
        if len(senders.answers) == 4:
            break
        threading.Event().wait(0.01)

    told = {name: answer for name, answer in senders.answers.items() if name != "away"}
    assert [answer[0] for answer in told.values()] == ["503 Service Unavailable"] * 3
    assert {orjson.loads(answer[2])["error"]["message"] for answer in told.values()} == {sharing.STUCK}
    assert senders.shared._lines == {}
    assert told.keys().isdisjoint(senders.work.inside)


def test_an_outage_of_one_among_those_who_are_served_is_its_own(
    senders: Senders, known: list[Caller], monkeypatch: pytest.MonkeyPatch
) -> None:
    one_away_and_three_waiting(senders, known[0])
    senders.shared._served = time.monotonic() + 60
    monkeypatch.setattr(sharing, "PATIENCE", 0.0)
    senders.work.doors["away"].set()
    senders.work.until(AT_ONCE + 1)
    senders.end()

    assert [name for name, answer in senders.answers.items() if answer[0].startswith("503")] == ["away"]


def test_pages_are_shared_with_and_do_not_make_a_project_share(senders: Senders, known: list[Caller]) -> None:
    senders.send("page", None, "/login/")
    senders.work.until(1)
    for n in range(AT_ONCE):
        senders.send(f"many {n}", known[0])
    senders.work.until(AT_ONCE)
    senders.waiting(1)
    senders.send("another page", None, "/login/")
    senders.waiting(2)
    senders.send("health", known[0], "/healthz")
    senders.work.until(AT_ONCE + 1)
    assert senders.work.inside[-1] == "health"

    senders.work.doors[next(name for name in senders.work.inside if name.startswith("many"))].set()
    senders.work.until(AT_ONCE + 2)

    assert senders.work.inside[-1] == "another page"


def test_a_project_is_known_by_any_form_of_its_key_once_that_was_let_in(known: list[Caller]) -> None:
    token, project = known[0].token or "", known[0].project.pk
    basic = base64.b64encode(f"pk:{token}".encode()).decode()
    forms: list[dict[str, str]] = [
        {"HTTP_AUTHORIZATION": f"Bearer {token}"},
        {"HTTP_AUTHORIZATION": f"Bearer%20{token}"},
        {"HTTP_AUTHORIZATION": token},
        {"HTTP_AUTHORIZATION": f"Basic {basic}"},
        {"HTTP_X_API_KEY": token},
    ]

    assert [sharing._project_of(form) for form in forms] == [project] * len(forms)
    assert [
        sharing._project_of(form) for form in ({}, {"HTTP_X_API_KEY": "unknown"}, {"HTTP_AUTHORIZATION": "Basic !"})
    ] == [NOBODY] * 3


class Writing(Work):
    """An application whose requests are written together, once the first of them may be."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[list[str]] = []

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        with self.changed:
            self.inside.append(environ["test.name"])
            self.changed.notify_all()
        grouping.together("test", -1, [environ["test.name"]], self._write)
        start_response("200 as told", [])
        return [b"done"]

    def _write(self, names: Sequence[str], _: object) -> Sequence[None]:
        self.written.append(list(names))
        self.doors[names[0]].wait(240)
        return [None] * len(names)


@pytest.fixture
def writers(senders: Senders, monkeypatch: pytest.MonkeyPatch) -> Senders:
    monkeypatch.setattr(grouping, "PATIENCE", 60.0)
    senders.work = senders.shared.application = Writing()
    return senders


def test_who_waits_to_be_written_for_makes_room_for_others_of_the_project(
    writers: Senders, known: list[Caller]
) -> None:
    names = [f"one {n}" for n in range(AT_ONCE + 3)]
    writers.send(names[0], known[0])
    writers.work.until(1)
    for name in names[1:]:
        writers.send(name, known[0])
    writers.work.until(len(names))
    writers.end()

    assert {answer[0] for answer in writers.answers.values()} == {"200 as told"}
    assert sorted(writers.shared._in_hand.items()) == [(known[0].project.pk, 0)]
    assert isinstance(writers.work, Writing)
    written = writers.work.written
    assert written[0] == names[:1]
    assert sorted(name for group in written for name in group) == sorted(names)


def test_among_others_who_waits_to_be_written_for_keeps_their_turn(writers: Senders, known: list[Caller]) -> None:
    writers.send("other", known[1])
    writers.work.until(1)
    for n in range(AT_ONCE):
        writers.send(f"many {n}", known[0])
    writers.waiting(AT_ONCE - AT_ONCE // sharing.PART)

    assert len(writers.work.inside) == 1 + AT_ONCE // sharing.PART
