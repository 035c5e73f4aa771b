"""The product's own JSON, in which generations and steps are sent, shown and exported: into records and back.

`generation(document(record))` says what `record` says. Names are exact: an unknown one is refused with the nearest
right one. An absent name says nothing, null empties what is stored. In `metadata`, `parameters` and the attributes any
name is the caller's own.
"""

from generations.ingest.rest_amendments import amendment
from generations.ingest.rest_documents import (
    check_fields,
    document,
    feedback_document,
    needs,
    score_document,
    step_document,
)
from generations.ingest.rest_fields import (
    FEEDBACK,
    GENERATION,
    PARTICIPANT,
    PATHS,
    SCORE,
    STEP,
    STEP_PATHS,
    THREAD,
    groups,
    path_of,
    translated,
)
from generations.ingest.rest_reading import feedback, generation, participant, score, step, thread

__all__ = [
    "FEEDBACK",
    "GENERATION",
    "PARTICIPANT",
    "PATHS",
    "SCORE",
    "STEP",
    "STEP_PATHS",
    "THREAD",
    "amendment",
    "check_fields",
    "document",
    "feedback",
    "feedback_document",
    "generation",
    "groups",
    "needs",
    "participant",
    "path_of",
    "score",
    "score_document",
    "step",
    "step_document",
    "thread",
    "translated",
]
