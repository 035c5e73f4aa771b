"""The playground as a person uses it: a failed call, a variable changed, two runs compared, one kept as a version."""

from __future__ import annotations

import re

from playwright.sync_api import Browser, expect

from tests.browsing import IN_A_BROWSER, sign_in
from tests.stack import Stack

pytestmark = IN_A_BROWSER


def test_what_the_server_refuses_is_told_in_words_and_the_form_stays(browser: Browser, live_stack: Stack) -> None:
    context = browser.new_context()
    watched = sign_in(context, live_stack)
    page = watched.page
    watched.may_fail = True

    page.goto(f"{live_stack.url}/projects/default/playground/")
    page.locator("textarea[name=content]").first.fill("Hello")
    context.clear_cookies(name=re.compile("csrf"))
    page.get_by_role("button", name="Run").click()
    refused = page.locator("#results").get_by_role("alert")
    expect(refused).to_contain_text("This form has expired: The page was open for too long")
    expect(refused).not_to_contain_text("<")
    expect(page.locator("textarea[name=content]").first).to_have_value("Hello")

    # The session has ended meanwhile: what is led to is the page to sign in, and no answer.
    page.reload()
    page.locator("textarea[name=content]").first.fill("Hello")
    context.clear_cookies(name=f"generations_session_{live_stack.port}")
    page.get_by_role("button", name="Run").click()
    expect(refused).to_contain_text("You are signed out")
    context.close()


def test_a_failed_call_is_repaired_compared_and_kept_as_a_prompt_version(browser: Browser, live_stack: Stack) -> None:
    failed = {
        "id": "failed-play", "model": {"id": "gpt-4o", "provider": "openai"}, "prompt": "The shpo is",
        "error": "Rate limit reached", "variables": {"what": "shpo"}, "parameters": {"maxTokens": 8, "temperature": 0},
        "attributes": {"llm.prompt_template.template": "The {{what}} is"},
    }  # fmt: skip
    with live_stack.client() as client:
        client.post("/api/generations", json=failed).raise_for_status()
    context = browser.new_context()
    watched = sign_in(context, live_stack)
    page = watched.page

    page.goto(f"{live_stack.url}/projects/default/generations/failed-play/")
    page.get_by_role("link", name="Open in playground").click()
    page.get_by_label("Value of what").fill("shop")
    page.get_by_role("button", name="Compare with another").click()
    page.locator("input[name=model]").nth(1).fill("random")
    page.get_by_role("button", name="Run").click()

    expect(page.locator(".play-keep")).to_have_count(2)
    expect(page.locator(".play-result .answer").first).to_have_text(" open from nine to six on weekdays,")
    first = page.locator(".play-keep").first
    first.get_by_label("Name of the prompt").fill("opening hours")
    first.get_by_role("button", name="Keep as a prompt version").click()
    expect(page.get_by_text("It is version 0 of opening hours.")).to_be_visible()
    expect(page.locator("main")).to_contain_text("The {{what}} is")
    assert watched.is_clean()
    context.close()
    with live_stack.client() as client:
        made = client.get("/api/generations", params={"metadata.playgroundOf": "failed-play"}).json()["data"]
    assert sorted(one["model"]["id"] for one in made) == ["ngram:", "random"]


def test_an_answer_that_breaks_off_leads_to_what_was_recorded_of_it(browser: Browser, filled: Stack) -> None:
    context = browser.new_context()
    watched = sign_in(context, filled)
    page = watched.page
    there = "/projects/default/generations/trip/"
    begun = f'event: begun\ndata: {{"address": "{there}"}}\n\ndata: {{"text": "Half of"}}\n\n'
    page.route("**/playground/stream/**", lambda route: route.fulfill(body=begun, content_type="text/event-stream"))

    page.goto(f"{filled.url}/projects/default/playground/")
    page.locator("textarea[name=content]").first.fill("Hello")
    page.get_by_role("button", name="Run").click()

    expect(page.locator("#results").get_by_role("alert")).to_contain_text("The answer broke off.")
    expect(page.locator("#results .answer")).to_have_text("Half of")
    page.get_by_role("link", name="Open what was recorded of it").click()
    page.wait_for_url(f"**{there}")
    assert watched.is_clean()
    context.close()
