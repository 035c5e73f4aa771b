"""A person at a browser: two experiments compared, ten items reviewed by keyboard, threads deleted in bulk."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browsing import IN_A_BROWSER, press, sign_in
from tests.stack import Stack

pytestmark = IN_A_BROWSER
CRITERIA = "helpful: number 1-5\nsafe: yes/no"


@pytest.fixture(params=[("light", 1440), ("dark", 390)], ids=["wide", "narrow"])
def page(request: pytest.FixtureRequest, browser: Browser, live_stack: Stack) -> Iterator[Page]:
    """A page with the owner signed in; nothing may be complained of, and nothing asked for from elsewhere."""
    theme, width = request.param
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
    watched = sign_in(context, live_stack)
    yield watched.page
    assert watched.is_clean()
    context.close()


def test_two_experiments_are_compared_down_to_the_call_behind_a_result(page: Page, live_stack: Stack) -> None:
    own = uuid.uuid4().hex[:6]
    with live_stack.client() as client:
        for n in range(3):
            client.post("/api/generations", json={"id": f"{own}-{n}", "prompt": f"Question {n}", "completion": "So."})
        for name, values in (("short", (0.2, 0.9, 0.5)), ("long", (0.8, 0.1, 0.5))):
            items = [
                {
                    "input": f"Question {n}",
                    "output": f"{name} answer {n}",
                    "generationId": f"{own}-{n}",
                    "scores": [{"name": "correct", "value": value}],
                }
                for n, value in enumerate(values)
            ]
            made = client.post("/api/experiments", json={"name": f"{name} {own}", "items": items})
            assert made.status_code == 201, made.text

    page.goto(f"{live_stack.url}/projects/default/experiments/")
    for name in ("short", "long"):
        page.get_by_label(f"Compare {name} {own}").check()
    page.get_by_role("button", name="Compare the selected").click()
    expect(page.get_by_role("heading", name="2 experiments side by side")).to_be_visible()
    expect(page.locator("table.summary")).to_contain_text("better in 1, worse in 1")

    # The baseline is the one that stands first in the list: the last that was made.
    page.get_by_label("Sort by").select_option("correct")
    page.locator("select[name=sort]").select_option("worse")
    page.get_by_role("button", name="Compare", exact=True).click()
    # The page before may have had the same first row.
    expect(page).to_have_url(re.compile("sort=worse"))
    expect(page.locator("table.compared tbody tr").first).to_contain_text("Question 0")
    page.locator("select[name=sort]").select_option("better")
    page.get_by_role("button", name="Compare", exact=True).click()
    first = page.locator("table.compared tbody tr").first
    expect(first).to_contain_text("Question 1")
    first.get_by_role("link", name="generation").first.click()
    expect(page).to_have_url(f"{live_stack.url}/projects/default/generations/{own}-1/")


def test_ten_items_are_reviewed_by_keyboard_alone(page: Page, live_stack: Stack) -> None:
    own = uuid.uuid4().hex[:6]
    documents = [
        {"id": f"{own}-{n}", "prompt": f"Question {n}", "completion": f"Reply {n}.", "metadata": {"tags": [own]}}
        for n in range(10)
    ]
    with live_stack.client() as client:
        assert client.post("/api/generations/batch", json=documents).status_code == 200
    page.goto(f"{live_stack.url}/projects/default/review/")
    if not page.get_by_label("Name", exact=True).is_visible():
        page.get_by_text("New queue").click()
    page.get_by_label("Name", exact=True).fill(f"Replies {own}")
    page.get_by_label("Criteria, one a line").fill(CRITERIA)
    page.get_by_role("button", name="Make the queue").click()
    expect(page.get_by_role("heading", name=f"Replies {own}")).to_be_visible()
    page.goto(f"{live_stack.url}/projects/default/generations/?tags={own}")
    # It stands in the head of the table, or above it where there is no head.
    page.locator("[data-all]:visible").check()
    expect(page.get_by_text("10 selected:")).to_be_visible()
    page.get_by_label("Review queue").select_option(f"Replies {own}")
    page.get_by_role("button", name="Send to review").click()
    expect(page.get_by_text("Put 10 generations into the review queue")).to_be_visible()
    page.goto(f"{live_stack.url}/projects/default/review/")
    page.get_by_role("link", name=f"Replies {own}").click()
    expect(page.get_by_role("heading", name=f"Replies {own}")).to_be_visible()
    page.get_by_role("link", name="Review", exact=True).last.click()

    for n in range(10):
        expect(page.get_by_text(f"{n} of 10, {n} by you")).to_be_visible()
        # Keys are heard once a criterion is marked.
        expect(page.locator("fieldset.at legend")).to_have_text("helpful")
        press(page, str(n % 5 + 1))
        expect(page.locator("fieldset.at legend")).to_have_text("safe")
        press(page, "1" if n else "2")
        if n == 3:
            # Passed over, taken back, and its answers given anew.
            reply = page.locator(".answer .block").inner_text()
            press(page, "n")
            expect(page.locator(".answer .block")).not_to_have_text(reply)
            expect(page.locator("fieldset.at legend")).to_have_text("helpful")
            press(page, "u")
            expect(page.locator(".answer .block")).to_have_text(reply)
            expect(page.locator("fieldset.at legend")).to_have_text("helpful")
            press(page, "4")
            expect(page.locator("fieldset.at legend")).to_have_text("safe")
            press(page, "1")
        expect(page.locator("input:checked")).to_have_count(2)
        if n == 5:
            press(page, "a")
            expect(page.locator(".answer")).to_be_focused()
        press(page, "Enter")
    expect(page.get_by_text("Nothing is left for you here.")).to_be_visible()

    with live_stack.client() as client:
        found = client.get("/api/scores", params={"name": "helpful", "limit": 100, "type": "HUMAN"}).json()["data"]
    mine = {one["generationId"]: one["value"] for one in found if one.get("generationId", "").startswith(own)}
    assert sorted(mine.values()) == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


def test_what_destroys_is_asked_and_answered_by_keyboard(page: Page, live_stack: Stack) -> None:
    name = f"Short {uuid.uuid4().hex[:6]}"
    page.goto(f"{live_stack.url}/projects/default/settings/keys/")
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_role("button", name="Make a key").click()
    row = page.get_by_role("row").filter(has_text=name)

    row.get_by_text("Revoke", exact=True).focus()
    press(page, "Enter")
    expect(row.get_by_role("button")).to_be_focused()
    press(page, "Escape")
    expect(row.get_by_text("Revoke", exact=True)).to_be_focused()
    expect(row.get_by_role("button")).to_be_hidden()
    press(page, "Enter")
    expect(row.get_by_role("button")).to_be_focused()
    press(page, "Enter")

    expect(row).to_contain_text("revoked")


def test_selected_threads_are_deleted_by_a_job_that_is_watched(page: Page, live_stack: Stack) -> None:
    own = uuid.uuid4().hex[:6]
    documents = [{"id": f"{own}-{n}", "prompt": "So?", "threadId": f"{own}-thread-{n}"} for n in range(3)]
    with live_stack.client() as client:
        assert client.post("/api/generations/batch", json=documents).status_code == 200

    page.goto(f"{live_stack.url}/projects/default/threads/?id__startsWith={own}")
    expect(page.locator("tr[data-row]")).to_have_count(3)
    page.locator("[data-row] input[name=id]").nth(0).check()
    page.locator("[data-row] input[name=id]").nth(1).check()
    expect(page.get_by_text("2 selected:")).to_be_visible()
    page.locator(".bulk summary", has_text="Delete").click()
    page.get_by_role("button", name="Delete for good").click()
    expect(page.locator("#job")).to_contain_text(re.compile(r"Changed\s*2"))

    page.goto(f"{live_stack.url}/projects/default/threads/?id__startsWith={own}")
    expect(page.locator("tr[data-row]")).to_have_count(1)
    with live_stack.client() as client:
        left = [
            id for id in (one["id"] for one in documents) if client.get(f"/api/generations/{id}").status_code == 200
        ]
    assert len(left) == 1
