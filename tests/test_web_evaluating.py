"""Evaluators and Evaluate: made, tried, run, watched; what may not be is said beside the form."""

import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from generations import evaluating, recording, tasks
from generations.models import Evaluator, Experiment, Job
from generations.models.accounts import Role
from tests import evaluations as made
from tests.web import call, links, person, signed_in, text

pytestmark = pytest.mark.django_db


def test_a_member_makes_an_evaluator_and_is_told_what_is_wrong() -> None:
    grant = made.granted()
    client, place = signed_in(grant.project), f"/projects/{grant.project.slug}/evaluators/"

    empty = client.get(place)
    form = client.get(f"{place}new/numeric/")
    wrong = client.post(f"{place}new/numeric/", {"name": "near", "absolute": "much"})
    answer = client.post(f"{place}new/numeric/", {"name": "near", "absolute": "0,5", "score_name": "close"})
    again = client.post(f"{place}new/numeric/", {"name": "near"})
    [row] = Evaluator.objects.all()
    listed, shown = client.get(place), client.get(f"{place}{row.pk}/")

    assert "No evaluators yet" in text(empty)
    assert "A model as judge" in text(empty)
    assert "curl http://testserver/api/evaluations" in text(empty)
    assert form.status_code == 200
    assert (wrong.status_code, "options.absolute: 'much' is not valid; expected a number" in text(wrong)) == (400, True)
    assert (answer.status_code, answer["Location"]) == (302, f"{place}{row.pk}/")
    assert (row.name, row.kind, row.options) == ("near", "numeric", {"absolute": 0.5, "relative": 0.0})
    assert row.score_name == "close"
    assert "expected a name that no other evaluator of this project has" in text(again)
    assert "Number within a tolerance" in text(listed)
    assert "It has scored nothing yet." in text(shown)
    assert client.get(f"{place}new/guess/").status_code == 404


@pytest.mark.parametrize(
    "kind", ["exact", "contains", "regex", "json_schema", "similarity", "log_probability", "judge"]
)
def test_the_form_of_a_kind_makes_what_it_says(kind: str) -> None:
    grant = made.granted()
    client, place = signed_in(grant.project), f"/projects/{grant.project.slug}/evaluators/"
    every: dict[str, dict[str, object]] = {
        "contains": {"text": "a", "ignoreCase": True},
        "regex": {"pattern": "a+", "whole": True, "ignoreCase": False},
        "json_schema": {"schema": {"type": "object"}},
        "similarity": {"by": "letters"},
        "log_probability": {"model": "ngram:", "per": "text"},
        "judge": {"model": "ngram:", "criterion": "It is polite."},
    }
    options = every.get(kind, {"ignoreCase": False})
    said = {
        name: json.dumps(value) if isinstance(value, dict) else value if isinstance(value, str) else "true"
        for name, value in options.items()
        if value is not False
    }

    answer = client.post(f"{place}new/{kind}/", {"name": "mine", **said})
    row = Evaluator.objects.get()
    shown = client.get(answer["Location"])
    changed = client.post(answer["Location"], {"name": "renamed", **said})

    row.refresh_from_db()
    assert (row.options, row.kind, row.name, row.score_name) == (options, kind, "renamed", "renamed")
    assert (shown.status_code, changed.status_code) == (200, 302)


def test_an_evaluation_is_tried_run_watched_and_read() -> None:
    grant = made.granted()
    own = made.dataset(grant, made.stored("2+2?", "4", "4"), made.stored("3+3?", "6", "7"))
    exact = made.evaluator(grant)
    client, place = signed_in(grant.project), f"/projects/{grant.project.slug}/evaluate/"
    said = {"of": "dataset", "dataset": str(own.pk), "evaluator": str(exact.pk)}

    form = client.get(f"{place}?evaluator={exact.pk}")
    tried = client.post(place, {**said, "how": "try"})
    assert not Experiment.objects.exists()
    run = client.post(place, {**said, "how": "run"})
    [job] = Job.objects.all()
    tasks.run_job(str(job.pk))
    watched = client.get(run["Location"])
    [experiment] = Experiment.objects.all()

    assert "One or two prompt versions, over a dataset" in text(form)
    assert "Items 2 Calls 0 Cost, about nothing" in text(tried)
    assert "Asked 2+2? Expected 4 Answer 4 exact 1" in text(tried)
    assert run["Location"] == f"/projects/{grant.project.slug}/jobs/{job.pk}/"
    assert "Evaluation stored answers on Questions" in text(watched)
    assert f"/projects/{grant.project.slug}/experiments/{experiment.pk}/" in links(watched)
    page = text(client.get(f"/projects/{grant.project.slug}/experiments/{experiment.pk}/"))
    assert "exact 0.5" in page


def test_what_cannot_be_evaluated_is_said_beside_the_form() -> None:
    grant = made.granted()
    own = made.dataset(grant, made.stored("2+2?", "4", "4"))
    exact = made.evaluator(grant)
    client, place = signed_in(grant.project), f"/projects/{grant.project.slug}/evaluate/"
    right = {"of": "dataset", "dataset": str(own.pk), "evaluator": str(exact.pk), "how": "run"}

    for wrong, said in (
        ({"evaluator": ""}, "evaluators[0]"),
        ({"dataset": ""}, "dataset: null is not valid"),
        ({"of": "dreams"}, "of: 'dreams' is not valid"),
        ({"of": "versions", "version": ""}, "versions: [] is not valid; expected the ids of one or two"),
        ({"of": "versions", "version": "nobody"}, "versions[0]: 'nobody' is not valid"),
        ({"of": "generations", "filter": "modl.id=x"}, "did you mean model.id"),
        ({"of": "generations", "filter": "everything"}, "such as hasError=true"),
        ({"maxItems": "many"}, "maxItems: 'many' is not valid; expected a whole number from 1 to 100,000"),
        ({"maxCost": "-1"}, "maxCost: '-1' is not valid"),
    ):
        answer = client.post(place, {**right, **wrong})
        assert (answer.status_code, said in text(answer)) == (400, True), (wrong, text(answer)[:2000])
    assert not Job.objects.exists()
    assert not Experiment.objects.exists()


