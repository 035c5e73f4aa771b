"""The playground and the providers' page: opened, changed, run, compared, scored, kept; by whom, in which project."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from generations import access, bundles, datasets, prompts, providers, recording
from generations.models import DatasetItem, Generation, Project, PromptVersion, ProviderCredential
from generations.models.accounts import Role
from generations.records import GenerationRecord
from tests.completing import endpoint
from tests.scripted import Scripted
from tests.web import links, project, recorded, signed_in, tags, text

__all__ = ["endpoint"]
pytestmark = pytest.mark.django_db

TEMPLATE = "The {{what}} is"


def there(of: Project, path: str = "") -> str:
    return f"/projects/{of.slug}/playground/{path}"


def form(**changes: Any) -> dict[str, Any]:
    """What the browser posts of a text with one variable and one model."""
    fields: dict[str, Any] = {
        "action": "run", "origin": "", "prompt_version": "",
        "role": ["prompt"], "place": [""], "kept": [""], "content": [TEMPLATE],
        "var": ["what"], "value": ["shop"], "tools": "", "values": "",
        "model": ["ngram:"], "temperature": ["0"], "max_tokens": ["3"], "decoder": [""], "more": [""],
    }  # fmt: skip
    return fields | changes


@pytest.fixture
def shop() -> Project:
    return project()


@pytest.fixture
def client(shop: Project) -> Client:
    return signed_in(shop)


def failed_call(shop: Project) -> None:
    recorded(
        shop, id="bad", model_id="gpt-4o", provider="openai", prompt="The shpo is", error="Rate limit",
        variables={"what": "shpo"}, attributes={"llm.prompt_template.template": TEMPLATE},
        parameters={"temperature": 0.5, "maxTokens": 9, "seed": 1},
    )  # fmt: skip


def sent(shop: Project) -> str | None:
    """What the latest call was asked."""
    bundle = bundles.generation(shop, latest(shop).public_id)
    assert bundle is not None
    return bundle.record.prompt


def latest(shop: Project) -> Generation:
    row = Generation.objects.in_project(shop.pk).order_by("-started_at").first()
    assert isinstance(row, Generation)
    return row


def test_a_stored_generation_opens_with_template_variables_and_settings(shop: Project, client: Client) -> None:
    failed_call(shop)

    page = client.get(there(shop), {"generation": "bad"})

    html = page.content.decode()
    assert "The {{what}} is</textarea>" in html
    values = {(tag.get("name"), tag.get("value")) for tag in tags(page, "input")}
    assert {("var", "what"), ("value", "shpo"), ("temperature", "0.5"), ("max_tokens", "9")} <= values
    assert ("model", "ngram:") in values
    assert "gpt-4o has no provider in this project" in text(page)
    assert '"seed": 1' in html.replace("&quot;", '"')
    head = client.get(f"/projects/{shop.slug}/generations/bad/")
    assert f"/projects/{shop.slug}/playground/?generation=bad" in links(head)


def test_the_way_back_leads_to_the_list_that_the_call_was_opened_from(shop: Project, client: Client) -> None:
    failed_call(shop)
    carried = "?list=hasError%3Dtrue"
    [link] = [
        link
        for link in links(client.get(f"/projects/{shop.slug}/generations/bad/{carried}"))
        if "/playground/?" in link
    ]

    opened = client.get(link)
    changed = client.post(there(shop), form(origin="bad", list="hasError=true", action="row"))

    for page in (opened, changed):
        assert f"/projects/{shop.slug}/generations/bad/{carried}" in links(page)


def test_a_conversation_opens_message_by_message_and_what_is_no_text_is_sent_as_it_was(
    shop: Project, client: Client
) -> None:
    calls = [{"id": "c", "type": "function", "function": {"name": "find", "arguments": "{}"}}]
    said = [
        {"role": "system", "content": "Be brief."},
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "c", "content": "42"},
        {"role": "user", "content": "Can I pay by cash?"},
    ]
    recorded(
        shop, id="chat", model_id="ngram:", messages=said, tools=[{"type": "function", "function": {"name": "find"}}]
    )
    page = client.get(there(shop), {"generation": "chat"})
    assert "Sent as it was recorded" in text(page)

    changed = form(
        origin="chat", var=[], value=[], role=["system", "assistant", "tool", "user"], place=["0", "1", "2", "3"],
        kept=["", "1", "", ""], content=["Be brief.", "", "42", "Can I pay by card?"], max_tokens=["20"],
    )  # fmt: skip
    answer = client.post(there(shop), changed)

    assert "Yes, you can pay by card" in text(answer)
    row = latest(shop)
    assert row.metadata["playgroundOf"] == "chat"
    stored = bundles.generation(shop, row.public_id)
    assert stored is not None
    assert stored.record.messages == [*said[:3], {"role": "user", "content": "Can I pay by card?"}]


def test_a_run_is_recorded_and_names_what_it_was_made_from(shop: Project, client: Client) -> None:
    failed_call(shop)

    page = client.post(there(shop), form(origin="bad"))

    assert " open from nine" in page.content.decode()
    row = latest(shop)
    assert (row.metadata["playgroundOf"], row.tags, row.model_id) == ("bad", ["playground"], "ngram:")
    assert row.parameters == {"temperature": 0.0, "maxTokens": 3, "decoder": "argmax"}
    assert f"/projects/{shop.slug}/generations/{row.public_id}/" in links(page)
    assert '<a class="var v0" href="#variable-0" title="what">shop</a>' in page.content.decode()


def test_up_to_four_models_are_compared_side_by_side(shop: Project, client: Client) -> None:
    three = {
        name: values * 3
        for name, values in form().items()
        if name in ("model", "temperature", "max_tokens", "decoder", "more")
    }

    more = client.post(there(shop), form(**three, action="column"))
    page = client.post(
        there(shop), form(**three | {"temperature": ["0", "1", "2"], "model": ["ngram:", "random", "gpt-9"]})
    )

    assert len([tag for tag in tags(more, "input") if tag.get("name") == "model"]) == 4
    assert "Compare with another" not in text(more)
    assert Generation.objects.in_project(shop.pk).count() == 2
    assert "There is no model 'gpt-9' in this project" in text(page)


def test_values_are_scored_as_heat_lines_the_likeliest_first(shop: Project, client: Client) -> None:
    page = client.post(there(shop), form(action="score", values=" zebra\r\n open from nine\r\n"))

    html = page.content.decode()
    assert html.index('<b class="truncate"> open from nine</b>') < html.index('<b class="truncate"> zebra</b>')
    classes = [tag.get("class") or "" for tag in tags(page, "span")]
    assert "h0 h-value" in classes
    assert "h9 h-value" in classes
    assert latest(shop).type == "scoring"


def test_a_result_is_kept_as_a_prompt_version_with_its_template(shop: Project, client: Client) -> None:
    client.post(there(shop), form())
    id = latest(shop).public_id

    kept = client.post(there(shop, "keep/"), {"generation": id, "what": "prompt", "prompt": "hours"}, follow=True)

    assert "It is version 0 of hours." in text(kept)
    row = PromptVersion.objects.in_project(shop.pk).get()
    assert (row.template, row.inputs, row.input_defaults) == (TEMPLATE, ["what"], {"what": "shop"})
    assert row.model_id == "ngram:"
    opened = client.get(there(shop), {"version": row.public_id})
    assert "The {{what}} is</textarea>" in opened.content.decode()


def test_a_result_is_kept_as_the_expected_output_of_an_item(shop: Project, client: Client) -> None:
    set_ = datasets.create(access.of_system(shop), name="Set")
    client.post(there(shop), form())
    id = latest(shop).public_id

    client.post(there(shop, "keep/"), {"generation": id, "what": "dataset", "dataset": str(set_.pk)})

    item = DatasetItem.objects.get(dataset=set_)
    assert item.generation_id == id
    assert " open from nine" in json.dumps(item.expected_output)
    assert "The shop is" in json.dumps(item.input)


def test_a_stream_brings_pieces_and_then_the_result_as_html(shop: Project, client: Client) -> None:
    answer: Any = client.post(there(shop, "stream/?column=0"), form())

    begun, *events = b"".join(answer.streaming_content).decode().strip().split("\n\n")
    made = Generation.objects.in_project(shop.pk).get(name="playground")
    address = f"/projects/{shop.slug}/generations/{made.public_id}/"
    assert begun == f'event: begun\ndata: {{"address":"{address}"}}'
    assert [json.loads(e.removeprefix("data: "))["text"] for e in events[:-1]] == [" open", " from", " nine"]
    assert events[-1].startswith("event: done\n")
    html = json.loads(events[-1].split("data: ", 1)[1])["html"]
    assert latest(shop).public_id in html
    assert "csrfmiddlewaretoken" in html


@pytest.mark.django_db(transaction=True)
def test_a_call_that_is_stopped_is_recorded_where_its_stream_said_at_first(shop: Project, client: Client) -> None:
    answer: Any = client.post(there(shop, "stream/?column=0"), form())
    events = iter(answer.streaming_content)
    begun, _ = next(events), next(events)
    answer.close()

    page = client.get(json.loads(begun.decode().split("data: ", 1)[1])["address"])

    assert page.status_code == 200
    assert "ngram:" in text(page)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tools": "{"}, "tools: '{' is not valid; expected JSON"),
        ({"tools": "{}"}, "a JSON list"),
        ({"more": ["[]"]}, "a JSON object"),
        ({"temperature": ["warm"]}, "temperature: 'warm' is not valid; expected a number"),
        ({"model": [""]}, "the name of a model"),
        ({"action": "score", "role": ["user"]}, "to score what follows it"),
    ],
)
def test_what_makes_no_sense_is_told_and_stays_in_the_form(
    shop: Project, client: Client, changes: dict[str, Any], words: str
) -> None:
    page = client.post(there(shop), form(**changes))

    assert page.status_code == 400
    assert words in text(page)
    assert "The {{what}} is</textarea>" in page.content.decode()
    assert not Generation.objects.in_project(shop.pk).exists()


def test_a_call_that_fails_is_shown_with_its_error(shop: Project, client: Client) -> None:
    page = client.post(there(shop), form(max_tokens=["0"], value=["x"]))

    assert page.status_code == 200
    assert "max_tokens: 0 is not valid" in text(page)


@pytest.mark.parametrize(
    ("status", "kind", "advice"),
    [(401, "Incorrect API key", "under Settings, Providers"), (500, "It broke", "run it again in a moment")],
)
def test_what_a_provider_refuses_is_told_with_what_to_do(
    shop: Project, client: Client, endpoint: Scripted, settings: Any, status: int, kind: str, advice: str
) -> None:
    settings.EGRESS_PRIVATE = ["127.0.0.1"]
    providers.save(access.of_system(shop), kind="vllm", name="mine", secret="k", endpoint=f"{endpoint.url}/v1")
    endpoint.script.extend([(status, {}, b'{"error": {"message": "%s"}}' % kind.encode())] * 9)

    page = client.post(there(shop), form(model=["mine/m1"]))

    assert page.status_code == 200
    assert kind in text(page)
    assert advice in text(page)
    assert latest(shop).error == kind


def test_nobody_gets_into_another_project_and_a_viewer_runs_nothing(shop: Project) -> None:
    failed_call(shop)
    viewer = signed_in(shop, Role.VIEWER, "vera")
    other = project("Other")
    stranger = signed_in(other, Role.OWNER, "otto")
    posts = (there(shop), there(shop, "stream/"), there(shop, "keep/"))

    assert viewer.get(there(shop), {"generation": "bad"}).status_code == 200
    assert [viewer.post(address, form()).status_code for address in posts] == [403] * 3
    assert stranger.get(there(shop)).status_code == 404
    assert [stranger.post(address, form()).status_code for address in posts] == [404] * 3
    assert stranger.get(there(other), {"generation": "bad"}).status_code == 404
    assert (
        stranger.post(there(other, "keep/"), {"generation": "bad", "what": "prompt", "prompt": "p"}).status_code == 404
    )
    assert Client().get(there(shop)).status_code == 302
    assert Generation.objects.in_project(shop.pk).count() == 1


def test_a_long_conversation_stays_within_bounds(shop: Project, client: Client) -> None:
    said = [{"role": "user", "content": f"{n} {'<' * 2000}"} for n in range(500)]
    recording.record(shop, [GenerationRecord(id="long", model_id="ngram:", messages=said)])

    page = client.get(there(shop), {"generation": "long"})

    assert page.status_code == 200
    assert len(page.content) < 150_000


# --------------------------------------------------------------------------------------------------------- providers
def test_an_administrator_keeps_tries_and_forgets_a_provider_whose_key_is_never_shown(
    shop: Project, endpoint: Scripted, settings: Any
) -> None:
    settings.EGRESS_PRIVATE = ["127.0.0.1"]
    admin = signed_in(shop, Role.ADMIN, "ada")
    address = f"/projects/{shop.slug}/settings/providers/"
    said = {"kind": "vllm", "name": "mine", "endpoint": f"{endpoint.url}/v1", "key": "sk-very-secret"}

    kept = admin.post(address, said, follow=True)
    row = ProviderCredential.objects.get()
    endpoint.script.append((200, {}, b'{"data": [{"id": "m1"}]}'))
    fine = admin.post(f"{address}{row.pk}/try/", follow=True)
    endpoint.script.append((401, {}, b'{"error": {"message": "Incorrect API key"}}'))
    wrong = admin.post(f"{address}{row.pk}/try/", follow=True)

    assert "Its models are called mine/MODEL" in text(kept)
    assert "mine answers, and lists 1 model." in text(fine)
    assert "mine: Incorrect API key" in text(wrong)
    assert "sk-very-secret" not in "".join(p.content.decode() for p in (kept, fine, wrong, admin.get(address)))
    assert [headers["Authorization"] for _, _, headers, _ in endpoint.requests] == ["Bearer sk-very-secret"] * 2
    assert "mine/m1" in admin.get(there(shop)).content.decode()
    admin.post(f"{address}{row.pk}/forget/")
    assert not ProviderCredential.objects.exists()


def test_only_administrators_of_the_project_change_its_providers(shop: Project, client: Client) -> None:
    row = providers.save(access.of_system(shop), kind="openai", name="main", secret="k")
    address = f"/projects/{shop.slug}/settings/providers/"
    stranger = signed_in(project("Other"), Role.OWNER, "otto")

    assert client.get(address).status_code == 200
    for who, status in ((client, 403), (stranger, 404)):
        for path in ("", f"{row.pk}/try/", f"{row.pk}/forget/"):
            assert who.post(f"{address}{path}", {"kind": "openai", "key": "x"}).status_code == status
    assert ProviderCredential.objects.count() == 1


def test_a_provider_that_cannot_be_used_is_not_kept(shop: Project) -> None:
    admin = signed_in(shop, Role.ADMIN, "ada")

    page = admin.post(f"/projects/{shop.slug}/settings/providers/", {"kind": "vllm", "name": "x", "key": "sk-1"})

    assert page.status_code == 400
    assert "endpoint" in text(page)
    assert "sk-1" not in page.content.decode()


def test_a_variable_without_a_value_is_told_before_anything_is_sent_and_gets_a_field(
    shop: Project, client: Client
) -> None:
    said = form(content=["{{greeting}}, {{what}} {{who.name}}"], var=[], value=[])

    page = client.post(there(shop), said)
    streamed = client.post(there(shop, "stream/"), said)
    asked = client.post(there(shop), said | {"action": "variable"})
    scored = client.post(there(shop), said | {"action": "score", "values": "a"})

    for answer in (page, streamed, scored):
        assert answer.status_code == 400
        assert "a value for greeting, what, who.name, too" in answer.content.decode()
    assert "makes a field for each" in streamed.content.decode()
    for shown in (page, asked):
        names = [tag.get("value") for tag in tags(shown, "input") if tag.get("name") == "var"]
        assert names == ["greeting", "what", "who.name"]
    assert not Generation.objects.exists()


def test_what_is_to_stay_in_braces_is_the_value_of_itself(shop: Project, client: Client) -> None:
    page = client.post(there(shop), form(var=["what"], value=["{{what}}"]))

    assert page.status_code == 200
    assert sent(shop) == "The {{what}} is"


def test_braces_that_were_recorded_without_variables_are_sent_again_as_they_stand(
    shop: Project, client: Client
) -> None:
    recorded(shop, id="jinja", model_id="ngram:", prompt="In Jinja {{ name }} is", completion="a variable")
    said = {"origin": "jinja", "place": ["0"], "var": [], "value": []}

    page = client.post(there(shop), form(content=["In Jinja {{ name }} is"], **said))
    changed = client.post(there(shop), form(content=["In Jinja {{ name }} and {{more}} is"], **said))

    assert page.status_code == 200
    assert sent(shop) == "In Jinja {{ name }} is"
    assert changed.status_code == 400
    assert "a value for name, more, too" in changed.content.decode()


def test_a_prompt_version_is_a_template_also_without_variables(shop: Project, client: Client) -> None:
    version, _ = prompts.publish(access.of_system(shop), "greet", template="Hello {{name}}", model_id="ngram:")
    said = form(content=["Hello {{name}}"], prompt_version=version.public_id, place=["0"], var=[], value=[])

    page = client.post(there(shop), said)

    assert page.status_code == 400
    assert "a value for name, too" in page.content.decode()
