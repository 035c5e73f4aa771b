"""A batch of records in, one transaction, receipts out."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from django.db import DatabaseError, DataError, IntegrityError, connection, transaction
from django.utils import timezone
from psycopg.errors import ProgramLimitExceeded

from generations import bundles, cleaning, identities, making, prepared, records, trusting
from generations.models import Project
from generations.recording import departing, grouping, keeping, looking, merging, narrowing, readying, storing, tying
from generations.recording.readying import Ready
from generations.recording.tables import Keys
from generations.records import (
    FeedbackRecord,
    GenerationRecord,
    InvalidRecord,
    Record,
    ScoreRecord,
    StepRecord,
    revised,
)

State = Literal["stored", "merged", "unchanged", "rejected"]
GROUPED: Final = 100
"""Batches of up to so many records share a transaction with others that come at the same time."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A new generation as it is stored, so that a door can show it without reading it again."""

    record: GenerationRecord
    stored_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one record of a batch. `reason` says why one was rejected, `error` which value was wrong, if one.

    `standing` is there for a generation that is new, came by itself, not made ready, and has nothing that hangs on it.
    """

    index: int
    kind: str
    id: str | None
    state: State
    reason: str | None = None
    error: InvalidRecord | None = None
    standing: Standing | None = None

    @property
    def field(self) -> str | None:
        """The field that was wrong, if it was one."""
        return None if self.error is None else self.error.field

    def refusal(self) -> InvalidRecord:
        """Why it was rejected, to be raised by who stores all or nothing."""
        if self.error is not None:
            return self.error
        refused = InvalidRecord(self.kind, self.id, f"a {self.kind} that can be stored")
        refused.args = (self.reason,)
        return refused


_receipt: Final = making.quick(Receipt).made


class UnknownId(LookupError):
    """Nothing in this project has that id."""

    def __init__(self, kind: str, id: str) -> None:
        self.kind = kind
        self.id = id
        super().__init__(f"There is no {kind} '{records.shown(id)[1:-1]}' in this project.")


class Doubtful(Exception):
    """The database refused a value, and the transaction with it."""


def record(
    project: Project,
    items: Sequence[Record | InvalidRecord],
    *,
    now: dt.datetime | None = None,
    halves: bool = True,
    ready: Ready | None = None,
    trust: trusting.Trust | None = None,
    locks: bool = True,
    shared: bool = False,
    near: bool = False,
    ends: bool = False,
) -> list[Receipt]:
    """Store a batch of records and say of each what became of it, in the order given.

    Idempotent: a record merges into what is stored under its id (absent stays, cleared empties), and one that says
    nothing new changes nothing. Threads, participants and tags that are named come into being. What cannot be stored,
    or would empty what a legal hold keeps, is rejected by itself; the others are committed together before this
    returns. Small batches that come at the same time share a transaction, unless the caller has one open or says what
    `now` is. Raises Busy when too many wait.

    A value that the database refuses is found by `halves`, which takes a savepoint. Without, in a transaction of the
    caller's, Doubtful is raised: it is all to be written again, with `halves`. What is `ready` of these very records is
    not done again. Without `locks` the caller has locked what these records hang together by (see `locking`), asks for
    no `halves`, and nobody for how they stand; where that is `shared` with others, Doubtful is raised too if threads
    are to take back a start that was only assumed, which is done alone. What is `near` is at its start or new: nobody
    looks for it elsewhere. With `ends` nothing follows in the caller's transaction, and the last message may end it. A
    grant that is only remembered is confirmed by those who share a transaction, with its `trust`: raises
    trusting.Outdated if it is none any more, or the transaction is not shared.
    """
    moment = now or timezone.now()
    receipts: dict[int, Receipt] = {}
    ready = ready or Ready()
    packed = dict(ready.packed)
    tidy: list[Record] = []
    places: list[int] = []
    for index, item in enumerate(items):
        if isinstance(item, InvalidRecord):
            receipts[index] = Receipt(index, "record", None, "rejected", str(item), item)
            continue
        if (made := ready.tidy.get(id(item))) is not None:
            tidy.append(made[1])
            places.append(index)
            continue
        try:
            tidy.append(_identified(cleaning.clean(item, now=moment, packed=packed)))
            places.append(index)
        except InvalidRecord as error:
            receipts[index] = Receipt(index, records.KINDS[type(item)], item.id, "rejected", str(error), error)
    tidy = _on_those_that_stand(project, tying.tied(project, tidy))
    if now is not None or not 0 < len(tidy) <= GROUPED or connection.in_atomic_block:
        trusting.sure(trust)
        how: dict[str, Any] = {"locks": locks, "shared": shared, "near": near, "ends": ends}
        outcomes: Sequence[Outcome] = _write_or_halve(
            project.pk, tidy, packed, moment, halves=halves, ready=ready, **how
        )
    else:
        outcomes = grouping.together(
            "records",
            project.pk,
            [(one, packed) for one in tidy],
            lambda all, trusts: _write_all(project.pk, all, trusts),
            trust,
        )
    for index, item, (state, reason, standing) in zip(places, tidy, outcomes, strict=True):
        receipts[index] = _receipt(index, records.KINDS[type(item)], item.id, state, reason, None, standing)
    return [receipts[index] for index in range(len(items))]


def amend(project: Project, item: Record, *, now: dt.datetime | None = None) -> Receipt:
    """Merge a record into an existing row; raises UnknownId when there is none, InvalidRecord when it cannot be.

    Other than `record`, a start that is given moves the row, and what would empty something that a legal hold keeps
    raises Held.
    """
    moment = now or timezone.now()
    if item.id is None:
        raise InvalidRecord("id", None, "the id of what is to be changed")
    id, kind = item.id, records.KINDS[type(item)]
    if getattr(item, "started_at", None) is not None:
        item = revised(item, cleared=item.cleared | {"started_at"})
    (item,) = tying.tied(project, [_identified(cleaning.clean(item, now=moment))])
    state, reason, _ = _write_or_halve(project.pk, [item], {}, moment, must_exist=True)[0]
    if state == "rejected":
        raise Receipt(0, kind, id, state, reason).refusal()
    return Receipt(0, kind, id, state)


States = dict[str, dict[str, State]]
"""What became of rows, by kind and id."""
Outcome = tuple[State, str | None, Standing | None]
"""What became of a record, why not, and how it stands."""


def _write_all(
    project: int, given: Sequence[tuple[Record, cleaning.Packed]], trusts: Sequence[trusting.Trust]
) -> list[Outcome]:
    """Write what several callers bring, each with the JSON that it has as text already."""
    packed: cleaning.Packed = {}
    for one in {id(one): one for _, one in given}.values():
        packed |= one
    return _write_or_halve(project, [record for record, _ in given], packed, timezone.now(), trusts=trusts)


def _write_or_halve(
    project: int,
    items: Sequence[Record],
    packed: cleaning.Packed,
    now: dt.datetime,
    *,
    must_exist: bool = False,
    halves: bool = True,
    ready: Ready | None = None,
    locks: bool = True,
    shared: bool = False,
    near: bool = False,
    ends: bool = False,
    trusts: Sequence[trusting.Trust] = (),
) -> list[Outcome]:
    """Write all; if the database refuses a value, halve until the one that it refuses stands alone."""
    if not items:
        return []
    try:
        return prepared.again(
            lambda: _write(
                project,
                items,
                packed,
                now,
                must_exist=must_exist,
                savepoint=halves,
                ready=ready or Ready(),
                locks=locks,
                shared=shared,
                near=near,
                ends=ends,
                trusts=trusts,
            )
        )
    except keeping.Emptied as emptied:
        _need_confirmed(trusts)
        refused = [emptied.by(item) for item in items]
        if must_exist or not any(refused):
            raise emptied.args[0] from None
        if not halves:
            raise Doubtful from emptied
        others = [item for item, held in zip(items, refused, strict=True) if held is None]
        written = iter(_write_or_halve(project, others, packed, now))
        return [next(written) if held is None else ("rejected", held.unnamed, None) for held in refused]
    except DatabaseError as error:
        if not _is_about_a_value(error):
            raise
        _need_confirmed(trusts)
        if not halves:
            raise Doubtful from error
        if len(items) > 1:
            middle = len(items) // 2
            halved = (items[:middle], items[middle:])
            return [outcome for half in halved for outcome in _write_or_halve(project, half, packed, now)]
        reason = str(error.__cause__ or error).splitlines()[0]
        return [("rejected", f"The database refuses this value: {reason}", None)]


def _need_confirmed(trusts: Sequence[trusting.Trust]) -> None:
    """Raise Outdated where the database refused a value before it told of the key: nothing is written yet."""
    for trust in trusts:
        trusting.sure(trust)


def _is_about_a_value(error: DatabaseError) -> bool:
    """Whether the database refused what was to be stored, rather than failed."""
    return isinstance(error, DataError | IntegrityError) or isinstance(error.__cause__, ProgramLimitExceeded)


def _identified(record: Record) -> Record:
    """`record` and its children with an id each, and the children with their parent's."""
    if isinstance(record, GenerationRecord):
        children: dict[str, Any] = {}
        if record.scores:
            children["scores"] = tuple(_score_of(s, generation_id=record.id) for s in record.scores)
        if record.feedback is not None:
            children["feedback"] = feedback_of(revised(record.feedback, generation_id=record.id))
        if record.attachments:
            children["attachments"] = tuple(revised(a, generation_id=record.id) for a in record.attachments)
        return revised(record, **children) if children else record
    if isinstance(record, StepRecord) and (record.scores or record.attachments):
        return revised(
            record,
            scores=tuple(_score_of(s, step_id=record.id) for s in record.scores),
            attachments=tuple(revised(a, step_id=record.id) for a in record.attachments),
        )
    if isinstance(record, FeedbackRecord):
        return feedback_of(record)
    if isinstance(record, ScoreRecord) and record.id is None:
        return revised(record, id=identities.new_id())
    return record


