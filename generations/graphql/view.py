"""The door itself: who asks, what was sent, and the answer in GraphQL's form, whatever happens."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import orjson
from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.db import InterfaceError, InternalError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types.graphql import OperationType

from generations import access, outages
from generations.access import Grant, NoSuchProject, NotAuthenticated
from generations.compressing import compressed
from generations.graphql import errors
from generations.graphql.errors import Code, Refused
from generations.graphql.guards import Context
from generations.graphql.schema import schema

MAX_BODY: Final = 1 << 20
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


@csrf_exempt  # A key is proof enough; a session's token is checked in `_grant`.
@never_cache
def endpoint(request: HttpRequest) -> HttpResponse:
    """Answer a query or a mutation; to a browser that only opens the address, show GraphiQL."""
    if request.method == "GET" and request.accepts("text/html") and "text/html" in request.headers.get("Accept", ""):
        return graphiql(request)
    try:
        if request.method not in ("GET", "POST"):
            raise Refused(
                Code.BAD_REQUEST, f"{request.method} is not answered here; expected POST, or GET for a query."
            )
        grant = _grant(request)
        sent = _from_url(request) if request.method == "GET" else _from_body(request)
        return compressed(request, _executed(request, grant, sent))
    except (Refused, NotAuthenticated, NoSuchProject, OperationalError, InterfaceError, InternalError) as reason:
        error = errors.of_exception(reason)
        response = _answer({"errors": [error], "data": None}, errors.status_of([error]))
        if request.method not in ("GET", "POST"):
            response.status_code = 405
            response["Allow"] = "GET, POST"
        elif isinstance(reason, TooLarge):
            response.status_code = 413
        elif isinstance(reason, NotAuthenticated):
            response["WWW-Authenticate"] = 'Bearer realm="generations"'
        return response


class TooLarge(Refused):
    """A body beyond what is read."""


def _executed(request: HttpRequest, grant: Grant, sent: Mapping[str, Any]) -> HttpResponse:
    allowed = {OperationType.QUERY} if request.method == "GET" else {OperationType.QUERY, OperationType.MUTATION}
    try:
        result = schema.execute_sync(
            sent["query"],
            variable_values=sent["variables"],
            operation_name=sent["operationName"],
            context_value=Context(grant=grant),
            allowed_operation_types=allowed,
        )
    except CannotGetOperationTypeError:
        raise Refused(
            Code.BAD_REQUEST,
            "The document has no operation of this name.",
            "operationName",
            sent["operationName"],
            "the name of one of the document's operations; needed when there are several",
        ) from None
    except InvalidOperationTypeError as wrong:
        raise Refused(Code.BAD_REQUEST, wrong.as_http_error_reason(request.method or ""), "query") from None
    told = [errors.described(error) for error in result.errors or ()]
    body = {"errors": told, "data": result.data} if told else {"data": result.data}
    return _answer(body, errors.status_of(told) if told and _is_refused(told, result.data) else 200)


def _is_refused(told: list[dict[str, Any]], data: Mapping[str, Any] | None) -> bool:
    """Whether nothing was answered at all, or every part of it was not allowed, or cannot be done now."""
    if data is None:
        return True
    whole = {Code.FORBIDDEN, Code.BUSY, Code.UNAVAILABLE}.issuperset(error["extensions"]["code"] for error in told)
    return whole and all(value is None for value in data.values())


_CODES: Final = {404: Code.NOT_FOUND, 503: Code.BUSY}


def refused(status: int, message: str, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """An error in GraphQL's form, of a request that did not come to be one."""
    error = {"message": message, "extensions": {"code": _CODES.get(status, Code.BAD_REQUEST)}}
    made = _answer({"errors": [error], "data": None}, status)
    for name, value in (headers or {}).items():
        made[name] = value
    return made


def _answer(body: Mapping[str, Any], status: int) -> HttpResponse:
    try:
        content = orjson.dumps(body)
    except TypeError:
        # Integers beyond 64 bits, which JSON has and orjson has not.
        content = json.dumps(body, ensure_ascii=False).encode()
    response = HttpResponse(content, status=status, content_type="application/json; charset=utf-8")
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        response["Retry-After"] = str(outages.SOON)
    return response


# ------------------------------------------------------------------------------------------------------ what was sent
def _from_body(request: HttpRequest) -> Mapping[str, Any]:
    if request.content_type != "application/json":
        raise Refused(
            Code.BAD_REQUEST, "The body is not JSON.", "Content-Type", request.content_type, "application/json"
        )
    if (encoding := request.headers.get("Content-Encoding", "identity").lower()) != "identity":
        raise Refused(Code.BAD_REQUEST, "The body is compressed.", "Content-Encoding", encoding, "it as it is")
    length = request.headers.get("Content-Length", "")
    if length.isdecimal() and len(length) < 19 and int(length) > MAX_BODY:
        raise _too_large()
    body = request.read(MAX_BODY + 1)
    if len(body) > MAX_BODY:
        raise _too_large()
    try:
        sent = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refused(Code.BAD_REQUEST, f"The body is not valid JSON: {error}.") from None
    if isinstance(sent, list):
        raise Refused(Code.BAD_REQUEST, "Batches are not taken: send one operation, with several fields if need be.")
    if not isinstance(sent, dict):
        raise Refused(Code.BAD_REQUEST, 'The body is not an object; expected {"query": "...", "variables": {...}}.')
    return _sent(sent.get("query"), sent.get("variables"), sent.get("operationName"))


