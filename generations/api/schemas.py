"""Every schema that the OpenAPI page refers to."""

from __future__ import annotations

from typing import Final

from generations.api import erasures
from generations.api.describing import OBJECT, TIME, Schema, closed, generation, of_table, ref, sentences_of
from generations.api.watching import STANDING
from generations.ingest.rest_fields import (
    ALTERNATIVE,
    ATTACHMENT,
    FEEDBACK,
    OWN_STEP_METADATA,
    PARTICIPANT,
    SCORE,
    STEP,
    THREAD,
)
from generations.models import ExportSchedule
from generations.retention import COUNTED

_ON: Final = ("generationId", "stepId", "threadId", "experimentItemId")
_TEXT: Final[Schema] = {"type": "string"}
_WHOLE: Final[Schema] = {"type": "integer", "minimum": 0}
_TEXTS: Final[Schema] = {"type": "array", "items": _TEXT}
_MAYBE: Final[Schema] = {"type": ["string", "null"]}
_MAYBE_TIME: Final[Schema] = {**TIME, "type": ["string", "null"]}


def components() -> dict[str, Schema]:
    """The schemas by name."""
    return {
        **_answers(),
        **_recorded(),
        **_collected(),
        **_compared(),
        **_evaluated(),
        "Export": _export(),
        "ExportSchedule": _schedule(),
        **_imports(),
        **_erasures(),
    }


def _answers() -> dict[str, Schema]:
    states = ("stored", "merged", "unchanged", "rejected")
    error = closed(
        ("code", "message"),
        code={**_TEXT, "description": "One word for programs: bad_filter, invalid_record, not_found, ..."},
        message={**_TEXT, "description": "One sentence for people: what was wrong, where, and what would be right."},
        field={**_TEXT, "description": "The path of the value that is wrong."},
        value={**_TEXT, "description": "That value, shortened."},
        expected={**_TEXT, "description": "What would be right."},
    )
    return {
        "Error": {
            **closed(("error",), error=error),
            "examples": [
                {
                    "error": {
                        "code": "invalid_record",
                        "message": "usage.promptTokens: 'abc' is not valid; expected a whole number",
                        "field": "usage.promptTokens",
                        "value": "'abc'",
                        "expected": "a whole number",
                    }
                }
            ],
        },
        "Page": closed(
            ("next", "previous", "limit", "order"),
            next={**_MAYBE, "description": "Pass as `after` for the next page; null where the list ends."},
            previous={**_MAYBE, "description": "Pass as `before` for the page before."},
            limit=_WHOLE,
            order=_TEXT,
        ),
        "Count": closed(
            ("value", "exact"),
            value=_WHOLE,
            exact={"type": "boolean", "description": "False: there are more than `value`."},
        ),
        "Receipt": closed(
            ("index", "id", "state"),
            index={**_WHOLE, "description": "The place in the batch, from 0."},
            id=_MAYBE,
            state={"type": "string", "enum": list(states)},
            field={**_TEXT, "description": "The path of what is wrong, when rejected."},
            value={**_TEXT, "description": "What it is, cut short."},
            expected={**_TEXT, "description": "What would be right."},
            reason={**_TEXT, "description": "Why it was rejected."},
        ),
        "Receipts": closed(
            ("counts", "receipts"),
            counts=closed(states, **dict.fromkeys(states, _WHOLE)),
            receipts={"type": "array", "items": ref("Receipt")},
        ),
    }


def _recorded() -> dict[str, Schema]:
    said = sentences_of("steps")
    shown = ("id", "metadata", "createdAt")
    made = {
        "Generation": generation(sent=False),
        "GenerationSent": generation(sent=True),
        "Step": of_table(
            STEP, sent=False, required=("id", "performance"), own_metadata=OWN_STEP_METADATA, sentences=said
        ),
        "StepSent": of_table(STEP, sent=True, own_metadata=OWN_STEP_METADATA, sentences=said),
        "Score": of_table(SCORE, sent=False, required=("id", "name")),
        "ScoreSent": of_table(SCORE, sent=True, required=("name",)),
        "NestedScore": of_table(SCORE, sent=False, required=("name",), leave_out=_ON),
        "NestedScoreSent": of_table(SCORE, sent=True, required=("name",), leave_out=_ON),
        "Alternative": of_table(ALTERNATIVE, sent=False, required=("index", "kind")),
        "AlternativeSent": of_table(ALTERNATIVE, sent=True),
        "Feedback": of_table(FEEDBACK, sent=False),
        "FeedbackSent": of_table(FEEDBACK, sent=True),
        "Attachment": of_table(ATTACHMENT, sent=False, required=("id",)),
        "AttachmentSent": of_table(ATTACHMENT, sent=True),
        "Thread": of_table(THREAD, sent=False, required=(*shown, "tags", "timestamp", "lastActivityAt")),
        "ThreadSent": of_table(THREAD, sent=True),
        "Participant": of_table(PARTICIPANT, sent=False, required=(*shown, "identifier", "lastSeenAt")),
        "ParticipantSent": of_table(PARTICIPANT, sent=True),
    }
    for name in ("Thread", "Participant"):
        made[name]["properties"]["createdAt"] = TIME
    for name in ("Score", "Feedback"):
        made[name]["properties"]["generationId"] = _TEXT
    return made


