"""A storage of files that is a test's own: what others have left is not in it."""

from pathlib import Path

import pytest
from pytest_django.fixtures import Settings


@pytest.fixture(autouse=True)
def storage(settings: Settings, tmp_path: Path) -> None:
    """A folder for each test of a file that imports this."""
    backend = {"BACKEND": "generations.whole_files.WholeFiles", "OPTIONS": {"location": str(tmp_path)}}
    settings.STORAGES = {**settings.STORAGES, "default": backend}
