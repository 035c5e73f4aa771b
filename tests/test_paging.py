"""Pages: they concatenate to the list, whatever the order, the ties and the writes between them."""

import datetime as dt
import random
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from generations import filters, paging
from generations.filters import BadFilter
from generations.models import Project
from generations.paging import BadCursor, Page
from tests import rows

pytestmark = pytest.mark.django_db

START = dt.datetime(2026, 11, 20, tzinfo=dt.UTC)
ORDERS = [
    None, "timestamp", "-timestamp", "usage.cost", "-usage.cost", "-performance.latency", "performance.latency",
    "usage.totalTokens", "-model.id", "model.id", "-endTimestamp", "endTimestamp", "id", "-metadata.userId", "type",
]  # fmt: skip


@pytest.fixture
def project() -> Project:
    """Sixty generations full of ties and of values that are not known."""
    chance = random.Random(11)
    made = rows.project()
    rows.generations(made, [_varied(chance, n) for n in range(60)])
    rows.generations(rows.project(), [_varied(chance, n) for n in range(20)])
    return made


def _varied(chance: random.Random, n: int) -> dict[str, Any]:
    return {
        "id": f"g{n}",
        "started_at": START + dt.timedelta(microseconds=chance.randrange(20)),
        "ended_at": chance.choice([None, START, START + dt.timedelta(microseconds=1)]),
        "cost": chance.choice([None, Decimal("0.1"), Decimal("0.100000000001"), Decimal(3)]),
        "latency": chance.choice([None, 0.1, 1 / 3, 1e-9]),
        "total_tokens": chance.choice([None, None, 7]),
        "model_id": chance.choice([None, "", "a", "模型", 'b"']),
        "user_id": chance.choice([None, "ann"]),
        "type": chance.choice(["chat", "completion"]),
    }


def walk(project: Project, order: str | None, limits: list[int], backward: bool = False, **ask: Any) -> list[Page]:
    """All pages from one end of the list to the other, their sizes taken from `limits` in turn."""
    found: list[Page] = []
    cursor: str | None = None
    if backward:
        last = walk(project, order, [1000], **ask)[-1]
        found.append(Page(last.rows[-1:], None, None, last.order, 1, last._key))
        cursor = last.cursor(last.rows[-1])
    while cursor is not None or not found:
        limit = limits[len(found) % len(limits)]
        after, before = (None, cursor) if backward else (cursor, None)
        page = paging.page("generations", project.pk, order=order, limit=limit, after=after, before=before, **ask)
        found.append(page)
        cursor = page.previous if backward else page.next
    return found


def ids(pages: list[Page]) -> list[str]:
    return [row.public_id for page in pages for row in page.rows]


quiet = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


# ------------------------------------------------------------------------------------------------------- properties
@quiet
@given(order=st.sampled_from(ORDERS), limits=st.lists(st.integers(1, 25), min_size=1, max_size=4))
def test_pages_concatenate_to_the_list(project: Project, order: str | None, limits: list[int]) -> None:
    (whole,) = walk(project, order, [1000])

    pages = walk(project, order, limits)

    assert ids(pages) == ids([whole])
    assert len(set(ids(pages))) == 60
    assert pages[0].previous is None
    assert all(len(page.rows) == page.limit for page in pages[:-1])


@quiet
@given(order=st.sampled_from(ORDERS), limits=st.lists(st.integers(1, 25), min_size=1, max_size=4))
def test_pages_read_backwards_concatenate_to_the_list(project: Project, order: str | None, limits: list[int]) -> None:
    (whole,) = walk(project, order, [1000])

    pages = walk(project, order, limits, backward=True)

    assert ids(pages[::-1]) == ids([whole])


@quiet
@given(order=st.sampled_from(ORDERS), limit=st.integers(1, 25), data=st.data())
def test_the_way_back_shows_the_page_one_came_from(
    project: Project, order: str | None, limit: int, data: st.DataObject
) -> None:
    pages = walk(project, order, [limit])
    here = data.draw(st.integers(1, len(pages) - 1))

    back = paging.page("generations", project.pk, order=order, before=pages[here].previous, limit=limit)

    assert ids([back]) == ids([pages[here - 1]])
    assert (back.previous is None) == (here == 1)
    assert back.next == pages[here - 1].next


