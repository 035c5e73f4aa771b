"""Signing in and out, the way from the front door to a project, and the theme."""

from __future__ import annotations

from typing import Final

from django.contrib.auth import REDIRECT_FIELD_NAME, login, logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from generations import access, attempts
from generations.cleaning import clean_string
from generations.web.gate import to_login
from generations.web.middleware import THEME_COOKIE, THEMES

YEAR: Final = 365 * 24 * 3600
MOST_SHOWN: Final = 100
MOST_NAME: Final = 200


def safe_next(request: HttpRequest, fallback: str) -> str:
    """Where the request asks to be led afterwards, if that is a path or an address of this site; else `fallback`."""
    wanted = request.POST.get(REDIRECT_FIELD_NAME) or request.GET.get(REDIRECT_FIELD_NAME) or ""
    is_ours = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    # `redirect` takes what has no slash for the name of a page.
    return wanted if is_ours and "/" in wanted else fallback


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """To the first of this person's projects, or to the login page."""
    if not request.user.is_authenticated:
        return redirect("web:login")
    first = access.projects_of(request.user, most=1)
    if not first:
        return render(request, "sessions/no_project.html")
    return redirect("web:generations", slug=first[0].slug)


@require_safe
def projects(request: HttpRequest) -> HttpResponse:
    """This person's projects by name: the first hundred, of all or of those whose names have `q` in them."""
    if not request.user.is_authenticated:
        return to_login(request)
    named = clean_string(request.GET.get("q", ""))[:MOST_NAME].strip()
    found = access.projects_of(request.user, named=named, most=MOST_SHOWN + 1)
    shown = {"named": named, "projects": found[:MOST_SHOWN], "has_more": len(found) > MOST_SHOWN}
    return render(request, "sessions/projects.html", shown)


@require_safe
def favicon(request: HttpRequest) -> HttpResponse:
    """To the icon, for pages that name none: the administration's, and answers that are no pages."""
    return redirect(static("generations/icon.svg"))


@require_safe
def project_home(request: HttpRequest, slug: str) -> HttpResponse:
    """To the project's first page."""
    return redirect("web:generations", slug=slug)


@sensitive_post_parameters("password")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """The login page; signs in and leads to where the person was going."""
    onward = safe_next(request, "/")
    if request.user.is_authenticated:
        return redirect(onward)
    form = attempts.SignInForm(request, data=request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        login(request, form.get_user())
        return redirect(onward)
    status = 429 if form.has_error("__all__", attempts.REFUSED) else 400 if form.errors else 200
    return render(request, "sessions/login.html", {"form": form, "next": onward}, status=status)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """Ends the session."""
    logout(request)
    return redirect("web:login")


@require_POST
def set_theme(request: HttpRequest) -> HttpResponse:
    """Keeps the chosen theme in a cookie; anything but `light` and `dark` follows the system again."""
    response = redirect(safe_next(request, "/"))
    theme = request.POST.get("theme", "")
    if theme in THEMES:
        response.set_cookie(
            THEME_COOKIE, theme, max_age=YEAR, samesite="Lax", secure=request.is_secure(), httponly=True
        )
    else:
        response.delete_cookie(THEME_COOKIE, samesite="Lax")
    return response
