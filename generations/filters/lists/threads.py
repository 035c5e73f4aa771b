"""What can be asked about threads."""

from __future__ import annotations

from generations.filters.declaring import event_id, keys, number, score_values, tags, text, time
from generations.filters.fields import Catalogue, Relation
from generations.filters.totals import SECONDS_OF_THREAD, TOKENS_OF_THREAD
from generations.models import Thread

CATALOGUE = Catalogue(
    kind="threads",
    model=Thread,
    time="lastActivity",
    order="-lastActivity",
    noun="threads",
    fields=(
        event_id("thread", "thread"),
        text("name", "name", "name", "What it is about."),
        text("metadata.userId", "user_id", "user", "The end user's id.", "userId", "user.id", "participantId"),
        text("environment", "environment", "environment", "Where the application runs."),
        tags("tags", "tags", "tags", "Its tags.", "metadata.tags", "tag"),
        keys("metadata", "metadata", "metadata", "What else the application said of the thread."),
        time("startedAt", "started_at", "start", "When it began.", "timestamp", "startTime"),
        time("lastActivity", "last_activity_at", "last activity", "When something last happened.", "lastActivityAt"),
        time("createdAt", "created_at", "recording", "When it was first recorded."),
        number("usage.totalTokens", TOKENS_OF_THREAD, "total tokens", "Tokens of all its generations.", "tokenCount"),
        number(
            "performance.duration",
            SECONDS_OF_THREAD,
            "duration",
            "Seconds from its first step to its last.",
            "duration",
        ),
        score_values("thread_id", "thread"),
    ),
    relations=(
        Relation("scores", "scores", "thread_id", "public_id", "score", "Its scores.", aliases=("score",)),
        Relation(
            "generations",
            "generations",
            "thread_id",
            "public_id",
            "generation",
            "The calls to models made in it.",
            aliases=("generation",),
        ),
        Relation("steps", "steps", "thread_id", "public_id", "step", "The work done in it.", aliases=("step",)),
    ),
    unfiltered={
        "uid": "computed from the id, which is asked for instead",
    },
)
