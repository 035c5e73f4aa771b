"""Signing in and out, who gets in where, and what every page tells the browser."""

import html
import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from generations.models import Score, User
from generations.models.accounts import Role
from tests import web

pytestmark = pytest.mark.django_db

PAGES = ["generations", "threads", "steps", "users", "datasets", "exports", "settings", "settings/keys"]


def test_the_front_door_leads_to_the_first_project() -> None:
    project = web.project()
    client = web.signed_in(project)

    response = client.get("/")

    assert response.status_code == 302
    assert response["Location"] == f"/projects/{project.slug}/generations/"


def test_the_front_door_says_so_when_a_person_has_no_project() -> None:
    client = Client()
    client.force_login(web.person())

    response = client.get("/")

    assert response.status_code == 200
    assert "member of no project" in web.text(response)


@pytest.mark.parametrize("page", PAGES)
def test_nobody_signed_in_is_led_to_the_login_page_and_back(page: str) -> None:
    project = web.project()
    web.person()
    address = f"/projects/{project.slug}/{page}/?limit=25"

    asked = Client().get(address)

    assert asked.status_code == 302
    assert asked["Location"] == f"/login/?next=/projects/{project.slug}/{page}/%3Flimit%3D25"


def test_signing_in_leads_on_to_where_the_person_was_going() -> None:
    web.person()

    response = Client().post(
        "/login/", {"username": "mia", "password": "correct horse", "next": "/projects/shop/exports/"}
    )

    assert response.status_code == 302
    assert response["Location"] == "/projects/shop/exports/"


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example/x", "javascript:alert(1)", "\\\\evil"])
def test_signing_in_never_leads_to_another_site(elsewhere: str) -> None:
    web.person()

    response = Client().post("/login/", {"username": "mia", "password": "correct horse", "next": elsewhere})

    assert response["Location"] == "/"


@pytest.mark.parametrize("place", ["logout", "web:projects", "a:b", "?a=b", "\0", "²"])
def test_what_is_no_path_is_no_place_to_be_led_to(place: str) -> None:
    assert Client().post("/theme/", {"theme": "dark", "next": place})["Location"] == "/"


def test_a_wrong_password_is_refused_with_the_name_kept() -> None:
    web.person()

    response = Client().post("/login/", {"username": "mia", "password": "wrong", "next": "/projects/shop/exports/"})

    assert response.status_code == 400
    assert "correct username and password" in web.text(response)
    fields = {field.get("name"): field.get("value") for field in web.tags(response, "input")}
    assert fields["username"] == "mia"
    assert fields["next"] == "/projects/shop/exports/"
    assert fields["password"] is None


def test_signing_out_needs_a_post_and_ends_the_session() -> None:
    client = web.signed_in(web.project())

    assert client.get("/logout/").status_code == 405
    assert client.get("/").status_code == 302

    client.post("/logout/")

    assert client.get("/")["Location"] == "/login/"


def test_a_form_without_its_csrf_token_is_refused() -> None:
    web.person()

    response = Client(enforce_csrf_checks=True).post("/login/", {"username": "mia", "password": "correct horse"})

    assert response.status_code == 403
    assert "form has expired" in web.text(response)


def test_who_sends_a_form_that_has_expired_can_copy_what_was_typed() -> None:
    response = Client(enforce_csrf_checks=True).post("/projects/shop/review/", {"name": "Typed for ten minutes"})

    assert response.status_code == 403
    assert "Typed for ten minutes" in web.text(response)
    assert web.tags(response, "button") == []


@pytest.mark.parametrize("page", [*PAGES, "generations/x", "threads/x", "steps/x"])
def test_a_project_that_one_is_no_member_of_is_not_there(page: str) -> None:
    hidden = web.project("Hidden")
    client = web.signed_in(web.project())

    assert client.get(f"/projects/{hidden.slug}/{page}/").status_code == 404
    assert client.get(f"/projects/nothing-of-that-name/{page}/").status_code == 404


def test_htmx_is_sent_to_the_login_page_rather_than_given_it_as_a_part() -> None:
    project = web.project()
    here = f"http://testserver/projects/{project.slug}/generations/?text=a"

    response = Client().get(
        f"/projects/{project.slug}/generations/", headers={"HX-Request": "true", "HX-Current-URL": here}
    )

    assert response.status_code == 204
    assert response["HX-Redirect"] == f"/login/?next=%2Fprojects%2F{project.slug}%2Fgenerations%2F%3Ftext%3Da"


def test_a_form_that_htmx_sends_signed_out_is_told_so_and_its_page_may_stay() -> None:
    project = web.project()

    response = Client().post(
        f"/projects/{project.slug}/generations/one/comments/", {"comment": "Long"}, headers={"HX-Request": "true"}
    )

    assert response.status_code == 401
    assert "HX-Redirect" not in response
    assert "You are signed out Sign in in another tab" in web.text(response)


def test_a_form_that_is_sent_signed_out_can_be_sent_again_as_it_was_typed() -> None:
    project = web.project()
    web.recorded(project)
    address = f"/projects/{project.slug}/generations/one/comments/"

    refused = Client().post(address, {"comment": "Typed for\nten minutes", "next": "/here/", "opened_by": "mia"})
    again = web.signed_in(project).post(address, fields(refused))

    assert refused.status_code == 401
    assert web.tags(refused, "form")[0]["action"] == address
    assert again.status_code == 302
    assert [said.comment for said in Score.objects.all()] == ["Typed for\nten minutes"]


