"""Pages of other origins send spans where the operator lets them, and are told nothing where not."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from generations.models import Step
from observability import environment
from tests.doors.rest import Answer, Caller, caller
from tests.doors.test_otlp import request, span

pytestmark = pytest.mark.django_db

PAGE = "https://app.example.com"
ASKED = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}


@pytest.fixture
def api(settings: Any) -> Caller:
    settings.OTLP_ORIGINS = frozenset({PAGE})
    return caller("ingest")


def asked_first(api: Caller, origin: str, path: str = "/v1/traces") -> Answer:
    """What a browser asks before it sends; it brings no key."""
    stranger = Caller(api.project, None)
    return stranger.send("OPTIONS", path, raw=b"", headers={"Origin": origin, **ASKED})


def allowed(answer: Answer) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.startswith("Access-Control-")}


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/logs", "/v1/metrics", "/otlp/v1/traces"])
def test_a_browser_is_told_that_a_page_of_a_named_origin_may_send(api: Caller, path: str) -> None:
    answer = asked_first(api, PAGE, path)

    assert (answer.status, answer.content, answer.headers["Vary"]) == (204, b"", "Origin")
    assert allowed(answer) == {
        "Access-Control-Allow-Origin": PAGE,
        "Access-Control-Allow-Methods": "POST",
        "Access-Control-Allow-Headers": "authorization,content-type",
        "Access-Control-Max-Age": "7200",
        "Access-Control-Expose-Headers": "Retry-After",
    }


def test_what_such_a_page_sends_is_stored_and_it_may_read_the_answer_and_the_refusal(api: Caller) -> None:
    taken = api.send("POST", "/v1/traces", request(span()), headers={"Origin": PAGE})
    refused = Caller(api.project, "wrong").send("POST", "/v1/traces", request(span()), headers={"Origin": PAGE})

    assert (taken.status, refused.status) == (200, 401)
    assert [answer.headers["Access-Control-Allow-Origin"] for answer in (taken, refused)] == [PAGE, PAGE]
    assert Step.objects.in_project(api.project.pk).count() == 1


@pytest.mark.parametrize("origin", ["https://app.example.com.evil.org", "http://app.example.com", "null", ""])
def test_a_page_of_another_origin_is_not_let_in(api: Caller, origin: str) -> None:
    answer = asked_first(api, origin)

    assert (answer.status, allowed(answer)) == (405, {})


def test_no_page_is_let_in_unless_the_operator_says_so_and_nowhere_else(api: Caller, settings: Any) -> None:
    elsewhere = [asked_first(api, PAGE, path) for path in ("/api/generations", "/graphql/", "/v1/chat/completions")]
    settings.OTLP_ORIGINS = frozenset()

    assert [allowed(answer) for answer in (*elsewhere, asked_first(api, PAGE))] == [{}] * 4


def test_the_setting_is_a_list_of_origins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTLP_ORIGINS", "https://App.example.com/, http://localhost:3000")
    assert environment.read().OTLP_ORIGINS == ["https://app.example.com", "http://localhost:3000"]

    for wrong in ("*", "app.example.com", "https://app.example.com/page"):
        monkeypatch.setenv("OTLP_ORIGINS", wrong)
        with pytest.raises(ImproperlyConfigured, match="OTLP_ORIGINS"):
            environment.read()
