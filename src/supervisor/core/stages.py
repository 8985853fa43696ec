"""The steps of a deployment, one after the other: which are skipped, and what each one orders.

Every step is written down before it begins. Nothing here stops the old colour before the new one has been verified at
the edge and baked, unless the deployment is in place.
"""

from dataclasses import replace

from supervisor.core import effects as fx
from supervisor.core import ending, room
from supervisor.core.decision import Decision, then, written
from supervisor.core.records import StepChanged
from supervisor.core.state import Deployment, DeploymentKind, Outcome, State
from supervisor.core.steps import Step, StepState

WHEN_WARM = frozenset({Step.CHECK_ACTIVE, Step.ADMIT, Step.START_STANDBY, Step.WARM_UP})
BEYOND_PREWARM = frozenset(Step(number) for number in range(Step.WRITE_CONFIG, Step.RECORD))


def enter(state: State, step: Step) -> Decision:
    """Begin `step`, or the first one after it that is not skipped."""
    deployment = replace(state.current, step=step, token=state.last_token + 1)
    state = replace(state, deployment=deployment, last_token=deployment.token)
    why = _skip_reason(state, deployment)
    if why:
        skipped = written(StepChanged(deployment.id, step, StepState.SKIPPED, why))
        return then((state, skipped), _next)
    running = written(StepChanged(deployment.id, step, StepState.RUNNING))
    return then((state, running), _perform)


def over(state: State, detail: str = "", evidence: fx.Evidence | None = None) -> Decision:
    """The current step is done: write it down and enter the next one."""
    deployment = state.current
    done = StepChanged(deployment.id, deployment.step, StepState.DONE, detail, deployment.release, evidence or {})
    return then((state, written(done)), _next)


def confirm_ready(state: State) -> Decision:
    """Ask the standby itself, whatever it announced."""
    deployment = state.current
    return state, (fx.CheckWorker(deployment.token, deployment.to_color),)


def bake_over(state: State, detail: str, evidence: fx.Evidence) -> Decision:
    """The new colour proved itself; the old worker may have to be stopped before the next step."""
    if not room.old_is_dispensable(state):
        return over(state, detail, evidence)
    return _retire(state)


def _next(state: State) -> Decision:
    deployment = state.current
    if deployment.step is Step.RECORD:
        return ending.finish(state, Outcome.SUCCEEDED)
    return enter(state, Step(deployment.step + 1))


def _skip_reason(state: State, deployment: Deployment) -> str:
    match deployment.step:
        case Step.CHECK_ACTIVE if not (state.active_slot and state.active_slot.serves):
            return _why_nobody_serves(state)
        case step if step in WHEN_WARM and deployment.warm:
            return "the standby is warm"
        case step if step in BEYOND_PREWARM and deployment.kind is DeploymentKind.PREWARM:
            return "the standby stays warm, to be deployed"
        case Step.DRAIN if not room.old_serves(state):
            return "there is no old worker"
        case Step.BAKE if not (room.old_serves(state) or room.old_is_dispensable(state) or deployment.in_place):
            return "there is no old worker to go back to"
    return ""


def _why_nobody_serves(state: State) -> str:
    said = state.active_slot.progress if state.active_slot else None
    return f"no worker is serving: {said}" if said else "no worker is serving"


def _perform(state: State) -> Decision:
    """Order what the entered step needs."""
    deployment, slot = state.current, state.slots[state.current.to_color]
    token, color = deployment.token, deployment.to_color
    match deployment.step:
        case Step.CHECK_ACTIVE:
            return state, (fx.CheckWorker(token, deployment.from_color or color),)
        case Step.CHECK_EDGE:
            return state, (fx.CheckEdge(token, state.routed),)
        case Step.ADMIT:
            return state, (_admission(state, deployment),)
        case Step.START_STANDBY:
            return room.make(state)
        case Step.AWAIT_READY:
            return confirm_ready(state) if slot.serves else (state, ())
        case Step.WARM_UP:
            return state, (fx.WarmUp(token, color, deployment.from_color),)
        case Step.WRITE_CONFIG:
            return state, (fx.WriteConfig(token),)
        case Step.TEST_CONFIG:
            return state, (fx.TestConfig(token),)
        case Step.SWITCH_ROUTE if not slot.serves:
            return ending.fail(state, f"the {color} worker is being ended: {slot.condemned}", transient=True)
        case Step.SWITCH_ROUTE:
            return replace(state, routed=color), (fx.SwitchRoute(token, color),)
        case Step.VERIFY_ROUTE:
            return state, (fx.VerifyRoute(token, color, deployment.release),)
        case Step.DRAIN:
            return state, (fx.Drain(token, color.other, state.policy.drain_timeout_s),)
        case Step.BAKE if not (room.old_serves(state) or deployment.in_place):
            return _retire(state)
        case Step.BAKE:
            return state, (fx.Bake(token, color, state.policy.bake_s),)
        case Step.RECORD:
            return state, (fx.Tally(token, deployment.id),)


def _admission(state: State, deployment: Deployment) -> fx.Admit:
    return fx.Admit(
        deployment.token,
        deployment.to_color,
        deployment.change,
        state.active_release,
        state.last_release + 1,
        deployment.release,
        deployment.in_place,
        deployment.renews,
    )


def _retire(state: State) -> Decision:
    decision = room.retire_old(state)
    return then(decision, over) if room.old_is_gone(decision[0]) else decision
