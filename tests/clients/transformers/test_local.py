"""Models of `transformers` in the process: a tiny one with random weights, against passes of the model itself."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from tests.clients import environments

ROOT: Final = Path(__file__).resolve().parents[3]
PROGRAM: Final = Path(__file__).parent / "programs" / "asking.py"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the program finds, run once for all tests."""
    interpreter = environments.python("transformers-5.23.0", besides="torch==2.13.0")
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    kept |= {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [str(interpreter), str(PROGRAM), str(tmp_path_factory.mktemp("model"))],
        env=kept,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    read: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return read


def test_a_hundred_values_are_scored_in_batches_as_each_alone(found: dict[str, Any]) -> None:
    assert found["passes"] == [64, 36]
    assert found["scores"] == pytest.approx(found["alone"], abs=1e-4)
    for mine, other in zip(found["token_scores"], found["token_alone"], strict=True):
        assert mine == pytest.approx(other, abs=1e-4)


def test_the_likeliest_text_is_the_models(found: dict[str, Any]) -> None:
    assert found["greedy"] == found["greedy_alone"] == found["given"]
    assert found["greedy"].startswith(found["stopped"])
    assert len(found["stopped"]) < len(found["greedy"])


def test_a_stream_brings_each_token_as_it_is_made(found: dict[str, Any]) -> None:
    *pieces, end = found["streamed"]

    assert "the cat" + "".join(pieces) == found["greedy"]
    assert (len(pieces), end) == (6, "")
    assert f"the cat{found['stopped_stream']}" == found["stopped"]
    assert found["chat_stream"] == found["chat"]
    assert found["stream_record"] == [found["greedy"].removeprefix("the cat"), 3, 6, "length"]


def test_a_stream_that_is_left_is_recorded_as_far_as_it_came(found: dict[str, Any]) -> None:
    assert found["left"] == ["cancelled", True]


def test_samples_are_the_same_with_the_same_seed(found: dict[str, Any]) -> None:
    assert len(found["samples"]) == 3
    assert found["samples"] == found["again"]


def test_beams_come_with_their_scores_the_likeliest_first(found: dict[str, Any]) -> None:
    (_, first), (_, second) = found["beams"]

    assert second <= first < 0


def test_prompts_of_different_lengths_are_answered_together_as_apart(found: dict[str, Any]) -> None:
    assert found["together"] == found["apart"]


def test_what_does_not_fit_or_is_not_there_is_told(found: dict[str, Any]) -> None:
    assert found["too_long"] == "82 tokens of prompt and value are more than 32."
    assert found["unknown"].startswith("local:/")
    assert isinstance(found["chat"], str)


def test_calls_are_recorded_with_their_tokens(found: dict[str, Any]) -> None:
    scoring, completion = found["records"]

    assert scoring[0] == "scoring"
    assert scoring[1].startswith("local:")
    # "the" is a token; " dog", " cat sat", " sat on the mat" and " ." are 2, 4, 8 and 2.
    assert scoring[2:] == [25 * (3 + 5 + 9 + 3), 0, None]
    assert completion[0] == "completion"
    assert completion[2] == 3
