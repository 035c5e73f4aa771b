"""Search over what was said: any language, newest first, at once, and never another project's."""

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from generations import folding, paging, recording, search
from generations.filters import BadFilter, from_document, from_query
from generations.models import GenerationPayload, GenerationSearch, Project, SearchMark
from generations.records import GenerationRecord
from tests.web import NOON, project

pytestmark = pytest.mark.django_db


def say(project: Project, id: str, prompt: str, completion: str = "Yes.", minutes: int = 0, **fields: object) -> None:
    record = GenerationRecord(
        id=id,
        prompt=prompt,
        completion=completion,
        started_at=NOON + dt.timedelta(minutes=minutes),
        **fields,  # type: ignore[arg-type]
    )
    assert recording.record(project, [record])[0].state in ("stored", "merged")


def find(project: Project, query: str, **how: Any) -> search.Found:
    """Whatever else the machine does meanwhile: with time enough."""
    return search.find(project, query, **{"patience": 60, **how})


def ids(project: Project, query: str, **how: Any) -> list[str]:
    return [hit.generation.public_id for hit in find(project, query, **how).hits]


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ("Where is my invoice?", "invoice"),
        ("Where is my invoice?", "VOIC"),
        ("Where is my invoice?", "my where"),
        ("Where is\n  my invoice?", '"is my inv"'),
        ("un café crème", "cafe creme"),
        ("un cafe creme", "café crème"),
        ("un cafe\u0301", "café"),
        ("Die STRASSE", "straße"),
        ("ПРИВЕТ, мир", "привет"),
        ("ΣΟΦΟΣ", "σοφός"),
        ("東京都の天気は？", "京都"),
        ("東京都の天気は？", "天"),
        ("한국어 문장", "국어"),
        ("ｆｕｌｌ ｗｉｄｔｈ", "full width"),
        ("שלום עולם", "לום"),
        ("שָׁלוֹם", "שלום"),
        ("مَرْحَبًا بالعالم", "مرحبا"),
        ("नमस्ते दुनिया", "दुनिया"),
        ("price: 100% off_now", "100% off_n"),
        (r"a\b", r"a\b"),
        ("fire 🔥 works", "🔥"),
    ],
)
def test_words_and_parts_of_words_are_found_in_any_language(said: str, asked: str) -> None:
    own = project()
    say(own, "this", said)
    say(own, "other", "nothing of the kind, 大阪 in 50% a/b", minutes=1)

    assert ids(own, asked) == ["this"]
    assert "".join(part.text for part in find(own, asked).hits[0].excerpts[0].parts if part.is_hit)


@pytest.mark.parametrize(("said", "asked"), [("東京", "京東"), ("がか", "かが"), ("a b", '"b a"'), ("50 off", "50%")])
def test_what_does_not_occur_is_not_found(said: str, asked: str) -> None:
    own = project()
    say(own, "this", said)

    assert ids(own, asked) == []


@pytest.mark.parametrize("asked", ['""', "\u200b", "\u0301"])
@pytest.mark.parametrize(
    "beside", [[], [{"search": {"$contains": "hello"}}, {"usage.promptTokens": {"$exists": False}}]]
)
def test_a_list_that_asks_for_what_has_nothing_to_look_for_is_empty(asked: str, beside: list[Any]) -> None:
    own = project()
    say(own, "one", "Hello")
    condition = from_document("generations", {"$and": [{"search": {"$contains": asked}}, *beside]})

    assert paging.page("generations", own.pk, condition).rows == []
    assert paging.count("generations", own.pk, condition).value == 0


def test_a_text_is_found_at_once_and_no_longer_when_it_changed_or_went() -> None:
    own = project()

    say(own, "one", "a walrus")
    first = ids(own, "walrus")
    say(own, "one", "a penguin")
    changed = (ids(own, "walrus"), ids(own, "penguin"))
    recording.delete(own, "generation", ["one"])
    gone = ids(own, "penguin")

    assert first == ["one"]
    assert changed == ([], ["one"])
    assert gone == []
    assert not GenerationSearch.objects.in_project(own.pk).exists()
    assert not SearchMark.objects.in_project(own.pk).exists()


