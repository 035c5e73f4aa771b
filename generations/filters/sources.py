"""Where the value of a field comes from: a column, a key of a JSON column, the latest feedback, scores, a payload."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from django.db import models
from django.db.models import Avg, Case, Exists, ExpressionWrapper, F, OuterRef, Q, Subquery, Value, When
from django.db.models.expressions import Combinable

from generations import folding, horizons, identities
from generations.filters import sql
from generations.filters.comparing import Comparison
from generations.models import Feedback, GenerationPayload, GenerationSearch, Score, StepPayload
from generations.querysets import shown

Keys = tuple[str, ...]


class Source(Protocol):
    """How a field is read and asked about. `keys` are those behind a dynamic field, else empty."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The attributes of the list's model that are read."""

    @property
    def column(self) -> str | None:
        """The attribute that is the value itself, where there is one."""

    def expression(self, project_pk: int, keys: Keys) -> Combinable:
        """The value."""

    def number(self, project_pk: int, keys: Keys) -> Combinable:
        """The value as a number, NULL where it is none."""

    def where(self, project_pk: int, keys: Keys, test: Comparison) -> Q:
        """The rows whose value satisfies `test`."""


@dataclass(frozen=True, slots=True)
class Column:
    """An attribute of the list's model, or of a row it refers to (`created_by__username`)."""

    name: str

    @property
    def columns(self) -> tuple[str, ...]:
        """The attribute."""
        return (self.name.split("__")[0],)

    @property
    def column(self) -> str | None:
        """The attribute, unless it is another row's."""
        return None if "__" in self.name else self.name

    def expression(self, project_pk: int, keys: Keys) -> Combinable:
        """The column."""
        return F(self.name)

    def number(self, project_pk: int, keys: Keys) -> Combinable:
        """The column."""
        return F(self.name)

    def where(self, project_pk: int, keys: Keys, test: Comparison) -> Q:
        """The column compared."""
        return test.on(F(self.name))


@dataclass(frozen=True, slots=True)
class PublicId(Column):
    """The caller's id of an event. Equality goes by the key computed from it, which is the table's primary key."""

    kind: str

    def where(self, project_pk: int, keys: Keys, test: Comparison) -> Q:
        """The key compared, or for a part of the id the id itself."""
        if test.op in ("eq", "in"):
            uids = [identities.uid(project_pk, self.kind, str(value)) for value in test.values]
            return sql.one_of(F("uid"), uids, "::uuid[]")
        return test.on(F(self.name))


@dataclass(frozen=True, slots=True)
class Uuid(Column):
    """A column of UUIDs, asked about as text."""

    def where(self, project_pk: int, keys: Keys, test: Comparison) -> Q:
        """The column compared with those values that are UUIDs."""
        return test.on_uuid(F(self.name))


@dataclass(frozen=True, slots=True)
class Json(Column):
    """A JSON object, asked about by the keys in it."""

    @property
    def column(self) -> str | None:
        """None: the value is within."""
        return None

    def expression(self, project_pk: int, keys: Keys) -> Combinable:
        """The text behind the keys, or the object itself when none are given."""
        return sql.json_text(F(self.name), keys) if keys else F(self.name)

    def number(self, project_pk: int, keys: Keys) -> Combinable:
        """The number behind the keys."""
        return sql.json_number(F(self.name), keys)

    def where(self, project_pk: int, keys: Keys, test: Comparison) -> Q:
        """What is behind the keys compared."""
        return test.on_json(F(self.name), keys)


@dataclass(frozen=True, slots=True)
class Failed(Column):
    """Whether `name` (the error) is there, as `yes` or `no`: booleans, or the words of a status."""

    yes: str | bool
    no: str | bool

    @property
    def column(self) -> str | None:
        """None: the value is made from the column."""
        return None

    def expression(self, project_pk: int, keys: Keys) -> Combinable:
        """Either word, or true and false."""
        kind: models.Field[str | bool, str | bool] = (
            models.BooleanField() if isinstance(self.yes, bool) else models.TextField()
        )
        return Case(When(sql.present(F(self.name)), then=Value(self.yes)), default=Value(self.no), output_field=kind)

    def where(self, project_pk: int, keys: Keys, test: Comparison) -> Q:
        """A condition on the error alone, so that the index of failures serves it."""
        if test.op == "exists":
            return sql.always()
        wanted = [value == self.yes for value in test.values]
        if not wanted:
            return sql.never()
        if all(wanted):
            return Q(**{f"{self.name}__isnull": False})
        return sql.always() if any(wanted) else Q(**{f"{self.name}__isnull": True})


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A value that is not in the list's own row."""

    @property
    def columns(self) -> tuple[str, ...]:
        """None."""
        return ()

    @property
    def column(self) -> str | None:
        """None."""
        return None


@dataclass(frozen=True, slots=True)
class LatestFeedback(Elsewhere):
    """An attribute of a generation's latest feedback; unknown where nobody gave any."""

    name: str

    def _rows(self, project_pk: int) -> models.QuerySet[Feedback]:
        rows: models.QuerySet[Feedback] = Feedback.objects.in_project(project_pk).filter(
            is_latest=True, generation_id=OuterRef("public_id")
        )
        return rows

    def expression(self, project_pk: int, keys: Keys) -> Combinable:
        """The attribute, by a subquery on one index."""
        return Subquery(self._rows(project_pk).values(self.name)[:1])

    def number(self, project_pk: int, keys: Keys) -> Combinable:
        """The attribute."""
        return self.expression(project_pk, keys)

    def where(self, project_pk: int, keys: Keys, test: Comparison) -> Q:
        """There is such feedback."""
        return Q(Exists(self._rows(project_pk).filter(test.on(F(self.name)))))


