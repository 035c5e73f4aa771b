"""What the database makes of a row is what REST says of it, whatever the row holds."""

import csv
import datetime as dt
import io
import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from generations import access, bundles, recording
from generations.exporting import columns, rows, settling, snapshots, statements, writers
from generations.exporting.columns import Type
from generations.exporting.dialects import DIALECTS, Dialect
from generations.ingest import rest
from generations.ingest.rest_fields import FEEDBACK, GENERATION, OWN_METADATA, SCORE, STEP
from generations.ingest.rest_parameters import SAME
from generations.models import Generation, Project, Score, Step
from generations.records import (
    Alternative,
    AttachmentRecord,
    FeedbackRecord,
    GenerationRecord,
    ScoreRecord,
    StepRecord,
)
from tests.exports import NOW, RICH

pytestmark = pytest.mark.django_db
# Rows of forty fields shrink for minutes; the assertion shows what differs as well.
FEW = settings(
    max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate]
)

texts = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        [
            '"',
            "\\",
            "\\n",
            ",",
            "\r\n",
            "",
            " ",
            "\u2028",
            "\x7f",
            "\x01",
            "生成",
            "שלום",
            "🙂",
            "=1+1",
            "%s",
            "NULL",
            "\\.",
        ]
    ),
)
numbers = st.one_of(
    st.integers(-(10**25), 10**25),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0, -0.0, 1e22, 1e-9]),
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=6,
)
roles = st.sampled_from(["user", "assistant", "system", "tool"])
messages = st.fixed_dictionaries({"role": roles, "content": values}, optional={"name": texts, "tool_calls": values})
plain = st.fixed_dictionaries({"role": st.just("assistant"), "content": texts})
own_names = st.sampled_from([*OWN_METADATA, "plan", "region"])
metadata = st.dictionaries(st.one_of(texts, own_names), values, max_size=4)
parameters = st.dictionaries(st.one_of(texts, st.sampled_from([*SAME, "temperature"])), values, max_size=4)
times = st.integers(0, 10**7).map(
    lambda n: NOW.replace(microsecond=(0, 120000, n % 10**6)[n % 3]) - dt.timedelta(seconds=n)
)
tags = st.lists(texts.filter(str.strip), max_size=3, unique=True).map(tuple)
amounts = st.decimals(0, 1000, places=9)
tokens = st.integers(0, 2**31 - 1)
seconds = st.floats(0, 1e6)


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), values)


