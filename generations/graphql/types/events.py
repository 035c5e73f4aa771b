"""Generations, steps, threads, participants and scores: what was recorded, and how one leads to another."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import strawberry
from strawberry.scalars import JSON

from generations import models
from generations.graphql import relations, scalars
from generations.graphql.connections import SLICE, Slice
from generations.graphql.nodes import Batch, column, part, resolved
from generations.graphql.types import values
from generations.graphql.types.judgements import Attachment, Behind, Feedback, First
from generations.ingest.rest_fields import OWN_METADATA, OWN_STEP_METADATA

NewestFirst = Annotated[bool, strawberry.argument(description="The newest first instead of the oldest.")]


@strawberry.type(description="One call to a model: what was sent, what came back, what it cost and how long it took.")
class Generation:
    """A row of generations."""

    row: strawberry.Private[models.Generation]
    batch: strawberry.Private[Batch[models.Generation]]

    id: strawberry.ID = column("public_id", "The id that the caller gave, or a UUIDv7.")
    type: str = column("type", "chat, completion, embedding, image, audio, rerank, moderation, scoring or other.")
    name: str | None = column("name", "What the caller named it; null when it has none.")
    timestamp: dt.datetime = column("started_at", "When the call began.")
    end_timestamp: dt.datetime | None = column("ended_at", "When the answer was complete; null when it is not known.")
    model: values.Model = part(values.Model, "Which model answered.")
    input: values.Input = part(values.Input, "What was sent.")
    output: values.Output = part(values.Output, "What came back.")
    parameters: values.Parameters = part(values.Parameters, "Settings that the model was called with.")
    usage: values.Usage = part(values.Usage, "Tokens and cost.")
    performance: values.Performance = part(values.Performance, "Durations.")
    prompt_version: values.PromptReference = part(values.PromptReference, "The prompt version it was made with.")
    tags: list[str] = column("tags", "Its tags.")
    request_id: str | None = column("request_id", "The application's id of the request; null when none was said.")
    user_id: str | None = column("user_id", "The end user it was made for; null when none was said.")
    session_id: str | None = column("session_id", "The session it was made in; null when none was said.")
    function_id: str | None = column("function_id", "The function that made it; null when none was said.")
    workflow_id: str | None = column("workflow_id", "The workflow that made it; null when none was said.")
    agent_id: str | None = column("agent_id", "The agent that made it; null when none was said.")
    environment: str | None = column("environment", "production, staging, ... Null when none was said.")
    release: str | None = column("release", "The release of the application; null when none was said.")
    thread_id: str | None = column("thread_id", "The id of its thread; null when none was said.")
    step_id: str | None = column("step_id", "The id of the step that made it; null when none was said.")
    trace_id: str | None = column("trace_id", "The OpenTelemetry trace; null when none was said.")
    span_id: str | None = column("span_id", "The OpenTelemetry span; null when none was said.")
    response_id: str | None = column("response_id", "The provider's id of the answer; null when none was said.")
    finish_reason: str | None = column(
        "finish_reason", "Why the answer ended: stop, length, tool_calls, ... Null when it is not known."
    )
    selected_choice: int | None = column(
        "selected_choice", "The index of the alternative that was used; null when it is not known."
    )
    error: str | None = column("error", "What went wrong; null when nothing did.")
    error_type: str | None = column(
        "error_type", "The kind of error, as the provider or the SDK names it; null when there was none."
    )
    request_attributes: JSON | None = column(
        "request_attributes", "Attributes of the request, as recorded; null when there are none."
    )
    response_attributes: JSON | None = column(
        "response_attributes", "Attributes of the response, as recorded; null when there are none."
    )
    created_at: dt.datetime = column("created_at", "When it was first heard of.")
    updated_at: dt.datetime = column("updated_at", "When it was last changed.")

    @resolved("What the caller said of it: its own names, and userId, sessionId, tags and the like.")
    def metadata(self) -> JSON:
        """Metadata as every door shows it."""
        return scalars.json(relations.metadata(self, OWN_METADATA))

    @resolved(
        "The messages of a chat as they were sent: a list of objects; null when it is no chat, or its text has expired."
    )
    def messages(self) -> JSON | None:
        """Messages in order."""
        return scalars.json(relations.content(self).messages)

    @resolved("The message that a chat model answered; null when it is no chat, or its text has expired.")
    def message_completion(self) -> JSON | None:
        """The answering message."""
        return scalars.json(relations.content(self).message_completion)

    @resolved("The text that was sent to be completed; null when it is no completion, or its text has expired.")
    def prompt(self) -> str | None:
        """The prompt."""
        return relations.content(self).prompt

    @resolved("The text that a completion model answered; null when it is no completion, or its text has expired.")
    def completion(self) -> str | None:
        """The completion."""
        return relations.content(self).completion

    @resolved("Values of the prompt template's variables; null when there are none, or its text has expired.")
    def variables(self) -> JSON | None:
        """Variables by name."""
        found: JSON | None = relations.said(self, "variables")
        return found

    @resolved("Tools that the model could call, as they were sent; null when there are none, or its text has expired.")
    def tools(self) -> JSON | None:
        """Tool definitions."""
        found: JSON | None = relations.said(self, "tools")
        return found

    @resolved("Log-probabilities of the answer's tokens; null when there are none, or its text has expired.")
    def logprobs(self) -> JSON | None:
        """Log-probabilities as recorded."""
        found: JSON | None = relations.said(self, "logprobs")
        return found

    @resolved("Attributes of the span it came in; null when there are none, or its text has expired.")
    def attributes(self) -> JSON | None:
        """Attributes as recorded."""
        found: JSON | None = relations.said(self, "attributes")
        return found

    @resolved("The error in full: a body, a stack trace; null when there was none, or its text has expired.")
    def error_detail(self) -> str | None:
        """The detail of the error."""
        found: str | None = relations.said(self, "error_detail")
        return found

    @resolved(
        "How the cost was reckoned: token classes, prices, where they are from; null when it was not reckoned here."
    )
    def cost_arithmetic(self) -> JSON | None:
        """The arithmetic as kept."""
        found: JSON | None = relations.said(self, "cost_arithmetic")
        return found

    @resolved("The latest feedback of a user; null when nobody said anything.")
    def feedback(self) -> Feedback | None:
        """The one that is shown."""
        order = ("-created_at", "-uid")
        batch, groups = relations.following(self.batch, models.Feedback, "generation_id", order, 1, only="is_latest")
        found = groups.get(self.row.public_id, ())
        return Feedback(row=found[0], batch=batch) if found else None

    @resolved("All feedback, the oldest first.")
    def feedback_history(self, first: First = SLICE, after: Behind = None) -> Slice[Feedback]:
        """Feedback by time."""
        found: Slice[Feedback] = relations.own(self, models.Feedback, Feedback, "generation_id", first, after)
        return found

    @resolved("Its scores, the oldest first.")
    def scores(self, first: First = SLICE) -> Slice[Score]:
        """Scores by time."""
        found: Slice[Score] = relations.own(self, models.Score, Score, "generation_id", first)
        return found

    @resolved("Files beside it.")
    def attachments(self, first: First = SLICE, after: Behind = None) -> Slice[Attachment]:
        """Attachments by time."""
        found: Slice[Attachment] = relations.own(self, models.Attachment, Attachment, "generation_id", first, after)
        return found

    @resolved("Its thread; null when it has none, or when nothing else is known of it yet.")
    def thread(self) -> Thread | None:
        """The thread by its id."""
        found: Thread | None = relations.named_by(self, models.Thread, Thread, "thread", "thread_id")
        return found

    @resolved("The step that made it; null when none is named, or it has not come.")
    def step(self) -> Step | None:
        """The step by its id."""
        found: Step | None = relations.named_by(self, models.Step, Step, "step", "step_id")
        return found

    @resolved("The end user it was made for; null when none was said.")
    def participant(self) -> Participant | None:
        """The participant by its id."""
        found: Participant | None = relations.named_by(self, models.Participant, Participant, "participant", "user_id")
        return found


@strawberry.type(description="One unit of work in a tree of them.")
class Step:
    """A row of steps."""

    row: strawberry.Private[models.Step]
    batch: strawberry.Private[Batch[models.Step]]

    id: strawberry.ID = column("public_id", "The id that the caller gave, or a UUIDv7.")
    type: str = column("type", "run, llm, tool, embedding, retrieval, rerank, agent, chain, a message, or undefined.")
    name: str | None = column("name", "What the caller named it; null when it has none.")
    timestamp: dt.datetime = column("started_at", "When it began.")
    end_timestamp: dt.datetime | None = column("ended_at", "When it ended; null while it is not known.")
    performance: values.StepPerformance = part(values.StepPerformance, "Durations.")
    error: str | None = column("error", "What went wrong; null when nothing did.")
    tags: list[str] = column("tags", "Its tags.")
    user_id: str | None = column("user_id", "The end user it was done for; null when none was said.")
    environment: str | None = column("environment", "production, staging, ... Null when none was said.")
    release: str | None = column("release", "The release of the application; null when none was said.")
    thread_id: str | None = column("thread_id", "The id of its thread; null when none was said.")
    parent_id: str | None = column("parent_id", "The id of the step that it is a part of; null when it has none.")
    root_id: str | None = column("root_id", "The id of the step at the top of its tree; null when it is not known.")
    trace_id: str | None = column("trace_id", "The OpenTelemetry trace; null when none was said.")
    span_id: str | None = column("span_id", "The OpenTelemetry span; null when none was said.")
    input_preview: str | None = column(
        "input_preview",
        "The first 200 characters of its input, as it is read; null when there is none, or its text has expired.",
    )
    output_preview: str | None = column(
        "output_preview", "The first 200 characters of its output; null when there is none, or its text has expired."
    )
    created_at: dt.datetime = column("created_at", "When it was first heard of.")
    updated_at: dt.datetime = column("updated_at", "When it was last changed.")

    @resolved("What the caller said of it: its own names, and userId and tags.")
    def metadata(self) -> JSON:
        """Metadata as every door shows it."""
        return scalars.json(relations.metadata(self, OWN_STEP_METADATA))

    @resolved("What it was given; null when there is none, or its text has expired.")
    def input(self) -> JSON | None:
        """The input as recorded."""
        found: JSON | None = relations.said(self, "input")
        return found

    @resolved("What it gave back; null when there is none, or its text has expired.")
    def output(self) -> JSON | None:
        """The output as recorded."""
        found: JSON | None = relations.said(self, "output")
        return found

    @resolved("Attributes of the span it came in; null when there are none, or its text has expired.")
    def attributes(self) -> JSON | None:
        """Attributes as recorded."""
        found: JSON | None = relations.said(self, "attributes")
        return found

    @resolved("Events of the span it came in; null when there are none, or its text has expired.")
    def events(self) -> JSON | None:
        """Events as recorded."""
        found: JSON | None = relations.said(self, "events")
        return found

    @resolved("The error in full: a body, a stack trace; null when there was none, or its text has expired.")
    def error_detail(self) -> str | None:
        """The detail of the error."""
        found: str | None = relations.said(self, "error_detail")
        return found

    @resolved("The step that it is a part of; null when there is none, or it has not come.")
    def parent(self) -> Step | None:
        """The parent by its id."""
        found: Step | None = relations.named_by(self, models.Step, Step, "step", "parent_id")
        return found

    @resolved("The steps that are parts of it.")
    def children(self, first: First = SLICE, newest_first: NewestFirst = False) -> Slice[Step]:
        """Children by time."""
        found: Slice[Step] = relations.in_time(self, models.Step, Step, "parent_id", first, newest_first)
        return found

    @resolved("The calls to models that it made.")
    def generations(self, first: First = SLICE, newest_first: NewestFirst = False) -> Slice[Generation]:
        """Generations by time."""
        found: Slice[Generation] = relations.in_time(
            self, models.Generation, Generation, "step_id", first, newest_first
        )
        return found

    @resolved("Its thread; null when there is none, or it has not come.")
    def thread(self) -> Thread | None:
        """The thread by its id."""
        found: Thread | None = relations.named_by(self, models.Thread, Thread, "thread", "thread_id")
        return found

    @resolved("The end user it was done for; null when none was said.")
    def participant(self) -> Participant | None:
        """The participant by its id."""
        found: Participant | None = relations.named_by(self, models.Participant, Participant, "participant", "user_id")
        return found

    @resolved("Its scores, the oldest first.")
    def scores(self, first: First = SLICE) -> Slice[Score]:
        """Scores by time."""
        found: Slice[Score] = relations.own(self, models.Score, Score, "step_id", first)
        return found

    @resolved("Files beside it.")
    def attachments(self, first: First = SLICE, after: Behind = None) -> Slice[Attachment]:
        """Attachments by time."""
        found: Slice[Attachment] = relations.own(self, models.Attachment, Attachment, "step_id", first, after)
        return found


@strawberry.type(description="A conversation or session.")
class Thread:
    """A row of threads."""

    row: strawberry.Private[models.Thread]
    batch: strawberry.Private[Batch[models.Thread]]

    id: strawberry.ID = column("public_id", "The id that the caller gave.")
    name: str | None = column("name", "Its name; null when it has none.")
    user_id: str | None = column("user_id", "The end user whose conversation it is; null when none was said.")
    environment: str | None = column("environment", "production, staging, ... Null when none was said.")
    tags: list[str] = column("tags", "Its tags.")
    metadata: JSON = column("metadata", "Anything else that was recorded with it.")
    started_at: dt.datetime = column("started_at", "When it began.")
    last_activity: dt.datetime = column("last_activity_at", "When something last happened in it.")
    created_at: dt.datetime = column("created_at", "When it was first heard of.")

    @resolved("The end user whose conversation it is; null when none was said.")
    def participant(self) -> Participant | None:
        """The participant by its id."""
        found: Participant | None = relations.named_by(self, models.Participant, Participant, "participant", "user_id")
        return found

    @resolved("Its steps.")
    def steps(self, first: First = SLICE, newest_first: NewestFirst = False) -> Slice[Step]:
        """Steps by time."""
        found: Slice[Step] = relations.in_time(self, models.Step, Step, "thread_id", first, newest_first)
        return found

    @resolved("Its calls to models.")
    def generations(self, first: First = SLICE, newest_first: NewestFirst = False) -> Slice[Generation]:
        """Generations by time."""
        found: Slice[Generation] = relations.in_time(
            self, models.Generation, Generation, "thread_id", first, newest_first
        )
        return found

    @resolved("Its scores, the oldest first.")
    def scores(self, first: First = SLICE) -> Slice[Score]:
        """Scores by time."""
        found: Slice[Score] = relations.own(self, models.Score, Score, "thread_id", first)
        return found


@strawberry.type(description="The end user of the application.")
class Participant:
    """A row of participants."""

    row: strawberry.Private[models.Participant]
    batch: strawberry.Private[Batch[models.Participant]]

    id: strawberry.ID = column("public_id", "The id that other records name as `userId`.")
    identifier: str = column("identifier", "What the application calls them: a name, a mail address.")
    metadata: JSON = column("metadata", "Anything else that was recorded with it.")
    created_at: dt.datetime = column("created_at", "When they were first seen.")
    last_seen: dt.datetime = column("last_seen_at", "When they were last seen.")

    @resolved("Their conversations, the latest active first.")
    def threads(self, first: First = SLICE) -> Slice[Thread]:
        """Threads by activity."""
        order = ("-last_activity_at", "-uid")
        found: Slice[Thread] = relations.hanging(self, models.Thread, Thread, "user_id", order, first)
        return found

    @resolved("The calls to models that were made for them.")
    def generations(self, first: First = SLICE, newest_first: NewestFirst = False) -> Slice[Generation]:
        """Generations by time."""
        found: Slice[Generation] = relations.in_time(
            self, models.Generation, Generation, "user_id", first, newest_first
        )
        return found


@strawberry.type(description="One judgement on a generation, a step, a thread or an experiment item.")
class Score:
    """A row of scores."""

    row: strawberry.Private[models.Score]
    batch: strawberry.Private[Batch[models.Score]]

    id: strawberry.ID = column("public_id", "The id of the score.")
    name: str = column("name", "What was judged: `correctness`, `tone`, ...")
    type: str = column("type", "Who judged: `HUMAN`, `AI` or `CODE`.")
    value: float | None = column("value", "The judgement as a number; null when it has none.")
    label: str | None = column(
        "label", "The judgement as a word, where scores of this name have categories; null when it has none."
    )
    comment: str | None = column("comment", "Why, in words; null when it has none.")
    author: str | None = column("author", "The person, model or program that judged; null when it is not known.")
    tags: list[str] = column("tags", "Tags of the score itself.")
    metadata: JSON = column("metadata", "Anything else that was recorded with it.")
    generation_id: str | None = column(
        "generation_id", "The generation that was judged; null when it is on something else."
    )
    step_id: str | None = column("step_id", "The step that was judged; null when it is on something else.")
    thread_id: str | None = column("thread_id", "The thread that was judged; null when it is on something else.")
    experiment_item_id: str | None = column(
        "experiment_item_id", "The item of an experiment that was judged; null when it is on something else."
    )
    timestamp: dt.datetime = column("created_at", "When it was judged.")
    updated_at: dt.datetime = column("updated_at", "When the score was last changed.")

    @resolved("The generation that was judged; null when it is on something else.")
    def generation(self) -> Generation | None:
        """The generation by its id."""
        found: Generation | None = relations.named_by(
            self, models.Generation, Generation, "generation", "generation_id"
        )
        return found

    @resolved("The step that was judged; null when it is on something else.")
    def step(self) -> Step | None:
        """The step by its id."""
        found: Step | None = relations.named_by(self, models.Step, Step, "step", "step_id")
        return found

    @resolved("The thread that was judged; null when it is on something else.")
    def thread(self) -> Thread | None:
        """The thread by its id."""
        found: Thread | None = relations.named_by(self, models.Thread, Thread, "thread", "thread_id")
        return found
