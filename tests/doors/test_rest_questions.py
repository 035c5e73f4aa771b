"""Finding and counting over REST: the seed's four samples, filters, pages, windows, and what is shown."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from generations import exporting
from generations.models import Job
from tests.doors.rest import Answer, Caller, caller, ids

pytestmark = pytest.mark.django_db


@pytest.fixture
def api() -> Caller:
    """Four calls in January 2023 and one after it, of two models, by two users."""
    api = caller()
    batch = [
        call("a", "gpt-4", "2023-01-01T00:00:00Z", 10, 5, rating=5, metadata={"userId": "ann", "plan": "pro"}),
        call("b", "gpt-4", "2023-01-15T12:00:00Z", 20, 10, rating=3, metadata={"userId": "bob", "plan": "free"}),
        call("c", "gpt-4", "2023-01-31T00:00:00Z", 30, 15, rating=4, metadata={"userId": "ann", "deep": {"n": 7}}),
        call("d", "claude-2", "2023-01-20T00:00:00Z", 40, 60, metadata={"userId": "bob"}, type="code"),
        call("e", "gpt-4", "2023-02-01T00:00:00Z", 1, 1, rating=5, metadata={"userId": "ann"}, latency=9.0),
    ]
    assert api.post("/api/generations/batch", batch).json["counts"]["stored"] == 5
    return api


def call(
    id: str, model: str, at: str, sent: int, received: int, *, rating: int | None = None, type: str = "text",
    latency: float = 1.0, **more: Any,
) -> dict[str, Any]:  # fmt: skip
    document: dict[str, Any] = {
        "id": id,
        "timestamp": at,
        "model": {"id": model},
        "input": {"content": f"Question {id}"},
        "output": {"type": type, "content": f"Answer {id}"},
        "usage": {"promptTokens": sent, "completionTokens": received},
        "performance": {"latency": latency},
        **more,
    }
    return document if rating is None else {**document, "feedback": {"rating": rating}}


def find(api: Caller, filter: Any, **more: Any) -> Answer:
    return api.post("/api/generations/query", {"filter": filter, **more})


# ---------------------------------------------------------------------------------------------- the samples of the seed
def test_high_quality_generations_of_a_model_in_january(api: Caller) -> None:
    answer = find(
        api,
        {
            "model.id": "gpt-4",
            "feedback.rating": {"$gte": 4},
            "timestamp": {"$gte": "2023-01-01T00:00:00.000Z", "$lte": "2023-01-31T00:00:00.000Z"},
        },
    )

    assert ids(answer) == ["c", "a"]


def test_token_usage_by_model(api: Caller) -> None:
    stages = [
        {
            "$group": {
                "_id": "$model.id",
                "totalTokens": {"$sum": "$usage.totalTokens"},
                "averageTokens": {"$avg": "$usage.totalTokens"},
                "count": {"$sum": 1},
            }
        },
        {"$sort": {"totalTokens": -1}},
    ]

    answer = api.post("/api/generations/aggregate", stages)

    assert answer.data == [
        {"_id": "claude-2", "totalTokens": 100, "averageTokens": 100, "count": 1},
        {"_id": "gpt-4", "totalTokens": 92, "averageTokens": 23, "count": 4},
    ]
    assert api.post("/api/generations/aggregate", {"pipeline": stages}).data == answer.data


def test_feedback_is_set_by_an_update(api: Caller) -> None:
    api.patch("/api/generations/d", {"$set": {"feedback": {"rating": 5, "thumbs": "up"}}})

    assert ids(find(api, {"feedback.thumbs": "up"})) == ["d"]
    assert ids(api.get("/api/generations?feedback.rating__gte=5&order=timestamp")) == ["a", "d", "e"]


def test_generations_are_exported_with_filters_and_fields(api: Caller) -> None:
    answer = api.post(
        "/api/generations/export",
        {
            "format": "jsonl",
            "filters": {
                "model.id": "gpt-4",
                "timestamp": {"gte": "2023-01-01T00:00:00Z", "lte": "2023-01-31T23:59:59Z"},
            },
            "fields": ["input", "output", "feedback"],
        },
    )

    assert answer.status == 202
    assert answer.headers["Location"] == f"/api/exports/{answer.json['id']}"
    exporting.run(answer.json["id"])
    done = api.get(answer.headers["Location"]).json
    assert (done["state"], done["progress"]) == ("done", {"done": 3, "total": 3})
    lines = api.get(done["download"]).content.decode().splitlines()
    assert len(lines) == 3
    assert json.loads(lines[0])["input"] == {"type": "text", "content": "Question c", "tokens": 30}
    assert Job.objects.filter(project=api.project).count() == 1


# ---------------------------------------------------------------------------------------------- filtering
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("model.id=gpt-4", "ecba"),
        ("output.type=code", "d"),
        ("metadata.userId=bob", "db"),
        ("from=2023-01-15&to=2023-01-31T00:00:00Z", "cdb"),
        ("feedback.rating__gte=4", "eca"),
        ("feedback.rating__gt=4", "ea"),
        ("usage.totalTokens__lt=20", "ea"),
        ("usage.totalTokens__in=2,100", "ed"),
        ("metadata.plan=pro", "a"),
        ("metadata.plan__exists=true", "ba"),
        ("metadata.deep.n=7", "c"),
        ("performance.latency__gt=5", "e"),
        ("id__in=a,b,nope", "ba"),
        ("input.content__contains=Question%20b", "b"),
        ("order=usage.totalTokens", "eabcd"),
        ("order=-usage.totalTokens&limit=2", "dc"),
        ('filter={"$or":[{"id":"a"},{"model.id":"claude-2"}]}', "da"),
        ("model.id=", "ecdba"),
    ],
)
def test_a_list_is_filtered_by_its_query_string(api: Caller, query: str, found: str) -> None:
    assert "".join(ids(api.get(f"/api/generations?{query}"))) == found


@pytest.mark.parametrize(
    ("filter", "found"),
    [
        ({}, "ecdba"),
        ({"model.id": {"$ne": "gpt-4"}}, "d"),
        ({"model.id": {"in": ["claude-2"]}}, "d"),
        ({"model.id": {"$nin": ["gpt-4"]}}, "d"),
        ({"usage.totalTokens": {"$gt": 30, "$lt": 100}}, "c"),
        ({"feedback.rating": {"$exists": False}}, "d"),
        ({"output.content": {"$contains": "Answer b"}}, "b"),
        ({"$or": [{"id": "a"}, {"id": "b"}]}, "ba"),
        ({"or": [{"id": "a"}, {"and": [{"id": "b"}, {"model.id": "gpt-4"}]}]}, "ba"),
        ({"$not": {"model.id": "gpt-4"}}, "d"),
        ({"metadata": {"deep": {"n": 7}}}, "c"),
    ],
)
def test_a_filter_document_knows_the_operators_with_and_without_dollar(api: Caller, filter: Any, found: str) -> None:
    assert "".join(ids(find(api, filter))) == found


def test_a_body_without_filter_is_the_filter(api: Caller) -> None:
    assert ids(api.post("/api/generations/query", {"model.id": "claude-2"})) == ["d"]
    assert len(ids(api.post("/api/generations/query", {}))) == 5


def test_a_question_is_sorted_cut_and_projected(api: Caller) -> None:
    first = find(api, {"model.id": "gpt-4"}, sort={"usage.totalTokens": -1}, limit=3, fields={"id": 1})
    rest = find(
        api, {"model.id": "gpt-4"}, sort="-usage.totalTokens", limit=3, fields=["id"], after=first.json["page"]["next"]
    )

    assert first.data == [{"id": "c"}, {"id": "b"}, {"id": "a"}]
    assert rest.data == [{"id": "e"}]
    assert rest.json["page"]["next"] is None


def test_pages_one_after_the_other_are_the_list_and_there_is_a_way_back(api: Caller) -> None:
    seen: list[str] = []
    after = ""
    while True:
        page = api.get(f"/api/generations?limit=2{after}")
        seen += ids(page)
        if page.json["page"]["next"] is None:
            break
        after = f"&after={page.json['page']['next']}"

    assert "".join(seen) == "ecdba"
    assert ids(api.get(f"/api/generations?limit=2&before={page.json['page']['previous']}")) == ["d", "b"]


def test_a_page_says_its_order_and_limit_and_counts_when_asked(api: Caller) -> None:
    answer = api.get("/api/generations?model.id=gpt-4&limit=2&count=true").json

    assert answer["count"] == {"value": 4, "exact": True}
    assert (answer["page"]["order"], answer["page"]["limit"]) == ("-timestamp", 2)
    assert "count" not in api.get("/api/generations").json


def test_a_page_of_huge_documents_ends_early_and_goes_on(api: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("generations.api.lists.MAX_BYTES", 1_500)

    first = api.get("/api/generations")
    second = api.get(f"/api/generations?after={first.json['page']['next']}")

    assert 0 < len(first.data) < 5
    assert (ids(first) + ids(second))[: len(first.data) + 1] == list("ecdba")[: len(first.data) + 1]


def test_a_list_costs_the_same_for_one_row_and_for_fifty() -> None:
    one, fifty = caller(), caller()
    for api, count in ((one, 1), (fifty, 50)):
        documents = [
            {
                "id": f"g{n}",
                "messages": [{"role": "user", "content": "Hi"}],
                "output": {"content": "Yo", "alternatives": [{"content": "Hey"}]},
                "feedback": {"rating": 3},
                "scores": [{"name": "x", "value": 1}],
            }
            for n in range(count)
        ]
        assert api.post("/api/generations/batch", documents).json["counts"]["stored"] == count

    def queries(api: Caller, path: str) -> int:
        api.get(path)  # so that the key's last use is not written again
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert api.get(path).status == 200
        return len(captured)

    for path in ("/api/generations", "/api/generations?fields=id,usage", "/api/scores", "/api/tags", "/api/steps"):
        assert queries(one, path) == queries(fifty, path), path
    assert queries(fifty, "/api/generations?fields=id,usage.cost") == queries(fifty, "/api/generations") - 5


def test_a_number_beyond_64_bits_is_asked_for_and_its_pages_are_turned(api: Caller) -> None:
    api.post("/api/generations/batch", [{"usage": {"totalTokens": n}} for n in (1, 2)])
    beyond = "99999999999999999999"

    page = api.get(f"/api/generations?usage.totalTokens__lt={beyond}&limit=1").json
    after = page["page"]["next"]

    assert len(page["data"]) == 1
    assert len(api.get(f"/api/generations?usage.totalTokens__lt={beyond}&limit=1&after={after}").data) == 1
    assert api.get(f'/api/generations?filter={{"usage.totalTokens":{{"$gte":{beyond}}}}}').data == []
    assert api.get(f"/api/generations?metadata.n=-{beyond}&usage.cost__gte={beyond}").data == []


# ---------------------------------------------------------------------------------------------- refusals
@pytest.mark.parametrize(
    ("query", "code", "field", "hint"),
    [
        ("modl.id=gpt-4", "bad_filter", "modl.id", "did you mean model.id?"),
        ("feedback.rating__gtee=4", "bad_filter", "feedback.rating", "gte"),
        ("feedback.rating__gte=good", "bad_filter", "feedback.rating", "number"),
        ("from=yesterday", "bad_filter", "from", "ISO 8601"),
        ("to=2026-13-01", "bad_filter", "to", "ISO 8601"),
        ("limit=0", "bad_filter", "limit", "from 1 to 1000"),
        ("limit=1001", "bad_filter", "limit", "from 1 to 1000"),
        ("limit=ten", "bad_filter", "limit", "a whole number"),
        ("limit=-1", "bad_filter", "limit", "a whole number"),
        ("limit=1e9", "bad_filter", "limit", "a whole number"),
        ("limit=5&limit=6", "bad_filter", "limit", "once"),
        ("count=maybe", "bad_filter", "count", "true or false"),
        ("order=colour", "bad_filter", "order", "a field"),
        ("order=input.content", "bad_filter", "order", "can be ordered by"),
        ("fields=usage.costs", "bad_filter", "fields", "did you mean 'usage.cost'?"),
        ("filter={", "bad_filter", "filter", "JSON"),
        ("filter=[]", "bad_filter", "filter", "an object of conditions"),
        ("after=xyz", "bad_cursor", "after", "a cursor that this project's lists gave out"),
        ("model.id=%00", "bad_filter", "model.id", "without NUL"),
        ("metadata.%00=1", "bad_filter", "metadata", ""),
        ("after=a&before=b", "bad_filter", "before", "not both"),
    ],
)
def test_a_wrong_question_is_refused_by_name(api: Caller, query: str, code: str, field: str, hint: str) -> None:
    answer = api.get(f"/api/generations?{query}")

    assert answer.status == 400
    assert answer.error["code"] == code
    assert answer.error["field"].startswith(field)
    assert hint in answer.error["expected"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"filter": {"modl.id": 1}}, "modl.id"),
        ({"filter": {"model.id": {"$like": "x"}}}, "model.id"),
        ({"filter": []}, "filter"),
        ({"filter": {"$or": []}}, "$or"),
        ({"filter": {}, "model.id": "x"}, "model.id"),
        ({"filter": {}, "filters": {}}, "filters"),
        ({"sort": {"timestamp": 2}}, "sort.timestamp"),
        ({"sort": {"a": 1, "b": 1}}, "sort"),
        ({"sort": "colour"}, "sort"),
        ({"sort": "id", "order": "id"}, "order"),
        ({"limit": "10"}, "limit"),
        ({"limit": True}, "limit"),
        ({"limit": 0}, "limit"),
        ({"limit": 10.5}, "limit"),
        ({"after": 1}, "after"),
        ({"fields": {"id": 0}}, "fields.id"),
        ({"fields": [1]}, "fields"),
        ({"fields": ["nope"]}, "fields"),
    ],
)
def test_a_wrong_question_document_is_refused_by_name(api: Caller, body: Any, field: str) -> None:
    answer = api.post("/api/generations/query", body)

    assert answer.status == 400
    assert answer.error["field"] == field


@pytest.mark.parametrize(
    "stages",
    [
        {"stages": []},
        {"pipeline": {}},
        [{"$lookup": {}}],
        [{"$group": {"_id": "$modl.id"}}],
        [{"$match": {"modl.id": 1}}],
        [{"$limit": "ten"}],
        [1],
        "x",
    ],
)
def test_a_wrong_pipeline_is_refused(api: Caller, stages: Any) -> None:
    answer = api.post("/api/generations/aggregate", stages)

    assert (answer.status, answer.error["code"]) == (400, "bad_query")


def test_what_is_no_pipeline_is_told_as_it_was_sent(api: Caller) -> None:
    assert api.post("/api/generations/aggregate", {"stages": 1}).error["value"] == "{'stages': 1}"


def test_a_cursor_of_another_list_filter_order_or_project_is_refused(api: Caller) -> None:
    other = caller()
    other.post("/api/generations/batch", [{"id": str(n)} for n in range(3)])
    cursor = api.get("/api/generations?limit=1").json["page"]["next"]

    for path in (
        f"/api/steps?after={cursor}",
        f"/api/generations?order=timestamp&after={cursor}",
        f"/api/generations?model.id=gpt-4&after={cursor}",
        f"/api/generations?after={cursor[:-2]}",
    ):
        assert (api.get(path).status, api.get(path).error["code"]) == (400, "bad_cursor"), path
    refused = other.get(f"/api/generations?after={cursor}")
    assert (refused.status, refused.error["code"]) == (400, "bad_cursor")


def test_another_projects_rows_are_neither_found_nor_counted(api: Caller) -> None:
    other = caller()

    assert other.get("/api/generations?count=true").json["count"] == {"value": 0, "exact": True}
    assert other.get("/api/generations/a").status == 404
    assert other.post("/api/generations/aggregate", [{"$group": {"_id": None, "n": {"$sum": 1}}}]).data == []
    assert ids(other.post("/api/generations/query", {"id": "a"})) == []
