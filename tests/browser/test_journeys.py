"""What people come for, from beginning to end: wide and narrow, in the light and in the dark."""

from __future__ import annotations

import datetime as dt
import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browsing import IN_A_BROWSER, Watched, keep, press, settled, sign_in
from tests.stack import Stack

pytestmark = IN_A_BROWSER

RUN = uuid.uuid4().hex[:8]
"""A word that no other run has recorded."""
USER = f"traveller-{RUN}"


@pytest.fixture(scope="module")
def recorded(filled: Stack) -> Stack:
    """Calls of one user an hour apart, of which every third failed."""
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    with filled.client() as client:
        for n in range(9):
            document: dict[str, Any] = {
                "id": f"{RUN}-{n}",
                "timestamp": (now - dt.timedelta(hours=n, minutes=5)).isoformat(),
                "model": {"id": "gpt-4o" if n % 2 else "claude-sonnet-4-5"},
                "prompt": f"A night train to place {n} {RUN}",
                "metadata": {"userId": USER},
            }
            document |= {"error": f"No seat left on train {n}"} if n % 3 == 0 else {"completion": f"Platform {n}"}
            answer = client.post("/api/generations", json=document)
            assert answer.status_code in (200, 201), answer.text
    return filled


@pytest.fixture(params=[("light", 1440), ("dark", 390)], ids=["wide in the light", "narrow in the dark"])
def visitor(request: pytest.FixtureRequest, browser: Browser, recorded: Stack) -> Iterator[Watched]:
    """The owner at a window of either kind."""
    theme, width = request.param
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=theme, accept_downloads=True, reduced_motion="reduce"
    )
    yield sign_in(context, recorded)
    context.close()


def is_narrow(page: Page) -> bool:
    """Whether it is a small window, where facets wait to be opened."""
    return page.viewport_size is not None and page.viewport_size["width"] < 1200


def shown(page: Page) -> list[str]:
    """The ids of the rows."""
    return [str(box.get_attribute("value")) for box in page.locator("tr[data-row] input[name=id]").all()]


def condition(page: Page, place: str, field: str, operator: str, value: str) -> None:
    """Fill one comparison of the filter builder."""
    page.get_by_label(f"Field of {place}", exact=True).fill(field)
    page.get_by_label(f"Field of {place}", exact=True).dispatch_event("change")
    page.get_by_label(f"Comparison of {place}", exact=True).select_option(operator)
    page.get_by_label(f"Value of {place}", exact=True).fill(value)


def test_a_failing_call_is_found_by_text_user_and_time_and_judged(visitor: Watched) -> None:
    page, dataset = visitor.page, f"Lost seats {uuid.uuid4().hex[:6]}"
    place = page.url

    # Found: by its text, by its user, by its time, and among these those that failed.
    page.get_by_role("searchbox", name="Search", exact=True).fill(RUN)
    press(page, "Enter")
    expect(page.locator("tr[data-row]")).to_have_count(9)
    page.get_by_text("Filter", exact=True).click()
    page.locator("[data-field]").select_option("metadata.userId")
    page.locator("[data-value]").fill(USER)
    page.get_by_role("button", name="Add filter").click()
    expect(page.get_by_text(f"user is {USER}")).to_be_visible()
    page.get_by_role("navigation", name="Time").get_by_role("link", name="24 h").click()
    expect(page).to_have_url(re.compile("from=now-24h"))
    if is_narrow(page):
        expect(page.locator("details.facets:not([open])")).to_be_visible()
        page.locator("details.facets > summary").click()
    page.locator(".facet").get_by_role("link", name=re.compile("^error")).click()
    expect(page.locator("tr[data-row]")).to_have_count(3)
    assert shown(page) == [f"{RUN}-0", f"{RUN}-3", f"{RUN}-6"]

    # Opened, and gone through.
    settled(page)
    press(page, "j")
    press(page, "Enter")
    # The list says what failed as well: what is walked from here on are generations.
    page.wait_for_url(f"**/generations/{RUN}-0/**")
    expect(page.get_by_text("No seat left on train 0").first).to_be_visible()
    press(page, "j")
    page.wait_for_url(f"**/generations/{RUN}-3/**")
    expect(page.get_by_text("No seat left on train 3").first).to_be_visible()

    # Tagged, scored, collected.
    page.get_by_label("Tags to add, by commas").fill("no-seat")
    page.get_by_role("button", name="Tag", exact=True).click()
    expect(page.locator("#tags")).to_contain_text("no-seat")
    page.get_by_label("Name of the score").fill("harm")
    page.get_by_label("Number or label").fill("0.8")
    page.get_by_role("button", name="Score", exact=True).click()
    expect(page.locator("#scores")).to_contain_text("0.8")
    page.get_by_label("Name of a new dataset").fill(dataset)
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("#datasets a", has_text=dataset)).to_be_visible()

    # Some of the list get a tag at once.
    page.goto(f"{place}?metadata.userId={USER}")
    page.locator("tr[data-row] input[name=id]").first.check()
    page.locator("tr[data-row] input[name=id]").last.check()
    expect(page.get_by_text("2 selected:")).to_be_visible()
    page.locator(".bulk").get_by_label("Tags to add").fill("trains")
    page.locator(".bulk").get_by_role("button", name="Tag", exact=True).click()
    expect(page.get_by_role("status").first).to_contain_text("Tagged")
    assert visitor.is_clean()


