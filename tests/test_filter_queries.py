"""Filters as parameters of a URL, as FilterSets and as sentences."""

from typing import Any

import pytest
from django.http import QueryDict
from hypothesis import given, settings
from hypothesis import strategies as st

from generations import filters
from generations.filters import BadFilter, Leaf
from generations.models import Generation
from tests import rows
from tests.conditions import conditions


def of(document: dict[str, Any], kind: str = "generations") -> filters.Condition | None:
    return filters.from_document(kind, document)


def asked(query: str, kind: str = "generations") -> filters.Condition | None:
    return filters.from_query(kind, QueryDict(query), ignore=("limit", "after"))


def eq(field: str, value: Any) -> Leaf:
    return Leaf(field, (), "eq", value)


# ------------------------------------------------------------------------------------------------------------- URLs
@pytest.mark.parametrize(
    ("query", "document"),
    [
        ("usage.currency__in=usd,Eur,credits", {"usage.currency": {"in": ["USD", "EUR", "credits"]}}),
        ("model.id=gpt-4&feedback.rating__gte=4", {"model.id": "gpt-4", "feedback.rating": {"gte": 4}}),
        ("from=2026-01-01&to=2026-01-31", {"timestamp": {"gte": "2026-01-01", "lte": "2026-01-31"}}),
        ("id__in=a,b", {"id": {"in": ["a", "b"]}}),
        ('name__in=a,"b,c",d', {"name": {"in": ["a", "b,c", "d"]}}),
        ("name=a&name=b", {"name": {"in": ["a", "b"]}}),
        ("tags=a&tags=b", {"$and": [{"tags": "a"}, {"tags": "b"}]}),
        ("tags__in=a,b", {"tags": {"in": ["a", "b"]}}),
        ("metadata.plan=pro", {"metadata.plan": "pro"}),
        ("metadata.n=5", {"metadata.n": {"in": [5, "5"]}}),
        ("metadata.n__ne=true", {"metadata.n": {"nin": [True, "true"]}}),
        ("metadata.n__gte=5", {"metadata.n": {"gte": 5}}),
        ("metadata.n__gte=abc", {"metadata.n": {"gte": "abc"}}),
        ("metadata.a__b=x", {"metadata": {"a__b": "x"}}),
        ("scores.quality__gte=0.5", {"scores.quality": {"gte": 0.5}}),
        ("text=hello&input.content=x", {"text": "hello", "input.content": "x"}),
        ("error__exists=false&hasError=true", {"error": {"exists": False}, "hasError": True}),
        ('filter={"$or":[{"name":"a"},{"name":"b"}]}&type=chat', {"$and": [{"$or": [{"name": "a"}, {"name": "b"}]},
                                                                             {"type": "chat"}]}),
        ("name=&limit=5&after=x&from=", {}),
    ],
)  # fmt: skip
def test_the_parameters_of_a_url_say_a_condition(query: str, document: dict[str, Any]) -> None:
    assert asked(query) == of(document)


@pytest.mark.parametrize(
    ("query", "field", "expected"),
    [
        ("modle.id=x", "modle.id", "did you mean model.id?"),
        ("model.id__gte=x", "model.id", "gte is for a field of kind number or time or json, did you mean eq?"),
        ("model.id__gtee=x", "model.id", "did you mean eq?"),
        ("usage.cost__contains=1", "usage.cost", "did you mean eq?"),
        ("model.id__icontains=gpt", "model.id", "did you mean contains?"),
        ("feedback.rating__gtt=4", "feedback.rating", "did you mean gt?"),
        ("feedback.rating__gte=x", "feedback.rating", "a number"),
        ("from=yesterday", "from", "ISO 8601"),
        ("page=2", "page", "a field of generations"),
        ("filter={", "filter", "a filter document in JSON"),
        ("filter=[]", "filter", "an object of conditions"),
        ("filter=" + "[" * 5000, "filter", "a filter document in JSON"),
        ("name__in=%22a", "name__in", "values parted by commas"),
        ("name=a%00b", "name", "without NUL characters"),
        ("metadata=x", "metadata", "a name behind it"),
        ("scores=1", "scores", "a name behind it"),
        ("=x", "", "a field of generations"),
    ],
)
def test_a_parameter_that_says_nothing_right_is_refused(query: str, field: str, expected: str) -> None:
    with pytest.raises(BadFilter) as refused:
        asked(query)

    assert refused.value.field == field
    assert expected in refused.value.expected


