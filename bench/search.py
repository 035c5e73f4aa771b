"""The first page of a search over 30 days of 1,000,000 calls, and what it costs to make the extracts.

    python bench/search.py [--rows 1000000] [--times 10] [--keep FOLDER]

Texts of some 2 KB over a vocabulary of 40,000 words, of which some are in nearly every text and some in almost none;
one in fifty is Chinese. FIRST of them are different and come again after that, with their segments. Times are those of
`search.find` with snippets, p50 and the worst of so many, one connection; beside them the processor's time of the same
search when it may take as long as it likes, which says as much on a busy machine.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import random
import statistics
import sys
import time
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.database import databases, machine, processor

UNTIL: Final = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
DAYS: Final = 30
WORDS: Final = 40_000
BATCH: Final = 4_096
FIRST: Final = 12 * BATCH
"""Calls with texts of their own, which fill segments of extracts: before them come copies, made in SQL."""
EXTRACTED: Final = 10_000
_AS_LONG_AS_IT_LIKES: Final = 300.0
_SYLLABLES: Final = [a + b for a in "bcdfghjklmnprstvwz" for b in "aeiou"] + ["st", "tion", "ing", "er", "con", "pre"]
_IDEOGRAPHS: Final = [chr(code) for code in range(0x4E00, 0x4E00 + 3_000)]


class Texts:
    """Texts of a language of its own, the same in every run: the most frequent word is some 5,000 times as frequent as
    the rarest."""

    def __init__(self) -> None:
        self.chance = random.Random(1)
        words = dict.fromkeys(
            "".join(self.chance.choices(_SYLLABLES, k=self.chance.randint(2, 4))) for _ in range(WORDS)
        )
        self.words = list(words)
        self.sums = _sums([1 / (n + 3) for n in range(len(self.words))])
        self.signs = _sums([1 / (n + 3) for n in range(len(_IDEOGRAPHS))])

    def text(self, number: int) -> str:
        """A text of some 2 KB."""
        if number % 50 == 0:
            return "".join(self.chance.choices(_IDEOGRAPHS, cum_weights=self.signs, k=400))
        length = int(self.chance.lognormvariate(5.4, 0.6))
        return " ".join(self.chance.choices(self.words, cum_weights=self.sums, k=length))


def _sums(weights: list[float]) -> list[float]:
    total = 0.0
    return [total := total + weight for weight in weights]


def main() -> None:
    """Run as the module says and print two tables."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rows", type=int, default=1_000_000)
    arguments.add_argument("--times", type=int, default=10)
    arguments.add_argument("--keep", type=Path, help="where the database is, or will be, to be measured again")
    asked = arguments.parse_args()
    with databases(f"search_{asked.rows}", keep=asked.keep):
        from generations import access
        from generations.models import Project

        print(f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M}  {machine()}, load {os.getloadavg()[0]:.1f}\n", flush=True)
        texts = Texts()
        project = Project.objects.filter(name="Search").first()
        is_new = project is None
        if is_new:
            project = access.create_project("Search")
            _fill(project, texts, asked.rows)
        _measure(project, texts, asked.times)
        if is_new:
            _extract(project, texts)


