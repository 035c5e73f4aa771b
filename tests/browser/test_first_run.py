"""A person at a browser in a project in which nothing is yet: from the empty page to the first call on it."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.browsing import IN_A_BROWSER, keep, sign_in, violations
from tests.stack import ROOT, Stack

pytestmark = IN_A_BROWSER

NEW = """
from generations import access
from generations.models import User
project = access.create_project({name!r}, User.objects.get(username="owner"))
print(project.slug)
"""


@pytest.mark.parametrize(
    ("theme", "width", "language"), [("light", 1440, "curl"), ("dark", 390, "python")], ids=["wide", "narrow"]
)
def test_the_first_call_is_sent_as_the_empty_page_says_and_is_there(
    browser: Browser, live_stack: Stack, theme: Any, width: int, language: str
) -> None:
    slug = live_stack.manage("shell", "-v", "0", "-c", NEW.format(name=f"First {uuid.uuid4().hex[:8]}")).split()[-1]
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
    watched = sign_in(context, live_stack)
    page = watched.page

    # Nothing is there, and the page says how to change that; a key is a click away.
    page.goto(f"{live_stack.url}/projects/{slug}/generations/")
    expect(page.get_by_role("heading", name="Nothing recorded yet")).to_be_visible()
    expect(page.locator(f"[data-first={language}]")).to_contain_text("YOUR_KEY")
    assert violations(page) == []
    keep(page, f"nothing-yet-{theme}-{width}")
    page.get_by_role("button", name="Make a key and fill it in").click()
    expect(page.get_by_text("Copy it now")).to_be_visible()

    # What is copied from the page runs as it is.
    program = page.locator(f"[data-first={language}]").inner_text()
    command = {"curl": ["bash", "-s"], "python": [sys.executable, "-"]}[language]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, input=program, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

    page.get_by_role("link", name="Generations", exact=True).last.click()
    expect(page.locator("tr[data-row]")).to_have_count(1)
    page.locator("tr[data-row] .row-link").click()
    expect(page.get_by_text("Hi! How can I help?")).to_be_visible()
    assert watched.is_clean()
    context.close()


def test_empty_rooms_are_filled_by_what_they_say(browser: Browser, live_stack: Stack) -> None:
    slug = live_stack.manage("shell", "-v", "0", "-c", NEW.format(name=f"Rooms {uuid.uuid4().hex[:8]}")).split()[-1]
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    watched = sign_in(context, live_stack)
    page = watched.page

    page.goto(f"{live_stack.url}/projects/{slug}/steps/")
    expect(page.get_by_role("heading", name="No steps yet")).to_be_visible()
    page.get_by_role("button", name="Make a key and fill it in").click()
    expect(page.get_by_text("Copy it now")).to_be_visible()
    expect(page.locator("[data-first=curl]")).to_contain_text("/api/steps/batch")
    key = page.locator("#new-key").inner_text()

    for room in ("steps", "threads", "users", "datasets", "experiments", "prompts", "evaluators"):
        page.goto(f"{live_stack.url}/projects/{slug}/{room}/")
        expect(page.get_by_role("heading", name=f"No {room} yet")).to_be_visible()
        assert violations(page) == []
        keep(page, f"no-{room}-yet")
        program = page.locator("[data-first=curl]").inner_text().replace("YOUR_KEY", key)
        done = subprocess.run(["bash", "-s"], input=program, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        page.reload()
        expect(page.locator("tr[data-row]")).to_have_count(1)

    assert watched.is_clean()
    context.close()
