"""A person at a browser: long conversations whole, on the screen and on paper; lists by ear and on a phone; triage."""

from __future__ import annotations

import re
import uuid
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, expect

from tests.browsing import IN_A_BROWSER, Watched, press, sign_in, violations
from tests.stack import Stack

pytestmark = IN_A_BROWSER


def test_a_long_conversation_is_opened_at_once_and_printed_whole(watched: Watched, filled: Stack) -> None:
    page = watched.page
    page.goto(f"{filled.url}/projects/default/generations/a%20long~2Fone%3F/")

    # Paper has no links: it says what is not on it.
    page.emulate_media(media="print")
    expect(page.get_by_text("72 messages in between were not shown when this was printed.")).to_be_visible()
    expect(page.locator(".gap a").first).to_be_hidden()
    page.emulate_media(media="screen")
    expect(page.get_by_text("72 messages in between were not")).to_be_hidden()

    page.get_by_role("link", name="Show all", exact=True).click()

    expect(page.locator(".gap")).to_have_count(0)
    for n in range(4, 76):
        expect(page.get_by_text(f"Turn {n}. x")).to_have_count(1)
    assert watched.is_clean()


def test_what_is_pressed_in_a_row_says_of_which_row_it_is(watched: Watched, filled: Stack) -> None:
    page = watched.page
    page.goto(f"{filled.url}/projects/default/settings/retention/")
    for where in ("hasError=true", "model.id=gpt-4o"):
        page.get_by_label("Where").first.fill(where)
        page.get_by_label("After days").fill("900")
        page.get_by_role("button", name="Add the rule").click()
        page.wait_for_load_state()

    # The words that are seen come first; what a title explains stays a description.
    earlier = page.get_by_role("button", name="Earlier: Text of generations, model is gpt-4o")
    expect(earlier).to_have_accessible_description("Let it decide before the rule above it")
    for where in ("failed", "model is gpt-4o"):
        remove = page.locator(f"summary[aria-label='Remove: Text of generations, {where}']")
        expect(remove).to_have_count(1)
        remove.focus()
        press(page, "Enter")
        expect(page.get_by_role("button", name=f"Remove it: Text of generations, {where}")).to_be_focused()
        press(page, "Enter")
        expect(remove).to_have_count(0)
    assert watched.is_clean()


def test_on_a_phone_what_is_unknown_of_a_call_takes_no_room(browser: Browser, filled: Stack) -> None:
    own = uuid.uuid4().hex[:8]
    documents = [
        {"id": f"{own}-no", "name": own, "prompt": "a", "completion": "b"},
        {"id": f"{own}-all", "name": own, "prompt": "a", "completion": "b", "usage": {"totalTokens": 12345}},
    ]
    with filled.client() as client:
        assert client.post("/api/generations/batch", json=documents).status_code == 200
    context = browser.new_context(viewport={"width": 390, "height": 900})
    watched = sign_in(context, filled)
    page = watched.page

    page.goto(f"{filled.url}/projects/default/generations/?name={own}")

    expect(page.locator("tr[data-row]")).to_have_count(2)
    expect(page.locator("tr[data-row] .c-usage:visible")).to_have_text(["12,345 —"])
    expect(page.locator("tr[data-row] .c-times:visible")).to_have_count(0)
    assert watched.is_clean()
    context.close()


def test_triage_shows_what_failed_beside_any_text_and_is_read_by_ear(watched: Watched, filled: Stack) -> None:
    page = watched.page
    page.emulate_media(reduced_motion="reduce")
    with filled.client() as client:
        long = {"id": uuid.uuid4().hex, "prompt": "x" * 90, "completion": "y\n" * 500, "error": "Rate limit " * 9}
        assert client.post("/api/generations", json=long).status_code == 201
    page.goto(f"{filled.url}/admin/generations/generation/")
    # By its address: other tests of this worker may have made projects that come first.
    page.locator("#content tr", has=page.get_by_role("cell", name="default", exact=True)).get_by_role("link").click()
    page.get_by_role("link", name=long["id"]).wait_for()

    # Django draws the label of its search as a picture.
    assert violations(page, but=["label-title-only"]) == []
    # A text without a blank leaves the error its place on the screen.
    assert page.evaluate("document.querySelector('.column-input_line').offsetWidth") < 400
    page.get_by_role("link", name=long["id"]).click()
    expect(page.locator(".readonly pre").first).to_be_visible()
    assert violations(page) == []


