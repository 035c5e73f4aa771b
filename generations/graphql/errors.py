"""What went wrong, in GraphQL's form: a message and a code where it was to be expected, an excuse for the rest."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from django.db import DataError
from graphql import GraphQLError

from generations import filters, generating, llm, metrics, outages, paging
from generations.access import NoSuchProject, NotAllowed, NotAuthenticated
from generations.datasets import BadDataset, NoSuchDataset
from generations.evaluating import NoSuchEvaluator
from generations.experiments import NoSuchExperiment
from generations.graphql.connections import BadArgument
from generations.holds import Held
from generations.ingest import rest
from generations.ingest.rest_fields import Slot
from generations.prompts import NoSuchPrompt
from generations.recording import Busy, Receipt, UnknownId
from generations.records import InvalidRecord
from generations.retention import NoSuchParticipant

MAX_MESSAGE: Final = 1_000

log = logging.getLogger(__name__)


class Code(StrEnum):
    """What kind of refusal it is. Clients may rely on these words."""

    BAD_REQUEST = "BAD_REQUEST"
    BAD_INPUT = "BAD_INPUT"
    BAD_FILTER = "BAD_FILTER"
    BAD_CURSOR = "BAD_CURSOR"
    TOO_COMPLEX = "TOO_COMPLEX"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    FORBIDDEN = "FORBIDDEN"
    NOT_FOUND = "NOT_FOUND"
    CONFLICT = "CONFLICT"
    TOO_SLOW = "TOO_SLOW"
    BUSY = "BUSY"
    UNAVAILABLE = "UNAVAILABLE"
    MODEL_FAILED = "MODEL_FAILED"
    INTERNAL = "INTERNAL"


STATUS: Final = {
    Code.UNAUTHENTICATED: 401,
    Code.FORBIDDEN: 403,
    Code.NOT_FOUND: 404,
    Code.CONFLICT: 409,
    Code.TOO_SLOW: 503,
    Code.BUSY: 503,
    Code.UNAVAILABLE: 503,
    Code.MODEL_FAILED: 502,
    Code.INTERNAL: 500,
}
"""The HTTP status of an answer that holds nothing but the error; 400 where none is named."""


@dataclass
class Refused(Exception):
    """A request that cannot be done as it was put."""

    code: Code
    message: str
    field: str | None = None
    value: Any = None
    expected: str | None = None

    def __str__(self) -> str:
        return self.message


def not_found(kind: str, id: str, field: str = "id") -> Refused:
    """The refusal of an id, in the argument `field`, that names nothing in this project."""
    return Refused(Code.NOT_FOUND, f"There is no {kind} '{id[:80]}' in this project.", field, id[:80])


def rejected(receipt: Receipt, table: Mapping[str, Slot] = rest.GENERATION) -> Refused:
    """The refusal that a receipt tells of, which knows fields by their attributes, in the words of the input."""
    if receipt.error is not None:
        return in_paths(receipt.error, table)
    return Refused(Code.BAD_INPUT, receipt.reason or "It cannot be stored.")


def in_paths(error: InvalidRecord, table: Mapping[str, Slot] = rest.GENERATION) -> Refused:
    """The refusal of a change by the store, in the words of the input: `model.id`."""
    said = rest.translated(error, table)
    return Refused(Code.BAD_INPUT, str(said), said.field, said.value, said.expected)


def described(error: GraphQLError) -> dict[str, Any]:
    """`error` as the answer tells it: with a code, and without what is nobody's business but the log's."""
    cause = _cause(error)
    if cause is None:
        extensions = {"code": Code.BAD_REQUEST.value, **(error.extensions or {})}
        told: dict[str, Any] = {"message": error.message[:MAX_MESSAGE], "extensions": extensions}
    else:
        told = of_exception(cause)
        if isinstance(cause, NoSuchDataset) and cause.field == "id" and _DATASET in _arguments(error):
            told["extensions"]["field"] = _DATASET
    if error.locations:
        told["locations"] = [{"line": place.line, "column": place.column} for place in error.locations]
    if error.path:
        told["path"] = error.path
    return told


_DATASET: Final = "datasetId"


def _arguments(error: GraphQLError) -> set[str]:
    """What the field was given that the error is about."""
    return {argument.name.value for node in error.nodes or () for argument in getattr(node, "arguments", ())}


def _cause(error: GraphQLError) -> Exception | None:
    """The exception of ours behind `error`; None when GraphQL itself raised it, which it does before any field."""
    cause: BaseException | None = error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    if isinstance(cause, RecursionError):
        return Refused(Code.TOO_COMPLEX, "The variables are nested too deep to be read.", "variables")
    return cause if isinstance(cause, Exception) and error.path is not None else None


def of_exception(cause: Exception) -> dict[str, Any]:
    """`cause` as an error of the answer. What nobody expected is logged with its traceback, and told to nobody."""
    refused = _expected(cause)
    if refused is None:
        log.error("A field of a GraphQL request failed", exc_info=cause)
        refused = Refused(Code.INTERNAL, "Something went wrong here. It has been logged.")
    details = {"field": refused.field, "value": refused.value, "expected": refused.expected}
    known = {name: value for name, value in details.items() if value is not None}
    return {"message": refused.message[:MAX_MESSAGE], "extensions": {"code": refused.code.value, **known}}


def _expected(cause: Exception) -> Refused | None:
    for kind, code in _CODES.items():
        if isinstance(cause, kind):
            field = getattr(cause, "field", None)
            return Refused(code, str(cause), field, getattr(cause, "value", None), getattr(cause, "expected", None))
    if isinstance(cause, Refused):
        return cause
    if (outage := outages.of(cause)) is not None:
        log.error("%s: %s", outage.code, cause)
        return Refused(Code.UNAVAILABLE, outage.sentence)
    if isinstance(cause, DataError):
        return Refused(Code.BAD_INPUT, "A value is beyond what can be stored or compared.")
    return None


_CODES: Final[dict[type[Exception], Code]] = {
    paging.BadCursor: Code.BAD_CURSOR,
    metrics.BadQuery: Code.BAD_INPUT,
    metrics.TooSlow: Code.TOO_SLOW,
    Busy: Code.BUSY,
    generating.Full: Code.BUSY,
    llm.InvalidCall: Code.BAD_INPUT,
    llm.UnknownModel: Code.BAD_INPUT,
    llm.LLMError: Code.MODEL_FAILED,
    filters.BadFilter: Code.BAD_FILTER,
    BadArgument: Code.BAD_INPUT,
    BadDataset: Code.BAD_INPUT,
    NoSuchDataset: Code.NOT_FOUND,
    NoSuchEvaluator: Code.NOT_FOUND,
    NoSuchExperiment: Code.NOT_FOUND,
    NoSuchPrompt: Code.NOT_FOUND,
    UnknownId: Code.NOT_FOUND,
    NoSuchParticipant: Code.NOT_FOUND,
    Held: Code.CONFLICT,
    InvalidRecord: Code.BAD_INPUT,
    NotAuthenticated: Code.UNAUTHENTICATED,
    NotAllowed: Code.FORBIDDEN,
    NoSuchProject: Code.NOT_FOUND,
}
"""The first that fits: a bad cursor is a bad filter too."""


def status_of(told: list[dict[str, Any]]) -> int:
    """The HTTP status of an answer that holds these errors and nothing else."""
    return STATUS.get(Code(told[0]["extensions"]["code"]), 400)
