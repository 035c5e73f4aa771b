"""Datasets: lists of inputs and expected outputs, built by hand or from what was recorded, with every past version."""

from generations.datasets.history import Change, Version, changes, history
from generations.datasets.holding import (
    MAX_ITEM,
    MAX_ITEMS,
    MAX_SPLIT,
    NewItem,
    add_items,
    change_item,
    item,
    items,
    remove_items,
    replace_item,
    splits,
)
from generations.datasets.keeping import (
    MAX_NAME,
    TYPES,
    BadDataset,
    NoSuchDataset,
    archive,
    create,
    delete,
    find,
    named,
    update,
)
from generations.datasets.sources import add_generations, add_steps

__all__ = [
    "MAX_ITEM",
    "MAX_ITEMS",
    "MAX_NAME",
    "MAX_SPLIT",
    "TYPES",
    "BadDataset",
    "Change",
    "NewItem",
    "NoSuchDataset",
    "Version",
    "add_generations",
    "add_items",
    "add_steps",
    "archive",
    "change_item",
    "changes",
    "create",
    "delete",
    "find",
    "history",
    "item",
    "items",
    "named",
    "remove_items",
    "replace_item",
    "splits",
    "update",
]
