"""Whose tokens go into the next step. Pure: no model, no threads, no clock.

A request waits, first come first served, until a slot is free and the cache has room for its prompt and the beginning
of its answer. Each step then carries one token of every sequence that answers, and beside them prompt tokens, as many
as the pace allows: a long prompt is read in chunks between which the answers flow and a cancellation takes effect.
Half of the chunk belongs to the prompt that came first, the rest to whichever is nearest its end, so that short
prompts pass long ones and none waits for ever.

When the cache is full, what ended requests left there goes first. If that is not enough, the youngest running request
steps back into the queue, and later goes on where it was: its tokens are computed again, its text is not.

A request is in exactly one place: `_waiting`, `_running`, or gone.
"""

from collections import deque
from dataclasses import dataclass

from modelsvc.engine.cache import Cache, Line
from modelsvc.engine.pace import Pace
from modelsvc.engine.retention import OF_USE_TOKENS
from modelsvc.engine.steps import Piece, Step, Work

ANSWER_TOKENS = 64  # the room for its answer without which a request is not let in
WORTH_WAITING = OF_USE_TOKENS  # for so long a common beginning, which another prompt is computing anyway
GROUP_TOKENS = 128  # a step of several prompts is smaller: the first ones need not wait for the last
HEAD_START_TOKENS = 512  # prompts that came together are read in one go up to this


@dataclass(slots=True, eq=False)
class _Sequence:
    work: Work
    tokens: list[int]
    let_in_at: int = 0  # both in steps
    began_at: int | None = None
    line: Line | None = None
    cached: int | None = None  # what its prompt took over, at first

    @property
    def done(self) -> int:
        return len(self.line.tokens) if self.line else 0

    @property
    def begun(self) -> bool:
        """Whether something of its prompt was computed for it."""
        return self.done > (self.cached or 0)

    @property
    def left(self) -> int:
        return len(self.tokens) - self.done

    @property
    def answering(self) -> bool:
        return self.began_at is not None and self.left == 1

    @property
    def answer_left(self) -> int:
        return self.work.cache_tokens - len(self.tokens)


