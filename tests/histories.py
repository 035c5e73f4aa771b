"""What may happen to a project over time, for tests that draw any of it in any order: calls come late, in parts and
anew, are moved, judged, priced again, deleted, expired, held, and whoever made them is erased."""

import datetime as dt
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from django.utils import timezone
from hypothesis import strategies as st

from generations import access, holds, recording, retention, rollups, search
from generations.models import LegalHold, PriceOverride, Project
from generations.records import FeedbackRecord, GenerationRecord, ScoreRecord, StepRecord, revised
from generations.retention import removing

Step = tuple[str, Any]
"""What happens, and to what."""
IDS = "abcd"
USERS = ("mia", "ben")
WORDS = ("walrus", "penguin", "otter")
DAYS = (0.1, 2, 20, 45, 400)
FILTERS: tuple[dict[str, Any], ...] = (
    {},
    {"model.id": "large"},
    {"tags": "vip"},
    {"metadata.userId": "mia"},
    {"hasError": True},
    {"scores": {"$exists": True}},
)
FIELDS: dict[str, Any] = {
    "model_id": st.sampled_from(["large", "small"]),
    "environment": st.sampled_from(["production", "staging"]),
    "user_id": st.sampled_from(USERS),
    "thread_id": st.sampled_from(["talk", "chat"]),
    "step_id": st.sampled_from(["run", "turn"]),
    "tags": st.sampled_from([("vip",), ("vip", "x"), ("x",)]),
    "prompt": st.sampled_from(WORDS),
    "completion": st.sampled_from(WORDS),
    "prompt_tokens": st.integers(0, 9),
    "completion_tokens": st.integers(0, 9),
    "cost": st.decimals(0, 9, places=2),
    "latency": st.sampled_from([0.5, 90_000.0]),
    "error": st.just("no"),
    "feedback": st.builds(FeedbackRecord, id=st.sampled_from("12"), rating=st.integers(1, 5)),
}
_ids = st.sampled_from(IDS)
_numbers = st.sampled_from("12")
_ages = st.sampled_from(DAYS)
_said = st.fixed_dictionaries({}, optional=FIELDS)
_filters = st.sampled_from(FILTERS)
_DRAWN: Final[dict[str, st.SearchStrategy[Any]]] = {
    "record": st.lists(st.tuples(_ids, st.none() | _ages, _said), min_size=1, max_size=6),
    "amend": st.tuples(_ids, _ages, _said),
    "end": st.tuples(_ids, _ages),
    "step": st.tuples(st.sampled_from(["run", "turn"]), _ages, st.sampled_from(USERS)),
    "judge": st.tuples(_numbers, _ids),
    "retag": st.tuples(_ids, st.booleans()),
    "reprice": st.integers(0, 9),
    "delete": st.tuples(st.sampled_from(["generation", "step", "thread"]), _ids),
    "unsay": st.tuples(st.sampled_from(["score", "feedback"]), st.tuples(_ids, _numbers)),
    "rule": st.tuples(
        st.sampled_from(["text", "all"]), st.sampled_from([1, 30, None]), st.one_of(st.just(FILTERS[0]), _filters)
    ),
    "hold": _filters,
    "release": st.none(),
    "expire": st.none(),
    "erase": st.sampled_from(USERS),
    "compact": st.none() | _ages,
    "extract": st.none(),
}
WRITES: Final = ("record", "amend", "end", "step", "judge", "retag", "reprice")
TAKES: Final = ("delete", "unsay", "rule", "hold", "release", "expire", "erase")
LATER: Final = ("compact", "extract")


def steps(*names: str, least: int = 0, most: int = 14) -> st.SearchStrategy[list[Step]]:
    """Some of what is called so, in any order."""
    return st.lists(
        st.one_of([st.tuples(st.just(name), _DRAWN[name]) for name in names]), min_size=least, max_size=most
    )


def begun() -> Project:
    """A project with a past and with rules, so that not much has to happen before something does."""
    project = access.create_project("Anything")
    _rule(project, ("all", 30, {"model.id": "large"}))
    _rule(project, ("text", 1, {"tags": "vip"}))
    said = {"user_id": "mia", "prompt": "walrus", "completion": "otter", "prompt_tokens": 5, "completion_tokens": 3}
    _record(
        project,
        [
            ("a", 0.1, {**said, "model_id": "large"}),
            ("b", 20, {**said, "tags": ("vip",), "thread_id": "talk"}),
            ("c", 45, {**said, "model_id": "large", "environment": "staging"}),
        ],
    )
    return project


