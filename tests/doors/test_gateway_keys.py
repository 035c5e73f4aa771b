"""Keys at the gateway: ours never goes on, and each provider is told its own in the header that it knows."""

from __future__ import annotations

import json

import pytest
from django.test import Client

from generations import access, providers
from tests.doors.gateway import CHAT, api, call, completion, content, provider, recorded
from tests.doors.rest import caller
from tests.scripted import Scripted

__all__ = ["api", "provider"]

pytestmark = pytest.mark.django_db


def test_our_key_in_the_address_leaves_the_providers_own_where_it_was(provider: Scripted) -> None:
    api = caller("ingest")
    client = Client(headers={"authorization": "Bearer sk-their-own"})

    response = client.post(f"/gateway/{api.token}/v1/chat/completions", CHAT, content_type="application/json")

    assert content(response) == completion()
    ((_, path, headers, _),) = provider.requests
    assert (path, headers["authorization"]) == ("/v1/chat/completions", "Bearer sk-their-own")
    assert recorded(api).record.message_completion == {"role": "assistant", "content": "Hello"}


def test_no_key_a_wrong_one_and_one_that_may_only_read_are_refused(provider: Scripted) -> None:
    reader = caller("read")
    for client, status in (
        (Client(), 401),
        (Client(headers={"authorization": "Bearer gen_wrong"}), 401),
        (reader.client, 403),
    ):
        response = client.post("/v1/chat/completions", CHAT, content_type="application/json")
        assert (response.status_code, set(response.json()["error"])) == (status, {"message", "type", "param", "code"})
    assert provider.requests == []


def test_a_project_without_a_provider_is_told_what_to_do(provider: Scripted) -> None:
    response = call(caller("ingest"))

    assert response.status_code == 400
    assert "/gateway/KEY/v1" in response.json()["error"]["message"]


@pytest.mark.parametrize("header", ["authorization", "x-api-key", "api-key"])
@pytest.mark.parametrize(
    ("kind", "told"), [("vllm", "authorization"), ("anthropic", "x-api-key"), ("azure", "api-key")]
)
def test_our_key_is_replaced_by_the_providers(provider: Scripted, header: str, kind: str, told: str) -> None:
    api = caller("ingest")
    grant = access.of_system(api.project)
    providers.save(grant, kind=kind, name="one", secret="sk-theirs", endpoint=f"{provider.url}/v1")
    ours = f"Bearer {api.token}" if header == "authorization" else api.token

    response = Client(headers={header: ours}).post("/v1/chat/completions", CHAT, content_type="application/json")

    assert content(response) == completion()
    ((_, _, headers, _),) = provider.requests
    sent = {name.lower(): value for name, value in headers.items()}
    assert str(api.token) not in str(sent)
    keys = {name: sent[name] for name in ("authorization", "x-api-key", "api-key") if name in sent}
    assert keys == {told: "Bearer sk-theirs" if told == "authorization" else "sk-theirs"}


def test_a_call_as_to_azure_goes_on_as_to_openai(provider: Scripted) -> None:
    api = caller("ingest")
    document = {name: value for name, value in CHAT.items() if name != "model"}
    address = f"/gateway/{api.token}/openai/deployments/gpt-4o-mini/chat/completions?api-version=2023-05-15"

    response = Client(headers={"api-key": "sk-own"}).post(address, document, content_type="application/json")

    assert content(response) == completion()
    ((_, path, headers, body),) = provider.requests
    sent = {name.lower(): value for name, value in headers.items()}
    assert (path, sent["authorization"], "api-key" in sent) == ("/v1/chat/completions", "Bearer sk-own", False)
    assert json.loads(body) == CHAT
