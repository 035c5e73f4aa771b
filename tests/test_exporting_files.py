"""The life of an export's file: refused at the door, whole or absent, fetched by a signed link, expired."""

import datetime as dt
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest
from django.conf import settings
from django.core.files.storage import default_storage
from django.db.models.functions import Now
from django.utils import timezone

from generations import access, exporting, filters, jobs, recording
from generations.access import Grant, NotAllowed, Scope
from generations.exporting import columns, parquet, writers
from generations.exporting.dialects import DIALECTS
from generations.models import AuditEntry, Job
from tests.exports import before_each_batch, export, folder, grant, left_behind, lines, plain

__all__ = ["folder", "grant"]
pytestmark = pytest.mark.django_db
NAME = columns.chosen("scores", ["name"])


# ------------------------------------------------------------------ refusals
@pytest.mark.parametrize(
    ("asked", "field", "says"),
    [
        ({"format": "xlsx"}, "format", "one of jsonl, csv, parquet"),
        ({"format": "jsnol"}, "format", "did you mean jsonl?"),
        ({"kind": "generation"}, "kind", "did you mean generations?"),
        ({"fields": ["id", "usage.totalTokns"]}, "fields", "did you mean usage.totalTokens?"),
        ({"fields": ["outptu"]}, "fields", "did you mean output?"),
        ({"fields": []}, "fields", "1 to 500 names of fields"),
        ({"fields": [7]}, "fields", "names of fields as texts"),
        ({"order": "usage.totalTokns"}, "order", "did you mean usage.totalTokens?"),
        ({"order": "-metadata"}, "order", "metadata.plan"),
        ({"condition_document": {"model.idd": "x"}}, "model.idd", "did you mean model.id?"),
        ({"condition_document": {"feedback.rating": {"$gte": "many"}}}, "feedback.rating", "number"),
        ({"condition_document": ["model.id"]}, "filter", "object"),
    ],
)
def test_what_could_not_be_exported_is_refused_at_once_and_makes_no_job(
    grant: Grant, asked: dict[str, Any], field: str, says: str
) -> None:
    with pytest.raises(filters.BadFilter) as refusal:
        exporting.start(grant, **asked)

    assert refusal.value.field == field
    assert says in refusal.value.expected
    assert not Job.objects.exists()
    assert not AuditEntry.objects.filter(action="export.start").exists()


def test_starting_needs_the_scope_read_and_is_audited(grant: Grant) -> None:
    with pytest.raises(NotAllowed):
        exporting.start(Grant(project=grant.project, scopes=frozenset({Scope.INGEST})))

    job = exporting.start(grant, condition_document={"model.id": "a"})

    entry = AuditEntry.objects.get(action="export.start")
    assert entry.subject_id == str(job.pk)
    assert entry.detail["filter"] == {"model.id": "a"}
    assert Job.objects.count() == 1


def test_a_filter_that_has_become_impossible_fails_the_job_with_a_sentence(grant: Grant) -> None:
    job = exporting.start(grant)
    Job.objects.filter(pk=job.pk).update(parameters={**job.parameters, "filter": {"gone": 1}})

    exporting.run(job.pk)

    job.refresh_from_db()
    assert job.state == "failed"
    assert job.error.startswith("The filter or the fields are no longer possible. gone")


# ------------------------------------------------------------------ whole or absent, expiry
def test_a_cancelled_export_leaves_no_file(grant: Grant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "TELL_EVERY", 0.0)
    recording.record(grant.project, [plain(n) for n in range(10)])
    job = exporting.start(grant)
    seen: list[list[str]] = []

    def cancel(batch: int) -> None:
        seen.append(left_behind())
        if batch == 3:
            exporting.cancel(grant, job.pk)

    before_each_batch(monkeypatch, cancel)

    exporting.run(job.pk)

    job.refresh_from_db()
    assert job.state == "cancelled"
    assert seen == [[f"{job.pk}-1.part"]] * 3
    assert left_behind() == []
    with pytest.raises(exporting.NotReady, match="was cancelled and has no file"):
        exporting.open_file(job)


