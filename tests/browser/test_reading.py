"""A person reads at a browser: a call, the tree it was made in and its thread, each at its extreme size."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.browsing import IN_A_BROWSER, UNREADABLE, Watched, press, sign_in
from tests.stack import Stack

pytestmark = IN_A_BROWSER

NOON = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
STEPS = 4_000
DEEP = 130
LONG = "L" * 300
EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)> \u202edaer \x1b[31m ![y](http://evil.example/p.png)"


def moment(milliseconds: float) -> str:
    return (NOON + dt.timedelta(milliseconds=milliseconds)).isoformat()


def step(n: int) -> dict[str, Any]:
    """The nth step of a trace of which the first `DEEP` are below each other."""
    parent = f"deep-{n - 1}" if n < DEEP else f"deep-{n * 7919 % (n // 6)}"
    said: dict[str, Any] = {
        "id": f"deep-{n}",
        "type": "tool",
        "name": f"step {n}",
        "traceId": "f" * 120,
        "threadId": "deep",
    }
    said |= {"timestamp": moment(7 * n), "endTimestamp": moment(7 * n + 900), "input": {"asked": n}}
    return said | ({"parentId": parent} if n else {}) | ({"error": "It broke"} if n == 777 else {})


TOGETHER: list[dict[str, Any]] = [
    {
        "id": f"row-{n}",
        "timestamp": moment(n),
        "name": f"read-{n}",
        "model": {"id": "gpt-4o", "provider": "openai"},
        "messages": [{"role": "user", "content": f"Question {n} of {{city}}"}],
        "messageCompletion": {"role": "assistant", "content": "Sunny"},
        "metadata": {"tags": ["to-read"], "rows": [{"n": k, "text": "long " * 60} for k in range(300)]},
        "stepId": "deep-5" if n == 0 else None,
    }
    for n in range(3)
]


@pytest.fixture(scope="module")
def read(live_stack: Stack) -> Stack:
    """The running copy with what is read here: a deep trace, a long thread, a large output, and what is hostile."""
    turns = [
        {
            "id": f"turn-{n}",
            "type": "user_message" if n % 2 == 0 else "assistant_message",
            "threadId": "long-thread",
            "timestamp": moment(n * 1000),
            "output": f"Line {n}",
        }
        for n in range(2000)
    ]
    calls = [
        *TOGETHER,
        {
            "id": "huge",
            "timestamp": moment(0),
            "model": {"id": "m"},
            "prompt": "x",
            "completion": "0123456789\n" * 1_900_000,
        },
        {
            "id": "word",
            "timestamp": moment(0),
            "model": {"id": "m"},
            "prompt": "W" * 1_000_000,
            "completion": "w" * 1_000_000,
        },
        {
            "id": "evil",
            "timestamp": moment(0),
            "name": EVIL,
            "model": {"id": EVIL},
            "threadId": "evil",
            "messages": [{"role": "user", "content": EVIL}, {"role": "user", "content": "مرحبا\n\nשלום"}],
            "messageCompletion": {"role": "assistant", "content": f"{EVIL}\n\n| a | b |\n|---|---|\n| `1` | 2 |"},
        },
        {
            "id": "named",
            "timestamp": moment(0),
            "name": LONG,
            "model": {"id": LONG, "provider": LONG[:100]},
            "prompt": LONG,
            "error": LONG,
            "errorType": LONG,
            "threadId": "named",
            "variables": {LONG[:60]: LONG},
            "tools": [{"type": "function", "function": {"name": LONG[:100], "description": LONG}}],
            "metadata": {"userId": LONG[:200], "tags": [LONG[:60]], LONG[:90]: LONG},
            "scores": [{"name": LONG[:60], "value": 0.5}],
        },
    ]
    with live_stack.client() as client:
        for path, documents in (("steps", [*map(step, range(STEPS)), *turns]), ("generations", calls)):
            for first in range(0, len(documents), 1000):
                answer = client.post(f"/api/{path}/batch", json=documents[first : first + 1000])
                assert answer.status_code in (200, 201, 207), answer.text[:500]
                assert answer.json()["counts"]["rejected"] == 0, answer.text[:500]
    return live_stack


@pytest.fixture
def watched(browser: Browser, read: Stack) -> Iterator[Watched]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=read.url)
    yield sign_in(context, read)
    context.close()


def test_a_result_is_stepped_through_and_a_call_copied_as_a_program(watched: Watched, read: Stack) -> None:
    page = watched.page
    page.goto(f"{read.url}/projects/default/generations/?tag=to-read")
    page.locator("tr[data-row] .row-link").first.click()
    # To wait for an address is to wait until its page is loaded, and with it what listens to the keys.
    page.wait_for_url("**/generations/row-2/**")

    for n in (1, 0):
        press(page, "j")
        page.wait_for_url(f"**/generations/row-{n}/**")
        expect(page.get_by_role("heading", name=f"read-{n}")).to_be_visible()
    expect(page.get_by_text("Next", exact=True)).to_have_attribute("aria-disabled", "true")
    press(page, "k")
    page.wait_for_url("**/generations/row-1/**")

    page.locator("summary", has_text="Copy as").click()
    page.get_by_role("button", name="Python").click()
    expect(page.locator(".menu-line .copy.done")).to_have_count(1)
    assert '"content": "Question 1 of {city}"' in page.evaluate("navigator.clipboard.readText()")

    assert watched.is_clean()


def test_json_is_unfolded_by_the_server_and_each_part_has_its_address(watched: Watched, read: Stack) -> None:
    page = watched.page
    page.goto(f"{read.url}/projects/default/generations/row-1/?view=json")

    row = page.locator(".json > li", has=page.get_by_role("link", name="299", exact=True))
    page.get_by_role("link", name=re.compile("^2\\d\\d more$")).click()
    page.get_by_role("link", name=re.compile("^1\\d\\d more$")).click()
    expect(row).to_have_count(1)
    row.get_by_role("button").click()
    expect(page.locator(".json > li", has_text="long long")).not_to_have_count(0)
    row.get_by_role("link").click()
    expect(page).to_have_url(re.compile("at=%2Fmetadata%2Frows%2F299$"))
    expect(page.locator(".json > li")).to_have_count(2)

    assert watched.is_clean()


def test_a_trace_is_walked_searched_and_its_failure_found(watched: Watched, read: Stack) -> None:
    page = watched.page
    page.goto(f"{read.url}/projects/default/steps/deep-129/")
    current = page.locator(".tree-rows > li[aria-current]")
    expect(current).to_be_in_viewport()
    expect(current).to_contain_text("step 129")
    expect(page.get_by_text(f"{DEEP - 40} levels in between")).to_have_count(1)

    # Folded and unfolded; what was not there yet is fetched.
    page.goto(f"{read.url}/projects/default/steps/deep-0/")
    rows = page.locator(".tree-rows > li:visible")
    count = rows.count()
    page.locator(".tree-rows > li button.twist").first.click()
    expect(rows).to_have_count(1)
    page.locator(".tree-rows > li button.twist").first.click()
    expect(rows).to_have_count(count)
    page.locator(".tree-rows > li:has(button.twist[aria-expanded=false]) a").first.focus()
    press(page, "ArrowRight")
    expect(rows).not_to_have_count(count)
    more = rows.count()
    press(page, "ArrowLeft")
    expect(rows).to_have_count(count)
    press(page, "ArrowRight")
    expect(rows).to_have_count(more)

    # Searched, and emptied again.
    page.get_by_role("searchbox", name="Search in this tree").fill("step 3999")
    expect(rows).to_have_count(1)
    page.get_by_role("searchbox", name="Search in this tree").fill("")
    expect(rows).to_have_count(count)

    page.locator("h1").click()
    press(page, "e")
    expect(page.get_by_role("heading", name="step 777", exact=True)).to_be_visible()
    expect(page.locator("#error")).to_contain_text("It broke")
    assert watched.is_clean()


EXTREMES = [
    "generations/row-0/",
    "generations/huge/",
    "generations/word/",
    "generations/evil/",
    "generations/row-1/?view=json",
    "steps/deep-129/",
    "steps/deep-0/?view=json",
    "threads/long-thread/?order=-timestamp",
    "threads/evil/",
    "steps/gone/",
    "generations/named/",
    "generations/named/compare/?with=evil",
    "threads/named/",
    f"users/{LONG[:200]}/",
    "playground/?generation=named",
]


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_largest_and_the_worst_fit_their_window(browser: Browser, read: Stack, theme: str, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)  # type: ignore[arg-type]
    watched = sign_in(context, read)
    watched.may_fail = True  # the link that leads to nothing

    for path in EXTREMES:
        answer = watched.page.goto(f"{read.url}/projects/default/{path}")
        assert answer is not None
        assert len(answer.body()) <= 150_000, path
        assert watched.page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert watched.page.evaluate(UNREADABLE) == [], path

    assert watched.is_clean()
    context.close()


def test_names_of_variables_stand_on_one_line(browser: Browser, filled: Stack) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = sign_in(context, filled).page
    page.goto(f"{filled.url}/projects/default/generations/trip/")

    name = page.locator("#variables th .var").first

    expect(name).to_have_text("city")
    assert name.evaluate("(one) => one.getBoundingClientRect().width > one.getBoundingClientRect().height")
    context.close()
