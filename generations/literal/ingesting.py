"""Steps into the one writer: a batch at a time, each step with a result of its own, what was refused kept."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from generations import intake, recording
from generations.access import Scope
from generations.ingest import literal
from generations.intake import Body, Refusal
from generations.literal.loading import Context
from generations.records import InvalidRecord, Record

Node = dict[str, Any]
Item = Record | InvalidRecord
MAX_REFUSED: Final = 64 << 10
MAX_VALUE: Final = 16 << 20


def store(context: Context, items: Sequence[Record]) -> list[recording.Receipt]:
    """Record all of them, with their ids as they are kept; raises InvalidRecord for the first that cannot be."""
    receipts = recording.record(context.project, items)
    for receipt in receipts:
        if receipt.state == "rejected":
            raise receipt.refusal()
    return receipts


def ingest(context: Context, batch: Sequence[Mapping[str, Any]]) -> list[Node]:
    """Record a batch of steps in one write and say of each whether it is stored; a bad one fails by itself."""
    context.grant.need(Scope.INGEST)
    flat: list[Item] = []
    owner: list[int] = []
    for n, given in enumerate(batch):
        try:
            _bound(given)
            made: list[Item] = [*literal.step(given, context.environment)]
        except InvalidRecord as error:
            made = [error]
        flat += made
        owner += [n] * len(made)
    results: list[Node] = [{"ok": True, "message": None} for _ in batch]
    refused: dict[int, tuple[str, str | None]] = {}
    for receipt in recording.record(context.project, flat):
        if receipt.state == "rejected":
            # Not `ok: false`: the client would send the whole batch again and then drop it, the good ones with it.
            n = owner[receipt.index]
            results[n] = {"ok": None, "message": receipt.reason}
            refused.setdefault(n, (receipt.reason or "", receipt.field))
    _note(context, batch, refused)
    return results


def _bound(given: Mapping[str, Any]) -> None:
    """Raise InvalidRecord for a step with more in it than a page of these clients could ever show."""
    for name in ("input", "output", "generation"):
        try:
            size = len(orjson.dumps(given.get(name)))
        except TypeError:  # what orjson cannot write, the writer looks through by itself
            continue
        if size > MAX_VALUE:
            raise InvalidRecord(name, f"{size} bytes", f"at most {MAX_VALUE} bytes of JSON")


def _note(context: Context, batch: Sequence[Mapping[str, Any]], refused: Mapping[int, tuple[str, str | None]]) -> None:
    """Note what came, and what was refused and why: the clients show nothing of it, so that only the server can."""
    if refused:
        content = json.dumps([batch[n] for n in refused], default=str).encode("utf-8", "replace")
        intake.keep(
            context.project,
            "literal",
            [Refusal(reason, field, n, str(batch[n].get("id") or "")) for n, (reason, field) in refused.items()],
            Body(content[:MAX_REFUSED], len(content), "application/json"),
            context.agent,
        )
    intake.count(context.project, "literal", context.agent, len(batch), len(refused))
