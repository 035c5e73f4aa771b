"""A person at the real interface of Chainlit in a browser, and what our pages show of it then."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, FilePayload, Locator, Page, expect, sync_playwright

from tests.browsing import CHROMIUM, IN_A_BROWSER, PATIENCE
from tests.stack import Stack

KEY = "sk-the-own-key-of-this-user"
DRAWING = b"<svg xmlns='http://www.w3.org/2000/svg' width='20' height='10'><script>alert(1)</script></svg>"

pytestmark = IN_A_BROWSER


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def chat(browser: Browser, chainlit: str) -> Iterator[Page]:
    """Chainlit with a person signed in, who has brought a key and asked one question with a picture."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    # Its fonts are from elsewhere: where there is no network, its pages would wait for them.
    context.route(re.compile("^https:"), lambda route: route.abort())
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(chainlit)
    page.locator("#email").fill("eve")
    page.locator("#password").fill("pw")
    page.keyboard.press("Enter")
    page.locator("#OPENAI_API_KEY").fill(KEY)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Welcome")).to_be_visible()
    drawing: FilePayload = {"name": "mine.svg", "mimeType": "image/svg+xml", "buffer": DRAWING}
    page.locator("input[type=file]").first.set_input_files(drawing)
    expect(page.get_by_alt_text("mine.svg")).to_be_visible()
    say(page, "How is the sky?")
    yield page
    context.close()


@pytest.fixture(scope="module")
def ours(browser: Browser, live_stack: Stack) -> Iterator[Page]:
    """A browser with the owner signed in to our pages."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(f"{live_stack.url}/login/")
    page.get_by_label("User name").fill(live_stack.username)
    page.get_by_label("Password").fill(live_stack.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Generations")).to_be_visible()
    yield page
    context.close()


def say(page: Page, text: str) -> None:
    """Send a message and wait for the answer, with its buttons below it."""
    page.locator("#chat-input").fill(text)
    page.locator("#chat-submit").click()
    expect(page.get_by_text(f"You said {text}")).to_be_visible()
    expect(last_answer(page).locator(".positive-feedback-off")).to_be_visible()


def last_answer(page: Page) -> Locator:
    return page.locator("[data-step-type='assistant_message']").last


def thread_of(page: Page) -> str:
    page.wait_for_url(re.compile("/thread/"))
    return page.url.rpartition("/")[2]


def project_id(stack: Stack) -> str:
    """What the clients ask for to build such links."""
    answer = httpx.post(f"{stack.url}/api/my-project", json={}, headers={"x-api-key": stack.api_key})
    return str(answer.json()["projectId"])


def votes(stack: Stack, thread: str) -> list[tuple[Any, ...]]:
    """The end user's votes in a thread: name, value, comment and who gave them."""
    with stack.client() as client:
        found = client.get("/api/steps", params={"threadId": thread, "limit": 100}).json()["data"]
    given = [score for step in found for score in step.get("scores", ())]
    return [(score["name"], score["type"], score["value"], score.get("comment")) for score in given]


def voted(stack: Stack, thread: str, *wanted: tuple[Any, ...]) -> None:
    """Wait until these are the votes in a thread: Chainlit may show one before it is kept."""
    deadline = time.monotonic() + 120
    while (found := votes(stack, thread)) != list(wanted):
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


def drawn(page: Page, name: str) -> list[Any]:
    """Where an image is from, and how wide and high the browser has drawn it."""
    image = page.get_by_alt_text(name).first
    image.scroll_into_view_if_needed()
    page.wait_for_function("image => image.complete && image.naturalWidth > 0", arg=image.element_handle())
    source, *size = image.evaluate("image => [image.src, image.naturalWidth, image.naturalHeight]")
    return [source[: source.index("/files/") + 7], *size]


def in_history(page: Page, name: str) -> Locator:
    return page.locator("#thread-history [data-sidebar='menu-item']").filter(has_text=name)


def choose(page: Page, name: str, action: str) -> None:
    """Something from the menu of a chat in the history."""
    in_history(page, name).hover()
    in_history(page, name).locator("#thread-options").click()
    page.get_by_role("menuitem", name=action).click()


