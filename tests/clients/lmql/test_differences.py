"""Beside real LMQL on the same endpoint: equal where it is right, and the differences are those of docs/llm.md."""

import asyncio
import json
import math
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from generations import llm
from tests.clients import environments

PROGRAMS: Final = Path(__file__).parent / "programs"
DOCUMENT: Final = Path(__file__).resolve().parents[3] / "docs" / "llm.md"
TOLERANCE: Final = 1e-6
ALIKE: Final[tuple[dict[str, Any], ...]] = (
    {"prompt": "Hello", "values": [" World", " Apples", " Oranges"]},
    {"prompt": "Hello", "values": ["World", "Apples"]},
    {"prompt": "The answer is:", "values": [" yes", " no", " it depends, as so often"]},
    {"prompt": "Hello", "values": [" World"]},
    {
        "prompt": "Is this good?\nAnswer:",
        "values": [f" {word}" for word in ("good", "bad", "neither", "both", "1", "2")],
    },
)
STRADDLING: Final[dict[str, Any]] = {"prompt": "A Hel", "values": ["lo", "p"]}
LOW: Final[dict[str, Any]] = {"prompt": "Hello", "values": [" World", " Apples"], "model": "davinci-low"}
ZEROS: Final[dict[str, Any]] = {"prompt": "Hello", "values": [" World", " Apples"], "model": "davinci-zeros"}


@pytest.fixture(scope="module")
def interpreter() -> Path:
    return environments.python("lmql-0.7.3")


@pytest.fixture(scope="module")
def endpoint(interpreter: Path) -> Iterator[str]:
    program = [str(interpreter), str(PROGRAMS / "endpoint.py")]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        process.kill()


