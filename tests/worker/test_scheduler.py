"""The scheduler by itself: whatever is asked and cancelled, nothing is lost and no bound is broken."""

from hypothesis import given
from hypothesis import strategies as st

from modelsvc.engine.cache import Cache
from modelsvc.engine.cells import Copy, Trim
from modelsvc.engine.scheduler import WORTH_WAITING, Scheduler
from modelsvc.engine.steps import Piece, Step, Work

SLOTS, CACHE, STEP = 3, 100, 16


def scheduler(slots: int = SLOTS, cache: int = CACHE, step: int = STEP, *, reuse: bool = True) -> Scheduler:
    return Scheduler(slots, Cache(cache, slots + 2, reuse=reuse), step)


def prompt(length: int, first: int = 0) -> list[int]:
    """Prompts with another `first` have nothing in common."""
    return [first * 1000 + at for at in range(length)]


def take(subject: Scheduler) -> Step:
    """A step, and a token drawn wherever one may be."""
    step = subject.next_step()
    for piece in step.pieces:
        if piece.samples:
            subject.drawn(piece.id, 7)
    return step


def shapes(step: Step) -> list[tuple[int, int]]:
    return [(piece.id, len(piece.tokens)) for piece in step.pieces]


def test_a_long_prompt_is_prefilled_in_chunks_and_sampled_after_the_last() -> None:
    """So that a cancellation takes effect between chunks."""
    subject = scheduler()
    subject.enqueue(Work(1, prompt(40), 5))
    steps = [take(subject) for _ in range(4)]
    assert [(piece.start, len(piece.tokens), piece.samples) for step in steps for piece in step.pieces] == [
        (0, 16, False),
        (16, 16, False),
        (32, 8, True),
        (40, 1, True),
    ]


def test_answers_flow_while_another_prompt_is_prefilled() -> None:
    """A running answer takes part in every step, and a step has the size it may have."""
    subject = scheduler()
    subject.enqueue(Work(1, prompt(4), 10))
    take(subject)
    subject.enqueue(Work(2, prompt(40, 1), 10))
    subject.pace.took(1, 1, 0.05)
    subject.pace.took(16, 1, 0.06)
    step = take(subject)
    assert (shapes(step), step.answers, step.tokens) == ([(1, 1), (2, 15)], 1, 16)
    assert subject.prefilling


def test_a_prompt_that_comes_later_is_read_at_the_pace_of_those_who_answer() -> None:
    """Here a step of 16 would take five times as long as the usual one."""
    subject = scheduler()
    subject.enqueue(Work(1, prompt(4), 50))
    take(subject)
    take(subject)
    for tokens, seconds in ((1, 0.04), (4, 0.09), (8, 0.15), (16, 0.2)):
        for _ in range(30):
            subject.pace.took(tokens, 1, seconds)
    subject.enqueue(Work(2, prompt(40, 1), 2))
    assert shapes(take(subject)) == [(1, 1), (2, 4)]


def test_prompts_that_come_together_are_read_in_one_go() -> None:
    """The first one's second word may wait for the others' first."""
    subject = scheduler(step=8)
    for number in (1, 2, 3):
        subject.enqueue(Work(number, prompt(7, number), 20))
    assert [shapes(take(subject)) for _ in range(3)] == [[(1, 7)], [(1, 1), (2, 7)], [(1, 1), (2, 1), (3, 6)]]


def test_a_prompt_that_waited_for_a_slot_is_read_at_the_pace_of_those_who_answer() -> None:
    """However early it came: the answers that flow began without it."""
    subject = scheduler(slots=2)
    for number, length in ((1, 6), (2, 6), (3, 12)):
        subject.enqueue(Work(number, prompt(length, number), 20))
    take(subject)
    take(subject)
    subject.remove(1)
    for tokens, seconds in ((1, 0.04), (4, 0.09), (8, 0.15), (16, 0.2)):
        for _ in range(30):
            subject.pace.took(tokens, 1, seconds)
    assert shapes(take(subject)) == [(2, 1), (3, 4)]


