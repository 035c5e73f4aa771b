"""The WSGI application, behind a bound on what a request may bring."""

import os
import tempfile
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from django.core.wsgi import get_wsgi_application

from generations.management import serving

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from django.http import HttpResponse

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "observability.settings")

_PIECE: Final = 64 * 1024
_IN_MEMORY: Final = 1024 * 1024
_RESTS: Final = 4
"""Bodies that nobody read and that are taken in at once, by each process: each keeps a thread until it is here."""
_TOO_MANY: Final = "Too many bodies are on their way that do not arrive. Send it again in a moment."
_WAITS: Final = ("-c lock_timeout=2s", "-c statement_timeout=60s")


class _Read:
    """A body of which it is known how much was read."""

    def __init__(self, body: Any) -> None:
        self.body = body
        self.bytes = 0

    def read(self, size: int = -1) -> bytes:
        found: bytes = self.body.read(size)
        self.bytes += len(found)
        return found

    def readline(self, size: int = -1) -> bytes:
        found: bytes = self.body.readline(size)
        self.bytes += len(found)
        return found


class _Waiting:
    """A body that is counted while it is waited for, of which the first bytes may be here already."""

    def __init__(self, body: Any, count: "Callable[[int], None]") -> None:
        self.body = body
        self.count = count
        self.here = b""

    def begin(self, size: int) -> None:
        """Wait for so many bytes, or for its end."""
        self.here = self._waited(self.body.read, size)

    def read(self, size: int = -1) -> bytes:
        here = self.here if size < 0 else self.here[:size]
        self.here = self.here[len(here) :]
        if len(here) == size:
            return here
        return here + self._waited(self.body.read, size if size < 0 else size - len(here))

    def readline(self, size: int = -1) -> bytes:
        here = self.here[: self.here.find(b"\n") + 1] or self.here
        here = here if size < 0 else here[:size]
        self.here = self.here[len(here) :]
        if here.endswith(b"\n") or len(here) == size:
            return here
        return here + self._waited(self.body.readline, size if size < 0 else size - len(here))

    def _waited(self, read: "Callable[[int], bytes]", size: int) -> bytes:
        self.count(1)
        try:
            return read(size)
        finally:
            self.count(-1)


class FewBodies:
    """Waits for at most so many bodies at once, and has those that come with another one come again.

    Each that is waited for keeps a thread, and a read cannot be given up: of a few hundred senders of a byte a second
    nobody would be answered any more. What brings no body, as pages and questions, is answered all the same.
    """

    def __init__(
        self,
        application: "BoundedBodies",
        most: int,
        refuse: "Callable[[WSGIEnvironment, str], HttpResponse]",
    ) -> None:
        self.application = application
        self.most = most
        self.refuse = refuse
        self._waited_for = 0
        self._guard = threading.Lock()

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if environ.get("CONTENT_LENGTH", "") in ("", "0") and "HTTP_TRANSFER_ENCODING" not in environ:
            return self.application(environ, start_response)
        if self._waited_for >= self.most:
            refused = self.refuse(environ, _TOO_MANY)
            length = ("Content-Length", str(len(refused.content)))
            headers = [*refused.items(), length, ("Connection", "close")]
            start_response(f"{refused.status_code} {refused.reason_phrase}", headers)
            return [refused.content]
        body = environ["wsgi.input"] = _Waiting(environ["wsgi.input"], self._count)
        said = environ.get("CONTENT_LENGTH", "")
        if said.isdecimal() and int(said) <= self.application.limit and "HTTP_EXPECT" not in environ:
            # Before anybody waits for his turn, or all that wait would have got past this.
            body.begin(min(int(said), _PIECE))
        return self.application(environ, start_response)

    def _count(self, more: int) -> None:
        with self._guard:
            self._waited_for += more


