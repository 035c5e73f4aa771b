"""A list as a page: its filter in words, its rows, its neighbouring pages, and the way from a row back to it.

The address holds everything: each filter is a parameter of the query, as over REST, beside `order`, `limit`, `after`
and `before`.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, wraps
from typing import Any, Final

from django.db import OperationalError, connection, transaction
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from psycopg.errors import QueryCanceled

from generations import filters, paging
from generations.access import Grant
from generations.filters import BadFilter, Condition, Relative
from generations.models import Generation, Step, Thread
from generations.records import Json
from generations.web.gate import address_in

NOT_FILTERS: Final = ("order", "limit", "after", "before", "q", "view", "by", "tile")
PLACES: Final = ("after", "before")
LIMITS: Final = (10, 25, 50, 100)
LIMIT: Final = 50
MOST_BYTES: Final = 150_000
"""What the HTML of a list weighs at most, unless more rows were asked for than it begins with."""
COUNTED: Final = ((10_000, 15), (500, 200))
"""Rows are counted up to so many, if that takes no more milliseconds than this; else up to fewer.

Where an index alone tells them, ten thousand are counted in two milliseconds; where each has to be read, in a hundred.
"""
MOST_FILTER: Final = 8_000
"""Characters of a filter that is pasted."""
MOST_CARRIED: Final = 400
"""Characters of a filter that each row of a list carries to its page."""
SEARCHED: Final = {
    "generations": "text",
    "steps": "text",
    "threads": "name__contains",
    "participants": "identifier__contains",
}
"""The filter that the search box of a list sets."""
PRESETS: Final = (("1 h", "now-1h"), ("24 h", "now-24h"), ("7 d", "now-7d"), ("30 d", "now-30d"))
SPANS: Final = frozenset(start for _, start in PRESETS)


@dataclass(frozen=True, slots=True)
class Chip:
    """One filter of the list: its sentence, the address without it, and what is wrong with it, if anything."""

    sentence: str
    without: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several ways to see the list."""

    title: str
    address: str
    is_chosen: bool
    arrow: str = ""


@dataclass
class Listing:
    """A page of a list. With a `problem` anywhere there are no rows; `status` is then 400.

    `search` is the parameter that the search box sets. What each row and each head of a column asks for is made once.
    """

    kind: str
    path: str
    query: QueryDict
    condition: Condition | None = None
    problem: str = ""
    chips: list[Chip] = field(default_factory=list)
    rows: Sequence[Any] = ()
    total: int | None = 0
    is_exact: bool = True
    newer: str = ""
    older: str = ""
    order: str = ""
    limit: int = LIMIT
    search: str = ""

    @property
    def is_told(self) -> bool:
        """Whether the problem is said beside one of the filters."""
        return any(chip.problem for chip in self.chips)

    @property
    def status(self) -> int:
        """The HTTP status of the page."""
        return 400 if self.problem else 200

    @property
    def is_filtered(self) -> bool:
        """Whether anything narrows the list."""
        return bool(self.chips) or "from" in self.query or "to" in self.query

    @cached_property
    def narrowed(self) -> str:
        """The filters and the order as a query, without the place in the list: what another door is asked."""
        return _query(self.query, drop=(*PLACES, "limit"))

    @cached_property
    def carried(self) -> str:
        """What a link to a row carries, so that the row's page knows the list it is from; nothing if that is long."""
        return f"?{urlencode({'list': self.narrowed})}" if 0 < len(self.narrowed) <= MOST_CARRIED else ""

    @property
    def hidden(self) -> list[tuple[str, str]]:
        """The parameters that the filter form has no field for, to be sent along."""
        return _pairs(self.query, drop=(*PLACES, self.search))

    @property
    def timeless(self) -> list[tuple[str, str]]:
        """The parameters beside the time, to be sent along when another one is chosen."""
        return _pairs(self.query, drop=(*PLACES, "from", "to"))

    @property
    def key(self) -> str:
        """A short name of what is asked, the same on all of its pages."""
        return hashlib.blake2b(self.narrowed.encode(), digest_size=6).hexdigest()

    @property
    def text(self) -> str:
        """What the search box holds."""
        return self.query.get(self.search, "")

    @property
    def presets(self) -> list[Choice]:
        """The spans of time to choose from."""
        chosen = self.query.get("from", "") if "to" not in self.query else "-"
        made = [
            Choice(title, self._to({"from": start}, drop=("to",)), chosen == start)
            for title, start in (("All", ""), *PRESETS)
        ]
        if chosen not in {"", *SPANS}:
            made.append(Choice("Custom", self._to({}), True))
        return made

    @property
    def pinned(self) -> str:
        """The list between moments, where its time is counted from when it is looked at: a link that shows the same
        later. Empty where its time is moments already."""
        now = timezone.now().replace(microsecond=0)
        given = {name: Relative.read(str(self.query[name])) for name in ("from", "to") if name in self.query}
        if not any(given.values()):
            return ""
        moments = {name: relative.at(now) for name, relative in given.items() if relative is not None}
        if "to" not in given:
            # What is under way in this second belongs to it.
            moments["to"] = now + dt.timedelta(seconds=1)
        return self._to({name: f"{moment:%Y-%m-%dT%H:%M:%SZ}" for name, moment in moments.items()})

    @property
    def limits(self) -> list[Choice]:
        """The lengths of a page to choose from."""
        return [Choice(str(n), self._to({"limit": str(n)}), n == self.limit) for n in LIMITS]

    @cached_property
    def sorts(self) -> dict[str, Choice]:
        """For each field of the catalogue that sorts, by its name with `_` for `.`: the list ordered by it."""
        made = {}
        for one in filters.fields(self.kind):
            if one.sortable:
                is_down, is_up = self.order == f"-{one.path}", self.order == one.path
                wanted = one.path if is_down else f"-{one.path}"
                arrow = "↓" if is_down else "↑" if is_up else ""
                title = "descending" if is_down else "ascending" if is_up else "none"
                made[one.path.replace(".", "_")] = Choice(title, self._to({"order": wanted}), is_down or is_up, arrow)
        return made

    def to_place(self, after: str) -> str:
        """The address of what comes after a place."""
        return self._to({"after": after})

    def _to(self, changes: dict[str, str], drop: Sequence[str] = ()) -> str:
        query = self.query.copy()
        for name in (*PLACES, *drop):
            query.pop(name, None)
        for name, value in changes.items():
            query.pop(name, None)
            if value:
                query[name] = value
        return f"{self.path}?{query.urlencode()}" if query else self.path


