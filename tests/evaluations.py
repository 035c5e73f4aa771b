"""What tests of evaluations share: projects with datasets, prompt versions and evaluators, and jobs done at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from generations import access, datasets, evaluating, prompts, tasks
from generations.access import Grant
from generations.datasets import NewItem
from generations.models import Dataset, Evaluator, Job, PromptVersion, Score
from generations.models.accounts import Role
from tests.web import person


def granted(name: str = "Shop", role: str = Role.MEMBER) -> Grant:
    """A new project, as one of its members sees it."""
    project, user = access.create_project(name), person(f"{role} of {name}")
    project.memberships.create(user=user, role=role)
    return access.by_user(user, project.slug)


def dataset(grant: Grant, *items: dict[str, Any], name: str = "Questions") -> Dataset:
    """A dataset of these items: `input`, and maybe `expected_output` and `metadata`."""
    made = datasets.create(grant, name=name)
    datasets.add_items(grant, str(made.pk), [NewItem(**item) for item in items])
    made.refresh_from_db()
    return made


def stored(input: str, expected: Any, output: Any) -> dict[str, Any]:
    """An item with an output that is stored."""
    return {"input": input, "expected_output": expected, "metadata": {"output": output}}


def evaluator(grant: Grant, kind: str = "exact", name: str = "", **options: Any) -> Evaluator:
    """An evaluator, by the name of its kind unless it is said otherwise."""
    return evaluating.create(grant, name=name or kind, kind=kind, options=options)


def version(
    grant: Grant, template: str, *, prompt: str = "Answer", model: str = "ngram:", **more: Any
) -> PromptVersion:
    """A version of a prompt with a text as its template."""
    settings = {"max_tokens": 8, **more.pop("settings", {})}
    line = prompts.get_or_create(grant, prompt)
    return prompts.add_version(grant, line, template=template, model_id=model, settings=settings, **more)


def begun(grant: Grant, evaluators: Sequence[Evaluator], **said: Any) -> Job:
    """An evaluation that waits for a worker."""
    document = {"evaluators": [str(one.pk) for one in evaluators], **said}
    return evaluating.start(grant, evaluating.asked(grant, document))


def done(grant: Grant, evaluators: Sequence[Evaluator], **said: Any) -> Job:
    """An evaluation, done."""
    return worked(begun(grant, evaluators, **said))


def worked(job: Job) -> Job:
    """The job after a worker was at it."""
    tasks.run_job(str(job.pk))
    job.refresh_from_db()
    return job


def scores(grant: Grant) -> list[tuple[str, float | None, str | None]]:
    """All scores of the project: their name, value and comment."""
    rows = Score.objects.in_project(grant.project.pk).order_by("name", "value", "comment")
    return list(rows.values_list("name", "value", "comment"))
