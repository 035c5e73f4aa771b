"""Scores of continuations: sums, means, shares, and which token is whose at the border of prompt and value."""

import math

import pytest

from generations import llm
from generations.llm.calls import Scored
from generations.llm.scoring import ScoredSequence, ScoringResult, Vector, aligned, log_softmax


def result(
    *rows: tuple[str, list[float]], prompt: tuple[float, ...] = (math.nan, -9.0), compat: bool = False
) -> ScoringResult:
    """Scores of values after a prompt of two tokens."""
    seqs = [
        ScoredSequence(
            tokens=("He", "llo", *(f"t{n}" for n, _ in enumerate(scores))),
            logprobs=Vector((*prompt, *scores)),
            offsets=tuple(range(2 + len(scores))),
            value_tokens=len(scores),
        )
        for _, scores in rows
    ]
    return ScoringResult("Hello", [value for value, _ in rows], seqs, "m", compat=compat)


def test_scores_are_reckoned_over_the_tokens_of_the_value_alone() -> None:
    r = result(("World", [-1.0, -2.0]), ("Apples", [-2.5]))

    assert r.scores() == (-3.0, -2.5)
    assert r.scores("mean") == (-1.5, -2.5)
    assert r.scores("normalized") == pytest.approx((-3.0 / 2**0.7, -2.5))
    assert r.scores("normalized", alpha=2) == pytest.approx((-0.75, -2.5))
    assert r.argmax() == "Apples"
    assert r.argmax("mean") == "World"
    assert r.max() == -2.5
    assert r.max("mean") == -1.5
    assert r.token_scores == [(-1.0, -2.0), (-2.5,)]
    assert [v.shape for v in r.full_token_scores] == [(4,), (3,)]
    assert math.isnan(r.full_token_scores[0][0])
    assert r.num_value_tokens == [2, 1]
    assert len(r) == len(r.seqs) == 2


def test_with_lmqls_behaviour_lengths_are_counted_over_prompt_and_value() -> None:
    r = result(("World", [-1.0, -2.0]), ("Apples", [-2.5]), compat=True)

    assert r.scores() == (-3.0, -2.5)
    assert r.scores("mean") == pytest.approx((-3.0 / 4, -2.5 / 3))
    assert r.scores("normalized") == pytest.approx((-3.0 / 4**0.7, -2.5 / 3**0.7))
    assert r.full_token_scores[0] == (0.0, 0.0, -1.0, -2.0)


def test_probabilities_are_shared_among_the_values() -> None:
    r = result(("a", [-1.0]), ("b", [-2.0]), ("c", [-3.0]))
    whole = math.exp(-1) + math.exp(-2) + math.exp(-3)

    assert r.probs() == pytest.approx([math.exp(-1) / whole, math.exp(-2) / whole, math.exp(-3) / whole])
    assert r.probs().sum() == pytest.approx(1)
    assert r.logprobs() == pytest.approx([math.log(p) for p in r.probs()])


def test_values_that_are_very_unlikely_still_share_the_probability() -> None:
    assert log_softmax([-2000.0, -2001.0]) == pytest.approx(log_softmax([0.0, -1.0]))
    assert log_softmax([-math.inf, -math.inf]) == pytest.approx([math.log(0.5)] * 2)


def test_the_printed_form_has_a_line_for_each_value() -> None:
    r = result(("World", [-3.9417848587036133]), ("Apples", [-15.25]))

    assert str(r) == repr(r) == "llm.ScoringResult(model='m')\n-World: -3.9417848587036133\n-Apples: -15.25"


def test_the_whole_result_is_json() -> None:
    found = result(("World", [-1.0, -2.0])).to_dict()

    assert found == {
        "model": "m",
        "prompt": "Hello",
        "best": "World",
        "values": [
            {
                "value": "World",
                "sum": -3.0,
                "mean": -1.5,
                "normalized": -3.0 / 2**0.7,
                "prob": 1.0,
                "straddles": False,
                "tokens": [
                    {"token": "He", "logprob": None, "offset": 0, "isValue": False},
                    {"token": "llo", "logprob": -9.0, "offset": 1, "isValue": False},
                    {"token": "t0", "logprob": -1.0, "offset": 2, "isValue": True},
                    {"token": "t1", "logprob": -2.0, "offset": 3, "isValue": True},
                ],
            }
        ],
    }


