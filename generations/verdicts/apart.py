"""Regular expressions and JSON schemas, tried in a process of their own that the system stops when it does not end.

A pattern may take longer than the universe has, and a schema that refers to itself as well. No thread can stop such a
thing within its process; the kernel can, by the time that a process has worked, however busy the machine is.
"""

from __future__ import annotations

import contextlib
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import orjson

from generations.records import Json
from generations.verdicts.rules import MOST, Unscored, Verdict, json_of, plain

SECONDS: Final = 1.0
"""How long the process may work at one answer."""
MEMORY: Final = 1 << 30
"""Bytes of addresses that the process may have."""
_ROOT: Final = Path(__file__).resolve().parent.parent.parent


class Apart:
    """The process: begun when it is first needed, and again after it was stopped. For one thread; closed at the end."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Apart:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def verdict(self, kind: str, options: Mapping[str, Any], output: Json) -> Verdict:
        """What the rule says of an answer. Raises Unscored, also for what does not end."""
        answer = self._asked([kind, dict(options), plain(output)[:MOST]])
        if "problem" in answer:
            raise Unscored(answer["problem"])
        return Verdict(answer["value"], answer.get("comment"))

    def check(self, schema: Json) -> str:
        """What is wrong with a JSON schema; an empty text where nothing is."""
        try:
            problem = self._asked(["check", schema, ""]).get("problem", "")
        except Unscored as reason:
            return str(reason)
        return str(problem)

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _asked(self, question: list[Any]) -> dict[str, Any]:
        process = self._process or self._begun()
        assert process.stdin is not None and process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(orjson.dumps(question) + b"\n")
            process.stdin.flush()
        line = process.stdout.readline()
        if not line.endswith(b"\n"):
            self.close()
            raise Unscored(f"It was stopped: it did not end within {SECONDS:g} s of work, or took too much memory.")
        answer: dict[str, Any] = orjson.loads(line)
        return answer

    def _begun(self) -> subprocess.Popen[bytes]:
        # Errors go nowhere: what is stopped says nothing, and what is wrong is an answer.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "generations.verdicts.apart"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=_ROOT,
            env={},
        )
        return self._process


# -------------------------------------------------------------------------------------------------- within the process
def _main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for line in sys.stdin.buffer:
        kind, options, text = orjson.loads(line)
        # Nobody handles this signal, so that it ends the process in the middle of whatever it does.
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        answer = _answer(kind, options, text)
        signal.setitimer(signal.ITIMER_PROF, 0)
        sys.stdout.buffer.write(orjson.dumps(answer) + b"\n")
        sys.stdout.buffer.flush()


def _answer(kind: str, options: Any, text: str) -> dict[str, Json]:
    try:
        if kind == "regex":
            return _matched(options, text)
        return _checked(options) if kind == "check" else _validated(options["schema"], text)
    except (MemoryError, RecursionError) as error:
        return {"problem": f"It could not be tried: {type(error).__name__}."}


def _matched(options: Mapping[str, Any], text: str) -> dict[str, Json]:
    pattern = re.compile(options["pattern"], re.IGNORECASE if options.get("ignoreCase") else 0)
    found = pattern.fullmatch(text) if options.get("whole") else pattern.search(text)
    return {"value": float(found is not None)}


def _checked(schema: Json) -> dict[str, Json]:
    import jsonschema_rs

    try:
        _validator(schema)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        return {"problem": _short(error)}
    return {}


def _validated(schema: Json, text: str) -> dict[str, Json]:
    try:
        instance = json_of(text)
    except Unscored as reason:
        return {"value": 0.0, "comment": f"The answer is not what the schema allows: {reason}"}
    first = next(iter(_validator(schema).iter_errors(instance)), None)
    if first is None:
        return {"value": 1.0}
    place = "/".join(map(str, first.instance_path))
    return {"value": 0.0, "comment": f"{place or 'the answer'}: {_short(first)}"}


def _validator(schema: Json) -> Any:
    import jsonschema_rs

    # References to files and hosts are never followed. Expressions are those that take linear time.
    return jsonschema_rs.validator_for(
        schema, retriever=_nothing_is_fetched, pattern_options=jsonschema_rs.RegexOptions()
    )


def _nothing_is_fetched(uri: str) -> Json:
    raise ValueError(f"{uri} is not in the schema, and nothing is fetched")


def _short(error: Exception) -> str:
    message: str = getattr(error, "message", None) or str(error)
    return message.split("\n", 1)[0][:300]


if __name__ == "__main__":
    _main()