@pytest.mark.parametrize("kind", ["generations", "steps", "threads", "scores"])
def test_a_condition_written_into_a_url_is_read_as_itself(kind: str) -> None:
    @settings(max_examples=100, deadline=None)
    @given(condition=conditions(kind))
    def same(condition: filters.Condition) -> None:
        pairs = filters.to_query(condition)
        if pairs is None:
            return
        query = QueryDict(mutable=True)
        for name, value in pairs:
            query.appendlist(name, value)

        assert filters.from_query(kind, QueryDict(query.urlencode())) == condition

    same()


@pytest.mark.parametrize(
    "query",
    [
        "model.id=gpt-4&metadata.n=5&metadata.plan__ne=pro&tags=a&tags=b",
        "name__in=a%2C%22b%2Cc%22&timestamp__gte=now-24h",
    ],
)
def test_a_url_is_written_as_it_was_read(query: str) -> None:
    pairs = filters.to_query(asked(query))

    assert pairs == [(name, value) for name, values in QueryDict(query).lists() for value in values]


def test_what_a_url_cannot_say_flat_is_none() -> None:
    assert filters.to_query(None) == []
    documents: list[dict[str, Any]] = [
        {"$or": [{"name": "a"}, {"name": "b"}]},
        {"metadata.n": 5},
        {"name": ""},
        {"name": {"in": []}},
    ]
    for document in documents:
        assert filters.to_query(of(document)) is None


@pytest.mark.django_db
@settings(max_examples=150, deadline=None)
@given(
    name=st.sampled_from(["metadata.n", "usage.cost__in", "timestamp__gte", "tags__all", "from", "scores.x", "filter"])
    | st.text(max_size=5),
    text=st.text(st.characters(), max_size=8) | st.sampled_from(["1e400", "-0", "1,2", "now-1d", "{}", '{"name":"a"}']),
)
def test_any_parameter_is_answered_or_refused(name: str, text: str) -> None:
    try:
        condition = filters.from_query("generations", {name: [text]})
    except BadFilter:
        return

    assert list(filters.narrow("generations", 1, condition)) == []


# ------------------------------------------------------------------------------------------------------- FilterSets
def test_a_filterset_has_a_box_for_every_field_and_operator() -> None:
    made = filters.filterset("generations")

    assert {"model.id", "model.id__in", "feedback.rating__gte", "from", "to", "filter"} <= set(made.base_filters)
    assert 'name="feedback.rating__gte"' in str(made().form)
    assert filters.filterset("generations") is made


@pytest.mark.django_db
def test_a_filterset_narrows_and_refuses_names_it_does_not_know() -> None:
    project = rows.project()
    rows.generation(project, id="a", model_id="gpt-4", metadata={"n": "5"})
    rows.generation(project, id="b", model_id="claude", metadata={"n": 5})
    ours = Generation.objects.in_project(project.pk)
    made = filters.filterset("generations")

    found = made(QueryDict("metadata.n=5&model.id=gpt-4"), ours, project_pk=project.pk)
    wrong = made(QueryDict("modle.id=x&usage.cost=y"), ours, project_pk=project.pk)

    assert [row.public_id for row in found.qs] == ["a"]
    assert not wrong.is_valid()
    assert set(wrong.errors) == {"modle.id", "usage.cost"}


# -------------------------------------------------------------------------------------------------------- sentences
@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ({}, "all generations"),
        (
            {"model.id": "gpt-4", "feedback.rating": {"gte": 4}},
            "generations where model is gpt-4 and rating is at least 4",
        ),
        (
            {"$or": [{"hasError": True}, {"usage.cost": {"gt": 0.5}, "tags": "a"}]},
            "generations where failed or (cost is over 0.5 and tags include a)",
        ),
        ({"$not": {"name": {"contains": "x"}}}, "generations where not (name contains x)"),
        ({"metadata.n": {"in": [5, "5"]}}, "generations where metadata n is 5"),
        ({"name": {"nin": ["a", "b"]}}, "generations where name is not a or b"),
        ({"userId": None}, "generations where user is unknown"),
        (
            {"scores": {"some": {"name": "tone", "value": {"lt": 1}}}},
            "generations where some score has (name is tone and value is under 1)",
        ),
        ({"scores": {"none": {}}}, "generations where there is no score"),
        ({"timestamp": {"gte": "2026-01-01", "lt": "now-1h"}}, None),
    ],
)
def test_a_condition_is_a_sentence(document: dict[str, Any], sentence: str | None) -> None:
    expected = sentence or "generations where start is from 2026-01-01 and start is before now-1h"

    assert filters.sentence("generations", of(document)) == expected