def _on_those_that_stand(project: Project, items: list[Record]) -> list[Record]:
    """`items`, scores and feedback of a generation that gave way to another as said of that one."""
    said = [one for one in items if isinstance(one, ScoreRecord | FeedbackRecord) and one.generation_id]
    if not said:
        return items
    standing = bundles.gave_way(project, {str(one.generation_id) for one in said})
    if not standing:
        return items
    moved = {id(one): standing[one.generation_id] for one in said if one.generation_id in standing}
    return [revised(one, generation_id=moved[id(one)]) if id(one) in moved else one for one in items]


def _score_of(score: ScoreRecord, **target: str) -> ScoreRecord:
    """A score sent inside what it judges: one of a name and an author, so that a replay does not add another."""
    id = score.id or "/".join(filter(None, (*target.values(), score.name, score.type or "CODE", score.author)))
    return revised(score, id=id[: cleaning.MAX_ID], **target)


def feedback_of(feedback: FeedbackRecord) -> FeedbackRecord:
    """Feedback with an id made of what it says and when, so that a replay does not add another."""
    if feedback.id is not None:
        return feedback
    said = repr(revised(feedback, cleared=frozenset()))
    digest = hashlib.blake2b(said.encode("utf-8", "replace"), digest_size=12).hexdigest()
    return revised(feedback, id=f"{(feedback.generation_id or feedback.step_id or '')[:400]}/{digest}")


