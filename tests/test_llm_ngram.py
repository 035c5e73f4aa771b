"""The models within the process: real probabilities, exact scores, the same answers with the same seed."""

import asyncio
import itertools
import math

import pytest

from generations import llm
from generations.llm.backends.ngrams import END, Ngrams

TEXT = "the cat sat on the mat\n\nthe cat ate\n\nthe dog sat on the cat"


@pytest.mark.parametrize("order", [0, 1, 2, 3, 6])
@pytest.mark.parametrize("before", ["", "the", "the cat", "never seen", "the cat sat on", "Füße 猫"])
def test_probabilities_sum_to_one_after_whatever_was_said(order: int, before: str) -> None:
    model = Ngrams(TEXT, order)

    shares = model.distribution(model.tokens(before))

    assert math.fsum(shares) == pytest.approx(1.0, abs=1e-12)
    assert min(shares) > 0
    assert shares == pytest.approx([model.probability(model.tokens(before), t) for t in range(len(shares))], rel=1e-12)


def test_a_bigram_model_says_what_counting_says() -> None:
    # "the" is followed by cat 3 times, mat once and dog once: 5 tokens of 3 kinds. By itself " cat" is 3 of 17 tokens.
    model = Ngrams(TEXT, 2)
    the, cat = model.tokens("the cat")
    also_the = model.tokens(" the")[0]

    alone = model.probability([], cat)
    after_the = model.probability([also_the], cat)

    assert the != also_the
    unigram = Ngrams(TEXT, 1).probability([], cat)
    assert after_the == pytest.approx((1 + 2 * unigram) / (2 + 2))  # " the": once before mat, once before cat
    assert model.probability([the], cat) == pytest.approx((2 + 2 * unigram) / (3 + 2))  # "the": cat, cat, dog
    assert alone == pytest.approx(unigram * 1 / (3 + 1))  # no text begins with it; all three begin with "the"


@pytest.mark.parametrize("text", ["the cat", " the  cat\n\tsat", "Füße 猫 🙂", "", "\u00e9", "a\u0301"])
def test_tokens_make_up_the_text_whatever_it_is(text: str) -> None:
    model = Ngrams(TEXT, 2)

    assert "".join(model.pieces(model.tokens(text))) == text


def test_a_score_is_the_chain_rule_over_the_tokens_of_the_value() -> None:
    m = llm.model("ngram:", text=TEXT, order=3, sink=None)
    model = Ngrams(TEXT, 3)

    result = m.score_sync("the cat", [" sat on", " flew"])

    before, ids = model.tokens("the cat"), model.tokens(" sat on")
    expected = [model.probability([*before, *ids[:at]], ids[at]) for at in range(2)]
    assert result.token_scores[0] == pytest.approx([math.log(p) for p in expected])
    assert result.scores()[0] == pytest.approx(math.log(math.prod(expected)))
    assert result.full_token_scores[0].shape == (4,)
    assert result.token_scores[1].shape == (5,)  # never seen: spelt, the space as well
    assert result.argmax() == " sat on"


def test_an_empty_prompt_is_the_beginning_of_a_text() -> None:
    m = llm.model("ngram:", text=TEXT, order=2, sink=None)

    assert m.score_sync("", ["the", "mat"]).argmax() == "the"


def test_the_likeliest_words_are_taken_one_after_another() -> None:
    m = llm.model("ngram:", text=TEXT, order=3, sink=None)

    assert m.generate_sync("the dog") == "the dog sat on the cat"
    assert m.generate_sync("the dog", return_full_text=False) == " sat on the cat"
    assert m.generate_sync("the dog", max_tokens=2) == "the dog sat on"
    assert m.generate_sync("the dog", stop=" on") == "the dog sat"
    assert m.generate_sync("the dog", stop=["zebra", "at"]) == "the dog s"


def test_samples_are_the_same_with_the_same_seed_and_differ_among_each_other() -> None:
    m = llm.model("ngram:", sink=None)

    first = m.generate_sync("Hello", 20, decoder="sample", n=4, seed=7)
    again = llm.model("ngram:", seed=7, sink=None).generate_sync("Hello", 20, decoder="sample", n=4)
    other = m.generate_sync("Hello", 20, decoder="sample", n=4, seed=8)

    assert first == again
    assert first != other
    assert isinstance(first, list)
    assert len(set(first)) > 1


