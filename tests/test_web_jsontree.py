"""All that was said as JSON: a tree of rows in which every part has an address, whatever its size and depth."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from generations import recording
from generations.models import Project
from generations.records import StepRecord
from generations.web import jsontree, markup
from generations.web.jsontree import Rest, Row
from tests import web
from tests.web import NOON, page, recorded, shop_client, shop_project  # noqa: F401  the fixtures `client` and `project`

BOUND = 150_000


JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=4), inner, max_size=6),
    max_leaves=40,
)


def every(value: Any, place: str) -> list[str]:
    """The place of every part, in reading order."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = []
    for key, inner in parts:
        found += [place + markup.pointer(key), *every(inner, place + markup.pointer(key))]
    return found


@given(JSON, st.integers(600, 20_000))
def test_every_part_is_shown_or_asked_for_in_its_order(value: Any, room: int) -> None:
    found: list[str] = []

    def read(rows: list[Row | Rest]) -> None:
        for row in rows:
            if isinstance(row, Rest):
                assert row.count > 0
                read(jsontree.rows(markup.at(value, row.place), row.place, room=room, first=row.first))
                continue
            found.append(row.place)
            if row.count and not row.is_open:
                read(jsontree.rows(markup.at(value, row.place), row.place, room=room))

    read(jsontree.rows(value, "", room=room))

    assert found == every(value, "")


@pytest.mark.django_db
def test_each_key_leads_to_its_own_address_and_that_to_its_parts(client: Client, project: Project) -> None:
    recorded(
        project, messages=[{"role": "user", "content": [{"type": "text", "text": "Hi / there~"}]}], completion="Yo"
    )

    whole = page(client, project, query="?view=json")
    part = page(client, project, query="?view=json&at=%2Fmessages%2F0%2Fcontent")
    text = page(client, project, query="?view=json&at=%2Fcompletion")

    assert {f"?view=json&at=%2Fmessages%2F0%2F{key}" for key in ("role", "content", "content%2F0%2Ftext")} <= set(
        web.links(whole)
    )
    assert "text Hi / there~" in web.text(part)
    assert "role" not in web.text(part).partition("As text")[2].partition("Scores")[0]
    assert {"?view=json&at=%2Fmessages", "?view=json&at=%2Fmessages%2F0"} <= set(web.links(part))
    assert "Yo" in web.text(text)
    assert page(client, project, query="?view=json&at=%2Fnothing").status_code == 404


@pytest.mark.django_db
def test_what_is_folded_is_fetched_by_itself(client: Client, project: Project) -> None:
    recorded(project, metadata={"rows": [{"n": n, "deep": {"x": [1, 2]}} for n in range(1000)], "text": "long " * 99})
    address = f"/projects/{project.slug}/generations/one/json/"

    first = client.get(address, {"at": "/metadata/rows"}, headers={"HX-Request": "true"})
    more = client.get(address, {"at": "/metadata/rows", "from": "995"}, headers={"HX-Request": "true"})
    text = client.get(address, {"at": "/metadata/text"}, headers={"HX-Request": "true"})
    plain = client.get(address, {"at": "/metadata/rows", "from": "995"})

    assert len(first.content) < BOUND
    assert any("at=%2Fmetadata%2Frows&from=" in link for link in web.links(first))
    assert [row["data-level"] for row in web.tags(more, "li")][:3] == ["2", "2", "2"] or "995" in web.text(more)
    assert "long long" in web.text(text)
    assert plain["Location"].endswith("/generations/one/?view=json&at=%2Fmetadata%2Frows&from=995")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "value",
    [
        {"k" * 100_000: "x"},
        {f"{'東' * 900}{n}": {"a": 1} for n in range(300)},
        [["x" * 5000] * 50] * 50,
        {str(n): "<" * 5000 for n in range(5000)},
    ],
    ids=["long key", "long keys", "lists", "wide"],
)
def test_the_json_of_a_page_is_bounded_whatever_its_keys(client: Client, project: Project, value: Any) -> None:
    recorded(project, output=value)

    for query in ("?view=json", "?view=json&at=%2Foutput"):
        response = page(client, project, query=query)
        assert response.status_code == 200
        assert len(response.content) < BOUND


@pytest.mark.django_db
def test_json_that_is_nested_two_hundred_times_opens_level_by_level(client: Client, project: Project) -> None:
    value: Any = "the core"
    for _ in range(200):
        value = {"in": value}
    recorded(project, output=value)
    deep = "/output" + "/in" * 199

    response = page(client, project, query="?view=json")
    core = page(client, project, query=f"?view=json&at={deep.replace('/', '%2F')}")

    assert len(response.content) < BOUND
    assert "the core" in web.text(core)


@pytest.mark.django_db
def test_a_step_has_its_json_too_and_its_long_texts_in_pieces(client: Client, project: Project) -> None:
    long = "".join(f"line {n:06}\n" for n in range(20_000))
    recording.record(project, [StepRecord(id="s", started_at=NOON, input={"rows": [1, 2]}, output=long)])
    address = f"/projects/{project.slug}/steps/s/"

    formatted, whole = client.get(address), client.get(f"{address}?view=json")

    assert len(formatted.content) < BOUND
    assert {"?view=json&at=%2Finput%2Frows", "?view=json&at=%2Foutput"} <= set(web.links(whole))
    (more,) = [link for link in web.links(formatted) if "/block/?at=%2Foutput&from=" in link]
    piece = client.get(more, headers={"HX-Request": "true"})
    assert piece.content.decode().startswith('<pre class="text" dir="auto">')
    assert client.get(f"{address}block/?at=/output&as=text").content == long.encode()
    assert client.get(f"{address}json/?at=/input/rows", headers={"HX-Request": "true"}).status_code == 200
    assert client.get(f"{address}json/?at=/none").status_code == 404


@pytest.mark.django_db
def test_a_language_that_a_step_names_colours_its_output(client: Client, project: Project) -> None:
    said = {"showInput": "json", "language": "python"}
    recording.record(
        project,
        [
            StepRecord(id="s", started_at=NOON, input={"a": 1}, output="import os", metadata=said, error="It broke"),
            StepRecord(id="t", started_at=NOON, metadata={"showInput": False, "language": ["x"]}),
        ],
    )

    shown = client.get(f"/projects/{project.slug}/steps/s/")
    other = client.get(f"/projects/{project.slug}/steps/t/")

    assert '<span class="kn">import</span>' in shown.content.decode()
    assert "Shows its input json Language python" in web.text(shown)
    assert "It broke" in web.text(shown)
    assert "Error" in web.text(shown).partition("Shows its input")[0]
    assert "Shows its input no" in web.text(other)
