"""The gate: who gets in, with what, and what the refused are told."""

import datetime as dt
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from generations import access
from generations.access import Scope
from generations.models import ApiKey, AuditEntry, Membership, Project, User
from generations.models.accounts import Role

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner() -> User:
    return User.objects.create_user("ada", password="x")


@pytest.fixture
def project(owner: User) -> Project:
    return access.create_project("Gate", owner)


def test_a_key_opens_its_project_in_one_query(project: Project, owner: User) -> None:
    key, token = access.create_key(access.by_user(owner, project.slug), name="app")
    access.by_key(token)

    with CaptureQueriesContext(connection) as queries:
        grant = access.by_key(token)

    assert len(queries) == 1
    assert grant.project == project
    assert grant.key == key
    assert grant.actor == "key app"
    assert grant.scopes == {Scope.INGEST, Scope.READ, Scope.WRITE}


def test_what_is_read_of_a_key_and_its_project_is_what_stands_there(project: Project, owner: User) -> None:
    later = timezone.now() + dt.timedelta(days=1)
    key, token = access.create_key(access.by_user(owner, project.slug), name="app", environment="x", expires_at=later)
    access.by_key(token)

    grant = access.by_key(token)

    for read, row in ((grant.key, ApiKey.objects.get(pk=key.pk)), (grant.project, Project.objects.get(pk=project.pk))):
        assert read is not None
        for field in row._meta.concrete_fields:
            value, there = getattr(read, field.attname), getattr(row, field.attname)
            assert (type(value), value) == (type(there), there), field.name


def test_only_a_hash_of_the_token_is_kept(project: Project, owner: User) -> None:
    key, token = access.create_key(access.by_user(owner, project.slug), name="app")

    row = ApiKey.objects.filter(pk=key.pk).values().get()

    assert token.startswith(row["prefix"])
    assert len(row["prefix"]) == 10
    assert token not in str(row)


def test_last_use_is_noted_once_a_minute(project: Project, owner: User) -> None:
    key, token = access.create_key(access.by_user(owner, project.slug), name="app")

    access.by_key(token)
    key.refresh_from_db()
    first = key.last_used_at
    access.by_key(token)
    key.refresh_from_db()

    assert first is not None
    assert key.last_used_at == first


@pytest.mark.parametrize("token", [None, "", "nonsense", "gen_" + "x" * 43, "\ud800", "a\0b"])
def test_an_unknown_key_is_refused(project: Project, token: str | None) -> None:
    with pytest.raises(access.NotAuthenticated):
        access.by_key(token)


def test_a_revoked_key_is_refused_with_the_reason(project: Project, owner: User) -> None:
    grant = access.by_user(owner, project.slug)
    key, token = access.create_key(grant, name="app")

    access.revoke_key(grant, str(key.pk))

    with pytest.raises(access.NotAuthenticated, match="was revoked on"):
        access.by_key(token)


def test_an_expired_key_is_refused_with_the_reason(project: Project, owner: User) -> None:
    soon = timezone.now() + dt.timedelta(hours=1)
    key, token = access.create_key(access.by_user(owner, project.slug), name="app", expires_at=soon)
    ApiKey.objects.filter(pk=key.pk).update(expires_at=timezone.now())

    with pytest.raises(access.NotAuthenticated, match="expired on"):
        access.by_key(token)


def test_an_under_scoped_key_is_told_what_it_has(project: Project, owner: User) -> None:
    _, token = access.create_key(access.by_user(owner, project.slug), name="app", scopes=["ingest"])

    with pytest.raises(access.NotAllowed, match="no scope 'read' \\(it has: ingest\\)"):
        access.by_key(token).need(Scope.READ)


@pytest.mark.parametrize(
    ("role", "scopes"),
    [
        (Role.VIEWER, {Scope.READ}),
        (Role.MEMBER, {Scope.READ, Scope.WRITE, Scope.INGEST}),
        (Role.ADMIN, set(Scope)),
        (Role.OWNER, set(Scope)),
    ],
)
def test_roles_carry_scopes(project: Project, role: Role, scopes: set[Scope]) -> None:
    person = User.objects.create_user("bob")
    Membership.objects.create(user=person, project=project, role=role)

    assert access.by_user(person, project.slug).scopes == scopes


def test_who_is_no_member_is_not_told_whether_the_project_exists(project: Project) -> None:
    stranger = User.objects.create_user("eve")

    with pytest.raises(access.NoSuchProject) as existing:
        access.by_user(stranger, project.slug)
    with pytest.raises(access.NoSuchProject) as missing:
        access.by_user(stranger, "missing")

    assert str(existing.value).replace(project.slug, "missing") == str(missing.value)


