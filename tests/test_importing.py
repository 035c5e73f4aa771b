"""Files of calls brought in: what is stored, what merges, what is refused and where, and that it comes out equal."""

import datetime as dt
import gzip
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from generations import access, filters, importing, metrics
from generations.access import Grant
from generations.importing import calls, tables
from generations.ingest import rest
from generations.models import Feedback, Generation, Participant, Score, Tag, Thread
from generations.records import GenerationRecord
from tests.exports import content, export, folder, grant, lines

__all__ = ["folder", "grant"]
DATA = Path(__file__).parent / "data"
STARTED = 1_770_000_000.844282
SUBJECTS = ("maths", "coding", "reasoning")
pytestmark = pytest.mark.django_db


def pair(number: int, **beside: Any) -> dict[str, Any]:
    """One turn of a conversation of two: even numbers open a thread, odd ones go on in it."""
    thread, is_second = divmod(number, 2)
    messages = [{"role": "user", "content": f"What is {thread} times {thread}? 「それは?」"}]
    answer = f"It is {thread * thread}.\n\n```python\nprint({thread} ** 2)\n```"
    if is_second:
        messages += [{"role": "assistant", "content": answer}, {"role": "user", "content": "And its half?"}]
        answer = f"It is {thread * thread / 2}."
    return {
        "thread": f"sums-{thread}",
        "tags": ["sums", SUBJECTS[thread % 3]],
        "time": STARTED + number,
        "request": {"model": "gpt-4", "messages": messages, "temperature": 0},
        "response": {
            "object": "chat.completion",
            "model": "gpt-4",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}],
        },
        **beside,
    }


SIXTY = [pair(number) for number in range(60)]


def jsonl(*documents: Any) -> bytes:
    return b"".join(json.dumps(d, ensure_ascii=False).encode() + b"\n" for d in documents)


def rows(data: bytes) -> Iterator[importing.Row]:
    return tables.rows(io.BytesIO(data), "jsonl", is_bounded=False)


def run(grant: Grant, data: bytes, requests: bytes | None = None) -> importing.Report:
    asked = calls.Requests(io.BytesIO(requests)) if requests is not None else None
    return importing.run(grant, rows(data), calls.reader(asked))


def counts(report: importing.Report) -> tuple[int, int, int, int]:
    return report.stored, report.merged, report.unchanged, report.refused


# ------------------------------------------------------------------------------------------------------ the main job
def test_sixty_calls_in_thirty_threads_come_in_whole(grant: Grant) -> None:
    report = run(grant, jsonl(*SIXTY))

    assert counts(report) == (60, 0, 0, 0)
    assert dict(report.shapes) == {"OpenAI chat completion": 60}
    stored = Generation.objects.in_project(grant.project.pk)
    assert stored.count() == 60
    assert Thread.objects.in_project(grant.project.pk).count() == 30
    assert set(Tag.objects.filter(project=grant.project).values_list("name", flat=True)) == {"sums", *SUBJECTS}
    assert set(stored.values_list("model_id", "provider", "type", "finish_reason")) == {
        ("gpt-4", "openai", "chat", "stop")
    }
    assert set(stored.values_list("prompt_tokens", "completion_tokens", "total_tokens", "cost")) == {
        (None, None, None, None)
    }
    first = stored.get(thread_id="sums-7", input_preview__startswith="What")
    assert first.started_at == dt.datetime.fromtimestamp(STARTED + 14, dt.UTC)
    assert first.output_preview == "It is 49. ```python print(7 ** 2) ```"


def test_they_are_found_and_counted_by_tag(grant: Grant) -> None:
    run(grant, jsonl(*SIXTY))

    condition = filters.from_document("generations", {"tags": "maths", "thread.id": "sums-3"})
    found = filters.narrow("generations", grant.project.pk, condition)
    counted = metrics.documents(
        grant.project,
        [{"$match": {"tags": {"$in": ["coding"]}}}, {"$group": {"_id": "$model.id", "count": {"$sum": 1}}}],
    ).rows

    assert sorted(found.values_list("thread_id", flat=True)) == ["sums-3", "sums-3"]
    assert counted == [{"_id": "gpt-4", "count": 20}]


