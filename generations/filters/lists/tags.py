"""What can be asked about tags."""

from __future__ import annotations

from generations.filters.declaring import long_text, text, time
from generations.filters.fields import Catalogue
from generations.models import Tag

CATALOGUE = Catalogue(
    kind="tags",
    model=Tag,
    time="createdAt",
    order="-createdAt",
    noun="tags",
    tie="id",
    fields=(
        text("name", "name", "name", "The label itself.", groupable=False),
        text("colour", "colour", "colour", "The colour it is shown in.", "color"),
        long_text("description", "description", "description", "What it means."),
        time("createdAt", "created_at", "making", "When it was made.", "timestamp"),
    ),
    unfiltered={
        "id": "a tag is known by its name",
    },
)
