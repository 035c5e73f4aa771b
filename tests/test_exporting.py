"""Everything that matches, as one file: whole or absent, exact, and no larger in memory than a batch."""

import csv
import datetime as dt
import gzip
import hashlib
import io
import json
from dataclasses import replace
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from generations import access, bundles, exporting, recording
from generations.access import Grant
from generations.exporting import making
from generations.ingest import rest
from generations.models import Dataset, Generation
from generations.records import (
    Alternative,
    FeedbackRecord,
    ScoreRecord,
    StepRecord,
    ThreadRecord,
)
from tests.exports import NOW, RICH, before_each_batch, content, export, folder, grant, lines, plain

__all__ = ["folder", "grant"]
pytestmark = pytest.mark.django_db


# ------------------------------------------------------------------ formats
def test_each_line_is_the_document_that_rest_answers_newest_first(grant: Grant) -> None:
    recording.record(grant.project, [RICH, *(plain(n) for n in range(3))])

    job = export(grant, format="jsonl")

    found = bundles.of_generations(grant.project, list(Generation.objects.in_project(grant.project.pk).newest_first()))
    assert lines(job) == [json.loads(json.dumps(rest.document(bundle.record))) for bundle in found]
    assert [line["id"] for line in lines(job)] == ["rich", "g00000", "g00001", "g00002"]
    assert job.state == "done"
    data = content(job)
    assert job.result["rows"] == 4
    assert job.result["bytes"] == len(data)
    assert job.result["sha256"] == hashlib.sha256(data).hexdigest()
    assert (job.progress_done, job.progress_total) == (4, 4)
    assert job.expires_at is not None
    assert abs(job.expires_at - timezone.now() - dt.timedelta(hours=72)) < dt.timedelta(minutes=1)


def test_an_export_that_is_imported_elsewhere_exports_equal(grant: Grant) -> None:
    recording.record(grant.project, [RICH, *(plain(n) for n in range(3))])
    first = content(export(grant))
    other = access.of_system(access.create_project("Copy"))

    receipts = recording.record(other.project, [rest.generation(json.loads(line)) for line in first.splitlines()])

    assert {receipt.state for receipt in receipts} == {"stored"}
    assert content(export(other)) == first


def test_packed_lines_are_the_same_lines(grant: Grant) -> None:
    recording.record(grant.project, [RICH, plain(1)])

    packed, bare = export(grant, format="jsonl.gz"), export(grant, format="jsonl")

    assert gzip.decompress(content(packed)) == content(bare)
    assert packed.result["bytes"] == len(content(packed))
    assert exporting.file_name(packed).endswith(".jsonl.gz")
    assert exporting.media_type(packed) == "application/gzip"


def test_what_is_sent_to_the_disk_meanwhile_is_whole(grant: Grant, monkeypatch: pytest.MonkeyPatch) -> None:
    recording.record(grant.project, [plain(n, completion="long " * 30_000) for n in range(6)])
    at_once = content(export(grant))
    monkeypatch.setattr(making, "_STRETCH", 1)

    job = export(grant)

    assert content(job) == at_once
    assert job.result["sha256"] == hashlib.sha256(at_once).hexdigest()


def test_a_csv_has_one_column_for_each_field_and_keeps_its_texts_exact(grant: Grant) -> None:
    recording.record(grant.project, [RICH, plain(1)])

    table = list(csv.DictReader(io.StringIO(content(export(grant, format="csv")).decode(), newline="")))

    rich = table[0]
    document = rest.document(bundles.generation(grant.project, "rich").record)  # type: ignore[union-attr]
    assert [row["id"] for row in table] == ["rich", "g00001"]
    assert rich["timestamp"] == "2026-03-04T05:06:07.890123Z"
    assert rich["model.id"] == "gpt-4"
    assert rich["usage.totalTokens"] == "15"
    assert Decimal(rich["usage.cost"]) == Decimal("0.000012345678")
    assert rich["metadata.userId"] == "u1"
    assert json.loads(rich["metadata.tags"]) == ["a", "b,c"]
    assert json.loads(rich["metadata"]) == document["metadata"]
    assert json.loads(rich["messages"]) == RICH.messages
    assert json.loads(rich["output.alternatives"]) == document["output"]["alternatives"]
    assert rich["feedback.comment"] == "good"
    assert rich["error"] == ""
    assert set(rest.PATHS) - set(rich) == {"createdAt", "updatedAt"}


def test_a_text_that_a_spreadsheet_takes_for_a_formula_is_kept_as_it_is(grant: Grant) -> None:
    recording.record(grant.project, [plain(1, name='=HYPERLINK("x")', completion="- a list item")])

    job = export(grant, format="csv", fields=["name", "completion"])

    assert content(job).decode() == 'name,completion\r\n"=HYPERLINK(""x"")",- a list item\r\n'