# ---------------------------------------------------------------------------------------------------------- writing
def _write(
    project: int,
    items: Sequence[Record],
    packed: cleaning.Packed,
    now: dt.datetime,
    *,
    must_exist: bool,
    savepoint: bool,
    ready: Ready,
    locks: bool,
    shared: bool,
    near: bool,
    ends: bool,
    trusts: Sequence[trusting.Trust],
) -> list[Outcome]:
    """Lock, look, merge, write, commit. Raises UnknownId for an item that must be there and is not."""
    batch = merging.gathered(items, now)
    keys = Keys(project, packed)
    keys.update(ready.keys)
    with transaction.atomic(savepoint=savepoint), connection.cursor() as cursor:
        found = looking.look(
            cursor, keys, batch.told, named=batch.implied, tags=batch.tags, locks=locks, near=near, trusts=trusts
        )
        if must_exist:
            for item in items:
                kind = records.KINDS[type(item)]
                if item.id not in found.rows[kind]:
                    raise UnknownId(kind, str(item.id))
        if batch.told["generation"]:
            readying.remember(project, found.prices)
        rows = merging.merged(batch, found, now, lambda one: ready.row(one, found.prices))
        if locks:  # spans, which lock what they name, take back no more than they lent each other
            keeping.refuse(project, batch.told, rows)
        left = narrowing.moved(rows)
        if left and shared:
            raise Doubtful
        is_last = not rows["feedback"] and not left and (ends or len(connection.atomic_blocks) == 1)
        named = merging.named(batch, found, now)
        departing.moved(cursor, project, rows)
        storing.write(cursor, keys, rows, batch.tags - found.tags, now, named=named, ends=is_last)
        mark_latest(cursor, project, (row.record.generation_id for row in rows["feedback"]))
        if left:
            narrowing.take_back(project, left)
    states: States = {
        kind: {
            row.id: "unchanged" if not row.is_changed else "stored" if row.known is None else "merged" for row in some
        }
        for kind, some in rows.items()
    }
    shows = locks and len(items) <= GROUPED and not ready.rows
    new = {
        row.id: Standing(row.record, row.extra["created_at"])
        for row in (rows["generation"] if shows else ())
        if row.known is None and row.id not in found.judged and _is_exact(row.record)
    }
    outcomes: list[Outcome] = []
    for item in items:
        own, id = states[records.KINDS[type(item)]], str(item.id)
        state = own[id]
        standing = None
        if state == "unchanged":
            state = _state_of(item, states)
        elif state == "stored":
            # Whoever says more of the same id found it there.
            own[id] = "merged"
            if new and isinstance(item, GenerationRecord) and not (item.scores or item.attachments or item.feedback):
                standing = new.get(id)
        outcomes.append((state, None, standing))
    return outcomes


