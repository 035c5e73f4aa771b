"""The gate: a project, and what of it a key or a person may see or do, is obtained here and nowhere else."""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, TypeVar

from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.password_validation import validate_password
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.text import slugify

from generations import trusting
from generations.cleaning import clean_string
from generations.models import ApiKey, AuditEntry, Membership, Project, User
from generations.models.accounts import Role
from generations.records import GenerationRecord, InvalidRecord, StepRecord, ThreadRecord, revised

R = TypeVar("R", GenerationRecord, StepRecord, ThreadRecord)

KEY_BYTES: Final = 32
MAX_ENVIRONMENT: Final = 40


class Scope(StrEnum):
    """What a key may do. `write` includes ingest and read; `admin` includes all."""

    INGEST = "ingest"
    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


_IMPLIED: Final = {
    Scope.INGEST: frozenset({Scope.INGEST}),
    Scope.READ: frozenset({Scope.READ}),
    Scope.WRITE: frozenset({Scope.INGEST, Scope.READ, Scope.WRITE}),
    Scope.ADMIN: frozenset(Scope),
}
_MOST_LET_IN: Final = 10_000
_let_in: Final[dict[bytes, int]] = {}
"""Keys that were seen, by their hash, with their project, which never changes. It says nothing of what they may do."""
_MOST_REMEMBERED: Final = 1_000
_remembered: Final[dict[bytes, tuple[tuple[Any, ...], ApiKey]]] = {}
"""Keys as they were last read, by their hash: what the row with its project said, and what was made of it."""
_ROLES: Final = {
    Role.VIEWER: _IMPLIED[Scope.READ],
    Role.MEMBER: _IMPLIED[Scope.WRITE],
    Role.ADMIN: _IMPLIED[Scope.ADMIN],
    Role.OWNER: _IMPLIED[Scope.ADMIN],
}
DEFAULT_SCOPES: Final = (Scope.INGEST, Scope.READ, Scope.WRITE)


class NotAuthenticated(Exception):
    """No key or session, or one that is not valid (any more). Doors answer 401 with this sentence."""


class NotAllowed(Exception):
    """A valid key or person without the scope that is needed. Doors answer 403 with this sentence."""


class NoSuchProject(Exception):
    """There is no such project for this person. Doors answer 404: whether it exists is not told."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A project opened by a key or a person, and what they may do in it."""

    project: Project
    scopes: frozenset[Scope]
    user: User | None = None
    key: ApiKey | None = None
    trust: trusting.Trust | None = None
    """Of a grant that is only `remembered`: nothing may be changed or told before it is confirmed."""

    @property
    def actor(self) -> str:
        """Who acts, as people call them: for scores' authors and the audit."""
        if self.user is not None:
            return self.user.get_username()
        return f"key {self.key.name}" if self.key is not None else "system"

    def placed(self, record: R) -> R:
        """`record` in the environment of the key that brought it, unless it names one or none itself."""
        if self.key is None or not self.key.environment or record.environment is not None:
            return record
        return record if "environment" in record.cleared else revised(record, environment=self.key.environment)

    def may(self, scope: Scope) -> bool:
        """Whether this grant includes `scope`."""
        return scope in self.scopes

    def need(self, scope: Scope) -> Grant:
        """This grant, if it includes `scope`; raises NotAllowed otherwise."""
        if scope not in self.scopes:
            held = ", ".join(sorted(self.scopes)) or "none"
            whose = "This key" if self.key is not None else "Your role in this project"
            raise NotAllowed(f"{whose} has no scope '{scope}' (it has: {held}).")
        return self


