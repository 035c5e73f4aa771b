"""A person at a browser: the main job from the login page to the downloaded file, and every page in both themes."""

from __future__ import annotations

import json
import re
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect, sync_playwright

from tests.stack import Stack

CHROMIUM = shutil.which("chromium")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed (apt-get install chromium)"),
]

ANSWER = "Go to the **Museu do Azulejo**.\n\n```python\nprint(1)\n```"
CONVERSATION = {
    "type": "chat",
    "name": "plan-trip",
    "model": {"id": "gpt-4o", "name": "GPT-4o", "provider": "openai"},
    "messages": [
        {"role": "system", "content": "You help travellers in Lisbon."},
        {"role": "user", "content": "What is open when it rains?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c1", "function": {"name": "find_museum", "arguments": '{"city": "Lisbon"}'}}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": '{"name": "Museu do Azulejo"}'},
    ],
    "messageCompletion": {
        "role": "assistant",
        "content": "Go to the **Museu do Azulejo**.\n\n```python\nprint(1)\n```",
    },
    "tools": [{"type": "function", "function": {"name": "find_museum", "description": "Museums that are open"}}],
    "variables": {"city": "Lisbon"},
    "usage": {"promptTokens": 1200, "completionTokens": 340, "totalTokens": 1540},
    "performance": {"latency": 3.2, "timeToFirstToken": 0.4},
    "metadata": {"userId": "user-7", "tags": ["travel"], "plan": "pro"},
    "threadId": "trip-1",
}


@dataclass
class Watched:
    """A page that notes what a person would not see: errors in the console, and requests to anywhere else."""

    page: Page
    host: str
    complaints: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    may_fail: bool = False

    def __post_init__(self) -> None:
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._asked)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not (self.may_fail and "Failed to load resource" in message.text):
            self.complaints.append(f"{self.page.url}: {message.text}")

    def _asked(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and parts.netloc != self.host:
            self.foreign.append(request.url)

    def is_clean(self) -> bool:
        """Whether nothing was complained of and nothing foreign was asked for."""
        assert self.complaints == []
        assert self.foreign == []
        return True


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def filled(live_stack: Stack) -> Stack:
    """The running copy with some calls in it: of them one in full, and one that failed."""
    with live_stack.client() as client:
        for document in (
            {**CONVERSATION, "id": "trip"},
            {
                "id": "a long/one?",
                "model": {"id": "gpt-4o"},
                "messages": [{"role": "user", "content": f"Turn {n}. {'x' * 3000}"} for n in range(100)],
                "completion": "".join(f"Line {n}\n" for n in range(20_000)),
            },
            {
                "id": "failed",
                "model": {"id": "gpt-4o"},
                "prompt": "Hello?",
                "error": "Rate limit reached",
                "threadId": "t",
            },
            *(
                {
                    "id": f"plain-{n}",
                    "model": {"id": "gpt-4o-mini"},
                    "prompt": f"Question {n}",
                    "completion": f"Reply {n}",
                }
                for n in range(60)
            ),
        ):
            answer = client.post("/api/generations", json=document)
            assert answer.status_code in (200, 201), answer.text
    return live_stack


def sign_in(context: BrowserContext, stack: Stack) -> Watched:
    """A watched page with the owner signed in."""
    watched = Watched(context.new_page(), urlsplit(stack.url).netloc)
    page = watched.page
    page.goto(f"{stack.url}/projects/default/generations/")
    page.get_by_label("User name").fill(stack.username)
    page.get_by_label("Password").fill(stack.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Generations")).to_be_visible()
    return watched


@pytest.fixture
def watched(browser: Browser, filled: Stack) -> Iterator[Watched]:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, accept_downloads=True)
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=filled.url)
    yield sign_in(context, filled)
    context.close()


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
    assert page.url.endswith("/generations/?performance.latency__gte=2")
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
    page.get_by_label("Name of a new dataset").fill(dataset)
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("#datasets a", has_text=dataset)).to_be_visible()
    assert page.url == address
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
    expect(row.get_by_role("link", name="Download")).to_be_visible(timeout=20_000)
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

    newest = page.locator("tr[data-row]").first.inner_text()
    page.get_by_role("link", name="Next").click()
    # How many there are depends on what other tests have sent to this copy.
    expect(page).to_have_url(re.compile("after="))
    expect(page.locator("tr[data-row]").first).not_to_have_text(newest)
    page.go_back()
    expect(page).not_to_have_url(re.compile("after="))
    expect(page.locator("tr[data-row]")).to_have_count(50)
    page.evaluate("window.stayed = true")
    page.keyboard.press("/")
    page.keyboard.type("Reply 33")
    page.keyboard.press("Enter")
    expect(page.locator("tr[data-row]")).to_have_count(1)

    assert page.url.endswith("?text=Reply+33")
    assert page.evaluate("window.stayed") is True
    assert watched.is_clean()


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

    page.keyboard.press("j")
    page.keyboard.press("j")
    second = page.locator("tr[data-row]").nth(1).locator(".row-link")
    expect(second).to_be_focused()
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Next")).to_be_visible()
    first = page.url
    page.keyboard.press("j")
    page.wait_for_url(lambda url: url != first)
    page.keyboard.press("k")
    page.wait_for_url(first)

    assert watched.is_clean()


