"""The filter catalogue and its SQL: what a condition means, what is refused, which index answers."""

import datetime as dt
import random
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings

from generations import filters, paging
from generations.filters import BadFilter, Kind, Leaf, Not
from generations.models import Project
from tests import rows
from tests.conditions import NOW, Row, comparisons, conditions, holds, varied

pytestmark = pytest.mark.django_db
slow_fixture = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def ids(project: Project, document: dict[str, Any], kind: str = "generations") -> list[str]:
    """The ids of the rows that satisfy a filter document, in order of id."""
    condition = filters.from_document(kind, document)
    found = filters.narrow(kind, project.pk, condition, now=NOW)
    return sorted(found.values_list("public_id", flat=True))


# ---------------------------------------------------------------------------------------------------- the catalogue
@pytest.mark.parametrize("kind", filters.kinds())
def test_every_column_of_a_list_has_a_field_or_a_reason(kind: str) -> None:
    columns = {field.name for field in filters.catalogue(kind).model._meta.concrete_fields} - {"project"}

    covered, reasons = filters.columns(kind), set(filters.unfiltered(kind))

    assert columns - covered == reasons
    assert covered <= columns


@pytest.mark.parametrize("kind", filters.kinds())
def test_every_field_answers_with_every_operator_it_has(kind: str) -> None:
    samples: dict[Kind, Any] = {Kind.NUMBER: 1, Kind.TIME: "2026-01-01", Kind.BOOL: True}
    for declared in filters.fields(kind):
        field = declared.under(("plan",)) if declared.dynamic else declared
        for op in field.operators:
            value = field.choices[0] if field.choices else samples.get(field.kind, "x")
            given: Any = True if op == "exists" else [value] if op in ("in", "nin", "all") else value

            condition = filters.from_document(kind, {field.path: {op: given}})

            assert list(filters.narrow(kind, 1, condition)) == []
            assert filters.sentence(kind, condition)


@pytest.mark.parametrize("kind", filters.kinds())
def test_every_field_can_be_read_and_the_groupable_grouped_by(kind: str) -> None:
    for declared in filters.fields(kind):
        field = declared.under(("plan",)) if declared.dynamic else declared
        found = filters.rows(kind, 1).annotate(said=field.expression(1), amount=field.number(1))

        assert list(found.values("said", "amount")) == []
        if field.groupable:
            assert list(filters.rows(kind, 1).values(said=field.expression(1)).distinct()) == []
        assert not field.sortable or field.column is not None


def test_a_field_is_found_by_its_path_its_aliases_and_keys_behind_it() -> None:
    assert filters.field("generations", "modelId").path == "model.id"
    assert filters.field("generations", "thread.id").path == "threadId"
    assert filters.field("generations", "metadata.tags").path == "tags"
    assert filters.field("generations", "metadata.userId").column == "user_id"
    assert filters.field("generations", "metadata.user.plan").at == ("user", "plan")
    assert filters.field("generations", 'requestAttributes."gen_ai.system"').at == ("gen_ai.system",)
    assert filters.field("generations", "scores.answer.quality").at == ("answer.quality",)


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("modle.id", "did you mean model.id?"),
        ("model_id", "did you mean modelId?"),
        ("usage.total_tokens", "did you mean usage.totalTokens?"),
        ("feedback.ratting", "did you mean feedback.rating?"),
        ("metadata", "a name behind it, such as metadata.plan"),
        ("metadata.", "a field of generations"),
        ("xyzzy", "a field of generations"),
    ],
)
def test_an_unknown_field_is_refused_with_the_nearest_right_name(path: str, hint: str) -> None:
    with pytest.raises(BadFilter) as refused:
        filters.field("generations", path)

    assert refused.value.field == path
    assert hint in refused.value.expected


def test_an_unknown_list_is_refused_with_the_nearest_right_name() -> None:
    with pytest.raises(BadFilter, match=r"list: 'generation' .* did you mean generations\?"):
        filters.fields("generation")


# ------------------------------------------------------------------------------------------------------- properties
@pytest.fixture
def many() -> tuple[Project, list[Row]]:
    """A project of forty varied generations with feedback and scores, and the same as Python has them."""
    chance = random.Random(7)
    project = rows.project()
    return project, [varied(project, chance, n) for n in range(40)]


@slow_fixture
@given(condition=conditions("generations"))
def test_the_rows_found_are_those_that_satisfy_the_condition(
    many: tuple[Project, list[Row]], condition: filters.Condition
) -> None:
    project, known = many

    found = filters.narrow("generations", project.pk, condition, now=NOW).values_list("public_id", flat=True)

    assert sorted(found) == sorted(row["id"] for row in known if holds("generations", condition, row))


