"""Lists in the admin that cost the same whatever their length: a page by key, never counted, never skipped to."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db import models
from django.db.models import Expression, F, Func, Q, Value
from django.http import HttpRequest

from generations.admin.acting import ModelAdmin
from generations.filters import sql

_CURSORS = ("after", "before")


class KeysetList(ChangeList):
    """A page after or before a row, newest first. The only order is that of `model_admin.keyset`, which is unique."""

    newer: str = ""
    older: str = ""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> models.QuerySet[Any]:
        """The rows that the filters leave, in order. The cursors are no filters."""
        for name in _CURSORS:
            self.params.pop(name, None)
            self.filter_params.pop(name, None)
        return super().get_queryset(request, exclude_parameters)

    def get_ordering(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> list[Expression | str]:
        """The latest first, whatever the URL asks for."""
        return [f"-{name}" for name in self._keyset]

    def get_results(self, request: HttpRequest) -> None:
        """One query for one page and one row more, which tells whether there is another page."""
        after, before = (self._cursor(request, name) for name in _CURSORS)
        rows = self.queryset
        if after is not None:
            rows = rows.filter(self._beyond("<", after))
        elif before is not None:
            rows = rows.filter(self._beyond(">", before)).order_by(*self._keyset)
        found = list(rows[: self.list_per_page + 1])
        more = len(found) > self.list_per_page
        found = found[: self.list_per_page]
        is_backward = after is None and before is not None
        if is_backward:
            found.reverse()
        if found and (more if is_backward else after is not None):
            self.newer = self.get_query_string({"before": self._written(found[0])})
        if found and (more or is_backward):
            self.older = self.get_query_string({"after": self._written(found[-1])})
        self.result_list = found
        # The length of the page stands for the number of rows: Django then neither shows one nor offers "all of them".
        self.result_count = self.full_result_count = len(found)
        self.show_full_result_count = False
        self.show_admin_actions = bool(found)
        self.can_show_all = self.multi_page = False

    @property
    def _keyset(self) -> tuple[str, ...]:
        assert isinstance(self.model_admin, KeysetAdmin)
        return self.model_admin.keyset

    def _written(self, row: Any) -> str:
        values = (getattr(row, name) for name in self._keyset)
        return "_".join(v.isoformat() if isinstance(v, dt.datetime) else str(v) for v in values)

    def _cursor(self, request: HttpRequest, name: str) -> list[dt.datetime | uuid.UUID] | None:
        text = request.GET.get(name)
        if not text:
            return None
        try:
            parts = text.split("_", len(self._keyset) - 1)
            return [self._typed(name, part) for name, part in zip(self._keyset, parts, strict=False)]
        except ValueError:
            messages.warning(request, f"'{text[:60]}' is not a place in this list; this is its beginning.")
            return None

    def _typed(self, name: str, text: str) -> dt.datetime | uuid.UUID:
        if isinstance(self.opts.get_field(name), models.UUIDField):
            return uuid.UUID(text)
        moment = dt.datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError(text)
        return moment

    def _beyond(self, sign: str, values: list[dt.datetime | uuid.UUID]) -> Q:
        names = self._keyset[: len(values)]
        found = sql.compare(_row([F(name) for name in names]), sign, _row([Value(value) for value in values]))
        if isinstance(values[0], dt.datetime):
            # Said again for the time alone: by this the planner leaves out whole partitions.
            found &= Q(**{f"{names[0]}__{'lte' if sign == '<' else 'gte'}": values[0]})
        return found


def _row(parts: list[Any]) -> Func:
    return Func(*parts, function="ROW", output_field=models.TextField())


class KeysetAdmin(ModelAdmin):
    """A table whose list is paged, downwards, by `keyset`: columns that together name one row."""

    keyset: ClassVar[tuple[str, ...]] = ("id",)
    change_list_template = "admin/generations/keyset_list.html"
    list_per_page = 50
    show_full_result_count = False
    sortable_by = ()
    show_facets = admin.ShowFacets.NEVER

    @admin.display(description="time (UTC)")
    def when(self, row: Any) -> str:
        """The moment by which the list is ordered, to the second."""
        first = self.keyset[0]
        moment: dt.datetime = getattr(row, first if first != "id" else "created_at")
        return f"{moment:%Y-%m-%d %H:%M:%S}"

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """The list that pages by key."""
        return KeysetList