@quiet
@given(
    order=st.sampled_from(ORDERS),
    limit=st.integers(1, 25),
    at=st.lists(st.tuples(st.integers(-5, 25), st.sampled_from([None, 0.1, 2.0])), min_size=1, max_size=5),
)
def test_rows_written_between_pages_neither_hide_nor_repeat_others(
    project: Project, order: str | None, limit: int, at: list[tuple[int, float | None]]
) -> None:
    known = ids(walk(project, order, [1000]))
    seen: list[str] = []
    cursor: str | None = None

    while True:
        page = paging.page("generations", project.pk, order=order, after=cursor, limit=limit)
        seen += ids([page])
        if at:
            micro, cost = at.pop()
            moment = START + dt.timedelta(microseconds=micro)
            rows.generation(project, started_at=moment, cost=cost, latency=cost, model_id="a", ended_at=moment)
        if page.next is None:
            break
        cursor = page.next

    assert [one for one in seen if one in set(known)] == known
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize("direction", ["", "-"])
def test_what_is_not_known_comes_last_in_either_direction(project: Project, direction: str) -> None:
    (whole,) = walk(project, f"{direction}usage.cost", [1000])

    costs = [row.cost for row in whole.rows]

    known = [cost for cost in costs if cost is not None]
    assert known == sorted(known, reverse=direction == "-")
    assert costs == known + [None] * (len(costs) - len(known))


def test_pages_of_a_filtered_list_concatenate_to_it(project: Project) -> None:
    condition = filters.from_document("generations", {"$not": {"model.id": "a"}})

    pages = walk(project, "-usage.cost", [7], condition=condition)

    assert ids(pages) == ids(walk(project, "-usage.cost", [1000], condition=condition))
    assert 0 < len(ids(pages)) < 60


# ------------------------------------------------------------------------------------------------------------ lists
def test_each_list_has_its_own_first_page() -> None:
    project = rows.project()
    for n in range(3):
        moment = START + dt.timedelta(hours=n)
        rows.generation(project, id=f"g{n}", started_at=moment)
        rows.step(project, id=f"s{n}", started_at=moment)
        rows.thread(project, id=f"t{n}", started_at=START - n * dt.timedelta(days=1), last_activity_at=moment)
        rows.participant(project, id=f"p{n}", created_at=START - n * dt.timedelta(days=1), last_seen_at=moment)
        rows.score(project, id=f"c{n}", created_at=moment)
        project.tags.create(name=f"tag{n}")
        project.datasets.create(name=f"set{n}")
        project.jobs.create(kind="export", error=str(n))

    def named(kind: str, attribute: str = "public_id") -> list[str]:
        first = paging.page(kind, project.pk, limit=2)
        second = paging.page(kind, project.pk, after=first.next, limit=2)
        assert second.next is None
        return [getattr(row, attribute) for row in (*first.rows, *second.rows)]

    assert named("generations") == ["g2", "g1", "g0"]
    assert named("steps") == ["s2", "s1", "s0"]
    assert named("threads") == ["t2", "t1", "t0"]
    assert named("participants") == ["p2", "p1", "p0"]
    assert named("scores") == ["c2", "c1", "c0"]
    assert named("tags", "name") == ["tag2", "tag1", "tag0"]
    assert named("datasets", "name") == ["set2", "set1", "set0"]
    assert named("jobs", "error") == ["2", "1", "0"]


def test_an_empty_list_is_one_empty_page() -> None:
    page = paging.page("generations", rows.project().pk)

    assert (page.rows, page.next, page.previous, page.order) == ([], None, None, "-timestamp")


@pytest.mark.parametrize("limit", [1, 50])
def test_a_page_is_one_query_that_neither_counts_nor_skips(project: Project, limit: int) -> None:
    first = paging.page("generations", project.pk, limit=5)

    with CaptureQueriesContext(connection) as sent:
        paging.page("generations", project.pk, after=first.next, limit=limit)

    (statement,) = [query["sql"] for query in sent.captured_queries]
    assert "COUNT" not in statement
    assert "OFFSET" not in statement
    assert f"LIMIT {limit + 1}" in statement
    assert '("generation"."started_at", "generation"."uid") <' in statement


def test_a_deep_page_starts_where_its_cursor_stands_in_the_index(project: Project) -> None:
    old = rows.generation(project, started_at=START - dt.timedelta(days=200))
    first = paging.page("generations", project.pk, limit=5)
    key = first._key
    found = filters.rows("generations", project.pk).filter(key.beyond(old.started_at, old.uid, backward=False))

    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        plan = found.order_by(*key.ordering(backward=False))[:6].explain()

    assert "Sort" not in plan
    assert plan.count("Index Scan") == 1  # the partitions of later months are left out
    assert "Index Cond: ((project_id =" in plan
    assert "ROW(started_at, uid) < ROW(" in plan.split("Index Cond:")[1].splitlines()[0]


# ------------------------------------------------------------------------------------------------------- neighbours
@pytest.mark.parametrize("order", ORDERS)
def test_the_neighbours_of_a_row_are_those_beside_it_in_the_list(project: Project, order: str | None) -> None:
    (whole,) = walk(project, order, [1000])
    listed = [None, *(row.public_id for row in whole.rows), None]

    found = [paging.neighbours("generations", project.pk, None, order, row) for row in whole.rows]

    assert found == list(zip(listed, listed[2:], strict=False))


