"""The only writer of steps, generations, threads, participants, tags, scores, feedback and attachments' rows."""

from generations.recording.editing import change, delete, reprice, retag, said_now, update
from generations.recording.forgetting import Part, Row, forget
from generations.recording.grouping import Busy, together
from generations.recording.locking import MOST, alone, beside
from generations.recording.narrowing import narrow
from generations.recording.readying import Ready, ready, united
from generations.recording.tying import tied
from generations.recording.writing import Doubtful, Receipt, UnknownId, amend, record

__all__ = [
    "MOST",
    "Busy",
    "Doubtful",
    "Part",
    "Ready",
    "Receipt",
    "Row",
    "UnknownId",
    "alone",
    "amend",
    "beside",
    "change",
    "delete",
    "forget",
    "narrow",
    "ready",
    "record",
    "reprice",
    "retag",
    "said_now",
    "tied",
    "together",
    "united",
    "update",
]