def test_a_chat_is_resumed_with_its_messages_and_files(chat: Page, live_stack: Stack, chainlit: str) -> None:
    asked: list[str] = []
    chat.on("response", lambda response: asked.append(f"{response.status} {response.url}"))
    thread = thread_of(chat)

    chat.goto(chainlit)
    in_history(chat, "How is the sky?").click()
    expect(chat.get_by_text("You said How is the sky?")).to_be_visible()

    assert thread_of(chat) == thread
    expect(chat.get_by_text("Welcome")).to_be_visible()
    # Chainlit's pages are of another origin: that both images are drawn says that they may be.
    assert drawn(chat, "square") == [f"{live_stack.url}/files/", 40, 30]
    assert drawn(chat, "mine.svg") == [f"{live_stack.url}/files/", 20, 10]
    expect(chat.locator(".inline-text")).to_contain_text("of an element")
    link = chat.locator("a.inline-file")
    assert link.get_attribute("download") == "drawing.svg"
    with chat.expect_download() as download:
        link.click()
    assert download.value.suggested_filename == "drawing.svg"
    assert all(line.startswith("200 ") for line in asked if live_stack.url in line)
    say(chat, "Do you know what was resumed?")
    expect(chat.get_by_text("Before: ['Welcome', 'You said How is the sky?']")).to_be_visible()


def test_a_vote_and_its_comment_are_kept_changed_and_taken_back(chat: Page, live_stack: Stack) -> None:
    thread = thread_of(chat)
    answer = last_answer(chat)

    answer.locator(".positive-feedback-off").click()
    chat.get_by_role("dialog").locator("textarea").fill("Well said")
    chat.locator("#submit-feedback").click()
    expect(answer.locator(".positive-feedback-on")).to_be_visible()
    voted(live_stack, thread, ("user-feedback", "HUMAN", 1, "Well said"))

    answer.locator(".negative-feedback-off").click()
    chat.locator("#submit-feedback").click()
    expect(answer.locator(".negative-feedback-on")).to_be_visible()
    # Nothing was typed with the change: null leaves what was said.
    voted(live_stack, thread, ("user-feedback", "HUMAN", 0, "Well said"))

    answer.locator(".negative-feedback-on").click()
    expect(answer.locator(".negative-feedback-off")).to_be_visible()
    voted(live_stack, thread)


def test_the_debug_link_leads_to_the_answer_on_our_page_of_the_thread(
    chat: Page, ours: Page, live_stack: Stack, chainlit: str
) -> None:
    thread = thread_of(chat)
    if not chat.get_by_text("Before: [").count():
        # Not resumed yet: the tests before this one may have run elsewhere.
        chat.goto(chainlit)
        in_history(chat, "How is the sky?").click()
        expect(chat.get_by_text("You said How is the sky?")).to_be_visible()
        say(chat, "Do you know what was resumed?")
    expect(last_answer(chat)).to_contain_text("Before: ['Welcome', 'You said How is the sky?']")
    link = last_answer(chat).locator("a[href*='currentStepId=']").get_attribute("href") or ""
    step = link.rpartition("=")[2]

    assert link == f"{live_stack.url}/projects/{project_id(live_stack)}/logs/threads/{thread}?currentStepId={step}"
    ours.goto(link)

    assert ours.url == f"{live_stack.url}/projects/default/threads/{thread}/?currentStepId={step}#current"
    deadline = time.monotonic() + 120
    while not ours.locator("article.current").count() and time.monotonic() < deadline:
        ours.wait_for_timeout(500)  # Chainlit shows an answer before it sends it
        ours.reload()
    expect(ours.locator("article.current")).to_contain_text("Before: ['Welcome', 'You said How is the sky?']")
    expect(ours.locator("article.current")).to_be_in_viewport()
    ours.goto(f"{live_stack.url}/projects/default/threads/{thread}/")
    expect(ours.locator(".message.user")).to_have_text(
        [re.compile("eve.*How is the sky", re.S), re.compile("Do you know")]
    )
    expect(ours.locator(".message.assistant .prose").first).to_have_text("Welcome")
    expect(ours.locator("details.aside-line", has_text="weather")).to_have_count(2)
    assert drawn(ours, "square") == [f"{live_stack.url}/files/", 40, 30]
    expect(ours.get_by_role("link", name="mine.svg")).to_be_visible()
    expect(ours.get_by_text('{"OPENAI_API_KEY":"***"}')).to_be_visible()
    assert KEY not in ours.content()


COMPLETION = """completion / The line was cut / This is a variable1 variable1 value / The openai completion /
    gpt-3.5-turbo / openai / 2.00 s / 120 ms / 2.0 tokens/s / 3 tokens / 4 tokens / Total 7 tokens / seed /
    variable1 variable1 value /
    variable2 variable2 value / weather The weather of a city / temperature 0 / top_p 0.5 / stop ["END"]"""
