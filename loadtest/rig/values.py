"""What is known of a run besides its requests: frozen values, kept as JSON."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What happens while the users ask."""

    BASELINE = "baseline"
    DEPLOY = "deploy"
    PREWARM = "prewarm"
    TRAFFIC = "traffic"


@dataclass(frozen=True, slots=True)
class StepTaken:
    """One of the 13 steps; `began_s` by the monotonic clock when we were told, None when it never began."""

    number: int
    name: str
    title: str
    state: str
    seconds: float | None
    began_s: float | None


@dataclass(frozen=True, slots=True)
class Operation:
    """A command that changed the service meanwhile, from its first event to its last, by the monotonic clock.

    `outcome` is `succeeded`, or anything else; empty when the command never told one.
    """

    command: str
    kind: str
    began_s: float
    ended_s: float
    exit_code: int
    outcome: str
    reason: str
    steps: tuple[StepTaken, ...]

    @property
    def seconds(self) -> float:
        return self.ended_s - self.began_s

    @property
    def succeeded(self) -> bool:
        return self.exit_code == 0 and self.outcome == "succeeded"


@dataclass(frozen=True, slots=True)
class Facts:
    """The machine and the programs that ran on it."""

    system: str
    processor: str
    processors: int
    memory_bytes: int
    python: str
    modelsvc: str
    nginx: str
    llama_cpp: str
    locust: str
    model: str
    model_bytes: int


@dataclass(frozen=True, slots=True)
class Cpu:
    """Processors that were used in the mean of a run: by the service, by Locust and us, and by anything else."""

    service: float
    clients: float
    others: float


@dataclass(frozen=True, slots=True)
class Run:
    """`began_s` to `ended_s`: from the first request until the users were told to stop, by the monotonic clock.

    `problems` are what went wrong with the run itself, in words. `load_average`: of a minute, before and after.
    `edge`: the requests that nginx's log has meanwhile, by colour, without questions about health; None: not known.
    """

    kind: Kind
    started_at: str
    began_s: float
    ended_s: float
    users: int
    tokens: int
    prompt_words: int
    repeat: str
    operations: tuple[Operation, ...]
    problems: tuple[str, ...]
    facts: Facts | None
    cpu: Cpu | None
    load_average: tuple[float, float]
    edge: dict[str, int] | None
