"""Prompts and their immutable versions: got or created by content, labelled, rolled out, compared."""

from generations.prompts.comparing import MEASURES, Apart, Numbers, apart, numbers
from generations.prompts.differing import Part, differences
from generations.prompts.documents import NAMES, content_of
from generations.prompts.keeping import (
    IN_USE,
    MAX_NAME,
    NoSuchPrompt,
    add_version,
    drawn,
    found,
    get_or_create,
    named,
    names_of,
    of_number,
    roll_out,
    variables_of,
    version,
    versions,
)
from generations.prompts.labels import LATEST, MAX_LABEL, label, labelled, labels_of, move, publish

__all__ = [
    "IN_USE",
    "LATEST",
    "MAX_LABEL",
    "MAX_NAME",
    "MEASURES",
    "NAMES",
    "Apart",
    "NoSuchPrompt",
    "Numbers",
    "Part",
    "add_version",
    "apart",
    "content_of",
    "differences",
    "drawn",
    "found",
    "get_or_create",
    "label",
    "labelled",
    "labels_of",
    "move",
    "named",
    "names_of",
    "numbers",
    "of_number",
    "publish",
    "roll_out",
    "variables_of",
    "version",
    "versions",
]