scores = st.lists(
    st.builds(
        ScoreRecord,
        id=st.uuids().map(str),
        name=texts.filter(bool),
        value=maybe(st.floats(-1e9, 1e9)),
        label=maybe(texts),
        comment=maybe(texts),
        author=maybe(texts),
        created_at=times,
        tags=maybe(tags),
        metadata=maybe(metadata),
    ),
    max_size=2,
).map(tuple)
files = st.lists(
    st.builds(AttachmentRecord, id=st.uuids().map(str), name=maybe(texts), size=maybe(tokens), created_at=times),
    max_size=2,
).map(tuple)
generations = st.builds(
    GenerationRecord,
    id=st.uuids().map(str),
    type=maybe(st.sampled_from(["chat", "completion", "embedding"])),
    name=maybe(texts),
    started_at=times,
    ended_at=maybe(times),
    model_id=maybe(texts),
    provider=maybe(texts),
    error=maybe(texts),
    prompt_tokens=maybe(tokens),
    tokens_estimated=maybe(st.booleans()),
    cost=maybe(amounts),
    latency=maybe(seconds),
    user_id=maybe(texts),
    request_id=maybe(texts),
    prompt_version=maybe(tokens),
    tags=maybe(tags),
    metadata=maybe(metadata),
    parameters=maybe(parameters),
    request_attributes=maybe(metadata),
    input=maybe(values | st.lists(messages, max_size=2) | st.fixed_dictionaries({"messages": st.lists(messages)})),
    output=maybe(values | messages | plain),
    messages=maybe(st.lists(messages, max_size=2)),
    message_completion=maybe(messages | plain),
    prompt=maybe(texts),
    completion=maybe(texts),
    variables=maybe(metadata),
    tools=maybe(st.lists(values, max_size=2)),
    logprobs=maybe(values),
    attributes=maybe(metadata),
    error_detail=maybe(texts),
    alternatives=maybe(
        st.lists(
            st.builds(
                Alternative,
                index=st.integers(0, 99),
                content=values,
                tokens=maybe(tokens),
                score=maybe(st.floats(-1e9, 1e9)),
                logprobs=values,
            ),
            max_size=3,
            unique_by=lambda one: one.index,
        ).map(tuple)
    ),
    scores=scores,
    feedback=maybe(
        st.builds(
            FeedbackRecord,
            id=st.uuids().map(str),
            rating=maybe(st.floats(1, 5)),
            thumbs=maybe(st.sampled_from(["up", "down"])),
            comment=maybe(texts),
            categories=maybe(tags),
            created_at=times,
            metadata=maybe(metadata),
        )
    ),
    attachments=files,
)
steps = st.builds(
    StepRecord,
    id=st.uuids().map(str),
    name=maybe(texts),
    started_at=times,
    ended_at=maybe(times),
    error=maybe(texts),
    user_id=maybe(texts),
    tags=maybe(tags),
    metadata=maybe(metadata),
    input=values,
    output=values,
    attributes=maybe(metadata),
    events=maybe(st.lists(values, max_size=2)),
    scores=scores,
    attachments=files,
)


def told(document: Any) -> Any:
    """A document as it is once it was written and read."""
    return json.loads(json.dumps(document))


def of_rest(project: Project, kind: str) -> list[dict[str, Any]]:
    if kind == "generations":
        found = bundles.of_generations(project, list(Generation.objects.in_project(project.pk).newest_first()))
        return [told(rest.document(bundle.record)) for bundle in found]
    if kind == "steps":
        made = bundles.of_steps(project, list(Step.objects.in_project(project.pk).newest_first()), generations=False)
        return [told(rest.step_document(bundle.record)) for bundle in made]
    all = Score.objects.in_project(project.pk).order_by("-created_at", "-uid")
    return [told(rest.score_document(bundles.score_record(row))) for row in all]


def keys(project: Project, kind: str) -> list[Any]:
    found = rows.SOURCES[kind].narrow(project.pk, None).order_by(*rows.ordering(kind, None, project.pk))
    return list(found.values_list(*rows.SOURCES[kind].key))


def value_of(type: Type, text: str) -> Any:
    """What the text of a cell means."""
    if text == "":
        return None
    match type:
        case Type.INTEGER:
            return int(text)
        case Type.NUMBER:
            return float(text)
        case Type.DECIMAL:
            return float(Decimal(text))
        case Type.JSON:
            try:
                return json.loads(text)
            except ValueError:
                return text
        case _:
            return text


def cells(of: Sequence[columns.Column], line: bytes, dialect: Dialect) -> dict[str, Any]:
    text = io.StringIO(line.decode(), newline="")
    [found] = csv.reader(text, delimiter=dialect.delimiter, quotechar=dialect.quote)
    return {column.path: value_of(column.type, text) for column, text in zip(of, found, strict=True)}


def check(kind: str, records: Sequence[Any]) -> None:
    project = access.create_project("Made")
    refused = [receipt for receipt in recording.record(project, records) if receipt.state == "rejected"]
    expected = of_rest(project, kind)
    assert len(expected) == len(records) - len(refused) or kind == "scores"
    if not expected:
        return
    batch = keys(project, kind)

    assert [json.loads(line) for line in rows.documents(kind, project, batch)] == expected

    table = columns.COLUMNS[kind]
    assert statements.is_table(kind, table)
    for dialect in DIALECTS.values():
        made = [bytes(line) for line in rows.lines(kind, project, batch, table, dialect)]
        for line, document in zip(made, expected, strict=True):
            assert cells(table, line, dialect) == cells(table, writers.line_of(table, document, dialect), dialect)


