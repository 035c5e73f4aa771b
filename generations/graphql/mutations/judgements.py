"""Create, change and delete scores; add feedback."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Annotated, Any

import strawberry
from django.db import transaction

from generations import access, bundles, identities, models, recording, records
from generations.access import Grant, Scope
from generations.cleaning import clean_string
from generations.graphql.errors import in_paths, not_found, rejected
from generations.graphql.guards import Info, guarded
from generations.graphql.mutations.documents import FeedbackInput, ScoreInput, document
from generations.graphql.mutations.generations import Deletion, Id
from generations.graphql.nodes import found
from generations.graphql.types.events import Score
from generations.graphql.types.judgements import Feedback
from generations.ingest import rest
from generations.ingest.rest_fields import Slot
from generations.records import InvalidRecord
from generations.retention import removing


@strawberry.input(description="What is judged: exactly one of these.", one_of=True)
class ScoreTarget:
    """The subject of a score."""

    generation_id: strawberry.ID | None = strawberry.field(default=strawberry.UNSET, description="A generation.")
    step_id: strawberry.ID | None = strawberry.field(default=strawberry.UNSET, description="A step.")
    thread_id: strawberry.ID | None = strawberry.field(default=strawberry.UNSET, description="A thread.")
    experiment_item_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="An item of an experiment."
    )


_SUBJECTS: dict[str, tuple[str, Any]] = {
    "generation_id": ("generation", models.Generation),
    "step_id": ("step", models.Step),
    "thread_id": ("thread", models.Thread),
}


@strawberry.type
class JudgementMutations:
    """Mutations of scores and feedback."""

    @guarded(Scope.WRITE, "Judge a generation, a step, a thread or an item of an experiment.")
    def create_score(
        self,
        info: Info,
        on: Annotated[ScoreTarget, strawberry.argument(description="What is judged.")],
        input: Annotated[ScoreInput, strawberry.argument(description="The judgement; it has a name.")],
    ) -> Score | None:
        """Store one score."""
        grant = info.context.grant
        target = {name: clean_string(id) for name, id in vars(on).items() if isinstance(id, str)}
        _there(grant, target)
        said = document(input)
        said.setdefault("id", identities.new_id())
        if said.get("author") is None:
            said["author"] = grant.actor
        if said.get("type") is None:
            said["type"] = "HUMAN" if grant.user is not None else "CODE"
        shown: Score | None = _stored(grant, rest.score(said, **target), "score", models.Score, Score, rest.SCORE)
        return shown

    @guarded(Scope.WRITE, "Change a score: what is left out stays, null empties.")
    def update_score(
        self,
        info: Info,
        id: Id,
        set: Annotated[ScoreInput, strawberry.argument(description="What changes.")],
    ) -> Score | None:
        """Merge a change into one score."""
        grant = info.context.grant
        name = clean_string(id)
        there = list(models.Score.objects.by_ids(grant.project.pk, "score", [name]))
        if not there:
            raise not_found("score", id)
        said = {**document(set), "id": name}
        said.setdefault("name", there[0].name)
        target = {
            place: getattr(there[0], place)
            for place in ("generation_id", "step_id", "thread_id", "experiment_item_id")
            if getattr(there[0], place) is not None
        }
        record = rest.score(said, **target)
        with transaction.atomic():
            try:
                recording.amend(grant.project, record)
            except InvalidRecord as error:
                raise in_paths(error, rest.SCORE) from None
            access.audit(grant, "score.update", "score", name, {"fields": sorted(document(set))})
        shown: Score | None = found(grant, models.Score, "score", Score, name)
        return shown

    @guarded(Scope.WRITE, "Delete a score.")
    def delete_score(self, info: Info, id: Id) -> Deletion | None:
        """Delete one score."""
        if not removing.erase(info.context.grant, "score", clean_string(id)):
            raise not_found("score", id)
        return Deletion(id=id)

    @guarded(Scope.INGEST, "Add what a user said of a generation. Earlier feedback stays in its history.")
    def add_feedback(
        self,
        info: Info,
        generation_id: Annotated[strawberry.ID, strawberry.argument(description="The generation.")],
        input: Annotated[FeedbackInput, strawberry.argument(description="What they said.")],
    ) -> Feedback | None:
        """Store one piece of feedback."""
        grant = info.context.grant
        name = clean_string(generation_id)
        _there(grant, {"generation_id": name})
        said = {**document(input), "id": identities.new_id()}
        shown: Feedback | None = _stored(
            grant, rest.feedback(name, said), "feedback", models.Feedback, Feedback, rest.FEEDBACK
        )
        return shown


def _there(grant: Grant, target: dict[str, str]) -> None:
    """Raise NOT_FOUND when what is judged is not there: whoever judges has seen it, so a mistake is likelier."""
    for place, id in target.items():
        if place in _SUBJECTS:
            kind, model = _SUBJECTS[place]
            is_there = model.objects.by_ids(grant.project.pk, kind, [id]).exists() or (
                kind == "generation" and bundles.stands_for(grant.project, id) is not None
            )
        else:
            kind = "experiment item"
            is_there = _has_experiment_item(grant, id)
        if not is_there:
            raise not_found(kind, id, rest.path_of(place, rest.SCORE))


def _has_experiment_item(grant: Grant, id: str) -> bool:
    try:
        key = uuid.UUID(id)
    except ValueError:
        return False
    return models.ExperimentItem.objects.filter(pk=key, experiment__project=grant.project).exists()


def _stored(grant: Grant, record: records.Record, kind: str, model: Any, show: Any, table: Mapping[str, Slot]) -> Any:
    receipt = recording.record(grant.project, [record])[0]
    if receipt.state == "rejected":
        raise rejected(receipt, table)
    return found(grant, model, kind, show, receipt.id or "")
