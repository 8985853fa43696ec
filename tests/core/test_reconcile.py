"""What a supervisor makes of what an earlier one left."""

import pytest
from tests.core.world import BLUE, GREEN

from supervisor.core.lifecycle import Phase
from supervisor.core.reconcile import INTERRUPTED, Found, Resumption, Survivor, Unfinished, reconcile
from supervisor.core.records import DeploymentBegan, RequestEnded
from supervisor.core.state import Boot, Color, DeploymentKind, EdgePhase, Outcome, Policy
from supervisor.core.steps import Step, StepState

BOOT = Boot(BLUE)
SUCCEEDED, ROLLED_BACK, FAILED = Outcome.SUCCEEDED, Outcome.ROLLED_BACK, Outcome.FAILED


def lives(color: Color, ready: bool = True) -> Survivor:
    return Survivor(color, f"{color}-1", 10, 1.5, 3 if color is BLUE else 4, ready)


def unfinished_at(
    from_color: Color | None, to_color: Color, verified: bool, kind: DeploymentKind = DeploymentKind.DEPLOY
) -> Unfinished:
    """In the bake, or in step 10."""
    done = Step.DRAIN if verified else Step.SWITCH_ROUTE
    return Unfinished(9, from_color, to_color, steps_until(Step(done + 1)), kind)


def steps_until(running: Step) -> dict[Step, StepState]:
    return {step: StepState.DONE if step < running else StepState.RUNNING for step in Step if step <= running}


def found(
    survivors: tuple[Survivor, ...],
    active: Color | None,
    unfinished: tuple[Color | None, Color, bool] | None = None,
    edge_lives: bool = True,
) -> Resumption:
    left = unfinished_at(*unfinished) if unfinished else None
    return reconcile(
        Found(BOOT, active=active, previous_release=2, edge_lives=edge_lives, survivors=survivors, unfinished=left)
    )


B, G = lives(BLUE), lives(GREEN)
LOADING = lives(GREEN, ready=False)
BACK, FORWARD = (BLUE, GREEN, False), (BLUE, GREEN, True)
FIRST, FIRST_VERIFIED = (None, BLUE, False), (None, BLUE, True)

# survivors, active in the journal, unfinished (from, to, step 10 done) -> active, kept, stopped, outcome
CASES = {
    "nothing left": ((), None, None, None, set(), (), None),
    "reboot of the machine": ((), BLUE, None, None, set(), (), None),
    "active lives": ((B,), BLUE, None, BLUE, {BLUE}, (), None),
    "active and warm standby live": ((B, G), BLUE, None, BLUE, {BLUE, GREEN}, (), None),
    "only the standby lives": ((G,), BLUE, None, GREEN, {GREEN}, (), None),
    "active is not ready": ((lives(BLUE, ready=False), G), BLUE, None, GREEN, {GREEN}, ("blue-1",), None),
    "standby is still loading": ((B, LOADING), BLUE, None, BLUE, {BLUE}, ("green-1",), None),
    "died while the new one loads": ((B, LOADING), BLUE, BACK, BLUE, {BLUE}, ("green-1",), ROLLED_BACK),
    "died before step 10": ((B, G), BLUE, BACK, BLUE, {BLUE}, ("green-1",), ROLLED_BACK),
    "died before step 4": ((B,), BLUE, BACK, BLUE, {BLUE}, (), ROLLED_BACK),
    "died after step 10": ((B, G), GREEN, FORWARD, GREEN, {BLUE, GREEN}, (), None),
    "died after step 10, old one stopped": ((G,), GREEN, FORWARD, GREEN, {GREEN}, (), None),
    "died after step 10, new one died too": ((B,), GREEN, FORWARD, None, {BLUE}, (), SUCCEEDED),
    "first deployment, not verified": ((lives(BLUE),), None, FIRST, None, set(), ("blue-1",), FAILED),
    "first deployment, verified": ((B,), BLUE, FIRST_VERIFIED, BLUE, {BLUE}, (), SUCCEEDED),
    "died in step 10, route recorded": ((B, G), GREEN, BACK, GREEN, {BLUE, GREEN}, (), None),
    "rebooted, then died while blue boots": ((B,), BLUE, FIRST, None, set(), ("blue-1",), FAILED),
    "rebooted, then died before blue boots": ((), BLUE, FIRST, None, set(), (), FAILED),
}


