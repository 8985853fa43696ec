"""One deployment from its first step to its last.

Every step is written down before it begins. Nothing here stops the old colour before the new one has been verified at
the edge and baked; what happens when a step fails is in `ending`.
"""

from dataclasses import replace

from supervisor.core import effects as fx
from supervisor.core import ending, slots
from supervisor.core.decision import Decision, then, written
from supervisor.core.lifecycle import Phase
from supervisor.core.records import DeploymentBegan, RouteChanged, StepChanged, StepShown
from supervisor.core.state import Change, Color, Deployment, DeploymentKind, Outcome, State, Undo
from supervisor.core.steps import Step, StepState

WHEN_WARM = frozenset({Step.CHECK_ACTIVE, Step.ADMIT, Step.START_STANDBY, Step.WARM_UP})
ABANDONED = "the supervisor was shut down"


def begin(
    state: State,
    request: str,
    kind: DeploymentKind,
    to_color: Color,
    *,
    change: Change | None = None,
    release: int | None = None,
    warm: bool = False,
) -> Decision:
    """Accept a deployment and begin its first step. `warm`: the release runs already in `to_color`."""
    number = state.last_deployment + 1
    deployment = Deployment(
        number, kind, request, state.active, to_color, state.previous_release, change or Change(), release, warm
    )
    state = replace(state, last_deployment=number, deployment=deployment)
    began = written(DeploymentBegan(request, number, kind, state.active, to_color))
    return then((state, began), lambda s: _enter(s, Step.CHECK_ACTIVE))


def step_done(state: State, detail: str = "", release: int | None = None) -> Decision:
    """The current step's effect is done. After the bake the old worker may have to be stopped before the next step."""
    deployment = state.current
    match deployment.step:
        case Step.ADMIT:
            return succeeded(_admitted(state, release), detail)
        case Step.VERIFY_ROUTE:
            return then(_verified(state), lambda s: succeeded(s, detail))
        case Step.BAKE if _old_is_dispensable(state):
            return _retire(state)
        case _:
            return succeeded(state, detail)


def succeeded(state: State, detail: str = "") -> Decision:
    """The current step is over: write it down and enter the next one."""
    deployment = state.current
    done = StepChanged(deployment.id, deployment.step, StepState.DONE, detail, deployment.release)
    return then((state, written(done)), _next)


def failed(state: State, reason: str) -> Decision:
    """The current step cannot be done: write it down and take back what was begun."""
    deployment = state.current
    if deployment.step is Step.CHECK_ACTIVE:
        reason = f"{reason}; {_way_out(deployment)}"
    record = StepChanged(deployment.id, deployment.step, StepState.FAILED, reason)
    undoing = replace(
        deployment,
        undo=ending.to_undo(state, deployment),
        undoing=True,
        refused=deployment.step <= Step.ADMIT,
        reason=reason,
    )
    state = replace(state, deployment=undoing)
    decision = then((state, (fx.CancelStep(), *written(record))), ending.route_back)
    return then(decision, ending.take_back)


def _way_out(deployment: Deployment) -> str:
    color = deployment.from_color
    return f"go back with `modelsvc ctl rollback`, or end it with `modelsvc ctl stop {color} --force` and deploy again"


def shown(state: State, text: str) -> Decision:
    """The current step has something to show."""
    deployment = state.current
    return state, written(StepShown(deployment.id, deployment.step, text))


def standby_progressed(state: State, color: Color, text: str) -> Decision:
    """The standby tells how far its loading is."""
    return shown(state, text) if _waits_at(state, Step.AWAIT_READY, color) else (state, ())


def abandon(state: State) -> Decision:
    """Drop the deployment where it stands, because everything is about to end."""
    if state.deployment is None:
        return state, ()
    record = StepChanged(state.deployment.id, state.deployment.step, StepState.FAILED, ABANDONED)
    state = replace(state, deployment=replace(state.deployment, reason=ABANDONED))
    return then((state, (fx.CancelStep(), *written(record))), lambda s: ending.finish(s, Outcome.FAILED))


def spawned(state: State, color: Color) -> Decision:
    """A process exists in `color`: that is step 4, if a deployment waits for it."""
    if not _waits_at(state, Step.START_STANDBY, color):
        return state, ()
    pid = state.slots[color].pid
    return succeeded(state, f"pid {pid}")


def became_ready(state: State, color: Color) -> Decision:
    """The standby announced readiness: confirm it by asking."""
    return _confirm_ready(state) if _waits_at(state, Step.AWAIT_READY, color) else (state, ())


def standby_ended(state: State, color: Color, reason: str) -> Decision:
    """No process is left in the deployment's new colour: wanted in step 4 and while undoing, a failure otherwise."""
    deployment = state.deployment
    if deployment is None or color is not deployment.to_color or deployment.retiring:
        return state, ()
    if deployment.undoing:
        return ending.undone(state) if deployment.undo[:1] == (Undo.STOP_STANDBY,) else (state, ())
    if deployment.step is Step.START_STANDBY and not reason:
        return _spawn_standby(state)
    return failed(state, reason) if deployment.step >= Step.START_STANDBY or deployment.warm else (state, ())


def old_ended(state: State, color: Color) -> Decision:
    """The old colour's worker is gone: the end of step 12, when it was to be stopped there."""
    deployment = state.deployment
    if deployment is None or not deployment.retiring or color is deployment.to_color:
        return state, ()
    return succeeded(state, f"{color} stopped")


def _waits_at(state: State, step: Step, color: Color) -> bool:
    deployment = state.deployment
    return (
        deployment is not None and not deployment.undoing and deployment.step is step and deployment.to_color is color
    )


