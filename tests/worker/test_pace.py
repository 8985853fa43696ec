"""How many prompt tokens go beside answers: learned from what steps took, on machines of several kinds."""

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsvc.engine.pace import LEAST_TOKENS, STRETCH, Pace

MOST = 256


def slow_processor(tokens: int) -> float:
    """Seconds, as measured on two cores: dear single tokens, then tiles of 16."""
    return 0.046 + 0.017 * (tokens - 1) if tokens < 8 else 0.1 + 0.058 * -(-tokens // 16)


def accelerator(tokens: int) -> float:
    """Tokens are nearly free beside the weights."""
    return 0.02 + 0.0002 * tokens


def tiny(tokens: int) -> float:
    return 0.0002 + 0.00005 * tokens


def learned(cost: Callable[[int], float], answers: int, steps: int = 200) -> Pace:
    """After prompts that came while nobody answered, a stretch of answering alone, and a long prompt beside it."""
    subject = Pace()
    for tokens in (9, 14, 33, 60, 150):
        subject.took(tokens, 0, cost(tokens))
    for _ in range(20):
        subject.took(answers, answers, cost(answers))
    for _ in range(steps):
        tokens = answers + subject.beside(answers, MOST)
        subject.took(tokens, answers, cost(tokens))
    return subject


@pytest.mark.parametrize("cost", [slow_processor, accelerator, tiny])
@pytest.mark.parametrize("answers", [1, 2, 4, 8])
def test_a_gap_is_never_more_than_three_times_the_usual_one(cost: Callable[[int], float], answers: int) -> None:
    """From the first step on, and while it learns."""
    subject = Pace()
    for _ in range(20):
        subject.took(answers, answers, cost(answers))
    for _ in range(200):
        tokens = answers + subject.beside(answers, MOST)
        assert cost(tokens) <= max(3 * cost(answers), cost(answers + LEAST_TOKENS))
        subject.took(tokens, answers, cost(tokens))


@pytest.mark.parametrize("cost", [slow_processor, accelerator, tiny])
@pytest.mark.parametrize("answers", [1, 2, 4, 8])
def test_the_room_there_is_gets_used(cost: Callable[[int], float], answers: int) -> None:
    """It finds out how many tokens fit, within a factor of two."""
    found = learned(cost, answers).beside(answers, MOST)
    fitting = max((n for n in range(1, MOST + 1) if cost(answers + n) <= STRETCH * cost(answers)), default=1)
    assert found >= min(fitting / 2, MOST)


def test_a_short_prompt_is_read_at_once_when_that_is_one_gap_of_little_more() -> None:
    """Beside four answers, 60 tokens take 3.5 of their steps; 150 would take more, and go in pieces."""
    subject = learned(slow_processor, 4)
    for _ in range(20):
        subject.took(64, 4, 3.4 * slow_processor(4))
        subject.took(150, 4, slow_processor(150))
    assert subject.beside(4, MOST, whole=60) == 60
    assert subject.beside(4, MOST, whole=146) == subject.beside(4, MOST) < 60


def test_nothing_is_known_at_first() -> None:
    """Then a prompt goes on in small steps, which soon tell more."""
    assert Pace().expected(5) is None
    assert Pace().beside(1, MOST) == LEAST_TOKENS
    assert Pace().beside(1, 2) == 2


def test_the_usual_gap_is_that_of_the_answers_there_have_been_of_late() -> None:
    """One of eight that ends does not make the others' usual gap smaller at once."""
    subject = learned(slow_processor, 8)
    assert subject.beside(7, MOST) >= subject.beside(8, MOST)


def test_what_makes_steps_dearer_is_expected_of_all_sizes() -> None:
    """A context twice as dear is learned from the steps that are taken, not size by size."""
    subject = learned(slow_processor, 4)
    before = {size: subject.expected(size) or 0 for size in (16, 64, 128)}
    for _ in range(40):
        subject.took(4, 4, 2 * slow_processor(4))
    for size, seconds in before.items():
        assert subject.expected(size) == pytest.approx(2 * seconds, rel=0.15)


def test_one_slow_step_is_not_held_against_a_size_for_ever() -> None:
    """Something else had the processors."""
    subject = learned(slow_processor, 1)
    before = subject.beside(1, MOST)
    for size in range(2, 30):
        subject.took(size, 1, 10.0)
    assert subject.beside(1, MOST) == LEAST_TOKENS
    for _ in range(6000):
        tokens = 1 + subject.beside(1, MOST)
        subject.took(1, 1, slow_processor(1))
        subject.took(tokens, 1, slow_processor(tokens))
    assert subject.beside(1, MOST) == before


@given(st.lists(st.tuples(st.integers(1, 300), st.integers(0, 8), st.floats(1e-5, 10)), max_size=40))
def test_it_always_lets_a_prompt_go_on(steps: list[tuple[int, int, float]]) -> None:
    """Whatever was measured: at least a few tokens, at most what there is room for; and never a negative time."""
    subject = Pace()
    for tokens, answers, seconds in steps:
        subject.took(tokens, answers, seconds)
    for answers in range(1, 9):
        assert min(LEAST_TOKENS, 3) <= subject.beside(answers, 3) <= 3
        assert LEAST_TOKENS <= subject.beside(answers, MOST) <= MOST
    if steps:
        assert all((subject.expected(size) or 0) > 0 for size in range(1, 300))


def test_sizes_grow() -> None:
    from modelsvc.engine.pace import _SIZES

    assert all(smaller < larger for smaller, larger in pairwise(_SIZES))