def test_parquet_has_types_that_do_not_depend_on_the_rows(grant: Grant) -> None:
    recording.record(grant.project, [plain(1)])
    sparse = pq.read_table(io.BytesIO(content(export(grant, format="parquet"))))
    recording.record(grant.project, [RICH])

    full = pq.read_table(io.BytesIO(content(export(grant, format="parquet"))))

    assert full.schema == sparse.schema
    assert full.schema.field("timestamp").type == pa.timestamp("us", tz="UTC")
    assert full.schema.field("usage.totalTokens").type == pa.int64()
    assert full.schema.field("usage.cost").type == pa.decimal128(24, 12)
    assert full.schema.field("performance.latency").type == pa.float64()
    assert full.schema.field("usage.estimated").type == pa.bool_()
    assert full.schema.field("messages").type == pa.string()
    rich = full.to_pylist()[0]
    assert rich["timestamp"] == NOW
    assert rich["usage.cost"] == Decimal("0.000012345678")
    assert rich["performance.latency"] == 2.5
    assert rich["usage.totalTokens"] == 15
    assert json.loads(rich["messages"]) == RICH.messages
    assert rich["error"] is None


def test_parquet_keeps_texts_exact_whatever_they_hold_and_also_of_a_row_that_is_finished_here(grant: Grant) -> None:
    said = 'a\x1fb\x1e "c",\\N\r\n生成'
    mixed = {"completion": None, "input": [{"role": "user", "content": said}], "output": {"role": "assistant"}}
    recording.record(grant.project, [plain(1, name=said, completion=said), plain(2, name=said, **mixed)])

    given = pq.read_table(io.BytesIO(content(export(grant, format="parquet")))).to_pylist()

    assert [row["name"] for row in given] == [said, said]
    assert given[0]["completion"] == said
    with_commas = list(csv.DictReader(io.StringIO(content(export(grant, format="csv")).decode(), newline="")))
    for name in ("input.content", "output.content", "messages", "messageCompletion"):
        assert [row[name] or "" for row in given] == [row[name] for row in with_commas]


def test_an_export_of_nothing_is_a_whole_file(grant: Grant) -> None:
    nothing = {"model.id": "none"}

    assert content(export(grant, condition_document=nothing)) == b""
    assert content(export(grant, condition_document=nothing, format="csv", fields=["id"])) == b"id\r\n"
    assert pq.read_table(io.BytesIO(content(export(grant, condition_document=nothing, format="parquet")))).num_rows == 0
    assert content(export(grant, condition_document={"id": {"$in": []}})) == b""
    job = export(grant, condition_document=nothing, format="jsonl.gz")
    assert gzip.decompress(content(job)) == b""
    assert (job.state, job.progress_done, job.progress_total) == ("done", 0, 0)


# ------------------------------------------------------------------ what is in it
def test_a_filter_fields_and_an_order_decide_what_is_in_the_file(grant: Grant) -> None:
    recording.record(grant.project, [plain(n, model_id="a" if n % 2 else "b", total_tokens=n) for n in range(6)])

    job = export(
        grant,
        condition_document={"model.id": "a"},
        fields=["id", "usage.totalTokens", "output"],
        order="-usage.totalTokens",
    )

    assert lines(job) == [
        {"id": f"g{n:05}", "usage": {"totalTokens": n}, "output": {"type": "text", "content": f"answer {n}"}}
        for n in (5, 3, 1)
    ]


def test_unknown_values_come_last_in_either_order(grant: Grant) -> None:
    recording.record(grant.project, [plain(0, total_tokens=1), plain(1), plain(2, total_tokens=2)])

    up = [line["id"] for line in lines(export(grant, order="usage.totalTokens", fields=["id"]))]
    down = [line["id"] for line in lines(export(grant, order="-usage.totalTokens", fields=["id"]))]
    oldest_first = [line["id"] for line in lines(export(grant, order="timestamp", fields=["id"]))]

    assert up == ["g00000", "g00002", "g00001"]
    assert down == ["g00002", "g00000", "g00001"]
    assert oldest_first == ["g00002", "g00001", "g00000"]


def test_fields_may_name_groups_keys_of_metadata_other_names_and_stamps(grant: Grant) -> None:
    recording.record(grant.project, [RICH])

    job = export(grant, fields=["feedback", "metadata.plan", 'metadata.deep."x.y"', "tags", "createdAt"])
    [line] = lines(job)

    assert line.pop("createdAt").startswith(f"{timezone.now():%Y-%m-%d}")
    assert line == {
        "feedback": {
            "id": "f1",
            "rating": 4.0,
            "thumbs": "up",
            "comment": "good",
            "categories": ["x"],
            "timestamp": "2026-03-04T05:06:07.890123Z",
        },
        "metadata": {"plan": "pro", "deep": {"x.y": [1, None, True]}, "tags": ["a", "b,c"]},
    }
    table = content(export(grant, format="csv", fields=["model", "metadata.plan", "metadata.deep"])).decode()
    assert table.splitlines() == [
        "model.id,model.name,model.version,model.provider,metadata.plan,metadata.deep",
        'gpt-4,,gpt-4-0613,openai,pro,"{""x.y"":[1,null,true]}"',
    ]


