"""What can be asked about review queues."""

from __future__ import annotations

from generations.filters.declaring import long_text, number, text, time, uuid
from generations.filters.fields import Catalogue
from generations.models import ReviewQueue

CATALOGUE = Catalogue(
    kind="queues",
    model=ReviewQueue,
    time="createdAt",
    order="-createdAt",
    noun="review queues",
    tie="id",
    fields=(
        uuid("id", "id", "id", "The queue's id."),
        text("name", "name", "name", "What it is called.", groupable=False),
        long_text("description", "description", "description", "What reviewers are told."),
        number("reviewers", "reviewers", "reviewers", "How many people judge each item."),
        text("createdBy", "created_by__username", "maker", "Who made it."),
        time("createdAt", "created_at", "making", "When it was made.", "timestamp"),
    ),
    unfiltered={
        "criteria": "a list of objects, shown with the queue",
    },
)