def _too_large() -> TooLarge:
    return TooLarge(Code.BAD_REQUEST, f"The body is larger than {MAX_BODY} bytes.")


def _from_url(request: HttpRequest) -> Mapping[str, Any]:
    variables = request.GET.get("variables")
    try:
        values = orjson.loads(variables) if variables else None
    except orjson.JSONDecodeError as error:
        raise Refused(Code.BAD_REQUEST, f"The variables are not valid JSON: {error}.", "variables") from None
    return _sent(request.GET.get("query"), values, request.GET.get("operationName") or None)


def _sent(query: Any, variables: Any, operation_name: Any) -> Mapping[str, Any]:
    if not isinstance(query, str) or not query.strip():
        raise Refused(Code.BAD_REQUEST, "There is no query.", "query", expected="a GraphQL document as a text")
    if variables is not None and not isinstance(variables, dict):
        raise Refused(Code.BAD_REQUEST, "The variables are not an object.", "variables", expected="an object or null")
    if operation_name is not None and not isinstance(operation_name, str):
        raise Refused(Code.BAD_REQUEST, "The operation's name is not a text.", "operationName", expected="a text")
    return {"query": query, "variables": variables, "operationName": operation_name}


# ----------------------------------------------------------------------------------------------------------- who asks
def _grant(request: HttpRequest) -> Grant:
    """The grant of the key that was sent, else of the person who is signed in.

    Raises NotAuthenticated, NoSuchProject, or Refused for a session without its CSRF token.
    """
    slug = request.headers.get("X-Project") or request.GET.get("project")
    token = _token(request)
    if token is not None:
        grant = access.by_key(token)
        if slug and slug != grant.project.slug:
            raise NoSuchProject(f"This API key is not for a project '{slug[:80]}'.")
        return grant
    if not request.user.is_authenticated:
        raise NotAuthenticated("No API key. Send it as 'Authorization: Bearer KEY' or 'x-api-key: KEY', or sign in.")
    if request.method == "POST" and not _has_csrf_token(request):
        raise Refused(
            Code.FORBIDDEN,
            "With a session, a request needs its CSRF token.",
            "X-CSRFToken",
            expected="the value of the CSRF cookie",
        )
    return access.by_user(request.user, slug or _first_project(request))


def _token(request: HttpRequest) -> str | None:
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    if scheme:
        return credentials.strip() if scheme.lower() == "bearer" else ""
    return request.headers.get("x-api-key")


def _first_project(request: HttpRequest) -> str:
    projects = access.projects_of(request.user, most=1)
    if not projects:
        raise NoSuchProject("You are not a member of any project.")
    return projects[0].slug


class _Csrf(CsrfViewMiddleware):
    """Django's own check, asked for its verdict."""

    def _reject(self, request: HttpRequest, reason: str) -> Any:
        return reason


def _has_csrf_token(request: HttpRequest) -> bool:
    check = _Csrf(lambda _: HttpResponse())
    check.process_request(request)
    return check.process_view(request, lambda _: HttpResponse(), (), {}) is None


# ----------------------------------------------------------------------------------------------------------- GraphiQL
OFFERED: Final = 100
"""Projects to choose from, beside the one that the address names."""
DEFAULT_QUERY: Final = """# The last generations of this project. Ctrl+Enter runs it;
# the book at the left explains every field.
query Latest($where: GenerationWhere) {
  generations(first: 10, where: $where) {
    totalCount { value exact }
    nodes {
      id
      timestamp
      model { id provider }
      input { preview }
      output { preview }
      usage { totalTokens cost currency }
      performance { latency }
      scores { nodes { name value label } }
    }
    pageInfo { hasNextPage endCursor }
  }
}
"""


def graphiql(request: HttpRequest) -> HttpResponse:
    """GraphiQL for whoever is signed in, from our own files; `query`, `variables` and `project` of the URL fill it."""
    if not request.user.is_authenticated:
        return redirect_to_login(request.get_full_path(), settings.LOGIN_URL)
    nonce = secrets.token_urlsafe(16)
    projects = access.projects_of(request.user, most=OFFERED)
    wanted, variables = request.GET.get("project", ""), request.GET.get("variables", "")
    if wanted and all(one.slug != wanted for one in projects):
        projects += access.own(request.user).filter(slug=wanted)
    response = render(
        request,
        "graphiql.html",
        {
            "nonce": nonce,
            "default_query": DEFAULT_QUERY,
            # Variables alone are for the default query: without it they would meet whatever the browser remembers.
            "query": request.GET.get("query") or (DEFAULT_QUERY if variables else ""),
            "variables": variables,
            "projects": [{"slug": one.slug, "name": one.name} for one in projects],
            "project": wanted or next((one.slug for one in projects), ""),
        },
    )
    response["Content-Security-Policy"] = POLICY.format(nonce=nonce)
    return response
