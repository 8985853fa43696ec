"""The scheduler by itself: whatever is asked and cancelled, nothing is lost and no bound is broken."""

from hypothesis import example, given
from hypothesis import strategies as st

from modelsvc.engine.scheduler import Crowd, Scheduler, Work

SLOTS, CACHE, STEP = 3, 100, 16


def scheduler(slots: int = SLOTS) -> Scheduler:
    return Scheduler(slots, CACHE, STEP)


def test_a_long_prompt_is_prefilled_in_chunks_and_sampled_after_the_last() -> None:
    """So that a cancellation takes effect between chunks."""
    subject = scheduler()
    subject.enqueue(Work(1, prompt_tokens=40, max_tokens=5))
    steps = [subject.next_step() for _ in range(4)]
    assert [(piece.start, piece.count, piece.samples) for (piece,) in steps] == [
        (0, 16, False),
        (16, 16, False),
        (32, 8, True),
        (40, 1, True),
    ]


def test_answers_flow_while_another_prompt_is_prefilled() -> None:
    """A running answer takes part in every step."""
    subject = scheduler()
    subject.enqueue(Work(1, 4, 10))
    subject.next_step()
    subject.enqueue(Work(2, 40, 10))
    assert [(piece.id, piece.count) for piece in subject.next_step()] == [(1, 1), (2, 16)]
    assert subject.prefilling


def test_short_prompts_share_a_step() -> None:
    """The budget is per step, not per request."""
    subject = scheduler()
    for number in (1, 2, 3):
        subject.enqueue(Work(number, 6, 2))
    assert [(piece.id, piece.count) for piece in subject.next_step()] == [(1, 6), (2, 6), (3, 4)]


def test_the_first_waits_for_cache_and_is_not_overtaken() -> None:
    """First come, first served, also when a later one would fit."""
    subject = scheduler()
    subject.enqueue(Work(1, 50, 10))
    subject.enqueue(Work(2, 50, 10))
    subject.enqueue(Work(3, 5, 5))
    assert {piece.id for piece in subject.next_step()} == {1}
    assert subject.remove(1) is not None
    assert {piece.id for piece in subject.next_step()} == {2}


def test_cancelling_a_waiting_request_frees_no_slot() -> None:
    """It held none."""
    subject = scheduler(slots=1)
    subject.enqueue(Work(1, 5, 5))
    subject.enqueue(Work(2, 5, 5))
    subject.next_step()
    assert subject.remove(2) is None
    assert subject.remove(1) == 0
    assert subject.idle


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


works = st.tuples(st.integers(1, 70), st.integers(1, 30))
actions = st.lists(st.one_of(works, st.integers(0, 20), st.none()), max_size=60)


@given(actions)
@example([(16, 1), (1, 1), None, 1])
def test_whatever_happens_every_request_is_served_in_order_within_the_bounds(
    script: list[tuple[int, int] | int | None],
) -> None:
    """A pair arrives, a number is cancelled, None is a step; at the end all that were not cancelled have finished."""
    subject, model = scheduler(), Model()
    for action in script:
        match action:
            case (prompt, answer):
                model.arrive(subject, prompt, answer)
            case int():
                model.remove(subject, action)
            case None:
                model.step(subject)
    for _ in range(10_000):
        if subject.idle:
            break
        model.step(subject)
    assert not model.live
    assert model.first_seen == sorted(model.first_seen)


class Model:
    """What must hold, in the plainest bookkeeping."""

    def __init__(self) -> None:
        self.live: dict[int, Work] = {}
        self.done: dict[int, int] = {}
        self.slot: dict[int, int] = {}
        self.first_seen: list[int] = []
        self.count = 0

    def arrive(self, subject: Scheduler, prompt: int, answer: int) -> None:
        work = Work(self.count, prompt, answer)
        self.count += 1
        self.live[work.id] = work
        subject.enqueue(work)

    def remove(self, subject: Scheduler, request_id: int) -> None:
        """One that was admitted but had no room in a step yet frees a slot that no step has shown."""
        freed, shown = subject.remove(request_id), self.slot.pop(request_id, None)
        assert freed == shown or (shown is None and freed not in self.slot.values())
        self.live.pop(request_id, None)

    def step(self, subject: Scheduler) -> None:
        pieces = subject.next_step()
        for piece in pieces:
            self._check(piece.id, piece.slot, piece.start, piece.count, piece.samples)
        assert len({piece.id for piece in pieces}) == len(pieces)
        prefilled = sum(p.count for p in pieces if p.start < self.live[p.id].prompt_tokens)
        assert prefilled <= STEP
        assert len(set(self.slot.values())) == len(self.slot) <= SLOTS
        assert sum(self.live[number].cache_tokens for number in self.slot) <= CACHE
        assert {p.id for p in pieces} or not self.live
        for number in [n for n in self.slot if self.done.get(n, 0) >= self.live[n].cache_tokens - 1]:
            self.remove(subject, number)

    def _check(self, number: int, slot: int, start: int, count: int, samples: bool) -> None:
        work = self.live[number]
        if number not in self.slot:
            self.first_seen.append(number)
        assert self.slot.setdefault(number, slot) == slot
        assert start == self.done.get(number, 0)
        self.done[number] = start + count
        assert samples == (self.done[number] >= work.prompt_tokens)