def test_short_prompts_pass_a_long_one_and_do_not_stop_it() -> None:
    """Half of each step is the first one's, so neither is starved."""
    subject = scheduler(cache=300)
    subject.enqueue(Work(1, prompt(60), 2))
    take(subject)
    subject.enqueue(Work(2, prompt(10, 2), 2))
    subject.enqueue(Work(3, prompt(30, 3), 2))
    assert shapes(take(subject)) == [(1, 8), (2, 8)]
    assert shapes(take(subject)) == [(1, 14), (2, 2)]  # what is left over goes to one that is begun


def test_the_first_waits_for_cache_and_is_not_overtaken() -> None:
    """First come, first served, also when a later one would fit."""
    subject = scheduler()
    subject.enqueue(Work(1, prompt(50), 10))
    subject.enqueue(Work(2, prompt(50, 2), 10))
    subject.enqueue(Work(3, prompt(5, 3), 5))
    assert {piece.id for piece in take(subject).pieces} == {1}
    assert (subject.running, subject.waiting) == (1, 2)
    subject.remove(1)
    assert [piece.id for piece in take(subject).pieces] == [2, 3]


def test_what_a_newcomer_takes_over_from_an_ended_request_is_not_free_as_well() -> None:
    """It would be let in, and have to step back soon."""
    subject = scheduler(slots=2)
    subject.enqueue(Work(1, prompt(60), 5))
    while not subject.next_step().pieces[0].samples:
        pass
    subject.remove(1)
    subject.enqueue(Work(2, prompt(10, 2), 20))
    take(subject)
    subject.enqueue(Work(3, [*prompt(60), *prompt(5, 3)], 20))
    take(subject)
    assert (subject.running, subject.waiting) == (1, 1)
    subject.remove(2)
    assert [(piece.id, piece.start) for piece in take(subject).pieces] == [(3, 60)]


def test_a_cancelled_request_frees_its_slot_for_the_next_step() -> None:
    """Also one that is half read; one that waits held none."""
    subject = scheduler(slots=1)
    subject.enqueue(Work(1, prompt(30), 5))
    subject.enqueue(Work(2, prompt(5, 2), 5))
    subject.enqueue(Work(3, prompt(5, 3), 5))
    take(subject)
    subject.remove(2)
    subject.remove(1)
    assert shapes(take(subject)) == [(3, 5)]
    subject.remove(3)
    assert subject.idle


def test_what_an_ended_request_left_is_taken_over() -> None:
    """All but the last token, whose logits are needed; the answer is part of what is left."""
    subject = scheduler()
    subject.enqueue(Work(1, prompt(10), 5))
    for _ in range(3):
        take(subject)
    subject.remove(1)
    subject.enqueue(Work(2, [*prompt(10), 7, 7, 8, 9], 5))
    assert [(piece.start, piece.tokens) for piece in take(subject).pieces] == [(12, (8, 9))]
    assert subject.cached_tokens(2) == 12


def test_a_running_request_shares_its_beginning() -> None:
    """By a copy of the range: it goes on undisturbed."""
    subject = scheduler()
    subject.enqueue(Work(1, prompt(10), 5))
    take(subject)
    subject.enqueue(Work(2, [*prompt(8), 99], 5))
    step = take(subject)
    assert [edit for edit in step.edits if isinstance(edit, Copy)] == [
        Copy(step.pieces[0].line, step.pieces[1].line, 8)
    ]
    assert (step.pieces[1].start, step.pieces[1].tokens) == (8, (99,))


def test_prompts_that_begin_alike_are_computed_once_though_they_come_together() -> None:
    """The second waits until the first has read what they share, and reads only the rest."""
    subject = scheduler(cache=300)
    shared = prompt(WORTH_WAITING + 8)
    subject.enqueue(Work(1, [*shared, 101], 5))
    subject.enqueue(Work(2, [*shared, 102], 5))
    steps = [take(subject) for _ in range(4)]
    read = {
        number: [piece.tokens for step in steps for piece in step.pieces if piece.id == number] for number in (1, 2)
    }
    assert [len(tokens) for tokens in read[1]] == [16, 16, 9, 1]
    assert read[2] == [(102,)]