def test_items_of_a_list_stand_at_their_marks_whichever_way_they_run(watched: Watched, filled: Stack) -> None:
    page, id = watched.page, uuid.uuid4().hex
    with filled.client() as client:
        said = {"role": "assistant", "content": "# الطقس\n\n- مشمس في القاهرة\n- 30 C\n\n```python\nprint('حار')\n```"}
        assert client.post("/api/generations", json={"id": id, "messageCompletion": said}).status_code == 201
    page.goto(f"{filled.url}/projects/default/generations/{id}/")

    expect(page.locator(".prose li")).to_have_count(2)
    for item in page.locator(".prose li").all():
        expect(item).to_have_css("text-align", "right")
    # A program runs from left to right whatever language it is explained in.
    expect(page.locator(".prose pre")).to_have_css("direction", "ltr")


def test_what_was_sent_stands_below_a_long_trace_without_scrolling_past_it(watched: Watched, filled: Stack) -> None:
    page, id = watched.page, uuid.uuid4().hex
    trace = "Traceback (most recent call last):\n" + "  File 'a.py', line 1, in run\n" * 200 + "Boom: too much"
    failed = {"error": "Boom", "errorDetail": trace}
    with filled.client() as client:
        call = {"id": id, "prompt": "What was sent", **failed}
        step = {"id": id, "type": "tool", "input": "What was sent", **failed}
        assert client.post("/api/generations", json=call).status_code == 201
        assert client.post("/api/steps/batch", json=[step]).status_code == 200

    for room in ("generations", "steps"):
        page.goto(f"{filled.url}/projects/default/{room}/{id}/")
        expect(page.locator("#error pre")).to_contain_text("Boom")
        # Of two tabs with calls of one model each says which it is.
        expect(page).to_have_title(re.compile(id))
        expect(page.get_by_text("What was sent", exact=True)).to_be_in_viewport()
        # It is scrolled by keyboard, and paper has all of it.
        page.locator("#error pre").focus()
        press(page, "End")
        page.wait_for_function("() => document.querySelector('#error pre').scrollTop > 1000")
        page.emulate_media(media="print")
        assert page.locator("#error pre").evaluate("(one) => one.scrollHeight === one.clientHeight")
        page.emulate_media(media="screen")
    assert watched.is_clean()


def test_long_names_and_numbers_leave_every_column_its_place(watched: Watched, filled: Stack) -> None:
    page, own = watched.page, uuid.uuid4().hex[:8]
    long = f"{own} " + "of a long name " * 9
    score = {"name": "s" * 90, "value": -1_000_000}
    told = {"name": long, "threadId": long, "metadata": {"userId": long, "tags": [own, "t" * 90]}}
    call = {"id": own, "scores": [score], "usage": {"totalTokens": 1_234_567_890}, "prompt": "x" * 90, **told}
    steps = [{"id": own, "type": "tool", "input": "x" * 90, "output": "y" * 90, **told}]
    with filled.client() as client:
        assert client.post("/api/generations", json=call).status_code == 201
        assert client.post("/api/steps/batch", json=steps).status_code == 200
        # Of whom something is known there are facets, and less place.
        about = client.put(f"/api/participants/{quote(long)}", json={"metadata": {"plan": "pro"}})
        assert about.status_code in (200, 201)

    for room in ("generations", "steps", "threads", "users"):
        page.goto(f"{filled.url}/projects/default/{room}/")
        expect(page.get_by_text(own).first).to_be_visible()
        table = page.locator(".table-wrap")
        assert table.evaluate("(one) => one.scrollWidth <= one.clientWidth"), room
    page.goto(f"{filled.url}/projects/default/generations/")
    assert page.locator(".score-mark b", has_text="-1,000,000").evaluate("(b) => b.scrollWidth <= b.clientWidth")
    page.goto(f"{filled.url}/projects/default/dashboard/?name={quote(long)}")
    tokens = page.locator(".tile-value", has_text="1,234,567,890")
    assert tokens.evaluate("(one) => one.offsetHeight") == page.locator(".tile-value").first.evaluate(
        "(one) => one.offsetHeight"
    )
    assert watched.is_clean()