def test_a_form_that_somebody_else_has_opened_is_not_sent_in_ones_own_name_unless_one_says_so() -> None:
    project = web.project()
    web.recorded(project)
    ben = web.signed_in(project, name="ben")
    address = f"/projects/{project.slug}/generations/one/comments/"

    refused = ben.post(address, {"comment": "I, Mia, said this", "opened_by": "mia"})

    assert refused.status_code == 409
    assert "mia opened this page, and by now ben is signed in in this browser: nothing was done." in web.text(refused)
    assert not Score.objects.exists()
    assert fields(refused) == {"comment": "I, Mia, said this", "opened_by": "ben"}
    ben.post(address, fields(refused))
    assert [said.author for said in Score.objects.all()] == ["ben"]


def test_fields_of_one_name_are_sent_again_in_their_order() -> None:
    typed = {"role": ["system", "user", "user"], "content": ["Answer in one word.", "Hi", "And now?"]}

    refused = Client().post("/projects/shop/prompts/", typed)

    shown = re.findall(r'name="content"(?: value="([^"]*)"|[^>]*>\n([^<]*)<)', refused.content.decode())
    assert ["".join(one) for one in shown] == typed["content"]


@pytest.mark.parametrize(
    ("address", "secret"), [("/login/", "password"), ("/projects/shop/settings/providers/", "key")]
)
@pytest.mark.parametrize("checks", [True, False])
def test_a_password_or_a_key_is_never_sent_back(address: str, secret: str, checks: bool) -> None:
    refused = Client(enforce_csrf_checks=checks).post(address, {"name": "mia", secret: "correct horse"})

    assert "correct horse" not in refused.content.decode()
    assert ("A password or a key is never sent back" in web.text(refused)) is (checks or secret == "key")


def test_a_form_with_a_file_cannot_be_kept_and_says_so() -> None:
    file = SimpleUploadedFile("calls.jsonl", b"{}")

    refused = Client().post("/projects/shop/import/", {"file": file, "do": "look at it"})

    assert refused.status_code == 401
    assert "The file that you chose cannot be kept here" in web.text(refused)
    assert fields(refused) == {}


def fields(page: Any) -> dict[str, str]:
    """What the form of the page sends, without its token."""
    texts = re.findall(r'<textarea name="(.+?)".*?>\n(.*?)</textarea>', page.content.decode(), re.DOTALL)
    hidden = [(one["name"], one["value"]) for one in web.tags(page, "input")]
    return {str(name): html.unescape(str(value)) for name, value in (*texts, *hidden) if name != "csrfmiddlewaretoken"}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_runs_and_loads_nothing_but_what_carries_its_nonce(page: str) -> None:
    project = web.project()
    client = web.signed_in(project, Role.ADMIN)

    response = client.get(f"/projects/{project.slug}/{page}/")

    policy = dict(part.split(" ", 1) for part in response["Content-Security-Policy"].split("; "))
    nonce = re.fullmatch(r"'nonce-([\w-]{20,})'", policy["script-src"])
    assert nonce is not None
    assert policy["style-src"] == policy["script-src"]
    assert policy["default-src"] == "'none'"
    assert policy["img-src"] == "'self' data:"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["form-action"] == "'self'"
    assert {script["nonce"] for script in web.tags(response, "script")} == {nonce[1]}
    assert response["X-Frame-Options"] == "DENY"
    assert response["X-Content-Type-Options"] == "nosniff"
    for attributes in web.tags(response):
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        for name in ("src", "href", "action"):
            address = attributes.get(name) or ""
            assert not address.startswith(("http:", "https:", "//")), address


def test_each_answer_has_a_nonce_of_its_own() -> None:
    project = web.project()
    client = web.signed_in(project)

    policies = {client.get(f"/projects/{project.slug}/exports/")["Content-Security-Policy"] for _ in range(3)}

    assert len(policies) == 3


def test_the_administration_keeps_working_under_the_policy_of_its_own_files() -> None:
    response = Client().get("/admin/login/")

    assert "script-src 'self'; style-src 'self'" in response["Content-Security-Policy"]


def test_a_theme_is_kept_in_a_cookie_and_forgotten_again() -> None:
    project = web.project()
    client = web.signed_in(project)
    page = f"/projects/{project.slug}/exports/"

    chosen = client.post("/theme/", {"theme": "dark", "next": page})

    assert chosen["Location"] == page
    assert web.tags(client.get(page), "html") == [{"lang": "en", "data-theme": "dark"}]

    client.post("/theme/", {"theme": "system", "next": page})

    assert web.tags(client.get(page), "html") == [{"lang": "en"}]


def test_a_theme_that_there_is_not_changes_nothing_in_the_page() -> None:
    project = web.project()
    client = web.signed_in(project)
    client.cookies["theme"] = '"><script>'

    response = client.get(f"/projects/{project.slug}/exports/")

    assert web.tags(response, "html") == [{"lang": "en"}]


def test_someone_whose_account_is_closed_is_out_at_once() -> None:
    project = web.project()
    client = web.signed_in(project)
    User.objects.update(is_active=False)

    assert client.get(f"/projects/{project.slug}/exports/")["Location"].startswith("/login/")
