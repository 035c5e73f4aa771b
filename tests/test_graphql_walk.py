"""Every field of the schema, by every way to it, asked by every kind of caller: nothing of another project is told."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from graphql import GraphQLSchema

from generations import access
from generations.access import Scope
from generations.models import ApiKey, Membership
from generations.models.accounts import Role
from tests import web
from tests.asking import Answer, Door, answer_of, door
from tests.exports import folder
from tests.furnishing import Room, furnished
from tests.walking import Edge, edges, introspected

__all__ = ["door", "folder"]
pytestmark = pytest.mark.django_db
WAYS = 6
"""Ways to one field that are walked: the shortest, which come by different lists and rows."""


def arguments(room: Room) -> dict[str, str]:
    """What is said to fields that need something said, of what is in a room."""
    ids, word = room.ids, room.word
    numbers = {f"Group.{name}": 'field: "usage.totalTokens"' for name in
               ("sum", "avg", "min", "max", "p50", "p90", "p95", "p99", "distinct")}  # fmt: skip
    return numbers | {
        "Group.key": 'name: "model.id"',
        "Query.aggregateGenerations": 'groupBy: [{field: "model.id"}]',
        "Query.generation": 'id: "g"',
        "Query.step": 'id: "s"',
        "Query.thread": 'id: "t"',
        "Query.participant": 'id: "p"',
        "Query.score": 'id: "on-generation"',
        "Query.export": f'id: "{ids["export"]}"',
        "Query.tag": f'name: "{word}"',
        "Query.dataset": f'name: "Set {word}"',
        "Query.datasetFill": f'id: "{ids["fill"]}"',
        "Query.prompt": f'id: "{ids["prompt"]}"',
        "Query.promptVersion": f'name: "prompt {word}", label: "l"',
        "Query.experiment": f'id: "{ids["experiment"]}"',
        "Query.reviewQueue": f'id: "{ids["queue"]}"',
        "Query.evaluator": f'id: "{ids["evaluator"]}"',
        "Query.evaluation": f'id: "{ids["evaluation"]}"',
        "Query.erasure": f'id: "{ids["erasure"]}"',
        "Query.erasurePreview": 'participantId: "p"',
        "Query.evaluationEstimate": f'input: {{evaluators: ["{ids["judge"]}"], dataset: "{ids["dataset"]}"}}',
    }


def ways(schema: GraphQLSchema, room: Room) -> list[Edge]:
    """The ways that are walked in a room."""
    found: dict[str, list[Edge]] = defaultdict(list)
    for edge in edges(schema, arguments(room)):
        if len(found[edge.name]) < WAYS:
            found[edge.name].append(edge)
    return [edge for some in found.values() for edge in some]


def arrived(data: Any, edge: Edge) -> bool:
    """Whether there was something at the end of the way."""
    found = [data]
    for part in edge.path:
        name = part.partition("(")[0]
        below = [one.get(name) for one in found]
        found = [row for one in below for row in (one if isinstance(one, list) else [one]) if row is not None]
    return bool(found)


def test_nothing_of_another_project_is_told_by_any_field(door: Door) -> None:
    theirs, ours = furnished("THEIRS"), furnished("OURS")
    schema = introspected(door)
    secrets = {*theirs.ids.values(), theirs.word, theirs.word.lower(), theirs.door.project.slug}
    never: set[str] = set()
    met: set[str] = set()
    told: list[tuple[str, str]] = []

    for room in (theirs, ours):
        for edge in ways(schema, room):
            own = theirs.door.ask(edge.query) if room is theirs else None
            if own is not None:
                assert own.errors == [], (edge.query, own.errors)
                (met if arrived(own.data, edge) else never).add(edge.name)
            answer = ours.door.ask(edge.query)
            assert answer.status < 500 and "INTERNAL" not in answer.codes, (edge.query, answer.errors)
            said = str(answer.data)
            told += [(edge.query, word) for word in secrets if word in said]

    assert told == []
    # A field that the walk found nothing behind was not tried: furnish the rooms with what it shows.
    assert sorted(never - met) == []


ENOUGH = {
    Scope.READ: {Scope.READ, Scope.WRITE, Scope.ADMIN},
    Scope.ADMIN: {Scope.ADMIN},
}
NO_SCOPE = {"me"}
KEYS_ONLY = {"keys", "erasurePreview"}


def roots(schema: GraphQLSchema, room: Room) -> dict[str, str]:
    """The least that can be asked of each field of the query."""
    return {
        edge.path[0].partition("(")[0]: f"{{ {edge.path[0]} {{ __typename }} }}"
        for edge in edges(schema, arguments(room))
        if len(edge.path) == 1
    }


def test_every_question_is_refused_to_whoever_may_not_ask_it(door: Door) -> None:
    room = furnished("OURS")
    token = room.door.key(Scope.READ)
    spoilt = {name: access.create_key(room.door.grant, name=name, scopes=[Scope.READ])[1] for name in ("old", "gone")}
    moment = timezone.now() - dt.timedelta(days=1)
    ApiKey.objects.filter(hash=access.hash_of(spoilt["old"])).update(expires_at=moment)
    ApiKey.objects.filter(hash=access.hash_of(spoilt["gone"])).update(revoked_at=moment)
    asked = roots(introspected(door), room)
    assert asked.keys() >= {"generations", "keys", "evaluationEstimate"}

    for name, query in asked.items():
        needed = Scope.ADMIN if name in KEYS_ONLY else Scope.READ
        for scope in Scope:
            answer = room.door.ask(query, token=room.door.key(scope))
            if name in NO_SCOPE or scope in ENOUGH[needed]:
                assert (answer.status, answer.errors) == (200, []), (name, scope)
            else:
                assert answer.codes == ["FORBIDDEN"] and not any((answer.data or {}).values()), (name, scope)
                assert f"'{needed}'" in answer.errors[0]["message"]
        for wrong in ("", "gen_nobody's", f"{token}x", *spoilt.values()):
            answer = room.door.ask(query, token=wrong)
            assert (answer.status, answer.data, answer.codes) == (401, None, ["UNAUTHENTICATED"]), (name, wrong)
        answer = room.door.ask(query, None, token=token, x_project=door.project.slug)
        assert (answer.status, answer.data, answer.codes) == (404, None, ["NOT_FOUND"]), name


@pytest.mark.parametrize("role", [None, *Role])
def test_a_person_asks_and_changes_what_their_role_allows_and_nothing_elsewhere(door: Door, role: Role | None) -> None:
    room = furnished("OURS")
    user, client = web.person("ann"), Client()
    client.force_login(user)
    if role is not None:
        Membership.objects.create(user=user, project=room.door.project, role=role)

    def ask(query: str, slug: str) -> Answer:
        return answer_of(client.post("/graphql/", {"query": query}, "application/json", headers={"X-Project": slug}))

    for name, query in roots(introspected(door), room).items():
        elsewhere = ask(query, door.project.slug)
        assert (elsewhere.status, elsewhere.data, elsewhere.codes) == (404, None, ["NOT_FOUND"]), name
        answer = ask(query, room.door.project.slug)
        if role is None:
            assert (answer.status, answer.data, answer.codes) == (404, None, ["NOT_FOUND"]), name
        elif name in KEYS_ONLY and role not in (Role.ADMIN, Role.OWNER):
            assert answer.codes == ["FORBIDDEN"], name
        else:
            assert (answer.status, answer.errors) == (200, []), name
    changed = ask('mutation { createTag(name: "new") { name } }', room.door.project.slug)
    code = "NOT_FOUND" if role is None else "FORBIDDEN" if role == Role.VIEWER else None
    assert changed.codes == ([] if code is None else [code])
