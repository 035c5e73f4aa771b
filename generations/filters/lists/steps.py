"""What can be asked about steps."""

from __future__ import annotations

from generations.filters.declaring import (
    boolean,
    enum,
    event_id,
    keys,
    long_text,
    number,
    score_values,
    tags,
    text,
    time,
)
from generations.filters.fields import Catalogue, Field, Relation
from generations.filters.kinds import Kind
from generations.filters.sources import Failed, Payload, Previews
from generations.models import Step, StepPayload
from generations.records import STEP_TYPES

CATALOGUE = Catalogue(
    kind="steps",
    model=Step,
    time="timestamp",
    order="-timestamp",
    noun="steps",
    fields=(
        event_id("step", "step"),
        time("timestamp", "started_at", "start", "When the step began.", "startTime", "startedAt"),
        time("endTimestamp", "ended_at", "end", "When the step ended.", "endTime", "endedAt"),
        enum("type", "type", STEP_TYPES, "type", "What kind of work it is."),
        text("name", "name", "name", "What the application calls it."),
        text("threadId", "thread_id", "thread", "The id of its thread.", "thread.id"),
        text("parentId", "parent_id", "parent", "The id of the step it is part of.", "parent.id", groupable=False),
        text("rootId", "root_id", "root", "The id of the step at the top of its tree.", "root.id"),
        number("performance.latency", "latency", "latency", "Seconds from start to end.", "latency", "duration"),
        enum(
            "status",
            Failed("error", "error", "success"),
            ("success", "error"),
            "status",
            "Whether the step ended in an error.",
        ),
        boolean("hasError", Failed("error", True, False), "failed", "Whether the step ended in an error."),
        long_text("error", "error", "error", "The message of the error that the step ended in."),
        text("metadata.userId", "user_id", "user", "The end user's id.", "userId", "user.id"),
        text("environment", "environment", "environment", "Where the application runs."),
        text("release", "release", "release", "The application's version."),
        text("traceId", "trace_id", "trace", "The id of its trace.", "trace.id"),
        text("spanId", "span_id", "span", "The id of its span.", "span.id", groupable=False),
        tags("tags", "tags", "tags", "Its tags.", "metadata.tags", "tag"),
        keys("metadata", "metadata", "metadata", "What else the application said of the step."),
        Field(
            "input.content",
            Kind.TEXT,
            Payload(StepPayload, (), ("input",), "input_preview"),
            "input",
            "Text anywhere in what it was given. Reads every payload that the other conditions leave.",
            aliases=("input",),
            operators=("contains", "exists"),
        ),
        Field(
            "output.content",
            Kind.TEXT,
            Payload(StepPayload, (), ("output",), "output_preview"),
            "output",
            "Text anywhere in what it gave back. Reads every payload that the other conditions leave.",
            aliases=("output",),
            operators=("contains", "exists"),
        ),
        Field(
            "text",
            Kind.TEXT,
            Previews(("input_preview", "output_preview"), "step"),
            "text",
            "Text in the first characters of its input or output, those that lists show.",
            operators=("contains",),
        ),
        time("createdAt", "created_at", "recording", "When it was first recorded."),
        time("updatedAt", "updated_at", "last change", "When it was last changed."),
        score_values("step_id", "step"),
    ),
    relations=(
        Relation("scores", "scores", "step_id", "public_id", "score", "Its scores.", aliases=("score",)),
        Relation("threads", "threads", "public_id", "thread_id", "thread", "The thread it is part of."),
        Relation(
            "generations",
            "generations",
            "step_id",
            "public_id",
            "generation",
            "The calls to models made in it.",
            aliases=("generation",),
        ),
    ),
    unfiltered={
        "start_assumed": "the writer's memory of a start that was never said; the start itself is asked for",
        "uid": "computed from the id, which is asked for instead",
    },
)
