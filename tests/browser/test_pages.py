"""A person at a browser: the main job from the login page to the downloaded file, and every page in both themes."""

from __future__ import annotations

import datetime as dt
import json
import re
import time
import uuid
import zoneinfo
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests import pages
from tests.browsing import (
    ANSWER,
    COVERED,
    CUT_OFF,
    IN_A_BROWSER,
    UNANNOUNCED,
    UNREADABLE,
    Watched,
    keep,
    press,
    settled,
    sign_in,
    violations,
)
from tests.stack import Stack

pytestmark = IN_A_BROWSER


def test_a_call_is_found_read_judged_and_exported(watched: Watched, tmp_path: Path) -> None:
    page, dataset = watched.page, f"Hard ones {uuid.uuid4().hex[:6]}"

    # Found by a filter that is put together in the form.
    page.get_by_text("Filter", exact=True).click()
    page.get_by_label("Field").select_option("performance.latency")
    expect(page.get_by_label("Comparison").locator("option[value=contains]")).to_be_disabled()
    page.get_by_label("Comparison").select_option("gte")
    page.get_by_label("Value").fill("2")
    page.get_by_role("button", name="Add filter").click()
    expect(page.get_by_text("latency is at least 2")).to_be_visible()
    expect(page).to_have_url(re.compile(r"/generations/\?performance\.latency__gte=2$"))
    expect(page.locator("tr[data-row]")).to_have_count(1)

    # Opened.
    page.locator("tr[data-row] .row-link").click()
    expect(page.get_by_role("heading", name="plan-trip")).to_be_visible()
    expect(page.locator("a.var", has_text="Lisbon").first).to_be_visible()
    expect(page.get_by_text("Result of find_museum")).to_be_visible()
    expect(page.locator(".answer strong")).to_have_text("Museu do Azulejo")

    # Judged, tagged and collected in place.
    address = page.url
    page.get_by_label("Name of the score").fill("quality")
    page.get_by_label("Number or label").fill("0.9")
    page.get_by_role("button", name="Score").click()
    expect(page.locator("#scores")).to_contain_text("0.9")
    page.get_by_label("Tags to add, by commas").fill("checked, museum")
    page.get_by_role("button", name="Tag", exact=True).click()
    expect(page.locator("#tags")).to_contain_text("museum")
    # What was replaced had the focus: what came in its place has it now.
    expect(page.get_by_role("button", name="Tag", exact=True)).to_be_focused()
    page.get_by_label("Name of a new dataset").fill(dataset)
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("#datasets a", has_text=dataset)).to_be_visible()
    expect(page).to_have_url(address)
    page.reload()
    expect(page.locator("#scores")).to_contain_text("quality")

    # Copied as it was said, not as it is shown.
    page.locator(".answer").get_by_role("button", name="Copy this message").click()
    expect(page.locator(".answer .copy.done")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == ANSWER

    # Exported, with a progress that ends by itself in a file.
    page.get_by_role("link", name="Generations").last.click()
    page.get_by_label("that match as").select_option("jsonl")
    page.locator(".export-all button").click()
    row = page.locator("table.exports tbody tr").first
    expect(row).to_contain_text("latency is at least 2")
    expect(row.get_by_role("link", name="Download")).to_be_visible()
    with page.expect_download() as download:
        row.get_by_role("link", name="Download").click()
    download.value.save_as(tmp_path / "export.jsonl")
    (line,) = (tmp_path / "export.jsonl").read_text().splitlines()
    assert json.loads(line)["id"] == "trip"
    assert {"checked", "museum"} <= set(json.loads(line)["metadata"]["tags"])

    assert watched.is_clean()


def test_the_list_is_paged_and_searched_without_leaving_the_page(watched: Watched) -> None:
    page = watched.page
    page.evaluate("window.stayed = true")

    first = page.locator("tr[data-row] input[name=id]").first
    newest = first.input_value()
    page.get_by_role("link", name="Next").click()
    # How many there are depends on what other tests have sent to this copy.
    expect(page).to_have_url(re.compile("after="))
    expect(first).not_to_have_value(newest)
    page.go_back()
    expect(page).not_to_have_url(re.compile("after="))
    expect(first).to_have_value(newest)
    expect(page.locator("tr[data-row]")).to_have_count(50)
    settled(page)
    page.evaluate("window.stayed = true")
    press(page, "/")
    page.keyboard.type("Reply 33")
    press(page, "Enter")
    expect(page.locator("tr[data-row]")).to_have_count(1)

    expect(page).to_have_url(re.compile(r"\?text=Reply\+33$"))
    assert page.evaluate("window.stayed") is True
    assert watched.is_clean()


def test_what_the_server_cannot_answer_is_said_and_the_page_stays(watched: Watched, filled: Stack) -> None:
    page, said = watched.page, watched.page.locator("#failure")
    watched.may_fail = True
    page.goto(f"{filled.url}/projects/default/generations/trip/")

    # A form without its cookie: the answer is a whole page, and stands in no panel.
    page.context.clear_cookies(name=re.compile("csrf"))
    page.get_by_label("Tags to add, by commas").fill("late")
    press(page, "Enter")
    expect(said).to_contain_text("This form has expired: The page was open for too long")
    expect(page.locator("#tags").get_by_role("heading", name="Tags")).to_be_visible()
    expect(page.get_by_label("Tags to add, by commas")).to_have_value("late")
    page.reload()

    page.route("**/trip/comments/", lambda route: route.fulfill(status=502, body="Bad gateway"))
    page.get_by_label("Comment for your team").fill("Is anybody there?")
    page.get_by_role("button", name="Comment", exact=True).click()
    expect(said).to_contain_text("The server could not answer (502). Try again in a moment.")
    page.unroute("**/trip/comments/")
    page.get_by_role("button", name="Comment", exact=True).click()
    expect(page.locator("#comments")).to_contain_text("Is anybody there?")
    expect(said).to_be_hidden()
    # What was replaced had the focus: what came in its place has it now.
    expect(page.get_by_role("button", name="Comment", exact=True)).to_be_focused()
    assert watched.foreign == []


def test_who_is_signed_out_while_typing_signs_in_in_another_tab_and_sends_it_then(
    watched: Watched, filled: Stack
) -> None:
    page, said = watched.page, watched.page.locator("#failure")
    watched.may_fail = True
    page.goto(f"{filled.url}/projects/default/generations/trip/")
    page.context.clear_cookies(name=re.compile("session"))
    page.get_by_label("Comment for your team").fill("Typed for ten minutes")

    page.get_by_role("button", name="Comment", exact=True).click()
    expect(said).to_contain_text("You are signed out: Sign in in another tab")
    sign_in(page.context, filled)
    expect(said.get_by_role("link", name="Sign in")).to_have_attribute("target", "_blank")
    page.get_by_role("button", name="Comment", exact=True).click()

    expect(page.locator("#comments")).to_contain_text("Typed for ten minutes")
    expect(said).to_be_hidden()


def test_what_one_person_has_typed_is_not_sent_by_another_who_has_signed_in_since(
    watched: Watched, filled: Stack
) -> None:
    page, said = watched.page, watched.page.locator("#failure")
    watched.may_fail = True
    theirs = f"{filled.url}/projects/default/generations/trip/"
    page.route(
        theirs, lambda route: route.fulfill(body=route.fetch().text().replace('content="owner"', 'content="mia"'))
    )
    page.goto(theirs)
    page.get_by_label("Comment for your team").fill("I, Mia, said this")

    page.get_by_role("button", name="Comment", exact=True).click()

    expect(said).to_contain_text("mia opened this page, and by now owner is signed in in this browser")
    expect(said.get_by_role("link")).to_be_hidden()
    expect(page.get_by_label("Comment for your team")).to_have_value("I, Mia, said this")
    expect(page.locator("#comments")).not_to_contain_text("I, Mia, said this")


def test_a_form_whose_answer_is_awaited_is_not_sent_again(watched: Watched, filled: Stack) -> None:
    page = watched.page
    page.goto(f"{filled.url}/projects/default/settings/keys/")
    page.get_by_label("Name").fill("pressed twice")

    refused = page.evaluate("""() => {
      const said = [];
      addEventListener('submit', (event) => said.push(event.defaultPrevented));
      const button = document.querySelector('main form .primary');
      button.click();
      button.click();
      return said;
    }""")

    assert refused == [False, True]
    expect(page.get_by_text("pressed twice")).to_be_visible()


def test_several_are_selected_and_tagged(watched: Watched) -> None:
    page, tag = watched.page, f"batch-{uuid.uuid4().hex[:6]}"

    expect(page.get_by_role("group", name="With the selected generations")).to_be_hidden()
    page.get_by_label("Select all on this page").check()
    expect(page.get_by_text("50 selected:")).to_be_visible()
    page.locator(".bulk").get_by_label("Tags to add").fill(tag)
    page.locator(".bulk").get_by_role("button", name="Tag", exact=True).click()

    expect(page.get_by_role("status")).to_contain_text(f"Tagged 50 generations with {tag}.")
    assert watched.is_clean()


def test_what_is_long_is_opened_piece_by_piece(watched: Watched) -> None:
    page = watched.page
    page.goto(f"{page.url}?id=a+long%2Fone%3F")
    page.locator("tr[data-row] .row-link").click()
    expect(page.get_by_text("Turn 99.")).to_be_visible()
    expect(page.get_by_text("Turn 30.")).to_have_count(0)

    page.get_by_role("link", name="Show the next 40 of 72 messages in between").click()
    expect(page.get_by_text("Turn 30.")).to_have_count(1)
    page.get_by_role("link", name="Show the next 40 of 72 messages in between").wait_for(state="detached")
    page.locator(".answer").get_by_role("link", name="Show more").click()
    expect(page.locator(".answer pre")).to_have_count(2)
    page.locator(".answer").get_by_role("button", name="Copy this message").click()
    expect(page.locator(".answer .copy.done")).to_be_visible()

    assert page.evaluate("navigator.clipboard.readText()").endswith("Line 19999\n")
    assert watched.is_clean()


def test_the_keys_walk_the_rows_and_the_neighbours(watched: Watched) -> None:
    page = watched.page

    press(page, "j")
    press(page, "j")
    second = page.locator("tr[data-row]").nth(1).locator(".row-link")
    expect(second).to_be_focused()
    press(page, "k")
    press(page, "Enter")
    # The list has a link "Next" as well: what is walked from here on are generations.
    page.wait_for_url(re.compile(r"/generations/[^/?]+/"))
    expect(page.get_by_role("link", name="Next")).to_be_visible()
    first = page.url
    press(page, "j")
    page.wait_for_url(lambda url: url != first)
    press(page, "k")
    page.wait_for_url(first)

    assert watched.is_clean()


def test_everything_works_without_scripts(browser: Browser, filled: Stack) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = sign_in(context, filled, runs_scripts=False).page

    page.get_by_text("Filter", exact=True).click()
    page.get_by_label("Field").select_option("model.id")
    page.get_by_label("Value").fill("gpt-4o-mini")
    page.get_by_role("button", name="Add filter").click()
    expect(page.get_by_text("model is gpt-4o-mini")).to_be_visible()
    page.get_by_role("link", name="Next").click()
    page.locator("tr[data-row] .row-link").first.click()
    page.get_by_label("Name of the score").fill("plain")
    page.get_by_label("Number or label").fill("good")
    page.get_by_role("button", name="Score").click()

    expect(page.locator("#scores")).to_contain_text("good")
    context.close()


@pytest.fixture(scope="module")
def everything(browser: Browser, filled: Stack) -> list[str]:
    """The paths of all pages, of a project that has something in every room."""
    context = browser.new_context()
    made = pages.addresses(pages.furnish(filled, sign_in(context, filled).page))
    context.close()
    return made


@pytest.mark.parametrize("width", [1440, 390])
def test_every_page_fits_its_window_in_both_themes(
    browser: Browser, filled: Stack, everything: list[str], width: int
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900})
    entrance = context.new_page()
    entrance.goto(f"{filled.url}/login/")
    wrong = {"login": seen(entrance, "login", width)}
    watched = sign_in(context, filled)
    page = watched.page
    watched.may_fail = True  # the filter that is wrong on purpose, and what is gone

    for path in everything:
        page.goto(f"{filled.url}{path}")
        settled(page)
        wrong[path] = seen(page, path.removeprefix("/projects/default"), width)

    # What is shown once only: a key, and the link of an invitation with the page that it leads to.
    page.goto(f"{filled.url}/projects/default/settings/keys/")
    page.get_by_label("Name", exact=True).fill(f"Key of a test, {width}")
    page.get_by_role("button", name="Make a key").click()
    expect(page.get_by_text("Copy it now")).to_be_visible()
    wrong["the new key"] = seen(page, "the new key", width)
    page.goto(f"{filled.url}/projects/default/settings/members/")
    page.get_by_role("button", name="Make a link").click()
    invitation = page.locator(".new-key pre").inner_text()
    page.goto(invitation)
    wrong["join"] = seen(page, "join", width)
    assert {path: found for path, found in wrong.items() if found} == {}
    assert watched.is_clean()
    context.close()