def _fill(project: Any, texts: Texts, number: int) -> None:
    """Calls over so many days, the last of which are different, and what is searched: places in the order of time."""
    from django.db import connection

    from bench.filling import at_once, careless, settle, without_indexes
    from generations import partitions
    from generations.search import segments

    began = time.perf_counter()
    step = dt.timedelta(days=DAYS) / number
    since = UNTIL - step * number
    partitions.ensure({partitions.month_of(since + step * (n + 1)) for n in range(0, number, BATCH)})
    first = min(FIRST, number)
    with connection.cursor() as cursor, careless():
        for start in range(0, first, BATCH):
            _store(cursor, project, texts, range(start, min(start + BATCH, first)), since, step)
        filled = time.perf_counter()
        while segments.build(project.pk):
            pass
        indexed = time.perf_counter()
        with without_indexes(["generation", "generation_payload", "generation_search"]):
            at_once(range(1, -(-number // FIRST)), lambda cursor, turn: _copy(cursor, turn, number, since, step))
        cursor.execute(
            "SELECT sum(pg_total_relation_size(c.oid)) FILTER (WHERE relname LIKE 'generation_search_p%'),"
            " sum(pg_total_relation_size(c.oid)) FILTER (WHERE relname = 'search_bits') FROM pg_class c"
            " WHERE relkind = 'r'"
        )
        text_size, index_size = map(float, cursor.fetchone())
    settle()
    print(
        f"{number:,} calls in {DAYS} days: {first:,} filled in {filled - began:.0f} s, indexed in"
        f" {indexed - filled:.0f} s, copied in {time.perf_counter() - indexed:.0f} s;"
        f" extracts {text_size / 1e6:,.0f} MB, the bits of their segments {index_size / 1e6:,.0f} MB\n",
        flush=True,
    )


def _store(cursor: Any, project: Any, texts: Texts, numbers: range, since: dt.datetime, step: dt.timedelta) -> None:
    """Facts, payloads and extracts by COPY."""
    from generations import folding, identities
    from generations.recording.tables import dumped
    from generations.search import segments

    ids = [f"call-{n:09}" for n in numbers]
    made = [
        (identities.uid(project.pk, "generation", id), since + step * (n + 1), id, texts.text(n))
        for n, id in zip(numbers, ids, strict=True)
    ]
    with cursor.copy(
        "COPY generation (project_id, uid, public_id, type, started_at, input_type, output_type, tags,"
        " metadata, parameters, start_assumed, created_at, updated_at, model_id) FROM STDIN"
    ) as copy:
        for uid, at, id, _ in made:
            model = "gpt-4o" if uid.int % 10 else "claude"
            copy.write_row((project.pk, uid, id, "chat", at, "text", "text", [], "{}", "{}", False, at, at, model))
    with cursor.copy("COPY generation_payload (project_id, uid, started_at, messages) FROM STDIN") as copy:
        for uid, at, _, text in made:
            copy.write_row((project.pk, uid, at, dumped([{"role": "user", "content": text}])))
    places = segments.give_places(project.pk, [at for _, at, _, _ in made])
    with cursor.copy("COPY generation_search (project_id, uid, started_at, text, place) FROM STDIN") as copy:
        for (uid, at, _, text), place in zip(made, places, strict=True):
            copy.write_row((project.pk, uid, at, folding.encoded(folding.folded(text)), place))


def _copy(cursor: Any, turn: int, number: int, since: dt.datetime, step: dt.timedelta) -> None:
    """The first ones once more, so much later and under keys of their own, up to `number` calls in all.

    Segments that become full get the bits of those that they repeat, the last one none.
    """
    places = turn * FIRST
    size = min(FIRST, number - places)
    for sql in _COPIES:
        cursor.execute(
            sql,
            {"turn": turn, "later": places * step, "until": since + size * step}
            | {"places": places, "size": size, "segments": places // BATCH, "each": BATCH, "first": FIRST // BATCH},
        )


_NEW: Final = "overlay(uid::text PLACING lpad(to_hex(%(turn)s), 6, '0') FROM 1 FOR 6)::uuid"
_AGAIN: Final = "SELECT {0}, {1}, started_at + %(later)s::interval FROM {2} WHERE started_at <= %(until)s"
_FACTS: Final = """project_id, type, input_type, output_type, tags, metadata, parameters, start_assumed, created_at,
    updated_at, model_id"""
_SEGMENT: Final = "(lpad(to_hex(s.number + %(segments)s), 28, '0') || right({}.uid::text, 4))::uuid"
_COPIES: Final = (
    f"INSERT INTO generation ({_FACTS}, public_id, uid, started_at)"
    + _AGAIN.format(f"{_FACTS}, public_id || '-' || %(turn)s", _NEW, "generation"),
    "INSERT INTO generation_payload (project_id, messages, uid, started_at)"
    + _AGAIN.format("project_id, messages", _NEW, "generation_payload"),
    "INSERT INTO generation_search (project_id, text, place, uid, started_at)"
    + _AGAIN.format("project_id, text, place + %(places)s", _NEW, "generation_search"),
    f"""INSERT INTO search_segment (project_id, uid, number, size, texts, first_start, last_start)
        SELECT project_id, {_SEGMENT.format("s")}, number + %(segments)s, least(size, %(size)s - number * %(each)s),
            CASE WHEN (number + 1) * %(each)s <= %(size)s THEN texts END,
            first_start + %(later)s, least(last_start, %(until)s) + %(later)s
        FROM search_segment s WHERE number < %(first)s AND number * %(each)s < %(size)s""",
    f"""INSERT INTO search_bits (project_id, bits, uid) SELECT b.project_id, bits, {_SEGMENT.format("b")}
        FROM search_bits b JOIN search_segment s ON left(b.uid::text, 32) = left(s.uid::text, 32)
        WHERE number < %(first)s AND (s.number + 1) * %(each)s <= %(size)s""",
)


def _measure(project: Any, texts: Texts, times: int) -> None:
    from generations import filters, paging, search

    one_model = filters.from_query("generations", {"model.id": ["claude"]})
    common, middling, rare = texts.words[2], texts.words[3_000], texts.words[-3]
    questions: dict[str, tuple[str, Any]] = {
        "a common word": (common, None),
        "a middling word": (middling, None),
        "a rare word": (rare, None),
        "a part of a rare word": (rare[1:], None),
        "two middling words": (f"{texts.words[2_000]} {texts.words[2_500]}", None),
        "a phrase": (f'"{texts.words[150]} {texts.words[160]}"', None),
        "two Chinese signs": ("".join(_IDEOGRAPHS[40:42]), None),
        "three rare Chinese signs": ("".join(_IDEOGRAPHS[2_000:2_003]), None),
        "a word that does not occur": ("zzqzzx", None),
        "two letters that do not occur": ("qx", None),
        "a rare word, of one model": (rare, one_model),
        "a common word, of one model": (common, one_model),
    }
    print("| first page of 25 | p50 ms | worst ms | hits | all of them searched | to the end: processor ms | hits |")
    print("|---|---:|---:|---:|---|---:|---:|")
    for name, (query, condition) in questions.items():
        took = []
        for _ in range(times):
            began = time.perf_counter()
            found = search.find(project, query, condition)
            took.append(1000 * (time.perf_counter() - began))
        reached = "yes" if found.is_complete else f"back to {found.searched_to:%Y-%m-%d %H:%M}"
        before = processor()
        for _ in range(times):
            all_found = search.find(project, query, condition, patience=_AS_LONG_AS_IT_LIKES)
        used = 1000 * (processor() - before) / times
        print(f"| {name} | {statistics.median(took):.0f} | {max(took):.0f} | {len(found.hits)} | {reached} |", end="")
        print(f" {used:.0f} | {len(all_found.hits)} |", flush=True)
    for name, query in (("a common word", common), ("a rare word", rare), ("a word that does not occur", "zzqzzx")):
        took = []
        before = processor()
        for _ in range(times):
            began = time.perf_counter()
            page = paging.page("generations", project.pk, filters.from_query("generations", {"search": [query]}))
            took.append(1000 * (time.perf_counter() - began))
        p50, worst = statistics.median(took), max(took)
        used = 1000 * (processor() - before) / times
        print(f"| as a filter of the list: {name} | {p50:.0f} | {worst:.0f} | {len(page.rows)} | yes |", end="")
        print(f" {used:.0f} | {len(page.rows)} |", flush=True)


def _extract(project: Any, texts: Texts) -> None:
    """What extracts cost behind the write, into the same tables."""
    from generations import recording, search
    from generations.records import GenerationRecord

    calls = [
        GenerationRecord(
            id=f"new-{n}", started_at=UNTIL, messages=[{"role": "user", "content": texts.text(n)}], completion="Yes."
        )
        for n in range(EXTRACTED)
    ]
    began = time.perf_counter()
    for start in range(0, EXTRACTED, 1_000):
        recording.record(project, calls[start : start + 1_000])
    written = time.perf_counter()
    made = search.fill(600)
    took = time.perf_counter() - written
    print(
        f"\nrecorded {EXTRACTED / (written - began):,.0f} calls/s; extracted {made:,} behind them: {made / took:,.0f}/s"
    )


if __name__ == "__main__":
    main()
