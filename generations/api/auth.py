"""Who asks: an API key, or for reading a signed-in person and `?project=`; every route names the scope it needs."""

from __future__ import annotations

from typing import Any, Final, cast

from django.http import HttpRequest
from ninja.security.base import AuthBase

from generations import access
from generations.access import Grant, NotAuthenticated, Scope

SAFE_METHODS: Final = ("GET", "HEAD")
TAKES_IN: Final = "generations.takes_in"
"""Where a request's META holds the grant of what it brings, if it is there to bring something."""


class Gate(AuthBase):
    """Opens the project of the key that a request brings, if it has the scope.

    A person's session opens it for GET alone: no page elsewhere can then make a browser change anything.
    Raises NotAuthenticated, NotAllowed and NoSuchProject.
    """

    openapi_type: str = "http"
    openapi_scheme: str = "bearer"

    def __init__(self, scope: Scope) -> None:
        super().__init__()
        self.scope = scope

    def __call__(self, request: HttpRequest) -> Grant:
        """The grant, which the view finds with `grant_of`."""
        grant = self.opened(request).need(self.scope)
        if self.scope == Scope.INGEST:
            request.META[TAKES_IN] = grant
        return grant

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
        return access.by_key(token)


def key_of(request: HttpRequest) -> str | None:
    """The API key in the headers of a request, or None. Raises NotAuthenticated for another scheme than Bearer."""
    authorization = request.headers.get("Authorization")
    if authorization is None:
        return request.headers.get("x-api-key")
    scheme, _, token = authorization.strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotAuthenticated("The Authorization header is read as 'Bearer KEY'; 'x-api-key: KEY' will do as well.")
    return token.strip()


def grant_of(request: HttpRequest) -> Grant:
    """The grant that the gate gave this request."""
    return cast(Grant, cast(Any, request).auth)
