"""The first page of a search over 30 days of 1,000,000 calls, and what it costs to make the extracts.

    python bench/search.py [--rows 1000000] [--times 10]

Texts of some 2 KB over a vocabulary of 40,000 words, of which some are in nearly every text and some in almost none;
one in fifty is Chinese. Times are those of `search.find` with snippets, p50 and the worst of so many, one connection.
"""

from __future__ import annotations

import argparse
import datetime as dt
import random
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.database import databases, machine

UNTIL: Final = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
DAYS: Final = 30
WORDS: Final = 40_000
BATCH: Final = 5_000
EXTRACTED: Final = 10_000
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
    asked = arguments.parse_args()
    with databases("search"):
        from generations import access

        print(f"{dt.datetime.now(dt.UTC):%Y-%m-%d}  {machine()}\n", flush=True)
        texts = Texts()
        project = access.create_project("Search")
        _fill(project, texts, asked.rows)
        _measure(project, texts, asked.times)
        _extract(project, texts)


def _fill(project: Any, texts: Texts, number: int) -> None:
    """Facts, payloads and extracts by COPY, the bits of segments made at the end; as of so many days."""
    from django.db import connection

    from bench.filling import settle
    from generations import folding, partitions, records
    from generations.recording.tables import dumped
    from generations.search import segments

    began = time.perf_counter()
    step = dt.timedelta(days=DAYS) / number
    partitions.ensure({partitions.month_of(UNTIL - step * n) for n in range(0, number, BATCH)})

    def rows(start: int) -> Iterator[tuple[Any, dt.datetime, str, str]]:
        for n in range(start, min(start + BATCH, number)):
            id = f"call-{n:09}"
            yield records.uid(project.pk, "generation", id), UNTIL - step * n, id, texts.text(n)

    with connection.cursor() as cursor:
        for start in range(0, number, BATCH):
            made = list(rows(start))
            with cursor.copy(
                "COPY generation (project_id, uid, public_id, type, started_at, input_type, output_type, tags,"
                " metadata, parameters, start_assumed, created_at, updated_at, model_id) FROM STDIN"
            ) as copy:
                for uid, at, id, _ in made:
                    model = "gpt-4o" if uid.int % 10 else "claude"
                    copy.write_row(
                        (project.pk, uid, id, "chat", at, "text", "text", [], "{}", "{}", False, at, at, model)
                    )
            with cursor.copy("COPY generation_payload (project_id, uid, started_at, messages) FROM STDIN") as copy:
                for uid, at, _, text in made:
                    copy.write_row((project.pk, uid, at, dumped([{"role": "user", "content": text}])))
            places = segments.give_places(project.pk, [at for _, at, _, _ in made])
            with cursor.copy("COPY generation_search (project_id, uid, started_at, text, place) FROM STDIN") as copy:
                for (uid, at, _, text), place in zip(made, places, strict=True):
                    copy.write_row((project.pk, uid, at, folding.encoded(folding.folded(text)), place))
        filled = time.perf_counter()
        while segments.build(project.pk):
            pass
        indexed = time.perf_counter()
        cursor.execute(
            "SELECT sum(pg_total_relation_size(c.oid)) FILTER (WHERE relname LIKE 'generation_search_p%'),"
            " sum(pg_total_relation_size(c.oid)) FILTER (WHERE relname = 'search_bits') FROM pg_class c"
            " WHERE relkind = 'r'"
        )
        text_size, index_size = map(float, cursor.fetchone())
    settle()
    print(
        f"{number:,} calls in {DAYS} days: filled in {filled - began:.0f} s, indexed in {indexed - filled:.0f} s; "
        f"extracts {text_size / 1e6:,.0f} MB, the bits of their segments {index_size / 1e6:,.0f} MB\n",
        flush=True,
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
    print("| first page of 25 | p50 ms | worst ms | hits | all of them searched |\n|---|---:|---:|---:|---|")
    for name, (query, condition) in questions.items():
        took = []
        for _ in range(times):
            began = time.perf_counter()
            found = search.find(project, query, condition)
            took.append(1000 * (time.perf_counter() - began))
        reached = "yes" if found.is_complete else f"back to {found.searched_to:%Y-%m-%d %H:%M}"
        print(
            f"| {name} | {statistics.median(took):.0f} | {max(took):.0f} | {len(found.hits)} | {reached} |", flush=True
        )
    for name, query in (("a common word", common), ("a rare word", rare), ("a word that does not occur", "zzqzzx")):
        took = []
        for _ in range(times):
            began = time.perf_counter()
            page = paging.page("generations", project.pk, filters.from_query("generations", {"search": [query]}))
            took.append(1000 * (time.perf_counter() - began))
        p50, worst = statistics.median(took), max(took)
        print(f"| as a filter of the list: {name} | {p50:.0f} | {worst:.0f} | {len(page.rows)} | yes |", flush=True)


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