def _is_exact(record: GenerationRecord) -> bool:
    """Whether the database keeps the costs of a record to their last digit."""
    amounts = (record.cost, record.input_cost, record.output_cost)
    return all(amount is None or round(amount, 12) == amount for amount in amounts)


def _state_of(item: Record, states: States) -> State:
    """What became of an item that is unchanged itself: while a child is new it was merged."""
    children = (*getattr(item, "scores", ()), *getattr(item, "attachments", ()), getattr(item, "feedback", None))
    if any(states[records.KINDS[type(child)]][child.id] != "unchanged" for child in children if child is not None):
        return "merged"
    return "unchanged"


def mark_latest(cursor: Any, project: int, generations: Iterable[str | None]) -> None:
    """Let exactly the newest feedback of each generation be the one that is shown."""
    ids = sorted({id for id in generations if id is not None})
    if ids:
        cursor.execute(
            "UPDATE feedback SET is_latest = (feedback.uid = newest.uid) FROM ("
            "  SELECT DISTINCT ON (generation_id) generation_id, uid FROM feedback"
            "  WHERE project_id = %s AND generation_id = ANY(%s) ORDER BY generation_id, created_at DESC, uid DESC"
            ") AS newest WHERE feedback.project_id = %s AND feedback.generation_id = newest.generation_id"
            " AND feedback.is_latest <> (feedback.uid = newest.uid)",
            [project, ids, project],
        )