def test_the_neighbours_of_a_row_that_is_not_of_the_list_are_those_where_it_would_stand(project: Project) -> None:
    chat = filters.from_document("generations", {"type": "chat"})
    (whole,) = walk(project, None, [1000])
    at = next(n for n, row in enumerate(whole.rows) if n > 20 and row.type == "completion")
    before = [row.public_id for row in whole.rows[:at] if row.type == "chat"]
    after = [row.public_id for row in whole.rows[at:] if row.type == "chat"]

    with CaptureQueriesContext(connection) as sent:
        found = paging.neighbours("generations", project.pk, chat, None, whole.rows[at])

    assert found == (before[-1], after[0])
    assert len(sent) == 1


def test_a_project_without_rows_has_no_neighbours_of_another_ones(project: Project) -> None:
    (whole,) = walk(project, None, [1000])

    assert paging.neighbours("generations", rows.project().pk, None, None, whole.rows[30]) == (None, None)


# ------------------------------------------------------------------------------------------------------------ count
def test_a_count_is_exact_up_to_its_cap(project: Project) -> None:
    chat = filters.from_document("generations", {"model.id": {"exists": True}})
    known = len(walk(project, None, [1000], condition=chat)[0].rows)

    assert paging.count("generations", project.pk, None) == paging.Count(60, True)
    assert paging.count("generations", project.pk, chat) == paging.Count(known, True)
    assert paging.count("generations", project.pk, None, cap=60) == paging.Count(60, True)
    assert paging.count("generations", project.pk, None, cap=59) == paging.Count(59, False)


def test_a_count_reads_no_more_rows_than_its_cap(project: Project) -> None:
    with CaptureQueriesContext(connection) as sent:
        paging.count("generations", project.pk, None, cap=10)

    assert "LIMIT 11" in sent.captured_queries[0]["sql"]


# -------------------------------------------------------------------------------------------------------- bad input
def test_a_cursor_leads_only_into_the_list_it_came_from(project: Project) -> None:
    cursor = paging.page("generations", project.pk, limit=5).next
    other = filters.from_document("generations", {"type": "chat"})
    stranger = rows.project()

    for expected, ask in (
        ("this one is of the list of generations", {"kind": "steps", "project_pk": project.pk}),
        (
            "this one is of the order -timestamp",
            {"kind": "generations", "project_pk": project.pk, "order": "timestamp"},
        ),
        ("same filter", {"kind": "generations", "project_pk": project.pk, "condition": other}),
        ("unchanged", {"kind": "generations", "project_pk": stranger.pk}),
    ):
        for side in ("after", "before"):
            with pytest.raises(BadCursor) as refused:
                paging.page(**ask, **{side: cursor})  # type: ignore[arg-type]
            assert refused.value.field == side
            assert expected in refused.value.expected


def test_a_cursor_that_was_touched_is_refused(project: Project) -> None:
    cursor = paging.page("generations", project.pk, limit=5).next
    assert cursor is not None

    touched = [cursor[:n] + ("A" if cursor[n] != "A" else "B") + cursor[n + 1 :] for n in range(len(cursor))]
    for wrong in [*touched, "", "x", "=", "é", "a b", cursor + "A", cursor + "=", cursor[:-1], "A" * 9000]:
        with pytest.raises(BadCursor, match="a cursor that this project's lists gave out, unchanged"):
            paging.page("generations", project.pk, after=wrong)


@quiet
@given(cursor=st.text(max_size=60))
def test_any_text_is_no_cursor(cursor: str) -> None:
    with pytest.raises(BadCursor):
        paging.page("generations", 1, after=cursor)


@pytest.mark.parametrize(
    ("ask", "field", "expected"),
    [
        ({"limit": 0}, "limit", "a whole number from 1 to 1000"),
        ({"limit": 1001}, "limit", "a whole number from 1 to 1000"),
        ({"order": "usage.cots"}, "order", "did you mean usage.cost?"),
        ({"order": "tags"}, "order", "a field that can be ordered by: id, timestamp"),
        ({"order": "metadata.plan"}, "order", "a field that can be ordered by"),
        ({"order": "-feedback.rating"}, "order", "a field that can be ordered by"),
        ({"order": "--timestamp"}, "order", "a field of generations"),
        ({"after": "x", "before": "y"}, "before", "either after or before, not both"),
    ],
)
def test_a_page_that_cannot_be_is_refused_by_name(ask: dict[str, Any], field: str, expected: str) -> None:
    with pytest.raises(BadFilter) as refused:
        paging.page("generations", 1, **ask)

    assert refused.value.field == field
    assert expected in refused.value.expected


def test_an_order_is_known_by_every_name_of_its_field(project: Project) -> None:
    page = paging.page("generations", project.pk, order="-cost", limit=1)

    assert page.order == "-usage.cost"
    assert paging.page("generations", project.pk, order="-usage.cost", after=page.next).rows
