"""How a row of a table is written as a line of text, by the database and by us alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Dialect:
    """CSV with these two marks, of a byte each, in UTF-8 without a byte order mark.

    As RFC 4180 has it: what holds a mark or the end of a line is in quotes, and a quote in it is doubled. Unknown is
    empty, and an empty text is in quotes. Data is exact: nothing is put before a text that a spreadsheet would take for
    a formula, because "- item" and "+1" are what models say.
    """

    delimiter: str
    quote: str

    def line(self, cells: Sequence[str | None]) -> bytes:
        """A row without its end."""
        return self.delimiter.join(map(self._quoted, cells)).encode()

    def _quoted(self, cell: str | None) -> str:
        if cell is None:
            return ""
        if cell and not any(mark in cell for mark in (self.delimiter, self.quote, "\r", "\n")):
            return cell
        return self.quote + cell.replace(self.quote, self.quote * 2) + self.quote


CSV: Final = Dialect(",", '"')
DIALECTS: Final[Mapping[str, Dialect]] = {"csv": CSV, "parquet": Dialect("\x1f", "\x1e")}
"""By format. Parquet's process reads lines whose marks no JSON has and hardly any text: with commas and quotes, most of
its cells would be in quotes."""