@dataclass(frozen=True, slots=True)
class ScoreValue(Elsewhere):
    """The value of the scores of one name. Asked: at least one of them. Read: their average."""

    reference: str

    def _rows(self, project_pk: int, keys: Keys) -> models.QuerySet[Score]:
        rows: models.QuerySet[Score] = Score.objects.in_project(project_pk).filter(
            **{self.reference: OuterRef("public_id"), "name": keys[0]}
        )
        return rows

    def expression(self, project_pk: int, keys: Keys) -> Combinable:
        """The average of the values."""
        rows = self._rows(project_pk, keys).order_by().values("name").annotate(average=Avg("value"))
        return Subquery(rows.values("average"), output_field=models.FloatField())

    def number(self, project_pk: int, keys: Keys) -> Combinable:
        """The average of the values."""
        return self.expression(project_pk, keys)

    def where(self, project_pk: int, keys: Keys, test: Comparison) -> Q:
        """There is such a score."""
        return Q(Exists(self._rows(project_pk, keys).filter(test.on(F("value")))))


@dataclass(frozen=True, slots=True)
class Previews:
    """Texts that a person would read, any of which may match; the first stands for them when read."""

    names: tuple[str, ...]
    kind: str

    @property
    def columns(self) -> tuple[str, ...]:
        """All of them."""
        return self.names

    @property
    def column(self) -> str | None:
        """None: there may be several."""
        return None

    def expression(self, project_pk: int, keys: Keys) -> Combinable:
        """The first."""
        return _preview(project_pk, self.kind, self.names[0])

    def number(self, project_pk: int, keys: Keys) -> Combinable:
        """The first."""
        return self.expression(project_pk, keys)

    def where(self, project_pk: int, keys: Keys, test: Comparison) -> Q:
        """Any of them matches."""
        found = Q()
        for name in self.names:
            found |= test.on(_preview(project_pk, self.kind, name))
        return found


def _preview(project_pk: int, kind: str, name: str) -> Combinable:
    """The beginning of a text, unknown where the text has expired."""
    if horizons.of(project_pk, kind) is None:
        return F(name)
    return Case(When(shown(project_pk, kind), then=F(name)), output_field=models.TextField())


@dataclass(frozen=True, slots=True)
class Payload(Elsewhere):
    """Text anywhere in the payload beside a row: columns of text and of JSON. Read: the preview in the row."""

    table: type[GenerationPayload | StepPayload]
    texts: tuple[str, ...]
    documents: tuple[str, ...]
    preview: str

    def expression(self, project_pk: int, keys: Keys) -> Combinable:
        """The preview."""
        return _preview(project_pk, "step" if self.table is StepPayload else "generation", self.preview)

    def number(self, project_pk: int, keys: Keys) -> Combinable:
        """The preview."""
        return self.expression(project_pk, keys)

    def where(self, project_pk: int, keys: Keys, test: Comparison) -> Q:
        """The payload has the text, or anything at all. `started_at` leads to its partition, the key to its row."""
        rows = self.table.objects.in_project(project_pk).filter(uid=OuterRef("uid"), started_at=OuterRef("started_at"))
        found = Q()
        if test.op == "exists":
            for name in (*self.texts, *self.documents):
                found |= Q(**{f"{name}__isnull": False})
            return Q(Exists(rows.filter(found)))
        text = str(test.value)
        for name in self.texts:
            found |= sql.has_text(F(name), text)
        for name in self.documents:
            found |= sql.json_anywhere(F(name), text)
        return Q(Exists(rows.filter(found)))


@dataclass(frozen=True, slots=True)
class Extract(Elsewhere):
    """The extract that is made of a generation's text for searching. Read: the preview in the row."""

    preview: str

    def expression(self, project_pk: int, keys: Keys) -> Combinable:
        """The preview."""
        return _preview(project_pk, "generation", self.preview)

    def number(self, project_pk: int, keys: Keys) -> Combinable:
        """The preview."""
        return self.expression(project_pk, keys)

    def where(self, project_pk: int, keys: Keys, test: Comparison) -> Q:
        """The extract has every term that the value looks for."""
        wanted = folding.terms(str(test.value))
        if not wanted:
            return sql.never()
        rows = GenerationSearch.objects.in_project(project_pk)
        own = rows.filter(uid=OuterRef("uid"), started_at=OuterRef("started_at"))
        # Of each row that is come to, as a value: EXISTS would be made into a join that reads every extract first.
        said = ExpressionWrapper(has_terms(wanted), output_field=models.BooleanField())
        return sql.true("%(expressions)s", Subquery(own.annotate(said=said).values("said")))


def has_terms(terms: Iterable[str]) -> Q:
    """That an extract has all of these folded terms in it."""
    found = Q()
    for term in terms:
        found &= sql.compare(F("text"), "LIKE", sql.Param(f"%{sql.pattern(folding.encoded(term))}%"))
    return found
