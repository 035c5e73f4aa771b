"""Files that were inside of what was said go with it, unless something else refers to them."""

import io

import pytest
from django.core.files.storage import default_storage

from generations import access, attachments, datasets, retention, tasks
from generations.ingest import media
from generations.ingest.media import Media
from generations.models import Attachment, Generation, Job, Project
from generations.records import AttachmentRecord, GenerationRecord, StepRecord
from tests.expiring import patient
from tests.exports import folder
from tests.test_retention import ago, expire, record, rule
from tests.web import project, signed_in, text

__all__ = ["folder", "patient"]
pytestmark = pytest.mark.django_db


def picture(own: Project, letter: str) -> media.Reference:
    """A file that is kept, as a message refers to it."""
    one = Media(letter * 64, "image/png", letter.encode())
    attachments.keep(own, [one])
    return media.Reference(one.sha256, one.mime, len(one.content))


def call(own: Project, id: str, days: int, *pictures: media.Reference, user_id: str | None = None) -> GenerationRecord:
    """A call of so many days ago that was sent pictures."""
    parts = [{"type": "image_url", "image_url": {"url": str(one)}} for one in pictures]
    said = GenerationRecord(
        id=id, started_at=ago(days), messages=[{"role": "user", "content": parts}], completion="A cat.", user_id=user_id
    )
    return media.attached(said, attachments.folder(own))


def is_kept(own: Project, *pictures: media.Reference) -> list[bool]:
    return [default_storage.exists(attachments.folder(own) + one.sha256) for one in pictures]


@pytest.mark.parametrize("whole_month", [True, False])
def test_files_of_expired_text_go_unless_other_text_a_hold_a_step_or_a_dataset_has_them(whole_month: bool) -> None:
    own = project()
    alone, shared, held, of_step, collected, beside = (picture(own, letter) for letter in "abcdef")
    step = StepRecord(id="step", started_at=ago(100), input=[{"image_url": {"url": str(of_step)}}])
    by_hand = AttachmentRecord(id="by hand", storage_key=attachments.new_key(own), generation_id="old")
    attachments.save(str(by_hand.storage_key), io.BytesIO(b"kept"))
    record(own, call(own, "old", 100, alone, shared, of_step), call(own, "new", 1, shared), by_hand)
    record(own, media.attached(step, attachments.folder(own)), call(own, "collected", 100, collected))
    if not whole_month:
        record(own, call(own, "held", 100, held, beside, user_id="mia"), call(own, "free", 100, beside))
    grant = access.of_system(own)
    rule(grant, 30)
    dataset = datasets.create(grant, name="Cats")
    datasets.add_generations(grant, str(dataset.pk), ["collected"])
    if not whole_month:
        retention.add_hold(grant, reason="Case 7", kind="generations", document={"metadata.userId": "mia"})

    dry = retention.plan(own, is_dry=True).document()["files"]
    untouched = is_kept(own, alone, shared, held, of_step, collected, beside)
    done = retention.plan(own, is_dry=False).document()

    assert untouched == [True] * 6
    assert is_kept(own, alone, shared, held, of_step, collected, beside) == [False, True, True, True, True, True]
    assert default_storage.exists(str(by_hand.storage_key))
    assert (dry, done["files"]) == ((3, 3) if whole_month else (4, 4))
    assert bool(done["months"]) is whole_month
    left = Attachment.objects.in_project(own.pk).exclude(generation_id=None).values_list("generation_id", flat=True)
    assert sorted(left) == sorted(["old", "new", "collected", *([] if whole_month else ["held", "held"])])
    assert retention.plan(own, is_dry=False).document()["files"] == 0


def test_what_an_earlier_run_left_of_expired_text_goes_with_the_next() -> None:
    own = project()
    alone = picture(own, "a")
    record(own, call(own, "old", 100, alone))
    rule(access.of_system(own), 30)
    files = list(Attachment.objects.in_project(own.pk))
    expire(own)
    attachments.keep(own, [Media(alone.sha256, alone.mime, b"a")])
    Attachment.objects.bulk_create(files)
    dry = retention.plan(own, is_dry=True)

    report = retention.plan(own, is_dry=False)

    assert is_kept(own, alone) == [False]
    assert (report.files, report.done) == (dry.files, dry.done) == (1, 1)


def test_the_report_of_a_run_tells_how_many_files_went() -> None:
    own = project()
    record(own, call(own, "old", 100, picture(own, "a"), picture(own, "b")))
    grant = access.of_system(own)
    rule(grant, 30)
    job = retention.start(grant, is_dry=False)

    tasks.run_job(str(job.pk))

    assert Job.objects.get(pk=job.pk).result["files"] == 2
    page = signed_in(own).get(f"/projects/{own.slug}/settings/retention/")
    assert "Files of it: 2" in text(page)


def test_files_of_all_that_is_expired_are_counted() -> None:
    own = project()
    one = picture(own, "a")
    record(own, call(own, "old", 100, one), call(own, "older", 101, one))
    rule(access.of_system(own), 30, what="all")

    report = retention.plan(own, is_dry=False)

    assert (report.files, is_kept(own, one)) == (2, [False])
    assert not Generation.objects.in_project(own.pk).exists()
