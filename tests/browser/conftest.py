"""What tests in a browser share: the browser, a copy with calls in it, and a watched page of its owner."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest
from playwright.sync_api import Browser, Error, sync_playwright

from tests.browsing import CHROMIUM, CONVERSATION, Watched, sign_in
from tests.stack import Stack


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell of a test that failed what its pages show: "not found within 30 s" does not say what was there instead."""
    report = yield
    browser = getattr(item, "funcargs", {}).get("browser")
    if report.when == "call" and report.failed and isinstance(browser, Browser):
        for page in [page for context in browser.contexts for page in context.pages]:
            try:
                said = page.locator("body").inner_text(timeout=5_000)
            except Error as error:
                said = str(error)
            report.sections.append((f"the page {page.url}", said[:5_000]))
    return report


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield started
        started.close()


@pytest.fixture(scope="session")
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


@pytest.fixture
def watched(browser: Browser, filled: Stack) -> Iterator[Watched]:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, accept_downloads=True)
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=filled.url)
    yield sign_in(context, filled)
    context.close()
