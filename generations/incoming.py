"""Files that wait to be imported, and those that tell what an import refused: where they are, and which are idle."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from django.core.files.storage import default_storage

from generations.models import Job

NAMED: Final = ("file", "requests")
"""The parameters of a job that name files here."""
_ROOT: Final = "imports"


def folder(project_pk: int) -> str:
    """Where those of a project are, with a slash at the end."""
    return f"{_ROOT}/{project_pk}/"


def idle(project_pk: int | None = None) -> Iterator[str]:
    """The keys of the files, of a project or of all, that no job reads or is going to."""
    waiting = Job.objects.filter(kind=Job.Kind.IMPORT, state__in=[Job.State.QUEUED, Job.State.RUNNING])
    needed = {key for name in NAMED for key in waiting.values_list(f"parameters__{name}", flat=True)}
    there = default_storage.listdir(_ROOT)[0] if default_storage.exists(_ROOT) else []
    for project in there if project_pk is None else {str(project_pk)}.intersection(there):
        for name in default_storage.listdir(f"{_ROOT}/{project}")[1]:
            if (key := f"{_ROOT}/{project}/{name}") not in needed:
                yield key
