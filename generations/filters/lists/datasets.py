"""What can be asked about datasets."""

from __future__ import annotations

from generations.filters.declaring import keys, long_text, number, text, time, uuid
from generations.filters.fields import Catalogue
from generations.models import Dataset

CATALOGUE = Catalogue(
    kind="datasets",
    model=Dataset,
    time="createdAt",
    order="-createdAt",
    noun="datasets",
    tie="id",
    fields=(
        uuid("id", "id", "id", "The dataset's id."),
        text("name", "name", "name", "What it is called.", groupable=False),
        long_text("description", "description", "description", "What it is for."),
        text("type", "type", "type", "What its items are."),
        keys("metadata", "metadata", "metadata", "What else was said of it."),
        number("version", "version", "version", "How often its items were changed."),
        text("createdBy", "created_by__username", "maker", "Who made it."),
        time("createdAt", "created_at", "making", "When it was made.", "timestamp"),
        time("updatedAt", "updated_at", "last change", "When it was last changed."),
        time("archivedAt", "archived_at", "archiving", "When it was put away; unknown for those in use."),
    ),
)
