"""Who is in a project: their roles, invitations by a link, and the page that such a link leads to."""

from __future__ import annotations

import uuid
from typing import Final

from django import forms
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from generations import members
from generations.access import Grant, Scope
from generations.members import BadMember
from generations.models import Membership, User
from generations.models.accounts import Role
from generations.web.frame import show
from generations.web.gate import page

MOST: Final = 500
DAYS: Final = (1, 7, 30)


@never_cache
@page()
@require_http_methods(["GET", "HEAD", "POST"])
def member_list(request: HttpRequest, grant: Grant) -> HttpResponse:
    """The members and the open invitations. A new link is in the answer to the post that makes it and nowhere else."""
    link, problem = "", ""
    if request.method == "POST":
        days = request.POST.get("days", "7")
        try:
            _, token = members.invite(
                grant,
                role=request.POST.get("role", ""),
                note=request.POST.get("note", ""),
                days=int(days) if days in {str(n) for n in DAYS} else 0,
            )
            link = request.build_absolute_uri(reverse("web:join", args=[token]))
        except BadMember as error:
            problem = str(error)
    rows = Membership.objects.filter(project=grant.project).select_related("user").order_by("user__username")
    context = {
        "members": list(rows[:MOST]),
        "invitations": list(members.pending(grant.project)) if grant.may(Scope.ADMIN) else [],
        "roles": Role.choices,
        "days": [str(n) for n in DAYS],
        "link": link,
        "problem": problem,
        "given": request.POST,
        "chosen_role": request.POST.get("role") if problem else Role.MEMBER,
        "chosen_days": request.POST.get("days") if problem else "7",
        "tab": "members",
    }
    return show(request, grant, "settings/members.html", context, here="settings", status=400 if problem else 200)


@page()
@require_POST
def change(request: HttpRequest, grant: Grant, id: int) -> HttpResponse:
    """Give a member the `role` that is posted, or with `remove` remove them."""
    try:
        if "remove" in request.POST:
            gone = members.remove(grant, id)
            messages.success(request, f"{gone.user.get_username()} is no member any more.")
            if grant.user is not None and gone.user_id == grant.user.pk:
                return redirect("web:home")
        else:
            changed = members.change(grant, id, request.POST.get("role", ""))
            messages.success(request, f"{changed.user.get_username()} is {changed.role} now.")
    except BadMember as error:
        messages.error(request, str(error))
    return redirect("web:members", slug=grant.project.slug)


@page(Scope.ADMIN)
@require_POST
def withdraw(request: HttpRequest, grant: Grant, id: uuid.UUID) -> HttpResponse:
    """Take an invitation back."""
    if not members.withdraw(grant, id):
        raise Http404("There is no such open invitation in this project.")
    return redirect("web:members", slug=grant.project.slug)


class AccountForm(forms.Form):
    """A new account for somebody who was invited."""

    username = User._meta.get_field("username").formfield()
    password = forms.CharField(max_length=200, strip=False)


@sensitive_post_parameters("password")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def join(request: HttpRequest, token: str) -> HttpResponse:
    """Where an invitation's link leads: join with the account one is signed in with, or with a new one."""
    found = members.invitation(token)
    context = {"invitation": found, "problem": "", "token": token, "username": request.POST.get("username", "")}
    if found is None:
        return render(request, "sessions/join.html", context, status=404)
    if request.method == "POST":
        try:
            with transaction.atomic():
                user = request.user if isinstance(request.user, User) else _account(request)
                members.accept(user, token)
        except BadMember as error:
            return render(request, "sessions/join.html", {**context, "problem": str(error)}, status=400)
        if not request.user.is_authenticated:
            login(request, user)
        return redirect("web:project", slug=found.project.slug)
    return render(request, "sessions/join.html", context)


def _account(request: HttpRequest) -> User:
    """The account that a form asks for. Raises BadMember with what is wrong with it."""
    form = AccountForm(request.POST)
    if not form.is_valid():
        raise BadMember(" ".join(f"{name}: {' '.join(map(str, errors))}" for name, errors in form.errors.items()))
    user = User(username=form.cleaned_data["username"])
    try:
        validate_password(form.cleaned_data["password"], user)
        user.set_password(form.cleaned_data["password"])
        with transaction.atomic():
            user.save(force_insert=True)
    except ValidationError as error:
        raise BadMember(" ".join(error.messages)) from None
    except IntegrityError:
        raise BadMember("username: somebody has this name already. Choose another, or sign in first.") from None
    return user
