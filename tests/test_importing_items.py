"""Files of tables as items of a dataset: what a column is taken for, what is refused, and jobs taken up again."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from django.core.files.storage import default_storage
from pyarrow import parquet

from generations import access, datasets, jobs
from generations.access import Grant
from generations.importing import items as importing
from generations.importing import tables, uploads, working
from generations.importing.tables import BadFile
from generations.models import Dataset, DatasetItem, Job, User

CSV = 'question,answer,split,topic\n"Two and two?",Four.,test,sums\n"Größer, ""schneller""?",,train,\n'


@pytest.fixture(autouse=True)
def _folder(settings: Any, tmp_path: Path) -> None:
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path / "media")},
        },
    }


def read(content: bytes, format: str) -> list[Any]:
    return [row.value for row in tables.rows(io.BytesIO(content), format)]


@pytest.mark.parametrize(
    ("content", "format"),
    [
        (CSV.encode(), "csv"),
        (b"\xef\xbb\xbf" + CSV.encode(), "csv"),
        (b"question\tanswer\tsplit\ttopic\nTwo and two?\tFour.\ttest\tsums\n", "csv"),
        (gzip.compress(CSV.encode()), "csv"),
        (b'{"question": "Two and two?", "answer": "Four.", "split": "test", "topic": "sums"}\n\n', "jsonl"),
        (b'[{"question": "Two and two?", "answer": "Four.", "split": "test", "topic": "sums"}]', "json"),
        (b'{"data": [{"question": "Two and two?", "answer": "Four.", "split": "test", "topic": "sums"}]}', "json"),
    ],
)
def test_each_form_of_a_table_gives_the_same_row(content: bytes, format: str) -> None:
    assert read(content, format)[0] == {
        "question": "Two and two?",
        "answer": "Four.",
        "split": "test",
        "topic": "sums",
    }


def test_a_parquet_file_is_read_with_its_types() -> None:
    file = io.BytesIO()
    parquet.write_table(
        pa.table(
            {
                "input": [{"q": "Two and two?"}],
                "n": [4],
                "at": pa.array([0], pa.timestamp("s", "UTC")),
                "raw": [b"\xff"],
                "none": pa.nulls(1),
            }
        ),
        file,
    )

    assert read(file.getvalue(), "parquet") == [
        {"input": {"q": "Two and two?"}, "n": 4, "at": "1970-01-01T00:00:00Z", "raw": "\ufffd", "none": None}
    ]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", "größe\nx\n".encode("latin-1"), "not UTF-8: there is a byte 0xf6"),
        ("a.csv", b"a,a\n1,2\n", "Two columns are called 'a'"),
        ("a.csv", b'a,b\n"1,2\n', "no CSV"),
        ("a.csv.gz", gzip.compress(b"a,b\n1,2\n" * 9000)[:-20], "cut off or damaged"),
        ("a.json", b"[1, 2", "no JSON"),
        ("a.json", b"12", "no list of objects"),
        ("a.parquet", b"PAR1 and then nothing that is", "Parquet file cannot be read"),
        ("a.parquet", b"nothing of that kind", "no Parquet file"),
        ("a.zip", b"PK\x03\x04 and so on", "zip file. Unpack it"),
        ("a.pdf", b"%PDF-1.7", "cannot be told what this is"),
    ],
)
def test_a_file_that_is_no_table_is_refused_with_the_reason(name: str, content: bytes, words: str) -> None:
    with pytest.raises(BadFile, match=words):
        format = tables.format_of(name, content[:16])
        read(content, format)


def test_a_bomb_is_given_up_before_it_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MAX_UNPACKED", 1 << 20)
    bomb = gzip.compress(b"input\n" + b"x\n" * (1 << 20))
    places = []

    with pytest.raises(BadFile, match="larger than 1 MiB when it is unpacked"):
        places += [row.place for row in tables.rows(io.BytesIO(bomb), "csv")]


def test_columns_are_guessed_by_their_names_and_something_is_always_the_input() -> None:
    assert importing.guess(["question", "Expected Output", "split", "id", "topic", "generationId"]) == {
        "question": "input",
        "Expected Output": "expected",
        "split": "split",
        "id": "",
        "topic": "metadata",
        "generationId": "generation",
    }
    assert importing.guess(["a", "answer"]) == {"a": "input", "answer": "expected"}


def test_one_column_is_the_value_itself_and_several_are_an_object() -> None:
    row = {"a": '{"x": 1}', "b": "two", "m": '{"k": 1}', "n": 5, "none": ""}

    alone = importing.item_of(row, {"a": "input", "b": "expected", "m": "metadata", "n": "metadata"}, reads_json=True)
    together = importing.item_of(row, {"a": "input", "b": "input"}, reads_json=False)

    assert (alone.input, alone.expected_output, alone.metadata) == ({"x": 1}, "two", {"k": 1, "n": 5})
    assert (together.input, together.expected_output, together.metadata) == ({"a": '{"x": 1}', "b": "two"}, None, {})


# ---------------------------------------------------------------------------------------------------------------- jobs
@pytest.fixture
def grant(db: None) -> Grant:
    user = User.objects.create_user("mia", password="correct horse")
    return access.by_user(user, access.create_project("Import", user).slug)


@pytest.fixture
def dataset(grant: Grant) -> Dataset:
    return datasets.create(grant, name="Questions")


def started(grant: Grant, dataset: Dataset, content: str, name: str = "a.csv") -> Job:
    upload = uploads.keep(grant, io.BytesIO(content.encode()), name, len(content))
    roles = importing.guess(uploads.preview(upload).columns)
    return importing.start(grant, str(dataset.pk), upload, roles, reads_json=True)


def test_a_file_becomes_one_version_and_a_report(grant: Grant, dataset: Dataset) -> None:
    many = "question,answer,split\n" + "".join(f"Q{n},A{n},test\n" for n in range(1_200)) + ",none,\nQ,too,many,cells\n"
    job = started(grant, dataset, many)

    assert working.run(job.pk)

    job.refresh_from_db()
    assert (job.state, job.progress_done, job.progress_total) == ("done", 1_202, 1_202)
    assert {name: job.result[name] for name in ("rows", "added", "refused", "version")} == {
        "rows": 1_202,
        "added": 1_200,
        "refused": 2,
        "version": 2,
    }
    assert [one["row"] for one in job.result["refusals"]] == [1_202, 1_203]
    dataset.refresh_from_db()
    assert dataset.version == 2
    assert DatasetItem.objects.filter(dataset=dataset, added_in=2, split="test").count() == 1_200
    assert [(v.number, v.action, v.count) for v in datasets.history(dataset)] == [(2, "add", 1_200), (1, "create", 0)]


def test_an_import_that_is_taken_up_again_adds_nothing_twice(grant: Grant, dataset: Dataset) -> None:
    job = started(grant, dataset, "question\nOne\nTwo\n")
    key = job.parameters["file"]
    content = default_storage.open(key).read()
    working.run(job.pk)

    # As if the worker had been killed after the last batch and before it could say so.
    default_storage.save(key, io.BytesIO(content))
    Job.objects.filter(pk=job.pk).update(state="queued")
    working.run(job.pk)

    job.refresh_from_db()
    assert (job.state, job.result["added"], job.result["version"]) == ("done", 2, 2)
    assert DatasetItem.objects.filter(dataset=dataset).count() == 2


def test_a_file_that_is_damaged_in_its_middle_says_what_came_of_it(grant: Grant, dataset: Dataset) -> None:
    rows = "".join(f"Q{n} {'and so on' * 8}\n" for n in range(importing.BATCH + 200)).encode()
    upload = uploads.keep(grant, io.BytesIO(b"question\n" + rows + b"\xff\n"), "a.csv", 9)
    job = importing.start(grant, str(dataset.pk), upload, {"question": "input"}, reads_json=True)

    working.run(job.pk)

    job.refresh_from_db()
    assert job.state == "failed"
    assert "not UTF-8" in job.error
    assert f"{importing.BATCH:,} items of the rows before were added" in job.error
    again = jobs.retry(grant, job.pk)
    assert again is not None
    assert again.parameters == job.parameters


def test_an_item_that_is_too_much_is_refused_and_the_others_are_added(grant: Grant, dataset: Dataset) -> None:
    lines = [{"input": "One"}, {"input": "Two", "split": "s" * 101}, {"input": "Three"}]
    job = started(grant, dataset, "\n".join(map(json.dumps, lines)), "a.jsonl")

    working.run(job.pk)

    job.refresh_from_db()
    assert (job.result["added"], job.result["refused"]) == (2, 1)
    assert job.result["refusals"][0]["row"] == 2
    assert "split" in job.result["refusals"][0]["reason"]
    assert {item.input for item in datasets.items(dataset)} == {"One", "Three"}


def test_an_upload_is_one_projects_own_and_is_forgotten(grant: Grant, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = uploads.keep(grant, io.BytesIO(b"question\nOne\n"), "a.csv", 13)
    stranger = access.of_system(access.create_project("Elsewhere"))

    assert uploads.kept(grant, upload.token) == upload
    assert uploads.kept(stranger, upload.token) is None
    assert uploads.kept(grant, upload.token[:-2]) is None
    assert uploads.forget_uploads() == 0
    monkeypatch.setattr(uploads, "KEPT", dt.timedelta(0))
    assert uploads.forget_uploads() == 1
    assert uploads.kept(grant, upload.token) is None
