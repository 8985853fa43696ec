"""What a supervisor makes of what an earlier one left."""

from dataclasses import replace

import pytest
from tests.core.world import BLUE, GREEN, World

from supervisor.core import events as ev
from supervisor.core.interrupted import INTERRUPTED, Unfinished
from supervisor.core.lifecycle import Phase
from supervisor.core.reconcile import Found, Resumption, Survivor, reconcile
from supervisor.core.records import DeploymentBegan, RequestEnded, RouteChanged
from supervisor.core.stages import WHEN_WARM
from supervisor.core.state import Boot, Color, DeploymentKind, EdgePhase, Outcome, Policy
from supervisor.core.steps import Step, StepState

BOOT = Boot(BLUE)
SUCCEEDED, ROLLED_BACK, FAILED = Outcome.SUCCEEDED, Outcome.ROLLED_BACK, Outcome.FAILED


def lives(color: Color, ready: bool = True) -> Survivor:
    return Survivor(color, f"{color}-1", 10, 1.5, 3 if color is BLUE else 4, ready)


def unfinished_at(
    from_color: Color | None, to_color: Color, step: Step, kind: DeploymentKind = DeploymentKind.DEPLOY
) -> Unfinished:
    """Interrupted in that step."""
    return Unfinished(9, from_color, to_color, steps_until(step, warm=kind is not DeploymentKind.DEPLOY), kind, 4)


def steps_until(running: Step, warm: bool = False) -> dict[Step, StepState]:
    steps = {step: StepState.DONE if step < running else StepState.RUNNING for step in Step if step <= running}
    return {step: StepState.SKIPPED if warm and step in WHEN_WARM else state for step, state in steps.items()}


def found(
    survivors: tuple[Survivor, ...],
    active: Color | None,
    unfinished: Unfinished | None = None,
    brought_by: int | None = 8,
    edge_lives: bool = True,
) -> Resumption:
    return reconcile(
        Found(
            replace(BOOT, color=active or BLUE),
            active=active,
            brought_by=brought_by,
            previous_release=2,
            served_release=3,
            edge_lives=edge_lives,
            survivors=survivors,
            unfinished=unfinished,
        )
    )


B, G = lives(BLUE), lives(GREEN)
LOADING = lives(GREEN, ready=False)
CRASHED = lives(BLUE, ready=False)
SWITCH, VERIFY, BAKE = Step.SWITCH_ROUTE, Step.VERIFY_ROUTE, Step.BAKE
OURS, OLDER = 9, 8  # the deployment that the route on record is from: the unfinished one, or one before it