class Scheduler:
    def __init__(self, slots: int, cache: Cache, step_tokens: int) -> None:
        self.pace = Pace()
        self._slots = slots
        self._cache = cache
        self._step_tokens = step_tokens
        self._steps = 0
        self._waiting: deque[_Sequence] = deque()
        self._running: dict[int, _Sequence] = {}  # oldest first

    @property
    def idle(self) -> bool:
        return not self._waiting and not self._running

    @property
    def running(self) -> int:
        return len(self._running)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def cached(self) -> int:
        """Tokens in the cache."""
        return self._cache.used

    @property
    def prefilling(self) -> bool:
        return any(not sequence.answering for sequence in self._running.values())

    def enqueue(self, work: Work) -> None:
        if work.cache_tokens > self._cache.capacity:
            raise ValueError(f"request {work.id} needs {work.cache_tokens} of {self._cache.capacity} cache tokens")
        self._waiting.append(_Sequence(work, list(work.prompt)))

    def cached_tokens(self, request_id: int) -> int:
        """How many of a running request's prompt tokens were computed already when it began."""
        return self._running[request_id].cached or 0

    def drawn(self, request_id: int, token: int) -> None:
        """The token that the last step's logits gave; the next step computes it."""
        sequence = self._running[request_id]
        sequence.tokens.append(token)
        if sequence.began_at is None:
            sequence.began_at = self._steps

    def remove(self, request_id: int, *, keep: bool = True) -> None:
        """Take a request out, wherever it is. `keep`: what is computed of it may serve others."""
        sequence = self._running.pop(request_id, None)
        if sequence is None:
            self._waiting = deque(each for each in self._waiting if each.work.id != request_id)
        elif sequence.line:
            self._cache.close(sequence.line, keep=keep)

    def distrust(self) -> None:
        """A step failed: nothing is taken over of what was kept so far."""
        self._cache.forget()

    def next_step(self) -> Step:
        """The next step, which counts as done: remove the requests of a step that failed, without keeping them."""
        self._cache.give_up_stale()
        self._admit()
        self._steps += 1
        for sequence in list(self._running.values()):
            self._open(sequence)  # all before any token is added: what this step computes cannot be copied yet
        self._have_room_for_answers()
        answering = [sequence for sequence in self._running.values() if sequence.answering]
        reading = [each for each in self._running.values() if each.line and not each.answering]
        shares = [*((sequence, 1) for sequence in answering), *self._shares(reading, answering)]
        pieces = tuple(self._advance(sequence, count) for sequence, count in shares)
        return Step(self._cache.take_edits(), pieces, len(answering))

    def _admit(self) -> None:
        while self._waiting and len(self._running) < self._slots and self._has_room_for(self._waiting[0]):
            sequence = self._waiting.popleft()
            sequence.let_in_at = self._steps
            self._running[sequence.work.id] = sequence

    def _has_room_for(self, newcomer: _Sequence) -> bool:
        if not self._running:
            return True
        sequences = [*self._running.values(), newcomer]
        promised = sum(min(each.answer_left, ANSWER_TOKENS) for each in sequences)
        unread = sum(each.left for each in self._running.values() if not each.answering)
        return promised + unread <= self._cache.spare(newcomer.tokens)

    def _have_room_for_answers(self) -> None:
        """One cell for each answer, and one for the oldest request, whatever it does: so there is always progress."""
        while self._running:
            needed = sum(each.answering for each in self._running.values()) + 1
            if self._cache.make_room(needed) >= needed or len(self._running) == 1:
                return
            _, youngest = self._running.popitem()
            self._step_back(youngest)

    def _step_back(self, sequence: _Sequence) -> None:
        if sequence.line:
            self._cache.close(sequence.line)
        sequence.line = None
        self._waiting.appendleft(sequence)

    def _open(self, sequence: _Sequence) -> None:
        if sequence.line or self._better_waits(sequence):
            return
        sequence.line = self._cache.open(sequence.tokens)
        if sequence.cached is None:
            sequence.cached = sequence.done

    def _better_waits(self, sequence: _Sequence) -> bool:
        """Whether an older prompt, still being read, begins with much of this one."""
        there = self._cache.shared(sequence.tokens)
        for older in self._running.values():
            if older is sequence:
                return False
            common = self._cache.lends(older.tokens, sequence.tokens)
            if not older.answering and max(older.done, there, WORTH_WAITING - 1) < common:
                return True
        return False

    def _shares(self, reading: list[_Sequence], answering: list[_Sequence]) -> list[tuple[_Sequence, int]]:
        """Which prompts are read in this step, and how far.

        What those that are read to their end leave over is too little to begin another one with.
        """
        left = self._room(reading, answering)
        counts = dict.fromkeys(reading, 0)
        nearest_first = sorted(reading, key=lambda each: each.left)
        first = [(each, left - left // 2) for each in reading[:1]]
        for sequence, most in [*first, *((each, left) for each in nearest_first)]:
            wanted = sequence.left - counts[sequence]
            more = min(wanted, most, left)
            if more == wanted or sequence.begun or not any(counts[each] == each.left for each in reading):
                counts[sequence] += more
                left -= more
        return [(sequence, count) for sequence, count in counts.items() if count]

    def _room(self, reading: list[_Sequence], answering: list[_Sequence]) -> int:
        """How many prompt tokens this step may and can have."""
        wanted = min(sum(each.left for each in reading), self._budget(reading, answering))
        return min(wanted, self._cache.make_room(len(answering) + wanted) - len(answering))

    def _budget(self, reading: list[_Sequence], answering: list[_Sequence]) -> int:
        """Answers go on at their pace whatever comes; but one that just began waits for those let in with it."""
        most = (self._step_tokens if len(reading) == 1 else min(self._step_tokens, GROUP_TOKENS)) - len(answering)
        first_in = min((each.let_in_at for each in reading), default=0)
        together = all(each.began_at is None or each.began_at >= first_in for each in answering)
        unread = sum(each.left for each in reading)
        if not answering or (together and unread <= HEAD_START_TOKENS):
            return most
        short = all(len(each.tokens) - (each.cached or 0) <= most for each in reading)
        return self.pace.beside(len(answering), most, whole=unread if short else 0)

    def _advance(self, sequence: _Sequence, count: int) -> Piece:
        assert sequence.line is not None
        start = sequence.done
        tokens = sequence.tokens[start : start + count]
        self._cache.extend(sequence.line, tokens)
        return Piece(sequence.work.id, sequence.line.number, start, tuple(tokens), samples=not sequence.left)
