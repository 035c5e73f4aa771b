"""What a GraphQL answer costs: the number of queries depends on what is selected, never on the number of rows."""

from __future__ import annotations

import random
import string
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from generations import datasets
from generations.graphql import relations
from generations.records import (
    Alternative,
    AttachmentRecord,
    FeedbackRecord,
    GenerationRecord,
    ScoreRecord,
    StepRecord,
    ThreadRecord,
)
from tests.asking import Door, door, minutes, some, store

__all__ = ["door"]
pytestmark = pytest.mark.django_db


WIDE = """
query ($first: Int!) {
  generations(first: $first) {
    totalCount { value exact }
    nodes {
      id input { content } output { content alternatives(first: 2) { nodes { content } } } messages metadata
      feedback { rating } feedbackHistory(first: 2) { nodes { rating } } scores(first: 2) { nodes { name } }
      attachments(first: 1) { nodes { name } }
      participant { identifier }
      thread { name participant { identifier } generations(first: 2) { nodes { id scores { nodes { name } } } } }
      step { name children(first: 2) { nodes { id input } } parent { name } scores(first: 1) { nodes { name } } }
    }
  }
}
"""


def queries(door: Door, document: str, variables: dict[str, Any]) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        door.read(document, variables)
    return [query["sql"] for query in captured]


def test_fifty_rows_with_all_their_relations_cost_as_many_queries_as_one(door: Door) -> None:
    for n in range(50):
        store(
            door,
            StepRecord(id=f"p{n}", started_at=minutes(n)),
            StepRecord(id=f"s{n}", started_at=minutes(n), parent_id=f"p{n}", thread_id=f"t{n}"),
            StepRecord(id=f"c{n}", started_at=minutes(n), parent_id=f"s{n}", thread_id=f"t{n}", input=n),
            ThreadRecord(id=f"t{n}", user_id=f"u{n}", name=f"Thread {n}"),
            GenerationRecord(
                id=f"g{n}",
                started_at=minutes(n),
                thread_id=f"t{n}",
                step_id=f"s{n}",
                user_id=f"u{n}",
                messages=[{"role": "user", "content": str(n)}],
                alternatives=(Alternative(index=1, content="other"),),
                scores=(ScoreRecord(name="tone", value=n),),
                feedback=FeedbackRecord(rating=3),
                attachments=(AttachmentRecord(id=f"a{n}", name="file"),),
            ),
        )
    queries(door, WIDE, {"first": 1})  # the key's last use is written once

    one = queries(door, WIDE, {"first": 1})
    fifty = queries(door, WIDE, {"first": 50})

    assert len(one) == len(fifty) == 21
    data = door.read(WIDE, {"first": 50})["generations"]
    assert [node["thread"]["generations"]["nodes"][0]["id"] for node in data["nodes"]] == [
        f"g{n}" for n in reversed(range(50))
    ]
    assert data["nodes"][0]["step"]["children"]["nodes"] == [{"id": "c49", "input": 49}]
    # Every question to an event table names its project, or a cluster would ask all its workers.
    asked = [sql for sql in fifty if "api_key" not in sql]
    assert all(f'"project_id" = {door.project.pk}' in sql or f"project_id = {door.project.pk}" in sql for sql in asked)


def test_what_is_not_selected_is_not_fetched(door: Door) -> None:
    some(door)
    queries(door, "{ me { name } }", {})

    asked = queries(door, "{ generations { nodes { id model { id } usage { cost } input { preview } tags } } }", {})

    assert len(asked) == 2  # the key, the page


def test_fifty_datasets_with_items_cost_as_many_queries_as_one(door: Door) -> None:
    for n in range(50):
        made = datasets.create(door.grant, name=f"Set {n}")
        store(door, GenerationRecord(id=f"g{n}", started_at=minutes(n), prompt="x"))
        datasets.add_generations(door.grant, str(made.pk), [f"g{n}"])
    document = """
    query ($first: Int!) { datasets(first: $first) { nodes { name items { nodes { input generation { id } } } } } }
    """
    queries(door, document, {"first": 1})

    one = queries(door, document, {"first": 1})
    fifty = queries(door, document, {"first": 50})

    assert len(one) == len(fifty) == 4


def test_payloads_that_would_not_fit_are_refused_before_they_are_read(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = ["".join(random.Random(n).choices(string.printable, k=30_000)) for n in range(2)]
    store(door, *(GenerationRecord(id=f"g{n}", started_at=minutes(n), prompt=noise[n]) for n in range(2)))
    monkeypatch.setattr(relations, "MAX_PAYLOADS", 50_000)

    both = door.ask("{ generations { nodes { prompt } } }")
    one = door.ask("{ generations(first: 1) { nodes { prompt } } }")
    previews = door.ask("{ generations { nodes { input { preview } } } }")

    assert both.codes == ["BAD_INPUT", "BAD_INPUT"]
    assert "fewer rows" in both.errors[0]["message"]
    assert (one.errors, len(one.data["generations"]["nodes"][0]["prompt"])) == ([], 30_000)
    assert previews.errors == []