def test_nobody_is_asked_to_sign_in(project: Project) -> None:
    with pytest.raises(access.NotAuthenticated):
        access.by_user(AnonymousUser(), project.slug)


def test_somebody_whose_account_was_closed_gets_in_nowhere(project: Project, owner: User) -> None:
    owner.is_active = False
    owner.save()

    with pytest.raises(access.NotAuthenticated):
        access.by_user(owner, project.slug)
    with pytest.raises(access.NotAuthenticated):
        access.of_maker(project, owner, None)


def test_whoever_began_something_may_now_do_what_they_may_now_do(project: Project, owner: User) -> None:
    grant = access.by_user(owner, project.slug)
    key, _ = access.create_key(grant, name="app", scopes=["read"])
    elsewhere = access.create_project("Other")
    left = User.objects.create_user("bob")

    assert access.of_maker(project, None, key).scopes == {Scope.READ}
    assert access.of_maker(project, owner, None).scopes == set(Scope)
    with pytest.raises(access.NotAuthenticated):
        access.of_maker(elsewhere, None, key)
    with pytest.raises(access.NotAuthenticated):
        access.of_maker(project, None, None)
    with pytest.raises(access.NoSuchProject):
        access.of_maker(project, left, None)
    key = access.revoke_key(grant, str(key.pk)) or key
    with pytest.raises(access.NotAuthenticated, match="was revoked"):
        access.of_maker(project, None, key)


def test_only_admins_make_and_revoke_keys(project: Project) -> None:
    member = User.objects.create_user("bob")
    Membership.objects.create(user=member, project=project, role=Role.MEMBER)
    grant = access.by_user(member, project.slug)

    with pytest.raises(access.NotAllowed):
        access.create_key(grant, name="app")
    with pytest.raises(access.NotAllowed):
        access.revoke_key(grant, "0" * 32)

    assert ApiKey.objects.count() == 0


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"name": " "}, "name"),
        ({"name": "a", "scopes": ["fly"]}, "fly"),
        ({"name": "a", "scopes": []}, "scopes"),
        ({"name": "a", "expires_at": dt.datetime(2020, 1, 1, tzinfo=dt.UTC)}, "expiresAt"),
    ],
)
def test_a_key_that_cannot_be_is_refused(project: Project, owner: User, fields: dict[str, object], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        access.create_key(access.by_user(owner, project.slug), **fields)  # type: ignore[arg-type]

    assert ApiKey.objects.count() == 0


def test_another_projects_key_cannot_be_revoked(project: Project, owner: User) -> None:
    other = access.create_project("Other", owner)
    key, token = access.create_key(access.by_user(owner, other.slug), name="app")

    assert access.revoke_key(access.by_user(owner, project.slug), str(key.pk)) is None
    assert access.by_key(token).project == other


def test_what_is_done_with_keys_is_audited(project: Project, owner: User) -> None:
    grant = access.by_user(owner, project.slug)
    key, _ = access.create_key(grant, name="app")
    access.revoke_key(grant, str(key.pk))
    access.revoke_key(grant, str(key.pk))

    entries = AuditEntry.objects.filter(project=project).order_by("created_at")
    assert [(e.actor, e.action) for e in entries] == [("ada", "key.create"), ("ada", "key.revoke")]


def test_projects_of_one_name_get_slugs_of_their_own() -> None:
    slugs = [access.create_project("My App!").slug for _ in range(3)]

    assert slugs == ["my-app", "my-app-2", "my-app-3"]
    assert access.create_project("日本語").slug == "project"


def test_the_first_start_makes_a_project_an_owner_and_a_key_once() -> None:
    made = access.bootstrap("my-own-key-0123456789", "my-own-password")
    again = access.bootstrap()

    assert made is not None
    assert again is None
    assert (made.api_key, made.password) == ("my-own-key-0123456789", "my-own-password")
    assert access.by_key("my-own-key-0123456789").project.name == made.project_name
    assert User.objects.get(username=made.username).check_password("my-own-password")
    assert access.projects_of(User.objects.get(username=made.username)) == [Project.objects.get()]


@pytest.mark.parametrize(("password", "why"), [("x", "too short"), ("password123", "too common")])
def test_the_first_start_refuses_a_password_that_anyone_would_guess_and_makes_nothing(
    settings: Any, password: str, why: str
) -> None:
    settings.BOOTSTRAP_PASSWORD = password

    with pytest.raises(CommandError, match=f"BOOTSTRAP_PASSWORD cannot be used. This password is {why}"):
        call_command("prepare")

    assert not User.objects.exists()
    assert not Project.objects.exists()
