"""Passwords are not guessed for ever: what is refused, for whom, and for how long."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from generations import attempts
from generations.models import FailedSignIn
from tests import web

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def somebody(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # a slow one sixty times takes long
    web.person()


def sign_in(password: str, *, name: str = "mia", address: str = "192.0.2.7", page: str = "/login/") -> Any:
    return Client(REMOTE_ADDR=address).post(page, {"username": name, "password": password, "next": "/"})


def guess() -> None:
    for _ in range(attempts.MOST):
        assert sign_in("wrong").status_code == 400


def test_after_ten_wrong_passwords_the_right_one_is_not_looked_at_either(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        guess()

    refused = sign_in("correct horse")

    assert refused.status_code == 429
    assert "Too many wrong passwords. Try again in 10 minutes." in web.text(refused)
    assert [record.getMessage() for record in caplog.records if record.name == "generations.attempts"] == [
        "Signing in as 'mia' from 192.0.2.7 failed 10 times, and is refused for now."
    ]


def test_it_is_refused_in_letters_of_either_case_and_at_the_admin_too() -> None:
    guess()

    assert sign_in("correct horse", name="MIA").status_code == 429
    assert "Too many wrong passwords" in sign_in("correct horse", page="/admin/login/").content.decode()


def test_others_and_whoever_comes_from_elsewhere_are_let_in() -> None:
    web.person(name="ben")
    guess()

    assert sign_in("correct horse", name="ben").status_code == 302
    assert sign_in("correct horse", address="192.0.2.8").status_code == 302


def test_it_is_looked_at_again_when_the_time_is_over() -> None:
    guess()
    FailedSignIn.objects.update(failed_at=timezone.now() - attempts.WITHIN)

    assert sign_in("correct horse").status_code == 302


def test_who_gets_it_right_begins_anew() -> None:
    for _ in range(attempts.MOST - 1):
        sign_in("wrong")
    assert sign_in("correct horse").status_code == 302

    assert [sign_in("wrong").status_code for _ in range(attempts.MOST - 1)] == [400] * (attempts.MOST - 1)
    assert sign_in("correct horse").status_code == 302


def test_what_counts_no_more_is_not_kept() -> None:
    guess()
    FailedSignIn.objects.update(failed_at=timezone.now() - attempts.WITHIN)

    sign_in("wrong", name="ben")

    assert list(FailedSignIn.objects.values_list("name", flat=True)) == ["ben"]
