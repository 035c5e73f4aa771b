"""A bar that tells a person at a terminal how far a command is; a line now and then when nobody watches."""

from __future__ import annotations

import time
from typing import Final, TextIO

_EVERY: Final = 0.1
_EVERY_WITHOUT_TERMINAL: Final = 10.0
_WIDTH: Final = 30


class Progress:
    """Drawn over itself on a terminal, else written as lines. `total` is None where the end is not known."""

    def __init__(self, stream: TextIO, total: int | None) -> None:
        self._stream, self._total = stream, total
        self._is_terminal = stream.isatty()
        self._started = self._drawn = time.monotonic()

    def show(self, done: int, words: str) -> None:
        """Show `done` of the total, and `words` beside it; most calls draw nothing, so call it often."""
        now = time.monotonic()
        if now - self._drawn >= (_EVERY if self._is_terminal else _EVERY_WITHOUT_TERMINAL):
            self._drawn = now
            self._draw(done, words)

    def close(self, words: str) -> None:
        """Leave the last state standing."""
        if self._is_terminal:
            self._draw(self._total or 0, words)
            self._stream.write("\n")
            self._stream.flush()

    def _draw(self, done: int, words: str) -> None:
        seconds = time.monotonic() - self._started
        share = "" if not self._total else f"{min(done / self._total, 1):4.0%} "
        if not self._is_terminal:
            self._stream.write(f"{share}{words}, {seconds:.0f} s\n")
        else:
            filled = 0 if not self._total else round(_WIDTH * min(done / self._total, 1))
            bar = f"[{'#' * filled}{'-' * (_WIDTH - filled)}] " if self._total else ""
            self._stream.write(f"\r\x1b[K{bar}{share}{words}, {seconds:.0f} s")
        self._stream.flush()