# survivors, active in the journal, since which deployment, unfinished (from, to, step)
# -> active, kept, stopped, outcome, goes on after
CASES = {
    "nothing left": ((), None, None, None, None, set(), (), None, None),
    "reboot of the machine": ((), BLUE, OLDER, None, None, set(), (), None, None),
    "active lives": ((B,), BLUE, OLDER, None, BLUE, {BLUE}, (), None, None),
    "active and warm standby live": ((B, G), BLUE, OLDER, None, BLUE, {BLUE, GREEN}, (), None, None),
    "only the standby lives": ((G,), BLUE, OLDER, None, GREEN, {GREEN}, (), None, None),
    "active is not ready": ((CRASHED, G), BLUE, OLDER, None, GREEN, {GREEN}, ("blue-1",), None, None),
    "standby is still loading": ((B, LOADING), BLUE, OLDER, None, BLUE, {BLUE}, ("green-1",), None, None),
    "while the new one loads": (
        *((B, LOADING), BLUE, OLDER, (BLUE, GREEN, Step.AWAIT_READY)),
        *(BLUE, {BLUE}, ("green-1",), ROLLED_BACK, None),
    ),
    "before step 10": (
        *((B, G), BLUE, OLDER, (BLUE, GREEN, VERIFY)),
        *(BLUE, {BLUE}, ("green-1",), ROLLED_BACK, None),
    ),
    "before step 4": ((B,), BLUE, OLDER, (BLUE, GREEN, Step.ADMIT), BLUE, {BLUE}, (), ROLLED_BACK, None),
    "in step 10, route recorded": (
        *((B, G), GREEN, OURS, (BLUE, GREEN, VERIFY)),
        *(GREEN, {BLUE, GREEN}, (), None, VERIFY),
    ),
    "after step 10": ((B, G), GREEN, OURS, (BLUE, GREEN, BAKE), GREEN, {BLUE, GREEN}, (), None, VERIFY),
    "after step 10, old one stopped": ((G,), GREEN, OURS, (BLUE, GREEN, BAKE), GREEN, {GREEN}, (), None, VERIFY),
    "after step 10, new one died too": ((B,), GREEN, OURS, (BLUE, GREEN, BAKE), BLUE, {BLUE}, (), SUCCEEDED, None),
    "taken back, on record as such": (
        *((B, G), BLUE, OURS, (BLUE, GREEN, BAKE)),
        *(BLUE, {BLUE}, ("green-1",), ROLLED_BACK, None),
    ),
    "taken back, old one died too": (
        (G,),
        BLUE,
        OURS,
        (BLUE, GREEN, BAKE),
        None,
        set(),
        ("green-1",),
        ROLLED_BACK,
        None,
    ),
    "switched, old one died": ((G,), BLUE, OLDER, (BLUE, GREEN, VERIFY), None, {GREEN}, (), None, SWITCH),
    "switching, old one died": ((G,), BLUE, OLDER, (BLUE, GREEN, SWITCH), None, {GREEN}, (), None, SWITCH),
    "switched, old one is not ready": (
        *((CRASHED, G), BLUE, OLDER, (BLUE, GREEN, VERIFY)),
        *(None, {GREEN}, ("blue-1",), None, SWITCH),
    ),
    "not switched yet, old one died": (
        *((G,), BLUE, OLDER, (BLUE, GREEN, Step.TEST_CONFIG)),
        *(None, set(), ("green-1",), ROLLED_BACK, None),
    ),
    "switched, both died": ((), BLUE, OLDER, (BLUE, GREEN, VERIFY), None, set(), (), ROLLED_BACK, None),
    "first one, not switched": (
        *((B,), None, None, (None, BLUE, Step.WARM_UP)),
        *(None, set(), ("blue-1",), FAILED, None),
    ),
    "first one, switched": ((B,), None, None, (None, BLUE, VERIFY), None, {BLUE}, (), None, SWITCH),
    "first one, verified": ((B,), BLUE, OURS, (None, BLUE, Step.DRAIN), BLUE, {BLUE}, (), None, VERIFY),
    "rebooted, while blue boots": (
        *((B,), BLUE, OLDER, (None, BLUE, Step.WARM_UP)),
        *(None, set(), ("blue-1",), FAILED, None),
    ),
    "rebooted, blue is switched to": ((B,), BLUE, OLDER, (None, BLUE, VERIFY), None, {BLUE}, (), None, SWITCH),
    "rebooted, blue is verified": ((B,), BLUE, OURS, (None, BLUE, VERIFY), BLUE, {BLUE}, (), None, VERIFY),
    "rebooted, before blue boots": ((), BLUE, OLDER, (None, BLUE, Step.ADMIT), None, set(), (), FAILED, None),
    "standby stands in while blue boots": (
        *((B, G), BLUE, OLDER, (GREEN, BLUE, Step.WARM_UP)),
        *(GREEN, {GREEN}, ("blue-1",), ROLLED_BACK, None),
    ),
}