def test_steps_threads_scores_and_dataset_items_are_exported_too(grant: Grant) -> None:
    project = grant.project
    recording.record(
        project,
        [
            ThreadRecord(id="t1", name="Talk", user_id="u1", tags=("x",), metadata={"k": 1}, started_at=NOW),
            StepRecord(id="st1", type="tool", name="look up", thread_id="t1", started_at=NOW, input={"q": 1}, output=2),
            ScoreRecord(id="sc1", name="quality", type="AI", value=0.5, step_id="st1", created_at=NOW),
        ],
    )
    dataset = Dataset.objects.create(project=project, name="Golden")
    item = dataset.items.create(input={"q": 1}, expected_output={"a": 2})
    dataset.items.create(input={"q": 0}, removed_in=2)
    Dataset.objects.create(project=access.create_project("Other"), name="Golden").items.create(input={"q": 9})

    [thread] = lines(export(grant, kind="threads"))
    [step] = lines(export(grant, kind="steps"))
    [score] = lines(export(grant, kind="scores"))
    [golden] = lines(export(grant, kind="datasets"))

    assert (thread["id"], thread["name"], thread["userId"], thread["tags"]) == ("t1", "Talk", "u1", ["x"])
    assert thread["timestamp"] == "2026-03-04T05:06:07.890123Z"
    found = bundles.step(project, "st1")
    assert found is not None and step == json.loads(json.dumps(rest.step_document(found.record)))
    assert step["scores"][0]["value"] == 0.5
    assert (score["id"], score["stepId"], score["type"], score["value"]) == ("sc1", "st1", "AI", 0.5)
    assert (golden["id"], golden["input"], golden["expectedOutput"]) == (str(item.pk), {"q": 1}, {"a": 2})
    assert golden["datasetName"] == "Golden"
    for kind in exporting.KINDS:
        for format in ("csv", "parquet"):
            assert export(grant, kind=kind, format=format).state == "done"


def test_what_hangs_on_a_row_is_found_whatever_its_id_is_made_of(grant: Grant) -> None:
    ids = ['a"b', "a\\b", "a\\", "{a,b}", "NULL", "it's", "a b", "生成"]
    calls = [plain(n, scores=(ScoreRecord(name="q", value=float(n)),)) for n in range(len(ids))]
    recording.record(grant.project, [replace(call, id=id) for call, id in zip(calls, ids, strict=True)])

    found = lines(export(grant))

    assert {one["id"]: one["scores"][0]["value"] for one in found} == {id: float(n) for n, id in enumerate(ids)}


def test_nothing_of_another_project_is_in_the_file(grant: Grant) -> None:
    other = access.of_system(access.create_project("Other"))
    recording.record(grant.project, [plain(1)])
    recording.record(other.project, [plain(1, name="theirs"), plain(2)])

    assert [line["id"] for line in lines(export(grant))] == ["g00001"]
    assert "name" not in lines(export(grant))[0]


@pytest.mark.django_db(transaction=True)
def test_a_file_shows_everything_as_it_was_at_one_moment(grant: Grant, monkeypatch: pytest.MonkeyPatch) -> None:
    recording.record(grant.project, [plain(n) for n in range(6)])
    before = {format: content(export(grant, format=format)) for format in ("jsonl", "csv")}

    def change(batch: int) -> None:
        if batch == 2:
            recording.record(grant.project, [plain(100), plain(5, completion="changed")])
            recording.record(grant.project, [ScoreRecord(id="late", name="q", value=1, generation_id="g00003")])
            recording.delete(grant.project, "generation", ["g00004"])

    before_each_batch(monkeypatch, change)

    job = export(grant)

    assert content(job) == before["jsonl"]
    assert (job.result["rows"], job.progress_done, job.progress_total) == (6, 6, 6)
    ids = [line["id"] for line in lines(export(grant))]
    assert ids == ["g00000", "g00001", "g00002", "g00003", "g00005", "g00100"]
    assert content(export(grant, format="csv")) != before["csv"]


# ------------------------------------------------------------------ cost
def test_a_batch_costs_the_same_queries_for_one_row_and_for_fifty(grant: Grant) -> None:
    counts = []
    for number in (1, 50):
        recording.record(
            grant.project,
            [
                plain(
                    n,
                    scores=(ScoreRecord(id=f"s{n}", name="q", value=1),),
                    feedback=FeedbackRecord(id=f"f{n}", rating=5),
                    alternatives=(Alternative(index=0, content="x"),),
                )
                for n in range(number)
            ],
        )
        job = exporting.start(grant)
        with CaptureQueriesContext(connection) as queries:
            exporting.run(job.pk)
        counts.append(len(queries))

    assert counts[0] == counts[1]
    assert all('"project_id" = ' in q["sql"] for q in queries if 'FROM "generation' in q["sql"])
