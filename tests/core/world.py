"""The planner driven by hand, by an executor that does nothing but answer: no I/O, no clock."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import get_args

from supervisor.core import effects as fx
from supervisor.core import events as ev
from supervisor.core.planner import decide
from supervisor.core.records import Record, RequestEnded, StepChanged
from supervisor.core.state import Boot, Change, Color, Deployment, DeploymentKind, Policy, Slot, State
from supervisor.core.steps import Step, StepState

BLUE, GREEN = Color.BLUE, Color.GREEN
STEP_EFFECTS: tuple[type, ...] = get_args(fx.StepEffect)


def success(effect: fx.Effect, pid: int = 0) -> Iterator[ev.Event]:
    """What an executor posts when all goes well."""
    match effect:
        case fx.Admit():
            yield ev.StepSucceeded(effect.token, release=effect.release or effect.number)
        case fx.AdmitWorker():
            yield ev.WorkerAdmitted(effect.color, effect.request)
        case fx.StartWorker():
            yield ev.WorkerSpawned(effect.color, effect.worker_id, pid, float(pid))
            yield ev.WorkerReady(effect.worker_id)
        case fx.StopWorker():
            yield ev.WorkerEnded(effect.worker_id, 0)
        case fx.StartEdge():
            yield ev.EdgeStarted(pid, float(pid))
        case fx.StopEdge():
            yield ev.EdgeEnded("stopped")
        case fx.AwaitHeld():
            yield ev.HeldAnswered()
        case fx.Write() | fx.After() | fx.Route() | fx.CancelStep() | fx.Exit():
            return
        case _:
            yield ev.StepSucceeded(effect.token)


@dataclass
class World:
    """A state, the effects it asked for so far, and the answers that are on their way."""

    state: State = field(default_factory=State)
    effects: list[fx.Effect] = field(default_factory=list)
    answers: deque[ev.Event] = field(default_factory=deque)
    exited: bool = False
    _pid: int = 100

    # --- driving ------------------------------------------------------------------------------------------------------

    def tell(self, event: ev.Event) -> list[fx.Effect]:
        """What the planner orders on `event`; each order's success is put on its way."""
        self.state, effects = decide(self.state, event)
        for effect in effects:
            self._take(effect)
        self.effects += effects
        return list(effects)

    def play(self, to: Step | None = None) -> "World":
        """Let answers arrive until none is left, or until a deployment has entered step `to`."""
        while self.answers and not (to is not None and self.at(to)):
            self.tell(self.answers.popleft())
        assert to is None or self.at(to), f"step {to!r} was not reached"
        return self

    def fail(self, reason: str = "no luck", *, transient: bool = False) -> list[fx.Effect]:
        """The step effect under way fails instead."""
        self._forget_steps()
        return self.tell(ev.StepFailed(self.current.token, reason, transient=transient))

    def crash(self, color: Color, code: int = -9) -> list[fx.Effect]:
        """The worker of `color` dies; what it had on its way is lost."""
        worker_id = self.slot(color).worker_id
        assert worker_id is not None
        mine = (ev.WorkerReady, ev.WorkerEnded)
        self.answers = deque(e for e in self.answers if not (isinstance(e, mine) and e.worker_id == worker_id))
        return self.tell(ev.WorkerEnded(worker_id, code))

    def deploy(self, request: str = "d", change: Change | None = None) -> list[fx.Effect]:
        return self.tell(ev.DeployRequested(request, change or Change()))

    def switch(self, kind: DeploymentKind, request: str = "s") -> list[fx.Effect]:
        return self.tell(ev.SwitchRequested(request, kind))

    # --- looking ------------------------------------------------------------------------------------------------------

    @property
    def current(self) -> Deployment:
        return self.state.current

    def at(self, step: Step) -> bool:
        running = self.state.deployment
        return running is not None and not running.undoing and running.step is step

    def slot(self, color: Color) -> Slot:
        return self.state.slots[color]

    @property
    def records(self) -> list[Record]:
        return records(self.effects)

    def ended(self, request: str) -> RequestEnded:
        """How the request was answered; it was, once."""
        (record,) = [r for r in self.records if isinstance(r, RequestEnded) and r.request == request]
        return record

    def timers(self, kind: type[ev.Event]) -> list[fx.After]:
        return [effect for effect in self.effects if isinstance(effect, fx.After) and isinstance(effect.event, kind)]

    def _take(self, effect: fx.Effect) -> None:
        self._pid += 1
        self.exited = self.exited or isinstance(effect, fx.Exit)
        if isinstance(effect, fx.CancelStep):
            self._forget_steps()
        self.answers.extend(success(effect, self._pid))

    def _forget_steps(self) -> None:
        self.answers = deque(e for e in self.answers if not isinstance(e, ev.StepSucceeded))


def records(effects: list[fx.Effect]) -> list[Record]:
    return [effect.record for effect in effects if isinstance(effect, fx.Write)]


def orders(effects: list[fx.Effect]) -> list[fx.Effect]:
    """The effects that touch the outside: neither records nor timers."""
    return [effect for effect in effects if not isinstance(effect, fx.Write | fx.After)]


def names(effects: list[fx.Effect]) -> list[str]:
    return [type(effect).__name__ for effect in orders(effects)]


def steps(effects: list[fx.Effect]) -> list[tuple[Step, StepState]]:
    return [(record.step, record.state) for record in records(effects) if isinstance(record, StepChanged)]


# --- situations -------------------------------------------------------------------------------------------------------


def booting(policy: Policy | None = None, boot: Boot | None = None) -> World:
    """A supervisor on an empty state folder, before it was told to start."""
    return World(State(policy=policy or Policy(), boot=boot or Boot(BLUE)))


def first(policy: Policy | None = None) -> World:
    """Blue serves release 1, the first; green was never used."""
    world = booting(policy)
    world.tell(ev.Started())
    return settled(world)


def second(policy: Policy | None = None) -> World:
    """Green serves release 2; blue is the standby, warm with release 1 unless the policy stops it."""
    world = first(policy)
    world.deploy("second")
    return settled(world)


def settled(world: World) -> World:
    """All answers arrived; what happened so far is of no interest any more."""
    world.play()
    world.effects.clear()
    return world
