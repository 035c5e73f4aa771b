"""How a page is entered: by whom, into which project, and what is answered to those who may not."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, Final, ParamSpec, cast
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.http import urlencode

from generations import access
from generations.access import Grant, Scope
from generations.web.typed import opened_by_another, typed

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, str, P], HttpResponse]

_ESCAPED: Final = re.compile(r"~([0-9A-F]{2})")
_AWKWARD: Final = re.compile(r"[~/\\%?#\x00-\x20\x7f]")


class CallersId:
    """A caller's id as one segment of a path: what a server or browser would read as structure is escaped by `~`."""

    regex = r"[^/]+"

    def to_python(self, value: str) -> str:
        """The id that the segment stands for."""
        return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), value)

    def to_url(self, value: object) -> str:
        """The segment that stands for the id."""
        text = _AWKWARD.sub(lambda found: f"~{ord(found[0]):02X}", str(value))
        return text.replace(".", "~2E") if set(text) <= {"."} else text


def address_in(request: HttpRequest, header: str) -> SplitResult:
    """The address that a header says; an empty one where it is none."""
    try:
        return urlsplit(request.headers.get(header, ""))
    except ValueError:
        return urlsplit("")


def is_part(request: HttpRequest) -> bool:
    """Whether htmx asks for a part of the page, rather than a browser for all of it."""
    return "HX-Request" in request.headers and "HX-History-Restore-Request" not in request.headers


def to_login(request: HttpRequest) -> HttpResponse:
    """The way to the login page and back to what was asked for; 401 for a form, with what was typed into it."""
    if request.method not in ("GET", "HEAD"):
        return render(request, "401.html", {"typed": typed(request)}, status=401)
    if is_part(request):
        # A redirect would be followed by the script and the login page put inside this one.
        from_page = request.headers.get("HX-Current-URL", "/")
        response = HttpResponse(status=204)
        response.headers["HX-Redirect"] = "/login/?" + urlencode({REDIRECT_FIELD_NAME: _path_of(from_page)})
        return response
    return redirect_to_login(request.get_full_path())


def _path_of(url: str) -> str:
    return "/" + url.split("://", 1)[-1].partition("/")[2]


def zone_of(grant: Grant) -> ZoneInfo:
    """The project's time zone, in which its pages tell times; UTC where its name is of no zone."""
    try:
        return ZoneInfo(grant.project.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def page(scope: Scope = Scope.READ) -> Callable[[Callable[Concatenate[HttpRequest, Grant, P], HttpResponse]], View[P]]:
    """Decorate a view that takes a `Grant` so that it is found by the slug of a project and entered with `scope`.

    Nobody signed in: the login page. Somebody else than who opened the form that was sent: 409. Not a member: 404, as
    if there were no such project. Not allowed: 403, a page that says what is missing.
    """

    def decorate(view: Callable[Concatenate[HttpRequest, Grant, P], HttpResponse]) -> View[P]:
        @wraps(view)
        def enter(request: HttpRequest, slug: str, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            if (opener := opened_by_another(request)) is not None:
                return render(request, "409.html", {"opener": opener, "typed": typed(request)}, status=409)
            try:
                grant = access.by_user(request.user, slug).need(scope)
                with timezone.override(zone_of(grant)):
                    return view(request, grant, *args, **kwargs)
            except access.NotAuthenticated:
                return to_login(request)
            except access.NoSuchProject as error:
                raise Http404(str(error)) from error
            except access.NotAllowed as error:
                return render(request, "403.html", {"reason": str(error)}, status=403)

        return cast(View[P], enter)

    return decorate
