"""What docs/files.md says of files of calls: its files read, its commands typed, its table of columns true."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from django.core.management import call_command

from generations import prompts
from generations.access import Grant
from generations.importing import columns
from generations.models import Generation
from tests.exports import folder, grant
from tests.stack import ROOT

__all__ = ["folder", "grant"]
PAGE = (ROOT / "docs" / "files.md").read_text()
pytestmark = pytest.mark.django_db


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S)


def typed(command: str) -> None:
    python, program, *arguments = shlex.split(command)
    assert (python, program) == (".venv/bin/python", "manage.py")
    call_command(*arguments)


def test_the_files_of_the_page_come_in_by_its_commands(
    grant: Grant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("calls.jsonl").write_text(blocks("json")[0])
    Path("log.csv").write_text(blocks("csv")[0])
    prompts.get_or_create(grant, "sums")

    for preview, stored in (block.splitlines() for block in blocks("sh")):
        typed(preview)
        assert "Nothing was stored." in capsys.readouterr().out
        typed(stored)
        assert "2 stored, 0 merged, 0 unchanged, 0 refused" in capsys.readouterr().out
        typed(stored)
        assert "0 stored, 0 merged, 2 unchanged, 0 refused" in capsys.readouterr().out

    stored_rows = Generation.objects.in_project(grant.project.pk)
    said = stored_rows.values_list(
        "input_preview", "output_preview", "model_id", "user_id", "prompt_tokens", "prompt_name"
    )
    assert sorted(row.latency or 0 for row in stored_rows) == pytest.approx([0, 0.377, 0.412, 0.412])
    assert sorted(said, key=str) == [
        ("And three?", "Nine.", "claude-sonnet-4-5", None, None, "sums"),
        ("And three?", "Nine.", None, "bo", 8, None),
        ("Two and two?", "Four.", "gpt-4o", "ann", 9, None),
        ("Two and two?", "Four.", None, "ann", 9, None),
    ]


def test_the_columns_of_the_page_are_guessed_as_it_says() -> None:
    names = [name for row in re.findall(r"^\| ([a-z_, ]+) \| ", PAGE, re.M) for name in row.split(", ")]

    known = [name for name in names if name not in ("column", "an empty cell")]

    assert len(known) == 12
    for name in known:
        assert columns.named(name) in columns.OFFERED
    assert [columns.named(name) for name in ("question", "messages", "prompt_version", "variables")] == [
        "input.content",
        "messages",
        "promptVersion.version",
        "variables",
    ]