@slow_fixture
@given(condition=conditions("generations"))
def test_of_few_rows_the_same_are_found(many: tuple[Project, list[Row]], condition: filters.Condition) -> None:
    project, _ = many

    found = filters.narrow("generations", project.pk, condition, now=NOW, few=True).values_list("uid", flat=True)

    assert {*found} == {*filters.narrow("generations", project.pk, condition, now=NOW).values_list("uid", flat=True)}


@slow_fixture
@given(condition=comparisons("generations", "metadata"))
def test_keys_of_metadata_are_compared_with_values_of_their_own_type(
    many: tuple[Project, list[Row]], condition: filters.Condition
) -> None:
    project, known = many

    found = filters.narrow("generations", project.pk, condition, now=NOW).values_list("public_id", flat=True)

    assert sorted(found) == sorted(row["id"] for row in known if holds("generations", condition, row))


@slow_fixture
@given(condition=conditions("generations"))
def test_a_condition_and_its_negation_part_the_list_in_two(
    many: tuple[Project, list[Row]], condition: filters.Condition
) -> None:
    project, known = many

    found = set(filters.narrow("generations", project.pk, condition, now=NOW).values_list("uid", flat=True))
    others = set(filters.narrow("generations", project.pk, Not(condition), now=NOW).values_list("uid", flat=True))

    assert found & others == set()
    assert len(found | others) == len(known)


@pytest.mark.parametrize("kind", ["threads", "steps", "scores"])
def test_conditions_over_the_other_lists_have_sql(kind: str) -> None:
    @settings(max_examples=60, deadline=None)
    @given(condition=conditions(kind))
    def answers(condition: filters.Condition) -> None:
        assert list(filters.narrow(kind, 1, condition)) == []

    answers()


# --------------------------------------------------------------------------------------------------------- meanings
def test_what_is_missing_is_not_equal_to_anything_and_refusals_include_it() -> None:
    project = rows.project()
    rows.generation(project, id="said", model_id="gpt-4", user_id="ann")
    rows.generation(project, id="other", model_id="claude")
    rows.generation(project, id="silent")

    assert ids(project, {"model.id": {"ne": "gpt-4"}}) == ["other", "silent"]
    assert ids(project, {"model.id": {"nin": ["gpt-4", "claude"]}}) == ["silent"]
    assert ids(project, {"$not": {"model.id": "gpt-4", "userId": "ann"}}) == ["other", "silent"]
    assert ids(project, {"$nor": [{"model.id": "gpt-4"}, {"model.id": "claude"}]}) == ["silent"]
    assert ids(project, {"model.id": None}) == ["silent"]
    assert ids(project, {"model.id": {"ne": None}}) == ["other", "said"]


def test_the_latest_feedback_counts_and_the_history_does_not() -> None:
    project = rows.project()
    changed = rows.generation(project, id="changed")
    rows.feedback(changed, rating=1, is_latest=False)
    rows.feedback(changed, rating=5, thumbs="up")
    rows.feedback(rows.generation(project, id="bad"), rating=1)
    rows.generation(project, id="none")

    assert ids(project, {"feedback.rating": {"$gte": 4}}) == ["changed"]
    assert ids(project, {"feedback.rating": {"lt": 4}}) == ["bad"]
    assert ids(project, {"feedback.rating": {"ne": 5}}) == ["bad", "none"]
    assert ids(project, {"feedback.rating": {"exists": False}}) == ["none"]


def test_scores_are_asked_for_by_some_none_and_every() -> None:
    project = rows.project()
    good, mixed = rows.generation(project, id="good"), rows.generation(project, id="mixed")
    rows.generation(project, id="unjudged")
    rows.score(project, good, name="quality", value=0.9, author="ann")
    rows.score(project, mixed, name="quality", value=0.9)
    rows.score(project, mixed, name="tone", value=0.1)

    assert ids(project, {"scores": {"some": {"name": "quality", "value": {"gte": 0.8}}}}) == ["good", "mixed"]
    assert ids(project, {"scores": {"some": {"name": "tone", "value": {"gte": 0.8}}}}) == []
    assert ids(project, {"scores": {"none": {"name": "tone"}}}) == ["good", "unjudged"]
    assert ids(project, {"scores": {"every": {"value": {"gte": 0.8}}}}) == ["good", "unjudged"]
    assert ids(project, {"scores": {"$elemMatch": {"author": "ann"}}}) == ["good"]
    assert ids(project, {"scores": {"exists": False}}) == ["unjudged"]
    assert ids(project, {"scores.tone": {"lt": 0.5}}) == ["mixed"]


