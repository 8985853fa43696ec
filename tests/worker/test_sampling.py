"""Draws by llama.cpp's samplers, on the demo model's weights and on random ones with a large vocabulary."""

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.worker.drawing import Desk, desk
from tools.random_gguf import Shape, write_random_gguf

from modelsvc.engine import guide
from modelsvc.engine.candidates import Candidates
from modelsvc.engine.errors import GrammarTooSlow, PromptRefused, SamplingRefused

EVEN: dict[str, Any] = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "seed": 1}
HOT = {**EVEN, "temperature": 9.0}
LETTERS = "root ::= [a-c]*"


@pytest.fixture(scope="module")
def demo(model: Path) -> Iterator[Desk]:
    with desk(model) as found:
        yield found


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    path = tmp_path_factory.mktemp("large") / "large.gguf"
    write_random_gguf(Shape(vocabulary=49_152), "F16", 1, path)
    with desk(path) as found:
        yield found


@pytest.fixture(params=["demo", "large"])
def any_model(request: pytest.FixtureRequest) -> Desk:
    found: Desk = request.getfixturevalue(request.param)
    return found


def best(desk: Desk, *, but: int | None = None) -> int:
    logits = desk.logits()
    return max((token for token in range(len(logits)) if token != but), key=logits.__getitem__)


@pytest.mark.parametrize("kind", [{"temperature": 0.0}, {"temperature": 1e-30}, {**EVEN, "top_k": 1}])
def test_the_coldest_draw_is_the_most_probable_token(any_model: Desk, kind: dict[str, Any]) -> None:
    assert any_model.draws(3, **kind) == [best(any_model)] * 3


def test_a_seed_repeats_its_draws(any_model: Desk) -> None:
    first, second = any_model.draws(20, **HOT), any_model.draws(20, **HOT)
    assert first == second
    assert first != any_model.draws(20, **{**HOT, "seed": 2})


def test_a_seed_repeats_with_a_grammar_and_penalties(any_model: Desk) -> None:
    options = {**EVEN, "grammar": LETTERS, "repeat_penalty": 1.3}
    assert any_model.draws(20, **options) == any_model.draws(20, **options)


def test_no_seed_is_a_new_one(large: Desk) -> None:
    assert large.draws(20, **{**EVEN, "seed": None}) != large.draws(20, **{**EVEN, "seed": None})


@pytest.mark.parametrize("more", [{}, {"grammar": "root ::= [^a]*"}])
def test_a_bias_bans_and_forces(any_model: Desk, more: dict[str, Any]) -> None:
    """-100 is never drawn and 100 always, greedily or not, also under a grammar that allows either."""
    wanted, first = any_model.token(b"e"), best(any_model)
    for kind in ({"temperature": 0.0}, EVEN):
        assert any_model.draws(3, **kind, **more, logit_bias=((wanted, 100.0),)) == [wanted] * 3
        assert wanted not in any_model.draws(3, **kind, logit_bias=((wanted, -100.0),))
    assert any_model.draws(1, temperature=0.0, logit_bias=((first, -100.0),)) == [best(any_model, but=first)]


@pytest.mark.parametrize("token", [-1, 10**6])
def test_a_bias_for_no_token_is_refused(demo: Desk, token: int) -> None:
    with pytest.raises(SamplingRefused, match=rf"token {token}, but the model's are 0 to \d+") as error:
        demo.sampler(logit_bias=((token, 1.0),))
    assert isinstance(error.value, PromptRefused)


@pytest.mark.parametrize("penalty", [{"frequency_penalty": 2.0}, {"presence_penalty": 20.0}, {"repeat_penalty": 2.0}])
def test_penalties_end_repetition(any_model: Desk, penalty: dict[str, float]) -> None:
    """Greedy draws from the same logits repeat one token for ever; with a penalty they do not."""
    assert len(set(any_model.draws(10, temperature=0.0))) == 1
    assert len(set(any_model.draws(10, temperature=0.0, **penalty))) > 1


def test_a_frequency_counts_and_a_presence_does_not(large: Desk) -> None:
    """Presence takes off once, so that the draws settle again; frequency every time, so that they spread."""
    settled = Counter(large.draws(200, temperature=0.0, presence_penalty=0.05))
    spread = Counter(large.draws(200, temperature=0.0, frequency_penalty=0.05))
    assert max(settled.values()) > max(spread.values())


