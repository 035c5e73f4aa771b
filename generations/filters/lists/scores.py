"""What can be asked about scores."""

from __future__ import annotations

from generations.filters.declaring import enum, event_id, keys, long_text, number, tags, text, time
from generations.filters.fields import Catalogue, Relation
from generations.models import Score
from generations.records import SCORE_TYPES

CATALOGUE = Catalogue(
    kind="scores",
    model=Score,
    time="timestamp",
    order="-timestamp",
    noun="scores",
    fields=(
        event_id("score", "score"),
        text("name", "name", "name", "What was judged."),
        enum("type", "type", SCORE_TYPES, "type", "Who judged: a person, a model or code."),
        number("value", "value", "value", "The judgement as a number."),
        text("label", "label", "label", "The judgement as a word."),
        long_text("comment", "comment", "comment", "Why."),
        text("author", "author", "author", "Who gave it."),
        text("generationId", "generation_id", "generation", "The id of the generation judged.", "generation.id"),
        text("stepId", "step_id", "step", "The id of the step judged.", "step.id"),
        text("threadId", "thread_id", "thread", "The id of the thread judged.", "thread.id"),
        text(
            "experimentItemId",
            "experiment_item_id",
            "experiment item",
            "The id of the experiment item judged.",
            "experimentItem.id",
        ),
        tags("tags", "tags", "tags", "Its tags.", "metadata.tags", "tag"),
        keys("metadata", "metadata", "metadata", "What else was said of it."),
        time("timestamp", "created_at", "time", "When it was given.", "createdAt"),
        time("updatedAt", "updated_at", "last change", "When it was last changed."),
    ),
    relations=(
        Relation("steps", "steps", "public_id", "step_id", "step", "The step judged."),
        Relation("threads", "threads", "public_id", "thread_id", "thread", "The thread judged."),
    ),
    unfiltered={
        "uid": "computed from the id, which is asked for instead",
    },
)
