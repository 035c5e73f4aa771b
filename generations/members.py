"""Members of a project: invited by a link that works once, given another role, removed. A project keeps an owner."""

from __future__ import annotations

import datetime as dt
import secrets
import uuid
from typing import Final

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from generations import access
from generations.access import Grant, NotAllowed, Scope, audit
from generations.cleaning import clean_string
from generations.models import Invitation, Membership, Project, User
from generations.models.accounts import Role

MOST_DAYS: Final = 90
MOST_OPEN: Final = 200


class BadMember(ValueError):
    """What cannot be done to a member or an invitation; the sentence says why."""


def invite(grant: Grant, *, role: str, note: str = "", days: int = 7) -> tuple[Invitation, str]:
    """A link's token, told only this once, by which one person becomes a member. Needs `admin`.

    Owners alone invite owners. Raises BadMember.
    """
    grant.need(Scope.ADMIN)
    chosen = _role(grant, role)
    if not 1 <= days <= MOST_DAYS:
        raise BadMember(f"days: {days} is not valid; expected a whole number from 1 to {MOST_DAYS}")
    if len(note) > 200:
        raise BadMember("note: expected at most 200 characters")
    token = f"inv_{secrets.token_urlsafe(24)}"
    with transaction.atomic():
        if pending(grant.project).count() >= MOST_OPEN:
            raise BadMember(f"There are {MOST_OPEN} open invitations. Withdraw some first.")
        made = Invitation.objects.create(
            project=grant.project,
            role=chosen,
            note=clean_string(note).strip(),
            hash=access.hash_of(token),
            created_by=grant.user,
            expires_at=timezone.now() + dt.timedelta(days=days),
        )
        audit(grant, "member.invite", "invitation", str(made.pk), {"role": chosen, "note": made.note})
    return made, token


def pending(project: Project) -> QuerySet[Invitation]:
    """The invitations that nobody has accepted and that have not run out, the newest first."""
    open_ = Invitation.objects.filter(project=project, accepted_at=None, expires_at__gt=timezone.now())
    return open_.select_related("created_by").order_by("-created_at")


def withdraw(grant: Grant, invitation_id: uuid.UUID) -> bool:
    """Take an invitation back; False when there is no such open one. Needs `admin`."""
    grant.need(Scope.ADMIN)
    with transaction.atomic():
        gone, _ = Invitation.objects.filter(project=grant.project, pk=invitation_id, accepted_at=None).delete()
        if gone:
            audit(grant, "member.withdraw", "invitation", str(invitation_id))
    return bool(gone)


def invitation(token: str) -> Invitation | None:
    """The invitation of a link, while it can be accepted."""
    return _acceptable(token).select_related("created_by").first()


def _acceptable(token: str) -> QuerySet[Invitation]:
    found = Invitation.objects.filter(hash=access.hash_of(token), accepted_at=None, expires_at__gt=timezone.now())
    return found.select_related("project")


def accept(user: User, token: str) -> Membership:
    """Make a person a member by a link, which is used up by it. Raises BadMember."""
    with transaction.atomic():
        # Of two who come at once, the second one waits here and finds that it was used.
        held = _acceptable(token).select_for_update(of=("self",)).first()
        if held is None:
            raise BadMember("This invitation was used, was withdrawn, or has run out. Ask for another one.")
        if Membership.objects.filter(project=held.project, user=user).exists():
            raise BadMember(f"You are a member of {held.project.name} already.")
        made = Membership.objects.create(project=held.project, user=user, role=held.role)
        held.accepted_by, held.accepted_at = user, timezone.now()
        held.save(update_fields=["accepted_by", "accepted_at"])
        grant = access.by_user(user, held.project.slug)
        audit(grant, "member.join", "user", user.get_username(), {"role": held.role, "invitation": str(held.pk)})
    return made


def change(grant: Grant, membership_id: int, role: str) -> Membership:
    """Give a member another role. Needs `admin`; owners alone make and unmake owners. Raises BadMember."""
    grant.need(Scope.ADMIN)
    chosen = _role(grant, role)
    with transaction.atomic():
        member = _held(grant, membership_id)
        if member.role == Role.OWNER and chosen != Role.OWNER:
            _spare(grant, member)
        if member.role != chosen:
            detail = {"from": member.role, "to": chosen}
            member.role = chosen
            member.save(update_fields=["role"])
            audit(grant, "member.change", "user", member.user.get_username(), detail)
    return member


def remove(grant: Grant, membership_id: int) -> Membership:
    """Remove a member, or leave. Needs `admin`, but for oneself. Raises BadMember for the last owner."""
    with transaction.atomic():
        member = _held(grant, membership_id)
        if grant.user is None or member.user_id != grant.user.pk:
            grant.need(Scope.ADMIN)
        if member.role == Role.OWNER:
            _spare(grant, member)
        audit(grant, "member.remove", "user", member.user.get_username(), {"role": member.role})
        member.delete()
    return member


def _held(grant: Grant, membership_id: int) -> Membership:
    """A member, with all members of the project held: of two owners who leave at once, one stays."""
    members = Membership.objects.select_for_update().filter(project=grant.project).order_by("pk")
    found = next((one for one in members.select_related("user") if one.pk == membership_id), None)
    if found is None:
        raise BadMember("There is no such member in this project.")
    return found


def _spare(grant: Grant, owner: Membership) -> None:
    if not _is_owner(grant):
        raise NotAllowed("Only an owner of this project may change or remove an owner.")
    if not Membership.objects.filter(project=grant.project, role=Role.OWNER).exclude(pk=owner.pk).exists():
        raise BadMember("This is the last owner of the project. Make somebody else an owner first.")


def _role(grant: Grant, role: str) -> str:
    if role not in Role.values:
        raise BadMember(f"role: {role[:40]!r} is not valid; expected one of {', '.join(Role.values)}")
    if role == Role.OWNER and not _is_owner(grant):
        raise NotAllowed("Only an owner of this project may make somebody an owner.")
    return role


def _is_owner(grant: Grant) -> bool:
    if grant.user is None:
        # The product itself; keys are never owners.
        return grant.key is None
    return Membership.objects.filter(project=grant.project, user=grant.user, role=Role.OWNER).exists()
