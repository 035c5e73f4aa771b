"""What an evaluation is asked for: checked, reckoned, tried on one case, and begun as a job."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from generations import datasets, filters, verdicts
from generations.access import Grant, Scope
from generations.evaluating import answering, keeping, subjects
from generations.evaluating.scoring import Finding, Models, Scorer, Used, keep
from generations.evaluating.subjects import Case
from generations.experiments.keeping import MAX_NAME
from generations.ingest.values import UnknownField
from generations.models import Dataset, Job
from generations.records import InvalidRecord, Json

OF: Final = ("versions", "dataset", "generations", "backfill")
FIELDS: Final = (
    *("name", "of", "versions", "dataset", "datasetVersion", "split", "filter", "evaluators", "model"),
    *("maxItems", "maxCalls", "maxCost"),
)
"""What may be said of an evaluation."""
MOST_VERSIONS: Final = 2
MOST_EVALUATORS: Final = 20
MOST_ITEMS: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """An evaluation. `of` says of what; `experiments` are made when it begins, one for each version."""

    of: str
    name: str
    evaluators: tuple[Used, ...]
    versions: tuple[str, ...] = ()
    dataset: str | None = None
    dataset_version: int | None = None
    split: str = ""
    filter: dict[str, Json] = field(default_factory=dict)
    model: str | None = None
    max_items: int | None = None
    max_calls: int | None = None
    max_cost: Decimal | None = None
    experiments: tuple[str, ...] = ()
    mark: str = ""
    """What its calls say in `metadata.evaluation`: also those of a job that begins it again."""

    @classmethod
    def of_job(cls, job: Job) -> Asked:
        """What a job was asked for."""
        said = dict(job.parameters["evaluation"])
        said["evaluators"] = tuple(Used(**one) for one in said["evaluators"])
        for name in ("versions", "experiments"):
            said[name] = tuple(said[name])
        said["max_cost"] = None if said["max_cost"] is None else Decimal(said["max_cost"])
        return cls(**said)

    def parameters(self) -> dict[str, Any]:
        """What `of_job` reads again."""
        said = asdict(self)
        said["max_cost"] = None if self.max_cost is None else str(self.max_cost)
        return {"name": self.name, "evaluation": said}

    @property
    def models_of_evaluators(self) -> list[str]:
        """The models that evaluators call."""
        return [one.model for one in self.evaluators if one.model]


@dataclass(frozen=True, slots=True)
class Tried:
    """One case as an evaluation would have it: by each version its answer and what the evaluators say."""

    title: str
    case: Case
    findings: list[Finding]

    @property
    def output(self) -> str:
        """The answer as text."""
        return verdicts.plain(self.case.output)

    @property
    def expected(self) -> str:
        """What was expected, as text."""
        return verdicts.plain(self.case.expected)


def asked(grant: Grant, document: Mapping[str, Json]) -> Asked:
    """A document of an evaluation, checked. Needs `read`. Raises InvalidRecord, BadFilter, NoSuchDataset."""
    grant.need(Scope.READ)
    for name in document:
        if name not in FIELDS:
            raise UnknownField(str(name), document[name], FIELDS)
    of = document.get("of")
    if of in (None, ""):
        of = "versions" if document.get("versions") else "dataset" if document.get("dataset") else "generations"
    if of not in OF:
        raise InvalidRecord("of", of, f"one of {', '.join(OF)}")
    evaluators = _evaluators(grant, document.get("evaluators"), of)
    versions = [] if document.get("versions") is None else _texts("versions", document["versions"])
    if of == "versions" and not 1 <= len(versions) <= MOST_VERSIONS:
        raise InvalidRecord("versions", versions, "the ids of one or two prompt versions")
    if of != "versions" and versions:
        raise InvalidRecord("versions", versions, "none, because stored answers are evaluated")
    dataset = _dataset(grant, document, of)
    model = _maybe_text("model", document)
    called = answering.versions(grant, versions, model)
    condition = {} if document.get("filter") is None else document["filter"]
    if not isinstance(condition, Mapping):
        raise InvalidRecord("filter", condition, "a filter document")
    if of in ("generations", "backfill"):
        str(subjects.logged(grant.project, condition).query)
    split = _maybe_text("split", document) or ""
    made = Asked(
        of=of,
        name=(_maybe_text("name", document) or "").strip()
        or _name(grant, of, dataset, condition, [one.title for one in called], evaluators),
        evaluators=evaluators,
        versions=tuple(versions),
        dataset=None if dataset is None else str(dataset.pk),
        dataset_version=_version(dataset, document),
        split=split,
        filter=dict(condition),
        model=model,
        max_items=_count("maxItems", document, MOST_ITEMS),
        max_calls=_count("maxCalls", document, 10_000_000),
        max_cost=_money(document.get("maxCost")),
    )
    if len(made.name) > MAX_NAME:
        raise InvalidRecord("name", made.name, f"a text of at most {MAX_NAME} characters")
    answering.openable(grant, [*(one.model for one in called), *made.models_of_evaluators])
    return made


def preview(grant: Grant, asked: Asked) -> list[Tried]:
    """The first case, answered and scored, and nothing of it stored but the calls themselves. Needs `write`.

    Empty where there is no case.
    """
    grant.need(Scope.WRITE)
    first = next((batch[0] for batch in cases(grant, asked) if batch), None)
    if first is None:
        return []
    called = answering.versions(grant, asked.versions, asked.model)
    models = Models(grant, [*(one.model for one in called), *asked.models_of_evaluators])
    about: dict[str, Json] = {"evaluation": "preview"}
    made = []
    with verdicts.Apart() as apart:
        scorer = Scorer(asked.evaluators, models, apart, about)
        answers = [case for (case,) in answering.answered(models, called, [first], about)] or [first]
        for title, case in zip([one.title for one in called] or [asked.name], answers, strict=True):
            made.append(Tried(title, case, scorer.findings([case])[0]))
    keep(grant.project, models.kept.taken())
    return made


def count(grant: Grant, asked: Asked) -> int:
    """How many items there are, exactly, of those that may be taken."""
    dataset = _found(grant, asked)
    if dataset is None:
        found = subjects.logged(grant.project, asked.filter)
        return min(found.count(), asked.max_items or MOST_ITEMS)
    items = subjects.items_of(dataset, asked.dataset_version, asked.split)
    return min(items.count(), asked.max_items or MOST_ITEMS)


def cases(grant: Grant, asked: Asked) -> Any:
    """The cases in batches, as they are now."""
    most = asked.max_items or MOST_ITEMS
    dataset = _found(grant, asked)
    if dataset is not None:
        stored = asked.of == "dataset"
        yield from subjects.of_dataset(grant, dataset, asked.dataset_version, asked.split, most, stored=stored)
        return
    with subjects.keys_of_logged(grant.project, asked.filter) as keys:
        for batch in keys.batches(subjects.AT_ONCE):
            if most <= 0:
                return
            yield subjects.of_keys(grant.project, batch[:most])
            most -= len(batch)


# ------------------------------------------------------------------------------------------------------------ checking
def _evaluators(grant: Grant, given: Json, of: str) -> tuple[Used, ...]:
    ids = list(dict.fromkeys(_texts("evaluators", given or [])))
    if not 1 <= len(ids) <= (1 if of == "backfill" else MOST_EVALUATORS):
        expected = f"the ids or names of 1 to {MOST_EVALUATORS} evaluators"
        if of == "backfill":
            expected = "one evaluator: each has a backfill of its own"
        raise InvalidRecord("evaluators", ids, expected)
    used: list[Used] = []
    for place, id in enumerate(ids):
        row = keeping.find(grant, id) or keeping.named(grant, id)
        if row is None or row.archived_at is not None:
            expected = "the id or the name of an evaluator of this project that is in use"
            raise InvalidRecord(f"evaluators[{place}]", id, expected)
        if any(other.score_name == row.score_name for other in used):
            raise InvalidRecord(f"evaluators[{place}]", row.name, f"one that gives another score than {row.score_name}")
        used.append(Used.of(row))
    return tuple(used)


def _dataset(grant: Grant, document: Mapping[str, Json], of: str) -> Dataset | None:
    id = _maybe_text("dataset", document)
    if of in ("generations", "backfill"):
        if id:
            raise InvalidRecord("dataset", id, "none, because logged generations are evaluated")
        return None
    if not id:
        raise InvalidRecord("dataset", id, "the id of a dataset of this project")
    found = datasets.find(grant, id)
    if found is None:
        raise InvalidRecord("dataset", id, "the id of a dataset of this project")
    return found


def _version(dataset: Dataset | None, document: Mapping[str, Json]) -> int | None:
    given = _count("datasetVersion", document, 2_000_000_000)
    if dataset is None:
        return None
    if given is not None and given > dataset.version:
        raise InvalidRecord("datasetVersion", given, f"a version from 1 to {dataset.version}")
    return given or dataset.version


def _found(grant: Grant, asked: Asked) -> Dataset | None:
    return None if asked.dataset is None else Dataset.objects.get(project=grant.project, pk=uuid.UUID(asked.dataset))


def _texts(name: str, given: Json) -> list[str]:
    if not isinstance(given, list | tuple) or not all(isinstance(one, str) and "\0" not in one for one in given):
        raise InvalidRecord(name, given, "a list of ids")
    return list(given)


def _maybe_text(name: str, document: Mapping[str, Json]) -> str | None:
    value = document.get(name)
    if not isinstance(value, str | None) or (value and "\0" in value):
        raise InvalidRecord(name, value, "a text")
    return value or None


def _count(name: str, document: Mapping[str, Json], most: int) -> int | None:
    value = document.get(name)
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most:
        return int(value)
    raise InvalidRecord(name, value, f"a whole number from 1 to {most:,}")


def _money(value: Json) -> Decimal | None:
    if value is None:
        return None
    try:
        amount = Decimal(str(value)) if isinstance(value, str | int | float) and not isinstance(value, bool) else None
    except InvalidOperation:
        amount = None
    if amount is None or not amount.is_finite() or not 0 < amount <= 10**9:
        raise InvalidRecord("maxCost", value, "an amount of money above 0, such as 1.50")
    return amount


def _name(
    grant: Grant,
    of: str,
    dataset: Dataset | None,
    document: Mapping[str, Json],
    titles: Sequence[str],
    evaluators: Sequence[Used],
) -> str:
    if dataset is not None:
        what = " and ".join(titles) or "stored answers"
        return f"{what} on {dataset.name}"[:MAX_NAME]
    condition = filters.from_document("generations", document)
    what = filters.sentence("generations", condition) if condition else "all generations"
    return (f"{evaluators[0].name}: {what}" if of == "backfill" else what)[:MAX_NAME]
