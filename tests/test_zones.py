"""Time zones: the newer of the system's and the installed ones, everywhere the same; schedules and charts go by it."""

import datetime as dt
import subprocess
import sys
import zoneinfo
from collections.abc import Iterator
from pathlib import Path

import pytest
import tzdata

from observability import zones


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    before = zoneinfo.TZPATH
    yield
    zoneinfo.reset_tzpath(before)
    zoneinfo.ZoneInfo.clear_cache()


def system(folder: Path, version: str, name: str = "tzdata.zi") -> str:
    folder.mkdir()
    first = version if name == "+VERSION" else f"# version {version}"
    (folder / name).write_text(f"{first}\n# This zic input file is in the public domain.\n")
    return str(folder)


@pytest.mark.parametrize("name", ["tzdata.zi", "+VERSION"])
@pytest.mark.parametrize(("version", "is_kept"), [("2019c", False), ("2999a", True), (tzdata.IANA_VERSION, True)])
def test_the_newer_zones_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, version: str, is_kept: bool
) -> None:
    monkeypatch.delenv("PYTHONTZPATH", raising=False)
    folder = system(tmp_path / "zones", version, name)
    zoneinfo.reset_tzpath((str(tmp_path / "none"), folder))

    zones.choose_newer()

    assert (folder in zoneinfo.TZPATH) is is_kept
    assert is_kept or zoneinfo.ZoneInfo("Europe/Prague").key in zoneinfo.available_timezones()


def test_zones_that_do_not_say_how_old_they_are_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONTZPATH", raising=False)
    zoneinfo.reset_tzpath((str(tmp_path),))

    zones.choose_newer()

    assert zoneinfo.TZPATH == ()


def test_zones_that_somebody_chose_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = system(tmp_path / "zones", "2019c")
    monkeypatch.setenv("PYTHONTZPATH", folder)
    zoneinfo.reset_tzpath((folder,))

    zones.choose_newer()

    assert (folder,) == zoneinfo.TZPATH


def test_whatever_loads_the_settings_knows_the_laws_of_the_installed_zones() -> None:
    """British Columbia keeps its summer time from 2026 on, which a system of 2025 does not know."""
    moment = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)
    said = f"print({moment!r}.astimezone(zoneinfo.ZoneInfo('America/Vancouver')).utcoffset())"
    program = f"import datetime, zoneinfo; from django.conf import settings; settings.DEBUG; {said}"

    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert told.stdout.strip() == str(dt.timedelta(days=-1, hours=17))