@pytest.fixture(scope="module")
def theirs(interpreter: Path, endpoint: str) -> dict[str, Any]:
    """What real LMQL answers, asked once for all tests."""
    cases = json.dumps([*ALIKE, STRADDLING, LOW, ZEROS])
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    done = subprocess.run(
        [str(interpreter), str(PROGRAMS / "asking.py"), endpoint, cases],
        env=environment | {"OPENAI_API_KEY": "sk-tests", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def ours(endpoint: str, name: str = "davinci-x", **options: Any) -> llm.LLM:
    return llm.model(f"openai/{name}", endpoint=f"{endpoint}/v1/completions", environ={}, sink=None, **options)


def scores_of(theirs: dict[str, Any], case: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = theirs["scores"][[*ALIKE, STRADDLING, LOW, ZEROS].index(case)]
    return found


@pytest.mark.parametrize("case", ALIKE, ids=lambda case: case["prompt"])
def test_sums_logprobs_probs_and_the_best_are_lmqls(
    endpoint: str, theirs: dict[str, Any], case: dict[str, Any]
) -> None:
    expected = scores_of(theirs, case)

    result = ours(endpoint).score_sync(case["prompt"], case["values"])

    assert result.scores() == pytest.approx(expected["sum"], abs=TOLERANCE)
    assert result.logprobs() == pytest.approx(expected["logprobs"], abs=TOLERANCE)
    assert result.probs() == pytest.approx(expected["probs"], abs=TOLERANCE)
    assert result.argmax() == expected["argmax"]
    assert result.num_value_tokens == expected["num_value_tokens"]
    for mine, other in zip(result.token_scores, expected["token_scores"], strict=True):
        assert mine == pytest.approx(other, abs=TOLERANCE)


@pytest.mark.parametrize("case", ALIKE, ids=lambda case: case["prompt"])
def test_with_compat_all_scores_are_lmqls(endpoint: str, theirs: dict[str, Any], case: dict[str, Any]) -> None:
    expected = scores_of(theirs, case)

    result = ours(endpoint, compat="lmql").score_sync(case["prompt"], case["values"])

    for agg in ("sum", "mean", "normalized"):
        assert result.scores(agg) == pytest.approx(expected[agg], abs=TOLERANCE)
    for mine, other in zip(result.full_token_scores, expected["full_token_scores"], strict=True):
        assert mine == pytest.approx(other, abs=TOLERANCE)


# ------------------------------------------------------------------------------------ the differences, one by one
def lengths(endpoint: str, theirs: dict[str, Any]) -> None:
    case, expected = ALIKE[0], scores_of(theirs, ALIKE[0])
    result = ours(endpoint).score_sync(case["prompt"], case["values"])
    assert result.scores("mean")[0] == pytest.approx(expected["sum"][0])
    assert expected["mean"][0] == pytest.approx(expected["sum"][0] / 2)


def full_text(endpoint: str, theirs: dict[str, Any]) -> None:
    assert ours(endpoint).generate_sync("Hello", max_tokens=3) == f"Hello{theirs['text']}"
    assert ours(endpoint, compat="lmql").generate_sync("Hello", max_tokens=3) == theirs["text"]


def straddling(endpoint: str, theirs: dict[str, Any]) -> None:
    assert scores_of(theirs, STRADDLING)["sum"] == [0.0, 0.0]
    result = ours(endpoint).score_sync(STRADDLING["prompt"], STRADDLING["values"])
    assert max(result.scores()) < 0
    assert result.straddling == ["lo", "p"]


def prompt_tokens(endpoint: str, theirs: dict[str, Any]) -> None:
    case = ALIKE[2]
    assert set(scores_of(theirs, case)["full_token_scores"][0][:-1]) == {0.0}
    full = ours(endpoint).score_sync(case["prompt"], case["values"]).full_token_scores[0]
    assert math.isnan(full[0])
    assert all(value < 0 for value in full[1:])


def very_low(endpoint: str, theirs: dict[str, Any]) -> None:
    expected = scores_of(theirs, LOW)
    assert sorted(expected["probs"]) == [0.0, 1.0]
    result = ours(endpoint, "davinci-low").score_sync(LOW["prompt"], LOW["values"])
    assert result.scores() == pytest.approx(expected["sum"], abs=TOLERANCE)
    assert result.logprobs()[0] - result.logprobs()[1] == pytest.approx(expected["sum"][0] - expected["sum"][1])


def zeros(endpoint: str, theirs: dict[str, Any]) -> None:
    assert scores_of(theirs, ZEROS)["sum"] == [0.0, 0.0]
    assert scores_of(theirs, ZEROS)["argmax"] == " World"
    with pytest.raises(llm.NoPromptLogprobs):
        ours(endpoint, "davinci-zeros").score_sync(ZEROS["prompt"], ZEROS["values"])


def stop(endpoint: str, theirs: dict[str, Any]) -> None:
    assert theirs["stopped"] == theirs["text"]
    assert ours(endpoint).generate_sync("Hello", max_tokens=3, stop=[" d"]) == f"Hello{theirs['text'].split(' d')[0]}"


def printed(endpoint: str, theirs: dict[str, Any]) -> None:
    assert scores_of(theirs, ALIKE[3])["printed"].startswith(
        "lmql.ScoringResult(model='openai/davinci-x')\n-' World': -"
    )
    text = str(ours(endpoint).score_sync(ALIKE[3]["prompt"], ALIKE[3]["values"]))
    assert text.startswith("llm.ScoringResult(model='openai/davinci-x')\n- World: -")


def has_max(endpoint: str, theirs: dict[str, Any]) -> None:
    assert scores_of(theirs, ALIKE[0])["has_max"] is False
    result = ours(endpoint).score_sync(ALIKE[0]["prompt"], ALIKE[0]["values"])
    assert result.max() == max(result.scores())


def mixed(endpoint: str, theirs: dict[str, Any]) -> None:
    assert "requires the current event loop" in theirs["mixed"]
    first = asyncio.run(ours(endpoint).generate("Hello", max_tokens=1))
    second = ours(endpoint).generate_sync("Hello", max_tokens=1)
    assert first == second == asyncio.run(ours(endpoint).generate("Hello", max_tokens=1))


def without_model(endpoint: str, theirs: dict[str, Any]) -> None:
    assert theirs["score_without_model"] == "'str' object has no attribute 'score'"
    llm.set_default_model(ours(endpoint))
    try:
        assert llm.score_sync("Hello", [" World"]).argmax() == " World"
    finally:
        llm._default.clear()


def several(endpoint: str, theirs: dict[str, Any]) -> None:
    httpx.get(endpoint)
    ours(endpoint).generate_sync("Hello", max_tokens=2, decoder="sample", n=2)
    (sent,) = httpx.get(endpoint).json()
    assert (sent["prompt"], sent["n"]) == ("Hello", 2)
    assert len(theirs["samples"]) == 2


DIFFERENCES: Final = {
    "Lengths": lengths,
    "What `generate` returns": full_text,
    "A token across the border": straddling,
    "Tokens of the prompt": prompt_tokens,
    "Very low scores": very_low,
    "Servers that do not score": zeros,
    "`stop`": stop,
    "The printed form": printed,
    "`max`": has_max,
    "Waiting and awaiting": mixed,
    "`score` without a model": without_model,
    "Several answers": several,
}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_a_difference_is_there_and_as_it_is_told(name: str, endpoint: str, theirs: dict[str, Any]) -> None:
    DIFFERENCES[name](endpoint, theirs)


def test_the_page_lists_these_differences_and_those_that_no_endpoint_shows() -> None:
    section = DOCUMENT.read_text().split("## Differences from LMQL", 1)[1].split("\n## ", 1)[0]
    listed = re.findall(r"^\| ([^|]+?) \|", section, re.MULTILINE)
    by_reading = ["No space is put between", "No limit of tokens", "Names of models", "The default model"]

    assert listed == [*DIFFERENCES, *by_reading]


def test_texts_and_batches_are_lmqls(endpoint: str, theirs: dict[str, Any]) -> None:
    m = ours(endpoint, return_full_text=False)

    async def both() -> list[Any]:
        return list(await asyncio.gather(m.generate("A", max_tokens=2), m.generate("B", max_tokens=2)))

    assert asyncio.run(both()) == theirs["together"]
    httpx.get(endpoint)
    asyncio.run(both())
    assert [body["prompt"] for body in httpx.get(endpoint).json()] == [["A", "B"]]
    assert m.generate_sync("Hello", max_tokens=2, decoder="sample", n=2) == theirs["samples"]
