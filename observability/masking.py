"""What is logged: no API key of ours, and no traceback of what was refused for what it is."""

from __future__ import annotations

import logging
import re
from typing import Final

_KEY: Final = re.compile(r"\bgen_[A-Za-z0-9_-]{16,}")
_SHOWN: Final = 8
"""Characters of a key that are left, to tell which one it was: as many as the settings show."""


def masked(text: str) -> str:
    """`text` with no more than the beginnings of the keys in it."""
    return _KEY.sub(lambda found: f"{found[0][:_SHOWN]}...", text) if "gen_" in text else text


class WithoutKeys(logging.Formatter):
    """Writes lines of the log without keys: gateways have them in their address, and so Django's lines of errors."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, and the traceback below it."""
        return masked(super().format(record))


class InOneLine(logging.Filter):
    """Lets a record through without its traceback: what asks by another host's name, as scanners do, is no fault."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always true."""
        record.exc_info = record.exc_text = None
        return True
