"""How often a password may be guessed: so many times for a name from an address, at the login page and the admin's.

Each web process counts by itself, in memory: with two of them twice as many get through at most, and a restart forgets.
Behind a proxy the address is the proxy's, so that a name is refused to everybody there. Sessions that are open stay.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import OrderedDict, deque
from typing import Any, Final

from django import forms
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.forms import AuthenticationForm

MOST: Final = 10
"""Failures after which no more are taken."""
WITHIN: Final = 600.0
"""Seconds in which they are counted."""
REFUSED: Final = "too_many"
"""The code of the error of a form that was not looked at."""
_MOST_KEPT: Final = 10_000
"""Names from addresses that are counted: the one that failed longest ago is forgotten for a new one."""
_log: Final = logging.getLogger(__name__)

Key = tuple[str, str]
"""A name, and the address from which it was tried."""


class Attempts:
    """Moments of failures, by whose they are."""

    def __init__(self) -> None:
        self._failures: OrderedDict[Key, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, key: Key) -> float:
        """Seconds until another attempt is looked at; 0 when it is now."""
        with self._lock:
            failures = self._failures.get(key)
            if failures is None or len(failures) < MOST:
                return 0.0
            return max(0.0, failures[0] + WITHIN - time.monotonic())

    def failed(self, key: Key) -> None:
        """Count a failure; whoever reads the log is told of the one behind which nothing is looked at."""
        with self._lock:
            failures = self._failures.setdefault(key, deque(maxlen=MOST))
            self._failures.move_to_end(key)
            failures.append(time.monotonic())
            if len(self._failures) > _MOST_KEPT:
                self._failures.popitem(last=False)
            is_over = len(failures) == MOST and failures[0] + WITHIN > failures[-1]
        if is_over:
            _log.warning("Signing in as %r from %s failed %d times, and is refused for now.", *key, MOST)

    def forget(self, key: Key) -> None:
        """Count anew: that was the right password."""
        with self._lock:
            self._failures.pop(key, None)


attempts: Final = Attempts()


class SignInForm(AuthenticationForm):
    """Django's form, that looks at no password after too many wrong ones."""

    def clean(self) -> dict[str, Any]:
        address = self.request.META.get("REMOTE_ADDR", "") if self.request is not None else ""
        key = (str(self.cleaned_data.get("username", "")).casefold(), address)
        if seconds := attempts.wait(key):
            minutes = math.ceil(seconds / 60)
            said = f"Too many wrong passwords. Try again in {minutes} minute{'s' if minutes > 1 else ''}."
            raise forms.ValidationError(said, code=REFUSED)
        try:
            cleaned: dict[str, Any] = super().clean()
        except forms.ValidationError:
            attempts.failed(key)
            raise
        if self.get_user() is not None:
            attempts.forget(key)
        return cleaned


class AdminSignInForm(SignInForm, AdminAuthenticationForm):
    """The same for the admin's own login page."""