# --- going forward ----------------------------------------------------------------------------------------------------


def _enter(state: State, step: Step) -> Decision:
    deployment = replace(state.current, step=step, token=state.last_token + 1)
    state = replace(state, deployment=deployment, last_token=deployment.token)
    why = _skip_reason(state, deployment)
    if why:
        skipped = written(StepChanged(deployment.id, step, StepState.SKIPPED, why))
        return then((state, skipped), _next)
    running = written(StepChanged(deployment.id, step, StepState.RUNNING))
    return then((state, running), _perform)


def _next(state: State) -> Decision:
    deployment = state.current
    if deployment.step is Step.RECORD:
        return ending.finish(state, Outcome.SUCCEEDED)
    return _enter(state, Step(deployment.step + 1))


def _skip_reason(state: State, deployment: Deployment) -> str:
    match deployment.step:
        case Step.CHECK_ACTIVE if not (state.active_slot and state.active_slot.serves):
            return "no worker is serving"
        case step if step in WHEN_WARM and deployment.warm:
            return "the standby is warm"
        case Step.DRAIN if not _old_serves(state, deployment):
            return "there is no old worker"
        case Step.BAKE if not _old_serves(state, deployment) and not _old_is_dispensable(state):
            return "there is no old worker to go back to"
    return ""


def _perform(state: State) -> Decision:
    """Order what the entered step needs."""
    deployment, slot = state.current, state.slots[state.current.to_color]
    token, color = deployment.token, deployment.to_color
    match deployment.step:
        case Step.CHECK_ACTIVE:
            return state, (fx.CheckWorker(token, deployment.from_color or color),)
        case Step.CHECK_EDGE:
            return state, (fx.CheckEdge(token, deployment.from_color),)
        case Step.ADMIT:
            return state, (_admission(state, deployment),)
        case Step.START_STANDBY:
            return _make_room(state)
        case Step.AWAIT_READY:
            return _confirm_ready(state) if slot.serves else (state, ())
        case Step.WARM_UP:
            return state, (fx.WarmUp(token, color, deployment.from_color),)
        case Step.WRITE_ROUTE:
            return state, (fx.WriteRoute(token, color),)
        case Step.TEST_CONFIG:
            return state, (fx.TestConfig(token),)
        case Step.RELOAD_EDGE:
            return state, (fx.ReloadEdge(token),)
        case Step.VERIFY_ROUTE:
            return state, (fx.VerifyRoute(token, color, deployment.release),)
        case Step.DRAIN:
            return state, (fx.Drain(token, color.other, state.policy.drain_timeout_s),)
        case Step.BAKE if not _old_serves(state, deployment):
            return _retire(state)
        case Step.BAKE:
            return state, (fx.Bake(token, color, state.policy.bake_s),)
        case Step.RECORD:
            return succeeded(state)


def _admission(state: State, deployment: Deployment) -> fx.Admit:
    return fx.Admit(
        deployment.token,
        deployment.to_color,
        deployment.change,
        state.active_release,
        state.last_release + 1,
        deployment.release,
    )


def _make_room(state: State) -> Decision:
    """Stop what runs in the standby's slot; the new worker is spawned when that is gone."""
    color = state.current.to_color
    decision = slots.stop(state, color, timeout_s=_patience_s(state))
    return then(decision, _spawn_standby) if decision[0].slots[color].phase is Phase.ABSENT else decision


def _retire(state: State) -> Decision:
    """Stop the old worker; the bake is over when it is gone, and from here there is no way back.

    Streams that outlasted the drain get as long again before they are cut.
    """
    old, token = state.current.to_color.other, state.last_token + 1
    state = replace(state, last_token=token, deployment=replace(state.current, retiring=True, token=token))
    decision = slots.stop(state, old, timeout_s=_patience_s(state))
    return then(decision, lambda s: old_ended(s, old)) if decision[0].slots[old].phase is Phase.ABSENT else decision


def _patience_s(state: State) -> float:
    """For a worker that may still have streams from when it was active."""
    return max(state.policy.drain_timeout_s, state.policy.stop_timeout_s)


def _spawn_standby(state: State) -> Decision:
    deployment = state.current
    if deployment.release is None:
        raise ValueError(f"deployment {deployment.id} reached step 4 without a release")
    return slots.start(state, deployment.to_color, deployment.release)


def _confirm_ready(state: State) -> Decision:
    deployment = state.current
    return state, (fx.CheckWorker(deployment.token, deployment.to_color),)


def _verified(state: State) -> Decision:
    """The new colour answers at the edge: from here on it is the active one."""
    deployment = state.current
    left = state.active_release or state.served_release
    previous = left if left and left != deployment.release else state.previous_release
    state = replace(state, active=deployment.to_color, previous_release=previous)
    return state, written(RouteChanged(deployment.to_color, state.active_release, previous))


def _admitted(state: State, release: int | None) -> State:
    """Step 3 made a release, or found the recorded one fit."""
    deployment = state.current
    release = deployment.release if release is None else release
    last = max(state.last_release, release or 0)
    return replace(state, last_release=last, deployment=replace(deployment, release=release))


def _old_is_dispensable(state: State) -> bool:
    """The old worker still runs, and is not kept warm as the rollback target."""
    old = state.slots[state.current.to_color.other]
    return not state.policy.keep_previous and old.phase is not Phase.ABSENT


def _old_serves(state: State, deployment: Deployment) -> bool:
    return deployment.from_color is not None and state.slots[deployment.from_color].serves
