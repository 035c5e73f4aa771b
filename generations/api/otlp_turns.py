"""Answers that log events told in the turn of an agent in a terminal, on the calls whose spans come later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from generations.identities import uid
from generations.ingest.otlp import quirks, terminals
from generations.ingest.otlp.spans import Told
from generations.models import Project, StepPayload
from generations.records import Json, revised


def answered(project: Project, told: Sequence[Told]) -> Sequence[Told]:
    """These spans with the answers that the steps above them keep.

    One query, if the answer of one of them is told apart; none otherwise.
    """
    turns = {id for one in told if (id := _turn(one)) is not None}
    if not turns:
        return told
    uids = {uid(project.pk, "step", id): id for id in turns}
    rows = StepPayload.objects.in_project(project.pk).filter(uid__in=uids).values_list("uid", "attributes")
    kept = {uids[key]: terminals.answers(said or {}) for key, said in rows}
    return [_with_answer(one, kept.get(_turn(one) or "", {})) for one in told]


def _turn(one: Told) -> str | None:
    """The step of the turn that a call is of whose answer is told there; what the span says of it may be less."""
    if one.generation is None or not one.span.scope.startswith(quirks.ANSWERS_APART):
        return None
    return one.step.parent_id


def _with_answer(one: Told, answers: Mapping[str, dict[str, Json]]) -> Told:
    call = one.generation
    said = answers.get(call.response_id or "") if call is not None else None
    return one if call is None or said is None else replace(one, generation=revised(call, message_completion=said))