@FEW
@given(st.lists(generations, min_size=1, max_size=8, unique_by=lambda one: one.id))
def test_any_generation_is_copied_as_rest_shows_it(records: list[GenerationRecord]) -> None:
    check("generations", records)


@FEW
@given(st.lists(steps, min_size=1, max_size=8, unique_by=lambda one: one.id))
def test_any_step_is_copied_as_rest_shows_it(records: list[StepRecord]) -> None:
    check("steps", records)
    check("scores", records)


@FEW
@given(
    st.lists(generations, min_size=1, max_size=4, unique_by=lambda one: one.id),
    st.lists(
        st.sampled_from(
            [
                *GENERATION, "model", "input", "output", "usage", "promptVersion", "metadata.plan", "metadata.tags",
                "metadata.userId", "feedback.rating", "feedback", "variables.x", "parameters.topP", "createdAt",
            ]
        ),
        min_size=1,
        max_size=4,
        unique=True,
    ),
)  # fmt: skip
def test_chosen_fields_are_the_same_part_of_the_document(records: list[GenerationRecord], fields: list[str]) -> None:
    project = access.create_project("Chosen")
    recording.record(project, records)
    chosen = columns.chosen("generations", fields)
    batch = keys(project, "generations")
    if not batch:
        return
    whole = [
        columns.part(settling.loaded(d), chosen) for d in rows.documents("generations", project, batch, stamped=True)
    ]

    some = rows.documents("generations", project, batch, chosen, stamped=True)

    assert [columns.part(settling.loaded(document), chosen) for document in some] == whole


def test_names_of_an_earlier_parameter_or_field_are_settled_as_rest_does() -> None:
    project = access.create_project("Open")
    odd = {
        "top": GenerationRecord(id="a", started_at=NOW, parameters={"top_p": 0.5, "stop": "x", "max_tokens": 10**20}),
        "own": GenerationRecord(
            id="b", started_at=NOW, user_id="u", metadata={"userId": "left", "tags": "one", "k": 1}
        ),
        "sent": GenerationRecord(
            id="c", started_at=NOW, input="as it is", output={"role": "assistant", "content": "x"}
        ),
        "both": GenerationRecord(id="d", started_at=NOW, input={"q": 1}, messages=[{"role": "user", "content": "hi"}]),
    }
    asked = [{"role": "user", "content": "hi"}]
    odd["same"] = GenerationRecord(id="e", started_at=NOW.replace(microsecond=0), input=asked, messages=asked)
    odd["said"] = GenerationRecord(
        id="f", started_at=NOW, output="yes", message_completion={"role": "assistant", "content": "yes"}
    )
    recording.record(project, [*odd.values(), RICH])
    for n, comment in enumerate(("first", "second")):
        recording.record(
            project, [FeedbackRecord(id=comment, generation_id="a", comment=comment, created_at=NOW + dt.timedelta(n))]
        )
    batch = keys(project, "generations")

    documents = {d["id"]: d for d in map(json.loads, rows.documents("generations", project, batch))}

    assert list(documents.values()) == of_rest(project, "generations")
    assert documents["a"]["parameters"] == {"topP": 0.5, "stopSequences": ["x"], "maxTokens": 10**20}
    assert documents["b"]["metadata"] == {"userId": "u", "tags": ["one"], "k": 1}
    assert documents["c"]["prompt"] == documents["c"]["input"]["content"] == "as it is"
    assert documents["c"]["messageCompletion"] == {"role": "assistant", "content": "x"}
    assert documents["d"]["input"]["content"] == {"q": 1}
    assert documents["e"]["input"]["content"] == {"messages": asked}
    assert documents["e"]["timestamp"] == "2026-03-04T05:06:07Z"
    assert documents["f"]["output"]["content"] == "yes"
    assert documents["a"]["feedback"]["comment"] == "second"


