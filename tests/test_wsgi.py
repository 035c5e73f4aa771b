"""The bound on bodies, without a server: tests/test_up.py sends them over a socket."""

import io
import json
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
import pytest

from generations import intake
from generations.models import IngestReject
from observability import refusing, wsgi
from observability.wsgi import BoundedBodies, FewBodies, WholeBodies
from tests.doors.rest import caller


def answer_to(given: io.BytesIO, limit: int = 10, **environ: Any) -> tuple[str, bytes]:
    """The status and body of an application that says how much it was given."""
    statuses: list[str] = []

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        length = environ.get("CONTENT_LENGTH") or "0"
        return [length.encode(), b":", environ["wsgi.input"].read(int(length))]

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        statuses.append(status)

    body = b"".join(
        BoundedBodies(application, limit, refusing.too_large)({**environ, "wsgi.input": given}, start_response)
    )
    return statuses[0], body


def test_a_chunked_body_gets_its_length() -> None:
    status, body = answer_to(io.BytesIO(b"0123456789"), HTTP_TRANSFER_ENCODING="chunked")

    assert (status, body) == ("200 OK", b"10:0123456789")


@pytest.mark.parametrize("length", [11, 10_000_000])
def test_a_chunked_body_above_the_bound_is_read_no_further(length: int) -> None:
    given = io.BytesIO(b"x" * length)

    status, body = answer_to(given, HTTP_TRANSFER_ENCODING="chunked")

    assert status.startswith("413 ")
    assert json.loads(body)["error"]["code"] == "too_large"
    assert given.tell() <= 10 + 64 * 1024


def test_a_length_above_the_bound_is_refused_without_reading() -> None:
    given = io.BytesIO(b"x" * 11)

    status, _ = answer_to(given, CONTENT_LENGTH="11")

    assert status.startswith("413 ")
    assert given.tell() == 0


def test_a_length_at_the_bound_is_passed_on() -> None:
    assert answer_to(io.BytesIO(b"0123456789"), CONTENT_LENGTH="10") == ("200 OK", b"10:0123456789")


def test_no_body_is_passed_on() -> None:
    assert answer_to(io.BytesIO()) == ("200 OK", b"0:")


# ------------------------------------------------------------------------------------------------ what nobody looked at
def unread(body: io.BytesIO, whole: WholeBodies | None = None, **environ: Any) -> dict[str, str]:
    """The headers of an answer that was given after a look at three bytes."""
    told: list[dict[str, str]] = []
    asked = {"CONTENT_LENGTH": "100000", "wsgi.input": body, **environ}
    answer = (whole or WholeBodies(refused))(asked, lambda status, headers, *more: told.append(dict(headers)))  # type: ignore[arg-type]
    assert b"".join(answer) == b"no"
    return told[0]


def refused(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    environ["wsgi.input"].read(3)
    start_response("401 Unauthorized", [("Connection", "keep-alive")])
    return [b"no"]


def test_what_is_left_of_a_body_is_taken_in_before_it_is_answered() -> None:
    """Who still sends would be told of a broken pipe, not that the key is wrong."""
    body = io.BytesIO(b"x" * 100_000)

    assert unread(body) == {"Connection": "keep-alive"}
    assert body.tell() == 100_000


def test_an_answer_that_leaves_some_of_a_body_says_that_its_connection_ends() -> None:
    asked, broken_off = io.BytesIO(b"x" * 100_000), io.BytesIO(b"x" * 99_999)

    assert unread(asked, HTTP_EXPECT="100-continue") == {"Connection": "close"}
    assert unread(broken_off) == {"Connection": "close"}
    assert (asked.tell(), broken_off.tell()) == (3, 99_999)


def test_slow_bodies_that_nobody_reads_keep_few_threads() -> None:
    sent = threading.Event()

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell():
                sent.wait(60)
            return super().read(size)

    whole = WholeBodies(refused)
    with ThreadPoolExecutor(wsgi._RESTS) as threads:
        slow = [threads.submit(unread, Slow(b"x" * 100_000), whole) for _ in range(wsgi._RESTS)]
        while whole._rests.acquire(blocking=False):
            whole._rests.release()
            time.sleep(0.01)
        one_more = unread(io.BytesIO(b"x" * 100_000), whole)
        sent.set()

    assert one_more == {"Connection": "close"}
    assert [one.result() for one in slow] == [{"Connection": "keep-alive"}] * wsgi._RESTS
    assert unread(io.BytesIO(b"x" * 100_000), whole) == {"Connection": "keep-alive"}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("application/x-protobuf", {"CONTENT_LENGTH": "11"}),
        ("application/json", {"HTTP_TRANSFER_ENCODING": "chunked"}),
    ],
)
def test_otlp_is_refused_in_its_own_form_and_its_project_is_told(kind: str, how: dict[str, str], settings: Any) -> None:
    """> the response body MUST be a Protobuf-encoded Status message   OTLP/HTTP, Failures"""
    settings.INGEST_MAX_BYTES = 10
    api, answered = caller("ingest"), []
    environ = {
        **how,
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/v1/traces",
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "CONTENT_TYPE": kind,
        "HTTP_AUTHORIZATION": f"Bearer {api.token}",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(b"x" * 11),
    }
    whole: Any = wsgi.application.application

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        answered.append((status[:3], dict(headers)["Content-Type"]))

    body = b"".join(BoundedBodies(whole.application, 10, whole.refuse)(environ, start_response))

    said = "The body is larger than 10 bytes. Send it in smaller parts."
    assert answered == [("413", kind)]
    if kind == "application/json":
        assert orjson.loads(body) == {"code": 8, "message": said}
    else:
        assert body == bytes([0x08, 8, 0x12, len(said)]) + said.encode()
    (told,) = IngestReject.objects.filter(project=api.project)
    assert (told.door, told.reason, told.body, told.body_size) == ("otlp.traces", said, None, 11)
    assert [(one.door, one.refused) for one in intake.sources(api.project)] == [("otlp.traces", 1)]


