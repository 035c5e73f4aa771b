"""The programs of docs/opentelemetry.md as they stand there: a section's code, and what it sets and installs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from tests.clients.environments import ROOT

ADDRESS: Final = "http://localhost:8000"
KEY: Final = "$GENERATIONS_API_KEY"
_HEADING: Final = re.compile(r"^##+ (.+)$", re.MULTILINE)
_BLOCK: Final = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_EXPORT: Final = re.compile(r'^export (\w+)=("?)(.*?)\2(?:  #.*)?$', re.MULTILINE)


@dataclass(frozen=True)
class Section:
    """A part of the page. `code` is empty where it has no program, `language` is `python` or `js`."""

    heading: str
    language: str
    code: str
    shell: str

    def variables(self, address: str, key: str) -> dict[str, str]:
        """What its shell lines export, with a server's address and key in the place of the page's."""
        return {name: text.replace(ADDRESS, address).replace(KEY, key) for name, _, text in _EXPORT.findall(self.shell)}

    def installed(self) -> list[str]:
        """The names of the packages that its shell lines install."""
        joined = self.shell.replace("\\\n", " ")
        lines = re.findall(r"^(?:pip|npm) install (.+)$", joined, re.MULTILINE)
        return [re.match(r"@?[\w./-]+", word.strip('"'))[0] for line in lines for word in line.split()]  # type: ignore[index]


def sections() -> dict[str, Section]:
    """All sections by their headings; the first, before any heading, is named by an empty text."""
    text = (ROOT / "docs" / "opentelemetry.md").read_text()
    parts = ["", *_HEADING.split(text)]
    found = {}
    for heading, body in zip(parts[::2], parts[1::2], strict=True):
        blocks = _BLOCK.findall(body)
        programs = [(language, code) for language, code in blocks if language in ("python", "js")]
        language, code = programs[0] if programs else ("", "")
        shell = "\n".join(code for language, code in blocks if language == "sh")
        found[heading] = Section(heading, language, code, shell)
    return found
