"""Static files as they lie on the disk now, also after an upgrade of a copy that runs.

whitenoise remembers how long each was at the start, and sends no more of it than that: a script that has grown since
would be cut off.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from whitenoise.middleware import WhiteNoiseMiddleware

_Stamp = tuple[int, int]


class StaticFiles(WhiteNoiseMiddleware):  # type: ignore[misc]  # it has no types
    """whitenoise's, which looks before it answers whether a file is still the one that it knows."""

    def __init__(self, *given: Any, **named: Any) -> None:
        self._known: dict[str, tuple[str, _Stamp]] = {}
        super().__init__(*given, **named)

    def add_file_to_dictionary(
        self, url: str, path: str, stat_cache: Mapping[str, os.stat_result] | None = None
    ) -> None:
        """Know a file from here on."""
        # Before its length is taken: one that changes in between is looked at again.
        self._known[url] = path, _stamp(stat_cache[path] if stat_cache else Path(path).stat())
        super().add_file_to_dictionary(url, path, stat_cache=stat_cache)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if known := self._known.get(request.path_info):
            path, stamp = known
            try:
                if _stamp(Path(path).stat()) != stamp:
                    self.add_file_to_dictionary(request.path_info, path)
            except FileNotFoundError:
                gone: HttpResponseBase = self.get_response(request)
                return gone
        answer: HttpResponseBase = super().__call__(request)
        return answer


def _stamp(told: os.stat_result) -> _Stamp:
    return told.st_size, told.st_mtime_ns