def test_an_extract_that_was_on_its_way_in_while_its_text_was_deleted_goes_too() -> None:
    own = project()
    say(own, "one", "a walrus")
    search.fill(5)
    late = GenerationSearch.objects.in_project(own.pk).get()
    recording.delete(own, "generation", ["one"])
    late.save(force_insert=True)

    search.fill(5)

    assert not GenerationSearch.objects.in_project(own.pk).exists()


def test_an_extract_moves_with_its_start() -> None:
    own = project()
    recording.record(own, [GenerationRecord(id="one", prompt="a walrus")])
    search.fill(5)

    say(own, "one", "a walrus")
    search.fill(5)

    assert [one.started_at for one in GenerationSearch.objects.in_project(own.pk)] == [NOON]


def test_how_far_behind_the_extracts_are_is_told() -> None:
    own, other = project(), project("Other")
    say(own, "one", "a walrus")
    say(other, "one", "a walrus")
    began = timezone.now()
    for marked, seconds in ((own, 100), (other, 10_000)):
        SearchMark.objects.filter(project=marked).update(created_at=began - dt.timedelta(seconds=seconds))

    before, all_before = search.lag(own.pk), search.lag()
    since = (timezone.now() - began).total_seconds()
    made = search.fill(5)

    assert (before.count, all_before.count) == (1, 2)
    assert 100 <= before.seconds <= 100 + since
    assert 10_000 <= all_before.seconds <= 10_000 + since
    assert made == 2
    assert search.lag() == search.Lag(0, 0.0)


def test_of_a_long_text_head_and_tail_are_searched() -> None:
    own = project()
    say(own, "one", "walrus " + "x " * folding.EACH + "penguin", "heron " + "y " * folding.EACH + "gull")

    found = [ids(own, word) for word in ("walrus", "penguin", "heron", "gull")]

    assert found == [["one"]] * 4
    assert len(GenerationSearch.objects.in_project(own.pk).get().text) <= 2 * folding.EACH + 10


def test_hits_come_newest_first_in_pages_that_neither_lose_nor_repeat() -> None:
    own = project()
    for n in range(7):
        say(own, f"n{n}", "a walrus" if n % 2 == 0 else "a gull", minutes=n)
    say(own, "twin", "a walrus", minutes=2)

    pages, after = [], None
    while True:
        found = find(own, "walrus", after=after, limit=2)
        pages.append([hit.generation.public_id for hit in found.hits])
        after = found.next
        if after is None:
            break

    assert [len(one) for one in pages] == [2, 2, 1]
    assert sorted(id for one in pages for id in one) == ["n0", "n2", "n4", "n6", "twin"]
    assert pages[0] == ["n6", "n4"]
    assert pages[2] == ["n0"]


def test_what_the_newest_do_not_have_is_found_further_back(monkeypatch: pytest.MonkeyPatch) -> None:
    own = project()
    monkeypatch.setattr("generations.search.finding.WALKED", 3)
    say(own, "old", "a walrus", minutes=-60 * 24 * 70)
    say(own, "short", "zq", minutes=-60 * 24 * 69)
    for n in range(8):
        say(own, f"n{n}", "a gull", minutes=n)

    assert ids(own, "walrus") == ["old"]
    assert ids(own, "zq") == ["short"]
    assert find(own, "walrus").is_complete


def test_when_the_time_is_over_the_answer_says_how_far_it_came() -> None:
    own = project()
    say(own, "one", "a walrus")

    found = find(own, "walrus", patience=0)

    assert (found.hits, found.is_complete) == ([], False)
    assert found.searched_to == NOON
    assert found.next is not None


