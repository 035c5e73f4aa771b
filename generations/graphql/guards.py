"""How a root field is declared: with the scope it needs. What is declared any other way is found by a test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import strawberry
from strawberry.extensions import FieldExtension

from generations.access import Grant, Scope


@dataclass(slots=True)
class Context:
    """What every resolver knows: who asks, and in which project."""

    grant: Grant


R = TypeVar("R", bound=Callable[..., Any])

Info = strawberry.Info[Context, None]


class Guard(FieldExtension):
    """Lets a field be resolved only for a grant that includes `scope`; None lets any grant. Raises NotAllowed."""

    def __init__(self, scope: Scope | None) -> None:
        self.scope = scope

    def resolve(self, next_: Callable[..., Any], source: Any, info: strawberry.Info, **kwargs: Any) -> Any:
        """What the field is, once the scope is there."""
        if self.scope is not None:
            info.context.grant.need(self.scope)
        return next_(source, info, **kwargs)


def guarded(scope: Scope | None, description: str) -> Callable[[R], R]:
    """A field, of a query or a mutation, that needs `scope`; its description says so."""
    needs = f" Needs the scope `{scope}`." if scope is not None else " Any key or session will do."
    decorator: Any = strawberry.field(description=description + needs, extensions=[Guard(scope)])
    return decorator  # type: ignore[no-any-return]
