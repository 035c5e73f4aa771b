"""Filters as documents: read, written, and refused by name."""

import datetime as dt
import json
from typing import Any

import pytest
from django.http import QueryDict
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from generations import filters
from generations.filters import And, BadFilter, Leaf, Not, Relative
from tests.conditions import conditions


def of(document: Any, kind: str = "generations") -> filters.Condition | None:
    return filters.from_document(kind, document)


def asked(query: str, kind: str = "generations") -> filters.Condition | None:
    return filters.from_query(kind, QueryDict(query), ignore=("limit", "after"))


def eq(field: str, value: Any) -> Leaf:
    return Leaf(field, (), "eq", value)


# -------------------------------------------------------------------------------------------------------- documents
def test_the_documents_of_the_interface_are_read() -> None:
    assert of(
        {
            "model.id": "gpt-4",
            "feedback.rating": {"$gte": 4},
            "timestamp": {"$gte": "2023-01-01T00:00:00.000Z", "$lte": "2023-01-31"},
        }
    ) == And(
        (
            eq("model.id", "gpt-4"),
            Leaf("feedback.rating", (), "gte", 4),
            Leaf("timestamp", (), "gte", dt.datetime(2023, 1, 1, tzinfo=dt.UTC)),
            Leaf("timestamp", (), "lte", dt.date(2023, 1, 31)),
        )
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"model.id": "a"}, {"model": {"id": "a"}}),
        ({"model.id": "a"}, {"modelId": {"$eq": "a"}}),
        ({"model.id": "a"}, {"model": "a"}),
        ({"usage.cost": {"$gt": 1}}, {"usage": {"cost": {"gt": 1}}}),
        ({"$or": [{"name": "a"}, {"name": "b"}]}, {"or": [{"name": "a"}, {"name": "b"}]}),
        ({"$not": {"name": "a"}}, {"name": {"not": {"eq": "a"}}}),
        ({"$nor": [{"name": "a"}]}, {"$not": {"$or": [{"name": "a"}]}}),
        ({"name": ["a", "b"]}, {"name": {"$in": ["a", "b"]}}),
        ({"name": {"startswith": "a"}}, {"name": {"$startsWith": "a"}}),
        ({"name": None}, {"name": {"$exists": False}}),
        ({"name": {"$ne": None}}, {"name": {"$exists": True}}),
        ({"tags": "a"}, {"metadata": {"tags": {"has": "a"}}}),
        ({"metadata.user.plan": "a"}, {"metadata": {"user": {"plan": "a"}}}),
        ({'metadata."user.plan"': "a"}, {"metadata": {"user.plan": "a"}}),
        ({"metadata.in": {"in": [1]}}, {"metadata": {"in": {"$in": [1]}}}),
        ({"metadata.userId": "a"}, {"metadata": {"userId": "a"}}),
        ({"scores": {"some": {"value": 1}}}, {"scores": {"$elemMatch": {"value": 1}}}),
        ({"scores.tone": {"gte": 1}}, {"scores": {"tone": {"$gte": 1}}}),
        ({"scores": {"exists": True}}, {"scores": {"some": {}}}),
        ({"type": "CHAT"}, {"type": "chat"}),
        ({"usage.cost": "0.5"}, {"usage.cost": 0.5}),
        ({"usage.totalTokens": 5.0}, {"usage.totalTokens": 5}),
    ],
)
def test_there_are_several_ways_to_say_the_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert of(one) == of(other) is not None


def test_an_empty_document_narrows_nothing() -> None:
    assert of({}) is None
    assert of(None) is None
    assert filters.to_document(None) == {}


@pytest.mark.parametrize("kind", ["generations", "steps", "threads", "scores"])
def test_a_condition_written_as_a_document_is_read_as_itself(kind: str) -> None:
    @settings(max_examples=100, deadline=None)
    @given(condition=conditions(kind))
    def same(condition: filters.Condition) -> None:
        document = filters.to_document(condition)

        assert of(json.loads(json.dumps(document)), kind) == condition
        assert filters.sentence(kind, condition)

    same()


def test_a_document_is_written_as_a_person_would() -> None:
    document = {"model.id": "gpt-4", "timestamp": {"$gte": "2023-01-01", "$lte": "now-24h"}, 'metadata."a.b"': 5}

    assert filters.to_document(of(document)) == document
    assert filters.to_document(of({"scores": {"every": {"value": 1}}})) == {"scores": {"$every": {"value": 1}}}
    assert filters.to_document(of({"scores": {"none": {}}})) == {"scores": {"$none": {}}}


