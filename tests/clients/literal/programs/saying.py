"""What the programs in this folder print: one JSON object, with the ids of this run under names that stay the same."""

from __future__ import annotations

import json
import re
from typing import Any

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
MOMENT = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")


class Said:
    """Results by name. An id that has a name is printed as `<name>`, any other as `<uuid>`, a moment as `<time>`."""

    def __init__(self) -> None:
        self.results: dict[str, Any] = {}
        self.names: dict[str, str] = {}

    def name(self, name: str, id: str) -> str:
        """Call an id by a name from now on."""
        assert id, f"There is no id of {name}"
        self.names[id] = f"<{name}>"
        return id

    def say(self, key: str, value: Any) -> Any:
        """Note a result, and hand it on."""
        assert key not in self.results, key
        self.results[key] = plain(value)
        return value

    def show(self, **more: Any) -> None:
        """Print everything."""
        print(json.dumps(self._named({**more, "results": self.results})))

    def _named(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {self._named(key): self._named(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self._named(one) for one in value]
        if not isinstance(value, str):
            return value
        if MOMENT.match(value):
            return "<time>"
        for id in sorted(self.names, key=len, reverse=True):
            value = value.replace(id, self.names[id])
        return UUID.sub("<uuid>", value)


def plain(value: Any) -> Any:
    """A client's object as JSON."""
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if hasattr(value, "data") and hasattr(value, "page_info"):
        return [plain(one) for one in value.data]
    if hasattr(value, "to_dict"):
        return plain(value.to_dict())
    return value