def test_who_waits_for_another_prompt_goes_on_alone_when_that_one_is_cancelled() -> None:
    """With what there is of it."""
    subject = scheduler(cache=300)
    shared = prompt(WORTH_WAITING + 8)
    subject.enqueue(Work(1, [*shared, 101], 5))
    subject.enqueue(Work(2, [*shared, 102], 5))
    take(subject)
    subject.remove(1)
    assert [(piece.id, piece.start) for piece in take(subject).pieces] == [(2, 16)]


def test_without_reuse_nothing_is_shared() -> None:
    """A recurrent model's state has no beginning to be cut off."""
    subject = scheduler(reuse=False)
    subject.enqueue(Work(1, prompt(10), 5))
    take(subject)
    subject.remove(1)
    subject.enqueue(Work(2, prompt(10), 5))
    assert [(piece.start, len(piece.tokens)) for piece in take(subject).pieces] == [(0, 10)]


def test_of_a_line_longer_than_the_window_only_the_whole_is_taken_over() -> None:
    """Where blocks look back on a window, llama.cpp gives away what is before it; another beginning needs that."""
    subject = Scheduler(1, Cache(100, 5, window=8), STEP)

    def start(number: int, text: list[int]) -> int:
        subject.enqueue(Work(number, text, 5))
        (piece,) = subject.next_step().pieces
        begin = piece.start
        while not piece.samples:
            (piece,) = subject.next_step().pieces
        subject.remove(number)
        return begin

    assert start(1, prompt(20)) == 0
    assert start(2, [*prompt(12), 99]) == 0
    assert start(3, [*prompt(20), 98]) == 20
    assert start(4, prompt(6, 4)) == 0
    assert start(5, [*prompt(4, 4), 97]) == 4


def test_the_least_recently_used_goes_first_when_cells_are_needed() -> None:
    """An ended request's tokens stay no longer than their place is free."""
    subject = scheduler(slots=1, cache=130)
    for number in (1, 2):
        subject.enqueue(Work(number, prompt(48, number), 1))
        for _ in range(3):
            take(subject)
        subject.remove(number)
    subject.enqueue(Work(3, [*prompt(40, 1), *prompt(40, 3)], 1))
    steps = [take(subject) for _ in range(3)]
    subject.remove(3)
    subject.enqueue(Work(4, prompt(48, 1), 1))
    assert [edit for step in steps for edit in step.edits] == [Copy(0, 2, 40), Trim(1, 0)]
    assert take(subject).pieces[0].start == 47  # the first one's was of use just now, so the second's had to go


def test_what_was_of_no_use_for_long_is_given_up_though_there_is_room() -> None:
    """Attention passes over its cells in every step. What prompts do take over is kept for longer."""
    subject = Scheduler(1, Cache(10_000, 12), STEP)
    kept = []
    for number in range(100):
        subject.enqueue(Work(number, prompt(60, number), 20))
        while not subject.idle:
            for piece in subject.next_step().pieces:
                if piece.samples and piece.start + len(piece.tokens) == 79:
                    subject.remove(piece.id)
                elif piece.samples:
                    subject.drawn(piece.id, 7)
        kept.append(subject.cached)
    assert max(kept) > 400
    assert kept[-1] < 200
    for number in range(200):
        subject.enqueue(Work(1000 + number, [*prompt(60, number % 4), 9], 2))
        take(subject)
        while subject.running:
            take(subject)
            subject.remove(1000 + number)
        kept.append(subject.cached)
    assert kept[-1] > 4 * 60


