"""What a supervisor makes of what an earlier one left."""

import pytest
from tests.core.world import BLUE, GREEN

from supervisor.core.lifecycle import Phase
from supervisor.core.reconcile import Found, Resumption, Survivor, Unfinished, reconcile
from supervisor.core.state import Boot, Color, DeploymentKind, EdgePhase, Outcome, Policy

BOOT = Boot(BLUE)
SUCCEEDED, ROLLED_BACK, FAILED = Outcome.SUCCEEDED, Outcome.ROLLED_BACK, Outcome.FAILED


def lives(color: Color, ready: bool = True) -> Survivor:
    return Survivor(color, f"{color}-1", 10, 1.5, 3 if color is BLUE else 4, ready)


def found(
    survivors: tuple[Survivor, ...],
    active: Color | None,
    unfinished: tuple[Color | None, Color, bool] | None = None,
    edge_lives: bool = True,
) -> Resumption:
    left = Unfinished(9, *unfinished) if unfinished else None
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
    left = Unfinished(9, BLUE, GREEN, verified=False, kind=kind)
    resumption = reconcile(Found(BOOT, active=BLUE, edge_lives=True, survivors=(B, G), unfinished=left))

    assert resumption.outcome is ROLLED_BACK
    assert resumption.state.active is BLUE
    assert resumption.state.slots[GREEN].serves and resumption.stop == ()


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