@pytest.mark.parametrize("kind", [DeploymentKind.ROLLBACK, DeploymentKind.SWAP])
def test_the_standby_of_an_interrupted_switch_stays(kind: DeploymentKind) -> None:
    """It was warm before the switch began: a failure changes nothing."""
    left = unfinished_at(BLUE, GREEN, False, kind)
    resumption = reconcile(Found(BOOT, active=BLUE, edge_lives=True, survivors=(B, G), unfinished=left))

    assert resumption.outcome is ROLLED_BACK
    assert resumption.state.active is BLUE
    assert resumption.state.slots[GREEN].serves and resumption.stop == ()


@pytest.mark.parametrize("step", Step)
def test_a_warm_standby_that_was_not_touched_yet_stays(step: Step) -> None:
    """The standby is replaced from step 4 on; until then it is what it was, whenever the supervisor dies."""
    left = Unfinished(9, BLUE, GREEN, steps_until(step))
    resumption = reconcile(Found(BOOT, active=BLUE, edge_lives=True, survivors=(B, G), unfinished=left))

    assert (resumption.stop == ()) == (step < Step.START_STANDBY)
    assert resumption.outcome is ROLLED_BACK


def test_what_became_of_a_deployment_that_is_taken_back_is_retold() -> None:
    """To those who follow the new supervisor: begun, its steps, ended; of one that goes on, nothing yet."""
    left = Unfinished(9, BLUE, GREEN, steps_until(Step.SWITCH_ROUTE), DeploymentKind.SWAP, 3)
    back = reconcile(Found(BOOT, active=BLUE, edge_lives=True, survivors=(B, G), unfinished=left))
    began, *steps, ended = back.retold(left)
    assert began == DeploymentBegan("resumed", 9, DeploymentKind.SWAP, BLUE, GREEN, resumed=True)
    assert tuple(steps) == back.steps and steps
    assert ended == RequestEnded("resumed", ROLLED_BACK, INTERRUPTED, 9, 3, BLUE)
    forward = unfinished_at(*FORWARD)
    goes_on = reconcile(Found(BOOT, active=GREEN, edge_lives=True, survivors=(B, G), unfinished=forward))
    assert goes_on.retold(forward) == () == goes_on.retold(None)


@pytest.mark.parametrize("step", Step)
def test_no_step_of_a_rolled_back_deployment_stays_under_way(step: Step) -> None:
    """The one that was interrupted has failed; standby and route are taken back."""
    left = Unfinished(9, BLUE, GREEN, steps_until(step))
    resumption = reconcile(Found(BOOT, active=BLUE, edge_lives=True, survivors=(B, G), unfinished=left))
    after = {**left.steps, **{end.step: end.state for end in resumption.steps}}

    assert {end.deployment for end in resumption.steps} == {9}
    assert after[step] is StepState.FAILED
    assert StepState.RUNNING not in after.values()
    taken_back = {Step.START_STANDBY, Step.SWITCH_ROUTE, Step.VERIFY_ROUTE}
    assert {name for name, state in after.items() if state is StepState.UNDONE} == {n for n in taken_back if n < step}


def test_the_steps_of_a_resumed_deployment_go_on_from_the_verified_route() -> None:
    """Step 10 is done when the route is on record; the steps after it are entered again."""
    left = Unfinished(9, BLUE, GREEN, steps_until(Step.VERIFY_ROUTE))
    resumption = reconcile(Found(BOOT, active=GREEN, edge_lives=True, survivors=(B, G), unfinished=left))
    assert resumption.state.resumed
    assert [(end.step, end.state) for end in resumption.steps] == [(Step.VERIFY_ROUTE, StepState.DONE)]

    left = Unfinished(9, BLUE, GREEN, steps_until(Step.BAKE))
    resumption = reconcile(Found(BOOT, active=GREEN, edge_lives=True, survivors=(B, G), unfinished=left))
    assert resumption.state.resumed and resumption.steps == ()


