"""Who asks: an API key, or for reading a signed-in person and `?project=`; every route names the scope it needs."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import wraps
from typing import Any, Final, cast

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from ninja.security.base import AuthBase

from generations import access, trusting
from generations.access import Grant, NotAuthenticated, Scope
from generations.api import receive
from generations.filters import BadFilter
from generations.filters.fields import nearest

SAFE_METHODS: Final = ("GET", "HEAD")
TAKES_IN: Final = "generations.takes_in"
"""Where a request's META holds the grant of what it brings, if it is there to bring something."""
_MAY_REMEMBER: Final = "generations.may_remember"
_TRUST: Final = "generations.trust"


class Gate(AuthBase):
    """Opens the project of the key that a request brings, if it has the scope.

    A person's session opens it for GET alone: no page elsewhere can then make a browser change anything.
    Raises NotAuthenticated, NotAllowed and NoSuchProject, and BadFilter for a name in the query that the route has not,
    and for a project that is not the key's.
    """

    openapi_type: str = "http"
    openapi_scheme: str = "bearer"

    def __init__(self, scope: Scope, *, remembers: bool = False) -> None:
        """With `remembers` the grant may be only remembered: the view hands its trust to what writes."""
        super().__init__()
        self.scope = scope
        self.remembers = remembers
        self.query: Collection[str] | None = None
        """What may be asked beside the address; None where the view looks itself."""
        self.repeated: Collection[str] = ()
        """What of that may come more than once."""

    def __call__(self, request: HttpRequest) -> Grant:
        """The grant, which the view finds with `grant_of`."""
        grant = self.opened(request).need(self.scope)
        self._check_query(request)
        if self.scope == Scope.INGEST:
            request.META[TAKES_IN] = grant
        return grant

    def _check_query(self, request: HttpRequest) -> None:
        if self.query is None or not request.META.get("QUERY_STRING"):
            return
        for name, value in request.GET.items():
            if name not in self.query:
                # What is passed over would be taken for answered.
                raise BadFilter(name, value, f"one of {', '.join(self.query)}{nearest(name, self.query)}")
            if name not in self.repeated and len(given := request.GET.getlist(name)) > 1:
                raise BadFilter(name, ", ".join(given), "it once")

    def opened(self, request: HttpRequest) -> Grant:
        """The grant, whatever its scopes."""
        token = key_of(request)
        if token is None and request.method in SAFE_METHODS and request.user.is_authenticated:
            project = request.GET.get("project")
            if not project:
                raise NotAuthenticated(
                    "You are signed in: name the project as '?project=its-slug', or send an API key."
                )
            return access.by_user(request.user, project)
        grant = by_key(request, token) if self.remembers else access.by_key(token)
        if request.META.get("QUERY_STRING") and request.GET.get("project", grant.project.slug) != grant.project.slug:
            own = f"'{grant.project.slug}', whose key this is, or nothing"
            raise BadFilter("project", request.GET["project"], own)
        return grant


def from_memory(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """`view`, in which `by_key` gives what the process remembers of a key: what it writes is what asks for the key.

    That is one question less before each write, and one for all who share a transaction. Whatever else comes of a
    remembered grant than something written is not answered, but worked out again by a look at the key.
    """

    @wraps(view)
    def answered(request: HttpRequest, *args: Any, **parts: Any) -> HttpResponseBase:
        if not receive.is_short(request):
            return view(request, *args, **parts)
        request.META[_MAY_REMEMBER] = True
        try:
            response = view(request, *args, **parts)
            trust = request.META.get(_TRUST)
            if trust is None or trust.is_confirmed or response.status_code >= 500:
                return response
        except trusting.Outdated:
            pass
        request.META[_MAY_REMEMBER] = False
        return view(request, *args, **parts)

    return answered


def by_key(request: HttpRequest, token: str | None) -> Grant:
    """The grant of a key, in a view `from_memory` perhaps a remembered one. Raises NotAuthenticated."""
    grant = access.remembered(token) if request.META.get(_MAY_REMEMBER) else None
    request.META[_TRUST] = None if grant is None else grant.trust
    return access.by_key(token) if grant is None else grant


def key_of(request: HttpRequest) -> str | None:
    """The API key in the headers of a request, or None. Raises NotAuthenticated for another scheme than Bearer."""
    # Of META and not of `headers`, which are made of all that there is.
    authorization: str | None = request.META.get("HTTP_AUTHORIZATION")
    if authorization is None:
        return cast(str | None, request.META.get("HTTP_X_API_KEY"))
    scheme, _, token = authorization.strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotAuthenticated("The Authorization header is read as 'Bearer KEY'; 'x-api-key: KEY' will do as well.")
    return token.strip()


def grant_of(request: HttpRequest) -> Grant:
    """The grant that the gate gave this request."""
    return cast(Grant, cast(Any, request).auth)
