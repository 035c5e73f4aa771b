"""The index of extracts: full segments of them have bits, which never miss what is there, whatever came in when."""

import datetime as dt
import random
import re
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st

from generations import filters, folding, paging, recording, search
from generations.models import GenerationSearch, Project, SearchBits, SearchSegment
from generations.records import GenerationRecord
from generations.search import bits, segments
from tests.web import NOON, project

SIZE = 16
TEXTS = st.text(st.sampled_from("ab cz09-_é京都ПрשلЖ🔥\n"), max_size=120)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small segments, of which a look reads one after the other."""
    monkeypatch.setattr(bits, "SIZE", SIZE)
    monkeypatch.setattr("generations.search.finding.WALKED", 2)
    monkeypatch.setattr("generations.search.finding.READ", 2)


def say(project: Project, *texts: tuple[str, str, int]) -> None:
    """Record calls by id, text and minutes after noon, and extract them."""
    made = [
        GenerationRecord(id=id, prompt=text, completion="Yes.", started_at=NOON + dt.timedelta(minutes=minutes))
        for id, text, minutes in texts
    ]
    assert {one.state for one in recording.record(project, made)} <= {"stored", "merged"}
    search.fill(60)


def ids(project: Project, query: str) -> list[str]:
    return [hit.generation.public_id for hit in search.find(project, query, limit=100, patience=60).hits]


@pytest.mark.django_db
@pytest.mark.usefixtures("small")
def test_what_is_found_in_a_step_says_how_much_the_next_one_reads() -> None:
    own = project()
    say(own, *((f"n{n}", "where is my invoice", n) for n in range(16 * SIZE)))

    with CaptureQueriesContext(connection) as queries:
        found = ids(own, "voic")
    steps = [len(one.split(",")) for query in queries for one in re.findall(r"'\{([\d,]+)\}'::int8", query["sql"])]

    assert len(found) == 100
    # 99 rows are wanted still when the segments begin, 35 in the end: not four times what was read before.
    assert steps == [SIZE, SIZE, 2 * SIZE, 4 * SIZE]


@pytest.mark.django_db
@pytest.mark.usefixtures("small")
def test_the_bits_of_the_latest_segments_are_read_before_those_of_twice_as_many() -> None:
    own = project()
    say(own, *((f"n{n}", "a walrus" if n == 11 * SIZE else "a gull", n) for n in range(12 * SIZE)))

    with CaptureQueriesContext(connection) as late:
        assert [hit.generation.public_id for hit in search.find(own, "walrus", limit=1, patience=60).hits] == ["n176"]
    with CaptureQueriesContext(connection) as never:
        assert ids(own, "heron") == []

    of_heron, of_walrus = len(segments.buckets(["heron"])), len(segments.buckets(["walrus"]))
    assert _keys_of_bits(never) == [4 * of_heron, 8 * of_heron]
    assert _keys_of_bits(late)[0] == 4 * of_walrus


@pytest.mark.django_db
@pytest.mark.usefixtures("small")
def test_half_of_the_time_is_kept_for_the_texts_that_the_bits_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    own = project()
    say(own, *((f"n{n}", "a walrus" if n % SIZE == 0 else "a gull", n) for n in range(28 * SIZE)))
    passed = [0.0]
    monkeypatch.setattr("generations.search.finding.READ", 1_000)
    monkeypatch.setattr("generations.search.finding.time", SimpleNamespace(monotonic=lambda: passed[0]))

    def slow(execute: Any, sql: str, *others: Any) -> Any:
        passed[0] += 20 * ("FROM search_bits" in sql)
        return execute(sql, *others)

    with connection.execute_wrapper(slow):
        found = search.find(own, "walrus", patience=60)

    # The bits of 4 segments and then of 8 took 40 seconds; those of the rest would have taken all that is left.
    assert [hit.generation.public_id for hit in found.hits][:2] == [f"n{27 * SIZE}", f"n{26 * SIZE}"]
    assert not found.is_complete


def _keys_of_bits(queries: CaptureQueriesContext) -> list[int]:
    """How many keys each statement about bits asked for."""
    asked = [query["sql"].replace("-", "") for query in queries if "FROM search_bits" in query["sql"]]
    return [len(re.findall("[0-9a-f]{32}", one)) for one in asked]


@settings(max_examples=300, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=5), st.data())
def test_bits_never_miss_a_part_of_a_text(texts: list[str], data: st.DataObject) -> None:
    folded = [folding.encoded(folding.folded(text)) for text in texts]
    slot = data.draw(st.integers(0, len(texts) - 1))
    start = data.draw(st.integers(0, len(texts[slot])))
    end = data.draw(st.integers(start, len(texts[slot])))
    (term, *_) = folding.terms(f'"{texts[slot][start:end]}"') or ("",)

    made = bits.made(enumerate(folded))
    wanted = bits.asked(folding.encoded(term))
    left = bits.having([made.get(bucket) for bucket in wanted]) if wanted else [slot]

    assert slot in left
    # And what is not there is hardly ever left: letters that no text has are not.
    assert bits.having([made.get(bucket) for bucket in bits.asked("qx")]) == []


@pytest.mark.parametrize("length", [33, 34, 35, 36, 37, 200])
@pytest.mark.parametrize("letter", ["x", "Ж"])
def test_every_part_of_a_long_word_is_known(length: int, letter: str) -> None:
    chance = random.Random(length)
    alphabet = "abcdefghij0123456789" if letter == "x" else "абвгдежзийклмноп"
    text = folding.encoded("".join(chance.choices(alphabet, k=length)))

    made = bits.made([(7, text)])

    for start in range(len(text) - 3):
        for size in (2, 3, 12):
            wanted = bits.asked(text[start : start + size])
            assert wanted
            assert bits.having([made.get(bucket) for bucket in wanted]) == [7]


@pytest.mark.django_db
@pytest.mark.usefixtures("small")
def test_words_and_parts_of_words_are_found_in_full_segments() -> None:
    pairs = [
        *(("where is my invoice", "voic"), ("where is my invoice", '"is my inv"'), ("un café", "cafe")),
        *(("東京都の天気は", "天"), ("東京都の天気は", "京都"), ("한국어 문장", "국어"), ("ПРИВЕТ", "приве")),
        *(("שלום עולם", "לום"), ("مَرْحَبًا بالعالم", "مرحبا"), ("fire 🔥 works", "🔥"), ("100% off_now", "0% off_n")),
        *(("qx", "qx"), ("a vxz", "vx"), ("x" * 300 + "qz" + "y" * 300, "xqzy"), (r"a\b", "\\")),
    ]
    all_said = "\n".join(said for said, _ in pairs)
    own = project()
    say(own, *((f"n{n}", all_said if n % 9 == 3 else "nothing of it, 大阪 in 50% a/b", n) for n in range(3 * SIZE)))

    assert [one.texts for one in SearchSegment.objects.in_project(own.pk)] == [SIZE] * 3
    for _, asked in pairs:
        assert ids(own, asked) == ["n39", "n30", "n21", "n12", "n3"], asked
    assert ids(own, "qxqx") == []


@pytest.mark.django_db
@pytest.mark.usefixtures("small")
def test_what_the_bits_leave_out_is_not_read() -> None:
    own = project()
    say(own, *((f"n{n}", "a gull", n) for n in range(2 * SIZE)))
    GenerationSearch.objects.in_project(own.pk).filter(started_at=NOON).update(text="a walrus")

    assert ids(own, "walrus") == []
    assert ids(own, "gull")[-1] == "n1"


@pytest.mark.django_db
@pytest.mark.usefixtures("small")
def test_pages_neither_lose_nor_repeat_whatever_order_texts_came_in() -> None:
    own = project()
    minutes = list(range(100))
    random.Random(4).shuffle(minutes)
    for start in range(0, 100, 10):
        # Two of each minute: some pages end between twins.
        say(own, *((f"n{m}", "a walrus" if m % 3 == 0 else "a gull", m // 2) for m in minutes[start : start + 10]))

    found: list[tuple[int, str]] = []
    after = None
    while True:
        page = search.find(own, "walrus", limit=4, after=after, patience=60)
        assert page.is_complete
        found += [(hit.generation.started_at.minute, hit.generation.public_id) for hit in page.hits]
        after = page.next
        if after is None:
            break

    assert sorted(id for _, id in found) == sorted(f"n{m}" for m in range(100) if m % 3 == 0)
    assert [minute for minute, _ in found] == sorted((minute for minute, _ in found), reverse=True)


@pytest.mark.django_db
@pytest.mark.usefixtures("small")
def test_a_text_that_changed_or_went_is_forgotten_by_the_bits_of_its_segment() -> None:
    own, other = project(), project("Other")
    for each in (own, other):
        say(each, *((f"n{n}", "a walrus" if n == 3 else "a heron" if n == 4 else "a gull", n) for n in range(SIZE)))
    first = segments.all_of(own.pk)

    say(own, ("n3", "a penguin", 3))
    recording.delete(own, "generation", ["n4"])
    search.fill(60)

    assert (ids(own, "walrus"), ids(own, "heron"), ids(own, "penguin")) == ([], [], ["n3"])
    assert search.renew() == 1
    assert (ids(own, "walrus"), ids(own, "penguin"), len(ids(own, "gull"))) == ([], ["n3"], SIZE - 2)
    for word in ("walrus", "heron"):
        assert list(segments.places(own.pk, first, segments.buckets([word]))) == [[]]
        assert [len(one) for one in segments.places(other.pk, first, segments.buckets([word]))] == [1]
    assert search.renew() == 0

    recording.delete(own, "generation", [f"n{n}" for n in range(SIZE)])
    search.fill(60)
    search.renew()
    assert not SearchBits.objects.in_project(own.pk).exists()
    say(own, ("new", "a walrus", 0))
    assert ids(own, "walrus") == ["new"]


@pytest.mark.django_db
@pytest.mark.usefixtures("small")
def test_more_texts_than_a_segment_has_places_for_go_on_in_the_next_ones() -> None:
    own = project()
    say(own, *((f"a{n}", "a gull", n) for n in range(SIZE - 3)))
    say(own, *((f"b{n}", "a walrus", -n) for n in range(2 * SIZE)))

    of = {one.number: one for one in segments.all_of(own.pk)}
    assert {number: (one.size, one.has_bits) for number, one in of.items()} == {
        0: (SIZE, True),
        1: (SIZE, True),
        2: (SIZE - 3, False),
    }
    assert (of[2].first, of[2].last) == (NOON - dt.timedelta(minutes=SIZE - 4), NOON)
    assert len(ids(own, "walrus")) == 2 * SIZE


# ------------------------------------------------------------------------------------------------- as a list's filter
@pytest.mark.django_db
@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(("most", "patience"), [(10_000, 60), (0, 60), (0, 0)], ids=["few", "newest", "row by row"])
@pytest.mark.parametrize(
    ("document", "wanted"),
    [
        ({"search": "walrus"}, [39, 30, 21, 12, 3]),
        ({"search": "walrus", "timestamp": {"$lte": (NOON + dt.timedelta(minutes=21)).isoformat()}}, [21, 12, 3]),
        ({"search": '"a wal"', "id": {"$in": ["n3", "n4", "n12"]}}, [12, 3]),
        ({"$and": [{"search": "walrus"}, {"search": "n30"}]}, [30]),
        ({"search": "penguin"}, []),
        ({"search": {"$contains": "gull"}, "$not": {"search": "n4"}}, [n for n in range(38, -1, -1) if n != 4]),
        ({"$or": [{"search": "n3."}, {"id": "n7"}]}, [7, 3]),
    ],
)
def test_lists_are_narrowed_by_what_was_said(
    document: dict[str, object], wanted: list[int], most: int, patience: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Few are looked up beforehand, of many the newest, and else row by row: the same rows whichever way.
    monkeypatch.setattr("generations.search.narrowing.MOST", most)
    monkeypatch.setattr("generations.search.narrowing.PATIENCE", patience)
    own, other = project(), project("Other")
    for each in (own, other):
        said = ((n, "a walrus" if n % 9 == 3 else "a gull") for n in range(3 * SIZE))
        say(each, *((f"n{n}", f"{text} n{n}.", n) for n, text in said))
    condition = filters.from_document("generations", document)
    wanted = [n for n in wanted if "$not" not in document or n % 9 != 3]

    first = paging.page("generations", own.pk, condition, limit=2)
    rows = [*first.rows]
    if first.next is not None:
        rows += paging.page("generations", own.pk, condition, limit=100, after=first.next).rows

    assert [int(row.public_id[1:]) for row in rows] == wanted
    assert paging.count("generations", own.pk, condition) == paging.Count(len(wanted), exact=True)
    assert {row.project_id for row in rows} <= {own.pk}


@pytest.mark.django_db
@pytest.mark.usefixtures("small")
def test_a_lookup_leaves_the_connection_as_it_was() -> None:
    own = project()
    say(own, *((f"n{n}", "a walrus", n) for n in range(SIZE)))
    names = ("statement_timeout", "enable_seqscan", "enable_bitmapscan")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '77s'")

        assert len(paging.page("generations", own.pk, filters.Leaf("search", (), "contains", "walrus")).rows) == SIZE
        assert len(ids(own, "walrus")) == SIZE

        cursor.execute("SELECT current_setting(%s), current_setting(%s), current_setting(%s)", names)
        assert cursor.fetchone() == ("77s", "on", "on")