def test_the_youngest_steps_back_when_answers_need_its_cells_and_goes_on_later() -> None:
    """Nothing is lost: it computes again what it had, and draws what comes next."""
    subject = scheduler(slots=2, cache=160)
    subject.enqueue(Work(1, prompt(10), 140))
    subject.enqueue(Work(2, prompt(20, 2), 100))
    drawn = {1: 0, 2: 0}
    seen_waiting = False
    while not subject.idle:
        for piece in subject.next_step().pieces:
            if piece.samples:
                drawn[piece.id] += 1
                if drawn[piece.id] == {1: 140, 2: 100}[piece.id]:
                    subject.remove(piece.id)
                else:
                    subject.drawn(piece.id, drawn[piece.id])
        seen_waiting |= subject.waiting > 0
    assert (drawn, seen_waiting, subject.idle) == ({1: 140, 2: 100}, True, True)


class Machine:
    """Plays llama.cpp: keeps, for each line and position, the token that was computed there."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.cells: dict[tuple[int, int], object] = {}

    def run(self, step: Step) -> None:
        for edit in step.edits:
            match edit:
                case Copy(source, target, count):
                    assert not any(line == target for line, _ in self.cells), "a copy onto something"
                    self.cells |= {(target, at): self.cells[source, at] for at in range(count)}
                case Trim(line, keep):
                    self.cells = {
                        where: cell for where, cell in self.cells.items() if where[0] != line or where[1] < keep
                    }
        for piece in step.pieces:
            self._compute(piece)
        assert len({id(cell) for cell in self.cells.values()}) <= self.capacity

    def _compute(self, piece: Piece) -> None:
        for at, token in enumerate(piece.tokens, piece.start):
            assert (piece.line, at) not in self.cells, "computed twice"
            assert at == 0 or (piece.line, at - 1) in self.cells, "a gap"
            self.cells[piece.line, at] = [token]  # a list, for its identity

    def line(self, number: int, length: int) -> list[object]:
        return [self.cells[number, at][0] for at in range(length)]  # type: ignore[index]


tokens = st.lists(st.integers(0, 2), min_size=1, max_size=40)
arrivals = st.lists(
    st.tuples(tokens, st.integers(1, 60), st.integers(0, 4), st.one_of(st.none(), st.integers(0, 30))), max_size=12
)


@given(arrivals, st.booleans(), st.integers(1, 4))
def test_every_request_gets_its_answer_whatever_comes_and_goes(
    requests: list[tuple[list[int], int, int, int | None]], reuse: bool, slots: int
) -> None:
    """No slot and no cell is leaked, nothing is lost or drawn without its context, budgets hold, the first is served.

    Each request: its prompt, its answer's length, the steps before the next one comes, the step of its life at which
    it is cancelled.
    """
    subject = scheduler(slots=slots, reuse=reuse)
    machine = Machine(CACHE)
    texts: dict[int, list[int]] = {}
    wanted: dict[int, int] = {}
    cancelled_at: dict[int, int] = {}
    coming = [(number, request) for number, request in enumerate(requests)]
    wait = step_number = 0
    while coming or not subject.idle:
        if coming and wait <= 0:
            number, (text, length, wait, cancel) = coming.pop(0)
            texts[number], wanted[number] = list(text), len(text) + length
            subject.enqueue(Work(number, text, length))
            if cancel is not None:
                cancelled_at[number] = step_number + cancel
        step = subject.next_step()
        step_number, wait = step_number + 1, wait - 1
        assert step.tokens <= STEP
        assert bool(step.pieces) or subject.idle, "nothing is done although someone waits"
        assert len({piece.line for piece in step.pieces}) == len(step.pieces)
        machine.run(step)
        for piece in step.pieces:
            if piece.samples:
                text = texts[piece.id]
                assert machine.line(piece.line, piece.start + len(piece.tokens)) == text, "not its own context"
                text.append(len(text) % 3)
                if len(text) == wanted[piece.id]:
                    subject.remove(piece.id)
                else:
                    subject.drawn(piece.id, text[-1])
        for number in [each for each, at in cancelled_at.items() if at <= step_number]:
            subject.remove(number)
            del cancelled_at[number]
            wanted[number] = len(texts[number])
        assert step_number < 5000, "it does not come to an end"
    assert {number: len(text) for number, text in texts.items()} == wanted
    assert subject._cache.spare() == CACHE
    assert len(subject._cache._idle) == slots + 2
