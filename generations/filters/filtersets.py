"""FilterSets of django-filter made from the catalogue. Where django-filter ignores a name it does not know, these
refuse it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache
from typing import Any

import django_filters  # type: ignore[import-untyped]
from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from django.http import QueryDict

from generations.filters.catalogue import catalogue
from generations.filters.compiling import q
from generations.filters.conditions import BadFilter, Condition, bounded, together
from generations.filters.fields import Catalogue
from generations.filters.kinds import Kind
from generations.filters.queries import BOUNDS, DOCUMENT, read


def from_query(
    kind: str, params: QueryDict | Mapping[str, Sequence[str]], ignore: Collection[str] = ()
) -> Condition | None:
    """The condition that the parameters of a URL say; None when they narrow nothing.

    `ignore` are the names that are not the filter's (`limit`, `after`). Raises BadFilter for any other name that the
    catalogue has not, and for the first value that is wrong.
    """
    asked = filterset(kind)(_query(params), ignore=ignore)
    for name in asked.errors:
        refused = asked.errors.as_data()[name][0].params
        assert isinstance(refused, dict)
        raise refused["refused"]
    condition = asked.condition
    bounded(condition)
    return condition


@cache
def filterset(kind: str) -> type[CatalogueFilterSet]:
    """The FilterSet of a list: a filter for each field and operator, `from`, `to` and `filter`; names under a dynamic
    field (`metadata.plan`) become filters as the data brings them."""
    about = catalogue(kind)
    filters: dict[str, Any] = {}
    for field in about.fields:
        if field.dynamic:
            continue
        plain = "contains" if field.kind is Kind.TAGS or field.operators == ("contains",) else "eq"
        for op in field.operators:
            name = field.path if op == plain else f"{field.path}__{op}"
            filters[name] = CatalogueFilter(about, name, label=f"{field.sentence} {op}", help_text=field.description)
    for name in (*BOUNDS, DOCUMENT):
        filters[name] = CatalogueFilter(about, name, label=name)
    meta = type("Meta", (), {"model": about.model, "fields": []})
    made: type[CatalogueFilterSet] = type(
        f"{kind.capitalize()}FilterSet", (CatalogueFilterSet,), {**filters, "about": about, "Meta": meta}
    )
    return made


class _Texts(forms.TextInput):
    """A box whose parameter may be given several times."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[str]:
        """All values of the parameter."""
        found = data.getlist(name) if hasattr(data, "getlist") else data.get(name, [])
        return [found] if isinstance(found, str) else list(found)

    def format_value(self, value: Any) -> str | None:
        """The values as the box shows them."""
        return ",".join(value) if isinstance(value, list | tuple) else value


class _Conditions(forms.Field):
    """Cleans the values of one parameter into the conditions they say."""

    widget = _Texts

    def __init__(self, *, reading: Callable[[Sequence[str]], list[Condition]], **options: Any) -> None:
        self.reading = reading
        super().__init__(**options)

    def clean(self, value: Any) -> list[Condition]:
        """The conditions; a refusal is kept in the error's params."""
        try:
            return self.reading(value or [])
        except BadFilter as refused:
            raise ValidationError(str(refused), code="refused", params={"refused": refused}) from refused


class CatalogueFilter(django_filters.Filter):  # type: ignore[misc]
    """The filter of one parameter."""

    field_class = _Conditions

    def __init__(self, about: Catalogue, name: str, **options: Any) -> None:
        def reading(texts: Sequence[str]) -> list[Condition]:
            return read(about, name, texts)

        super().__init__(field_name=name, reading=reading, **options)


class CatalogueFilterSet(django_filters.FilterSet):  # type: ignore[misc]
    """A FilterSet that knows its catalogue. Bound, it has the filters that its data names and no others."""

    about: Catalogue

    def __init__(
        self,
        data: Any = None,
        queryset: models.QuerySet[Any] | None = None,
        *,
        project_pk: int | None = None,
        ignore: Collection[str] = (),
        request: Any = None,
        prefix: str | None = None,
    ) -> None:
        self.project_pk = project_pk
        self.is_bound = data is not None
        self.data = data or {}
        self.queryset = self.about.model._default_manager.none() if queryset is None else queryset
        self.request = request
        self.form_prefix = prefix
        # The parent copies every filter for every request; a list has hundreds, a request names a few.
        names = [name for name in self.data if name not in ignore] if self.is_bound else list(self.base_filters)
        self.filters = {name: self.base_filters.get(name) or CatalogueFilter(self.about, name) for name in names}

    @property
    def condition(self) -> Condition | None:
        """What all parameters together ask for. Of a valid FilterSet only."""
        return together([part for name in self.filters for part in self.form.cleaned_data.get(name) or []])

    def filter_queryset(self, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        """The rows of `queryset`, which is the project's already, that are asked for."""
        if self.project_pk is None:
            raise ValueError("a FilterSet that narrows needs its project_pk")
        return queryset.filter(q(self.about.kind, self.condition, self.project_pk))


def _query(params: QueryDict | Mapping[str, Sequence[str]]) -> QueryDict:
    if isinstance(params, QueryDict):
        return params
    query = QueryDict(mutable=True)
    for name, values in params.items():
        query.setlist(name, [values] if isinstance(values, str) else list(values))
    return query
