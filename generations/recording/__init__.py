"""The only writer of steps, generations, threads, participants, tags, scores, feedback and attachments' rows."""

from generations.recording.editing import change, delete, erase, forget_text, hold, reprice, retag, said_now
from generations.recording.grouping import Busy, together
from generations.recording.readying import Ready, ready, united
from generations.recording.tying import tied
from generations.recording.writing import Doubtful, Receipt, UnknownId, amend, record

__all__ = [
    "Busy",
    "Doubtful",
    "Ready",
    "Receipt",
    "UnknownId",
    "amend",
    "change",
    "delete",
    "erase",
    "forget_text",
    "hold",
    "ready",
    "record",
    "reprice",
    "retag",
    "said_now",
    "tied",
    "together",
    "united",
]
