"""What can be asked about experiments."""

from __future__ import annotations

from generations.filters.declaring import keys, text, time, uuid
from generations.filters.fields import Catalogue
from generations.models import Experiment

CATALOGUE = Catalogue(
    kind="experiments",
    model=Experiment,
    time="createdAt",
    order="-createdAt",
    noun="experiments",
    tie="id",
    fields=(
        uuid("id", "id", "id", "The experiment's id."),
        text("name", "name", "name", "What it is called.", groupable=False),
        uuid("datasetId", "dataset", "dataset", "The dataset that it was run over."),
        text("promptVersionId", "prompt_version_id", "prompt version", "The prompt version that it tried."),
        keys("params", "params", "parameter", "What it was run with."),
        text("createdBy", "created_by__username", "maker", "Who made it."),
        time("createdAt", "created_at", "making", "When it was made.", "timestamp"),
    ),
)
