"""The arguments that lists and single rows are asked by."""

from __future__ import annotations

from typing import Annotated

import strawberry

from generations.graphql.connections import LARGEST_PAGE, PAGE

First = Annotated[
    int | None,
    strawberry.argument(
        description=f"How many rows from the beginning or from `after`, 1 to {LARGEST_PAGE}; else {PAGE}."
    ),
]
After = Annotated[str | None, strawberry.argument(description="The cursor that the page follows.")]
Last = Annotated[int | None, strawberry.argument(description=f"How many rows before `before`, 1 to {LARGEST_PAGE}.")]
Before = Annotated[str | None, strawberry.argument(description="The cursor that the page precedes.")]
Id = Annotated[strawberry.ID, strawberry.argument(description="Its id.")]
Where = strawberry.argument(description="What rows have to be like; nothing for all.")
OrderBy = strawberry.argument(description="The order; the newest first without any.")
