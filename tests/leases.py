"""Jobs of a project, in whichever state a test needs one."""

import pytest

from generations import access, jobs
from generations.access import Grant
from generations.models import Job


@pytest.fixture
def grant(db: None) -> Grant:
    return access.of_system(access.create_project("Jobs"))


def a_job(grant: Grant, **values: object) -> Job:
    job = jobs.create(grant, Job.Kind.EXPORT, {"kind": "generations"})
    Job.objects.filter(pk=job.pk).update(**values)
    job.refresh_from_db()
    return job


def finish(lease: jobs.Lease) -> None:
    lease.finish({"rows": lease.done})
