"""Evaluations: what is scored of datasets, prompt versions and logged generations, and what stands where nothing is."""

import pytest

from generations import experiments
from generations.models import Experiment, ExperimentItem, Job
from tests import evaluations as made

pytestmark = pytest.mark.django_db


def test_stored_answers_of_a_dataset_are_compared_with_what_was_expected() -> None:
    grant = made.granted()
    own = made.dataset(grant, made.stored("2+2?", "4", "4"), made.stored("3+3?", "6", "It is 7."), {"input": "?"})
    exact = made.evaluator(grant)
    number = made.evaluator(grant, "numeric", absolute=1)

    job = made.done(grant, [exact, number], dataset=str(own.pk))

    assert (job.state, job.error, job.progress_done, job.progress_total) == ("done", "", 3, 3)
    assert {name: job.result[name] for name in ("items", "scored", "unscored", "calls", "cost", "stopped")} == {
        "items": 3,
        "scored": 4,
        "unscored": 2,
        "calls": 0,
        "cost": "0",
        "stopped": "",
    }
    why = (
        "There is no answer to score. Nothing is stored as its output: it is not from a generation or step, and "
        "metadata.output is absent."
    )
    assert sorted(made.scores(grant), key=str) == sorted(
        [
            ("exact", 0.0, None),
            ("exact", 1.0, None),
            ("exact", None, why),
            ("numeric", 1.0, "4 where 4 was expected, and 1 allowed"),
            ("numeric", 1.0, "7 where 6 was expected, and 1 allowed"),
            ("numeric", None, why),
        ],
        key=str,
    )
    [experiment] = Experiment.objects.all()
    assert (experiment.name, experiment.dataset_id) == ("stored answers on Questions", own.pk)
    compared = experiments.compare(grant, [experiment])
    assert {name: mean.mean for name, mean in compared.runs[0].means.items()} == {"exact": 0.5, "numeric": 1.0}
    assert ExperimentItem.objects.count() == 3
    assert Job.objects.count() == 1