def test_an_unknown_aggregate_is_refused() -> None:
    with pytest.raises(llm.InvalidCall, match="agg: 'median' is not valid; expected one of sum, mean, normalized"):
        result(("a", [-1.0])).scores("median")


# -------------------------------------------------------------------------------------------------------- the border
def scored(*tokens: str, offsets: tuple[int, ...] | None = None) -> Scored:
    """Tokens with -1, -2, -3, ... of which the first is not known."""
    starts, at = [], 0
    for token in tokens:
        starts.append(at)
        at += len(token)
    return Scored(
        tokens, (None, *(-float(n) for n in range(1, len(tokens)))), tuple(starts) if offsets is None else offsets
    )


def test_tokens_are_the_values_from_where_it_begins() -> None:
    seq = aligned("Hello", " World!", scored("Hel", "lo", " World", "!"))

    assert (seq.value_tokens, seq.straddles) == (2, False)
    assert seq.logprobs[-2:] == (-2.0, -3.0)


@pytest.mark.parametrize(("straddle", "expected"), [("include", (-1.0, -2.0)), ("exclude", (-2.0,))])
def test_a_token_across_the_border_is_whose_the_caller_says(straddle: str, expected: tuple[float, ...]) -> None:
    seq = aligned("A Hel", "lo World", scored("A", " Hello", " World"), straddle=straddle)

    assert seq.straddles
    assert seq.logprobs[len(seq) - seq.value_tokens :] == expected


def test_a_token_across_the_border_may_be_refused() -> None:
    with pytest.raises(llm.InvalidCall, match="' Hello' stands across the border of the prompt and 'lo'"):
        aligned("A Hel", "lo", scored("A", " Hello"), straddle="error")
    with pytest.raises(llm.InvalidCall, match="no token of 'lo' is left"):
        aligned("A Hel", "lo", scored("A", " Hello"), straddle="exclude")


def test_a_value_within_one_token_of_the_prompt_is_never_certain() -> None:
    seq = aligned("A Hel", "lo", scored("A", " Hello"))

    assert (seq.value_tokens, seq.logprobs[-1], seq.straddles) == (1, -1.0, True)


def test_tokens_made_after_the_text_are_left_out() -> None:
    seq = aligned("A", " b", scored("A", " b", " c"))

    assert (seq.tokens, seq.value_tokens) == (("A", " b"), 1)


@pytest.mark.parametrize("offsets", [(), (1, 2, 7), (0, 5, 99), (0, 6, 2)])
def test_places_that_are_missing_or_counted_otherwise_are_found_anew(offsets: tuple[int, ...]) -> None:
    seq = aligned("Füße", " 猫", scored("Fü", "ße", " 猫", offsets=offsets))

    assert seq.offsets == (0, 2, 4)
    assert seq.value_tokens == 1


def test_a_token_before_the_text_takes_no_room() -> None:
    seq = aligned("A", " b", scored("<s>", "A", " b", offsets=()))

    assert (seq.offsets, seq.value_tokens) == ((0, 0, 1), 1)


def test_half_characters_stand_where_the_server_says() -> None:
    seq = aligned("A", " é", scored("A", " ", "bytes:\\xc3", "bytes:\\xa9", offsets=(0, 1, 2, 2)))

    assert seq.value_tokens == 3


def test_the_first_token_of_all_has_no_score() -> None:
    with pytest.raises(llm.NoPromptLogprobs, match="it is the first of the text: give a prompt"):
        aligned("", "Hello", scored("Hello"))


def test_tokens_that_are_not_the_text_are_refused() -> None:
    with pytest.raises(llm.NoPromptLogprobs, match="do not make up the text"):
        aligned("Hello", " World", scored("Hello", " Moon", offsets=()))