def seen(page: Page, name: str, width: int) -> list[str]:
    """Keep pictures of the page, in the light and in the dark; returns what is wrong with it."""
    name = re.sub("[^a-z0-9]+", "-", re.sub("[0-9a-f-]{36}", "id", name))[:60].strip("-")
    wrong: list[str] = []
    for theme, background in (("light", "rgb(255, 255, 255)"), ("dark", "rgb(19, 20, 23)")):
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        wrong += page.evaluate(UNREADABLE)
        if page.evaluate("getComputedStyle(document.documentElement).backgroundColor") != background:
            wrong.append(f"not {theme}")
        keep(page, f"{name}-{theme}-{width}")
    if page.evaluate("document.documentElement.scrollWidth") > width:
        wrong.append("wider than the window")
    wrong += violations(page, but=() if width == 1440 else ("color-contrast",))
    wrong += page.evaluate(UNANNOUNCED)
    wrong += page.evaluate(COVERED)
    if width == 390:
        # What a window of 1440 pixels has left when a person makes everything twice as large.
        page.set_viewport_size({"width": 720, "height": 450})
        wrong += page.evaluate(CUT_OFF)
        if page.evaluate("document.documentElement.scrollWidth") > 720:
            wrong.append("wider than the window at twice its size")
        page.set_viewport_size({"width": width, "height": 900})
    return wrong