def test_a_viewer_looks_and_changes_nothing_and_a_stranger_finds_nothing() -> None:
    grant = made.granted()
    exact = made.evaluator(grant, "regex", pattern="a")
    place = f"/projects/{grant.project.slug}"
    viewer = signed_in(grant.project, Role.VIEWER, "viewer")
    other = made.granted("Other")
    stranger = signed_in(other.project, Role.ADMIN, "stranger")
    person("nobody")

    for path in ("evaluators/", f"evaluators/{exact.pk}/"):
        assert viewer.get(f"{place}/{path}").status_code == 200
        assert stranger.get(f"{place}/{path}").status_code == 404
        assert stranger.get(f"/projects/{other.project.slug}/evaluators/{exact.pk}/").status_code == 404
    assert "Evaluate with it" not in text(viewer.get(f"{place}/evaluators/{exact.pk}/"))
    for path in ("evaluate/", "evaluators/new/exact/"):
        assert viewer.get(f"{place}/{path}").status_code == 403
    for path in ("evaluate/", "evaluators/new/exact/", f"evaluators/{exact.pk}/trigger/",
                 f"evaluators/{exact.pk}/archive/", f"evaluators/{exact.pk}/"):  # fmt: skip
        assert viewer.post(f"{place}/{path}", {"name": "mine", "share": "50"}).status_code == 403
        assert stranger.post(f"{place}/{path}", {"name": "mine", "share": "50"}).status_code == 404
    for path in ("trigger/", "archive/"):
        there = f"/projects/{other.project.slug}/evaluators/{exact.pk}/{path}"
        assert stranger.post(there, {"share": "50"}).status_code == 404

    exact.refresh_from_db()
    assert (exact.name, exact.share, exact.archived_at) == ("regex", 0, None)


def test_a_trigger_is_kept_shown_and_ended() -> None:
    grant = made.granted()
    row = made.evaluator(grant, "regex", pattern="a")
    client, place = signed_in(grant.project), f"/projects/{grant.project.slug}/evaluators/{row.pk}/"

    wrong = client.post(f"{place}trigger/", {"share": "101", "filter": ""})
    bad = client.post(f"{place}trigger/", {"share": "5", "filter": "modl=1"})
    client.post(f"{place}trigger/", {"share": "12.5", "filter": "environment=production"})
    row.refresh_from_db()
    shown = client.get(place)

    assert (wrong.status_code, "share: 101.0 is not valid; expected percent, from 0 to 100" in text(wrong)) == (
        400,
        True,
    )
    assert (bad.status_code, "modl" in text(bad)) == (400, True)
    assert (row.share, row.filter) == (12.5, {"environment": "production"})
    assert row.scored_until is not None
    assert "12.5 % environment is production" in text(shown)
    client.post(f"{place}trigger/", {"share": "0", "filter": "environment=production"})
    row.refresh_from_db()
    assert row.share == 0
    assert row.scored_until is None


def test_what_is_put_away_scores_nothing_and_comes_back() -> None:
    grant = made.granted()
    row = made.evaluator(grant, "regex", pattern="a")
    evaluating.trigger(grant, row.pk, share=100)
    client, place = signed_in(grant.project), f"/projects/{grant.project.slug}/evaluators/"

    client.post(f"{place}{row.pk}/archive/", {"how": "archive"})
    row.refresh_from_db()
    away, there = text(client.get(f"{place}?archived=1")), text(client.get(place))
    shown = client.get(f"{place}{row.pk}/")
    client.post(f"{place}{row.pk}/archive/", {"how": "restore"})

    assert row.share == 0
    assert row.scored_until is None
    assert "regex Regular expression" in away
    assert "No evaluators yet" in there
    assert "Bring it back" in text(shown)
    assert len(evaluating.every(grant)) == 1


def test_pages_take_as_many_queries_for_one_as_for_fifty() -> None:
    grant = made.granted()
    client, place = signed_in(grant.project), f"/projects/{grant.project.slug}"
    rows = [made.evaluator(grant, "regex", "e0", pattern="[02468]$")]
    own = made.dataset(grant, made.stored("q0", "a0", "a0"))
    versions = [made.version(grant, "Say {{word}} 0")]
    recording.record(grant.project, [call(0)])
    jobs = [made.done(grant, rows, of="backfill")]
    paths = (
        "evaluators/", f"evaluators/{rows[0].pk}/", f"evaluate/?version={versions[0].public_id}",
        f"jobs/{jobs[0].pk}/",
    )  # fmt: skip

    def counts() -> list[int]:
        found = []
        for path in paths:
            with CaptureQueriesContext(connection) as queries:
                assert client.get(f"{place}/{path}").status_code == 200
            found.append(len(queries))
        return found

    counts()
    one = counts()
    rows += [made.evaluator(grant, "regex", f"e{n}", pattern=".") for n in range(1, 50)]
    versions += [made.version(grant, f"Say {{{{word}}}} {n}") for n in range(1, 50)]
    for n in range(1, 50):
        made.dataset(grant, name=f"d{n}")
    recording.record(grant.project, [call(n) for n in range(1, 50)])
    made.done(grant, rows[:1], of="backfill")
    for _ in range(49):
        made.begun(grant, rows[:1], dataset=str(own.pk))

    assert counts() == one
