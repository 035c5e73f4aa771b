"""The bounds that the pages tell are those of the code: whoever changes one finds its sentence here."""

from __future__ import annotations

import datetime as dt
import re

import pytest

from generations import attachments, attempts, cleaning, pacing
from generations.api import prometheus
from generations.api.gantry import datasets, envelope, rows
from generations.evaluating import scoring, subjects
from generations.exporting import departures
from generations.gateway import views
from generations.importing import refusals, tables, uploads
from generations.ingest.gantry import calls
from generations.jobs import LEASE
from generations.literal import ingesting
from generations.llm.backends import anthropic, openai
from generations.management import embedded, supervising
from generations.metrics import answering
from generations.recording import grouping, looking
from generations.search import bits
from tests.stack import ROOT

MIB = 1 << 20
WORDS = {"a": 1, "one": 1, "two": 2, "five": 5, "eight": 8, "ten": 10, "twenty": 20, "hundred": 100, "million": 10**6}


def days(of: dt.timedelta) -> float:
    return of / dt.timedelta(days=1)


def minutes(of: dt.timedelta) -> float:
    return of / dt.timedelta(minutes=1)


TOLD: list[tuple[str, str, list[float]]] = [
    ("docs/operating.md", r"end all of it within (five) seconds", [supervising._STOP_WITHIN + 0.5]),
    ("docs/operating.md", r"at most two pieces of (10) MB", [embedded._LONGEST_LOG / 1e6]),
    ("docs/operating.md", r"(ten) wrong passwords within (ten) minutes", [attempts.MOST, minutes(attempts.WITHIN)]),
    ("docs/operating.md", r"the one after (90) days without any", [days(departures.LONGEST)]),
    ("docs/from-literal-ai.md", r"addresses that expire after (a) day", [attachments.READ_SECONDS / 86_400]),
    ("docs/operating.md", r"what the (hundred) largest projects take", [prometheus._MOST_PROJECTS]),
    ("docs/files.md", r"a (million) rows, and (1) GiB", [tables.MAX_ROWS, tables.MAX_UNPACKED >> 30]),
    ("docs/files.md", r"a line \((64) MiB\) and a JSON list \((64) MiB\)", [tables.MAX_LIST // MIB] * 2),
    ("docs/files.md", r"the first (hundred); all of them \(up to (100,000)\)", [refusals.SHOWN, refusals.MOST]),
    ("docs/files.md", r"that is kept for (two) days", [days(uploads.KEPT)]),
    ("docs/from-literal-ai.md", r"One value is at most (16) MiB", [ingesting.MAX_VALUE // MIB]),
    ("docs/from-literal-ai.md", r"`metadata` is at most (1) MiB", [cleaning.MAX_METADATA // MIB]),
    ("docs/from-gantry.md", r"that is pushed \(up to (5,000)\)", [datasets.MOST_ITEMS]),
    ("docs/from-gantry.md", r"told from the newest (300) events", [rows.SAMPLE]),
    ("docs/from-gantry.md", r"looks at (200,000) events at most", [rows.MOST_ROWS]),
    ("docs/from-gantry.md", r"the same bytes within (five) minutes", [minutes(calls._RESENT)]),
    ("docs/from-gantry.md", r"the door says (502)", [envelope.AGAIN]),
    ("docs/gateway.md", r"answers (408), (409), (429), (500), (502), (503) or (504)", sorted(views.AGAIN)),
    ("docs/evaluation.md", r"at most the (32) items that it was at", [subjects.AT_ONCE]),
    ("docs/evaluation.md", r"Calls are made (eight) at a time", [scoring.CALLS_AT_ONCE]),
    (
        "docs/llm.md",
        r"(1024) at a completions endpoint, (4096) at Anthropic",
        [openai.MAX_TOKENS, anthropic.MAX_TOKENS],
    ),
    ("deploy/README.md", r"when the lease runs out, after (30) s", [LEASE.total_seconds()]),
    ("generations/README.md", r"waits up to (6) ms", [grouping.COMPANY * 1000]),
    ("generations/README.md", r"Up to a (hundred) ids of a kind are looked for everywhere", [looking.LOOK_EVERYWHERE]),
    ("generations/README.md", r"(4,096) extracts are a segment", [bits.SIZE]),
    ("generations/README.md", r"of fewer than (20,000) calls", [answering.FEW]),
    ("generations/README.md", r"behind, all of it after (ten)", [pacing.SHARES[-1][0] / 60]),
]
"""A page, a sentence of it, and what stands in its brackets."""


@pytest.mark.parametrize(("page", "sentence", "figures"), TOLD)
def test_a_figure_of_a_page_is_the_codes(page: str, sentence: str, figures: list[float]) -> None:
    text = re.sub(r"\s+", " ", (ROOT / page).read_text())
    found = re.search(sentence, text)

    assert found, f"{page} says it otherwise: correct the sentence here, too"
    assert [WORDS.get(said) or float(said.replace(",", "")) for said in found.groups()] == figures
