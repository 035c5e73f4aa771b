"""Members: invited by a link that works once, given other roles, removed; a project keeps an owner."""

from __future__ import annotations

import threading

import pytest
from django.db import connection, transaction
from django.test import Client

from generations import access, members
from generations.access import Grant, NotAllowed
from generations.members import BadMember
from generations.models import AuditEntry, Invitation, Membership, Project, User
from generations.models.accounts import Role
from tests import web

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return web.project()


def person(project: Project, name: str, role: str) -> Grant:
    user = web.person(name)
    Membership.objects.create(project=project, user=user, role=role)
    return access.by_user(user, project.slug)


def of(name: str) -> Membership:
    return Membership.objects.get(user__username=name)


def test_a_link_makes_one_person_a_member_and_works_once(project: Project) -> None:
    admin = person(project, "ann", Role.ADMIN)
    made, token = members.invite(admin, role="viewer", note="Mia")
    mia, zoe = web.person("mia"), web.person("zoe")

    joined = members.accept(mia, token)

    assert (joined.role, access.by_user(mia, project.slug).project) == ("viewer", project)
    assert token.encode() not in bytes(made.hash)
    with pytest.raises(BadMember, match="was used"):
        members.accept(zoe, token)
    assert AuditEntry.objects.get(action="member.join").actor == "mia"
    assert list(members.pending(project)) == []


def test_a_link_that_has_run_out_or_was_withdrawn_leads_nowhere(project: Project) -> None:
    admin = person(project, "ann", Role.ADMIN)
    (_, late), (open_, withdrawn) = members.invite(admin, role="member"), members.invite(admin, role="member")
    Invitation.objects.exclude(pk=open_.pk).update(expires_at=web.NOON.replace(year=2020))
    elsewhere = access.of_system(web.project("Other"))

    assert members.withdraw(elsewhere, open_.pk) is False
    assert members.withdraw(admin, open_.pk) is True
    for token in (late, withdrawn, "inv_forged"):
        with pytest.raises(BadMember):
            members.accept(web.person(token[:12]), token)
        assert Client().get(f"/join/{token}/").status_code == 404
    assert Membership.objects.count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("meanwhile", ["is used", "is withdrawn"])
def test_a_link_that_is_used_or_withdrawn_while_somebody_accepts_it_is_theirs_no_more(meanwhile: str) -> None:
    project = web.project()
    admin = person(project, "ann", Role.ADMIN)
    made, token = members.invite(admin, role="member")
    mia, zoe = web.person("mia"), web.person("zoe")
    refused: list[str] = []

    def late() -> None:
        try:
            members.accept(zoe, token)
        except BadMember as error:
            refused.append(str(error))
        finally:
            connection.close()

    with transaction.atomic():
        if meanwhile == "is used":
            members.accept(mia, token)
        else:
            members.withdraw(admin, made.pk)
        second = threading.Thread(target=late)
        second.start()
        second.join(0.3)  # it waits for this transaction, or has not come so far: either way it is refused
    second.join()

    assert [sentence[:8] for sentence in refused] == ["This inv"]
    assert not Membership.objects.filter(user=zoe).exists()


def test_the_last_owner_stays(project: Project) -> None:
    owner, _ = person(project, "oma", Role.OWNER), person(project, "ann", Role.ADMIN)

    with pytest.raises(BadMember, match="last owner"):
        members.remove(owner, of("oma").pk)
    with pytest.raises(BadMember, match="last owner"):
        members.change(owner, of("oma").pk, "member")
    members.change(owner, of("ann").pk, "owner")
    members.remove(owner, of("oma").pk)

    assert [(one.user.username, one.role) for one in Membership.objects.all()] == [("ann", "owner")]


def test_administrators_make_no_owners_and_unmake_none(project: Project) -> None:
    person(project, "oma", Role.OWNER)
    admin, member = person(project, "ann", Role.ADMIN), person(project, "mia", Role.MEMBER)

    for act in (
        lambda: members.invite(admin, role="owner"),
        lambda: members.change(admin, of("mia").pk, "owner"),
        lambda: members.change(admin, of("oma").pk, "viewer"),
        lambda: members.remove(admin, of("oma").pk),
        lambda: members.invite(member, role="viewer"),
        lambda: members.remove(member, of("ann").pk),
    ):
        with pytest.raises(NotAllowed):
            act()
    with pytest.raises(BadMember, match="role"):
        members.change(admin, of("mia").pk, "king")
    members.remove(member, of("mia").pk)
    assert sorted(one.user.username for one in Membership.objects.all()) == ["ann", "oma"]


def test_another_projects_member_is_not_there(project: Project) -> None:
    other = web.project("Other")
    person(other, "zoe", Role.MEMBER)
    admin = person(project, "ann", Role.ADMIN)

    with pytest.raises(BadMember, match="no such member"):
        members.change(admin, of("zoe").pk, "viewer")
    with pytest.raises(BadMember, match="no such member"):
        members.remove(admin, of("zoe").pk)
    assert of("zoe").role == "member"


def test_somebody_without_an_account_joins_by_the_page(project: Project) -> None:
    admin = web.signed_in(project, Role.ADMIN, "ann")
    page = admin.post("/projects/shop/settings/members/", {"role": "member", "note": "<b>Mia</b>", "days": "7"})
    link = next(line for line in web.text(page).split() if "/join/" in line)
    path = link.removeprefix("http://testserver")
    stranger = Client()

    assert "Join Shop" in web.text(stranger.get(path))
    weak = stranger.post(path, {"username": "mia", "password": "123"})
    taken = stranger.post(path, {"username": "ann", "password": "a long enough one"})
    joined = stranger.post(path, {"username": "mia", "password": "a long enough one"})

    assert (weak.status_code, "too short" in web.text(weak)) == (400, True)
    assert (taken.status_code, "already" in web.text(taken)) == (400, True)
    assert joined.headers["Location"] == "/projects/shop/"
    assert stranger.get("/projects/shop/settings/members/").status_code == 200
    assert stranger.get(path).status_code == 404
    assert path not in admin.get("/projects/shop/settings/members/").content.decode()
    assert sorted(User.objects.values_list("username", flat=True)) == ["ann", "mia"]
    assert "no-store" in page["Cache-Control"]


def test_roles_are_changed_and_members_removed_on_the_page(project: Project) -> None:
    person(project, "oma", Role.OWNER)
    admin = web.signed_in(project, Role.ADMIN, "ann")
    viewer = web.signed_in(project, Role.VIEWER, "vic")
    address = "/projects/shop/settings/members/"

    assert viewer.post(f"{address}{of('ann').pk}/", {"role": "viewer"}).status_code == 403
    assert viewer.post(address, {"role": "viewer"}).status_code == 403
    assert "Invite somebody" not in web.text(viewer.get(address))
    admin.post(f"{address}{of('vic').pk}/", {"role": "member"})
    assert of("vic").role == "member"
    assert admin.post(f"{address}{of('oma').pk}/", {"remove": "1"}).status_code == 403
    left = viewer.post(f"{address}{of('vic').pk}/", {"remove": "1"})
    assert left.headers["Location"] == "/"
    assert viewer.get(address).status_code == 404