def _collected() -> dict[str, Schema]:
    item = closed(
        ("id", "datasetId", "input", "metadata", "createdAt"),
        id=_TEXT,
        datasetId=_TEXT,
        input={},
        expectedOutput={},
        metadata=OBJECT,
        intermediarySteps={"type": "array", "items": {}},
        generationId=_TEXT,
        stepId=_TEXT,
        split=_TEXT,
        createdAt=TIME,
    )
    sent = closed(
        ("input",),
        input={"description": "Any JSON value but null."},
        expectedOutput={},
        metadata={**OBJECT, "type": ["object", "null"]},
        intermediarySteps={"type": ["array", "null"], "items": {}},
        generationId=_MAYBE,
        stepId=_MAYBE,
        split={"type": "string", "maxLength": 100},
    )
    return {
        "Tag": closed(("name", "colour", "description", "createdAt"), name=_TEXT, colour=_TEXT, description=_TEXT,
                      createdAt=TIME),
        "Dataset": closed(
            ("id", "name", "description", "type", "metadata", "version", "createdAt", "updatedAt"),
            id=_TEXT,
            name=_TEXT,
            description=_TEXT,
            type={"type": "string", "enum": ["key_value", "generation"]},
            metadata=OBJECT,
            version={**_WHOLE, "description": "Counts the changes of its items."},
            createdAt=TIME,
            updatedAt=TIME,
            archivedAt=TIME,
        ),
        "DatasetItem": item,
        "DatasetItemSent": sent,
        "DatasetItemChanged": closed((), **{**sent["properties"], "split": _MAYBE}),
    }  # fmt: skip


def _compared() -> dict[str, Schema]:
    number: Schema = {"type": "number"}
    maybe: Schema = {"type": ["number", "null"]}
    interval = {"count": _WHOLE, "mean": number, "low": maybe, "high": maybe}
    of_names: Schema = {"type": "object", "additionalProperties": ref("Interval")}
    no_or_interval: Schema = {"anyOf": [ref("Interval"), {"type": "null"}]}
    experiment = {
        "id": _TEXT, "name": _TEXT, "datasetId": _MAYBE, "promptVersionId": _MAYBE, "params": {}, "createdAt": TIME,
    }  # fmt: skip
    difference = {**interval, "wins": _WHOLE, "losses": _WHOLE, "ties": _WHOLE}
    numbers = {"count": _WHOLE, "currency": _MAYBE, "totalCost": maybe, "means": of_names}
    return {
        "Interval": {**closed(tuple(interval), **interval), "description": "A mean with its 95 % confidence interval."},
        "Difference": closed(tuple(difference), **difference),
        "Winner": closed(
            ("name", "ahead", "behind", "isWon", "difference"),
            name={**_TEXT, "description": "A score, or cost or latency, of which less is better."},
            ahead={**_TEXT, "description": "The id of the experiment that is ahead."},
            behind={**_TEXT, "description": "The id of the one that comes nearest."},
            isWon={"type": "boolean", "description": "False: no clear difference; it may be chance."},
            difference=ref("Difference"),
        ),
        "Experiment": closed(tuple(experiment), **experiment),
        "ExperimentNumbers": closed(
            (*experiment, *numbers, "failed", "differences"),
            **experiment,
            **numbers,
            failed=_WHOLE,
            differences={"type": "object", "additionalProperties": ref("Difference")},
        ),
        "ExperimentItem": closed(
            ("id", "experimentId", "datasetItemId", "runId", "generationId", "input", "output", "createdAt"),
            id=_TEXT,
            experimentId=_TEXT,
            datasetItemId=_MAYBE,
            runId=_MAYBE,
            generationId=_MAYBE,
            input={},
            output={},
            createdAt=TIME,
        ),
        "Prompt": closed(
            ("id", "name", "description", "labels", "createdAt"),
            id=_TEXT,
            name=_TEXT,
            description=_TEXT,
            labels={"type": "object", "additionalProperties": {"type": "integer"}},
            createdAt=TIME,
        ),
        "PromptVersion": closed(
            ("id", "name", "version", "labels", "settings", "tools", "inputs", "inputDefaults", "createdAt"),
            id=_TEXT,
            name=_TEXT,
            version={"type": "integer", "description": "From 0."},
            labels=_TEXTS,
            messages={"type": ["array", "null"], "items": {}},
            template=_MAYBE,
            inputs=_TEXTS,
            inputDefaults=OBJECT,
            model=_MAYBE,
            provider=_MAYBE,
            settings=OBJECT,
            tools={"type": "array", "items": {}},
            description=_TEXT,
            createdAt=TIME,
        ),
        "PromptNumbers": closed(
            ("version", *numbers, "scores", "errors", "thumbs", "rating"),
            **numbers,
            version={"type": "integer"},
            scores=of_names,
            errors=no_or_interval,
            thumbs=no_or_interval,
            rating=no_or_interval,
        ),
    }


