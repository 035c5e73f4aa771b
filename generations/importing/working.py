"""The job that imports a file, of whatever kind: it opens the file, says what it is to become, and deletes it after."""

from __future__ import annotations

import uuid
from typing import BinaryIO, cast

from django.core.files.storage import default_storage

from generations import jobs
from generations.importing import generations, items, uploads


def run(job_id: uuid.UUID | str) -> bool:
    """Do an import, if it is free to be done; False when another worker has it or it has ended."""
    return jobs.work(job_id, _import)


def _import(lease: jobs.Lease) -> None:
    asked = lease.job.parameters
    do = items.add if "dataset" in asked else generations.store
    try:
        with default_storage.open(asked["file"], "rb") as file:
            do(lease, cast(BinaryIO, file))
    except FileNotFoundError:
        raise jobs.Failed("The file is gone: it is kept for two days. Send it again.") from None
    for name in uploads.FILES:
        if asked.get(name):
            default_storage.delete(asked[name])
