"""Prices and what they would change, the audit log, and the page of a user."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from generations import access, exporting, providers, recording, repricing, retention
from generations.access import Grant, NotAllowed
from generations.metrics import TooSlow
from generations.models import AuditEntry, Generation, Job, PriceOverride, Project, User
from generations.models.accounts import Role
from generations.records import FeedbackRecord, GenerationRecord, ParticipantRecord, Record, ScoreRecord
from generations.repricing import BadPrice
from generations.web import sums
from tests import web

pytestmark = pytest.mark.django_db

HOSTILE = "<script>alert(1)</script>"
SEEN = r"(?:\w{3} \d\d [\d:]{8}|\d{4}-\d\d-\d\d [\d:]{5})"
"""A moment in a list: of this year, or of another."""


@pytest.fixture
def project() -> Project:
    return web.project()


@pytest.fixture
def grant(project: Project) -> Grant:
    return access.of_system(project)


def counted(project: Project, client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert client.get(address).status_code == 200
    return len(queries)


# -------------------------------------------------------------------------------------------------------------- prices
def calls(project: Project) -> None:
    common: dict[str, Any] = {"started_at": web.NOON, "model_id": "house-model", "completion_tokens": 0}
    recording.record(
        project,
        [
            GenerationRecord(id="plain", prompt_tokens=1_000_000, **common),
            GenerationRecord(id="half", prompt_tokens=500_000, **common),
            GenerationRecord(id="given", prompt_tokens=1_000_000, cost=Decimal("7"), currency="USD", **common),
            GenerationRecord(id="unknown", **common),
        ],
    )


def costs(project: Project) -> dict[str, Decimal | None]:
    return dict(Generation.objects.in_project(project.pk).values_list("public_id", "cost"))


def test_what_prices_would_change_is_counted_first_and_then_done(project: Project, grant: Grant) -> None:
    calls(project)
    repricing.add(grant, match="house-*", prices={"input_price": "2", "output_price": "3"})

    dry = repricing.start(grant, is_dry=True)
    repricing.run(dry.pk)
    dry.refresh_from_db()
    assert (dry.state, dry.result["changed"], dry.result["looked at"]) == ("done", 2, 4)
    assert {code: Decimal(sum_) for code, sum_ in dry.result["after"].items()} == {"USD": Decimal(3)}
    assert dry.result["before"] == {}
    assert costs(project) == {"plain": None, "half": None, "given": Decimal(7), "unknown": None}

    wet = repricing.start(grant, is_dry=False, document={"id": "plain"})
    repricing.run(wet.pk)
    wet.refresh_from_db()
    assert wet.result["changed"] == 1
    assert costs(project)["plain"] == Decimal(2)

    again = repricing.start(grant, is_dry=True)
    repricing.run(again.pk)
    again.refresh_from_db()
    assert again.result["changed"] == 1


def test_what_is_reckoned_again_is_what_was_asked_for_and_never_more(project: Project) -> None:
    admin = web.signed_in(project, Role.ADMIN)
    address = "/projects/shop/settings/prices/reckon/"
    long = "model.id=x&" + "&".join(f"tags={n}{'t' * 90}" for n in range(100))

    admin.post(address, {"filter": "https://here.example/projects/shop/generations/?model.id=x&order=timestamp"})
    assert [job.parameters["filter"] for job in Job.objects.all()] == [{"model.id": "x"}]
    # A filter that is cut, and words of the search page that no filter is made of, would let all through.
    for asked in (long, "/projects/shop/search/?q=boots", "boots"):
        assert "filter" in web.text(admin.post(address, {"filter": asked}, follow=True))
        assert Job.objects.count() == 1


def test_models_without_a_price_are_listed_with_their_counts_and_a_way_to_give_one(project: Project) -> None:
    admin, member = web.signed_in(project, Role.ADMIN), web.signed_in(project, Role.MEMBER, "mem")
    address = "/projects/shop/settings/prices/"
    tokens: dict[str, Any] = {"prompt_tokens": 5, "completion_tokens": 1, "started_at": timezone.now()}
    named = {"house & co": ("vllm", 3), "gpt-4o": ("openai", 1), "alone": (None, 1)}
    recording.record(
        project,
        [
            GenerationRecord(id=f"{model}-{n}", model_id=model, provider=provider, **tokens)
            for model, (provider, count) in named.items()
            for n in range(count)
        ],
    )
    recording.record(project, [GenerationRecord(id="early", model_id="gpt-4o", provider="openai")])
    told = "house & co vllm 3 3 Set a price alone — 1 1 Set a price gpt-4o openai 1 2 tokens unknown, or from before"
    before = counted(project, admin, address)

    page = admin.get(address)

    assert told in web.text(page)
    [price] = [link for link in web.links(page) if "house" in link and "match=" in link]
    form = {field.get("name"): field.get("value") for field in web.tags(admin.get(f"{address}{price}"), "input")}
    assert (form["match"], form["provider"]) == ("house & co", "vllm")
    lists = [link for link in web.links(page) if "usage.cost__exists" in link]
    assert sorted(len(web.ids(admin.get(link))) for link in lists) == [1, 1, 3]
    assert "Set a price" not in web.text(member.get(address))

    recording.record(project, [GenerationRecord(id=f"m{n}", model_id=f"model-{n}", **tokens) for n in range(60)])
    assert "the 50 models with the most" in web.text(admin.get(address))
    assert counted(project, admin, address) == before


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"match": "", "prices": {"input_price": "1"}}, "match"),
        ({"match": "x", "prices": {}}, "at least one price"),
        ({"match": "x", "prices": {"input_price": "-1"}}, "input_price"),
        ({"match": "x", "prices": {"output_price": "nan"}}, "output_price"),
        ({"match": "x", "currency": "$", "prices": {"input_price": "1"}}, "currency"),
    ],
)
def test_a_price_that_cannot_be_is_refused(grant: Grant, values: dict[str, Any], words: str) -> None:
    with pytest.raises(BadPrice, match=words):
        repricing.add(grant, **values)
    assert PriceOverride.objects.count() == 0


def test_prices_are_kept_on_the_page_by_administrators_alone(project: Project) -> None:
    admin, member = web.signed_in(project, Role.ADMIN), web.signed_in(project, Role.MEMBER, "mem")
    stranger = web.signed_in(web.project("Other"), Role.OWNER, "zoe")
    address = "/projects/shop/settings/prices/"
    sent = {"match": HOSTILE, "currency": "eur", "input_price": "2,5", "valid_from": "2026-03-01"}

    assert "a day such as" in web.text(admin.post(address, {**sent, "valid_to": "soon"}))
    admin.post(address, sent)
    row = PriceOverride.objects.get()
    assert (row.currency, row.input_price) == ("EUR", Decimal("2.5"))
    shown = admin.get(address)
    assert "€2.50" in web.text(shown)
    assert "<script>alert" not in shown.content.decode()

    assert member.get(address).status_code == 200
    for path, data in ((address, sent), (f"{address}{row.pk}/remove/", {}), (f"{address}reckon/", {"dry": "1"})):
        assert member.post(path, data).status_code == 403
        assert stranger.post(path, data).status_code == 404
    assert stranger.post(f"{address}{row.pk}/remove/".replace("/shop/", "/other/")).status_code == 404

    begun = admin.post(f"{address}reckon/", {"dry": "1", "filter": "model.id=x"})
    job = Job.objects.get()
    assert begun.headers["Location"] == f"/projects/shop/jobs/{job.pk}/"
    assert (job.parameters, PriceOverride.objects.count()) == ({"dry": True, "filter": {"model.id": "x"}}, 1)
    repricing.run(job.pk)
    assert "0 calls would change" in web.text(admin.get(address))
    with pytest.raises(NotAllowed):
        repricing.start(Grant(project=project, scopes=frozenset()), is_dry=True)


# --------------------------------------------------------------------------------------------------------------- audit
def test_the_audit_log_is_narrowed_and_paged_for_administrators(project: Project, grant: Grant) -> None:
    admin = web.signed_in(project, Role.ADMIN)
    for n in range(60):
        access.audit(grant, "dataset.create" if n % 2 else "key.create", "dataset", str(n), {"name": HOSTILE})
    access.audit(access.of_system(web.project("Other")), "dataset.create", "dataset", "theirs")
    address = "/projects/shop/settings/audit/"

    first = admin.get(f"{address}?action=dataset.")
    one = admin.get(f"{address}?kind=dataset&id=59&actor=system")
    whole = admin.get(address)
    older = next(str(tag["href"]) for tag in web.tags(whole, "a") if tag.get("rel") == "next")
    rest = admin.get(address + older)

    assert len(web.tags(first, "tr")) == 31
    assert "key.create" not in web.text(first)
    assert len(web.tags(one, "tr")) == 2
    assert (len(web.tags(whole, "tr")), len(web.tags(rest, "tr"))) == (51, 11)
    assert "theirs" not in web.text(whole) + web.text(rest)
    assert "<script>alert" not in whole.content.decode()
    assert "Nothing matches" in web.text(admin.get(f"{address}?actor=nobody"))
    assert web.signed_in(project, Role.MEMBER, "mem").get(address).status_code == 403
    assert web.signed_in(web.project("Third"), Role.OWNER, "tom").get(address).status_code == 404
    assert AuditEntry.objects.filter(project=project).count() == 60


# --------------------------------------------------------------------------------------------------------------- users
def used(project: Project, count: int, *, currency: str = "USD") -> None:
    now = timezone.now() - dt.timedelta(hours=2)
    made: list[Record] = []
    for n in range(count):
        id = f"{currency}-{n}"
        made.append(
            GenerationRecord(
                id=id,
                started_at=now,
                user_id="mia",
                thread_id=f"t-{n}",
                cost=Decimal("0.5"),
                currency=currency,
                total_tokens=10,
                error=HOSTILE if n == 0 else None,
            )
        )
        made.append(ScoreRecord(id=f"s-{id}", name="kind", value=n, generation_id=id))
        made.append(FeedbackRecord(id=f"f-{id}", generation_id=id, thumbs="up", comment=HOSTILE))
    recording.record(project, made)


def test_a_users_page_tells_what_they_did_cost_and_said(project: Project) -> None:
    client = web.signed_in(project)
    used(project, 4)
    recording.record(project, [web.call(0, user_id="zoe", cost=Decimal("64"), started_at=timezone.now())])

    page = client.get("/projects/shop/users/mia/?days=7")
    opened = client.get("/projects/shop/users/mia/?list=id__startsWith%3Dm")
    assert "/projects/shop/users/?id__startsWith=m" in web.links(opened)
    assert "?days=90&list=id__startsWith%3Dm" in web.links(opened)

    words = web.text(page)
    assert "Calls 4 Cost $2.00 Tokens 40 Errors 25 %" in words
    assert "kind 1.5 of 4" in words
    assert "/projects/shop/threads/t-3/" in web.links(page)
    assert "/projects/shop/generations/USD-0/" in web.links(page)
    assert "<script>alert" not in page.content.decode()
    assert "/erase/" not in page.content.decode()
    assert "/erase/" in web.signed_in(project, Role.ADMIN, "ann").get("/projects/shop/users/mia/").content.decode()


def test_money_of_several_currencies_is_not_added_up_for_a_user(project: Project) -> None:
    used(project, 2)
    used(project, 1, currency="EUR")

    words = web.text(web.signed_in(project).get("/projects/shop/users/mia/"))

    assert "Calls 3 Cost €0.50 + $1.00 Tokens 30" in words


def test_the_list_of_users_tells_what_each_cost_and_since_when_they_are_known(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sums, "PATIENCE", 60.0)
    used(project, 2)
    used(project, 1, currency="EUR")
    used(web.project("Other"), 4)
    # A call that is imported now may be older than the row of whom it was made for.
    long_ago = dt.datetime(2026, 3, 2, 10, 20, tzinfo=dt.UTC)
    recording.record(
        project,
        [
            GenerationRecord(id="old", user_id="zoe", started_at=long_ago),
            ParticipantRecord(id="ann", seen_at=timezone.now()),
        ],
    )

    client = web.signed_in(project)

    page = client.get("/projects/shop/users/")
    words = web.text(page)

    # Last seen, user, first seen, generations, errors, tokens, cost.
    assert re.search(rf" mia {SEEN} 3 2 30 €0\.50 \+ \$1\.00 Threads", words)
    assert re.search(rf" ann {SEEN} 0 0 — — Threads", words)
    assert re.search(" zoe (Mar 02 10:20:00|2026-03-02 10:20) 1 0 — — Threads", words)
    assert "2026-03-02 10:20:00" in web.text(client.get("/projects/shop/users/zoe/"))


def test_the_list_of_users_does_not_wait_for_what_takes_too_long(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    used(project, 2)

    def endless(*_: object, timeout: float) -> None:
        raise TooSlow(timeout)

    monkeypatch.setattr("generations.metrics.belonging.of_each", endless)
    words = web.text(web.signed_in(project).get("/projects/shop/users/"))

    assert re.search(rf" mia {SEEN} — — — — Threads", words)


def test_another_projects_user_is_not_there(project: Project) -> None:
    used(web.project("Other"), 1)
    client = web.signed_in(project)

    assert client.get("/projects/shop/users/mia/").status_code == 404
    assert client.get("/projects/other/users/mia/").status_code == 404
    assert Client().get("/projects/shop/users/mia/").status_code == 302


def furnished(grant: Grant, name: str) -> None:
    """A key, a hold, a rule, a provider and a job, each by somebody of its own."""
    web.signed_in(grant.project, Role.ADMIN, name)
    theirs = access.by_user(User.objects.get(username=name), grant.project.slug)
    access.create_key(theirs, name=name, scopes=["read"])
    retention.add_hold(theirs, reason=name, kind="generations", document={})
    retention.add_rule(theirs, kind="generations", what="text", days=9, document={"model.id": name})
    providers.save(theirs, kind="openai", name=name, secret="k", endpoint="")
    exporting.start(theirs, kind="generations", format="jsonl", condition_document={})


def test_a_users_page_and_settings_take_as_many_queries_for_one_as_for_fifty(project: Project, grant: Grant) -> None:
    client = web.signed_in(project, Role.ADMIN)
    used(project, 1)
    repricing.add(grant, match="a", prices={"input_price": "1"})
    addresses = [
        "/projects/shop/users/mia/",
        "/projects/shop/settings/prices/",
        "/projects/shop/settings/audit/",
        *(f"/projects/shop/settings/{room}" for room in ("members/", "", "keys/", "retention/", "providers/")),
        "/projects/shop/jobs/",
    ]
    furnished(grant, "first")
    few = [counted(project, client, address) for address in addresses]
    used(project, 40)
    for n in range(15):
        repricing.add(grant, match=f"m{n}", prices={"input_price": "1"})
        web.signed_in(project, Role.VIEWER, f"v{n}")
        furnished(grant, f"m{n}")

    assert [counted(project, client, address) for address in addresses] == few