def test_they_are_exported_as_they_came(grant: Grant) -> None:
    run(grant, jsonl(*SIXTY))

    exported = {(line["threadId"], len(line["messages"])): line for line in lines(export(grant))}

    assert len(exported) == 60
    for source in SIXTY:
        line = exported[source["thread"], len(source["request"]["messages"])]
        assert line["messages"] == source["request"]["messages"]
        assert line["messageCompletion"] == source["response"]["choices"][0]["message"]
        assert line["model"] == {"id": "gpt-4", "provider": "openai"}
        assert line["parameters"] == {"temperature": 0}
        assert line["metadata"] == {"tags": source["tags"]}
        assert line["usage"] == {}
        assert dt.datetime.fromisoformat(line["timestamp"]) == dt.datetime.fromtimestamp(source["time"], dt.UTC)


def test_what_is_exported_and_imported_elsewhere_is_exported_equal(grant: Grant) -> None:
    run(grant, jsonl(*SIXTY))
    run(grant, (DATA / "calls.jsonl").read_bytes(), (DATA / "batch_requests.jsonl").read_bytes())
    first = content(export(grant))
    other = access.of_system(access.create_project("Elsewhere"))

    report = run(other, first)

    assert counts(report) == (75, 0, 0, 0)
    assert sorted(content(export(other)).splitlines()) == sorted(first.splitlines())


def test_importing_again_changes_nothing(grant: Grant) -> None:
    run(grant, jsonl(*SIXTY))

    again = run(grant, jsonl(*reversed(SIXTY)))

    assert counts(again) == (0, 0, 60, 0)
    assert Generation.objects.in_project(grant.project.pk).count() == 60


def test_a_line_that_says_more_of_the_same_id_is_merged(grant: Grant) -> None:
    run(grant, jsonl(pair(0, id="g1")))

    more = run(grant, jsonl({"id": "g1", "environment": "staging"}))

    assert counts(more) == (0, 1, 0, 0)
    row = Generation.objects.in_project(grant.project.pk).get()
    assert (row.environment, row.thread_id) == ("staging", "sums-0")


def test_users_become_participants(grant: Grant) -> None:
    run(grant, jsonl(pair(0, user="ann"), pair(1, user_id="bob")))

    participants = Participant.objects.in_project(grant.project.pk).values_list("public_id", flat=True)
    assert sorted(participants) == ["ann", "bob"]


# -------------------------------------------------------------------------------------------------------- bad lines
def test_bad_lines_are_refused_with_number_and_reason_and_the_others_are_stored(grant: Grant) -> None:
    data = b"".join(
        [
            jsonl(pair(0)),
            b"\n",
            b"{not json}\n",
            b"[1, 2]\n",
            jsonl(pair(1, tags=7)),
            jsonl({"id": "x", "model": {"id": "gpt-4"}, "usage": {"promptTokens": -1}}),
            jsonl({"id": "x", "model": {"idd": "gpt-4"}}),
            jsonl(pair(2)),
            b'{"request": {}',
        ]
    )

    report = run(grant, data)

    assert counts(report) == (2, 0, 0, 6)
    assert report.rows == 8
    assert [(r.place, r.field) for r in sorted(report.refusals, key=lambda r: r.place)] == [
        (3, "line"),
        (4, "line"),
        (5, "tags"),
        (6, "usage.promptTokens"),
        (7, "model.idd"),
        (9, "line"),
    ]
    reasons = {r.place: r.reason for r in report.refusals}
    assert reasons[6] == "usage.promptTokens: -1 is not valid; expected a whole number from 0 to 2147483647"
    assert "expected JSON" in reasons[3]
    assert "a JSON object on each line" in reasons[4]
    assert "model.id" in reasons[7]
    assert Generation.objects.in_project(grant.project.pk).count() == 2