def asked(request: HttpRequest, kind: str, *, search: str) -> Listing:
    """What the address asks of a list, with the problem of each filter beside it; without its rows."""
    made = Listing(kind, request.path, request.GET, search=search)
    made.chips = _chips(request.GET, request.path, kind)
    made.problem = next((chip.problem for chip in made.chips if chip.problem), "")
    return made


def listing(request: HttpRequest, grant: Grant, kind: str, *, fixed: Condition | None = None) -> Listing:
    """The page of the list `kind` that the address asks for, within `fixed` if that is given.

    Whatever is wrong in the address is said beside the filter that it is about, and nothing is listed.
    """
    made = asked(request, kind, search=SEARCHED.get(kind, ""))
    given = request.GET.get("limit", "")
    made.limit = int(given) if given in {str(n) for n in LIMITS} else LIMIT
    made.order = request.GET.get("order", "")
    if made.problem:
        return made
    try:
        made.condition = filters.both(fixed, filters.from_query(kind, request.GET, ignore=NOT_FILTERS))
        found = paging.page(
            kind,
            grant.project.pk,
            made.condition,
            order=made.order or None,
            after=request.GET.get("after"),
            before=request.GET.get("before"),
            limit=made.limit,
        )
    except (BadFilter, paging.BadCursor) as error:
        made.problem = str(error)
        return made
    made.rows, made.order = found.rows, found.order
    if found.next or found.previous:
        made.total, made.is_exact = _counted(kind, grant, made.condition)
    else:
        made.total = len(found.rows)
    made.older = made._to({"after": found.next or ""}) if found.next else ""
    made.newer = made._to({"before": found.previous or ""}) if found.previous else ""
    return made


def _counted(kind: str, grant: Grant, condition: Condition | None) -> tuple[int | None, bool]:
    """How many rows there are, and whether that is all; None when counting them would keep the page waiting."""
    for cap, patience in COUNTED:
        try:
            with transaction.atomic():
                with connection.cursor() as cursor:
                    cursor.execute("SET LOCAL statement_timeout = %s", [patience])
                count = paging.count(kind, grant.project.pk, condition, cap=cap)
                with connection.cursor() as cursor:
                    cursor.execute("SET LOCAL statement_timeout = DEFAULT")
                return count.value, count.exact
        except OperationalError as error:
            if not isinstance(error.__cause__, QueryCanceled):
                raise
    return None, False


def bounded(view: Callable[[HttpRequest, Grant], HttpResponse]) -> Callable[[HttpRequest, Grant], HttpResponse]:
    """Decorate the view of a list so that rows that are unusually heavy come ten at a time."""

    @wraps(view)
    def lighter(request: HttpRequest, grant: Grant) -> HttpResponse:
        response = view(request, grant)
        if len(response.content) <= MOST_BYTES or request.GET.get("limit"):
            return response
        query = request.GET.copy()
        query["limit"] = str(LIMITS[0])
        return redirect(f"{request.path}?{query.urlencode()}")

    return lighter


