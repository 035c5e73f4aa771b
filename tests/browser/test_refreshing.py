"""Pages that are fetched again by themselves: what somebody marks, holds or waits for is theirs meanwhile."""

from __future__ import annotations

import httpx
from playwright.sync_api import Browser, Page, expect

from tests.browsing import IN_A_BROWSER, sign_in
from tests.stack import Stack

pytestmark = IN_A_BROWSER

MARK = """(words) => {
  const range = document.createRange();
  const reasons = [...document.querySelectorAll('#ingestion .whole')];
  range.selectNodeContents(reasons.find((one) => one.textContent.includes(words)));
  getSelection().removeAllRanges();
  getSelection().addRange(range);
}"""


def refused(stack: Stack, **document: object) -> None:
    """Send what is refused."""
    with stack.client() as client:
        assert client.post("/api/generations", json=document).status_code == 422


def opened(browser: Browser, stack: Stack, place: str) -> Page:
    """A page of the owner whose clock is the test's."""
    page = sign_in(browser.new_context(viewport={"width": 1440, "height": 900}), stack).page
    page.clock.install()
    page.goto(f"{stack.url}/projects/{place}/")
    page.wait_for_load_state()
    return page


def test_what_is_marked_to_be_copied_stays_until_it_is_not(browser: Browser, live_stack: Stack) -> None:
    refused(live_stack, usage={"promptTokens": "many"})
    page = opened(browser, live_stack, "default/settings/ingestion")
    rows = page.locator("table[aria-label='What was refused'] tbody tr")
    count = rows.count()
    page.evaluate(MARK, "'many'")
    refused(live_stack, performance={"latency": -3})

    with page.expect_response("**/settings/ingestion/"):
        page.clock.run_for(10_000)
    page.clock.run_for(500)

    assert "'many' is not valid" in page.evaluate("getSelection().toString()")
    expect(rows).to_have_count(count)
    page.evaluate("getSelection().removeAllRanges()")
    with page.expect_response("**/settings/ingestion/"):
        page.clock.run_for(10_000)
    page.clock.run_for(500)
    expect(rows).to_have_count(count + 1)
    page.context.close()


def test_the_file_that_is_about_to_be_fetched_stays_the_same(browser: Browser, live_stack: Stack) -> None:
    refused(live_stack, model=7)
    refused(live_stack, model=7, name=7)
    page = opened(browser, live_stack, "default/settings/ingestion")
    page.locator("#ingestion a[download]").nth(1).focus()
    chosen = page.evaluate("document.activeElement.href")

    with page.expect_response("**/settings/ingestion/"):
        page.clock.run_for(10_000)
    page.clock.run_for(500)

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


MAKE = """
from generations import access
from generations.models import User
owner = User.objects.get(username="owner")
grant = access.by_user(owner, access.create_project("Waits for its first call", owner, slug="waits").slug)
print(access.create_key(grant, name="First")[1])
"""


def test_an_empty_list_fills_by_itself(browser: Browser, live_stack: Stack) -> None:
    key = live_stack.manage("shell", "-v", "0", "-c", MAKE).strip()
    page = opened(browser, live_stack, "waits/generations")
    expect(page.get_by_text("Nothing recorded yet")).to_be_visible()

    headers = {"Authorization": f"Bearer {key}"}
    answer = httpx.post(f"{live_stack.url}/api/generations", headers=headers, json={"model": {"id": "first-of-all"}})
    assert answer.status_code == 201, answer.text
    page.clock.run_for(5_000)

    expect(page.locator("tr[data-row]")).to_have_count(1)
    page.context.close()
