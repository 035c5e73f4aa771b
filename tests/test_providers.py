"""Providers of a project: their keys are encrypted, told to nobody, and changed by admins alone."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import override_settings

from generations import access, providers
from generations.access import Grant, NotAllowed, Scope
from generations.models import AuditEntry, ProviderCredential
from generations.records import InvalidRecord

pytestmark = pytest.mark.django_db


@pytest.fixture
def grant() -> Grant:
    return access.of_system(access.create_project("Providers"))


def test_a_key_is_encrypted_and_comes_back_only_to_who_calls(grant: Grant) -> None:
    row = providers.save(grant, kind="openai", name="main", secret=" sk-secret ")

    assert b"sk-secret" not in bytes(ProviderCredential.objects.get(pk=row.pk).secret)
    (one,) = providers.opened(grant)
    assert (one.name, one.kind, one.endpoint, one.key) == ("main", "openai", "https://api.openai.com/v1", "sk-secret")
    assert "sk-secret" not in str(AuditEntry.objects.filter(project=grant.project).values_list("detail", flat=True))
    assert "secret" in providers.every(grant)[0].get_deferred_fields()


def test_saving_again_without_a_key_keeps_the_one_there_is(grant: Grant) -> None:
    first = providers.save(grant, kind="vllm", name="own", secret="k", endpoint="http://vllm.internal:8000/v1/")
    second = providers.save(grant, kind="vllm", name="own", secret=None, endpoint="http://vllm.internal:8000/v2")

    assert first.pk == second.pk
    (one,) = providers.opened(grant)
    assert (one.endpoint, one.key) == ("http://vllm.internal:8000/v2", "k")


def test_a_provider_without_a_key_may_move(grant: Grant) -> None:
    providers.save(grant, kind="ollama", name="own", secret=None)
    providers.save(grant, kind="ollama", name="own", secret=None, endpoint="http://other:11434/v1")

    (one,) = providers.opened(grant)
    assert (one.endpoint, one.key) == ("http://other:11434/v1", "")


@pytest.mark.parametrize(
    "there",
    [
        {"kind": "openai", "endpoint": "https://thief.example.com/v1"},
        {"kind": "openai", "endpoint": "http://api.openai.com/v1"},
        {"kind": "mistral"},
    ],
)
def test_a_key_that_is_kept_goes_to_no_other_host(grant: Grant, there: dict[str, Any]) -> None:
    providers.save(grant, kind="openai", name="main", secret="sk-secret")

    with pytest.raises(InvalidRecord, match="another host"):
        providers.save(grant, name="main", secret=None, **there)

    (one,) = providers.opened(grant)
    assert (one.endpoint, one.key) == ("https://api.openai.com/v1", "sk-secret")
    providers.save(grant, name="main", secret="theirs", **there)
    assert providers.opened(grant)[0].key == "theirs"


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "a/b"}, "name"),
        ({"kind": "closedai"}, "provider"),
        ({"kind": "vllm"}, "endpoint"),
        ({"endpoint": "ftp://x"}, "endpoint"),
        ({"endpoint": "https://user:pw@x/v1"}, "endpoint"),
        ({"endpoint": "https://:pw@x/v1"}, "endpoint"),
        ({"endpoint": "x"}, "endpoint"),
        ({"endpoint": "http://[::1/v1"}, "endpoint"),
        ({"endpoint": "http://x:99999/v1"}, "endpoint"),
        ({"endpoint": "http://x/\0"}, "endpoint"),
        ({"endpoint": "http://y/" + "y" * 2_000}, "endpoint"),
        ({"secret": "x" * 4_001}, "secret"),
    ],
)
def test_what_is_wrong_is_named_and_never_the_key(grant: Grant, said: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRecord) as refused:
        providers.save(grant, **{"kind": "openai", "name": "main", "secret": "sk-secret", **said})

    assert refused.value.field == field
    assert "sk-secret" not in str(refused.value)
    assert "xxx" not in str(refused.value)


def test_only_admins_keep_and_forget_and_nobody_reaches_another_projects(grant: Grant) -> None:
    row = providers.save(grant, kind="openai", name="main", secret="k")
    member = Grant(grant.project, frozenset({Scope.READ, Scope.WRITE, Scope.INGEST}))
    stranger = access.of_system(access.create_project("Another"))

    with pytest.raises(NotAllowed):
        providers.save(member, kind="openai", name="main", secret="mine")
    with pytest.raises(NotAllowed):
        providers.forget(member, str(row.pk))
    assert providers.forget(stranger, str(row.pk)) is False
    assert providers.forget(grant, "no id") is False
    assert providers.opened(stranger) == []
    assert providers.every(stranger) == []
    assert providers.forget(grant, str(row.pk)) is True
    assert providers.opened(grant) == []


def test_a_key_of_another_secret_key_is_left_out_and_said_to_be_unreadable(grant: Grant) -> None:
    row = providers.save(grant, kind="openai", name="main", secret="k")

    with override_settings(SECRET_KEY="another"):
        for read in (lambda: providers.open_one(row), lambda: providers.opened(grant)):
            with pytest.raises(providers.Unreadable, match="'main' was kept under another secret key"):
                read()
        providers.save(grant, kind="openai", name="other", secret="k")
        assert [one.name for one in providers.opened(grant)] == ["other"]
        assert providers.unreadable() == 1
    assert [one.name for one in providers.opened(grant)] == ["main"]