def test_charts_are_drawn_however_late_their_script_comes(watched: Watched, filled: Stack) -> None:
    page = watched.page

    def late(route: Route) -> None:
        time.sleep(1.5)
        route.continue_()

    page.route("**/uplot.min.js", late)
    page.goto(f"{filled.url}/projects/default/dashboard/")
    settled(page)
    expect(page.locator("[data-chart] canvas").first).to_be_visible()
    assert watched.is_clean()


def test_charts_change_their_colours_with_the_system(watched: Watched, filled: Stack) -> None:
    page = watched.page
    page.emulate_media(color_scheme="light")
    page.goto(f"{filled.url}/projects/default/dashboard/")
    settled(page)
    canvas = page.locator("[data-chart] canvas").first
    expect(canvas).to_be_visible()
    light = canvas.evaluate("(canvas) => canvas.toDataURL()")

    page.emulate_media(color_scheme="dark")
    page.wait_for_function("(light) => document.querySelector('[data-chart] canvas').toDataURL() !== light", arg=light)
    page.emulate_media(color_scheme="light")
    page.wait_for_function("(light) => document.querySelector('[data-chart] canvas').toDataURL() === light", arg=light)

    assert watched.is_clean()


def test_a_moment_says_what_the_clock_of_its_reader_shows(browser: Browser, filled: Stack) -> None:
    context = browser.new_context(timezone_id="Asia/Kathmandu")
    watched = sign_in(context, filled)
    moment = watched.page.locator("tr[data-row] time").first
    utc = dt.datetime.fromisoformat(moment.get_attribute("datetime") or "")
    there = utc.astimezone(zoneinfo.ZoneInfo("Asia/Kathmandu"))

    moment.hover()
    moment.hover()

    expect(moment).to_have_attribute("title", re.compile(f"UTC, {there:%Y-%m-%d %H:%M:%S} [^,]+ where you are$"))
    assert watched.is_clean()
    context.close()


