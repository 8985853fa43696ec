"""Whatever happens in whatever order, with whatever luck: the rules that always hold.

An executor that answers at random, workers and an nginx that die at random, operators who ask for anything, timers
that fire late, and news that arrive twice.
"""

from collections import Counter
from itertools import product

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.core.world import STEP_EFFECTS, booting, records, success

from supervisor.core import effects as fx
from supervisor.core import events as ev
from supervisor.core.lifecycle import TRANSITIONS, Phase
from supervisor.core.planner import decide
from supervisor.core.records import RequestEnded, WorkerChanged
from supervisor.core.state import BOOT_REQUEST, Change, Color, DeploymentKind, EdgePhase, Policy, Slot, State

# News that may come twice or late; the others are told once, by the one who did what was ordered.
REPEATABLE = (
    *(ev.StepSucceeded, ev.StepFailed, ev.StepProgressed, ev.WorkerReady, ev.WorkerProgressed, ev.WorkerEnded),
    *(ev.ReadyOverdue, ev.RestartDue, ev.WorkerStable, ev.EdgeRestartDue, ev.EdgeStable),
)
MOVES = {(before, after) for (before, _), after in TRANSITIONS.items()} | {(phase, phase) for phase in Phase}
REACHABLE = MOVES | {(a, d) for (a, b), (c, d) in product(MOVES, MOVES) if b is c}  # an end may start the next


