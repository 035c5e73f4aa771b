"""API keys are in no line of the log, and in no answer that repeats an address."""

from __future__ import annotations

import logging
from typing import Any, cast

import pytest
from django.conf import settings
from django.test import Client

from generations import access
from observability.masking import WithoutKeys, masked


def test_a_line_of_the_log_and_its_traceback_have_the_beginning_of_a_key_alone() -> None:
    key = access.new_token()
    said = cast(Any, settings.LOGGING)["formatters"]["plain"]
    made = WithoutKeys(said["format"])
    try:
        raise ValueError(f"not {key}")
    except ValueError as error:
        about = (ValueError, error, error.__traceback__)
        record = logging.LogRecord("django.request", 40, "", 1, "Bad Gateway: %s", (f"/gateway/{key}/v1/x",), about)
    line = made.format(record)

    assert said["()"] == f"{WithoutKeys.__module__}.WithoutKeys"
    assert key not in line
    assert f"/gateway/{key[:8]}.../v1/x" in line
    assert f"not {key[:8]}..." in line


@pytest.mark.parametrize("path", ["/gateway/{}/nothing", "/api/{}/x", "/gateway//{}/v2"])
def test_an_address_that_is_none_is_repeated_without_the_key_in_it(path: str) -> None:
    key = access.new_token()
    answer = Client().get("/", PATH_INFO=path.format(key))

    assert answer.status_code == 404
    assert key not in answer.content.decode()


def test_what_is_no_key_stays() -> None:
    assert masked("gen_ai.usage.input_tokens of gen_x in regen_0123456789abcdef") == (
        "gen_ai.usage.input_tokens of gen_x in regen_0123456789abcdef"
    )