def test_an_or_is_built_saved_as_a_view_and_exported(visitor: Watched, tmp_path: Path) -> None:
    page, view = visitor.page, f"Trains {uuid.uuid4().hex[:6]}"

    # Built: the user's, and of these what failed or was asked of one model.
    page.get_by_text("Filter", exact=True).click()
    page.get_by_role("link", name="And, or, not").click()
    expect(page.locator("#builder select").first).to_be_focused()
    condition(page, "1", "metadata.userId", "eq", USER)
    page.get_by_role("button", name="Group", exact=True).click()
    expect(page.get_by_label("Field of 2.2", exact=True)).to_be_visible()
    condition(page, "2.1", "hasError", "eq", "true")
    condition(page, "2.2", "model.idd", "eq", "gpt-4o")
    page.get_by_role("button", name="Apply").last.click()
    expect(page.get_by_text("did you mean model.id?").last).to_be_visible()
    condition(page, "2.2", "model.id", "eq", "gpt-4o")
    page.get_by_role("button", name="Apply").last.click()
    expect(page.locator("tr[data-row]")).to_have_count(6)

    # Saved, and there again after a reload.
    page.get_by_text("Save view", exact=True).click()
    page.get_by_label("Name of the view").fill(view)
    page.get_by_role("button", name="Save", exact=True).last.click()
    expect(page.get_by_role("link", name=view)).to_have_attribute("aria-current", "page")
    page.reload()
    expect(page.locator("tr[data-row]")).to_have_count(6)
    settled(page)
    keep(page, f"journey-view-{'narrow' if is_narrow(page) else 'wide'}")

    # Exported, with a progress that ends by itself in a file.
    page.get_by_label("that match as").select_option("jsonl")
    page.locator(".export-all button").click()
    row = page.locator("table.exports tbody tr").first
    expect(row).to_contain_text(USER)
    expect(row.get_by_role("link", name="Download")).to_be_visible()
    with page.expect_download() as download:
        row.get_by_role("link", name="Download").click()
    download.value.save_as(tmp_path / "export.jsonl")
    lines = [json.loads(line)["id"] for line in (tmp_path / "export.jsonl").read_text().splitlines()]
    assert sorted(lines) == [f"{RUN}-{n}" for n in (0, 1, 3, 5, 6, 7)]
    assert visitor.is_clean()


def test_a_pasted_id_and_a_point_of_a_chart_lead_to_what_they_name(visitor: Watched, recorded: Stack) -> None:
    page = visitor.page

    press(page, "Control+k")
    expect(page.get_by_role("dialog", name="Go to a page")).to_be_visible()
    page.keyboard.insert_text(f"{RUN}-4")
    expect(page.locator("#palette-found a.at")).to_have_attribute("href", re.compile(f"/generations/{RUN}-4/$"))
    press(page, "Enter")
    expect(page.get_by_text(f"A night train to place 4 {RUN}").first).to_be_visible()
    press(page, "?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    press(page, "Escape")
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()

    # Dragging over a chart narrows the list to that time; a point of the dashboard is the list of what it counts.
    page.goto(f"{recorded.url}/projects/default/generations/?metadata.userId={USER}&from=now-24h")
    over = page.locator(".strip .u-over").first
    expect(over).to_be_visible()
    settled(page)
    # What is hovered over is waited for until it rests where it is.
    over.hover(position={"x": 2, "y": 20})
    box = over.bounding_box()
    assert box is not None
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 20, steps=4)
    page.mouse.up()
    expect(page).to_have_url(re.compile("to=20"))
    expect(page.locator("tr[data-row]").first).to_be_visible()
    # The charts and the place of the facets are there again, of that time.
    expect(page.locator(".strip .u-over")).to_have_count(4)
    expect(page.locator(".facets > [hx-get]")).to_have_count(1)

    page.goto(f"{recorded.url}/projects/default/dashboard/?metadata.userId={USER}&from=now-24h")
    # Each tile is fetched by itself: the first place on the page, not the first that is there.
    over = page.locator(".chart").first.locator(".u-over")
    expect(over).to_be_visible()
    settled(page)
    over.scroll_into_view_if_needed()
    box = over.bounding_box()
    assert box is not None
    # Of some 25 hours the last but one: a call is made in each of the last nine.
    page.mouse.move(box["x"] + box["width"] * 23.5 / 25, box["y"] + box["height"] - 4)
    expect(page.locator(".chart").first.locator(".legend b")).to_have_text("1")
    page.mouse.down()
    page.mouse.up()
    expect(page).to_have_url(re.compile("timestamp__lt="))
    expect(page.locator("tr[data-row]")).to_have_count(1)
    assert visitor.is_clean()