def test_what_was_left_of_a_deployment_taken_as_done_is_skipped() -> None:
    """Its new colour was verified and nobody goes on with it: history tells which steps were never finished."""
    left = Unfinished(9, None, BLUE, steps_until(Step.DRAIN))
    resumption = reconcile(Found(BOOT, active=BLUE, edge_lives=True, survivors=(B,), unfinished=left))

    assert resumption.outcome is SUCCEEDED
    ends = [(end.step, end.state) for end in resumption.steps]
    assert ends == [(step, StepState.SKIPPED) for step in (Step.DRAIN, Step.BAKE, Step.RECORD)]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_is_kept_and_how_the_deployment_ended(
    case: tuple[
        tuple[Survivor, ...],
        Color | None,
        tuple[Color | None, Color, bool] | None,
        Color | None,
        set[Color],
        tuple[str, ...],
        Outcome | None,
    ],
) -> None:
    """Before step 10 back, after it forward; what is healthy is adopted, what is not is ended.

    One that goes forward has no outcome yet.
    """
    survivors, recorded, unfinished, active, kept, stopped, outcome = case
    resumption = found(survivors, recorded, unfinished)

    assert resumption.state.active is active
    assert {color for color, slot in resumption.state.slots.items() if slot.phase is Phase.READY} == kept
    assert resumption.stop == stopped
    assert resumption.outcome is outcome
    assert resumption.state.boot == (None if active and active is recorded else BOOT)
    assert resumption.state.deployment is None
    goes_on = unfinished is not None and unfinished[0] is not None and active is unfinished[1]
    assert (resumption.state.resumed is not None) == goes_on


def test_a_ready_standby_serves_while_the_lost_active_worker_is_booted() -> None:
    """An old answer is better than none; the boot deployment then goes from it to what should serve."""
    state = found((G,), BLUE).state

    assert (state.active, state.boot) == (GREEN, BOOT)
    assert BOOT.color is not state.active


@pytest.mark.parametrize(("survivors", "lost"), [((B, G), False), ((B,), True), ((B, LOADING), True)])
def test_what_was_prewarmed_and_ended_meanwhile_is_told(survivors: tuple[Survivor, ...], lost: bool) -> None:
    """Nobody saw why it ended, so it is not started again by itself."""
    state = reconcile(Found(BOOT, active=BLUE, prewarmed=4, edge_lives=True, survivors=survivors)).state
    assert (state.warm_release is None, "release 4 ended" in state.prewarm_lost) == (lost, lost)


def test_an_adopted_worker_is_as_it_was() -> None:
    """Identity and release go over; it is wanted, so that a crash is missed."""
    slot = found((B,), BLUE).state.slots[BLUE]

    assert (slot.worker_id, slot.pid, slot.release, slot.wanted, slot.progress) == ("blue-1", 10, 3, True, "adopted")
    assert slot.restarts == 0


@pytest.mark.parametrize(("edge_lives", "phase"), [(True, EdgePhase.RUNNING), (False, EdgePhase.ABSENT)])
def test_a_living_nginx_is_adopted(edge_lives: bool, phase: EdgePhase) -> None:
    """It serves on while nobody watches it."""
    assert found((B,), BLUE, edge_lives=edge_lives).state.edge is phase


def test_numbers_go_on_where_they_were() -> None:
    """None is used twice, and the limits are today's."""
    policy = Policy(bake_s=1)
    state = reconcile(Found(BOOT, policy, last_release=7, last_deployment=11, last_worker=13, previous_release=5)).state

    assert (state.last_release, state.last_deployment, state.last_worker) == (7, 11, 13)
    assert (state.previous_release, state.policy) == (5, policy)
