"""What the decoding thread is told, and what it tells: commands in its inbox, and news of each request."""

from collections.abc import Callable
from dataclasses import dataclass

from modelsvc.engine.errors import EngineError
from modelsvc.engine.output import Output
from modelsvc.engine.sampling import Sampler
from modelsvc.engine.types import Event


@dataclass(frozen=True, slots=True)
class Started:
    """The request left the queue."""


@dataclass(frozen=True, slots=True)
class Failed:
    error: EngineError


@dataclass(frozen=True, slots=True)
class Embedded:
    """Before the end of a task without a sampler."""

    vector: tuple[float, ...]


News = Event | Started | Embedded | Failed
Receive = Callable[[News], None]
Letters = list[tuple[Receive, News]]


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be made of a prompt's tokens: an answer, or without a sampler their embedding."""

    tokens: list[int]
    max_tokens: int
    sampler: Sampler | None
    output: Output


@dataclass(frozen=True, slots=True)
class Submit:
    id: int
    task: Task
    submitted_at: float
    deadline: float  # by the monotonic clock
    receive: Receive


@dataclass(frozen=True, slots=True)
class Cancel:
    id: int


@dataclass(frozen=True, slots=True)
class Stop:
    pass


@dataclass(frozen=True, slots=True)
class HandOver:
    """`run` returns with everything as it is, to be called again by another thread."""


@dataclass(frozen=True, slots=True)
class UseThreads:
    count: int


Command = Submit | Cancel | Stop | HandOver | UseThreads