CHAT = """chat / Be brief. / How is variable1 value? / {"city": "Lisbon"} / {"sky": "clear"} / The sky is
    clear. / gpt-4o openai / 2.00 s / 120 ms / 2.0 tokens/s / 3 tokens / 4 tokens / Total 7 tokens / seed /
    variable1 variable1 value / variable2 variable2 value / weather The weather of a city / temperature 0.25 / n 1"""


@pytest.mark.parametrize(("name", "expected"), [("Completes", COMPLETION), ("Chats", CHAT)])
def test_our_page_of_a_generation_shows_every_attribute_of_it(
    chat: Page, ours: Page, live_stack: Stack, name: str, expected: str
) -> None:
    ours.goto(f"{live_stack.url}/projects/default/generations/?threadId={thread_of(chat)}")
    ours.locator("tr[data-row]", has_text=name).first.locator(".row-link").click()
    expect(ours.get_by_role("heading", name=name)).to_be_visible()
    ours.wait_for_load_state()  # the heading is there before what is below it

    said = " ".join(ours.locator("main").inner_text().split())
    missing = [part for part in re.split(r"\s+/\s+", " ".join(expected.split())) if _plain(part) not in _plain(said)]
    assert missing == [], said


def _plain(text: str) -> str:
    return re.sub(r"[\s{}]+", "", text)


def test_no_page_and_no_answer_of_ours_shows_the_users_key(live_stack: Stack, ours: Page, chat: Page) -> None:
    thread = thread_of(chat)
    with live_stack.client() as client:
        # Chainlit writes what it keeps of a user when they leave; a busy machine may need it twice.
        deadline = time.monotonic() + 240
        while "OPENAI_API_KEY" not in (threads := client.get("/api/threads", params={"id": thread}).text):
            assert time.monotonic() < deadline, threads
            chat.reload()
            expect(chat.get_by_text("You said How is the sky?")).to_be_visible()
        query = {"query": "{ threads(first: 50) { nodes { id metadata } } }"}
        answered = client.post("/graphql/", json=query).text
    address = f"{live_stack.url}/projects/default/threads"
    pages = [ours.request.get(f"{address}{path}").text() for path in (f"/{thread}/", "/", ".csv")]

    assert '"OPENAI_API_KEY":"***"' in threads.replace(" ", "")
    assert "OPENAI_API_KEY" in answered
    assert [text for text in (threads, answered, *pages) if KEY in text] == []


def test_a_chat_is_found_renamed_and_deleted(chat: Page, live_stack: Stack, chainlit: str) -> None:
    chat.goto(chainlit)
    expect(chat.get_by_text("Welcome")).to_be_visible()
    say(chat, "Forget this soon")
    thread = thread_of(chat)

    chat.locator("#search-chats-button").click()
    found = chat.get_by_role("dialog").get_by_role("option")
    expect(found).to_have_count(2)
    chat.keyboard.type("said Forget this")
    expect(found).to_have_count(1)
    expect(found).to_have_text("Forget this soon")
    chat.keyboard.press("Escape")
    expect(chat.get_by_role("dialog")).to_have_count(0)

    choose(chat, "Forget this soon", "Rename")
    chat.get_by_role("dialog").get_by_label("Name").fill("Renamed by Eve")
    chat.get_by_role("dialog").get_by_role("button", name="Confirm").click()
    expect(in_history(chat, "Renamed by Eve")).to_be_visible()
    with live_stack.client() as client:
        renamed = client.get("/api/threads", params={"id": thread}).json()["data"]

        chat.reload()
        choose(chat, "Renamed by Eve", "Delete")
        chat.get_by_role("alertdialog").get_by_role("button", name="Confirm").click()
        expect(in_history(chat, "Renamed by Eve")).to_have_count(0)
        left = [
            client.get("/api/threads", params={"id": thread}).json()["data"],
            *(
                client.get(f"/api/{kind}", params={"threadId": thread}).json()["data"]
                for kind in ("steps", "generations")
            ),
        ]

    assert [one["name"] for one in renamed] == ["Renamed by Eve"]
    assert left == [[], [], []]
    chat.goto(chainlit)
    expect(in_history(chat, "How is the sky?")).to_be_visible()
    expect(in_history(chat, "Renamed by Eve")).to_have_count(0)