def test_lines_as_gantrys_client_sends_them_keep_the_choice_the_attributes_and_the_feedback(grant: Grant) -> None:
    choices = [{"index": n, "message": {"role": "assistant", "content": text}} for n, text in enumerate("AB")]
    answered = {"id": "r1", "object": "chat.completion", "created": 1_763_000_000, "choices": choices}
    line: dict[str, Any] = {
        "application": "writer",
        "api_request": {"model": "gpt-4o", "messages": [{"role": "user", "content": "Greet Ann"}], "n": 2},
        "api_response": answered,
        "request_attributes": {"prompt_values": {"who": "Ann"}, "plan": "pro"},
        "response_attributes": {"pod": "a"},
        "feedback": {"rating": 4, "tone": "warm"},
        "selected_choice_index": 1,
        "session_id": "s-1",
        "tags": {"team": "x", "env": "prod", "version_number": 3},
    }
    other = {**line, "api_response": {**answered, "id": "r2"}, "selected_choice_index": 7, "feedback": {}}

    assert [counts(run(grant, jsonl(line, other))) for _ in range(2)] == [(2, 0, 0, 0), (0, 0, 2, 0)]

    wrong, right = sorted(Generation.objects.in_project(grant.project.pk), key=lambda one: one.selected_choice or 0)
    assert (right.name, right.prompt_name, right.prompt_version) == ("writer", "writer", 3)
    assert (right.selected_choice, right.output_preview, right.session_id) == (1, "B", "s-1")
    assert (right.environment, right.request_attributes["plan"], right.response_attributes) == (
        "prod",
        "pro",
        {"pod": "a"},
    )
    assert right.metadata == {"application": "writer", "labels": line["tags"]}
    scores = Score.objects.in_project(grant.project.pk).order_by("name").values_list("name", "value", "label")
    assert list(scores) == [("rating", 4.0, None), ("tone", None, "warm")]
    assert [one.rating for one in Feedback.objects.in_project(grant.project.pk)] == [4.0]
    assert (wrong.selected_choice, wrong.output_preview) == (0, "A")
    assert wrong.metadata["problems"] == [
        "selected_choice_index: 7 is not valid; expected the index of one of the 2 choices, from 0"
    ]


def test_a_line_that_is_too_long_is_skipped_and_never_held(grant: Grant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "MAX_LINE", 2_000)
    long = pair(1)
    long["request"]["messages"][0]["content"] = "x" * 3_000_000

    report = run(grant, jsonl(pair(0), long, pair(2)))

    assert counts(report) == (2, 0, 0, 1)
    assert [(r.place, r.reason) for r in report.refusals] == [
        (2, "line: 'over 2000 bytes' is not valid; expected at most 2000 bytes a line")
    ]


def test_a_compressed_file_that_is_cut_off_is_stored_as_far_as_it_goes(grant: Grant) -> None:
    whole = gzip.compress(jsonl(*SIXTY))

    report = run(grant, whole[:-40])

    assert 0 < report.stored < 60
    assert report.refused == 1
    assert "a whole gzip file" in report.refusals[0].reason


@pytest.mark.parametrize(
    "data",
    [
        gzip.compress(jsonl(*SIXTY)),
        b"\xef\xbb\xbf" + jsonl(*SIXTY),
        jsonl(*SIXTY).replace(b"\n", b"\r\n"),
        jsonl(*SIXTY).rstrip(b"\n"),
        b"\n\n" + jsonl(*SIXTY) + b"   \n",
    ],
    ids=["gzip", "byte order mark", "carriage returns", "no last newline", "blank lines"],
)
def test_other_ways_to_write_the_same_file_are_the_same(grant: Grant, data: bytes) -> None:
    assert counts(run(grant, data)) == (60, 0, 0, 0)


def test_refusals_that_are_kept_are_bounded_and_all_are_counted(grant: Grant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "REFUSALS_KEPT", 10)

    report = run(grant, b"?\n" * 50)

    assert (report.refused, len(report.refusals)) == (50, 10)


def test_no_more_lines_are_held_than_one_transaction_stores(grant: Grant) -> None:
    taken = 0

    def source() -> Iterator[importing.Row]:
        nonlocal taken
        for number in range(1, 1_201):
            taken = number
            yield importing.Row(number, pair(number))

    progress: list[tuple[int, int]] = []
    importing.run(grant, source(), calls.reader(), progress=lambda so_far: progress.append((taken, so_far.stored)))

    assert progress == [(500, 500), (1_000, 1_000), (1_200, 1_200)]


