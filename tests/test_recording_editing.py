"""What is recorded can be amended, priced anew, tagged and deleted."""

import datetime as dt
from decimal import Decimal

import pytest

from generations import access, bundles, recording
from generations.models import (
    Feedback,
    Generation,
    GenerationPayload,
    PriceOverride,
    Project,
    Score,
    Step,
    Thread,
)
from generations.records import (
    FeedbackRecord,
    GenerationRecord,
    InvalidRecord,
    ScoreRecord,
    StepRecord,
)
from generations.retention import removing
from tests.recorded import NOW, one

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return access.create_project("Recording")


def test_amending_an_unknown_id_writes_nothing(project: Project) -> None:
    with pytest.raises(recording.UnknownId, match="There is no generation 'nope' in this project"):
        recording.amend(project, GenerationRecord(id="nope", release="1"))

    assert Generation.objects.in_project(project.pk).count() == 0


def test_amending_moves_a_known_start(project: Project) -> None:
    recording.record(project, [GenerationRecord(id="g1", started_at=NOW, completion="x")])

    recording.amend(project, GenerationRecord(id="g1", started_at=NOW - dt.timedelta(days=90)))

    bundle = bundles.generation(project, "g1")
    assert bundle is not None
    assert bundle.generation.started_at == NOW - dt.timedelta(days=90)
    assert bundle.record.completion == "x"


def test_amending_with_a_bad_value_says_so_and_changes_nothing(project: Project) -> None:
    recording.record(project, [GenerationRecord(id="g1", release="1")])

    with pytest.raises(InvalidRecord, match="latency"):
        recording.amend(project, GenerationRecord(id="g1", release="2", latency=-1.0))

    assert one(project).release == "1"


def test_a_given_cost_stays(project: Project) -> None:
    recording.record(
        project,
        [GenerationRecord(id="g1", model_id="gpt-4", prompt_tokens=1, completion_tokens=1, cost=Decimal("7"))],
    )

    recording.record(project, [GenerationRecord(id="g1", completion_tokens=100)])

    assert (one(project).cost, one(project).cost_source) == (Decimal(7), "given")
    assert recording.reprice(project, ["g1"]) == 0


def test_repricing_uses_the_projects_own_price_and_keeps_the_arithmetic(project: Project) -> None:
    call = GenerationRecord(id="g1", model_id="own-model", started_at=NOW, prompt_tokens=1000, completion_tokens=10)
    recording.record(project, [call])
    assert one(project).cost is None
    override = PriceOverride.objects.create(
        project=project, match="own-*", currency="EUR", input_price=Decimal(2), output_price=Decimal(6)
    )

    changed = recording.reprice(project, ["g1", "unknown"])

    row = one(project)
    assert changed == 1
    assert (row.cost, row.currency, row.cost_source) == (Decimal("0.00206"), "EUR", f"override:{override.pk}")
    payload = GenerationPayload.objects.in_project(project.pk).get()
    assert [line["tokens"] for line in payload.cost_arithmetic["lines"]] == [1000, 10]


def test_tags_are_added_and_removed_in_order(project: Project) -> None:
    recording.record(project, [GenerationRecord(id="g1", tags=("a", "b")), GenerationRecord(id="g2", tags=("b",))])

    changed = recording.retag(project, "generation", ["g1", "g2", "g3"], add=["c"], remove=["a"])

    assert changed == 2
    assert one(project).tags == ["b", "c"]
    assert recording.retag(project, "generation", ["g1"], add=["c"]) == 0


def test_removing_a_thread_takes_all_that_is_in_it(project: Project) -> None:
    recording.record(
        project,
        [
            StepRecord(id="s", thread_id="t", scores=(ScoreRecord(name="n", value=1.0),)),
            GenerationRecord(
                id="g", step_id="s", scores=(ScoreRecord(name="n", value=1.0),), feedback=FeedbackRecord(rating=1)
            ),
            GenerationRecord(id="other"),
        ],
    )

    assert removing.remove_threads(project, ["t"]) == 1

    assert list(Generation.objects.in_project(project.pk).values_list("public_id", flat=True)) == ["other"]
    for model in (Thread, Step, Score, Feedback):
        assert model.objects.in_project(project.pk).count() == 0
    assert GenerationPayload.objects.in_project(project.pk).count() == 1


def test_deleting_in_another_project_deletes_nothing(project: Project) -> None:
    other = access.create_project("Other")
    recording.record(project, [GenerationRecord(id="g1")])

    assert recording.delete(other, "generation", ["g1"]) == 0
    assert one(project).public_id == "g1"