class WholeBodies:
    """Lets no answer overtake what is left of its body: a wrong key or address is seen without a look at that.

    The server closes such a connection. Who still sends is told of a broken pipe instead of the answer, and who comes
    again on it finds it closed without a word. So the rest is taken in and thrown away first, where nobody waits to be
    told to send it, and few are at that already: else the answer says that its connection ends with it.
    """

    def __init__(self, application: "WSGIApplication") -> None:
        self.application = application
        self._rests = threading.BoundedSemaphore(_RESTS)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        said = environ.get("CONTENT_LENGTH") or ""
        if not said.isdecimal() or not (length := int(said)):
            return self.application(environ, start_response)
        body = environ["wsgi.input"] = _Read(environ["wsgi.input"])
        told: list[Any] = []
        answer = self.application(environ, lambda *how: told.extend(how))  # type: ignore[arg-type]  # nobody writes
        status, headers, *more = told
        if body.bytes < length and ("HTTP_EXPECT" in environ or not self._take(body, length)):
            headers = [*(one for one in headers if one[0].lower() != "connection"), ("Connection", "close")]
        start_response(status, headers, *more)
        return answer

    def _take(self, body: _Read, length: int) -> bool:
        """Take in what is left; False where there is no room for that now, or who sent it is gone."""
        if not self._rests.acquire(blocking=False):
            return False
        try:
            while body.bytes < length and body.read(min(_PIECE, length - body.bytes)):
                continue
            return body.bytes == length
        except OSError:
            return False
        finally:
            self._rests.release()


class BoundedBodies:
    """Refuses bodies above `limit` bytes with 413, and gives chunked ones the length that Django asks for.

    Django reads as many bytes as CONTENT_LENGTH says, and so nothing of a chunked body, which says none.
    Such a body is taken in first, at most `limit` bytes of it, on disk when it is large. `refuse` makes the answer to
    one that is too large, of its environment and the sentence; None passes it on to a view that will see that.
    """

    def __init__(
        self,
        application: "WSGIApplication",
        limit: int,
        refuse: "Callable[[WSGIEnvironment, str], HttpResponse | None]",
    ) -> None:
        self.application = application
        self.limit = limit
        self.refuse = refuse

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if "chunked" not in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
            if int(environ.get("CONTENT_LENGTH") or 0) > self.limit:
                return self._refuse(environ, start_response)
            return self.application(environ, start_response)
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as body:
            length = 0
            while piece := environ["wsgi.input"].read(_PIECE):
                length += len(piece)
                if length > self.limit:
                    environ["CONTENT_LENGTH"] = str(length)
                    return self._refuse(environ, start_response)
                body.write(piece)
            body.seek(0)
            # > A server MUST NOT send both (RFC 9112, 6.2): from here on the length alone counts.
            del environ["HTTP_TRANSFER_ENCODING"]
            environ["CONTENT_LENGTH"] = str(length)
            environ["wsgi.input"] = body
            # Django has read the body when it answers: a view that streams its answer holds it already.
            return self.application(environ, start_response)

    def _refuse(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        sentence = f"The request body is larger than {self.limit} bytes. Send it in smaller parts."
        refused = self.refuse(environ, sentence)
        if refused is None:
            return self.application(environ, start_response)
        length = ("Content-Length", str(len(refused.content)))
        start_response(f"{refused.status_code} {refused.reason_phrase}", [*refused.items(), length])
        return [refused.content]


def _application() -> FewBodies:
    from django.conf import settings

    django = get_wsgi_application()
    from django.urls import get_resolver

    from generations import presence, pricing
    from generations.api.sharing import FairShare
    from observability import refusing

    # The first request would load them; here they are loaded once for all processes that this one becomes.
    _ = get_resolver().url_patterns
    pricing.known_models()
    shared = FairShare(presence.Seen(django), settings.WEB_THREADS, serving.ROOM, refusing.busy)
    bounded = BoundedBodies(WholeBodies(shared), settings.INGEST_MAX_BYTES, refusing.too_large)
    # Half of the threads beyond those that work: the others are for who can be answered at once.
    return FewBodies(bounded, (serving.ROOM + settings.GATEWAY_STREAMS) // 2, refusing.busy)


application = _application()


def begin() -> None:
    """What each process that answers does first, once it is one of its own."""
    from django.conf import settings

    from generations import operations
    from generations.gateway import views
    from observability.postgresql import silence

    # Whoever asks is told to come again, rather than kept: the worker may wait, a thread here may not.
    options = settings.DATABASES["default"]["OPTIONS"]
    options["options"] = " ".join((options.get("options", ""), *_WAITS)).strip()
    views.begin()
    operations.keep_telling()
    silence.begin()