def hash_of(token: str) -> bytes:
    """What is kept of a key. Tokens are random, so one round of SHA-256 is enough."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def project_of(token: str) -> int | None:
    """The project of a key that was let in before by this process; None for any other key. Asks no database."""
    return _let_in.get(hash_of(token.strip()))


def by_key(token: str | None) -> Grant:
    """The grant of an API key, in one query. Raises NotAuthenticated with the reason."""
    if not token:
        raise NotAuthenticated("No API key. Send it as 'Authorization: Bearer KEY' or 'x-api-key: KEY'.")
    hash = hash_of(token.strip())
    row = trusting.row_of(hash)
    if row is None:
        _remembered.pop(hash, None)
        raise NotAuthenticated("This API key is not known here.")
    key = trusting.made_of(row)
    if len(_let_in) >= _MOST_LET_IN:
        _let_in.clear()
    _let_in[hash] = key.project_id
    if len(_remembered) >= _MOST_REMEMBERED:
        _remembered.clear()
    _remembered[hash] = row, key
    grant = _of_key(key)
    trusting.use(key.pk, key.last_used_at)
    return grant


def remembered(token: str | None) -> Grant | None:
    """The grant of a key as this process last read it, without a query; None where it never did, or by the clock there
    is none any more.

    Whoever goes by it hands its `trust` to what writes, which has it confirmed before it does.
    """
    if not token or (known := _remembered.get(hash := hash_of(token.strip()))) is None:
        return None
    row, key = known
    try:
        return replace(_of_key(key), trust=trusting.Trust(hash, row, key.project))
    except NotAuthenticated:
        return None


def _of_key(key: ApiKey) -> Grant:
    if key.revoked_at is not None:
        raise NotAuthenticated(f"This API key ({key.prefix}…) was revoked on {key.revoked_at:%Y-%m-%d %H:%M} UTC.")
    if key.expires_at is not None and key.expires_at <= timezone.now():
        raise NotAuthenticated(f"This API key ({key.prefix}…) expired on {key.expires_at:%Y-%m-%d %H:%M} UTC.")
    scopes = frozenset[Scope]().union(*(_IMPLIED[Scope(s)] for s in key.scopes))
    return Grant(project=key.project, scopes=scopes, key=key)


def by_user(user: User | AnonymousUser, slug: str) -> Grant:
    """The grant of a signed-in person in the project of this slug, in one query.

    Raises NotAuthenticated when nobody is signed in, NoSuchProject when they are no member.
    """
    if not isinstance(user, User) or not user.is_active:
        raise NotAuthenticated("Sign in first.")
    membership = Membership.objects.select_related("project").filter(user=user, project__slug=slug).first()
    if membership is None:
        raise NoSuchProject(f"There is no project '{slug}' that you are a member of.")
    return Grant(project=membership.project, scopes=_ROLES[Role(membership.role)], user=user)


def of_maker(project: Project, user: User | None, key: ApiKey | None) -> Grant:
    """The grant that whoever began something has now. Raises as `by_user` and `by_key` do: a person may have left, a
    key may have been revoked, and either may be gone."""
    if user is None and key is not None and key.project_id == project.pk:
        return _of_key(key)
    return by_user(user or AnonymousUser(), project.slug)


def of_system(project: Project) -> Grant:
    """A grant for the product's own work on a project: commands, the sweeper, retention."""
    return Grant(project=project, scopes=frozenset(Scope))


def projects_of(user: User | AnonymousUser, *, named: str = "", most: int | None = None) -> list[Project]:
    """The projects that a person is a member of, by name: those that have `named` in it, and of these the first."""
    return list(own(user).filter(name__icontains=named).order_by("name", "pk")[:most])


def own(user: User | AnonymousUser) -> QuerySet[Project]:
    """The projects that a person is a member of, however many, to be narrowed by who asks."""
    return Project.objects.filter(memberships__user=user) if isinstance(user, User) else Project.objects.none()


def new_token() -> str:
    """A fresh API key."""
    return "gen_" + secrets.token_urlsafe(KEY_BYTES)