def test_every_field_that_rest_shows_has_its_place_in_the_statements() -> None:
    shapes = statements.SHAPES

    assert set(shapes["generations"].values) - {"createdAt", "updatedAt"} == set(GENERATION)
    assert set(shapes["steps"].values) - {"createdAt", "updatedAt"} == set(STEP)
    assert set(shapes["scores"].values) == set(SCORE)
    assert {path for path in shapes["generations"].cells if path.startswith("feedback.")} == {
        f"feedback.{name}" for name in FEEDBACK
    }
    for kind, shape in shapes.items():
        assert set(shape.cells) == {column.path for column in columns.COLUMNS[kind]}


def test_another_project_is_not_read_by_the_keys_of_this_one() -> None:
    mine, theirs = access.create_project("Mine"), access.create_project("Theirs")
    recording.record(theirs, [RICH])
    stolen = keys(theirs, "generations")

    assert list(rows.documents("generations", mine, stolen)) == []
    assert list(rows.lines("generations", mine, stolen, columns.COLUMNS["generations"])) == []
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM score WHERE project_id = %s", [theirs.pk])
        assert cursor.fetchone() == (1,)


@pytest.mark.parametrize(("kind", "payload"), [("generations", "generation_payload"), ("steps", "step_payload")])
def test_what_was_said_is_read_behind_the_sorting(kind: str, payload: str) -> None:
    project = access.create_project("Long texts")
    recording.record(project, [RICH, StepRecord(id="step", started_at=NOW, input="asked")])
    ((uid, started_at, id),) = keys(project, kind)
    many = {"uids": [uid] * 2_000, "ids": [id] * 2_000, "moments": [started_at] * 2_000}
    params = {"project": project.pk, **many, "first": started_at, "shown": started_at, "last": started_at}
    query = statements.documents(kind).removeprefix("COPY (").rpartition(") TO STDOUT")[0]

    with snapshots.held() as snapshot, snapshot.copying(), connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {query}", params)
        ((((explained),),),) = cursor.fetchall()

    nodes = list(below(explained["Plan"]))
    sorted_ = [inner for node in nodes if node["Node Type"] == "Sort" for inner in below(node)]
    assert any(payload in node.get("Relation Name", "") for node in nodes)
    assert {node["Node Type"] for node in nodes}.isdisjoint({"Memoize", "Materialize"})
    assert not any(payload in node.get("Relation Name", "") for node in sorted_)


def test_what_hangs_on_rows_is_gone_through_once_for_a_batch_also_in_tables_that_nobody_analysed() -> None:
    project = access.create_project("Young")
    calls = [
        GenerationRecord(
            id=f"call-{n}",
            started_at=NOW - dt.timedelta(seconds=n),
            scores=(ScoreRecord(id=f"score-{n}", name="quality", value=0.5, generation_id=f"call-{n}"),),
        )
        for n in range(1_000)
    ]
    recording.record(project, calls)
    batch = keys(project, "generations")
    found = {"uids": [key[0] for key in batch], "ids": [key[2] for key in batch], "moments": [key[1] for key in batch]}
    params = {"project": project.pk, **found, "first": batch[-1][1], "shown": batch[-1][1], "last": NOW}
    query = statements.documents("generations").removeprefix("COPY (").rpartition(") TO STDOUT")[0]

    with snapshots.held() as snapshot, snapshot.copying(), connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}", params)
        ((((explained),),),) = cursor.fetchall()

    loops = [node["Actual Loops"] for node in below(explained["Plan"]) if node["Node Type"] in ("Aggregate", "Unique")]
    assert len(loops) == 4
    assert max(loops) == 1


def below(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A step of a plan and all those that it takes its rows from."""
    yield plan
    for inner in plan.get("Plans", []):
        yield from below(inner)