# ---------------------------------------------------------------------------------------------------- batch requests
@pytest.mark.parametrize("is_packed", [False, True])
def test_requests_are_found_by_their_custom_id(is_packed: bool) -> None:
    data = (DATA / "batch_requests.jsonl").read_bytes()

    asked = calls.Requests(io.BytesIO(gzip.compress(data) if is_packed else data))

    assert len(asked) == 4
    assert asked.of("row-3") == {
        "model": "gpt-4o-mini",
        "messages": [{"role": "user", "content": "No"}],
        "max_tokens": 3,
    }
    assert asked.of("row-1") != asked.of("row-3")
    assert asked.of("row-9") is None


# ------------------------------------------------------------------------------------------------------- the command
def written(tmp_path: Path, data: bytes, name: str = "calls.jsonl") -> str:
    path = tmp_path / name
    path.write_bytes(data)
    return str(path)


def test_the_command_reports_and_ends_well(grant: Grant, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("import", written(tmp_path, jsonl(*SIXTY)))

    out = capsys.readouterr().out
    assert "       60 x OpenAI chat completion" in out
    assert f"60 stored, 0 merged, 0 unchanged, 0 refused in project {grant.project.slug}." in out


def test_the_command_ends_with_1_when_a_line_was_refused(
    grant: Grant, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        call_command("import", written(tmp_path, jsonl(pair(0)) + b"oops\n"))

    assert ended.value.code == 1
    told = capsys.readouterr()
    assert "1 stored, 0 merged, 0 unchanged, 1 refused" in told.out
    assert "line 2 refused: line: 'oops\\n' is not valid; expected JSON" in told.err


def test_a_preview_says_it_in_sentences_and_stores_nothing(
    grant: Grant, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    requests = str(DATA / "batch_requests.jsonl")

    call_command("import", str(DATA / "calls.jsonl"), "--preview", "--requests", requests)

    out = capsys.readouterr().out
    assert (
        "line 1: OpenAI chat completion, by gpt-4o-mini, on 2026-02-02 02:40:01 UTC, in thread physics-1, "
        "tagged physics, short, 76 tokens: asked “Why is the sky blue?”, "
        "answered “Air scatters blue light more than red.”\n"
    ) in out
    assert "        7 x OpenAI chat completion" in out
    assert "15 lines, 0 of them refused. Nothing was stored." in out
    assert not Generation.objects.in_project(grant.project.pk).exists()


def test_the_command_reads_standard_input(
    grant: Grant, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(jsonl(*SIXTY)))))

    call_command("import", "-")

    assert "60 stored" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere.jsonl"], "nowhere.jsonl cannot be read: No such file or directory."),
        ([str(DATA)], "cannot be read: Is a directory."),
        ([str(DATA / "calls.jsonl"), "--project", "none"], "There is no project 'none'; there are: "),
        (
            [str(DATA / "calls.jsonl"), "--requests", str(DATA / "calls.jsonl")],
            "requests, line 1: .* expected a line of a batch's requests",
        ),
    ],
)
def test_the_command_says_what_is_wrong(grant: Grant, arguments: list[str], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        call_command("import", *arguments)


def test_among_several_projects_one_has_to_be_named(grant: Grant, tmp_path: Path) -> None:
    other = access.create_project("Second")
    path = written(tmp_path, jsonl(*SIXTY))

    with pytest.raises(CommandError, match="Say which project with --project"):
        call_command("import", path)
    call_command("import", path, "--project", other.slug)

    assert Generation.objects.in_project(other.pk).count() == 60
    assert not Generation.objects.in_project(grant.project.pk).exists()


def test_without_a_project_it_says_how_one_is_made() -> None:
    with pytest.raises(CommandError, match="There is no project yet"):
        call_command("import", str(DATA / "calls.jsonl"))


def test_a_reading_key_may_not_import(grant: Grant) -> None:
    reader = Grant(project=grant.project, scopes=frozenset({access.Scope.READ}))

    with pytest.raises(access.NotAllowed, match="has no scope 'ingest'"):
        run(reader, jsonl(*SIXTY))

    assert not Generation.objects.in_project(grant.project.pk).exists()


def test_what_is_read_is_what_rest_would_show() -> None:
    shown, _ = importing.preview(rows(jsonl(pair(0, id="g1"))), calls.reader())

    record = shown[0].item
    assert isinstance(record, GenerationRecord)
    document = rest.document(record)

    assert document["threadId"] == "sums-0"
    assert document["input"] == {"type": "text", "content": {"messages": pair(0)["request"]["messages"]}}