def act(project: Project, what: str, value: Any) -> None:
    """Let one of these happen."""
    _ACTS[what](project, value)


def ago(days: float) -> dt.datetime:
    """The moment so long ago, at a full minute."""
    return (timezone.now() - dt.timedelta(days=days)).replace(second=0, microsecond=0)


def _call(id: str, days: float | None, said: dict[str, Any]) -> GenerationRecord:
    if "feedback" in said:
        said = {**said, "feedback": revised(said["feedback"], id=f"{id}-{said['feedback'].id}")}
    return GenerationRecord(id=id, started_at=None if days is None else ago(days), **said)


def _record(project: Project, calls: list[tuple[str, float | None, dict[str, Any]]]) -> None:
    recording.record(project, [_call(*one) for one in calls])


def _amend(project: Project, one: tuple[str, float, dict[str, Any]]) -> None:
    with suppress(recording.UnknownId):
        recording.amend(project, _call(*one))


def _end(project: Project, one: tuple[str, float]) -> None:
    recording.record(project, [GenerationRecord(id=one[0], ended_at=ago(one[1]))])


def _step(project: Project, one: tuple[str, float, str]) -> None:
    recording.record(project, [StepRecord(id=one[0], started_at=ago(one[1]), user_id=one[2], input="Hi")])


def _judge(project: Project, one: tuple[str, str]) -> None:
    recording.record(project, [ScoreRecord(id=f"{one[1]}-{one[0]}", name="quality", value=1.0, generation_id=one[1])])


def _retag(project: Project, one: tuple[str, bool]) -> None:
    recording.retag(project, "generation", [one[0]], **{"add" if one[1] else "remove": ["vip"]})


def _reprice(project: Project, price: int) -> None:
    PriceOverride.objects.filter(project=project).delete()
    PriceOverride.objects.create(project=project, match="large", input_price=price, output_price=price)
    recording.reprice(project, list(IDS))


def _delete(project: Project, one: tuple[str, str]) -> None:
    id = {"step": "run", "thread": "talk"}.get(one[0], one[1])
    with suppress(holds.Held):
        removing.erase(access.of_system(project), one[0], id)


def _unsay(project: Project, one: tuple[str, tuple[str, str]]) -> None:
    with suppress(holds.Held):
        removing.erase(access.of_system(project), one[0], f"{one[1][0]}-{one[1][1]}")


def _rule(project: Project, one: tuple[str, int | None, dict[str, Any]]) -> None:
    what, days, document = one
    retention.add_rule(access.of_system(project), kind="generations", what=what, days=days, document=document)


def _hold(project: Project, document: dict[str, Any]) -> None:
    retention.add_hold(access.of_system(project), reason="Case", kind="generations", document=document)


def _release(project: Project, _: None) -> None:
    hold = LegalHold.objects.filter(project=project, released_at=None).first()
    if hold is not None:
        retention.release_hold(access.of_system(project), hold.pk)


def _expire(project: Project, _: None) -> None:
    retention.plan(project, is_dry=False)


def _erase(project: Project, id: str) -> None:
    with suppress(retention.NoSuchParticipant, holds.Held):
        assert retention.run_erasure(retention.erase(access.of_system(project), id).pk)


def _compact(_: Project, until: float | None) -> None:
    rollups.compact(now=None if until is None else ago(until))


def _extract(_: Project, __: None) -> None:
    search.fill(5)
    search.renew()


_ACTS: Final[dict[str, Callable[[Project, Any], None]]] = {
    "record": _record,
    "amend": _amend,
    "end": _end,
    "step": _step,
    "judge": _judge,
    "retag": _retag,
    "reprice": _reprice,
    "delete": _delete,
    "unsay": _unsay,
    "rule": _rule,
    "hold": _hold,
    "release": _release,
    "expire": _expire,
    "erase": _erase,
    "compact": _compact,
    "extract": _extract,
}
