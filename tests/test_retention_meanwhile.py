"""What is decided while a run of retention goes on: holds that are added, rules that go, rows that come."""

import datetime as dt
import io
import threading
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.db import OperationalError, connection
from django.utils import timezone

from generations import access, at_once, attachments, retention
from generations.models import AuditEntry, LegalHold, Project
from generations.records import AttachmentRecord
from generations.retention import expiring, removing
from generations.retention.rules import meanings
from tests.expiring import patient
from tests.exports import folder
from tests.test_retention import call, expire, ids, record, rule, with_text
from tests.web import project

__all__ = ["folder", "patient"]
pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("what", ["text", "all"])
@pytest.mark.parametrize("change", ["a hold is added", "the rule is removed", "another decides earlier"])
def test_what_is_decided_while_a_run_goes_on_holds_for_all_that_is_left(
    what: str, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generations.retention.expiring.FIRST_BATCH", 1)
    own = project()
    grant = access.of_system(own)
    record(own, call("first", 50), call("held", 45, user_id="mia"), call("last", 40))
    made = rule(grant, 30, {"model.id": "gpt-4o"}, what=what)
    other = rule(grant, None, {"metadata.userId": "mia"}, what=what) if change == "another decides earlier" else None

    def decide(done: int) -> None:
        if done == 1:
            if change == "the rule is removed":
                retention.remove_rule(grant, made.pk)
            elif other is not None:
                retention.move_up(grant, other.pk)
            else:
                retention.add_hold(grant, reason="Case 7", kind="generations", document={"metadata.userId": "mia"})

    report = retention.plan(own, is_dry=False, advance=decide)

    left = {"held", "last"} if change == "the rule is removed" else {"held"}
    assert with_text(own) == left
    assert ids(own) == ({"first", "held", "last"} if what == "text" else left)
    assert sum(line["count"] for line in report.lines) == 3 - len(left)


def test_text_that_is_held_while_a_run_goes_on_is_shown_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("generations.retention.expiring.FIRST_BATCH", 1)
    own, other = project(), project("Other")
    grant = access.of_system(own)
    record(own, call("first", 50), call("held", 45, user_id="mia"))
    # Who keeps text of then: no month is emptied whole.
    record(other, call("first", 50), call("held", 45))
    rule(grant, 30)
    hidden: list[dt.datetime | None] = []

    def hold(done: int) -> None:
        hidden.append(Project.objects.get(pk=own.pk).generation_text_from)
        retention.add_hold(grant, reason="Case 7", kind="generations", document={"metadata.userId": "mia"})

    retention.plan(own, is_dry=False, advance=hold)

    assert len(hidden) == 1
    assert hidden[0] is not None
    assert Project.objects.get(pk=own.pk).generation_text_from is None
    assert with_text(own) == {"held"}


def test_a_file_of_what_is_held_while_a_run_goes_on_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    own = project()
    grant = access.of_system(own)
    key = attachments.new_key(own)
    attachments.save(key, io.BytesIO(b"picture"))
    record(own, call("held", 45, attachments=(AttachmentRecord(id="file", storage_key=key),)))
    rule(grant, 30, what="all")
    remove = removing.remove_files

    def late(*given: Any) -> int:
        # It is found, and somebody holds it.
        if not LegalHold.objects.exists():
            retention.add_hold(grant, reason="Case 7", kind="generations")
        return remove(*given)

    monkeypatch.setattr(expiring, "remove_files", late)

    assert expire(own) == [0]
    assert default_storage.exists(key)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("change", ["a hold is added", "the rule is removed"])
def test_who_decides_waits_for_the_batch_that_goes_by_what_was_decided_before(change: str) -> None:
    own = project()
    grant = access.of_system(own)
    made = rule(grant, 30)
    (due,) = meanings(own.pk, "generations", "text", timezone.now())
    batch = connection.copy()
    try:
        with batch.cursor() as cursor, connection.cursor() as own_cursor:
            cursor.execute("BEGIN")
            for statement in due.standing:
                cursor.execute(*statement)
            own_cursor.execute("SET lock_timeout = '100ms'")

            with pytest.raises(OperationalError, match="lock timeout"):
                if change == "a hold is added":
                    retention.add_hold(grant, reason="Case 7", kind="generations")
                else:
                    retention.remove_rule(grant, made.pk)

            own_cursor.execute("SET lock_timeout = DEFAULT")
    finally:
        batch.close()
    assert (retention.holds(grant), retention.rules(grant)) == ([], [made])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("change", ["a hold is added", "another project has text of then"])
def test_a_month_is_not_emptied_by_what_was_so_a_moment_ago(change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    own, other = project(), project("Other")
    record(own, call("old", 100))
    rule(access.of_system(own), 30)
    send = at_once.send
    changed: list[str] = []

    def decide() -> None:
        if change == "a hold is added":
            retention.add_hold(access.of_system(own), reason="Case 7", kind="generations")
        else:
            record(other, call("theirs", 100))
        changed.append(change)
        connection.close()

    def late(message: Any, **how: Any) -> Any:
        if not changed and any(said.startswith('TRUNCATE "generation_payload') for said, _ in message):
            # All was looked at, and nothing is locked yet.
            deciding = threading.Thread(target=decide)
            deciding.start()
            deciding.join()
        return send(message, **how)

    monkeypatch.setattr(at_once, "send", late)

    report = retention.plan(own, is_dry=False)

    assert changed == [change]
    assert report.months == []
    own.refresh_from_db()  # as every request does: what was hidden meanwhile is shown again
    assert (with_text(own), with_text(other)) == (({"old"}, set()) if "hold" in change else (set(), {"theirs"}))
    assert AuditEntry.objects.filter(action="retention.empty").count() == 0


@pytest.mark.django_db(transaction=True)
def test_rules_that_are_added_at_once_have_positions_of_their_own() -> None:
    own = project()
    started = threading.Barrier(6)

    def add(days: int) -> None:
        started.wait()
        retention.add_rule(access.of_system(own), kind="generations", what="text", days=days)
        connection.close()

    adding = [threading.Thread(target=add, args=[1 + n]) for n in range(6)]
    for one in adding:
        one.start()
    for one in adding:
        one.join()

    assert sorted(one.position for one in retention.rules(access.of_system(own))) == [0, 1, 2, 3, 4, 5]
