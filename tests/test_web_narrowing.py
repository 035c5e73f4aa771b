"""What lists are narrowed by that nobody declared: the application's own metadata, and the versions of one prompt."""

import pytest

from generations import recording
from generations.models import Project
from tests import web
from tests.web import call

pytestmark = pytest.mark.django_db


def filled(project: Project) -> None:
    """Forty calls of two customers, each with a number of its own, of two versions of a prompt."""
    recording.record(
        project,
        [
            call(
                n,
                metadata={"customer": "acme" if n % 4 else "hooli", "requestNumber": f"r-{n}"},
                prompt_name="router",
                prompt_version=n % 2,
            )
            for n in range(40)
        ],
    )


def test_what_the_application_says_of_calls_narrows_them() -> None:
    project = web.project()
    client = web.signed_in(project)
    filled(project)

    said = web.text(client.get(f"/projects/{project.slug}/lists/generations/facets/"))
    offered = [option.get("value") for option in web.tags(client.get(f"/projects/{project.slug}/dashboard/"), "option")]

    assert "acme 30" in said
    assert "hooli 10" in said
    assert "r-1" not in said
    assert "metadata.customer" in offered
    assert "metadata.requestNumber" not in offered


def test_long_metadata_are_not_read_to_say_what_there_is() -> None:
    """Of five hundred rows they would be up to five hundred MB, at each look at a page."""
    project = web.project()
    client = web.signed_in(project)
    long = {f"key{n}": f"v{n % 7}-{'x' * 20}" for n in range(2_000)}
    recording.record(project, [call(n, metadata={"account": "pro", **long}) for n in range(30)])
    address = f"/projects/{project.slug}/lists/generations/facets/"

    assert "pro 30" not in web.text(client.get(address))
    recording.record(project, [call(n, metadata={"account": "pro"}) for n in range(30, 60)])
    assert "pro 60" in web.text(client.get(address))


def test_the_versions_of_a_prompt_are_told_apart_once_it_is_chosen() -> None:
    project = web.project()
    client = web.signed_in(project)
    filled(project)
    address = f"/projects/{project.slug}/lists/generations/facets/"

    assert "Prompt version" not in web.text(client.get(address))
    assert "Prompt version 0 20 1 20" in web.text(client.get(address, {"list": "promptVersion.name=router"}))


def test_what_a_call_s_metadata_say_leads_to_all_that_say_the_same() -> None:
    project = web.project()
    client = web.signed_in(project)
    filled(project)
    odd = {"order of": "a&b=c/ü", "long": "x" * 61, "empty": "", "inner": {"a": 1}, "plan__ne": "free", "tags": "odd"}
    recording.record(project, [call(50, metadata=odd), call(51, metadata=odd)])

    of_one = [
        link for link in web.links(client.get(f"/projects/{project.slug}/generations/call-004/")) if "?meta" in link
    ]
    of_odd = [
        link for link in web.links(client.get(f"/projects/{project.slug}/generations/call-050/")) if "?meta" in link
    ]

    assert len(of_one) == 2
    assert len(web.ids(client.get(of_one[0]))) == 10
    assert len(of_odd) == 1
    assert web.ids(client.get(of_odd[0])) == ["call-051", "call-050"]
