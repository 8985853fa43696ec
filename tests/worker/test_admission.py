"""Who may come in, when to come again, and how long a request may take."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.worker.test_engine import answer, engine, request

from modelsvc.engine.admission import LONGEST_RETRY_S, Crowd, Throughput
from modelsvc.engine.errors import DeadlineExceeded, QueueFull


def test_the_queue_is_bounded() -> None:
    """`slots` run, `queue_limit` wait."""
    assert Crowd(contending=5, held_back=0).may_grow(slots=2, queue_limit=4, held_back=False)
    assert not Crowd(contending=6, held_back=0).may_grow(slots=2, queue_limit=4, held_back=False)


def test_who_is_held_back_waits_but_takes_no_slot() -> None:
    """A full queue of one user's turns still lets another user have the free slot, and nobody a place to wait."""
    crowd = Crowd(contending=1, held_back=4)
    assert crowd.waiting(slots=2) == 4
    assert not crowd.may_grow(slots=2, queue_limit=4, held_back=True)
    assert crowd.may_grow(slots=2, queue_limit=4, held_back=False)
    assert not Crowd(contending=2, held_back=4).may_grow(slots=2, queue_limit=4, held_back=False)


def test_when_to_come_again_follows_from_how_long_answers_take() -> None:
    """With four slots, an answer of twenty seconds leaves one every five."""
    subject = Throughput(slots=4)
    assert subject.retry_after_s == 1
    subject.answered(20.0)
    assert subject.retry_after_s == 5
    for _ in range(50):
        subject.answered(2.0)
    assert subject.retry_after_s == 1
    for _ in range(50):
        subject.answered(1e6)
    assert subject.retry_after_s == LONGEST_RETRY_S


async def test_a_full_queue_tells_when_a_place_is_likely_free(babble: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with engine(babble, slots=1, queue_limit=0) as subject:
        subject._admission.throughput.answered(41.2)
        running = await subject.submit(request("Hello", 1000))
        with pytest.raises(QueueFull, match="try again in 42 s"):
            await subject.submit(request("Hello"))
        running.cancel()
        await answer(running)


async def test_an_answer_that_has_begun_ends_at_its_deadline(babble: Path) -> None:
    """What there is of it is told, as if its length were used up."""
    async with engine(babble, context_tokens=8192) as subject:
        text, finished = await answer(await subject.submit(replace(request("Hello", 8000), timeout_s=0.3)))
        assert text
        assert finished.reason == "length"
        assert 0 < finished.usage.completion_tokens < 8000


async def test_a_request_that_never_got_its_turn_fails_at_its_deadline(babble: Path) -> None:
    """And is gone: the next one gets its place."""
    async with engine(babble, slots=1, context_tokens=8192) as subject:
        running = await subject.submit(request("Hello", 7000))
        await anext(running)
        with pytest.raises(DeadlineExceeded, match=r"had not begun after 0 s"):
            await answer(await subject.submit(replace(request("Hello", 5), timeout_s=0.2)))
        assert subject.snapshot().waiting == 0
        running.cancel()
        await answer(running)
        assert (await answer(await subject.submit(request("Hello", 3))))[1].usage.completion_tokens == 3
