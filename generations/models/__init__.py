"""All tables, in a few files by subject."""

from generations.models.accounts import ApiKey, AuditEntry, Membership, Project, SavedView, User
from generations.models.collections import (
    Dataset,
    DatasetItem,
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
from generations.models.work import IngestReject, Intake, Job, PriceOverride, ProviderCredential

__all__ = [
    "Alternative",
    "ApiKey",
    "Attachment",
    "AuditEntry",
    "Dataset",
    "DatasetItem",
    "Experiment",
    "ExperimentItem",
    "Feedback",
    "Generation",
    "GenerationPayload",
    "GenerationSearch",
    "IngestReject",
    "Intake",
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