def test_threads_and_steps_are_found_by_the_generations_in_them() -> None:
    project = rows.project()
    rows.thread(project, id="t1")
    rows.thread(project, id="t2")
    rows.step(project, id="s1")
    rows.generation(project, thread_id="t1", step_id="s1", error="boom")
    rows.generation(project, thread_id="t2")

    assert ids(project, {"generations": {"some": {"hasError": True}}}, "threads") == ["t1"]
    assert ids(project, {"generations": {"every": {"status": "success"}}}, "threads") == ["t2"]
    assert ids(project, {"generation": {"some": {"error": {"contains": "BOO"}}}}, "steps") == ["s1"]


def test_a_date_is_its_whole_day_and_both_ends_are_included() -> None:
    project = rows.project()
    for name, text in (
        ("before", "2026-10-30T23:59:59.999999+00:00"),
        ("first", "2026-10-31T00:00:00+00:00"),
        ("last", "2026-10-31T23:59:59.999999+00:00"),
        ("after", "2026-11-01T00:00:00+00:00"),
    ):
        rows.generation(project, id=name, started_at=dt.datetime.fromisoformat(text))

    assert ids(project, {"timestamp": "2026-10-31"}) == ["first", "last"]
    assert ids(project, {"timestamp": {"gte": "2026-10-31", "lte": "2026-10-31"}}) == ["first", "last"]
    assert ids(project, {"timestamp": {"lt": "2026-10-31"}}) == ["before"]
    assert ids(project, {"timestamp": {"gt": "2026-10-31"}}) == ["after"]
    assert ids(project, {"timestamp": {"lte": "2026-10-31T02:00:00+02:00"}}) == ["before", "first"]
    assert ids(project, {"timestamp": {"gte": "now-21d"}}) == ["after", "last"]


def test_text_is_found_in_previews_and_content_in_payloads() -> None:
    project = rows.project()
    told = rows.generation(project, id="told", input_preview="Where is Rome?", output_preview="In Italy")
    rows.generation_payload(
        told,
        messages=[{"role": "system", "content": 'Say "yes" or\nno'}, {"role": "user", "content": "Where is Rome?"}],
        message_completion={"role": "assistant", "content": "In Italy, 100% sure"},
    )
    rows.generation_payload(rows.generation(project, id="plain"), prompt="Rome_", completion="x")

    assert ids(project, {"text": "rome"}) == ["told"]
    assert ids(project, {"text": {"contains": "italy"}}) == ["told"]
    assert ids(project, {"input.content": "rome"}) == ["plain", "told"]
    assert ids(project, {"input": {"content": {"contains": 'say "yes" or\nno'}}}) == ["told"]
    assert ids(project, {"output.content": "100%"}) == ["told"]
    assert ids(project, {"input.content": "me_"}) == ["plain"]
    assert ids(project, {"input.content": "content"}) == []


def test_a_number_beyond_its_column_is_compared_and_not_refused() -> None:
    project = rows.project()
    rows.generation(project, id="some", total_tokens=7, latency=0.5, cost=Decimal("0.25"))
    rows.generation(project, id="none")

    for path in ("usage.totalTokens", "performance.latency", "usage.cost", "selectedChoice"):
        known = [] if path == "selectedChoice" else ["some"]
        assert ids(project, {path: 10**20}) == []
        assert ids(project, {path: {"lt": 10**200}}) == known
        assert ids(project, {path: {"gt": -(10**200)}}) == known
        assert ids(project, {path: {"in": [10**20, 0.1, -(10**200)]}}) == []


def test_another_projects_rows_are_never_found() -> None:
    ours, theirs = rows.project(), rows.project()
    mine = rows.generation(ours, id="same")
    other = rows.generation(theirs, id="same")
    rows.feedback(other, rating=5)
    rows.score(theirs, other, name="quality", value=1)

    assert ids(ours, {"feedback.rating": {"exists": True}}) == []
    assert ids(ours, {"scores": {"exists": True}}) == []
    found = filters.narrow("generations", ours.pk, Leaf("id", (), "eq", "same"))
    assert [row.uid for row in found] == [mine.uid]


def test_every_table_in_a_statement_names_the_project_literally() -> None:
    document = {
        "generations": {"some": {"feedback.rating": 5, "scores": {"some": {"value": 1}}, "input.content": "x"}},
        "scores.quality": 1,
    }
    condition = filters.from_document("threads", document)

    with CaptureQueriesContext(
        connection,
    ) as sent:
        list(filters.narrow("threads", 4711, condition))

    (statement,) = [query["sql"] for query in sent.captured_queries]
    assert statement.count("FROM") == statement.count('"project_id" = 4711') == 6