def _evaluated() -> dict[str, Schema]:
    amount: Schema = {"type": ["number", "null"]}
    used = closed(("id", "name", "kind", "scoreName"), id=_TEXT, name=_TEXT, kind=_TEXT, scoreName=_TEXT)
    refusal = closed(("row", "reason"), row=_WHOLE, reason=_TEXT)
    result = {"items": _WHOLE, "scored": _WHOLE, "unscored": _WHOLE, "calls": _WHOLE, "cost": amount,
              "currency": _MAYBE, "refusals": {"type": "array", "items": refusal},
              "stopped": {**_MAYBE, "description": "Why it ended before its last item."}}  # fmt: skip
    line = closed(("model", "calls", "cost", "currency"), model=_TEXT, calls=_WHOLE, cost=amount, currency=_MAYBE)
    said = closed(
        ("evaluator", "name", "value", "comment", "generationId"),
        evaluator=_TEXT,
        name=_TEXT,
        value=amount,
        comment={**_MAYBE, "description": "A judge's reason, or why there is no score."},
        generationId={**_MAYBE, "description": "The judge's call."},
    )
    evaluator = {
        "id": _TEXT, "name": _TEXT, "kind": _TEXT, "options": OBJECT, "scoreName": _TEXT,
        "share": {"type": "number", "description": "Percent of the new generations that it scores."},
        "filter": OBJECT, "secondsBehind": amount,
        "problem": {**_MAYBE, "description": "Why it scores no new generations any more."},
        "createdAt": TIME, "archivedAt": _MAYBE_TIME,
    }  # fmt: skip
    evaluation = {
        **STANDING,
        "name": _TEXT, "of": _TEXT, "versions": _TEXTS, "dataset": _MAYBE,
        "datasetVersion": {"type": ["integer", "null"]}, "split": _MAYBE, "filter": OBJECT,
        "evaluators": {"type": "array", "items": used}, "model": _MAYBE,
        "maxItems": {"type": ["integer", "null"]}, "maxCalls": {"type": ["integer", "null"]}, "maxCost": amount,
        "experiments": {**_TEXTS, "description": "Ids: one for each version; none for a backfill."},
        "result": {"anyOf": [closed(tuple(result), **result), {"type": "null"}]},
    }  # fmt: skip
    tried = {
        "title": _TEXT, "input": {}, "expected": {}, "output": {}, "problem": _MAYBE, "generationId": _MAYBE,
        "scores": {"type": "array", "items": said},
    }  # fmt: skip
    estimate = {
        "items": _WHOLE, "calls": _WHOLE, "cost": amount, "currency": _MAYBE,
        "models": {"type": "array", "items": line}, "unknownPrices": _TEXTS,
    }  # fmt: skip
    return {
        "Evaluator": closed(tuple(evaluator), **evaluator),
        "Evaluation": closed(tuple(evaluation), **evaluation),
        "Estimate": closed(tuple(estimate), **estimate),
        "Tried": closed(tuple(tried), **tried),
    }