def _chips(query: QueryDict, path: str, kind: str) -> list[Chip]:
    chips = []
    for name, values in query.lists():
        if name in NOT_FILTERS or name == SEARCHED.get(kind):
            continue
        for value in values:
            if name == "from" and "to" not in query and value in SPANS:
                continue  # told by the choice among the spans
            rest = _pairs(query, drop=PLACES)
            rest.remove((name, value))
            without = f"{path}?{urlencode(rest)}" if rest else path
            try:
                condition = filters.from_query(kind, {name: [value]}, ignore=NOT_FILTERS)
                chips.append(Chip(words(kind, condition), without))
            except BadFilter as error:
                chips.append(Chip(f"{name} {value}"[:120], without, str(error)))
    return chips


def document_of(kind: str, text: str) -> dict[str, Json]:
    """The filter document of what a person pasted: a list's address, or what stands behind its question mark.

    Raises BadFilter, also for what would leave everything although something was pasted: words of the search page.
    """
    text = text.strip()
    address, mark, behind = text.partition("?")
    query = behind.partition("#")[0] if mark and "=" not in address else text
    if text and "=" not in query:
        raise BadFilter("filter", text, "the filters of a list's address, such as hasError=true")
    document = sent_along(kind, query)
    if said := QueryDict(query).get("q"):
        raise BadFilter("q", said, "the filters of a list's address; words are looked for by text=...")
    return document


def sent_along(kind: str, query: str) -> dict[str, Json]:
    """The filter document of a list's query. Raises BadFilter, also for a long one: cut, it would let more through."""
    if len(query) > MOST_FILTER:
        raise BadFilter("filter", query, f"at most {MOST_FILTER} characters")
    return filters.to_document(filters.from_query(kind, QueryDict(query), ignore=NOT_FILTERS))


def words(kind: str, condition: Condition | None) -> str:
    """What a condition asks, in words, without the name of the list: "model is gpt-4"."""
    return filters.sentence(kind, condition).removeprefix(f"{filters.catalogue(kind).noun} where ")


def _pairs(query: QueryDict, drop: Sequence[str]) -> list[tuple[str, str]]:
    return [(name, value) for name, values in query.lists() if name not in drop for value in values]


def _query(query: QueryDict, drop: Sequence[str]) -> str:
    return urlencode(_pairs(query, drop))


# ----------------------------------------------------------------------------------------------- from a row to the list
def back(request: HttpRequest, grant: Grant, name: str) -> str:
    """The list that the page was opened from."""
    address = reverse(f"web:{name}", args=[grant.project.slug])
    carried = _carried(request, address)
    return f"{address}?{carried}" if carried else address


def _carried(request: HttpRequest, address: str) -> str:
    """The filters of the list at `address` that the page was opened from: as its own address carries them, or as the
    browser says where it came from, where they are too long for every row of the list to carry them."""
    if "list" in request.GET:
        return request.GET["list"]
    before = address_in(request, "Referer")
    if before.path != address:
        return ""
    narrowed = _query(QueryDict(before.query), drop=(*PLACES, "limit"))
    return narrowed if len(narrowed) > MOST_CARRIED else ""


def tail(request: HttpRequest) -> str:
    """What further addresses of a row carry, so that they know the list it was opened from, too."""
    carried = request.GET.get("list", "") or request.POST.get("list", "")
    return f"&{urlencode({'list': carried})}" if 0 < len(carried) <= MOST_CARRIED else ""


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The addresses of what stands before and after a row in the list it was opened from."""

    newer: str = ""
    older: str = ""


ONE: Final = {"generations": "web:generation", "steps": "web:step", "threads": "web:thread"}
"""The page of one row of each list."""


def neighbours(request: HttpRequest, grant: Grant, kind: str, row: Generation | Step | Thread) -> Neighbours:
    """What stands before and after this row in the list that `?list=` says; one query. Nothing for a filter that is too
    long: cut, it would lead through other rows."""
    carried = _carried(request, reverse(f"web:{kind}", args=[grant.project.slug]))
    if len(carried) > MOST_FILTER:
        return Neighbours()
    query = QueryDict(carried)
    try:
        condition = filters.from_query(kind, query, ignore=NOT_FILTERS)
        ids = paging.neighbours(kind, grant.project.pk, condition, query.get("order") or None, row)
    except BadFilter:
        return Neighbours()
    tail = f"?{urlencode({'list': carried})}" if carried else ""
    return Neighbours(*(reverse(ONE[kind], args=[grant.project.slug, id]) + tail if id else "" for id in ids))