def test_what_is_printed_is_dark_on_white_whole_and_without_buttons(watched: Watched, filled: Stack) -> None:
    page = watched.page
    page.emulate_media(color_scheme="dark", media="print")

    page.goto(f"{filled.url}/projects/default/generations/trip/")

    html = page.locator("html")
    expect(html).to_have_css("background-color", "rgb(255, 255, 255)")
    assert page.evaluate(UNREADABLE) == []
    expect(page.locator(".answer strong")).to_have_text("Museu do Azulejo")
    expect(page.get_by_text("Open in playground")).to_be_hidden()
    expect(page.locator("nav.side-nav")).to_be_hidden()
    assert page.locator("main button:visible").count() == 0

    # Nothing of a table is beyond the edge of a sheet of A4, where nobody can scroll to it.
    with filled.client() as client:
        assert client.post("/api/generations", json={"id": "x" * 600}).status_code == 422
        client.post(
            "/api/steps/batch", json=[{"name": f"step {n}", "threadId": "t" * 90} for n in range(3)]
        ).raise_for_status()
    page.set_viewport_size({"width": 794, "height": 1123})
    for place in ("generations", "steps", "threads", "settings/ingestion"):
        page.goto(f"{filled.url}/projects/default/{place}/")
        assert page.evaluate("document.documentElement.scrollWidth") <= 794, place
    assert watched.is_clean()


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize(
    ("before", "chosen", "colour"), [("light", "Dark", "rgb(19, 20, 23)"), ("dark", "Light", "rgb(255, 255, 255)")]
)
def test_the_theme_that_is_chosen_stays(
    watched: Watched, width: int, before: Literal["light", "dark"], chosen: str, colour: str
) -> None:
    page = watched.page
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=before)
    if width < 800:
        page.locator(".burger").click()

    page.locator(".side-bottom summary").click()
    page.get_by_role("button", name=chosen).click()

    expect(page.locator(f"html[data-theme={chosen.lower()}]")).to_have_css("background-color", colour)
    page.reload()
    expect(page.locator(f"html[data-theme={chosen.lower()}]")).to_have_css("background-color", colour)
    assert watched.is_clean()
