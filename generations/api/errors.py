"""The one form in which REST refuses: `{"error": {"code", "message", "field", "value", "expected"}}`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import DisallowedHost, SuspiciousOperation, TooManyFieldsSent
from django.db import DataError
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from generations import claims, generating, holds, llm, outages, recording
from generations.access import NoSuchProject, NotAllowed, NotAuthenticated
from generations.api.answers import answer
from generations.datasets import BadDataset, NoSuchDataset
from generations.evaluating import NoSuchEvaluator
from generations.experiments import NoSuchExperiment
from generations.exporting import NotReady
from generations.filters import BadFilter
from generations.importing.tables import BadFile
from generations.metrics import BadQuery, TooSlow
from generations.paging import BadCursor
from generations.prompts import NoSuchPrompt
from generations.records import InvalidRecord
from generations.retention import NoSuchParticipant
from generations.trusting import Outdated

CODES: Final[Mapping[int, str]] = {
    400: "The request cannot be read: malformed JSON, an unknown filter, a cursor of another list.",
    401: "No API key, or one that is unknown, revoked or expired.",
    403: "The key has not the scope that is needed.",
    404: "There is nothing of that id in this project.",
    405: "The address does not know this method; `Allow` lists those it knows.",
    409: "Not now: a legal hold keeps it (`held`), a file is still being written (`not_ready`), or the first request of"
    " the same `Idempotency-Key` is still being answered (`under_way`).",
    410: "Gone: the file has expired, or there never was one.",
    413: "The body, as sent or as unpacked, is larger than the server takes.",
    415: "The body's type or encoding is none that is read here.",
    416: "The file has no such range of bytes.",
    422: "The document is well-formed and says something that cannot be stored; the error names the field.",
    429: "The provider of a model asks to wait. `Retry-After` says how long.",
    502: "The provider of a model failed, refused the key, or could not be reached; the call is recorded.",
    503: "No answer in time, or more comes in than can be stored. `Retry-After` says when to try again.",
}
"""What each refusal means, as the OpenAPI page says it."""

HALF: Final = "A text of this request has half of a character in it, a lone surrogate: nothing here has that."

log = logging.getLogger(__name__)


@dataclass
class Refused(Exception):
    """A request that is answered with an error. `field`, `value` and `expected` are given where one value is wrong."""

    status: int
    code: str
    message: str
    field: str | None = None
    value: str | None = None
    expected: str | None = None
    headers: Mapping[str, str] | None = None

    def __str__(self) -> str:
        return self.message


def not_found(kind: str, id: str) -> Refused:
    """The refusal for an id that nothing has."""
    return Refused(404, "not_found", f"There is no {kind} '{id[:80]}' in this project.")


def response(refusal: Refused) -> HttpResponse:
    """The answer that says it."""
    error: dict[str, Any] = {"code": refusal.code, "message": refusal.message}
    for name in ("field", "value", "expected"):
        if (said := getattr(refusal, name)) is not None:
            error[name] = said
    return answer({"error": error}, status=refusal.status, headers=refusal.headers)


# ---------------------------------------------------------------------------------------- what is raised, as a refusal
def _of_value(status: int, code: str) -> Callable[[Any], Refused]:
    return lambda error: Refused(status, code, str(error), error.field, error.value, error.expected)


def _of_sentence(status: int, code: str, **headers: str) -> Callable[[Exception], Refused]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda error: Refused(status, code, str(error), headers=named)


def _of_missing(error: Any) -> Refused:
    return Refused(404, "not_found", str(error), getattr(error, "field", None), getattr(error, "value", None))


def _of_file(error: NotReady) -> Refused:
    return Refused(410, "gone", str(error)) if error.is_gone else Refused(409, "not_ready", str(error))


def _of_address(error: ValidationError) -> Refused:
    first = error.errors[0]
    name = ".".join(str(part) for part in first["loc"][1:]) or "request"
    return Refused(422, "invalid_value", f"{name}: {first['msg']}", name)


def _of_data(error: DataError) -> Refused:
    # What no check before has found, the database has: its sentence is better than none.
    reason = str(error.__cause__ or error).splitlines()[0]
    return Refused(400, "bad_value", f"The database refuses a value of this request: {reason}")


def _of_outage(error: Exception) -> Refused:
    outage = outages.of(error)
    if outage is None:
        raise error
    log.error("%s: %s", outage.code, str(error).partition("\n")[0])
    return Refused(503, outage.code, outage.sentence, headers={"Retry-After": str(outage.retry_after)})


def _of_model(error: llm.LLMError) -> Refused:
    """A call to a model that did not succeed. What the caller can change is a 422, what the provider did a 502."""
    known = {"X-Generation-Id": error.generation_id} if error.generation_id else {}
    if isinstance(error, llm.RateLimited):
        return Refused(429, error.kind, str(error), headers={**known, "Retry-After": str(int(error.retry_after or 1))})
    others = (llm.WrongKey, llm.Unreachable, llm.TooSlow, llm.Broken, llm.ProviderFailed)
    if isinstance(error, llm.InvalidCall) and error.field is not None:
        field = generating.documented(error.field)
        message = field + str(error).removeprefix(error.field)
        return Refused(422, error.kind, message, field, error.value, error.expected, headers=known)
    if isinstance(error, llm.UnknownModel) and error.name is not None:
        return Refused(422, error.kind, str(error), "model", error.name, error.known, headers=known)
    return Refused(502 if isinstance(error, others) else 422, error.kind, str(error), headers=known)


def _of_http(error: HttpError) -> Refused:
    return Refused(error.status_code, "refused", error.message)


def suspicious(error: Exception) -> Refused:
    """What Django refused of a request before anybody read it."""
    if isinstance(error, TooManyFieldsSent):
        most = settings.DATA_UPLOAD_MAX_NUMBER_FIELDS
        return Refused(400, "too_many_parameters", f"More than {most:,} parameters were sent; that many are read.")
    if isinstance(error, DisallowedHost):
        sentence = "This server is not reached by this name: whoever runs it adds the name to ALLOWED_HOSTS."
        return Refused(400, "unknown_host", sentence)
    return Refused(400, "bad_request", str(error) or "The request cannot be read.")


REFUSALS: Final[Mapping[type[Exception], Callable[[Any], Refused]]] = {
    Refused: lambda error: error,
    InvalidRecord: _of_value(422, "invalid_record"),
    BadDataset: _of_value(422, "invalid_dataset"),
    BadFile: lambda error: Refused(422, "bad_file", str(error), "file"),
    BadFilter: _of_value(400, "bad_filter"),
    BadCursor: _of_value(400, "bad_cursor"),
    BadQuery: _of_value(400, "bad_query"),
    NotAuthenticated: _of_sentence(401, "not_authenticated", WWW_Authenticate='Bearer realm="generations"'),
    NotAllowed: _of_sentence(403, "not_allowed"),
    NoSuchProject: _of_sentence(404, "not_found"),
    NoSuchDataset: _of_missing,
    NoSuchEvaluator: _of_missing,
    NoSuchExperiment: _of_missing,
    NoSuchPrompt: _of_missing,
    NoSuchParticipant: _of_sentence(404, "not_found"),
    holds.Held: _of_sentence(409, "held"),
    claims.UnderWay: _of_sentence(409, "under_way", Retry_After=str(claims.UnderWay.retry_after)),
    recording.UnknownId: _of_sentence(404, "not_found"),
    recording.Busy: _of_sentence(503, "busy", Retry_After=str(recording.Busy.retry_after)),
    Http404: lambda _: Refused(404, "not_found", "There is nothing at this address."),
    NotReady: _of_file,
    llm.LLMError: _of_model,
    generating.Full: _of_sentence(503, "busy", Retry_After=str(generating.Full.retry_after)),
    TooSlow: _of_sentence(503, "too_slow", Retry_After=str(outages.LATER)),
    ValidationError: _of_address,
    HttpError: _of_http,
    UnreadablePostError: lambda _: Refused(400, "unreadable", "The body broke off before its end."),
    SuspiciousOperation: suspicious,
    RecursionError: lambda _: Refused(400, "too_deep", "The request is nested too deep."),
    DataError: _of_data,
    UnicodeEncodeError: lambda _: Refused(400, "bad_value", HALF),
    **dict.fromkeys(outages.ERRORS, _of_outage),
}
"""Every exception that is an answer. Anything else is a fault of ours and stays one."""


Note = Callable[[HttpRequest, Refused], None]


def install(api: NinjaAPI, note: Note) -> None:
    """Answer all of these in the one form, and tell `note` of each."""
    # What stands above the view begins anew.
    api.add_exception_handler(Outdated, _raised)
    for kind, refusal in REFUSALS.items():
        api.add_exception_handler(kind, _handler(refusal, note))


def _raised(request: HttpRequest, error: Any) -> HttpResponse:
    raise error


def _handler(refusal: Callable[[Any], Refused], note: Note) -> Callable[[HttpRequest, Any], HttpResponse]:
    def handle(request: HttpRequest, error: Any) -> HttpResponse:
        refused = refusal(error)
        note(request, refused)
        made = response(refused)
        # Of an outage one line tells, and there may be hundreds a second; who is too busy is counted in /metrics.
        made._has_been_logged = refused.status == 503  # type: ignore[attr-defined]
        return made

    return handle