def test_only_a_repeat_penalty_looks_at_the_prompt(any_model: Desk) -> None:
    first = best(any_model)
    prompt = (first,) * 5
    assert any_model.draws(1, prompt=prompt, temperature=0.0, frequency_penalty=2.0, presence_penalty=2.0) == [first]
    assert any_model.draws(1, prompt=prompt, temperature=0.0, repeat_penalty=1.0) == [first]
    assert any_model.draws(1, prompt=prompt, temperature=0.0, repeat_penalty=5.0) != [first]


def test_a_repeat_penalty_looks_back_on_64_tokens(any_model: Desk) -> None:
    first, other = best(any_model), any_model.token(b"e")
    assert any_model.draws(1, prompt=(first, *[other] * 64), temperature=0.0, repeat_penalty=5.0) == [first]


def test_a_frequency_penalty_looks_back_on_the_whole_answer(demo: Desk) -> None:
    """All tokens of a long answer count, not its last 64."""
    a, b = demo.token(b"a"), demo.token(b"b")
    sampler = demo.sampler(
        temperature=0.0,
        frequency_penalty=1.0,
        grammar="root ::= a{80} b{80} [ab]\na ::= [a]\nb ::= [b]",
        logit_bias=((a, 79.0), (b, 79.0)),
    )
    drawn = [choice.token for _ in range(161) if (choice := demo.draw(sampler))]
    assert Counter(drawn[:160]) == {a: 80, b: 80}


def test_filters_leave_out_the_improbable(large: Desk) -> None:
    """top_k, top_p and min_p each narrow what is drawn."""
    wide = len(set(large.draws(300, **EVEN)))
    assert len(set(large.draws(300, **{**EVEN, "top_k": 5}))) <= 5 < wide
    assert len(set(large.draws(300, **{**EVEN, "top_p": 1e-4}))) < 50 < wide
    assert len(set(large.draws(300, **{**EVEN, "min_p": 0.9}))) < wide


def test_a_grammar_allows_only_what_it_derives(any_model: Desk) -> None:
    for kind in ({"temperature": 0.0}, EVEN, {**EVEN, "repeat_penalty": 1.5, "frequency_penalty": 1.0}):
        pieces = [any_model.model.piece(token) for token in any_model.draws(30, **kind, grammar=LETTERS)]
        assert set(b"".join(pieces)) <= set(b"abc")


def test_an_answer_ends_only_where_its_grammar_may(any_model: Desk) -> None:
    """Not before, though the model would; and then at once."""
    ends = [token for token in range(any_model.model.tokens) if any_model.model.is_end(token)]
    biases = tuple((end, 50.0) for end in ends)
    text = any_model.answer(10, temperature=0.0, grammar="root ::= [0-9] [0-9] [0-9]*", logit_bias=biases)
    assert len(text or "") == 2


def test_no_token_is_drawn_where_none_is_allowed(demo: Desk) -> None:
    """A grammar may lead where the vocabulary has no token for; the answer ends there."""
    sampler = demo.sampler(temperature=0.0, grammar="root ::= <[5]> <[1000000]>")
    assert [choice and choice.token for choice in (demo.draw(sampler), demo.draw(sampler), demo.draw(sampler))] == [
        5,
        None,
        None,
    ]


def test_a_grammar_is_never_met_by_the_spelling_of_a_control_token(large: Desk) -> None:
    """It would put nothing into the answer, which then were not what the grammar derives."""
    control = next(token for token in large.model.control_tokens if not large.model.is_end(token))
    draws = large.draws(20, temperature=0.0, grammar="root ::= [^x]*", logit_bias=((control, 100.0),))
    assert control not in draws