def test_samples_come_as_often_as_they_are_likely() -> None:
    m = llm.model("ngram:", text=TEXT, order=2, sink=None)
    model = Ngrams(TEXT, 2)
    drawn = [m.generate_sync("the", 1, decoder="sample", seed=seed) for seed in range(400)]

    share = drawn.count("the cat") / 400

    assert share == pytest.approx(model.probability(model.tokens("the"), model.tokens(" cat")[0]), abs=0.1)


def test_the_tail_is_cut_by_top_p_and_top_k_and_sharpened_by_temperature() -> None:
    m = llm.model("ngram:", text=TEXT, order=2, sink=None)

    for how in ({"top_p": 0.01}, {"top_k": 1}, {"temperature": 0.01}):
        assert {m.generate_sync("the", 1, decoder="sample", seed=s, **how) for s in range(30)} == {"the cat"}


def test_beams_are_the_likeliest_texts_that_there_are() -> None:
    m = llm.model("ngram:", text="a b c\n\na b d\n\na c d\n\nb c", order=2, sink=None)
    model = Ngrams("a b c\n\na b d\n\na c d\n\nb c", 2)
    before = model.tokens("a")

    done = m.complete_sync("a", 2, "beam", n=8)

    # All texts of at most two tokens, by brute force: ended ones with their end.
    every: dict[str, float] = {}
    for ids in itertools.product(range(len(model.vocabulary)), repeat=2):
        if END not in ids:
            text = "".join(model.pieces(ids))
            every[text] = max(every.get(text, -math.inf), math.fsum(model.logprobs(before, ids)))
        elif ids[1] == END and ids[0] != END:
            text = "".join(model.pieces(ids[:1]))
            every[text] = max(every.get(text, -math.inf), math.fsum(model.logprobs(before, ids)))
    every[""] = math.fsum(model.logprobs(before, [END]))
    best = sorted(every, key=lambda text: every[text], reverse=True)[:2]
    assert done.texts[:2] == best
    assert [choice.score for choice in done.answer.choices][:2] == pytest.approx([every[text] for text in best])


def test_the_random_model_finds_every_word_as_likely_and_says_the_same_each_time() -> None:
    m = llm.model("random", seed=123, sink=None)

    result = m.score_sync("Hello", [" order", " bicycle"])

    assert result.probs() == pytest.approx([0.5, 0.5])
    assert m.generate_sync("Hello", 8) == llm.model("random", seed=123, sink=None).generate_sync("Hello", 8)
    assert m.generate_sync("Hello", 8) != llm.model("random", seed=124, sink=None).generate_sync("Hello", 8)


def test_a_streamed_answer_is_the_answer_in_pieces() -> None:
    m = llm.model("ngram:", sink=None)
    stream = m.stream("The sea", 12)

    texts = [piece.text for piece in stream]

    assert len(texts) > 5
    assert "".join(texts) == m.generate_sync("The sea", 12, return_full_text=False)
    assert stream.completion is not None
    assert stream.completion.texts == ["".join(texts)]


def test_a_conversation_is_answered_up_to_the_next_turn() -> None:
    m = llm.model("ngram:", sink=None)

    answer = m.generate_sync([{"role": "user", "content": "Can I pay by card?"}])

    assert answer == "Yes, you can pay by card, by bank transfer, or with cash in the shop."


def test_waiting_and_awaiting_mix_freely_in_one_process() -> None:
    m = llm.model("ngram:", text=TEXT, sink=None)

    async def within() -> list[object]:
        both = await asyncio.gather(m.generate("the dog"), m.generate("the cat"))
        return [*both, m.generate_sync("the dog"), (await m.score("the", [" dog"])).argmax()]

    before = m.generate_sync("the dog")
    first = asyncio.run(within())
    second = asyncio.run(within())

    assert first == second
    assert first[0] == first[2] == before == m.generate_sync("the dog")
    assert first[3] == " dog"