def test_a_search_keeps_to_its_project_and_to_the_other_filters() -> None:
    own, other = project(), project("Other")
    say(own, "one", "a walrus", model_id="gpt-4o")
    say(own, "two", "a walrus", model_id="claude")
    say(other, "three", "a walrus", model_id="gpt-4o")
    condition = from_query("generations", {"model.id": ["gpt-4o"]})

    assert ids(own, "walrus", condition=condition) == ["one"]
    assert ids(other, "walrus") == ["three"]


@pytest.mark.parametrize(
    ("query", "how", "wrong"),
    [
        (" \u200b ", {}, "q"),
        ("x" * 501, {}, "q"),
        ("x", {"limit": 0}, "limit"),
        ("x", {"after": "yesterday"}, "after"),
        ("x", {"after": "2026-11-20T12:00:00~" + "0" * 32}, "after"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_its_name(query: str, how: dict[str, object], wrong: str) -> None:
    with pytest.raises(BadFilter) as refused:
        find(project(), query, **how)

    assert refused.value.field == wrong


def test_a_search_takes_as_many_queries_for_thirty_hits_as_for_one() -> None:
    one, many = project(), project("Many")
    say(one, "n", "a walrus")
    for n in range(30):
        say(many, f"n{n}", "a walrus", minutes=n)
    search.fill(5)
    with CaptureQueriesContext(
        connection,
    ) as few:
        assert len(ids(one, "walrus", limit=50)) == 1
    with CaptureQueriesContext(connection) as lots:
        assert len(ids(many, "walrus", limit=50)) == 30

    assert len(lots) == len(few)
    assert all(f'"project_id" = {many.pk}' in q["sql"] for q in lots if 'FROM "generation' in q["sql"])


def test_an_excerpt_marks_what_was_found_and_names_the_message_it_is_in() -> None:
    own = project()
    record = GenerationRecord(
        id="one",
        started_at=NOON,
        messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Un CAFÉ, et un the\u0301."}],
        message_completion={"role": "assistant", "content": "No."},
    )
    recording.record(own, [record])

    (excerpt,) = find(own, "cafe the").hits[0].excerpts

    assert (excerpt.place, excerpt.role) == ("/messages/1", "user")
    assert [(part.text, part.is_hit) for part in excerpt.parts] == [
        ("Un ", False),
        ("CAFÉ", True),
        (", et un ", False),
        ("thé", True),
        (".", False),
    ]


def test_text_without_a_payload_is_not_shown() -> None:
    own = project()
    say(own, "one", "a walrus")
    search.fill(5)
    GenerationPayload.objects.in_project(own.pk).delete()

    assert ids(own, "walrus") == []


def test_a_pasted_id_leads_to_its_row_and_only_in_its_project() -> None:
    own, other = project(), project("Other")
    say(
        own, "gen-1", "Hello", trace_id="a" * 32, span_id="b" * 16, response_id="resp-1", thread_id="thread-1",
        user_id="mia",
    )  # fmt: skip

    def found(text: str) -> list[tuple[str, str, str]]:
        return [(one.kind, one.id, one.by) for one in search.named(own.pk, text)]

    assert found(" gen-1 ") == [("generation", "gen-1", "id")]
    assert found("thread-1") == [("thread", "thread-1", "id")]
    assert found("mia") == [("participant", "mia", "id")]
    assert found("A" * 32) == [("generation", "gen-1", "trace")]
    assert found("b" * 16) == [("generation", "gen-1", "span")]
    assert found("resp-1") == [("generation", "gen-1", "response")]
    assert found("two words") == []
    assert search.named(other.pk, "gen-1") == []


def test_an_excerpt_is_where_the_terms_are_together() -> None:
    own = project()
    far = "walrus " + "x " * 200
    record = GenerationRecord(
        id="one",
        started_at=NOON,
        messages=[{"role": "user", "content": far + "a walrus sees a gull"}, {"role": "user", "content": "gull"}],
    )
    recording.record(own, [record])

    first, second = find(own, "walrus gull").hits[0].excerpts

    assert (first.place, second.place) == ("/messages/0", "/messages/1")
    assert [part.text for part in first.parts if part.is_hit] == ["walrus", "gull"]