def test_a_worker_that_lost_its_lease_leaves_no_file_and_the_other_a_whole_one(
    grant: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording.record(grant.project, [plain(n) for n in range(10)])
    job = exporting.start(grant)
    is_first = True

    def lose(batch: int) -> None:
        nonlocal is_first
        if batch == 3 and is_first:
            is_first = False
            Job.objects.filter(pk=job.pk).update(leased_until=Now() - dt.timedelta(minutes=1))
            assert exporting.run(job.pk)

    before_each_batch(monkeypatch, lose)

    exporting.run(job.pk)

    job.refresh_from_db()
    assert (job.state, job.attempts) == ("done", 2)
    assert [line["id"] for line in lines(job)] == [f"g{n:05}" for n in range(10)]
    assert left_behind() == [f"{job.pk}-2.jsonl", f"{job.pk}-2.jsonl.manifest.json"]


def test_a_file_that_cannot_be_written_fails_the_job_with_a_sentence(grant: Grant) -> None:
    (Path(settings.DATA_DIR) / "unfinished").write_text("in the way")

    job = export(grant)

    assert (job.state, job.error) == ("failed", "The file could not be written: File exists.")


def test_what_killed_workers_left_is_forgotten_after_a_day(folder: Path) -> None:
    assert exporting.forget_unfinished() == 0
    (folder / "unfinished").mkdir()
    for name in ("old.part", "new.part"):
        (folder / "unfinished" / name).write_text("half")
    two_days_ago = timezone.now().timestamp() - 2 * 86_400
    os.utime(folder / "unfinished" / "old.part", (two_days_ago, two_days_ago))

    assert exporting.forget_unfinished() == 1

    assert left_behind() == ["new.part"]


def test_an_expired_export_loses_its_file_and_says_so(grant: Grant) -> None:
    job, kept = export(grant), export(grant)
    Job.objects.filter(pk=job.pk).update(expires_at=timezone.now() - dt.timedelta(seconds=1))
    job.refresh_from_db()
    with pytest.raises(exporting.NotReady, match="has expired"):
        exporting.open_file(job)

    assert exporting.expire() == 1
    assert exporting.expire() == 0

    job.refresh_from_db()
    kept.refresh_from_db()
    assert (job.state, kept.state) == ("expired", "done")
    assert left_behind() == [f"{kept.pk}-1.jsonl", f"{kept.pk}-1.jsonl.manifest.json"]
    with pytest.raises(exporting.NotReady, match="has expired") as gone:
        exporting.open_file(job)
    assert gone.value.is_gone


def test_an_export_whose_file_is_lost_is_told_to_be_gone(grant: Grant) -> None:
    lost, kept = export(grant), export(grant)
    default_storage.delete(lost.result["file"])
    with pytest.raises(exporting.NotReady, match="is gone"):
        exporting.open_file(lost)

    assert exporting.forget_lost() == 1

    assert [Job.objects.get(pk=job.pk).state for job in (lost, kept)] == ["expired", "done"]
    assert left_behind() == [f"{kept.pk}-1.jsonl", f"{kept.pk}-1.jsonl.manifest.json"]


def test_a_file_that_cannot_be_deleted_keeps_no_other_one(grant: Grant, caplog: pytest.LogCaptureFixture) -> None:
    stuck, other = export(grant), export(grant)
    now = timezone.now()
    for n, job in enumerate((stuck, other)):
        Job.objects.filter(pk=job.pk).update(expires_at=now - dt.timedelta(seconds=2 - n))
    path = Path(default_storage.path(stuck.result["file"]))
    path.unlink()
    (path / "in the way").mkdir(parents=True)

    assert exporting.expire() == 1

    assert [Job.objects.get(pk=job.pk).state for job in (stuck, other)] == ["done", "expired"]
    assert str(stuck.pk) in caplog.text
    (path / "in the way").rmdir()
    assert exporting.expire() == 1


def test_an_export_that_waits_has_no_file_yet(grant: Grant) -> None:
    job = exporting.start(grant)

    with pytest.raises(exporting.NotReady, match="This export is queued") as refusal:
        exporting.open_file(job)

    assert not refusal.value.is_gone


# ------------------------------------------------------------------ download
def test_a_download_path_opens_exactly_its_own_export(grant: Grant) -> None:
    job, other = export(grant), export(grant)

    path = exporting.download_path(job)
    signature = path.partition("?signature=")[2]

    assert path == f"/api/exports/{job.pk}/download?signature={signature}"
    assert exporting.check_signature(job.pk, signature) == job
    assert exporting.check_signature(str(job.pk), signature) == job
    assert exporting.check_signature(other.pk, signature) is None
    assert exporting.check_signature(job.pk, signature[:-1] + ("A" if signature[-1] != "A" else "B")) is None
    assert exporting.check_signature(job.pk, "") is None
    assert exporting.check_signature("no id", "no signature") is None


def test_a_download_path_expires_with_the_export(grant: Grant, monkeypatch: pytest.MonkeyPatch) -> None:
    job = export(grant)
    signature = exporting.download_path(job).partition("?signature=")[2]

    monkeypatch.setattr("django.core.signing.time.time", lambda: timezone.now().timestamp() + 73 * 3600)

    assert exporting.check_signature(job.pk, signature) is None


def test_another_project_sees_nothing_of_an_export(grant: Grant) -> None:
    job = export(grant)
    stranger = access.of_system(access.create_project("Stranger"))

    assert exporting.find(stranger, job.pk) is None
    assert exporting.cancel(stranger, job.pk) is None
    assert exporting.find(grant, str(job.pk)) == job


# ------------------------------------------------------------------ Parquet's own process
def children() -> list[str]:
    """The processes that this one has started and not yet waited for."""
    return [pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()]


def test_parquet_holds_every_row_as_it_was_given_however_many_blocks_they_come_in(tmp_path: Path) -> None:
    file = tmp_path / "file"
    of = columns.COLUMNS["scores"]
    given: list[dict[str, Any]] = [
        {
            "id": f"\ufeff{n}",
            "name": None if n % 3 else "",
            "value": None if n % 2 else n / 4,
            "comment": '生成, "quoted"\r\n\\n \x1f\x1e\x1e' * (n % 5 * 100),
            "timestamp": "2026-03-04T05:06:07.890123Z" if n % 7 else "2026-03-04T05:06:07Z",
        }
        for n in range(4321)
    ]

    with file.open("wb") as open_file, writers.writing("parquet", "zstd", open_file, of) as writer:
        for one in given:
            writer.write(writers.line_of(of, one, DIALECTS["parquet"]))

    at = dt.datetime(2026, 3, 4, 5, 6, 7, tzinfo=dt.UTC)
    assert pq.ParquetFile(file).num_row_groups > 2
    assert pq.read_table(file).select(["id", "name", "value", "comment", "timestamp"]).to_pylist() == [
        {**one, "timestamp": at.replace(microsecond=890123) if n % 7 else at} for n, one in enumerate(given)
    ]


@pytest.mark.parametrize("groups", [0, 1, 14, 15, 150])
def test_parquet_tells_of_each_group_where_it_is_and_what_it_holds(
    groups: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "BLOCK_BYTES", 1)
    monkeypatch.setattr(parquet, "ROW_GROUP_BYTES", 1)
    asked = {"columns": [("n", "integer"), ("said", "json")], "compression": "zstd", "dialect": DIALECTS["parquet"]}
    pieces = [b"".join(b"%d\x1f%d times\n" % (n, n) for _ in range(n % 3 + 1)) for n in range(groups)]
    source = b"".join(len(piece).to_bytes(8, "big") + piece for piece in (*pieces, b""))
    file = io.BytesIO()

    parquet.write(io.BytesIO(orjson.dumps(asked) + b"\n" + source), file)

    whole = pq.ParquetFile(file)
    told = [whole.metadata.row_group(n) for n in range(whole.num_row_groups)]
    assert [(group.num_rows, group.column(0).statistics.max) for group in told] == [
        (n % 3 + 1, n) for n in range(groups)
    ]
    assert whole.metadata.num_rows == sum(n % 3 + 1 for n in range(groups))
    assert whole.schema_arrow.names == ["n", "said"]
    for n in range(groups):
        assert whole.read_row_group(n).to_pylist() == [{"n": n, "said": f"{n} times"}] * (n % 3 + 1)


def test_parquet_of_one_column_tells_unknown_from_empty(tmp_path: Path) -> None:
    file = tmp_path / "file"
    given = [None, "", "NULL", None]

    with file.open("wb") as open_file, writers.writing("parquet", "zstd", open_file, NAME) as writer:
        for name in given:
            writer.write(writers.line_of(NAME, {"name": name}, DIALECTS["parquet"]))

    assert pq.read_table(file).to_pydict() == {"name": given}


def test_parquet_of_rows_that_end_too_early_says_so() -> None:
    asked = b'{"columns": [["name", "text"]], "compression": "none", "dialect": {"delimiter": ",", "quote": "\\""}}\n'
    program = [sys.executable, "-P", parquet.__file__]

    for rest in (b"", (2).to_bytes(8, "big") + b"x\n", (2).to_bytes(8, "big") + b"x"):
        ended = subprocess.run(program, input=asked + rest, capture_output=True, check=False)

        assert (ended.returncode, ended.stderr) == (1, b"The rows ended too early.\n")


def test_parquet_that_is_given_up_leaves_no_process(tmp_path: Path) -> None:
    before = children()

    with (
        (tmp_path / "part").open("wb") as file,
        pytest.raises(jobs.Cancelled),
        writers.writing("parquet", "zstd", file, NAME) as writer,
    ):
        assert len(children()) == len(before) + 1
        for _ in range(1000):
            writer.write(writers.line_of(NAME, {"name": "long " * 1000}, DIALECTS["parquet"]))
        raise jobs.Cancelled

    assert children() == before


def test_parquet_that_cannot_be_written_says_why() -> None:
    before = children()

    with (
        Path("/dev/full").open("wb", buffering=0) as file,
        pytest.raises(OSError, match="No space left on device"),
        writers.writing("parquet", "zstd", file, NAME) as writer,
    ):
        writer.write(writers.line_of(NAME, {"name": "x"}, DIALECTS["parquet"]))

    assert children() == before
