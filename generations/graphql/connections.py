"""Pages of a list, as GraphQL's connections, and the bounded lists that hang on one row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, TypeVar

import strawberry

from generations import filters, paging
from generations.access import Grant
from generations.graphql.nodes import Batch, resolved
from generations.records import shown

N = TypeVar("N")

PAGE: Final = 50
LARGEST_PAGE: Final = 200
SLICE: Final = 20
LARGEST_SLICE: Final = 100


class BadArgument(ValueError):
    """An argument that cannot be used: names it, its value and what would be right."""

    def __init__(self, field: str, value: object, expected: str) -> None:
        self.field = field
        self.value = value if isinstance(value, int | float | None) else shown(value)
        self.expected = expected
        super().__init__(f"{field}: {shown(value)} is not valid; expected {expected}")


@strawberry.type(description="Where a page stands in its list.")
class PageInfo:
    """The neighbours of a page."""

    has_next_page: bool = strawberry.field(description="Whether more follows: ask with `after: endCursor`.")
    has_previous_page: bool = strawberry.field(description="Whether something precedes: `before: startCursor`.")
    start_cursor: str | None = strawberry.field(description="The cursor of the first row; null on an empty page.")
    end_cursor: str | None = strawberry.field(description="The cursor of the last row; null on an empty page.")


@strawberry.type(description="How many rows a list has, over all its pages.")
class Count:
    """A count that says whether it is one."""

    value: int = strawberry.field(description="The number of rows, or the number up to which they were counted.")
    exact: bool = strawberry.field(description="False when there are more than `value`: counting stopped there.")


@strawberry.type(description="A row of a page with its cursor.")
class Edge(Generic[N]):
    """A row and its place."""

    cursor: str = strawberry.field(description="The place of the row, for `after` and `before`.")
    node: N = strawberry.field(description="The row.")


@strawberry.type(description="One page of a list. The order is total: pages neither lose nor repeat a row.")
class Connection(Generic[N]):
    """A page, and how its rows are shown."""

    page: strawberry.Private[paging.Page]
    project_pk: strawberry.Private[int]
    kind: strawberry.Private[str]
    condition: strawberry.Private[filters.Condition | None]
    shown: strawberry.Private[list[Any]]

    @resolved("The rows with their cursors.")
    def edges(self) -> list[Edge[N]]:
        """Rows beside cursors."""
        pairs = zip(self.page.rows, self.shown, strict=True)
        return [Edge(cursor=self.page.cursor(row), node=node) for row, node in pairs]

    @resolved("The rows alone.")
    def nodes(self) -> list[N]:
        """Rows."""
        return self.shown

    @resolved("Where this page stands.")
    def page_info(self) -> PageInfo:
        """Cursors of both ends."""
        rows = self.page.rows
        return PageInfo(
            has_next_page=self.page.next is not None,
            has_previous_page=self.page.previous is not None,
            start_cursor=self.page.cursor(rows[0]) if rows else None,
            end_cursor=self.page.cursor(rows[-1]) if rows else None,
        )

    @resolved("How many rows the whole list has. Costs a query; ask for it once and not per page.")
    def total_count(self) -> Count:
        """Counted when it is selected."""
        count = paging.count(self.kind, self.project_pk, self.condition)
        return Count(value=count.value, exact=count.exact)


@strawberry.type(
    description="Some rows of a list that belongs to one row. More come by `after`, or else by the kind's root list."
)
class Slice(Generic[N]):
    """A bounded list."""

    nodes: list[N] = strawberry.field(description="The rows.")
    has_more: bool = strawberry.field(description="Whether there are more than `first`.")
    end_cursor: str | None = strawberry.field(
        description="The place of the last row, for `after`; null where the list takes none, or has no row."
    )


def connection(
    grant: Grant,
    kind: str,
    show: Callable[..., N],
    *,
    condition: filters.Condition | None = None,
    order: str | None = None,
    first: int | None = None,
    after: str | None = None,
    last: int | None = None,
    before: str | None = None,
) -> Connection[N]:
    """The page of `kind` that the arguments name. Raises BadArgument, BadFilter or BadCursor."""
    limit = _limit(first, after, last, before)
    project_pk = grant.project.pk
    page = paging.page(kind, project_pk, condition, order=order, after=after, before=before, limit=limit)
    batch: Batch[Any] = Batch(grant, page.rows)
    return Connection(
        page=page,
        project_pk=project_pk,
        kind=kind,
        condition=condition,
        shown=[show(row=row, batch=batch) for row in page.rows],
    )


def _limit(first: int | None, after: str | None, last: int | None, before: str | None) -> int:
    if first is not None and last is not None:
        raise BadArgument("last", last, "either first (with after) or last (with before)")
    if first is not None and before is not None:
        raise BadArgument("before", before, "it together with last; first goes with after")
    if last is not None and before is None:
        raise BadArgument("last", last, "a cursor in before beside it; for the end of a list, turn its order around")
    if last is not None and after is not None:
        raise BadArgument("after", after, "it together with first; last goes with before")
    if after is not None and before is not None:
        raise BadArgument("before", before, "either after or before")
    limit, name = (last, "last") if last is not None else (first, "first")
    return bounded(PAGE if limit is None else limit, LARGEST_PAGE, name)


def bounded(limit: int, largest: int, name: str = "first") -> int:
    """`limit` when a page may be so large; raises BadArgument otherwise."""
    if not 1 <= limit <= largest:
        raise BadArgument(name, limit, f"a number from 1 to {largest}")
    return limit


def slice_of(
    rows: Sequence[Any], first: int, show: Callable[[Any], N], cursor: Callable[[Any], str] | None = None
) -> Slice[N]:
    """The first rows of `rows`, of which one more than `first` was asked for."""
    some = rows[:first]
    return Slice(
        nodes=[show(row) for row in some],
        has_more=len(rows) > first,
        end_cursor=cursor(some[-1]) if cursor is not None and some else None,
    )
