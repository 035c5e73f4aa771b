"""What can be changed: one class of fields for each subject, put together into the Mutation type.

Every field is declared by `guards.guarded` with the scope that it needs, and answers null beside its error when it is
refused, so that the others of a request keep their answers.
"""

from __future__ import annotations

import strawberry

from generations.graphql.mutations.datasets import DatasetMutations
from generations.graphql.mutations.erasures import ErasureMutations
from generations.graphql.mutations.evaluations import EvaluationMutations
from generations.graphql.mutations.experiments import ExperimentMutations
from generations.graphql.mutations.exports import ExportMutations
from generations.graphql.mutations.fills import FillMutations
from generations.graphql.mutations.generations import GenerationMutations
from generations.graphql.mutations.judgements import JudgementMutations
from generations.graphql.mutations.keys import KeyMutations
from generations.graphql.mutations.models import ModelMutations
from generations.graphql.mutations.prompts import PromptMutations
from generations.graphql.mutations.schedules import ScheduleMutations
from generations.graphql.mutations.subjects import SubjectMutations
from generations.graphql.mutations.tags import TagMutations


@strawberry.type(
    description="What can be changed. Fields are done one after the other; each is done whole or not at all, and null "
    "beside its error when it is not."
)
class Mutation(
    GenerationMutations,
    SubjectMutations,
    JudgementMutations,
    TagMutations,
    DatasetMutations,
    FillMutations,
    ErasureMutations,
    EvaluationMutations,
    ExperimentMutations,
    ExportMutations,
    KeyMutations,
    ModelMutations,
    PromptMutations,
    ScheduleMutations,
):
    """Root fields of mutations."""
