"""`/api/graphql` and the three posts beside it, as Literal AI's clients send them."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Final

import orjson
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import DataError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.multipartparser import MultiPartParserError
from django.views.decorators.csrf import csrf_exempt
from graphql import DocumentNode, ExecutionResult, GraphQLError, execute_sync

from generations import access, attachments, datasets, experiments, holds, outages, paging, prompts, recording
from generations.access import Scope
from generations.cleaning import clean_string
from generations.compressing import compressed
from generations.filters import BadFilter
from generations.identities import is_uuid
from generations.literal import ingesting, nodes, schema
from generations.literal.loading import Context
from generations.records import InvalidRecord, Json

log = logging.getLogger(__name__)
View = Callable[..., HttpResponse]

_EXPECTED: Final = (
    BadFilter,
    paging.BadCursor,
    InvalidRecord,
    access.NotAllowed,
    recording.UnknownId,
    holds.Held,
    recording.Busy,
    datasets.BadDataset,
    datasets.NoSuchDataset,
    experiments.NoSuchExperiment,
    prompts.NoSuchPrompt,
)
_NOTHING: Final = re.compile(r"\s*mutation\s+(?:AddStep|CreateScores)\s*\(\s*\)\s*\{\s*\}\s*")
"""What the clients make of an empty list: a syntax error, and nothing to do."""


class _Refused(Exception):
    """A request that cannot be answered: the status and the sentence."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