@pytest.mark.parametrize("kind", [DeploymentKind.ROLLBACK, DeploymentKind.SWAP])
def test_the_standby_of_an_interrupted_switch_stays(kind: DeploymentKind) -> None:
    """It was warm before the switch began: a failure changes nothing."""
    resumption = found((B, G), BLUE, unfinished_at(BLUE, GREEN, VERIFY, kind))

    assert resumption.outcome is ROLLED_BACK
    assert resumption.state.active is BLUE
    assert resumption.state.slots[GREEN].serves and resumption.stop == ()


def test_what_an_interrupted_rollback_started_itself_is_ended() -> None:
    """A rollback without a warm standby proves its worker as any deployment does."""
    left = replace(unfinished_at(BLUE, GREEN, Step.WARM_UP), kind=DeploymentKind.ROLLBACK)
    assert found((B, G), BLUE, left).stop == ("green-1",)


@pytest.mark.parametrize("step", Step)
def test_a_warm_standby_that_was_not_touched_yet_stays(step: Step) -> None:
    """The standby is replaced from step 4 on; until then it is what it was, whenever the supervisor dies."""
    left = unfinished_at(BLUE, GREEN, step)
    resumption = found((B, G), BLUE, left)

    assert (resumption.stop == ()) == (step < Step.START_STANDBY)
    assert resumption.outcome is ROLLED_BACK


def test_what_became_of_a_deployment_that_is_taken_back_is_retold() -> None:
    """To those who follow the new supervisor: begun, its steps, ended; of one that goes on, nothing yet."""
    left = unfinished_at(BLUE, GREEN, SWITCH, DeploymentKind.SWAP)
    back = found((B, G), BLUE, left)
    began, *steps, ended = back.retold(left)
    assert began == DeploymentBegan("resumed", 9, DeploymentKind.SWAP, BLUE, GREEN, resumed=True)
    assert tuple(steps) == back.steps and steps
    assert ended == RequestEnded("resumed", ROLLED_BACK, INTERRUPTED, 9, 4, BLUE)
    forward = unfinished_at(BLUE, GREEN, BAKE)
    goes_on = found((B, G), GREEN, forward, OURS)
    assert goes_on.retold(forward) == () == goes_on.retold(None)


@pytest.mark.parametrize("step", Step)
def test_no_step_of_a_rolled_back_deployment_stays_under_way(step: Step) -> None:
    """The one that was interrupted has failed; standby and route are taken back."""
    left = unfinished_at(BLUE, GREEN, step)
    resumption = found((B, G), BLUE, left)
    after = {**left.steps, **{end.step: end.state for end in resumption.steps}}

    assert {end.deployment for end in resumption.steps} == {9}
    assert after[step] is StepState.FAILED
    assert StepState.RUNNING not in after.values()
    taken_back = {Step.START_STANDBY, Step.SWITCH_ROUTE, Step.VERIFY_ROUTE}
    assert {name for name, state in after.items() if state is StepState.UNDONE} == {n for n in taken_back if n < step}


@pytest.mark.parametrize(
    ("step", "route", "since", "ends"),
    [
        (VERIFY, GREEN, OURS, [(VERIFY, StepState.DONE)]),
        (BAKE, GREEN, OURS, [(Step.DRAIN, StepState.PENDING), (BAKE, StepState.PENDING)]),
        (SWITCH, BLUE, OLDER, [(SWITCH, StepState.DONE)]),
        (VERIFY, BLUE, OLDER, [(VERIFY, StepState.PENDING)]),
    ],
)
def test_the_steps_of_a_resumed_deployment_come_again(
    step: Step, route: Color, since: int, ends: list[tuple[Step, StepState]]
) -> None:
    """What is on record was done; what comes after it is to come, so that none is under way if it ends before that."""
    survivors = (B, G) if since == OURS else (G,)
    resumption = found(survivors, route, unfinished_at(BLUE, GREEN, step), since)
    assert resumption.state.resumed
    assert [(end.step, end.state) for end in resumption.steps] == ends


