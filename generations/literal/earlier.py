"""What only earlier versions of Literal AI's clients ask for: one vote in the place of scores, a promoted version."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from generations import prompts, records
from generations.access import Scope
from generations.ingest import feedback, literal
from generations.literal import nodes, queries
from generations.literal.ingesting import store
from generations.literal.queries import Info
from generations.models import Score

Node = dict[str, Any]


def create_feedback(_: Any, info: Info, **given: Any) -> Node:
    """A vote on a step, or another value of the one that it has."""
    return _voted(info, literal.vote(given, given["stepId"]))


def update_feedback(_: Any, info: Info, id: str, **given: Any) -> Node | None:
    """Another value of a vote; null where there is none. What is null stays."""
    rows = Score.objects.by_ids(info.context.project.pk, "score", [id])
    row: Score | None = rows.filter(name=literal.VOTE).first()
    if row is None or row.step_id is None:
        return None
    known = {"value": row.value, "comment": row.comment, "strategy": row.metadata.get("strategy")}
    said = {name: value for name, value in given.items() if value is not None}
    return _voted(info, records.revised(literal.vote({**known, **said}, row.step_id), id=id))


def _voted(info: Info, made: records.ScoreRecord) -> Node:
    context = info.context
    context.grant.need(Scope.INGEST)
    kept = store(context, [made, *feedback.voted([made])])
    row: Any = Score.objects.by_ids(context.project.pk, "score", [str(kept[0].id)]).get()
    return nodes.vote(row)


def promote(_: Any, info: Info, **given: Any) -> Node | None:
    """The version that all are to get from now on: it alone has a weight. Null for a lineage that there is not."""
    context = info.context
    prompt = prompts.found(context.grant, given["lineageId"])
    if prompt is None:
        return None
    prompt = prompts.roll_out(context.grant, prompt, [{"version": given["version"], "rollout": 100}])
    row = prompts.of_number(context.grant, prompt, given["version"])
    return {**queries.lineage_node(prompt), "championId": None if row is None else row.public_id}


RESOLVERS: Final[dict[str, Callable[..., Any]]] = {
    "createFeedback": create_feedback,
    "updateFeedback": update_feedback,
    "promotePromptVersion": promote,
}