def _door(view: View) -> View:
    """Gate a view by its key; errors are JSON with an `errors` array, which is what the clients look for."""

    @csrf_exempt
    @wraps(view)
    def gated(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            if request.method != "POST":
                return refused(405, "Send a POST.", {"Allow": "POST"})
            context = _context(request)
            return compressed(request, view(request, context, *args, **kwargs))
        except access.NotAuthenticated as error:
            return refused(401, str(error))
        except access.NotAllowed as error:
            return refused(403, str(error))
        except RequestDataTooBig:
            return refused(413, f"The request is larger than {settings.INGEST_MAX_BYTES} bytes.")
        except _Refused as error:
            return refused(error.status, str(error))
        except DataError as error:
            # What no check before has found, the database has: its sentence is better than none.
            return refused(
                400, f"The database refuses a value of this: {str(error.__cause__ or error).splitlines()[0]}"
            )
        except recording.Busy as error:
            return _later(str(error))
        except outages.ERRORS as error:
            return _outage(error)

    return gated


def _context(request: HttpRequest) -> Context:
    token = request.headers.get("x-api-key") or request.headers.get("authorization", "").removeprefix("Bearer ")
    grant = access.by_key(token)
    environment = request.headers.get("x-env") or (grant.key.environment if grant.key else "") or "prod"
    return Context(grant, base_of(request), environment[:40], request.headers.get("User-Agent", ""))


def base_of(request: HttpRequest) -> str:
    """Where we are reached: as set, or as asked."""
    return settings.PUBLIC_URL or f"{request.scheme}://{request.get_host()}"


def refused(status: int, message: str, headers: Mapping[str, str] | None = None) -> JsonResponse:
    """An error as the clients read it: they look for `errors` whatever the status is."""
    return JsonResponse({"errors": [{"message": message}]}, status=status, headers=headers)


def _later(message: str, seconds: int = recording.Busy.retry_after) -> JsonResponse:
    return refused(503, message, {"Retry-After": str(seconds)})


def _outage(error: Exception) -> JsonResponse:
    """The answer to what the database or a disk cannot do now; raises any other error."""
    outage = outages.of(error)
    if outage is None:
        raise error
    log.error("%s: %s", outage.code, error)
    return _later(outage.sentence, outage.retry_after)


_NUL: Final = "\\u0000"
"""A NUL character as JSON and GraphQL write it."""
_NULS: Final = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


def _without_nul(said: str) -> str:
    """What was said without NUL characters, which the database has no place for: ids and names are looked for as the
    writer keeps them."""
    return _NULS.sub(r"\1", said) if _NUL in said else said


def _whole(said: Json) -> Json:
    """What was said, each text of it as the writer cleans it: what is looked for is what was kept."""
    if isinstance(said, str):
        return clean_string(said)
    if isinstance(said, list):
        return [_whole(one) for one in said]
    return {clean_string(name): _whole(one) for name, one in said.items()} if isinstance(said, dict) else said


def _body(request: HttpRequest) -> dict[str, Any]:
    """The JSON object of a request, without lone surrogates, as the writer would keep it. NaN gets past here and is
    refused step by step."""
    said = request.body
    if _NUL.encode() in said:
        said = _without_nul(said.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
    try:
        read = orjson.loads(said)
    except orjson.JSONDecodeError:
        try:
            read = _whole(json.loads(said))
        except (ValueError, RecursionError) as error:
            raise _Refused(400, f"The body is not JSON: {error}") from error
    if not isinstance(read, dict):
        raise _Refused(400, "The body has to be a JSON object.")
    return read


# ------------------------------------------------------------------------------------------------------------ GraphQL
@_door
def graphql(request: HttpRequest, context: Context) -> HttpResponse:
    """Answer one operation. A batch of steps is written in one go, each alias with a result of its own."""
    body = _body(request)
    text, variables = body.get("query"), body.get("variables") or {}
    if not isinstance(text, str) or not isinstance(variables, dict) or len(text) > schema.MAX_DOCUMENT:
        raise _Refused(400, f"Send a query (a text of at most {schema.MAX_DOCUMENT} characters) and variables.")
    if _NOTHING.fullmatch(text):
        return JsonResponse({"data": {}})
    parsed = schema.document(_without_nul(text))
    if not isinstance(parsed, DocumentNode):
        return JsonResponse({"errors": [{"message": error.message} for error in parsed]}, status=400)
    steps = schema.only_steps(parsed, variables)
    if steps is not None:
        results = ingesting.ingest(context, [given for _, given, _ in steps])
        for (_, _, lost), told in zip(steps, results, strict=True):
            # Stored without them, and told: `ok: false` or `errors` would make the clients drop the whole batch.
            told["message"] = "; ".join([*filter(None, [told["message"]]), *lost]) or None
        return _json({"data": {alias: told for (alias, _, _), told in zip(steps, results, strict=True)}})
    result = execute_sync(
        schema.SCHEMA,
        parsed,
        context_value=context,
        variable_values=variables,
        operation_name=body.get("operationName") if isinstance(body.get("operationName"), str) else None,
    )
    for error in result.errors or ():
        # Half an answer would be taken for all there is: the clients try again what is answered with 503.
        if error.original_error is not None and outages.of(error.original_error) is not None:
            raise error.original_error
    return _json(_answer(result))


def _answer(result: ExecutionResult) -> dict[str, Any]:
    answer: dict[str, Any] = {"data": result.data}
    if result.errors:
        answer["errors"] = [{"message": _message(error), "path": error.path} for error in result.errors]
    return answer


def _message(error: GraphQLError) -> str:
    """What the client is told: our own sentences as they are, of anything else only that it happened."""
    original = error.original_error
    if original is None or isinstance(original, (GraphQLError, *_EXPECTED)):
        return error.message
    log.error("A query of the Literal AI interface failed", exc_info=original)
    return "Something went wrong here. It is in the server's log."


def _json(answer: dict[str, Any]) -> HttpResponse:
    try:
        packed = orjson.dumps(answer)
    except TypeError:  # an integer beyond 64 bits
        packed = json.dumps(answer).encode()
    return HttpResponse(packed, content_type="application/json")


# ---------------------------------------------------------------------------------------------------- beside GraphQL
@_door
def my_project(request: HttpRequest, context: Context) -> HttpResponse:
    """The project of the key."""
    return JsonResponse({"projectId": str(context.project.pk)})


@_door
def export_dataset(request: HttpRequest, context: Context) -> HttpResponse:
    """A dataset by id or name with all its items; null when there is none: a 404 would raise in the clients."""
    context.grant.need(Scope.READ)
    body = _body(request)
    id, name = body.get("id"), body.get("name")
    row = None
    if isinstance(id, str) and is_uuid(id):
        row = datasets.find(context.grant, id)
    elif isinstance(name, str) and name:
        row = datasets.named(context.grant, name)
    if row is None:
        return JsonResponse({"data": None})
    items = [nodes.dataset_item(item) for item in reversed(datasets.items(row))]
    return _json({"data": {**nodes.dataset(row), "items": items}})


@_door
def sign_upload(request: HttpRequest, context: Context) -> HttpResponse:
    """Where and how to put a file. The address carries its own permission: the clients send no key to it."""
    context.grant.need(Scope.INGEST)
    body = _body(request)
    mime = body.get("contentType")
    mime = mime if isinstance(mime, str) and len(mime) <= 200 else None
    key = attachments.new_key(context.project)
    token = attachments.upload_token(context.project, key, mime)
    return JsonResponse(
        {
            "post": {
                "url": f"{context.base.rstrip('/')}/api/upload/{token}",
                "fields": {"key": key, "Content-Type": mime or "application/octet-stream"},
                "uploadType": "multipart",
            },
            "signedUrl": context.base.rstrip("/") + attachments.path(key, mime),
        }
    )


@csrf_exempt
def upload(request: HttpRequest, token: str) -> HttpResponse:
    """Take the file that `sign_upload` allowed: a form with a part `file`, or the bytes themselves."""
    if request.method not in ("POST", "PUT"):
        return refused(405, "Send a POST with the file, or a PUT.", {"Allow": "POST, PUT"})
    try:
        allowed = attachments.upload_of(token)
        if request.method == "POST" and request.content_type == "multipart/form-data":
            part = request.FILES.get("file")
            if part is None:
                return refused(400, "The form has no part 'file'.")
            size = attachments.save(allowed["key"], part)
        else:
            size = attachments.save(allowed["key"], io.BytesIO(request.body))
    except attachments.BadSignature as error:
        return refused(403, str(error))
    except (RequestDataTooBig, MultiPartParserError) as error:
        return refused(413 if isinstance(error, RequestDataTooBig) else 400, str(error))
    except outages.ERRORS as error:
        return _outage(error)
    return JsonResponse({"key": allowed["key"], "size": size})
