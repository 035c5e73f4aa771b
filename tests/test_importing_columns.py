"""Columns of tables as calls to models: what a column is taken for, what a row becomes, what is refused and named."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from generations import access, importing, prompts
from generations.access import Grant
from generations.importing import calls, columns, generations, tables
from generations.importing.tables import BadFile
from generations.models import Generation
from generations.records import GenerationRecord, InvalidRecord
from tests.exports import content, export, folder, grant

__all__ = ["folder", "grant"]
CSV = (
    "time,model,prompt,completion,input_tokens,latency_ms,user,tags,temperature,plan,cost\n"
    '2026-02-02 10:00:00,gpt-4o,"Two, and two?",Four.,9,412,ann,"sums, short",0.2,pro,0.25\n'
)


def guessed(*names: str, **cells: Any) -> dict[str, str]:
    return columns.guess(names or list(cells), [cells] if cells else [])


def record(cells: dict[str, Any], **roles: str) -> GenerationRecord:
    (found,) = columns.reader(roles or columns.guess(list(cells), [cells]))(cells)
    assert isinstance(found.item, GenerationRecord)
    return found.item


def run(grant: Grant, data: bytes, format: str = "csv") -> importing.Report:
    first = list(tables.rows(io.BytesIO(data), format))[:5]
    roles = generations.guess(first, format)
    read = columns.reader(roles) if roles else calls.reader()
    return importing.run(grant, tables.rows(io.BytesIO(data), format), read)


# ------------------------------------------------------------------------------------------------------------- mapping
def test_columns_are_guessed_by_their_names() -> None:
    assert guessed(
        "Created At", "modelName", "system_prompt", "question", "answer", "promptTokens", "tokens_out", "latency (s)",
        "Latency MS", "user_id", "conversation_id", "labels", "temperature", "prompt_name", "usage.cachedTokens", "x",
    ) == {
        "Created At": "timestamp",
        "modelName": "model.id",
        "system_prompt": "system",
        "question": "input.content",
        "answer": "output.content",
        "promptTokens": "usage.promptTokens",
        "tokens_out": "usage.completionTokens",
        "latency (s)": "performance.latency",
        "Latency MS": "milliseconds",
        "user_id": "metadata.userId",
        "conversation_id": "threadId",
        "labels": "metadata.tags",
        "temperature": "parameters",
        "prompt_name": "promptVersion.name",
        "usage.cachedTokens": "usage.cachedTokens",
        "x": "metadata",
    }  # fmt: skip


def test_what_a_column_holds_decides_where_its_name_alone_would_be_wrong() -> None:
    assert guessed(request="What?", response="That.") == {"request": "input.content", "response": "output.content"}
    assert guessed(request='{"model": "m"}', response='{"choices": []}') == {
        "request": "request",
        "response": "response",
    }
    assert guessed(messages="Hello", type="faq", time="soon") == {
        "messages": "input.content",
        "type": "metadata",
        "time": "metadata",
    }
    assert guessed(system="S", user="U", assistant="A") == {
        "system": "system",
        "user": "input.content",
        "assistant": "output.content",
    }
    assert guessed(prompt="P", question="Q") == {"prompt": "input.content", "question": "metadata"}
    assert guessed(id="7", q="Q") == {"id": "metadata", "q": "input.content"}
    assert guessed(id="call-7", q="Q") == {"id": "id", "q": "input.content"}
    assert guessed("what", "answer") == {"what": "input.content", "answer": "output.content"}


@pytest.mark.parametrize(
    ("roles", "words"),
    [
        ({"a": "input.content", "b": "modell"}, "column b: 'modell' is not valid; expected a field that is offered"),
        ({"a": "input.content", "b": "input.content"}, "Input: .* expected one column at most"),
        ({"a": "metadata"}, "at least one column that is the input, the output, a request or a response"),
    ],
)
def test_columns_that_make_no_call_are_refused(roles: dict[str, str], words: str) -> None:
    with pytest.raises(InvalidRecord, match=words):
        columns.check(roles)


def test_a_field_is_named_as_people_name_it() -> None:
    assert [columns.named(name) for name in ("input", "user", "usage.cost", "metadata.plan", "")] == [
        "input.content",
        "metadata.userId",
        "usage.cost",
        "metadata.plan",
        "",
    ]
    with pytest.raises(InvalidRecord, match=r"did you mean 'usage\.cost'"):
        columns.named("usage.costs")


# ---------------------------------------------------------------------------------------------------------------- rows
def test_a_row_of_texts_becomes_a_call_with_its_types() -> None:
    (row,) = tables.rows(io.BytesIO(CSV.encode()), "csv")

    made = record(row.value)

    assert made.started_at == dt.datetime(2026, 2, 2, 10, tzinfo=dt.UTC)
    assert (made.model_id, made.prompt, made.completion, made.prompt_tokens) == ("gpt-4o", "Two, and two?", "Four.", 9)
    assert (made.latency, made.user_id, made.tags) == (0.412, "ann", ("sums", "short"))
    assert (made.parameters, made.metadata, made.cost) == ({"temperature": 0.2}, {"plan": "pro"}, Decimal("0.25"))
    assert (made.completion_tokens, made.thread_id, made.error) == (None, None, None)


def test_a_conversation_ends_with_its_answer_and_begins_with_its_system_prompt() -> None:
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]

    made = record({"messages": json.dumps(messages), "system": "Be kind."})
    asked = record({"system": "Be kind.", "prompt": "Hi", "answer": "Hello"}, system="system", prompt="input.content",
                   answer="output.content")  # fmt: skip

    assert made.messages == asked.messages == [{"role": "system", "content": "Be kind."}, messages[0]]
    assert made.message_completion == asked.message_completion == messages[1]
    assert made.type == asked.type == "chat"


def test_a_request_and_its_response_in_cells_are_read_as_the_pair_they_are() -> None:
    made = record(
        {
            "request": '{"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}], "metadata": {"a": 1}}',
            "response": '{"object": "chat.completion", "choices": [{"message":'
            ' {"role": "assistant", "content": "Yo"}}], "usage": {"prompt_tokens": 5, "completion_tokens": 1}}',
            "customer": "ann",
            "plan": "pro",
            "temperature": "0.5",
        }
    )

    assert (made.model_id, made.provider, made.total_tokens, made.user_id) == ("gpt-4o", "openai", 6, "ann")
    assert made.message_completion == {"role": "assistant", "content": "Yo"}
    assert (made.metadata, made.parameters) == ({"a": 1, "plan": "pro"}, {"temperature": 0.5})


def test_variables_and_metadata_are_collected_from_columns_and_objects() -> None:
    made = record(
        {"q": "Hi", "city": "Lisbon", "more": '{"day": "Monday"}', "m": '{"k": [1]}', "tags": "a,b"},
        q="input.content",
        city="variables",
        more="variables",
        m="metadata",
        tags="metadata",
    )

    assert made.variables == {"city": "Lisbon", "day": "Monday"}
    assert (made.metadata, made.tags) == ({"k": [1]}, ("a", "b"))


@pytest.mark.parametrize(
    ("cells", "roles", "words"),
    [
        ({"q": "Hi", "t": "many"}, {"q": "input.content", "t": "usage.promptTokens"}, "t: 'many' is not valid"),
        ({"q": "Hi", "t": "-1"}, {"q": "input.content", "t": "usage.promptTokens"}, "t: -1 is not valid"),
        ({"q": "Hi", "when": "soon"}, {"q": "input.content", "when": "timestamp"}, "when: 'soon' is not valid"),
        ({"q": "Hi", "ms": "nan"}, {"q": "input.content", "ms": "milliseconds"}, "ms: nan is not valid"),
        ({"r": "[1]"}, {"r": "request"}, r"r: \[1\] is not valid; expected an object"),
        ({"q": "Hi", "f": "9"}, {"q": "input.content", "f": "feedback.rating"}, "f: 9 is not valid; expected a number"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_said_by_the_name_of_its_column(
    cells: dict[str, Any], roles: dict[str, str], words: str
) -> None:
    with pytest.raises(InvalidRecord, match=f"^{words}"):
        list(columns.reader(roles)(cells))


@pytest.mark.django_db
def test_a_file_of_a_table_is_stored_once_however_often_it_is_read(grant: Grant) -> None:
    data = b"question,answer\n" + b"".join(b"Question %d,Answer %d\n" % (n, n) for n in range(1_200))

    first, again = run(grant, data), run(grant, gzip.compress(data))

    assert (first.stored, first.unchanged, again.stored, again.unchanged) == (1_200, 0, 0, 1_200)
    assert Generation.objects.in_project(grant.project.pk).count() == 1_200


@pytest.mark.django_db
def test_columns_that_are_told_otherwise_afterwards_change_the_same_calls(grant: Grant) -> None:
    data = b"question,answer,who\nHi,Hello,ann\n"
    run(grant, data)

    read = columns.reader({"question": "input.content", "answer": "output.content", "who": "metadata.userId"})
    report = importing.run(grant, tables.rows(io.BytesIO(data), "csv"), read)

    assert (report.stored, report.merged) == (0, 1)
    assert Generation.objects.in_project(grant.project.pk).get().user_id == "ann"


@pytest.mark.django_db
def test_a_row_that_is_refused_is_counted_by_line_and_the_others_are_stored(grant: Grant) -> None:
    report = run(grant, b'question,answer,tokens\nOne,1,3\n"Two\nlines",2,many\nThree,3,4,5\nFour,4,\n')

    assert (report.rows, report.stored, report.refused) == (4, 2, 2)
    assert [(one.place, one.field) for one in report.refusals] == [(4, "tokens"), (5, "row")]


@pytest.mark.django_db
def test_what_is_exported_as_csv_is_imported_elsewhere_as_it_was(grant: Grant) -> None:
    run(grant, Path(__file__).with_name("data").joinpath("calls.jsonl").read_bytes(), "jsonl")
    other = access.of_system(access.create_project("Elsewhere"))

    report = run(other, content(export(grant, format="csv")))

    assert (report.stored, report.refused) == (15, 0)
    first, second = (
        {line["id"]: line for line in map(json.loads, content(export(each)).splitlines())} for each in (grant, other)
    )
    assert second == first


@pytest.mark.django_db
def test_calls_of_a_table_are_tied_to_the_versions_of_their_prompt(grant: Grant) -> None:
    prompt = prompts.get_or_create(grant, "greet")
    for template in ("Say hello to {{name}}.", "Greet {{name}} warmly."):
        prompts.add_version(
            grant, prompt, template_messages=[{"role": "user", "content": template, "uuid": "1"}], settings={}
        )
    grant.project.refresh_from_db()

    run(
        grant,
        b"prompt_name,prompt_version,prompt,answer\ngreet,0,Say hello to Ann.,Hello\ngreet,,Greet Bo warmly.,Yo\n",
    )

    rows = Generation.objects.in_project(grant.project.pk).order_by("prompt_version")
    assert [(row.prompt_name, row.prompt_version, row.output_preview) for row in rows] == [
        ("greet", 0, "Hello"),
        ("greet", 1, "Yo"),
    ]


# --------------------------------------------------------------------------------------------------------------- files
@pytest.mark.parametrize(
    ("name", "content", "format"),
    [
        ("x", b'{"a": 1}\n{"a": 2}\n', "jsonl"),
        ("x", b'{\n  "a": 1\n}', "json"),
        ("x.jsonl", b'[\n{"a": 1}]', "json"),
        ("x", b'\xef\xbb\xbf[{"a": 1}]', "json"),
        ("x", b"a;b\n1;2\n", "csv"),
        ("x.gz", gzip.compress(b"a\tb\n1\t2\n"), "csv"),
        ("x.TSV", b"a\n1\n", "csv"),
    ],
)
def test_a_file_is_told_by_its_name_and_its_beginning(name: str, content: bytes, format: str) -> None:
    assert tables.format_of(name, content) == format


@pytest.mark.parametrize(
    ("content", "values"),
    [
        (b'{"a": 1}\n{"a": 2}\n', [{"a": 1}, {"a": 2}]),
        (b'{"id": "1", "messages": [{"role": "user"}]}', [{"id": "1", "messages": [{"role": "user"}]}]),
        (b'{"rows": [{"a": 1}], "count": 1}', [{"a": 1}]),
    ],
)
def test_a_json_file_holds_lines_one_row_or_a_list_of_them(content: bytes, values: list[Any]) -> None:
    assert [row.value for row in tables.rows(io.BytesIO(content), "json")] == values


@pytest.mark.parametrize("content", [b"\x00,\x00", b"hello world", b"\x89PNG\r\n\x1a\n\x00,"])
def test_a_file_of_another_kind_is_refused(content: bytes) -> None:
    with pytest.raises(BadFile, match="cannot be told what this is"):
        tables.format_of("x", content)


def test_a_packed_file_within_a_packed_file_is_no_way_around_the_bounds() -> None:
    inner = gzip.compress(b'{"a": 1}\n' * 10)

    (row,) = tables.rows(io.BytesIO(gzip.compress(inner)), "jsonl")

    assert row.problem is not None


def test_names_of_columns_that_a_database_refuses_are_refused_before() -> None:
    for data, format in ((b'{"a\\u0000": 1}', "jsonl"), (b"%s,b\n1,2\n" % (b"x" * 30_000), "csv")):
        with pytest.raises(BadFile, match="names of columns"):
            list(tables.rows(io.BytesIO(data), format))


# --------------------------------------------------------------------------------------------------------- the command
@pytest.mark.django_db
def test_the_command_takes_a_table_and_is_told_its_columns(
    grant: Grant, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "log.csv"
    path.write_text("q,a,who,when\nHi,Hello,ann,2026-02-02T10:00:00Z\n")

    call_command(
        "import", str(path), "--map", "q=input", "--map", "a=output", "--map", "who=user", "--map", "when=time"
    )

    out = capsys.readouterr().out
    assert "column who: User" in out
    assert "        1 x row of a table" in out
    row = Generation.objects.in_project(grant.project.pk).get()
    assert (row.input_preview, row.output_preview, row.user_id) == ("Hi", "Hello", "ann")
    assert row.started_at == dt.datetime(2026, 2, 2, 10, tzinfo=dt.UTC)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("data", "arguments", "sentence"),
    [
        (b"q,a\n1,2\n", ["--map", "x=input"], "--map x=input: expected COLUMN=FIELD with one of the columns q, a"),
        (b"q,a\n1,2\n", ["--map", "q=imput.content"], "did you mean 'input.content'"),
        (b"q,model\n1,2\n", ["--map", "q=metadata"], "at least one column that is the input"),
        (b"gr\xf6\xdfe,a\n1,2\n", [], "not UTF-8"),
        (b"PK\x03\x04", [], "zip file"),
    ],
)
def test_the_command_says_what_is_wrong_with_a_table(
    grant: Grant, tmp_path: Path, data: bytes, arguments: list[str], sentence: str
) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(data)

    with pytest.raises(CommandError, match=sentence):
        call_command("import", str(path), *arguments)

    assert not Generation.objects.in_project(grant.project.pk).exists()
