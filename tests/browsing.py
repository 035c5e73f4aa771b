"""A person at a browser, for tests: signed in, watched for what nobody would see, photographed."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request, expect

from tests.stack import ROOT, Stack

# A machine that runs other tests beside this one is slow now and then.
PATIENCE: Final = 120_000
"""Milliseconds."""
expect.set_options(timeout=PATIENCE)

CHROMIUM: Final = shutil.which("chromium")
IN_A_BROWSER: Final = [
    pytest.mark.browser,
    pytest.mark.slow,
    # `make test` installs it, or says loudly that it could not; CI does not begin without.
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed (apt-get install chromium)"),
]
"""The marks of a file of browser tests."""
SCREENSHOTS: Final = ROOT / "screenshots"
"""Where pictures of pages are kept, for people to look at."""
AXE: Final = Path(__file__).with_name("browser") / "axe" / "axe.min.js"

# Nobody acts in the moment before a page's scripts run: until then nothing can be clicked, and `press` waits.
UNTIL_LOADED: Final = """
  const sheet = new CSSStyleSheet();
  sheet.replaceSync('body { pointer-events: none }');
  document.adoptedStyleSheets = [sheet];
  addEventListener('load', () => { document.adoptedStyleSheets = []; });
"""

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


def sign_in(context: BrowserContext, stack: Stack, *, runs_scripts: bool = True) -> Watched:
    """A watched page with the owner signed in."""
    context.set_default_timeout(PATIENCE)
    watched = Watched(context.new_page(), urlsplit(stack.url).netloc)
    page = watched.page
    if runs_scripts:
        page.add_init_script(UNTIL_LOADED)
    page.goto(f"{stack.url}/projects/default/generations/")
    page.get_by_label("User name").fill(stack.username)
    page.get_by_label("Password").fill(stack.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Generations")).to_be_visible()
    page.wait_for_load_state()
    return watched


def visit(page: Page, address: str) -> None:
    """Open a page, which has to be that page, and wait until its scripts are there."""
    response = page.goto(address)
    assert response is not None
    assert response.ok, f"{address}: {response.status}\n{page.locator('body').inner_text()}"
    page.wait_for_load_state()


def press(page: Page, key: str) -> None:
    """Press a key once the scripts that hear it are there."""
    page.wait_for_load_state()
    page.keyboard.press(key)


def keep(page: Page, name: str) -> None:
    """Keep a picture of the page as it is now."""
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png", animations="disabled")


def settled(page: Page) -> None:
    """Wait until what the page fetches by itself is there."""
    page.wait_for_function(
        """() => !document.querySelector('[aria-busy], .htmx-request, .htmx-swapping, .htmx-settling')
          && [...document.querySelectorAll('[data-chart], [data-charts]')]
            .every((place) => place.hidden || place.textContent)
          && !document.querySelector('.facets[open] > [hx-get] > a')"""
    )


def violations(page: Page, *, but: Sequence[str] = ()) -> list[str]:
    """What axe-core finds against WCAG 2.1 A and AA and its own good practice: the rule, and where.

    `but` are rules that are left out: contrast takes as long as all others together.
    """
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text())
    found: list[dict[str, Any]] = page.evaluate(
        "(but) => axe.run({ rules: Object.fromEntries(but.map((one) => [one, { enabled: false }])) })"
        ".then(({ violations }) => violations)",
        list(but),
    )
    return [f"{one['id']}: {', '.join(str(node['target']) for node in one['nodes'][:3])}" for one in found]


# Texts whose contrast with the nearest background behind them is below WCAG AA's 4.5 to 1.
UNREADABLE = """() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const known = new Map();
  const rgba = (colour) => {
    if (known.has(colour)) return known.get(colour);
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    known.set(colour, [r, g, b, a / 255]);
    return known.get(colour);
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

# Tables that do not say what they are of, and heads that do not say whether they are of a column or of a row.
UNANNOUNCED = """() => [...document.querySelectorAll('table:not([aria-label]), th:not([scope])')]
  .filter((one) => !one.closest('.prose') && one.checkVisibility())
  .map((one) => `${one.tagName} ${one.className}: ${one.textContent.trim().slice(0, 40)}`)"""

# Buttons, links and boxes that stand beyond the edge of what they are in, where nobody can scroll to them.
CUT_OFF = """() => {
  const found = [];
  for (const one of document.querySelectorAll('a[href], button, input, select, textarea, summary')) {
    if (!one.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
    const box = one.getBoundingClientRect();
    if (box.width < 2 || box.height < 2) continue;
    let scrolls = false;
    for (let at = one.parentElement; at && !scrolls; at = at.parentElement) {
      scrolls = ['auto', 'scroll'].includes(getComputedStyle(at).overflowX);
    }
    if (!scrolls && (box.right > innerWidth + 1 || box.left < -1)) {
      found.push(`${one.tagName} ${one.className} ${one.textContent.trim().slice(0, 30)}`);
    }
  }
  return found;
}"""

# Links and buttons that something else lies over: whoever clicks there is led elsewhere.
COVERED = """() => {
  const found = [];
  for (const one of document.querySelectorAll('main :is(a[href], button, summary):not(.sr)')) {
    if (!one.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
    one.scrollIntoView({ block: 'center', inline: 'center' });
    const box = one.getClientRects()[0];
    if (!box || box.width < 2 || box.height < 2) continue;
    const there = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
    if (!there || one.contains(there) || there.contains(one)) continue;
    const name = `${one.tagName} ${one.className} ${one.textContent.trim().slice(0, 30)}`;
    found.push(`${name}: ${there.outerHTML.slice(0, 80)}`);
  }
  return found;
}"""