# ----------------------------------------------------------------------------------------------------------- values
@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-01-31", dt.date(2026, 1, 31)),
        ("20260131", dt.date(2026, 1, 31)),
        ("2026-01-31T10:00:00Z", dt.datetime(2026, 1, 31, 10, tzinfo=dt.UTC)),
        ("2026-01-31T10:00", dt.datetime(2026, 1, 31, 10, tzinfo=dt.UTC)),
        ("2026-01-31 10:00:00.5", dt.datetime(2026, 1, 31, 10, 0, 0, 500000, tzinfo=dt.UTC)),
        ("2026-01-31T10:00:00+02:00", dt.datetime(2026, 1, 31, 8, tzinfo=dt.UTC)),
        ("2026-01-31T10:00:00 02:00", dt.datetime(2026, 1, 31, 8, tzinfo=dt.UTC)),
        ("2026-01-31T10:00:00-0530", dt.datetime(2026, 1, 31, 15, 30, tzinfo=dt.UTC)),
        ("0001-01-01T00:00:00+05:00", dt.datetime(1, 1, 1, tzinfo=dt.UTC)),
        ("9999-12-31", dt.date(9999, 12, 31)),
        ("now-24h", Relative("now-24h")),
        ("NOW", Relative("now")),
        ("now 1d", Relative("now+1d")),
    ],
)
def test_moments_are_read_in_any_usual_form(text: str, meant: Any) -> None:
    assert of({"timestamp": text}) == eq("timestamp", meant)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "text", ["0001-01-01", "9999-12-31", "now-999999w", "now+999999w", "9999-12-31T23:59:59-12:00"]
)
def test_moments_at_the_ends_of_the_calendar_are_compared(text: str) -> None:
    for op in ("eq", "gt", "gte", "lt", "lte"):
        assert list(filters.narrow("generations", 1, of({"timestamp": {op: text}}))) == []


BAD: list[tuple[Any, str, str]] = [
    ({"usage.cost": "abc"}, "usage.cost", "a number"),
    ({"usage.cost": float("nan")}, "usage.cost", "a finite number"),
    ({"usage.cost": float("inf")}, "usage.cost", "a finite number"),
    ({"usage.cost": 10**301}, "usage.cost", "a finite number"),
    ({"usage.cost": True}, "usage.cost", "a number"),
    ({"usage.cost": [1, "x"]}, "usage.cost", "a number"),
    ({"timestamp": "yesterday"}, "timestamp", "ISO 8601"),
    ({"timestamp": "2026-02-30"}, "timestamp", "ISO 8601"),
    ({"timestamp": 5}, "timestamp", "ISO 8601"),
    ({"hasError": "maybe"}, "hasError", "true or false"),
    ({"name": {"exists": "maybe"}}, "name", "true or false"),
    ({"status": "eror"}, "status", "one of success, error; did you mean error?"),
    ({"name": "a\0b"}, "name", "without NUL characters"),
    ({"name": "a\ud800"}, "name", "without lone surrogates"),
    ({"name": "x" * 2001}, "name", "at most 2000 characters"),
    ({"metadata.a\0b": 1}, "metadata", "without NUL characters"),
    ({"metadata": {"a": {"b": {"$eq": {"c": 1}}}}}, "metadata.a.b", "a text, a number, true or false"),
    ({"metadata.a": {"gt": True}}, "metadata.a", "a number or a text"),
    ({"metadata": {"x" * 201: 1}}, "metadata", "at most 20 keys of at most 200 characters"),
    ({"name": {"$in": "a"}}, "name", "a list of values for in"),
    ({"name": {"$in": ["a"] * 1001}}, "name", "at most 1,000 values"),
    ({"name": {"gt": "a"}}, "name", "one of the operators eq, ne, in, nin, contains, startsWith, exists"),
    ({"name": {"gt": "a"}}, "name", "; gt is for a field of kind number or time or json, did you mean eq?"),
    ({"usage.cost": {"contains": 1}}, "usage.cost", "did you mean eq?"),
    ({"usage.cost": {"$startsWith": 1}}, "usage.cost", "did you mean eq?"),
    ({"metadata.plan": {"$startsWith": "p"}}, "metadata.plan", "did you mean contains?"),
    ({"tags": {"gte": "a"}}, "tags", "did you mean contains?"),
    ({"name": {"$all": ["a"]}}, "name", "all is for a field of kind tags, did you mean in?"),
    ({"hasError": {"nin": [True]}}, "hasError", "did you mean ne?"),
    ({"usage.cost": {"$between": [1, 2]}}, "usage.cost", "did you mean gte?"),
    ({"usage.cost": {"$gtt": 1}}, "usage.cost", "did you mean gt?"),
    ({"name": {"$regex": "a"}}, "name", "; did you mean contains?"),
    ({"name": {"contains": None}}, "name", "asked for by exists"),
    ({"name": {}}, "name", "an operator and a value"),
    ({"tags": ["a", "b"]}, "tags", "$in for any of them, $all for all"),
    ({"metadata": "x"}, "metadata", "a name behind it"),
    ({"model": {"idd": "x"}}, "model.idd", "did you mean model.id?"),
    ({"modle": {"id": "x"}}, "modle", "a field of generations"),
    ({"$and": []}, "$and", "a list of at least one condition"),
    ({"$or": {"name": "a"}}, "$or", "a list of at least one condition"),
    ({"$or": [{}]}, "$or", "a condition, not an empty object"),
    ({"$where": "1"}, "$where", "one of $and, $or, $not, $nor"),
    ({"scores": {"name": "quality"}}, "scores", 'such as {"scores": {"some": {...}}}'),
    ({"scores": {"some": {"valeu": 1}}}, "valeu", "did you mean value?"),
    ({"scores": {"every": {}}}, "scores.every", "a condition, not an empty object"),
    ({"name": 10**5000}, "name", "a text"),
    ([], "filter", "an object of conditions"),
    ({5: 1}, "filter", "names that are texts"),
]


