"""What can be asked about exports and other jobs."""

from __future__ import annotations

from generations.filters.declaring import enum, keys, long_text, number, text, time, uuid
from generations.filters.fields import Catalogue
from generations.models import Job

CATALOGUE = Catalogue(
    kind="jobs",
    model=Job,
    time="createdAt",
    order="-createdAt",
    noun="jobs",
    tie="id",
    fields=(
        uuid("id", "id", "id", "The job's id."),
        enum("kind", "kind", tuple(Job.Kind.values), "kind", "What it does.", "type"),
        enum("state", "state", tuple(Job.State.values), "state", "How far it has come.", "status"),
        keys("parameters", "parameters", "parameter", "What it was asked to do."),
        long_text("error", "error", "error", "Why it failed; empty when it did not."),
        number("progress.done", "progress_done", "done", "How many rows are done."),
        number("progress.total", "progress_total", "total", "How many rows there are, where that is known."),
        number("attempts", "attempts", "attempts", "How often it was begun."),
        text("createdBy", "created_by__username", "maker", "Who asked for it."),
        text("createdByKey", "created_by_key__name", "key", "The name of the key that asked for it."),
        uuid("schedule", "schedule", "schedule", "The schedule that it is a run of."),
        time("createdAt", "created_at", "making", "When it was asked for.", "timestamp"),
        time("startedAt", "started_at", "start", "When it was begun."),
        time("finishedAt", "finished_at", "end", "When it ended."),
        time("expiresAt", "expires_at", "expiry", "When its file is deleted."),
    ),
    unfiltered={
        "result": "what it made, shown with it; its shape is another for each kind of job",
        "max_attempts": "the workers' bookkeeping",
        "leased_until": "the workers' bookkeeping",
        "leased_by": "the workers' bookkeeping",
        "cancel_requested_at": "a step on the way to the state cancelled, which can be asked for",
    },
)
