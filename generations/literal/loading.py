"""What Literal AI's nodes need beside their rows, for a whole page at a time: a constant number of queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Count, Max, Min, Sum

from generations import attachments, bundles
from generations.access import Grant
from generations.bundles import Bundle, StepBundle
from generations.literal import nodes
from generations.models import Attachment, Generation, Participant, Project, Score, Step, Thread

Node = dict[str, Any]
MAX_STEPS: Final = 20_000


@dataclass(frozen=True, slots=True)
class Context:
    """Who asks, from where, and for which environment."""

    grant: Grant
    base: str
    environment: str | None
    agent: str = ""
    """The program, as it calls itself."""

    @property
    def project(self) -> Project:
        """The project that the key opens."""
        return self.grant.project

    def url(self, row: Attachment) -> str | None:
        """An address of an attachment that works now."""
        return attachments.url(row, self.base)


def step_nodes(context: Context, rows: Sequence[Step], fields: frozenset[str]) -> list[Node]:
    """Steps with what is selected of scores, attachments, generation and thread; a constant number of queries."""
    found = bundles.of_steps(
        context.project,
        rows,
        payload=bool(fields & {"input", "output", "error"}),
        scores=bool({"scores", "feedback"} & fields),
        attachments="attachments" in fields,
        generations=False,
    )
    made = _generations_of(context, [row.public_id for row in rows]) if "generation" in fields else {}
    shaped = [_step_node(context, bundle, made.get(bundle.step.public_id)) for bundle in found]
    if "thread" in fields:
        threads = threads_by_id(context, [row.thread_id for row in rows])
        for node in shaped:
            node["thread"] = threads.get(node["threadId"])
    return shaped


def _step_node(context: Context, bundle: StepBundle, generation: Bundle | None) -> Node:
    return nodes.step(bundle, str(context.project.pk), context.url, generation)


def _generations_of(context: Context, step_ids: Sequence[str]) -> dict[str, Bundle]:
    """The generation of each step: the one that has its id, or else the first that names it."""
    if not step_ids:
        return {}
    rows = Generation.objects.in_project(context.project.pk).filter(step_id__in=list(step_ids)).order_by("-started_at")
    by_step: dict[str, Generation] = {}
    for row in rows:
        if row.step_id not in by_step or row.public_id == row.step_id or by_step[row.step_id].public_id != row.step_id:
            by_step[row.step_id] = row
    chosen = list(by_step.values())
    found = bundles.of_generations(
        context.project, chosen, alternatives=False, scores=False, feedback=False, attachments=False
    )
    return {str(bundle.generation.step_id): bundle for bundle in found}


def generation_nodes(context: Context, rows: Sequence[Generation], fields: frozenset[str]) -> list[Node]:
    """Generations with their step and its thread, where selected."""
    found = bundles.of_generations(
        context.project, rows, alternatives=False, scores=False, feedback=False, attachments=False
    )
    shaped = [nodes.generation_node(bundle, str(context.project.pk)) for bundle in found]
    if "step" in fields:
        threads = threads_by_id(context, [row.thread_id for row in rows])
        for node, row in zip(shaped, rows, strict=True):
            node["step"] = {"id": node["stepId"], "threadId": row.thread_id, "thread": threads.get(row.thread_id)}
    return shaped


def score_nodes(context: Context, rows: Sequence[Score], fields: frozenset[str]) -> list[Node]:
    """Scores with their step and its thread, where selected."""
    shaped = [nodes.score(row, str(context.project.pk)) for row in rows]
    if "step" in fields:
        ids = [row.step_id for row in rows if row.step_id]
        steps = {step.public_id: step for step in Step.objects.by_ids(context.project.pk, "step", ids)}
        threads = threads_by_id(context, [step.thread_id for step in steps.values()])
        for node in shaped:
            step = steps.get(node["stepId"])
            if step is not None:
                node["step"] = {**nodes.step_shape(step), "thread": threads.get(step.thread_id)}
    return shaped


def thread_nodes(
    context: Context, rows: Sequence[Thread], fields: frozenset[str], keep: Iterable[str] | None = None
) -> list[Node]:
    """Threads with participant, totals and steps, where selected; a constant number of queries."""
    shaped = [nodes.thread(row) for row in rows]
    ids = [row.public_id for row in rows]
    if "participant" in fields:
        people = participants_by_id(context, [row.user_id for row in rows])
        for node, row in zip(shaped, rows, strict=True):
            node["participant"] = people.get(row.user_id)
    if fields & {"tokenCount", "duration"} and "steps" not in fields and ids:
        spent = Generation.objects.in_project(context.project.pk).filter(thread_id__in=ids).order_by()
        tokens = dict(spent.values_list("thread_id").annotate(total=Sum("total_tokens")))
        timed = Step.objects.in_project(context.project.pk).filter(thread_id__in=ids).order_by().values("thread_id")
        spans = {
            span["thread_id"]: (span["end"] - span["start"]).total_seconds()
            for span in timed.annotate(start=Min("started_at"), end=Max("ended_at"))
            if span["end"] is not None
        }
        for node in shaped:
            node["tokenCount"], node["duration"] = tokens.get(node["id"]), spans.get(node["id"])
    if "steps" in fields and ids:
        steps = Step.objects.in_project(context.project.pk).filter(thread_id__in=ids)
        if keep:
            steps = steps.filter(type__in=list(keep))
        inside: dict[str, list[Node]] = defaultdict(list)
        for step in step_nodes(context, list(steps.order_by("started_at", "created_at", "uid")[:MAX_STEPS]), fields):
            inside[step["threadId"]].append(step)
        for node in shaped:
            node["steps"] = inside[node["id"]]
    return shaped


def threads_by_id(context: Context, ids: Iterable[str | None]) -> dict[str | None, Node]:
    """Threads with their participants, by id."""
    wanted = sorted({id for id in ids if id})
    if not wanted:
        return {}
    rows = list(Thread.objects.by_ids(context.project.pk, "thread", wanted))
    return {node["id"]: node for node in thread_nodes(context, rows, frozenset({"participant"}))}


def participants_by_id(context: Context, ids: Iterable[str | None]) -> dict[str | None, Node]:
    """Participants by id."""
    wanted = sorted({id for id in ids if id})
    if not wanted:
        return {}
    rows = Participant.objects.by_ids(context.project.pk, "participant", wanted)
    return {row.public_id: nodes.participant(row) for row in rows}


def participant_nodes(context: Context, rows: Sequence[Participant], fields: frozenset[str]) -> list[Node]:
    """Participants with their counts, where selected."""
    shaped = [nodes.participant(row) for row in rows]
    ids = [row.public_id for row in rows]
    if "threadCount" in fields and ids:
        threads = Thread.objects.in_project(context.project.pk).filter(user_id__in=ids).order_by()
        counts = dict(threads.values_list("user_id").annotate(total=Count("uid")))
        for node in shaped:
            node["threadCount"] = counts.get(node["id"], 0)
    if "tokenCount" in fields and ids:
        theirs = Thread.objects.in_project(context.project.pk).filter(user_id__in=ids).values("public_id")
        spent = Generation.objects.in_project(context.project.pk).filter(thread_id__in=theirs).order_by()
        by_thread = dict(spent.values_list("thread_id").annotate(total=Sum("total_tokens")))
        owners = dict(
            Thread.objects.in_project(context.project.pk).filter(user_id__in=ids).values_list("public_id", "user_id")
        )
        tokens: dict[str, int] = defaultdict(int)
        for thread_id, total in by_thread.items():
            tokens[owners[thread_id]] += total or 0
        for node in shaped:
            node["tokenCount"] = tokens.get(node["id"])
    return shaped