@pytest.mark.parametrize(("document", "field", "expected"), BAD)
def test_what_cannot_be_asked_is_refused_by_name(document: Any, field: str, expected: str) -> None:
    with pytest.raises(BadFilter) as refused:
        of(document)

    assert refused.value.field == field
    assert expected in refused.value.expected
    assert str(refused.value).isprintable()


def test_a_filter_too_deep_or_too_large_is_refused() -> None:
    deep: dict[str, Any] = {"name": "a"}
    for _ in range(19):
        deep = {"$not": deep}
    assert of(deep) is not None
    assert of({"$or": [{"name": "a"}] * 199}) is not None

    with pytest.raises(BadFilter, match="at most 20 levels deep"):
        of({"$not": deep})
    with pytest.raises(BadFilter, match="at most 200 conditions"):
        of({"$or": [{"name": "a"}] * 200})
    documents: list[dict[str, Any]] = [{"$not": {}}, {"a": {}}]
    for document in documents:
        nested: dict[str, Any] = {"model": document}
        for _ in range(100_000):
            nested = {"$not": nested}
        with pytest.raises(BadFilter, match="at most 20 levels deep"):
            of(nested)
    with pytest.raises(BadFilter, match="at most 20 levels deep"):
        filters.q("generations", of(deep) and Not(Not(of(deep) or eq("name", "a"))), 1)


def test_a_value_of_any_depth_is_refused_in_a_few_words() -> None:
    value: Any = 1
    for _ in range(10_000):
        value = [value]

    with pytest.raises(BadFilter) as refused:
        of({"name": {"$eq": value}})

    assert len(str(refused.value)) < 200


_WORDS = st.sampled_from(
    ["$and", "or", "$not", "nor", "$eq", "in", "$exists", "contains", "gt", "$some", "none", "every", "scores", "name",
     "model", "id", "usage", "cost", "timestamp", "metadata", "tags", "feedback.rating", "hasError", "a.b", '"', "text"]
) | st.text(st.characters(), max_size=4)  # fmt: skip
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5) | st.just("now-1d"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS, inner, max_size=3),
    max_leaves=12,
)


@pytest.mark.django_db
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(document=st.dictionaries(_WORDS, ANYTHING, max_size=3))
def test_any_document_is_answered_or_refused(document: dict[str, Any]) -> None:
    try:
        condition = of(document)
    except BadFilter:
        return

    assert list(filters.narrow("generations", 1, condition)) == []
    assert of(filters.to_document(condition)) == condition