def create_key(
    grant: Grant,
    *,
    name: str,
    scopes: Iterable[str] = DEFAULT_SCOPES,
    environment: str = "",
    expires_at: dt.datetime | None = None,
    token: str | None = None,
) -> tuple[ApiKey, str]:
    """Make a key and return it with its token, which is told only this once. Needs the scope `admin`.

    Raises InvalidRecord for an unknown or missing scope, a name or environment that cannot be, or an expiry that has
    passed.
    """
    grant.need(Scope.ADMIN)
    wanted = list(dict.fromkeys(scopes))
    unknown = [s for s in wanted if s not in set(Scope)]
    if unknown or not wanted:
        raise InvalidRecord("scopes", unknown or wanted, f"some of {', '.join(Scope)}")
    name, environment = clean_string(name).strip(), clean_string(environment).strip()
    if not 1 <= len(name) <= 200:
        raise InvalidRecord("name", name, "1 to 200 characters")
    if len(environment) > MAX_ENVIRONMENT:
        raise InvalidRecord("environment", environment, f"at most {MAX_ENVIRONMENT} characters")
    if expires_at is not None and expires_at <= timezone.now():
        raise InvalidRecord("expiresAt", expires_at.isoformat(), "a moment in the future")
    token = token or new_token()
    with transaction.atomic():
        key = ApiKey.objects.create(
            project=grant.project,
            name=name,
            prefix=token[: min(10, max(2, len(token) // 3))],
            hash=hash_of(token),
            scopes=wanted,
            environment=environment,
            created_by=grant.user,
            expires_at=expires_at,
        )
        audit(grant, "key.create", "key", str(key.pk), {"name": key.name, "scopes": wanted})
    return key, token


def revoke_key(grant: Grant, key_id: str) -> ApiKey | None:
    """Revoke a key of this project; None when there is none. Needs `admin`. Revoking twice changes nothing."""
    grant.need(Scope.ADMIN)
    with transaction.atomic():
        key = ApiKey.objects.select_for_update().filter(project=grant.project, pk=key_id).first()
        if key is not None and key.revoked_at is None:
            key.revoked_at = timezone.now()
            key.save(update_fields=["revoked_at"])
            audit(grant, "key.revoke", "key", str(key.pk), {"name": key.name})
    return key


def audit(grant: Grant, action: str, kind: str = "", id: str = "", detail: dict[str, Any] | None = None) -> None:
    """Note who did what to what. Call it in the transaction of the change."""
    AuditEntry.objects.create(
        project=grant.project,
        user=grant.user,
        key=grant.key,
        actor=grant.actor,
        action=action,
        subject_kind=kind,
        subject_id=id[:512],
        detail=detail or {},
    )


def create_project(name: str, owner: User | None = None, *, slug: str | None = None) -> Project:
    """Make a project with a slug of its own; `owner` becomes its owner."""
    stem = slug or slugify(name)[:70] or "project"
    with transaction.atomic():
        taken = set(Project.objects.filter(slug__startswith=stem).values_list("slug", flat=True))
        free = next(s for s in (stem, *(f"{stem}-{n}" for n in range(2, len(taken) + 3))) if s not in taken)
        project = Project.objects.create(name=name, slug=free)
        if owner is not None:
            Membership.objects.create(project=project, user=owner, role=Role.OWNER)
    return project


@dataclass(frozen=True, slots=True)
class Bootstrapped:
    """What the first start made. The password and the key are told only this once."""

    project_name: str
    username: str
    password: str
    api_key: str


def bootstrap(api_key: str | None = None, password: str | None = None) -> Bootstrapped | None:
    """Make the first project, its owner and a key; None, and nothing made, when there is a project already.

    Raises ValidationError for a password that is too short or too common.
    """
    with transaction.atomic():
        if Project.objects.exists():
            return None
        password = password or secrets.token_urlsafe(12)
        owner = User(username="owner", is_staff=True, is_superuser=True)
        validate_password(password, owner)
        owner.set_password(password)
        owner.save()
        project = create_project("My project", owner, slug="default")
        grant = by_user(owner, project.slug)
        _, token = create_key(grant, name="First key", scopes=[Scope.WRITE], token=api_key or None)
    return Bootstrapped(project.name, owner.username, password, token)
