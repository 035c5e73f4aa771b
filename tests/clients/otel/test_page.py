"""The page is what is run: no program on it that is not, and no package that is not the one that is installed here."""

from __future__ import annotations

import json
import re

import pytest

from tests.clients import environments
from tests.clients.otel import page
from tests.clients.otel.described import Library
from tests.clients.otel.libraries import BY_HAND, LIBRARIES


def locked(environment: str) -> set[str]:
    """The names of the packages in a lock."""
    if environment.endswith("js"):
        return set(json.loads((environments.LOCKS / environment / "package.json").read_text())["dependencies"])
    lines = (environments.LOCKS / f"{environment}.txt").read_text().splitlines()
    return {line.partition("==")[0] for line in lines if line[:1].isalnum()}


def test_every_program_of_the_page_is_run() -> None:
    programs = {section.heading for section in page.sections().values() if section.code}

    assert programs == {library.section for library in LIBRARIES} | {BY_HAND}


@pytest.mark.parametrize("library", [one for one in LIBRARIES if one.program is None], ids=lambda one: one.name)
def test_what_a_section_installs_is_what_its_program_is_run_with(library: Library) -> None:
    installed = page.sections()[library.section].installed()

    assert installed
    assert set(installed) <= locked(library.environment)


def test_programs_read_no_variable_that_the_page_does_not_name_in_a_shell() -> None:
    sections = page.sections()
    named = {page.KEY.lstrip("$"), *sections[""].variables("", "")}

    for section in sections.values():
        read = set(re.findall(r"environ(?:\.get)?[\[(]\"(\w+)|process\.env\.(\w+)", section.code))
        assert {one or other for one, other in read} <= named | set(section.variables("", "")), section.heading