def test_the_next_page_is_read_from_its_first_row(watched: Watched, filled: Stack) -> None:
    page = watched.page
    page.goto(f"{filled.url}/projects/default/generations/?limit=25")

    page.get_by_role("link", name="Next").click()

    expect(page).to_have_url(re.compile("after="))
    expect(page.locator("tr[data-row]").first).to_be_in_viewport()
    # Who pages by keyboard stays at what leads on.
    expect(page.get_by_role("link", name="Next")).to_be_focused()
    assert watched.is_clean()


def test_a_group_has_one_colour_in_every_chart_whatever_its_rank(watched: Watched, filled: Stack) -> None:
    own = uuid.uuid4().hex[:8]
    # Most calls are beta's, most failures alpha's, and nobody knows whose some are.
    customers = ["beta"] * 5 + ["alpha"] * 3 + ["gamma"] * 4 + [""] * 2
    documents = [
        {"name": own, "prompt": "a", "metadata": {"customer": who} if who else {}} | ({"error": "No"} if fails else {})
        for who in customers
        for fails in ((True, True) if who == "alpha" else (False, who == "gamma"))
    ]
    with filled.client() as client:
        assert client.post("/api/generations/batch", json=documents).status_code == 200
    page = watched.page
    page.goto(f"{filled.url}/projects/default/dashboard/?from=now-1h&name={own}&by=metadata.customer")

    ranked: list[dict[str, str]] = []
    for title in ("Generations", "Errors"):
        legend = page.get_by_role("region", name=title, exact=True).locator(".legend")
        expect(legend.get_by_text("alpha")).to_be_visible()
        ranked.append(
            legend.evaluate(
                "(one) => Object.fromEntries([...one.querySelectorAll('li:has(.legend-mark)')].map((item) => "
                "[item.querySelector('.truncate').textContent, item.querySelector('.legend-mark').style.background]))"
            )
        )

    assert [next(iter(one)) for one in ranked] == ["beta", "alpha"]
    assert ranked[0] == ranked[1]
    assert len(set(ranked[0].values())) == 4
    assert ranked[0]["none"] == "var(--quiet)"
    assert watched.is_clean()


COLOURED = """(canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let found = 0;
  for (let n = 0; n < data.length; n += 4) {
    if (data[n + 3] > 200 && Math.max(...data.slice(n, n + 3)) - Math.min(...data.slice(n, n + 3)) > 60) found++;
  }
  return found;
}"""


@pytest.mark.parametrize("time", ["from=now-80h", "from=2026-03-03T10:20:00Z&timestamp__lt=2026-03-03T10:20:30Z"])
def test_a_value_alone_in_its_time_is_drawn(watched: Watched, filled: Stack, time: str) -> None:
    own = uuid.uuid4().hex[:8]
    documents = [{"name": own, "performance": {"latency": 1.5}}]
    documents.append({**documents[0], "timestamp": "2026-03-03T10:20:00Z"})
    with filled.client() as client:
        assert client.post("/api/generations/batch", json=documents).status_code == 200
    watched.page.goto(f"{filled.url}/projects/default/dashboard/?{time}&name={own}")

    chart = watched.page.get_by_role("region", name="Latency", exact=True)

    expect(chart.locator(".legend")).to_contain_text("p50")
    assert chart.locator("canvas").evaluate(COLOURED) > 10
    assert watched.is_clean()
