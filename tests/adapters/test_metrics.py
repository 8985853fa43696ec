"""The supervisor's metrics: what records are counted as, what gauges tell of a moment, and what happens without one."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace

import pytest
from tests.support.exposition import Exposition, needs_promtool, promtool_says

from supervisor.core import records as rec
from supervisor.core.account import Mapped
from supervisor.core.bake import BreachKind
from supervisor.core.lifecycle import Phase
from supervisor.core.state import Color, Deployment, DeploymentKind, EdgePhase, Outcome, Slot, State
from supervisor.core.steps import Step, StepState
from supervisor.holder import HoldCounts
from supervisor.memory.holdings import Held
from supervisor.memory.usage import ProcessMemory
from supervisor.nginx.access_log import EdgeEntry
from supervisor.telemetry import Metrics
from supervisor.telemetry.forecast import StandbyForecast
from supervisor.telemetry.readings import Reading

BLUE, GREEN = Color.BLUE, Color.GREEN
BEGAN = rec.DeploymentBegan("d", 3, DeploymentKind.DEPLOY, BLUE, GREEN)
ENDED = rec.RequestEnded("d", Outcome.SUCCEEDED, "", 3, 7, GREEN)
DURATION, STEPS = "modelsvc_deployment_duration_seconds", "modelsvc_deployment_step_duration_seconds"


def step(which: Step, state: StepState) -> rec.StepChanged:
    return rec.StepChanged(3, which, state)


async def told(metrics: Metrics, *records: rec.Record) -> Exposition:
    for record in records:
        metrics.publish(record)
    return Exposition(await metrics.render())


# --- counters ---------------------------------------------------------------------------------------------------------


async def test_what_is_known_beforehand_begins_at_zero() -> None:
    """Or the first crash would be no increase, and would not be seen."""
    found = await told(Metrics())

    for color in Color:
        assert found["modelsvc_worker_starts_total", color] == 0
        assert found["modelsvc_worker_ends_total", color, "false"] == 0
        assert found["modelsvc_edge_switches_total", color] == 0
    assert found["modelsvc_deployments_total", "failover", "rolled_back"] == 0
    assert found["modelsvc_operations_total", "refused"] == 0
    assert found["modelsvc_edge_ends_total"] == 0
    for color in (*Color, "none"):
        assert found["modelsvc_edge_requests_total", "200", color] == 0
        assert found["modelsvc_edge_requests_total", "503", color] == 0
        assert found["modelsvc_edge_request_duration_seconds_count", color] == 0


async def test_workers_and_nginx_come_and_go() -> None:
    """One that nobody told to end has crashed."""
    found = await told(
        Metrics(),
        rec.WorkerBegan(BLUE, "blue-1", 1, 1.0, 1),
        rec.WorkerGone(BLUE, "blue-1", -9, False),
        rec.WorkerBegan(BLUE, "blue-2", 2, 1.0, 1),
        rec.WorkerGone(BLUE, "blue-2", 0, True),
        rec.EdgeChanged(5),
        rec.EdgeChanged(None, reason="killed"),
        rec.EdgeChanged(6),
    )

    assert found["modelsvc_worker_starts_total", "blue"] == 2
    assert found["modelsvc_worker_ends_total", "blue", "false"] == 1
    assert found["modelsvc_worker_ends_total", "blue", "true"] == 1
    assert found["modelsvc_worker_ends_total", "green", "false"] == 0
    assert found["modelsvc_edge_ends_total"] == 1


async def test_a_deployment_is_counted_with_its_kind_and_timed_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that cannot be set; so are its steps, but those that were skipped."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    metrics = Metrics()
    for seconds, record in (
        (0, BEGAN),
        (0, step(Step.CHECK_ACTIVE, StepState.RUNNING)),
        (0.25, step(Step.CHECK_ACTIVE, StepState.DONE)),
        (0, step(Step.ADMIT, StepState.SKIPPED)),
        (0, step(Step.WARM_UP, StepState.RUNNING)),
        (2, step(Step.WARM_UP, StepState.FAILED)),
        (3, step(Step.START_STANDBY, StepState.UNDONE)),
    ):
        now[0] += seconds
        metrics.publish(record)
    assert metrics.deployments.running_seconds == 5.25
    found = await told(metrics, replace(ENDED, outcome=Outcome.ROLLED_BACK))

    assert found["modelsvc_deployments_begun_total", "deploy"] == 1
    assert found["modelsvc_deployments_total", "deploy", "rolled_back"] == 1
    assert found["modelsvc_deployments_total", "deploy", "succeeded"] == 0
    assert found["modelsvc_operations_total", "rolled_back"] == 1
    assert found[f"{DURATION}_sum", "deploy", "rolled_back"] == 5.25
    assert found[f"{STEPS}_sum", "check_active"] == 0.25
    assert found[f"{STEPS}_sum", "warm_up"] == 2
    assert (f"{STEPS}_count", "admit") not in found and (f"{STEPS}_count", "start_standby") not in found
    assert metrics.deployments.running_seconds == 0


async def test_a_step_that_cannot_be_taken_back_adds_nothing_to_its_time() -> None:
    """It had failed already, or was done."""
    records = (
        BEGAN,
        step(Step.SWITCH_ROUTE, StepState.RUNNING),
        step(Step.SWITCH_ROUTE, StepState.FAILED),
        step(Step.SWITCH_ROUTE, StepState.FAILED),
    )
    assert (await told(Metrics(), *records))[f"{STEPS}_count", "switch_route"] == 1


@pytest.mark.parametrize(
    ("kind", "outcome", "counts"),
    [
        (DeploymentKind.DEPLOY, Outcome.SUCCEEDED, True),
        (DeploymentKind.FAILOVER, Outcome.SUCCEEDED, True),
        (DeploymentKind.PREWARM, Outcome.SUCCEEDED, False),
        (DeploymentKind.DEPLOY, Outcome.FAILED, False),
    ],
)
async def test_the_last_success_is_when_a_release_last_came_to_the_edge(
    kind: DeploymentKind, outcome: Outcome, counts: bool
) -> None:
    """Which may have been under an earlier supervisor; prewarming brings none there."""
    metrics, before = Metrics(), time.time()
    metrics.deployments.last_succeeded(1000.0)
    found = await told(metrics, replace(BEGAN, kind=kind), replace(ENDED, outcome=outcome))

    last = found["modelsvc_deployment_last_success_timestamp_seconds"]
    assert (before <= last <= time.time()) if counts else last == 1000


async def test_a_deployment_that_is_taken_up_was_begun_elsewhere() -> None:
    """It ends here, and is counted for that; how long it took nobody here knows."""
    found = await told(Metrics(), replace(BEGAN, resumed=True), ENDED)

    assert found["modelsvc_deployments_begun_total", "deploy"] == 0
    assert found["modelsvc_deployments_total", "deploy", "succeeded"] == 1
    assert (f"{DURATION}_count", "deploy", "succeeded") not in found


async def test_breaches_of_the_bake_are_counted_by_what_was_breached() -> None:
    """Each kind is there from the start."""
    found = await told(Metrics(), BEGAN, rec.BakeBreached(3, GREEN, BreachKind.LATENCY, "first token: …"))

    told_of = {kind: found["modelsvc_bake_breaches_total", kind] for kind in BreachKind}
    assert told_of == {kind: float(kind is BreachKind.LATENCY) for kind in BreachKind}


async def test_the_monitor_is_up_while_its_process_runs() -> None:
    """Not while it starts or waits."""
    metrics, seen = Metrics(), []
    for state in ("starting", "running", "waiting"):
        seen.append((await told(metrics, rec.MonitorChanged(True, state)))["modelsvc_monitor_up"])
    assert seen == [0, 1, 0]


async def test_an_operation_is_no_deployment() -> None:
    """Stopping a colour, say, while a deployment goes on."""
    found = await told(Metrics(), BEGAN, rec.RequestEnded("x", Outcome.REFUSED))

    assert found["modelsvc_operations_total", "refused"] == 1
    assert found["modelsvc_deployments_total", "deploy", "refused"] == 0


async def test_what_clients_were_answered_is_counted_by_who_answered_and_how() -> None:
    """Nobody is a label like any other; so is a switch to nobody."""
    metrics = Metrics()
    entries = [EdgeEntry(1.0, BLUE, 200, 0.5), EdgeEntry(2.0, BLUE, 200, 1.5), EdgeEntry(3.0, None, 503, 30.0)]
    metrics.edge.answered(entries)
    metrics.edge.switched(GREEN, 0.02)
    metrics.edge.switched(None, 0.001)
    found = await told(metrics)

    assert found["modelsvc_edge_requests_total", "200", "blue"] == 2
    assert found["modelsvc_edge_requests_total", "503", "none"] == 1
    assert found["modelsvc_edge_request_duration_seconds_sum", "blue"] == 2
    assert found["modelsvc_edge_request_duration_seconds_bucket", "none", "20.0"] == 0
    assert found["modelsvc_edge_request_duration_seconds_bucket", "none", "40.0"] == 1
    assert found["modelsvc_edge_switches_total", "green"] == found["modelsvc_edge_switches_total", "none"] == 1
    assert found["modelsvc_edge_switch_duration_seconds_sum"] == 0.021


async def test_two_supervisors_in_one_process_count_for_themselves() -> None:
    """Nothing is global."""
    await told(Metrics(), ENDED)
    assert (await told(Metrics()))["modelsvc_operations_total", "succeeded"] == 0


# --- gauges -----------------------------------------------------------------------------------------------------------

MODEL = Mapped((1, 2), "m.gguf", 1000)


def held(who: str, private_bytes: int, model: Mapped | None = None) -> Held:
    return Held(who, (1,), ProcessMemory(private_bytes + 500, private_bytes, private_bytes, None), model=model)


def slot(color: Color, phase: Phase, release: int, restarts: int = 0) -> Slot:
    return Slot(color, wanted=True, phase=phase, release=release, worker_id=f"{color}-1", restarts=restarts)


STATE = State(
    slots={BLUE: slot(BLUE, Phase.READY, 3), GREEN: slot(GREEN, Phase.FAILED, 4, restarts=6)},
    active=BLUE,
    edge=EdgePhase.RUNNING,
    paused=True,
)
READING = Reading(
    STATE,
    held=[held("supervisor", 10), held("blue", 20, MODEL), held("green", 30, MODEL)],
    available_bytes=9000,
    forecast_bytes=70,
    holds=HoldCounts(waiting=1, held=5, replayed=3, given_up=1),
    old_workers=2,
    deployment_seconds=0.0,
)


async def read(reading: Reading) -> Exposition:
    async def look() -> Reading:
        return reading

    metrics = Metrics()
    metrics.watch(look)
    return await told(metrics)


async def test_gauges_tell_of_workers() -> None:
    """Each state is a series of its own, of which one is 1."""
    found = await read(READING)

    assert (found["modelsvc_active", "blue"], found["modelsvc_active", "green"]) == (1, 0)
    assert found["modelsvc_active_release"] == 3
    assert (found["modelsvc_worker_release", "blue"], found["modelsvc_worker_release", "green"]) == (3, 4)
    states = {phase: found["modelsvc_worker_state", "green", phase] for phase in Phase}
    assert {phase for phase, value in states.items() if value} == {Phase.FAILED}
    assert found["modelsvc_worker_wanted", "green"] == 1
    assert found["modelsvc_worker_crashes_in_a_row", "green"] == 7  # six restarts, and the crash that was the last
    assert found["modelsvc_worker_crashes_in_a_row", "blue"] == 0


async def test_gauges_tell_of_memory_as_the_ledger_does() -> None:
    """A model file once, whoever maps it."""
    found = await read(READING)

    assert found["modelsvc_memory_used_bytes"] == 10 + 20 + 30 + 1000
    assert found["modelsvc_memory_shared_bytes"] == 1000
    assert found["modelsvc_memory_budget_bytes"] == STATE.policy.budget_bytes
    assert found["modelsvc_memory_worker_limit_bytes"] == STATE.policy.worker_limit_bytes
    assert found["modelsvc_memory_private_bytes", "green"] == 30
    assert found["modelsvc_memory_resident_bytes", "green"] == 530
    assert (found["modelsvc_memory_available_bytes"], found["modelsvc_memory_forecast_bytes"]) == (9000, 70)


async def test_gauges_tell_of_edge_and_deployment() -> None:
    """Without a deployment its step is 0; one to go on with is under way."""
    idle = await read(READING)
    running = Deployment(3, DeploymentKind.DEPLOY, "d", BLUE, GREEN, step=Step.BAKE)
    busy = await read(replace(READING, state=replace(STATE, deployment=running), deployment_seconds=4.5))
    resumed = await read(replace(READING, state=replace(STATE, resumed=running)))

    assert (idle["modelsvc_edge_up"], idle["modelsvc_edge_paused"]) == (1, 1)
    assert idle["modelsvc_edge_held_total"] == 5
    assert (idle["modelsvc_edge_replayed_total"], idle["modelsvc_edge_given_up_total"]) == (3, 1)
    assert (idle["modelsvc_edge_waiting_requests"], idle["modelsvc_edge_old_workers"]) == (1, 2)
    assert (idle["modelsvc_deployment_running"], idle["modelsvc_deployment_step"]) == (0, 0)
    assert (busy["modelsvc_deployment_running"], busy["modelsvc_deployment_step"]) == (1, 12)
    assert busy["modelsvc_deployment_running_seconds"] == 4.5
    assert resumed["modelsvc_deployment_running"] == 1


async def test_what_is_not_known_is_left_out() -> None:
    """A forecast that is not made yet, a process that is gone; and nothing serves."""
    found = await read(Reading(State()))

    assert "modelsvc_memory_forecast_bytes" not in found
    assert ("modelsvc_memory_private_bytes", "blue") not in found
    assert found["modelsvc_active_release"] == found["modelsvc_worker_release", "blue"] == 0
    assert found["modelsvc_edge_up"] == 0


async def test_a_look_that_fails_costs_the_gauges_only() -> None:
    """Those of the last look are no longer true; the counters are."""
    looks = [READING]

    async def look() -> Reading:
        return looks.pop()

    metrics = Metrics()
    metrics.watch(look)
    first, second = await told(metrics, ENDED), await told(metrics)

    assert "modelsvc_edge_up" in first and "modelsvc_edge_up" not in second
    assert second["modelsvc_operations_total", "succeeded"] == 1
    assert "process_start_time_seconds" not in first or "process_start_time_seconds" in second


async def test_many_may_ask_at_once() -> None:
    """A scrape and the textfile: each gets all of it."""

    async def look() -> Reading:
        await asyncio.sleep(0)
        return READING

    metrics = Metrics()
    metrics.watch(look)
    texts = await asyncio.gather(*(metrics.render() for _ in range(5)))
    assert {len(text.splitlines()) for text in texts} == {len(texts[0].splitlines())}
    assert all(b"modelsvc_edge_up 1.0" in text for text in texts)


@needs_promtool
async def test_promtool_finds_nothing_wrong() -> None:
    """Names, types, units, help."""
    assert promtool_says((await read(READING)).text) == ""


@needs_promtool
def test_promtool_would_find_something() -> None:
    """The test above can fail."""
    assert "_total" in promtool_says("# HELP modelsvc_x x\n# TYPE modelsvc_x counter\nmodelsvc_x 1\n")


# --- forecast ---------------------------------------------------------------------------------------------------------


class Forecasting:
    """Makes forecasts that are released one by one."""

    def __init__(self) -> None:
        self.asked: list[int | None] = []
        self.answers: asyncio.Queue[int | Exception | None] = asyncio.Queue()

    async def make(self, state: State) -> int | None:
        self.asked.append(state.active_release)
        answer = await self.answers.get()
        if isinstance(answer, Exception):
            raise answer
        return answer


def serving(release: int, **changes: object) -> State:
    slots = {BLUE: slot(BLUE, Phase.READY, release), GREEN: Slot(GREEN)}
    return replace(State(slots=slots, active=BLUE), **changes)  # type: ignore[arg-type]  # State checks them


async def asked(states: Sequence[State], answers: Sequence[int | Exception | None]) -> tuple[list[int | None], int]:
    """What is told of each state, and how many forecasts that took."""
    forecasting = Forecasting()
    for answer in answers:
        forecasting.answers.put_nowait(answer)
    forecast = StandbyForecast(forecasting.make)
    return [await forecast.now(state) for state in states], len(forecasting.asked)


async def test_a_forecast_is_made_once_for_a_release() -> None:
    """And again for another one, and after a deployment, which may have measured."""
    running = Deployment(3, DeploymentKind.DEPLOY, "d", BLUE, GREEN)
    assert await asked([serving(1)] * 3, [100, 200]) == ([100, 100, 100], 1)
    assert await asked([serving(1), serving(2)], [100, 200]) == ([100, 200], 2)
    during = serving(1, deployment=running, last_deployment=3)
    assert await asked([during, during, serving(1, last_deployment=3)], [100, 200]) == ([100, 100, 200], 2)


async def test_nobody_waits_for_a_forecast() -> None:
    """It is told once it is made: looking into a file takes a process."""
    forecasting = Forecasting()
    forecast = StandbyForecast(forecasting.make)
    assert await forecast.now(serving(1)) is None
    forecasting.answers.put_nowait(100)
    assert await forecast.now(serving(1)) == 100
    assert forecasting.asked == [1]


async def test_a_forecast_that_fails_is_not_known() -> None:
    """It is tried again when something has changed."""
    assert await asked([serving(1), serving(2)], [ValueError("no file"), 200]) == ([None, 200], 2)