@pytest.mark.parametrize("kind", [DeploymentKind.DEPLOY, DeploymentKind.SWAP, DeploymentKind.FAILOVER])
def test_a_resumed_deployment_knows_whether_its_standby_was_warm(kind: DeploymentKind) -> None:
    """One that was there before outlives a failure; one that the deployment started is stopped."""
    state = found((B, G), GREEN, unfinished_at(BLUE, GREEN, BAKE, kind), OURS).state
    assert state.resumed
    world = World(replace(state, last_token=5))
    world.tell(ev.Started())
    world.fail("an old worker of nginx stays")
    world.play()

    assert (world.state.active, world.ended("resumed").outcome) == (BLUE, ROLLED_BACK)
    assert world.slot(GREEN).serves == (kind is not DeploymentKind.DEPLOY)


def test_one_that_was_switched_and_has_nobody_to_go_back_to_goes_on_with_step_10() -> None:
    """Its worker is the only one, and proved itself in step 6; what served before is the previous release."""
    world = World(found((G,), BLUE, unfinished_at(BLUE, GREEN, VERIFY)).state)
    assert (world.state.active, world.state.routed, world.state.boot) == (None, GREEN, None)
    world.tell(ev.Started())
    assert world.at(VERIFY)
    world.play()

    assert RouteChanged(GREEN, 4, 3, 9) in world.records
    assert (world.ended("resumed").outcome, world.state.active) == (SUCCEEDED, GREEN)
    assert world.slot(GREEN).worker_id == "green-1"


def test_what_served_before_is_booted_where_that_fails() -> None:
    """The edge does not answer from it: it is ended, and not tried again."""
    world = World(found((G,), BLUE, unfinished_at(BLUE, GREEN, VERIFY)).state)
    world.tell(ev.Started())
    world.fail("answers come from elsewhere")
    world.play()
    assert (world.ended("resumed").outcome, world.state.active) == (FAILED, None)
    assert world.slot(GREEN).phase is Phase.ABSENT
    (later,) = world.timers(ev.BootDue)
    assert later.event == ev.BootDue(BOOT, 1)


@pytest.mark.parametrize("step", [SWITCH, VERIFY, BAKE])
def test_one_that_failed_and_has_nobody_to_go_back_to_is_not_gone_on_with(step: Step) -> None:
    """It was judged; the old release is booted."""
    left = unfinished_at(BLUE, GREEN, step)
    resumption = found((G,), BLUE, replace(left, steps={**left.steps, step: StepState.FAILED}))
    assert (resumption.outcome, resumption.stop, resumption.state.boot) == (ROLLED_BACK, ("green-1",), BOOT)


def test_one_that_failed_and_could_not_be_taken_back_stays() -> None:
    """In place nobody else is left, and its colour is on record as the active one; but it did not succeed."""
    left = unfinished_at(BLUE, GREEN, VERIFY)
    resumption = found((G,), GREEN, replace(left, steps={**left.steps, VERIFY: StepState.FAILED}), OURS)
    assert (resumption.outcome, resumption.stop, resumption.steps) == (FAILED, (), ())
    assert (resumption.state.active, resumption.state.resumed, resumption.state.boot) == (GREEN, None, None)


def test_an_unproven_release_is_not_taken_for_one_that_an_earlier_deployment_brought() -> None:
    """Its colour is the active one on record, from before that crashed and the standby stood in for it."""
    left = unfinished_at(GREEN, BLUE, Step.WARM_UP)
    resumption = found((B, G), BLUE, left, OLDER)
    assert (resumption.outcome, resumption.stop) == (ROLLED_BACK, ("blue-1",))
    assert (resumption.state.active, resumption.state.routed, resumption.state.resumed) == (GREEN, GREEN, None)


