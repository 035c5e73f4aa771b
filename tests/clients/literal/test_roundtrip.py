"""What the real client reads from the server, taken in by `manage.py import literal`, reads the same to it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.clients import environments
from tests.clients.literal import running
from tests.stack import Stack

NEW_PROJECT = """
from generations import access
project = access.create_project("{name}")
print(project.slug, access.create_key(access.of_system(project), name="round trip")[1])
"""

pytestmark = [pytest.mark.slow]


def new_project(stack: Stack, name: str) -> tuple[str, str]:
    """A project of its own: its slug, and a key of it."""
    slug, token = stack.manage("shell", "-v", "0", "-c", NEW_PROJECT.format(name=name)).strip().splitlines()[-1].split()
    return slug, token


def dump(stack: Stack, python: Path, key: str, file: Path) -> list[dict[str, Any]]:
    running.run(stack, [python, "roundtrip.py", "dump", file], LITERAL_API_KEY=key)
    # A signed address says when it was signed, which is later the second time.
    signed = re.compile(r'\?type=[^"]*X-Amz-Date=[^"]*')
    return [json.loads(signed.sub("", line)) for line in file.read_text().splitlines()]


def without_places(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without what has to differ: where a prompt's page is, and the ids of a dataset that is twice on one server."""
    shown = []
    for one in objects:
        kept = {name: value for name, value in one.items() if name not in ("url", "updatedAt")}
        if "items" in one:
            items = [
                {name: value for name, value in item.items() if name not in ("id", "datasetId")}
                for item in one["items"]
            ]
            kept = {name: value for name, value in kept.items() if name != "id"} | {"items": items}
        shown.append(kept)
    return shown


def test_what_the_client_reads_and_is_imported_elsewhere_reads_equal(live_stack: Stack, tmp_path: Path) -> None:
    python = environments.python("literalai-0.1.300")
    (_, first), (slug, second) = new_project(live_stack, "Round trip"), new_project(live_stack, "Round trip, back")
    running.run(live_stack, [python, "roundtrip.py", "fill"], LITERAL_API_KEY=first)
    there = dump(live_stack, python, first, tmp_path / "first.jsonl")

    report = live_stack.manage("import", "literal", str(tmp_path / "first.jsonl"), "--project", slug)
    back = dump(live_stack, python, second, tmp_path / "second.jsonl")

    assert " 0 refused" in report
    assert len(there) == 11
    running.compare(
        {str(n): one for n, one in enumerate(without_places(back))},
        {str(n): one for n, one in enumerate(without_places(there))},
    )
