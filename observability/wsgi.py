"""The WSGI application, behind a bound on what a request may bring."""

import os
import tempfile
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from django.core.wsgi import get_wsgi_application

from generations.management import serving

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from django.http import HttpResponse

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "observability.settings")

_PIECE: Final = 64 * 1024
_IN_MEMORY: Final = 1024 * 1024
_WAITS: Final = ("-c lock_timeout=2s", "-c statement_timeout=60s")


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


def _application() -> BoundedBodies:
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
    return BoundedBodies(shared, settings.INGEST_MAX_BYTES, refusing.too_large)


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