# ---------------------------------------------------------------------------------------------- what does not arrive
class Slow(io.BytesIO):
    """A body that does not arrive before it is let."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.may_come = threading.Event()

    def read(self, size: int | None = -1) -> bytes:
        assert self.may_come.wait(240)
        return super().read(size)


def few_bodies(application: Any) -> FewBodies:
    """An application that waits for two bodies at once."""
    return FewBodies(BoundedBodies(application, 1_000_000, refusing.too_large), 2, refusing.busy)


def test_a_body_that_is_too_large_is_not_waited_for() -> None:
    body = Slow(b"")
    told: list[str] = []
    asked = {"PATH_INFO": "/api/generations", "wsgi.input": body, "CONTENT_LENGTH": "1000001"}

    list(few_bodies(None)(asked, lambda status, *more: told.append(status)))  # type: ignore[arg-type]

    assert told[0].startswith("413 ")


def test_who_brings_a_body_is_told_to_come_again_where_too_many_do_not_arrive() -> None:
    """Others are answered: each that is waited for keeps a thread, and some are left."""
    few = few_bodies(lambda environ, start: [environ["wsgi.input"].read()])
    told: list[tuple[str, dict[str, str]]] = []

    def ask(body: io.BytesIO, **environ: Any) -> bytes:
        asked = {"PATH_INFO": "/api/generations", "wsgi.input": body, **environ}
        return b"".join(few(asked, lambda status, headers, *more: told.append((status, dict(headers)))))  # type: ignore[arg-type]

    slow = [Slow(b"x" * 100_000) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(ask, body, CONTENT_LENGTH="100000") for body in slow]
        while few._waited_for < 2:
            time.sleep(0.01)
        refused = json.loads(ask(io.BytesIO(b"{}"), CONTENT_LENGTH="2"))
        assert ask(io.BytesIO()) == ask(io.BytesIO(), CONTENT_LENGTH="0") == b""
        for body in slow:
            body.may_come.set()
        assert [one.result(240) for one in waiting] == [b"x" * 100_000] * 2

    ((status, headers),) = told
    assert status.startswith("503 ")
    assert (headers["Retry-After"], headers["Connection"]) == ("1", "close")
    assert "do not arrive" in refused["error"]["message"]
    assert ask(io.BytesIO(b"{}"), CONTENT_LENGTH="2") == b"{}"


@pytest.mark.parametrize("size", [-1, 1, 3, 64 * 1024, 200_000])
def test_a_body_of_which_the_beginning_is_here_is_read_as_any_other(size: int) -> None:
    content = b"a\n" + b"bc" * 50_000 + b"\nlast"

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        body = environ["wsgi.input"]
        lines = [body.readline(), body.readline(size), body.readline()]
        return [*lines, *iter(lambda: body.read(size), b"")]

    asked = {"wsgi.input": io.BytesIO(content), "CONTENT_LENGTH": str(len(content))}
    assert b"".join(few_bodies(application)(asked, lambda *told: None)) == content  # type: ignore[arg-type]
    line = io.BytesIO(content)
    asked = {"wsgi.input": io.BytesIO(content), "CONTENT_LENGTH": str(len(content))}
    assert next(iter(few_bodies(application)(asked, lambda *told: None))) == line.readline()  # type: ignore[arg-type]