def test_what_was_left_of_a_deployment_taken_as_done_is_skipped() -> None:
    """Its new colour was verified and nobody goes on with it: history tells which steps were never finished."""
    resumption = found((), BLUE, unfinished_at(None, BLUE, Step.DRAIN), OURS)

    assert resumption.outcome is SUCCEEDED
    ends = [(end.step, end.state) for end in resumption.steps]
    assert ends == [(step, StepState.SKIPPED) for step in (Step.DRAIN, Step.BAKE, Step.RECORD)]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_is_kept_and_how_the_deployment_ended(
    case: tuple[
        tuple[Survivor, ...],
        Color | None,
        int | None,
        tuple[Color | None, Color, Step] | None,
        Color | None,
        set[Color],
        tuple[str, ...],
        Outcome | None,
        Step | None,
    ],
) -> None:
    """Before step 10 back, if there is somebody to go back to; after it forward; what is healthy is adopted.

    One that goes on has no outcome yet.
    """
    survivors, recorded, since, unfinished, active, kept, stopped, outcome, goes_on_after = case
    resumption = found(survivors, recorded, unfinished_at(*unfinished) if unfinished else None, since)
    state = resumption.state

    assert state.active is active
    assert {color for color, slot in state.slots.items() if slot.phase is Phase.READY} == kept
    assert resumption.stop == stopped
    assert resumption.outcome is outcome
    assert (state.resumed.step if state.resumed else None) is goes_on_after
    assert state.boot == (
        None if goes_on_after or (active and active is recorded) else replace(BOOT, color=recorded or BLUE)
    )
    assert state.stands_in == (active is not None and active is not recorded)
    assert state.deployment is None


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


@pytest.mark.parametrize("works", [True, False])
def test_who_stands_in_for_what_cannot_be_booted_is_on_record_as_active(works: bool) -> None:
    """Else the next supervisor would go back to it, or take an unproven release in its colour for what served."""
    world = World(replace(found((G,), BLUE).state, boot=Boot(BLUE, release=3)))
    world.tell(ev.Started())
    world.play(to=Step.AWAIT_READY)
    if not works:
        world.crash(BLUE)
    world.play()
    routes = [record for record in world.records if isinstance(record, RouteChanged)]

    assert routes == [RouteChanged(BLUE, 3, 4, 1) if works else RouteChanged(GREEN, 4, 3)]
    assert (world.state.active, world.state.previous_release) == ((BLUE, 4) if works else (GREEN, 3))
    assert not world.state.stands_in


def test_a_shutdown_leaves_on_record_what_was_to_be_booted() -> None:
    """The next supervisor boots it."""
    world = World(found((G,), BLUE).state)
    world.tell(ev.Started())
    world.tell(ev.ShutdownRequested("x"))
    world.play()
    assert world.exited
    assert not any(isinstance(record, RouteChanged) for record in world.records)


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


def test_what_is_configured_otherwise_counts_for_who_serves() -> None:
    """Of the standby it is no matter: it is to be gone back to as it was."""
    blue, green = replace(B, superseded="blue's hosts"), replace(G, superseded="green's hosts")
    assert found((blue, G), BLUE).state.superseded == "blue's hosts"
    assert found((blue, G), GREEN).state.superseded == ""
    assert found((B, green), GREEN, unfinished_at(BLUE, GREEN, BAKE), OURS).state.superseded == "green's hosts"
    assert found((green,), BLUE, unfinished_at(BLUE, GREEN, VERIFY), OLDER).state.superseded == "green's hosts"
    assert found((), BLUE).state.superseded == ""


def test_a_deployment_that_is_gone_on_with_has_its_hosts_of_then() -> None:
    """They come in once it is over."""
    world = World(found((B, replace(G, superseded="hosts")), GREEN, unfinished_at(BLUE, GREEN, BAKE), OURS).state)
    world.tell(ev.Started())
    world.play()
    began = [r for r in world.records if isinstance(r, DeploymentBegan)]
    assert [(r.kind, r.because) for r in began] == [(DeploymentKind.DEPLOY, ""), (DeploymentKind.REPLACE, "hosts")]
    assert (world.state.deployment, world.state.superseded) == (None, "")
