"""Whenever the supervisor is killed, between any two of its effects: what the rules are for the one after it.

Workers and nginx die at random too, steps and starts fail, operators ask for anything; and at the end there is a quiet
time, in which everything that is due happens, and well.
"""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.core.simulated_host import SimulatedHost

from supervisor.core import effects as fx
from supervisor.core import events as ev
from supervisor.core.lifecycle import Phase
from supervisor.core.reconcile import Found, Resumption
from supervisor.core.state import Change, Color, DeploymentKind, EdgePhase, Policy
from supervisor.core.steps import Step, StepState

KILLED = st.sampled_from([*[None] * 12, 0, 1, 2, 3, 4])  # before which effect; mostly not
OFTEN = st.sampled_from([True, True, True, True, True, False])


class AnyCrash(RuleBasedStateMachine):
    """A host, and all that may happen on it."""

    def __init__(self) -> None:
        super().__init__()
        self.host = SimulatedHost(Policy())
        self.asked = 0

    @initialize(keep=st.booleans(), limit=st.sampled_from([1, 2, 6]), deployments=st.sampled_from([0, 1, 2, 2]))
    def begin(self, keep: bool, limit: int, deployments: int) -> None:
        """A service that is just started, or has been deployed to."""
        self.host = SimulatedHost(Policy(keep_previous=keep, crash_limit=limit))
        self.start()
        for _ in range(deployments):
            self.get_quiet()
            self.tell(ev.DeployRequested(self.name(), Change("other.gguf")))

    def start(self) -> None:
        """Another supervisor: no worker that serves is ended for nothing, and requests go to one that is ready."""
        workers = dict(self.host.workers)
        route = self.host.route
        found, resumption = self.host.start()
        serving = [worker_id for worker_id, one in workers.items() if one.ready and one.color is route]
        others = [worker_id for worker_id, one in self.host.workers.items() if one.ready]
        assert others or not serving or is_taken_back(found), "the only worker that served was ended"
        self.check_route(resumption)
        self.tell(ev.Started())

    def check_route(self, resumption: Resumption) -> None:
        state = resumption.state
        assert state.routed is None or state.slots[state.routed].serves

    def tell(self, event: ev.Event | None, killed_before: int | None = None) -> None:
        """The supervisor is killed on the way, or lives on."""
        if event and not self.host.tell(event, killed_before):
            self.start()

    # --- what may happen ----------------------------------------------------------------------------------------------

    @rule(times=st.integers(1, 15))
    def some_things_go_well(self, times: int) -> None:
        """Else hardly any deployment gets far."""
        for _ in range(times):
            if self.host.exited or not self.go_on():
                break

    @rule(succeeds=OFTEN, killed_before=KILLED)
    def one_thing_is_done(self, succeeds: bool, killed_before: int | None) -> None:
        """A step, or an order, well or not."""
        if self.host.step:
            self.tell(self.host.run_step(succeeds), killed_before)
        elif self.host.orders:
            self.tell(self.host.carry_out(self.host.orders.pop(0), succeeds), killed_before)

    @precondition(lambda self: self.loading())
    @rule(killed_before=KILLED)
    def a_worker_gets_ready(self, killed_before: int | None) -> None:
        worker_id = self.loading()[0]
        self.host.workers[worker_id].ready = True
        self.tell(ev.WorkerReady(worker_id), killed_before)

    @precondition(lambda self: self.host.timers)
    @rule(data=st.data())
    def a_timer_fires(self, data: st.DataObject) -> None:
        event = data.draw(st.sampled_from(self.host.timers))
        self.host.timers.remove(event)
        self.tell(event)

    @rule(data=st.data(), whom=st.sampled_from(["worker", "worker", "nginx"]), killed_before=KILLED)
    def somebody_dies(self, data: st.DataObject, whom: str, killed_before: int | None) -> None:
        host = self.host
        if whom == "nginx" and host.edge_pid:
            host.edge_pid = None
            self.tell(ev.EdgeEnded("killed"), killed_before)
        elif host.workers:
            self.tell(host.dies(data.draw(st.sampled_from(list(host.workers)))), killed_before)

    @rule(data=st.data())
    def the_supervisor_is_killed(self, data: st.DataObject) -> None:
        """Others may be, before the next one is there; who was loading may get ready, and hosts may be edited."""
        for worker_id, worker in list(self.host.workers.items()):
            match data.draw(st.sampled_from(["lives on", "lives on", "lives on", "dies"])):
                case "dies":
                    self.host.dies(worker_id)
                case _:
                    worker.ready = worker.ready or data.draw(st.booleans())
        if data.draw(st.sampled_from([False, False, False, True])):
            self.host.edge_pid = None
        if data.draw(st.sampled_from([False, False, False, True])):
            self.host.edited = self.host.last_release
        self.start()

    @precondition(lambda self: not self.host.state.deployment)
    @rule(in_place=st.booleans(), path=st.sampled_from([None, "other.gguf"]))
    def somebody_deploys(self, in_place: bool, path: str | None) -> None:
        self.tell(ev.DeployRequested(self.name(), Change(path), in_place=in_place))

    @precondition(lambda self: not self.host.state.deployment)
    @rule(kind=st.sampled_from([DeploymentKind.ROLLBACK, DeploymentKind.SWAP, DeploymentKind.PREWARM]))
    def somebody_switches(self, kind: DeploymentKind) -> None:
        prewarms = kind is DeploymentKind.PREWARM
        self.tell(ev.PrewarmRequested(self.name(), Change()) if prewarms else ev.SwitchRequested(self.name(), kind))

    @rule(color=st.sampled_from(Color), data=st.data())
    def somebody_asks(self, color: Color, data: st.DataObject) -> None:
        name = self.name()
        requests: list[ev.Event] = [
            ev.StartRequested(name, color),
            ev.StopRequested(name, color),
            ev.StopRequested(name, color, force=True),
            ev.CancelRequested(name),
            ev.PauseRequested(name),
            ev.ResumeRequested(name),
            ev.HandoverRequested(name),
            ev.ShutdownRequested(name),
        ]
        self.tell(data.draw(st.sampled_from(requests)))

    def name(self) -> str:
        self.asked += 1
        return f"request {self.asked}"

    def loading(self) -> list[str]:
        return [worker_id for worker_id, worker in self.host.workers.items() if not worker.ready]

    # --- what must hold -----------------------------------------------------------------------------------------------

    @precondition(lambda self: self.host.exited)
    @rule()
    def the_next_one_comes(self) -> None:
        self.start()

    @invariant()
    def no_deployment_is_given_two_outcomes(self) -> None:
        assert set(self.host.outcomes.values()) <= {1}

    @invariant()
    def what_succeeded_was_proven(self) -> None:
        """By a warm-up, unless it was warm, and at the edge."""
        for number in self.host.succeeded():
            recorded = self.host.journal.deployment(number)
            assert recorded
            skipped = {Step(step.number) for step in recorded.steps if step.state is StepState.SKIPPED}
            passed = self.host.passed[number]
            assert fx.WarmUp in passed or Step.WARM_UP in skipped
            assert fx.VerifyRoute in passed or recorded.kind is DeploymentKind.PREWARM

    def teardown(self) -> None:
        """After a quiet time nothing is open, and what is told is true; so it is under the next supervisor."""
        self.check_quiet()
        self.start()
        self.check_quiet()
        active = self.host.state.active_slot
        assert active and active.serves, "what served is not booted"

    def check_quiet(self) -> None:
        self.get_quiet()
        if self.host.exited:
            self.start()
            self.get_quiet()
        self.tell(ev.RouteSeen(self.host.route))
        self.check_processes()
        self.check_records()

    def get_quiet(self) -> None:
        for _ in range(400):
            if self.host.exited or not self.go_on():
                return
        raise AssertionError("it never gets quiet")

    def go_on(self) -> bool:
        """One more thing that is due happens, and well; False when there is none."""
        host = self.host
        due = [event for event in host.timers if isinstance(event, ev.RestartDue | ev.EdgeRestartDue | ev.BootDue)]
        if host.orders:
            self.tell(host.carry_out(host.orders.pop(0)))
        elif host.step:
            self.tell(host.run_step())
        elif self.loading():
            self.a_worker_gets_ready(None)
        elif due:
            host.timers.remove(due[0])
            self.tell(due[0])
        else:
            return False
        return True

    def check_processes(self) -> None:
        host, state = self.host, self.host.state
        assert {slot.worker_id for slot in state.slots.values() if slot.worker_id} == set(host.workers)
        assert {slot.phase for slot in state.slots.values()} <= {Phase.READY, Phase.ABSENT, Phase.FAILED}
        active = state.active_slot
        assert active, "nobody serves, and nobody will"
        assert active.serves or active.phase is Phase.FAILED or not active.wanted
        assert state.edge is EdgePhase.RUNNING and host.route is state.routed
        if active.serves:
            assert state.routed is (None if state.paused else state.active)

    def check_records(self) -> None:
        journal, state = self.host.journal, self.host.state
        assert state.deployment is None and not state.stands_in
        for one in journal.history(1000):
            assert one.outcome is not None
            assert not {step.state for step in one.steps} & {StepState.RUNNING}, one
        assert journal.route().active is state.active
        assert (journal.fact("prewarmed"), journal.fact("rejected")) == (state.prewarmed, state.rejected)


def is_taken_back(found: Found) -> bool:
    """The deployment that was under way goes back (as `reconcile._fate`)."""
    left = found.unfinished
    return left is not None and (
        found.active is not left.to_color if found.brought_by == left.deployment else left.failed
    )


TestAnyCrash = AnyCrash.TestCase
# The same examples every time: a test that fails now and then is no test of the change at hand.
TestAnyCrash.settings = settings(
    max_examples=300,
    stateful_step_count=50,
    deadline=None,
    derandomize=True,
    database=None,
    report_multiple_bugs=False,  # shrinking one takes long enough
    suppress_health_check=[HealthCheck.too_slow],
)