class AnyOrder(RuleBasedStateMachine):
    """The planner, and an outside world that keeps to its contracts and to nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.state = State()
        self.step: fx.StepEffect | None = None  # only one runs at a time
        self.asking: list[fx.AdmitWorker] = []
        self.spawning: list[fx.StartWorker] = []
        self.living: list[str] = []
        self.edge = "absent"
        self.timers: list[ev.Event] = []
        self.waiting_for_held = 0
        self.left_at_once = False
        self.past: list[ev.Event] = []
        self.tokens: Counter[int] = Counter()
        self.answered: Counter[str] = Counter()
        self.asked: list[str] = []
        self.forced_down: set[Color] = set()
        self.exited = False

    # --- the beginning, and each decision -----------------------------------------------------------------------------

    @initialize(keep=st.booleans())
    def begin(self, keep: bool) -> None:
        self.state = booting(Policy(keep_previous=keep)).state
        self.asked.append("boot")
        self.tell(ev.Started())

    def tell(self, event: ev.Event) -> None:
        if self.exited:
            return
        before = self.state
        self.state, effects = decide(before, event)
        if isinstance(event, REPEATABLE):
            self.past.append(event)
        for slot in before.slots.values():
            assert (slot.phase, self.state.slots[slot.color].phase) in REACHABLE
            self.check_told(slot, list(effects))
        for effect in effects:
            assert not self.exited, "an order after the last"
            self.check(event, effect)
            self.take(effect)

    def check(self, event: ev.Event, effect: fx.Effect) -> None:
        """What may never be ordered."""
        if isinstance(effect, STEP_EFFECTS):
            self.tokens[effect.token] += 1  # type: ignore[union-attr]
            assert self.tokens[effect.token] == 1  # type: ignore[union-attr]
        assert not isinstance(effect, fx.StopEdge) or self.state.shutdown, "only a shutdown stops nginx"
        if isinstance(effect, fx.StopWorker) and not self.state.shutdown:
            asked = isinstance(event, ev.StopRequested | ev.ReadyOverdue | ev.WorkerSeen)
            asked = asked or bool(self.state.deployment and self.state.deployment.in_place)
            active = self.state.active_slot
            assert asked or active is None or active.worker_id != effect.worker_id, "the active worker was stopped"

    def check_told(self, before: Slot, effects: list[fx.Effect]) -> None:
        """Every change of phase is on record, one after the other, and nothing that was none."""
        told = [r for r in records(effects) if isinstance(r, WorkerChanged) and r.color is before.color]
        phases = [before.phase, *(record.state for record in told)]
        assert [record.previous for record in told] == phases[:-1]
        assert phases[-1] is self.state.slots[before.color].phase
        assert all(record.previous is not record.state and (record.previous, record.state) in MOVES for record in told)
        assert not self.state.moves

    def take(self, effect: fx.Effect) -> None:
        """What the executor does with an order."""
        match effect:
            case fx.Write():
                for record in records([effect]):
                    if isinstance(record, RequestEnded):
                        self.answered[record.request] += 1
            case fx.After():
                self.timers.append(effect.event)
            case fx.AdmitWorker():
                self.asking.append(effect)
            case fx.StartWorker():
                self.spawning.append(effect)
                self.forced_down.discard(effect.color)
            case fx.StartEdge():
                assert self.edge == "absent"
                self.edge = "starting"
            case fx.CancelStep():
                self.step = None
            case fx.Exit():
                self.exited = True
            case fx.AwaitHeld():
                self.waiting_for_held += 1
            case fx.StopWorker() | fx.StopEdge() | fx.Route():
                pass  # the end comes when it comes
            case _:
                self.step = effect

    # --- what may happen ----------------------------------------------------------------------------------------------

    @precondition(lambda self: self.step is not None)
    @rule(luck=st.sampled_from(["succeeds", "succeeds", "succeeds", "fails", "fails for now"]))
    def a_step_ends(self, luck: str) -> None:
        step, self.step = self.step, None
        assert step is not None
        self.tell(
            next(success(step))
            if luck == "succeeds"
            else ev.StepFailed(step.token, "no luck", transient=luck == "fails for now")
        )

    @precondition(lambda self: self.step is not None)
    @rule()
    def a_step_progresses(self) -> None:
        assert self.step is not None
        self.tell(ev.StepProgressed(self.step.token, "..."))

    @precondition(lambda self: self.asking)
    @rule(room=st.sampled_from([True, True, False]))
    def room_is_found_or_not(self, room: bool) -> None:
        order = self.asking.pop(0)
        refused = ev.WorkerRefused(order.color, order.request, "no room")
        self.tell(ev.WorkerAdmitted(order.color, order.request) if room else refused)

    @precondition(lambda self: self.spawning)
    @rule(works=st.sampled_from([True, True, True, False]))
    def a_worker_is_spawned(self, works: bool) -> None:
        order = self.spawning.pop(0)
        if works:
            self.living.append(order.worker_id)
            self.tell(ev.WorkerSpawned(order.color, order.worker_id, 10, 1.0))
        else:
            self.tell(ev.WorkerSpawnFailed(order.color, order.worker_id, "no luck"))

    @precondition(lambda self: self.living)
    @rule(data=st.data())
    def a_worker_speaks(self, data: st.DataObject) -> None:
        worker_id = data.draw(st.sampled_from(self.living))
        said: list[ev.Event] = [ev.WorkerReady(worker_id), ev.WorkerProgressed(worker_id, "loading")]
        self.tell(data.draw(st.sampled_from(said)))

    @precondition(lambda self: self.living)
    @rule(data=st.data(), code=st.sampled_from([0, 1, -9, None]))
    def a_worker_ends(self, data: st.DataObject, code: int | None) -> None:
        worker_id = data.draw(st.sampled_from(self.living))
        self.living.remove(worker_id)
        self.tell(ev.WorkerEnded(worker_id, code))

    @precondition(lambda self: self.edge == "starting")
    @rule(works=st.booleans())
    def the_edge_starts(self, works: bool) -> None:
        self.edge = "running" if works else "absent"
        self.tell(ev.EdgeStarted(20, 2.0) if works else ev.EdgeEnded("no luck"))

    @precondition(lambda self: self.edge == "running")
    @rule()
    def the_edge_ends(self) -> None:
        self.edge = "absent"
        self.tell(ev.EdgeEnded("killed"))

    @precondition(lambda self: self.timers)
    @rule(data=st.data())
    def a_timer_fires(self, data: st.DataObject) -> None:
        event = data.draw(st.sampled_from(self.timers))
        self.timers.remove(event)
        self.tell(event)

    @precondition(lambda self: self.past)
    @rule(data=st.data())
    def news_come_again(self, data: st.DataObject) -> None:
        self.tell(data.draw(st.sampled_from(self.past)))

    @rule(data=st.data(), color=st.sampled_from(Color))
    def somebody_asks(self, data: st.DataObject, color: Color) -> None:
        request = f"r{len(self.asked)}"
        asks: list[ev.Event] = [
            ev.DeployRequested(request, Change()),
            ev.DeployRequested(request, Change(), in_place=True),
            ev.DeployRequested(request, Change("/other.gguf")),
            ev.PrewarmRequested(request, Change()),
            ev.CancelRequested(request),
            ev.PauseRequested(request),
            ev.ResumeRequested(request),
            ev.SwitchRequested(request, DeploymentKind.ROLLBACK),
            ev.SwitchRequested(request, DeploymentKind.SWAP),
            ev.StartRequested(request, color),
            ev.StopRequested(request, color),
            ev.StopRequested(request, color, force=True),
        ]
        self.ask(request, data.draw(st.sampled_from(asks)))

    @precondition(lambda self: self.living)
    @rule(data=st.data(), problem=st.sampled_from(["", "it hangs"]), held=st.sampled_from([0, 3 * 10**9, 10**10]))
    def a_worker_is_looked_at(self, data: st.DataObject, problem: str, held: int) -> None:
        worker_id = data.draw(st.sampled_from(self.living))
        for _ in range(self.state.policy.looks_before_action):
            self.tell(ev.WorkerSeen(worker_id, problem, held))

    @rule(used=st.sampled_from([0, 10**11]), color=st.sampled_from([None, *Color]))
    def memory_and_route_are_looked_at(self, used: int, color: Color | None) -> None:
        self.tell(ev.MemorySeen(used))
        self.tell(ev.RouteSeen(color))

    @precondition(lambda self: len(self.asked) > 5)
    @rule()
    def somebody_ends_it(self) -> None:
        self.ask(f"r{len(self.asked)}", ev.ShutdownRequested(f"r{len(self.asked)}"))

    @precondition(lambda self: len(self.asked) > 5)
    @rule()
    def somebody_replaces_it(self) -> None:
        begun = self.state.handover is not None
        self.ask(f"r{len(self.asked)}", ev.HandoverRequested(f"r{len(self.asked)}"))
        self.left_at_once = self.left_at_once or (begun and self.exited)

    @precondition(lambda self: self.waiting_for_held)
    @rule()
    def the_held_are_answered(self) -> None:
        self.waiting_for_held -= 1
        self.tell(ev.HeldAnswered())

    def ask(self, request: str, event: ev.Event) -> None:
        if self.exited:
            return
        self.asked.append(request)
        if isinstance(event, ev.StopRequested) and event.force:
            self.forced_down.add(event.color)
        self.tell(event)

    # --- what must hold -----------------------------------------------------------------------------------------------

    @invariant()
    def a_shutdown_leaves_no_deployment(self) -> None:
        assert self.state.shutdown is None or self.state.deployment is None

    @invariant()
    def nobody_is_answered_twice(self) -> None:
        assert {times for request, times in self.answered.items() if request != BOOT_REQUEST} <= {1}
        assert set(self.answered) <= set(self.asked)

    @invariant()
    def a_slot_has_a_worker_when_its_phase_says_so(self) -> None:
        for slot in self.state.slots.values():
            assert (slot.worker_id is not None) == (slot.phase not in (Phase.ABSENT, Phase.BACKOFF, Phase.FAILED))
            assert not slot.serves or slot.pid is not None

    def teardown(self) -> None:
        """In the end everything ordered is done, and then nobody waits, and the active colour serves."""
        for _ in range(300):
            if self.exited or not self.go_on():
                break
        assert self.exited == bool(self.state.shutdown or self.state.handover)
        if not self.left_at_once:  # who waits then sees the connection end, as after a crash
            assert set(self.asked) - {"boot"} == set(self.answered) - {"boot"}
        if not self.exited:
            self.settled()

    def settled(self) -> None:
        assert self.state.deployment is None
        assert self.state.edge is EdgePhase.RUNNING
        active = self.state.active_slot
        given_up = active is not None and active.phase is Phase.FAILED
        assert active is None or active.serves or active.color in self.forced_down or given_up
        assert {slot.phase for slot in self.state.slots.values()} <= {Phase.READY, Phase.ABSENT, Phase.FAILED}

    def go_on(self) -> bool:
        """One more thing that is due happens, and well; False when there is none."""
        slots = self.state.slots.values()
        stopping = {slot.worker_id for slot in slots if slot.phase is Phase.STOPPING or slot.condemned}
        starting = {slot.worker_id for slot in slots if slot.phase is Phase.STARTING}
        ending = [worker for worker in self.living if worker in stopping]
        loading = [worker for worker in self.living if worker in starting]
        due = [event for event in self.timers if isinstance(event, ev.RestartDue | ev.EdgeRestartDue)]
        if self.step:
            self.a_step_ends("succeeds")
        elif self.asking:
            self.room_is_found_or_not(True)
        elif self.spawning:
            self.a_worker_is_spawned(True)
        elif ending:
            self.living.remove(ending[0])
            self.tell(ev.WorkerEnded(ending[0], 0))
        elif loading:
            self.tell(ev.WorkerReady(loading[0]))
        elif self.edge == "starting":
            self.the_edge_starts(True)
        elif self.edge == "running" and self.state.edge is EdgePhase.STOPPING:
            self.the_edge_ends()
        elif due:
            self.timers.remove(due[0])
            self.tell(due[0])
        elif self.waiting_for_held:
            self.the_held_are_answered()
        else:
            return False
        return True


TestAnyOrder = AnyOrder.TestCase
# The same examples every time: a test that fails now and then is no test of the change at hand.
TestAnyOrder.settings = settings(
    max_examples=80,
    stateful_step_count=60,
    deadline=None,
    derandomize=True,
    database=None,
    report_multiple_bugs=False,  # shrinking one takes long enough
    suppress_health_check=[HealthCheck.too_slow],
)
