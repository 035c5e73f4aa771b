"""What can be asked about participants."""

from __future__ import annotations

from generations.filters.declaring import event_id, keys, number, text, time
from generations.filters.fields import Catalogue, Relation
from generations.filters.totals import THREADS_OF_PARTICIPANT, TOKENS_OF_PARTICIPANT
from generations.models import Participant

CATALOGUE = Catalogue(
    kind="participants",
    model=Participant,
    time="lastSeen",
    order="-lastSeen",
    noun="users",
    fields=(
        event_id("participant", "participant"),
        text("identifier", "identifier", "identifier", "The name the application knows them by."),
        keys("metadata", "metadata", "metadata", "What else the application said of them."),
        time("createdAt", "created_at", "first sight", "When they were first seen.", "firstSeen"),
        time("lastSeen", "last_seen_at", "last sight", "When they were last seen.", "lastSeenAt"),
        number("threadCount", THREADS_OF_PARTICIPANT, "number of threads", "How many threads are theirs."),
        number("usage.totalTokens", TOKENS_OF_PARTICIPANT, "total tokens", "Tokens of their threads.", "tokenCount"),
    ),
    relations=(
        Relation(
            "generations",
            "generations",
            "user_id",
            "public_id",
            "generation",
            "The calls to models made for them.",
            aliases=("generation",),
        ),
        Relation("threads", "threads", "user_id", "public_id", "thread", "Their threads.", aliases=("thread",)),
    ),
    unfiltered={
        "uid": "computed from the id, which is asked for instead",
    },
)
