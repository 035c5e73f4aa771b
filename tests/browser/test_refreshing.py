"""Pages that are fetched again by themselves: what somebody marks, holds or waits for is theirs meanwhile."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browsing import IN_A_BROWSER, sign_in, visit
from tests.stack import Stack

pytestmark = IN_A_BROWSER

MARK = """(words) => {
  const range = document.createRange();
  const reasons = [...document.querySelectorAll('#ingestion .whole')];
  range.selectNodeContents(reasons.find((one) => one.textContent.includes(words)));
  getSelection().removeAllRanges();
  getSelection().addRange(range);
}"""


MAKE = """
from generations import access
from generations.models import User
owner = User.objects.get(username="owner")
grant = access.by_user(owner, access.create_project({slug!r}, owner, slug={slug!r}).slug)
print(access.create_key(grant, name="First")[1])
"""


@dataclass
class Room:
    """A project of one test alone: what others have sent or been refused is not on its pages."""

    url: str
    slug: str
    key: str

    def send(self, *, status: int, **document: object) -> None:
        """Send a generation, which is answered so."""
        answer = httpx.post(
            f"{self.url}/api/generations", headers={"Authorization": f"Bearer {self.key}"}, json=document, timeout=60
        )
        assert answer.status_code == status, answer.text


@pytest.fixture
def room(live_stack: Stack) -> Room:
    slug = f"room-{uuid.uuid4().hex[:8]}"
    return Room(live_stack.url, slug, live_stack.manage("shell", "-v", "0", "-c", MAKE.format(slug=slug)).strip())


def opened(browser: Browser, stack: Stack, room: Room, place: str) -> Page:
    """A page of the room, for the owner, whose clock is the test's."""
    page = sign_in(browser.new_context(viewport={"width": 1440, "height": 900}), stack).page
    page.clock.install()
    visit(page, f"{stack.url}/projects/{room.slug}/{place}/")
    return page


def test_what_is_marked_to_be_copied_stays_until_it_is_not(browser: Browser, live_stack: Stack, room: Room) -> None:
    room.send(status=422, usage={"promptTokens": "many"})
    page = opened(browser, live_stack, room, "settings/ingestion")
    rows = page.locator("table[aria-label='What was refused'] tbody tr")
    expect(rows).to_have_count(1)
    page.evaluate(MARK, "'many'")
    room.send(status=422, performance={"latency": -3})

    with page.expect_response("**/settings/ingestion/"):
        page.clock.run_for(10_000)
    page.clock.run_for(500)

    assert "'many' is not valid" in page.evaluate("getSelection().toString()")
    expect(rows).to_have_count(1)
    page.evaluate("getSelection().removeAllRanges()")
    with page.expect_response("**/settings/ingestion/"):
        page.clock.run_for(10_000)
    page.clock.run_for(500)
    expect(rows).to_have_count(2)
    page.context.close()


def test_the_file_that_is_about_to_be_fetched_stays_the_same(browser: Browser, live_stack: Stack, room: Room) -> None:
    room.send(status=422, model=7)
    room.send(status=422, name=7)
    page = opened(browser, live_stack, room, "settings/ingestion")
    files = page.locator("#ingestion a[download]")
    expect(files).to_have_count(2)
    files.nth(1).focus()
    chosen = page.evaluate("document.activeElement.href")
    # What is refused again comes first: the file that was second is another one's from now on.
    room.send(status=422, model=8)

    with page.expect_response("**/settings/ingestion/"):
        page.clock.run_for(10_000)
    page.clock.run_for(500)

    expect(files.first).to_have_attribute("href", urlsplit(chosen).path)
    assert page.evaluate("document.activeElement.href") == chosen
    page.context.close()


def test_a_chart_that_did_not_come_says_so_and_comes_when_it_is_asked_for_again(
    browser: Browser, live_stack: Stack
) -> None:
    page = sign_in(browser.new_context(viewport={"width": 1440, "height": 900}), live_stack).page
    with live_stack.client() as client:
        assert client.post("/api/generations", json={"model": {"id": "m"}}).status_code == 201
    page.route("**/dashboard/*/data/**", lambda route: route.abort())
    page.goto(f"{live_stack.url}/projects/default/dashboard/")

    chart = page.locator("[data-chart]").first
    expect(chart).to_contain_text("The server cannot be reached.")
    page.unroute("**/dashboard/*/data/**")
    chart.get_by_role("button", name="Try again").click()

    expect(chart.locator(".legend")).to_contain_text("generations")
    page.context.close()


def test_an_empty_list_fills_by_itself(browser: Browser, live_stack: Stack, room: Room) -> None:
    page = opened(browser, live_stack, room, "generations")
    expect(page.get_by_text("Nothing recorded yet")).to_be_visible()

    room.send(status=201, model={"id": "first-of-all"})
    page.clock.run_for(5_000)

    expect(page.locator("tr[data-row]")).to_have_count(1)
    page.context.close()