def _imports() -> dict[str, Schema]:
    count = {"type": ["integer", "null"], "minimum": 0}
    refusal = closed(("row", "reason"), row=_WHOLE, reason=_TEXT)
    result: dict[str, Schema] = {
        "rows": count, "stored": count, "merged": count, "unchanged": count, "added": count, "version": count,
        "refused": count, "refusals": {"type": ["array", "null"], "items": refusal},
    }  # fmt: skip
    columns: Schema = {"type": "object", "additionalProperties": _TEXT}
    made: dict[str, Schema] = {
        **STANDING, "fileName": _MAYBE, "format": _MAYBE, "columns": columns, "dataset": _MAYBE,
        "result": {"anyOf": [closed(tuple(result), **result), {"type": "null"}]},
        "refused": {**_MAYBE, "description": "Where the rows that were refused are, all of them, while they are kept."},
    }  # fmt: skip
    row: dict[str, Schema] = {"row": _WHOLE, "shape": _MAYBE, "document": {}, "problem": _MAYBE}
    looked: dict[str, Schema] = {
        "fileName": _TEXT, "format": _TEXT, "columns": columns,
        "rows": {"type": "array", "items": closed(tuple(row), **row)}, "problems": _TEXTS,
    }  # fmt: skip
    return {"Import": closed(tuple(made), **made), "ImportPreview": closed(tuple(looked), **looked)}


def _erasures() -> dict[str, Schema]:
    counts = closed((), **{erasures.named(name): _WHOLE for name in COUNTED})
    delivered = closed(
        ("to", "finishedAt", "job"),
        to={**_TEXT, "description": "A folder's file, or an address in a bucket."},
        finishedAt=TIME,
        job={**_TEXT, "description": "The export that wrote it."},
    )
    made: dict[str, Schema] = {
        **STANDING,
        "participant": _TEXT,
        "counts": {
            "anyOf": [counts, {"type": "null"}],
            "description": "What went: by now, until it has ended; null until a worker begins it.",
        },
        "delivered": {
            "type": "array",
            "items": delivered,
            "description": "Files outside that may hold something of theirs: for whoever has them to delete.",
        },
    }
    held = {**_MAYBE, "description": "Why it would be refused: the legal hold that keeps something; null without one."}
    looked: dict[str, Schema] = {
        "participant": _TEXT,
        "counts": {**counts, "description": "What would go if they were erased now. Files are not looked through."},
        "exact": {"type": "boolean", "description": "False: counting ended at its bound; there are more."},
        "held": held,
    }
    return {"Erasure": closed(tuple(made), **made), "ErasurePreview": closed(tuple(looked), **looked)}


def _export() -> Schema:
    result = closed(("rows", "bytes", "sha256"), rows=_WHOLE, bytes=_WHOLE, sha256=_TEXT)
    made: dict[str, Schema] = {
        **STANDING,
        "kind": _TEXT, "format": _TEXT, "compression": _TEXT, "filter": {},
        "fields": {"type": ["array", "null"], "items": _TEXT, "description": "Null: all of them."},
        "order": {**_MAYBE, "description": "Null: the newest first."},
        "result": {"anyOf": [result, {"type": "null"}]},
        "expiresAt": {**_MAYBE_TIME, "description": "When its file is deleted."},
        "download": {**_MAYBE, "description": "A path that needs no key until it expires; null until it is done."},
        "manifest": {**_MAYBE, "description": "The path of its manifest; null until it is done."},
        "schedule": {**_MAYBE, "description": "The schedule that it is a run of."},
        "delivered": {**_MAYBE, "description": "Where a run's file was put."},
    }  # fmt: skip
    return closed(tuple(made), **made)


def _schedule() -> Schema:
    return closed(
        (
            "id", "name", "kind", "format", "compression", "filter", "fields", "incremental", "destination", "every",
            "minute", "hour", "weekday", "zone", "paused", "nextAt", "changedSince", "createdAt",
        ),
        id=_TEXT,
        name=_TEXT,
        kind=_TEXT,
        format=_TEXT,
        compression=_TEXT,
        filter={},
        fields={"type": ["array", "null"], "items": _TEXT},
        incremental={"type": "boolean"},
        destination=_TEXT,
        every={"type": "string", "enum": list(ExportSchedule.Every.values)},
        minute=_WHOLE,
        hour=_WHOLE,
        weekday=_WHOLE,
        zone=_TEXT,
        paused={"type": "boolean"},
        nextAt={**_MAYBE_TIME, "description": "When it is made next; null while it is paused."},
        changedSince={**_MAYBE_TIME, "description": "From when on the next run tells what changed; null for all."},
        createdAt=TIME,
        runs={"type": "array", "items": ref("Export"), "description": "The last ones, where one schedule is read."},
    )  # fmt: skip
