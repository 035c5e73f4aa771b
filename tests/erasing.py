"""One participant taken out of a project, and what was counted of that."""

from typing import Any

from generations import access, retention, tasks
from generations.models import Job, Project
from generations.records import GenerationRecord
from tests.web import NOON


def call(id: str, user: str, **fields: Any) -> GenerationRecord:
    return GenerationRecord(id=id, started_at=NOON, prompt="Hello", completion="Hi", user_id=user, **fields)


def erased(own: Project, id: str = "mia") -> Job:
    """The erasure of a participant, done."""
    job = retention.erase(access.of_system(own), id)
    foretold = retention.foretell(own, id)
    tasks.run_job(str(job.pk))
    job.refresh_from_db()
    if job.state == Job.State.DONE and foretold.is_exact:
        # What was foretold is what went.
        assert {name: job.result[name] for name in foretold.counts} == foretold.counts
    return job


def counts(job: Job) -> dict[str, int]:
    """What the report of an erasure counts, but for nothing."""
    assert job.state == Job.State.DONE, job.error
    return {name: number for name, number in job.result.items() if number}
