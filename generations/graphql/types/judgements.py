"""What hangs on a call and leads nowhere else: feedback, alternatives, attachments."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

import strawberry
from strawberry.scalars import JSON

from generations.graphql.connections import LARGEST_SLICE
from generations.graphql.nodes import Batch, column

First = Annotated[int, strawberry.argument(description=f"How many at most, 1 to {LARGEST_SLICE}.")]
Behind = Annotated[str | None, strawberry.argument(description="Begin after the row of this `endCursor`.")]


@strawberry.type(description="What a user of the application said of an answer.")
class Feedback:
    """A row of feedback."""

    row: strawberry.Private[Any]
    batch: strawberry.Private[Batch[Any]]

    id: strawberry.ID = column("public_id", "The id of this piece of feedback.")
    rating: float | None = column("rating", "From 1 to 5; null when they gave none.")
    thumbs: str | None = column("thumbs", "`up` or `down`; null when they gave none.")
    comment: str | None = column("comment", "What they wrote; null when they gave none.")
    categories: list[str] = column("categories", "Labels such as `accurate` or `helpful`.")
    timestamp: dt.datetime = column("created_at", "When it was given.")
    user_id: str | None = column("user_id", "Who gave it; null when it is not known.")
    metadata: JSON = column("metadata", "Anything else that was recorded with it.")
    is_latest: bool = column("is_latest", "Whether it is the one that is shown with the generation.")


@strawberry.type(description="Another answer to the same call.")
class Alternative:
    """A row of alternatives."""

    row: strawberry.Private[Any]
    batch: strawberry.Private[Batch[Any]]

    index: int = column("index", "Its place among the answers, from 0.")
    kind: str = column("kind", "How it came to be: choice, beam, scored, retry, fallback or edit.")
    content: JSON | None = column("content", "The answer: a text, a message or any JSON value; null when it is empty.")
    tokens: int | None = column("tokens", "Its tokens; null when it is not known.")
    score: float | None = column("score", "Its score, as the model's backend gave it; null when it is not known.")
    finish_reason: str | None = column("finish_reason", "Why it ended; null when it is not known.")
    logprobs: JSON | None = column(
        "logprobs", "Log-probabilities of its tokens, where they were recorded; null when they were not."
    )


@strawberry.type(description="A file beside a generation, a step or a thread.")
class Attachment:
    """A row of attachments."""

    row: strawberry.Private[Any]
    batch: strawberry.Private[Batch[Any]]

    id: strawberry.ID = column("public_id", "The id of the attachment.")
    name: str | None = column("name", "Its file name; null when it is not known.")
    mime: str | None = column("mime", "Its media type: `image/png`; null when it is not known.")
    size: float | None = column("size", "Its size in bytes; null when it is not known.")
    sha256: str | None = column("sha256", "The hash of its bytes, in hexadecimal; null when it is not known.")
    url: str | None = column("url", "Where it lies, when that is elsewhere; null when it lies here.")
    metadata: JSON = column("metadata", "Anything else that was recorded with it.")
    timestamp: dt.datetime = column("created_at", "When it was attached.")
