"""What can be asked about prompts."""

from __future__ import annotations

from generations.filters.declaring import long_text, text, time, uuid
from generations.filters.fields import Catalogue
from generations.models import Prompt

CATALOGUE = Catalogue(
    kind="prompts",
    model=Prompt,
    time="createdAt",
    order="-createdAt",
    noun="prompts",
    tie="id",
    fields=(
        uuid("id", "id", "id", "The prompt's id."),
        text("name", "name", "name", "What it is called.", groupable=False),
        long_text("description", "description", "description", "What it is for."),
        text("type", "type", "type", "What its versions are: chat or completion."),
        time("createdAt", "created_at", "making", "When it was made.", "timestamp"),
        time("deletedAt", "deleted_at", "deletion", "When it was deleted; unknown for those in use."),
    ),
    unfiltered={
        "rollout": "weights of versions, whose numbers mean nothing without the prompt",
    },
)