def test_everything_works_without_scripts(browser: Browser, filled: Stack) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = sign_in(context, filled).page

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


PAGES = [
    "generations/",
    "generations/?model.id=gpt-4o&text=x",
    "generations/?model.idd=gpt-4o",
    "generations/trip/",
    "generations/trip/?view=json",
    "generations/failed/",
    "threads/",
    "threads/trip-1/",
    "steps/",
    "users/",
    "datasets/",
    "exports/",
    "settings/",
    "settings/keys/",
]


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_fits_its_window_in_both_themes(browser: Browser, filled: Stack, theme: str, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)  # type: ignore[arg-type]
    watched = sign_in(context, filled)
    watched.may_fail = True  # the filter that is wrong on purpose

    for path in PAGES:
        watched.page.goto(f"{filled.url}/projects/default/{path}")
        assert watched.page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert watched.page.evaluate(UNREADABLE) == [], path

    watched.page.get_by_label("Name", exact=True).fill(f"Key of a test, {theme}")
    watched.page.get_by_role("button", name="Make a key").click()
    expect(watched.page.get_by_text("Copy it now")).to_be_visible()
    assert watched.page.evaluate("document.documentElement.scrollWidth") <= width, "the new key"
    assert watched.page.evaluate(UNREADABLE) == [], "the new key"
    background = watched.page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert background == ("rgb(255, 255, 255)" if theme == "light" else "rgb(19, 20, 23)")
    assert watched.is_clean()
    context.close()


def test_the_theme_that_is_chosen_stays(watched: Watched) -> None:
    page = watched.page

    page.locator(".side-bottom summary").click()
    page.get_by_role("button", name="Dark").click()

    expect(page.locator("html[data-theme=dark]")).to_have_css("background-color", "rgb(19, 20, 23)")
    page.reload()
    expect(page.locator("html[data-theme=dark]")).to_have_css("background-color", "rgb(19, 20, 23)")
    assert watched.is_clean()


# Texts whose contrast with the nearest background behind them is below WCAG AA's 4.5 to 1.
UNREADABLE = """() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] > 0.99) return colour;
    }
    return rgba(getComputedStyle(document.documentElement).backgroundColor);
  };
  const found = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !element.checkVisibility()) continue;
    if (element.closest('[aria-disabled], script, style, noscript, title, option')) continue;
    const [a, b] = [light(rgba(getComputedStyle(element).color)), light(behind(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const name = `${element.className} ${walker.currentNode.textContent.trim().slice(0, 30)}`;
    if (contrast < 4.5) found.add(`${name}: ${contrast.toFixed(2)}`);
  }
  return [...found];
}"""
