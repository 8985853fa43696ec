"""Who may come in, and when whoever may not should try again. Pure but for the clock that places are stamped with."""

import math
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from modelsvc.engine.errors import QueueFull
from modelsvc.engine.generation import Generation
from modelsvc.engine.types import Request

Submit = Callable[[Request], Awaitable[Generation]]
_RECENT = 0.2  # the weight of the newest answer in an average
LONGEST_RETRY_S = 600


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


class Throughput:
    """How soon a slot becomes free: answers take what they took of late, and every slot gives one."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._answer_s: float | None = None

    def answered(self, seconds: float) -> None:
        """A request was in its slot for so long, until its answer was complete."""
        before = seconds if self._answer_s is None else self._answer_s
        self._answer_s = before + _RECENT * (seconds - before)

    @property
    def retry_after_s(self) -> int:
        """Whole seconds until the queue has probably moved on by one; 1 while nothing was measured."""
        expected = 0.0 if self._answer_s is None else self._answer_s / self._slots
        return min(max(1, math.ceil(expected)), LONGEST_RETRY_S)


@dataclass(slots=True, eq=False)
class Place:
    """A request that is let in but not yet submitted. `held_back`: something else has to end before it can be.

    `submit` queues it. Raises PromptTooLong, PromptRefused or EngineStopped, but QueueFull no more.
    """

    submit: Submit
    held_back: bool
    entered_at: float = field(default_factory=time.monotonic)


class Admission:
    def __init__(self, slots: int, queue_limit: int, submit: Submit, submitted: Callable[[], int]) -> None:
        """`submit` is what a place offers, and `submitted` tells how many requests are in the engine."""
        self.throughput = Throughput(slots)
        self.places: set[Place] = set()
        self._slots = slots
        self._queue_limit = queue_limit
        self._submit = submit
        self._submitted = submitted

    @contextmanager
    def enter(self, *, held_back: bool = False, let_in: bool = False) -> Iterator[Place]:
        """Count a request among the waiting ones while it gets ready. Raises QueueFull, at once.

        `let_in`: it goes on with what was let in already, so it waits like others but is not refused.
        """
        crowd = self._crowd()
        if not let_in and not crowd.may_grow(self._slots, self._queue_limit, held_back=held_back):
            raise QueueFull(crowd.waiting(self._slots), self.throughput.retry_after_s)
        place = Place(self._submit, held_back)
        self.places.add(place)
        try:
            yield place
        finally:
            self.places.remove(place)

    def _crowd(self) -> Crowd:
        held_back = sum(place.held_back for place in self.places)
        return Crowd(self._submitted() + len(self.places) - held_back, held_back)
