"""From a file of calls to a decision: logged by the page, two versions compared, both evaluated, a winner and why."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
import uuid

from playwright.sync_api import Browser, Page, expect

from tests.browsing import IN_A_BROWSER, sign_in
from tests.stack import Stack

pytestmark = IN_A_BROWSER

RUN = uuid.uuid4().hex[:8]
"""A word that no other run has recorded."""
PROMPT = f"sums {RUN}"
TEMPLATES = ("Answer: {{question}}", "Answer with the number alone: {{question}}")
QUESTIONS = 8


def logged() -> bytes:
    """What both versions were asked and answered: the second says less, and sooner. One row is no call."""
    file, now = io.StringIO(), dt.datetime.now(dt.UTC)
    rows = csv.writer(file)
    rows.writerow(["moment", "question", "answer", "prompt_name", "prompt_version", "latency_ms", "stars"])
    for n in range(QUESTIONS):
        at = (now - dt.timedelta(hours=n + 1)).isoformat()
        asked = f"Two times {n}, in {RUN}?"
        rows.writerow([at, asked, f"I believe that it is {2 * n}.", PROMPT, 0, 900 + n, 2])
        rows.writerow([at, asked, f"{2 * n}.", PROMPT, 1, 300 + n, 5])
    rows.writerow(["yesterday", "Never asked", "", PROMPT, 1, 1, 1])
    return file.getvalue().encode()


def made_prompt(page: Page, place: str) -> None:
    """A prompt with two versions, by its pages."""
    page.goto(f"{place}/prompts/")
    page.get_by_label("Name of a new prompt").fill(PROMPT)
    page.get_by_role("button", name="New prompt").click()
    page.get_by_role("link", name="Write the first one").click()
    for number, template in enumerate(TEMPLATES):
        expect(page.get_by_role("heading", name="New version", exact=True)).to_be_visible()
        page.get_by_label("Role", exact=True).first.fill("user")
        page.get_by_label("Text", exact=True).first.fill(template)
        page.get_by_role("button", name="Make the version").click()
        expect(page.locator(".title-line")).to_contain_text(f"version {number}")
        if number == 0:
            page.get_by_role("link", name="New version").click()


def made_evaluator(page: Page, place: str, kind: str, name: str, option: str, value: str) -> None:
    page.goto(f"{place}/evaluators/new/{kind}/")
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label(option).fill(value)
    page.get_by_role("button", name="Make the evaluator").click()
    expect(page.get_by_role("heading", name=name)).to_be_visible()


def test_a_file_of_two_versions_is_logged_compared_and_evaluated(browser: Browser, live_stack: Stack) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    watched = sign_in(context, live_stack)
    page, place = watched.page, f"{live_stack.url}/projects/default"
    made_prompt(page, place)

    # Logged: the file sent, a column told what it is, and the report read.
    page.get_by_role("navigation", name="Project").get_by_role("link", name="Import", exact=True).click()
    page.get_by_label("Choose it, or drop it here").set_input_files(
        {"name": f"{RUN}.csv", "mimeType": "text/csv", "buffer": logged()}
    )
    page.get_by_role("button", name="Send and look at it").click()
    expect(page.get_by_label("What prompt_version is")).to_have_value("promptVersion.version")
    expect(page.get_by_label("What moment is")).to_have_value("metadata")
    page.get_by_label("What moment is").select_option("timestamp")
    page.get_by_role("button", name="Look again").click()
    expect(page.get_by_label("What moment is")).to_have_value("timestamp")
    expect(page.get_by_role("table", name="The first rows")).to_contain_text(f"Two times 1, in {RUN}?")
    page.get_by_role("button", name="Import").click()
    expect(page.locator("#job")).to_contain_text("done")
    expect(page.locator("#job")).to_contain_text(re.compile(r"Stored\s*16"))
    expect(page.get_by_role("table", name="Rows that were refused")).to_contain_text("moment: 'yesterday' is not")

    # Compared: what the two versions led to.
    page.goto(f"{place}/prompts/")
    page.get_by_role("link", name=PROMPT).click()
    page.get_by_role("link", name="Compare", exact=True).click()
    led = page.get_by_role("table", name="What they led to")
    expect(led.get_by_role("row", name="Calls")).to_contain_text(re.compile(r"8\s*8"))
    expect(led.get_by_role("row", name=re.compile("latency", re.I)).first).to_contain_text("better")

    # Evaluated: the logged calls of each version by the same two evaluators.
    made_evaluator(page, place, "regex", f"number alone {RUN}", "A regular expression", r"^\d+\.$")
    made_evaluator(page, place, "contains", f"a whole sentence {RUN}", "The text to look for", ".")
    for version in (0, 1):
        page.goto(f"{place}/evaluate/")
        page.get_by_label("Logged generations", exact=True).check()
        page.get_by_label("Generations where").fill(f"promptVersion.name={PROMPT}&promptVersion.version={version}")
        page.get_by_label(f"number alone {RUN}").check()
        page.get_by_label(f"a whole sentence {RUN}").check()
        page.get_by_label("Name", exact=True).fill(f"{PROMPT} {version}")
        page.get_by_role("button", name="Run").click()
        expect(page.locator("#job")).to_contain_text("done")

    # The winner, and why.
    page.goto(f"{place}/experiments/")
    for version in (0, 1):
        page.get_by_label(f"Compare {PROMPT} {version}").check()
    page.get_by_role("button", name="Compare the selected").click()
    expect(page.locator(".winner")).to_contain_text(f"{PROMPT} 1 is better in number alone {RUN} and latency.")
    winner = page.get_by_role("table", name="Winner of each measure")
    expect(winner.get_by_role("row", name=f"number alone {RUN}")).to_contain_text(f"{PROMPT} 1")
    expect(winner.get_by_role("row", name=f"number alone {RUN}").locator(".badge.good")).to_be_visible()
    expect(winner.get_by_role("row", name=f"a whole sentence {RUN}")).to_contain_text("no clear difference")
    why = page.get_by_role("table", name="Item by item").get_by_role("row", name=f"Two times 3, in {RUN}?")
    expect(why).to_contain_text("I believe that it is 6.")
    expect(why).to_contain_text(re.compile(rf"number alone {RUN}\s*0\s*-1"))
    assert watched.is_clean()
    context.close()
