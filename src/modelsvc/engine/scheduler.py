"""Whose tokens go into the next step. Pure: no model, no threads, no clock.

A request waits, first come first served, until a slot is free and the shared cache can hold its prompt and its longest
answer; so a running request never runs out of cache. Each step then carries one token of every sequence that is
answering, and beside them at most `step_tokens` prompt tokens, oldest request first: a long prompt is prefilled in
chunks between which the answers flow and a cancellation takes effect.

A request is in exactly one place: `_waiting`, `_running`, or gone.
"""

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Work:
    id: int
    prompt_tokens: int
    max_tokens: int

    @property
    def cache_tokens(self) -> int:
        return self.prompt_tokens + self.max_tokens


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of one sequence's tokens in a step; `samples` says that a token is drawn after its last one."""

    id: int
    slot: int
    start: int
    count: int
    samples: bool


@dataclass(slots=True)
class _Sequence:
    work: Work
    slot: int
    done: int = 0

    @property
    def prefilling(self) -> bool:
        return self.done < self.work.prompt_tokens

    def advance(self, count: int) -> Piece:
        start, self.done = self.done, self.done + count
        return Piece(self.work.id, self.slot, start, count, samples=not self.prefilling)


@dataclass(frozen=True, slots=True)
class Crowd:
    """Unfinished requests: some contend for slots, some are held back until another one is over."""

    contending: int
    held_back: int

    def waiting(self, slots: int) -> int:
        return max(0, self.contending - slots) + self.held_back

    def may_grow(self, slots: int, queue_limit: int, *, held_back: bool) -> bool:
        """Whether one more may join. Those held back do not keep others from a free slot."""
        if self.contending < slots and not held_back:
            return True
        return self.waiting(slots) < queue_limit


class Scheduler:
    def __init__(self, slots: int, context_tokens: int, step_tokens: int) -> None:
        self._free_slots = list(reversed(range(slots)))
        self._free_cache = context_tokens
        self._context_tokens = context_tokens
        self._step_tokens = step_tokens
        self._waiting: deque[Work] = deque()
        self._running: dict[int, _Sequence] = {}

    @property
    def idle(self) -> bool:
        return not self._waiting and not self._running

    @property
    def running(self) -> int:
        return len(self._running)

    @property
    def prefilling(self) -> bool:
        return any(sequence.prefilling for sequence in self._running.values())

    def enqueue(self, work: Work) -> None:
        if work.cache_tokens > self._context_tokens:
            raise ValueError(f"request {work.id} needs {work.cache_tokens} of {self._context_tokens} cache tokens")
        self._waiting.append(work)

    def remove(self, request_id: int) -> int | None:
        """Take a request out, wherever it is; the slot it held is returned and free. Unknown requests: None."""
        sequence = self._running.pop(request_id, None)
        if sequence is None:
            self._waiting = deque(work for work in self._waiting if work.id != request_id)
            return None
        self._free_slots.append(sequence.slot)
        self._free_cache += sequence.work.cache_tokens
        return sequence.slot

    def next_step(self) -> tuple[Piece, ...]:
        """The next step, which counts as done: remove the requests of a step that failed."""
        self._admit()
        answering = [sequence for sequence in self._running.values() if not sequence.prefilling]
        prefilling = [sequence for sequence in self._running.values() if sequence.prefilling]
        return (*(sequence.advance(1) for sequence in answering), *self._prefill(prefilling))

    def _prefill(self, sequences: list[_Sequence]) -> list[Piece]:
        pieces, room = [], self._step_tokens
        for sequence in sequences:
            count = min(room, sequence.work.prompt_tokens - sequence.done)
            if count:
                pieces.append(sequence.advance(count))
                room -= count
        return pieces

    def _admit(self) -> None:
        while self._waiting and self._free_slots and self._waiting[0].cache_tokens <= self._free_cache:
            work = self._waiting.popleft()
            self._free_cache -= work.cache_tokens
            self._running[work.id] = _Sequence(work, self._free_slots.pop())
