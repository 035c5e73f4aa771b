"""All tables, in a few files by subject."""

from generations.models.accounts import ApiKey, AuditEntry, Invitation, Membership, Project, SavedView, User
from generations.models.applications import Application, DatasetCommit, DatasetFile
from generations.models.collections import (
    Dataset,
    DatasetItem,
    DatasetVersion,
    Experiment,
    ExperimentItem,
    Prompt,
    PromptVersion,
    ScoreSchema,
    Tag,
)
from generations.models.events import (
    Alternative,
    Attachment,
    Feedback,
    Generation,
    GenerationPayload,
    Participant,
    Score,
    Step,
    StepPayload,
    Thread,
)
from generations.models.keeping import Kept, LegalHold, RetentionRule
from generations.models.numbers import GenerationSearch, RollupDay, RollupDirty, RollupHour, SearchMark
from generations.models.reviewing import Review, ReviewItem, ReviewQueue
from generations.models.work import IngestReject, Intake, Job, PriceOverride, ProviderCredential

__all__ = [
    "Alternative",
    "ApiKey",
    "Application",
    "Attachment",
    "AuditEntry",
    "Dataset",
    "DatasetCommit",
    "DatasetFile",
    "DatasetItem",
    "DatasetVersion",
    "Experiment",
    "ExperimentItem",
    "Feedback",
    "Generation",
    "GenerationPayload",
    "GenerationSearch",
    "IngestReject",
    "Intake",
    "Invitation",
    "Job",
    "Kept",
    "LegalHold",
    "Membership",
    "Participant",
    "PriceOverride",
    "Project",
    "Prompt",
    "PromptVersion",
    "ProviderCredential",
    "RetentionRule",
    "Review",
    "ReviewItem",
    "ReviewQueue",
    "RollupDay",
    "RollupDirty",
    "RollupHour",
    "SavedView",
    "Score",
    "ScoreSchema",
    "SearchMark",
    "Step",
    "StepPayload",
    "Tag",
    "Thread",
    "User",
]
