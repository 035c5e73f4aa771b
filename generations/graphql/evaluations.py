"""What can be read of evaluators and evaluations."""

from __future__ import annotations

from typing import Annotated

import strawberry

from generations import evaluating, filters, jobs, models
from generations.access import Scope
from generations.graphql import inputs
from generations.graphql.arguments import After, Before, First, Id, Last, OrderBy, Where
from generations.graphql.connections import Connection, connection
from generations.graphql.guards import Info, guarded
from generations.graphql.inputs import ExportOrder, ExportWhere
from generations.graphql.mutations.documents import document
from generations.graphql.mutations.evaluations import AskedFor
from generations.graphql.nodes import Batch
from generations.graphql.types.evaluations import Evaluation, EvaluationEstimate, Evaluator, ModelEstimate

EVALUATIONS = filters.from_document("jobs", {"kind": models.Job.Kind.EVALUATION.value})


@strawberry.type
class EvaluationQueries:
    """Root fields of queries about evaluators and evaluations."""

    @guarded(Scope.READ, "Evaluators by name; a project has at most 200.")
    def evaluators(
        self,
        info: Info,
        archived: Annotated[bool, strawberry.argument(description="True for those that are put away.")] = False,
    ) -> list[Evaluator]:
        """Those in use, or those that are put away."""
        grant = info.context.grant
        rows = evaluating.every(grant, is_archived=archived)
        batch = Batch(grant, rows)
        return [Evaluator(row=row, batch=batch) for row in rows]

    @guarded(Scope.READ, "One evaluator; null when the project has none of this id.")
    def evaluator(self, info: Info, id: Id) -> Evaluator | None:
        """An evaluator by its id, also one that is put away."""
        grant = info.context.grant
        row = evaluating.find(grant, id)
        return None if row is None else Evaluator(row=row, batch=Batch(grant, [row]))

    @guarded(Scope.READ, "Evaluations, the newest first unless ordered otherwise.")
    def evaluations(
        self,
        info: Info,
        where: Annotated[ExportWhere | None, Where] = None,
        order_by: Annotated[ExportOrder | None, OrderBy] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Evaluation]:
        """A page of evaluations."""
        return connection(
            info.context.grant,
            "jobs",
            Evaluation,
            condition=filters.both(EVALUATIONS, inputs.condition("jobs", where)),
            order=inputs.order(order_by),
            first=first,
            after=after,
            last=last,
            before=before,
        )

    @guarded(Scope.READ, "One evaluation; null when the project has none of this id.")
    def evaluation(self, info: Info, id: Id) -> Evaluation | None:
        """An evaluation by its id."""
        grant = info.context.grant
        row = jobs.find(grant, id, models.Job.Kind.EVALUATION)
        return None if row is None else Evaluation(row=row, batch=Batch(grant, [row]))

    @guarded(Scope.READ, "What an evaluation would take: items, calls, and the cost at today's prices. Calls nothing.")
    def evaluation_estimate(self, info: Info, input: AskedFor) -> EvaluationEstimate:
        """An estimate."""
        grant = info.context.grant
        made = evaluating.estimate(grant, evaluating.asked(grant, document(input)))
        return EvaluationEstimate(
            items=made.items,
            calls=made.calls,
            cost=made.cost,
            currency=made.currency,
            models=[
                ModelEstimate(model=one.model, calls=one.calls, cost=one.cost, currency=one.currency)
                for one in made.lines
            ],
            unknown_prices=list(made.unknown),
        )