# ---------------------------------------------------------------------------------------------------------- indexes
@pytest.fixture
def busy() -> Iterator[Project]:
    """Some thousand generations among those of another project, and fresh statistics."""
    ours, theirs = rows.project(), rows.project()
    with connection.cursor() as cursor:
        cursor.execute(_BUSY, {"ours": ours.pk, "theirs": theirs.pk})
        cursor.execute("ANALYZE generation")
    yield ours


_BUSY = """
INSERT INTO generation (project_id, uid, public_id, type, input_type, output_type, started_at, created_at, updated_at,
  start_assumed, parameters, error, user_id, thread_id, step_id, trace_id, model_id, tags, metadata)
SELECT p, md5(p || '/' || n)::uuid, 'g' || n, 'chat', 'text', 'text', t, t, t, false, '{}',
  CASE WHEN n %% 100 = 0 THEN 'boom' END, 'u' || n %% 500, 't' || n %% 1000, 's' || n / 2, 'x' || n / 3,
  'm' || n %% 4, ARRAY['common', 'tag' || n / 5], jsonb_build_object('plan', n %% 3, 'order', n)
FROM unnest(ARRAY[%(ours)s, %(theirs)s]::bigint[]) p, generate_series(1, 4000) n,
  -- All in this month, also in its first hour.
  LATERAL (SELECT greatest(now(), date_trunc('month', now(), 'UTC') + interval '2 h') - n * interval '1 s' AS t) moment
"""


@pytest.mark.parametrize(
    ("document", "index"),
    [
        ({}, "project_id_started_at_uid_idx"),
        ({"userId": "u5"}, "project_id_user_id_started_at_idx"),
        ({"threadId": "t5"}, "project_id_thread_id_started_at_idx"),
        ({"stepId": "s5"}, "project_id_step_id_started_at_idx"),
        ({"traceId": "x5"}, "project_id_trace_id_started_at_idx"),
        ({"model.id": "m1"}, "project_id_model_id_started_at_uid_idx"),
        ({"hasError": True}, "project_id_started_at_uid_idx1"),
        ({"status": "error"}, "project_id_started_at_uid_idx1"),
        ({"tags": "tag7"}, "tags_idx"),
        ({"metadata.order": 7}, "metadata_idx"),
        ({"id": "g7"}, "pkey"),
    ],
)
def test_a_filter_on_an_indexed_field_reads_its_index(busy: Project, document: dict[str, Any], index: str) -> None:
    condition = filters.from_document("generations", document)
    found = filters.narrow("generations", busy.pk, condition).order_by("-started_at", "-uid")[:51]

    plan = found.explain(analyze=True, timing=False)

    partition = f"generation_p{dt.datetime.now(dt.UTC):%Y%m}"
    assert f"{partition}_{index} " in plan
    assert f"Seq Scan on {partition} " not in plan


@pytest.mark.parametrize(
    "document",
    [
        {"$or": [{"hasError": True}, {"scores": {"some": {"value": {"gte": 0.9}}}}]},
        {"$not": {"scores.quality": {"gte": 0.9}}},
        {"feedback.rating": {"exists": False}},
    ],
)
def test_a_page_looks_up_what_hangs_on_the_rows_it_comes_to_and_reads_no_other(
    busy: Project, document: dict[str, Any]
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_JUDGED, {"ours": busy.pk})
        cursor.execute("ANALYZE score, feedback")
    condition = filters.from_document("generations", document)

    with CaptureQueriesContext(connection) as sent:
        page = paging.page("generations", busy.pk, condition)
        count = paging.count("generations", busy.pk, condition, cap=100)

    assert (len(page.rows), count.value, count.exact) == (50, 100, False)
    with connection.cursor() as cursor:
        for query in sent.captured_queries:
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS OFF, TIMING OFF) {query['sql']}")
            plan = "\n".join(line for (line,) in cursor.fetchall())
            assert "project_id_generation_id" in plan or "_generation " in plan
            assert "hashed" not in plan


_JUDGED = """
WITH judged AS (
  INSERT INTO score (project_id, uid, public_id, name, type, value, generation_id, tags, metadata, created_at,
    updated_at)
  SELECT project_id, uid, public_id, 'quality', 'AI', (n %% 10) / 10.0, public_id, '{}', '{}', started_at, started_at
  FROM (SELECT *, row_number() OVER (ORDER BY started_at DESC) AS n FROM generation WHERE project_id = %(ours)s) AS g
)
INSERT INTO feedback (project_id, uid, public_id, rating, generation_id, categories, metadata, created_at, updated_at,
  is_latest)
SELECT project_id, uid, public_id, 5, public_id, '{}', '{}', started_at, started_at, true
FROM (SELECT *, row_number() OVER (ORDER BY started_at DESC) AS n FROM generation WHERE project_id = %(ours)s) AS g
WHERE n %% 10 = 0
"""
