"""GraphiQL in a browser: it starts under the page's policy, knows the schema, runs a query and a mutation."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from playwright.sync_api import Browser, Page, sync_playwright

from generations import access, recording
from generations.models import Membership, Tag, User
from generations.models.accounts import Role
from generations.records import GenerationRecord
from tests.browsing import CHROMIUM, IN_A_BROWSER

pytestmark = IN_A_BROWSER


@pytest.fixture
def browser() -> Iterator[Browser]:
    # Playwright's loop runs in this thread, and Django would take it for an asynchronous view.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def said(live_server: Any, browser: Browser, settings: Any) -> Iterator[tuple[Page, list[str], list[str]]]:
    """A signed-in page, what its console complains of, and the addresses that it asks for."""
    person = User.objects.create_user("ann", password="correct horse")
    project = access.create_project("Apples", person)
    Membership.objects.filter(user=person).update(role=Role.MEMBER)
    recording.record(
        project,
        [GenerationRecord(id="g1", started_at=dt.datetime(2026, 11, 20, tzinfo=dt.UTC), model_id="gpt-4o")],
    )
    client = Client()
    client.force_login(person)
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    name = settings.SESSION_COOKIE_NAME
    context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": live_server.url}])
    page = context.new_page()
    complaints: list[str] = []
    asked: list[str] = []
    page.on(
        "console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    yield page, complaints, asked
    context.close()


@pytest.mark.django_db(transaction=True)
def test_graphiql_runs_queries_and_mutations_and_asks_nothing_from_outside(
    said: tuple[Page, list[str], list[str]], live_server: Any
) -> None:
    page, complaints, asked = said

    page.goto(f"{live_server.url}/graphql/")
    page.locator(".graphiql-execute-button").click()
    page.locator(".result-window", has_text='"gpt-4o"').wait_for()
    page.get_by_label("Show Documentation Explorer").click()
    page.locator(".graphiql-doc-explorer", has_text="Query").wait_for()
    page.locator(".graphiql-doc-explorer a", has_text="Mutation").first.click()
    page.locator(".graphiql-doc-explorer", has_text="createGeneration").wait_for()
    page.get_by_label("Open settings dialog").click()
    page.get_by_role("dialog").wait_for()
    page.keyboard.press("Escape")
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=f"{folder}/graphiql.png")
    page.goto(f"{live_server.url}/graphql/?query=mutation%20%7BcreateTag(name%3A%22pear%22)%7Bname%7D%7D")
    page.locator(".graphiql-execute-button").click()
    page.locator(".result-window", has_text='"pear"').wait_for()

    assert [tag.name for tag in Tag.objects.all()] == ["pear"]
    assert complaints == []
    assert [url for url in asked if not url.startswith((live_server.url, "data:", "blob:"))] == []
