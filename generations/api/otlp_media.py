"""Files that Langfuse's clients cut out of spans and upload by themselves, and the messages that they stood in."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final

from django.db import connection, transaction

from generations import attachments, bundles, prepared, recording
from generations.api import otlp_roots, otlp_stored
from generations.ingest import media
from generations.ingest.media import Reference
from generations.ingest.otlp import lending
from generations.models import Generation, Project, Step
from generations.records import GenerationRecord, StepRecord

MOST: Final = 500
"""Uploaded files that are looked for, for one request: each takes a while where they are in a bucket."""
_FIELDS: Final = ("messages", "message_completion", "input", "output", "attributes", "alternatives")


class Places:
    """The uploaded files of a project by the ids that clients give them, each looked for once."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._found: dict[str, Reference | None] = {}

    def __call__(self, id: str) -> Reference | None:
        """The file, if it is here; of too many, those that come later are not looked for."""
        if id not in self._found:
            if len(self._found) >= MOST:
                return None
            there = attachments.placed(self._project, id)
            self._found[id] = None if there is None else there.file
        return self._found[id]

    def have_come(self) -> bool:
        """Whether a file that was looked for and not found is here by now.

        Whoever uploads keeps the file and looks for its span then; who writes a span looks for the file again once it
        is committed. So one of both sees the other.
        """
        missing = [id for id, there in self._found.items() if there is None]
        return any(attachments.placed(self._project, id) is not None for id in missing)


def uploaded(project: Project, trace_id: str, span_id: str | None) -> None:
    """Let what is stored of a span refer to its files, as far as they are here; of no span, the root of the trace."""
    ids = [f"{trace_id}-{span_id}"]
    if span_id is None:
        ids = list(otlp_roots.of(prepared.again(lambda: _steps(project, trace_id))).values())
    amend(project, {trace_id}, ids)


def _steps(project: Project, trace_id: str) -> list[dict[str, Any]]:
    with transaction.atomic():
        return otlp_stored.around(project, {trace_id}).steps


def amend(project: Project, traces: Collection[str], ids: Collection[str]) -> None:
    """Let these spans of these traces, and the calls that they tell of, refer to their files, as far as they are here.

    Nobody is kept from writing while files are looked for: these may be in a bucket that does not answer. Nor to other
    traces where there is nothing to amend: a file often comes before its span.
    """
    with transaction.atomic():
        few = len(traces) <= recording.MOST
        _lock(recording.beside(project.pk, traces) if few else recording.alone(project.pk))
        wanted = named(_told(project, ids))
    places = Places(project)
    there = {id: file for id in sorted(wanted) if (file := places(id)) is not None}
    if not there:
        return

    def write() -> None:
        with transaction.atomic():
            _lock(recording.alone(project.pk))
            recording.record(project, _amended(project, ids, there.get))

    prepared.again(write)


def named(records: Iterable[GenerationRecord | StepRecord]) -> set[str]:
    """The ids of the uploaded files that these records name and do not refer to."""
    found: set[str] = set()

    def note(id: str) -> None:
        found.add(id)

    for one in records:
        media.taken_out(one, None, note)
    return found


def _lock(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def _told(project: Project, ids: Collection[str]) -> list[GenerationRecord | StepRecord]:
    """What is stored of these spans' steps and calls."""
    rows = Step.objects.in_project(project.pk).by_ids(project.pk, "step", ids)
    steps = bundles.of_steps(project, list(rows), scores=False, attachments=False, generations=False)
    whole: list[GenerationRecord | StepRecord] = [bundle.record for bundle in steps]
    notes = [note for one in whole if isinstance(note := (one.attributes or {}).get(lending.NOTE), dict)]
    calls = {*ids, *(into for note in notes if isinstance(into := note.get("into"), str))}
    told = Generation.objects.in_project(project.pk).by_ids(project.pk, "generation", calls)
    there = bundles.of_generations(project, list(told), scores=False, feedback=False, attachments=False)
    return whole + [bundle.record for bundle in there]


def _amended(project: Project, ids: Collection[str], look: media.Look) -> list[GenerationRecord | StepRecord]:
    """What changes in these spans' steps and calls, with the attachments that they refer to then."""
    folder = attachments.folder(project)
    found: list[GenerationRecord | StepRecord] = []
    for one in _told(project, ids):
        changed = media.taken_out(one, None, look)
        if changed is not one:
            said: dict[str, Any] = {name: getattr(changed, name, None) for name in _FIELDS}
            said = {name: value for name, value in said.items() if value is not getattr(one, name, None)}
            found.append(media.attached(type(one)(id=one.id, **said), folder))
    return found
