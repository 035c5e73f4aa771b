"""How often a password may be guessed: so many times for a name from an address, at the login page and the admin's.

They are counted in the database: by all web processes together, on however many machines. Behind a proxy the address is
the proxy's, so that a name is refused to everybody there. Sessions that are open stay.
"""

from __future__ import annotations

import datetime as dt
import logging
import math
from typing import Any, Final

from django import forms
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.forms import AuthenticationForm
from django.db.models import QuerySet
from django.utils import timezone

from generations.models import FailedSignIn

MOST: Final = 10
"""Failures after which no more are taken."""
WITHIN: Final = dt.timedelta(minutes=10)
"""For so long a failure counts."""
REFUSED: Final = "too_many"
"""The code of the error of a form that was not looked at."""
_LONGEST: Final = 150
"""Characters of a name that are told apart: no person has a longer one."""
_log: Final = logging.getLogger(__name__)

Key = tuple[str, str]
"""A name, and the address from which it was tried."""


def wait(key: Key) -> float:
    """Seconds until another attempt is looked at; 0 when it is now."""
    now = timezone.now()
    failures = _of(key).filter(failed_at__gt=now - WITHIN).order_by("-failed_at").values_list("failed_at", flat=True)
    last = list(failures[:MOST])
    return 0.0 if len(last) < MOST else (last[-1] + WITHIN - now).total_seconds()


def failed(key: Key) -> None:
    """Count a failure; whoever reads the log is told of the one behind which nothing is looked at."""
    now = timezone.now()
    FailedSignIn.objects.filter(failed_at__lte=now - WITHIN).delete()
    name, address = key
    FailedSignIn.objects.create(name=name, address=address, failed_at=now)
    if _of(key).count() == MOST:
        _log.warning("Signing in as %r from %s failed %d times, and is refused for now.", *key, MOST)


def forget(key: Key) -> None:
    """Count anew: that was the right password."""
    _of(key).delete()


def _of(key: Key) -> QuerySet[FailedSignIn]:
    name, address = key
    return FailedSignIn.objects.filter(name=name, address=address)


class SignInForm(AuthenticationForm):
    """Django's form, that looks at no password after too many wrong ones."""

    def clean(self) -> dict[str, Any]:
        address = self.request.META.get("REMOTE_ADDR", "") if self.request is not None else ""
        key = (str(self.cleaned_data.get("username", "")).casefold()[:_LONGEST], address)
        if seconds := wait(key):
            minutes = math.ceil(seconds / 60)
            said = f"Too many wrong passwords. Try again in {minutes} minute{'s' if minutes > 1 else ''}."
            raise forms.ValidationError(said, code=REFUSED)
        try:
            cleaned: dict[str, Any] = super().clean()
        except forms.ValidationError:
            failed(key)
            raise
        if self.get_user() is not None:
            forget(key)
        return cleaned


class AdminSignInForm(SignInForm, AdminAuthenticationForm):
    """The same for the admin's own login page."""
