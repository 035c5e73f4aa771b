"""The GraphQL schema: as it is committed, all of it described, and nothing of the product left out by oversight."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    get_named_type,
)

from generations import filters
from generations.datasets import TYPES
from generations.exporting.writers import COMPRESSIONS, FORMATS, PACKED
from generations.graphql import inputs
from generations.graphql.mutations.datasets import DatasetType
from generations.graphql.mutations.documents import AlternativeKind
from generations.graphql.schema import COMMITTED, printed, schema
from generations.ingest import rest
from generations.records import ALTERNATIVE_KINDS

TYPES_BY_NAME: dict[str, Any] = {
    name: kind
    for name, kind in schema._schema.type_map.items()
    if not name.startswith("__") and name not in ("String", "Int", "Float", "Boolean", "ID")
}


def test_the_committed_schema_is_the_one_that_is_served() -> None:
    assert COMMITTED.read_text(encoding="utf-8") == printed(), "run `manage.py print_schema --write`"


def test_the_command_prints_it() -> None:
    out = io.StringIO()

    call_command("print_schema", stdout=out)

    assert out.getvalue() == printed()


def described() -> Iterator[tuple[str, str | None]]:
    """Every type, field, argument and word of an enum, with its description."""
    for name, kind in TYPES_BY_NAME.items():
        yield name, kind.description
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType):
            for field_name, field in kind.fields.items():
                yield f"{name}.{field_name}", field.description
                for argument_name, argument in getattr(field, "args", {}).items():
                    yield f"{name}.{field_name}({argument_name})", argument.description
        elif isinstance(kind, GraphQLEnumType) and not _speaks_for_itself(name):
            for value_name, value in kind.values.items():
                yield f"{name}.{value_name}", value.description


def _speaks_for_itself(name: str) -> bool:
    """The words of a field of the catalogue, and the formats of files, are described by their field."""
    return name in ("ExportFormat", "ExportCompression") or f"{name}Filter" in TYPES_BY_NAME


def test_every_type_field_and_argument_has_a_description() -> None:
    assert [name for name, description in described() if not description] == []


def test_descriptions_are_sentences() -> None:
    assert [name for name, said in described() if said and not said.rstrip().endswith((".", "?", "`", ":"))] == []


def test_every_field_that_may_be_null_says_when() -> None:
    outputs = [kind for kind in TYPES_BY_NAME.values() if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType)]
    maybe = {
        f"{kind.name}.{name}": field.description
        for kind in outputs
        for name, field in kind.fields.items()
        if not isinstance(field.type, GraphQLNonNull)
    }

    unsaid = [name for name, said in maybe.items() if not re.search(r"\bnull\b", said or "", re.IGNORECASE)]
    assert [name for name in unsaid if not name.startswith("Mutation.")] == []
    # All of these are null for one reason, which is said of their type.
    assert "null beside its error" in str(TYPES_BY_NAME["Mutation"].description)


def fields_of(kind: GraphQLNamedType | None) -> dict[str, Any]:
    return dict(getattr(kind, "fields", {}))


@pytest.mark.parametrize("kind", inputs.NOUNS)
def test_every_field_of_the_catalogue_can_be_asked_about(kind: str) -> None:
    where = TYPES_BY_NAME[f"{inputs.NOUNS[kind]}Where"]
    relations = {one.path for one in filters.relations(kind)}
    missing = []
    for field in filters.fields(kind):
        at: Any = where
        for name in field.path.removeprefix("metadata.").split("."):
            found = fields_of(at).get(name)
            at = get_named_type(found.type) if found is not None else None
        said = {name for name in fields_of(at) if name != "path"}
        if field.path not in relations and (kind, field.path) not in inputs.LEFT_OUT and said != set(field.operators):
            missing.append(field.path)

    assert missing == []
    assert relations <= set(fields_of(where))


@pytest.mark.parametrize("kind", inputs.NOUNS)
def test_every_sortable_field_can_be_ordered_by(kind: str) -> None:
    known = {value.value for value in TYPES_BY_NAME[f"{inputs.NOUNS[kind]}OrderField"].values.values()}
    sortable = {field.path for field in filters.fields(kind) if field.sortable}

    assert sortable - known == {path for list_kind, path in inputs.LEFT_OUT if list_kind == kind}


def at_path(name: str, path: str) -> Any:
    """The field of a type at a dotted path; None when there is none."""
    at: Any = TYPES_BY_NAME[name]
    found = None
    for part in path.split("."):
        found = fields_of(at).get(part)
        if found is None:
            return None
        at = get_named_type(found.type)
    return found


def test_a_generation_can_be_sent_with_everything_that_rest_takes() -> None:
    own = {"id"}  # an argument beside the input

    assert [path for path in rest.GENERATION if at_path("GenerationInput", path) is None and path not in own] == []
    assert [path for path in rest.FEEDBACK if at_path("FeedbackInput", path) is None and path != "id"] == []
    assert [path for path in rest.SCORE if at_path("ScoreInput", path) is None and path not in SUBJECTS] == []


SUBJECTS = {"generationId", "stepId", "threadId", "experimentItemId"}


def test_a_generation_shows_everything_that_rest_shows() -> None:
    elsewhere = {"usage.costArithmetic": "costArithmetic"}

    assert [path for path in rest.GENERATION if at_path("Generation", elsewhere.get(path, path)) is None] == []
    assert [path for path in rest.STEP if at_path("Step", path) is None] == []
    assert [path for path in rest.FEEDBACK if at_path("Feedback", path) is None] == []
    assert [path for path in rest.SCORE if at_path("Score", path) is None] == []


def test_the_words_of_enums_are_the_products() -> None:
    assert {str(kind.value) for kind in AlternativeKind} == set(ALTERNATIVE_KINDS)
    assert {str(kind.value) for kind in DatasetType} == set(TYPES)
    assert {str(value.value) for value in TYPES_BY_NAME["ExportFormat"].values.values()} == {*FORMATS, *PACKED}
    assert {str(value.value) for value in TYPES_BY_NAME["ExportCompression"].values.values()} == set(COMPRESSIONS)


def test_lists_are_connections_with_the_same_arguments() -> None:
    query = TYPES_BY_NAME["Query"].fields
    lists = {name: field for name, field in query.items() if str(field.type).endswith("Connection!")}

    assert sorted(lists) == [
        "datasets",
        "erasures",
        "evaluations",
        "experiments",
        "exports",
        "generations",
        "participants",
        "prompts",
        "reviewQueues",
        "scores",
        "steps",
        "tags",
        "threads",
    ]
    assert {tuple(field.args) for field in lists.values()} == {("where", "orderBy", "first", "after", "last", "before")}


def test_money_and_time_have_scalars_of_their_own() -> None:
    scalars = {name for name, kind in TYPES_BY_NAME.items() if isinstance(kind, GraphQLScalarType)}

    assert scalars == {"DateTime", "Decimal", "JSON", "Moment", "Value"}