def test_a_refused_draw_is_not_remembered(demo: Desk) -> None:
    """Penalties count the tokens of the answer alone."""
    a, refused = demo.token(b"a"), demo.token(b"z")
    sampler = demo.sampler(
        temperature=0.0, frequency_penalty=1.0, grammar='root ::= "aaa" [z]', logit_bias=((refused, 90.0), (a, 50.0))
    )
    assert [choice.token for _ in range(4) if (choice := demo.draw(sampler))] == [a, a, a, refused]
    scored = Candidates(demo.model.tokens)
    scored.fill(demo.context, 0)
    scored.apply(sampler._draws.handle)
    logits = {token: logit for token, logit, _ in scored.first(demo.model.tokens)}
    assert logits[refused] == pytest.approx(demo.logits()[refused] + 90 - 1, abs=1e-4)
    assert logits[a] == pytest.approx(demo.logits()[a] + 50 - 3, abs=1e-4)


def test_a_second_draw_keeps_the_odds(demo: Desk) -> None:
    """Tokens that a grammar allows are as probable to each other as they were without it."""
    a, b = demo.token(b"a"), demo.token(b"b")
    logits = demo.logits()
    biases = ((a, 1.0 - logits[a]), (b, 0.0 - logits[b]))
    drawn = Counter(demo.draws(4000, **EVEN, grammar="root ::= [ab]*", logit_bias=biases))
    assert drawn[a] / drawn[b] == pytest.approx(math.e, rel=0.15)


@pytest.mark.parametrize(
    "grammar", ["", " ", "root ::= (", 'a ::= "b"', "root ::= missing", "root ::= root", 'root ::= "a"\0']
)
def test_a_grammar_that_is_none_is_refused(demo: Desk, grammar: str) -> None:
    with pytest.raises(SamplingRefused, match="cannot read the grammar"):
        demo.sampler(grammar=grammar)


def test_a_huge_grammar_is_refused(demo: Desk) -> None:
    with pytest.raises(SamplingRefused, match="has 300011 bytes, but at most 262144"):
        demo.sampler(grammar=f'root ::= "{"a" * 300_000}"')


@pytest.mark.parametrize("limit", ["ASK_S", "ACCEPT_S"])
def test_a_grammar_that_explodes_ends_the_request(demo: Desk, monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    """Each letter doubles what has to be followed: told in time, not when memory is gone."""
    monkeypatch.setattr(guide, {"ASK_S": "ACCEPT_S", "ACCEPT_S": "ASK_S"}[limit], math.inf)
    letters = (("a", 99.0), ("z", 99.0 if limit == "ASK_S" else 0.0))
    biases = tuple((demo.token(letter.encode()), bias) for letter, bias in letters)
    sampler = demo.sampler(temperature=0.0, grammar='root ::= "a" root "b" | "a" root "c" | "d"', logit_bias=biases)
    with pytest.raises(GrammarTooSlow, match=r"takes too long to follow \(\d+\.\d ms for one token\)"):
        for _ in range(16):
            demo.draw(sampler)


def softmax(logits: list[float]) -> list[float]:
    top = max(logits)
    whole = top + math.log(math.fsum(math.exp(logit - top) for logit in logits))
    return [logit - whole for logit in logits]


@pytest.mark.parametrize("more", [{}, {"logit_bias": ((5, 100.0),)}, {"temperature": 0.1}, {"grammar": LETTERS}])
@pytest.mark.parametrize("count", [0, 1, 20])
def test_logprobs_are_the_models_own(any_model: Desk, count: int, more: dict[str, Any]) -> None:
    """Over the whole vocabulary, before anything that the request's sampling does."""
    expected = softmax(any_model.logits())
    ranked = sorted(expected, reverse=True)
    sampler = any_model.sampler(logprobs=count, **{**EVEN, **more})
    for _ in range(3):
        choice = any_model.draw(sampler)
        assert choice
        assert choice.drawn
        assert choice.drawn.chosen.piece == any_model.model.piece(choice.token)
        assert choice.drawn.chosen.logprob == pytest.approx(expected[choice.token], abs=1e-4)
        assert [entry.logprob for entry in choice.drawn.top] == pytest.approx(ranked[:count], abs=1e-4)
        assert count == 0 or choice.drawn.top[0].piece == any_model.model.piece(best(any_model))


def test_logprobs_do_not_change_the_draws(any_model: Desk) -> None:
    assert any_model.draws(20, **EVEN) == any_model.draws(20, **EVEN, logprobs=3)


def test_without_logprobs_none_are_told(demo: Desk) -> None:
    choice = demo.draw(demo.sampler())
    assert choice
    assert choice.drawn is None
