"""The examples of docs/llm.md do what the page says they do."""

import ast
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from generations import llm

PAGE = Path(__file__).resolve().parent.parent / "docs" / "llm.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def expected_after(lines: list[str], end: int) -> str | None:
    """The comment that follows a statement, which says what it returns."""
    told = []
    for line in lines[end:]:
        if not line.startswith("# "):
            break
        told.append(line[2:])
    return "\n".join(told).removeprefix("-> ") or None


@pytest.mark.parametrize("code", BLOCKS)
def test_an_example_returns_what_stands_below_it(code: str) -> None:
    names: dict[str, Any] = {"__name__": "example"}
    lines = code.splitlines()
    compared = 0

    for statement in ast.parse(code).body:
        told = expected_after(lines, statement.end_lineno or 0)
        if isinstance(statement, ast.Expr):
            value = eval(compile(ast.Expression(statement.value), str(PAGE), "eval"), names)
            assert told is not None
            assert str(value) == told
            compared += 1
        else:
            exec(compile(ast.Module([statement], []), str(PAGE), "exec"), names)

    assert compared


def test_the_functions_have_the_arguments_of_lmqls() -> None:
    def arguments(function: Any) -> list[str]:
        return [name for name in inspect.signature(function).parameters if name not in ("self", "kwargs")]

    assert arguments(llm.LLM.generate) == ["prompt", "max_tokens", "decoder"]
    assert arguments(llm.LLM.score) == ["prompt", "values"]
    assert arguments(llm.generate) == arguments(llm.generate_sync) == ["prompt", "max_tokens", "model"]
    assert arguments(llm.score) == arguments(llm.score_sync) == ["prompt", "values", "model"]
    assert arguments(llm.set_default_model) == ["model"]
    for function in (llm.LLM.generate, llm.LLM.score, llm.generate, llm.score):
        assert inspect.iscoroutinefunction(function)
