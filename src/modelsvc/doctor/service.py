"""The service manager's view: installed, as this version would install it, and running."""

from collections.abc import Iterator

from modelsvc.doctor.findings import Finding, found
from modelsvc.doctor.situation import Situation
from modelsvc.service import ServiceState, look


def check(situation: Situation) -> Iterator[Finding]:
    """Of the service with the usual name. Under a broken configuration nobody can tell what should be installed."""
    if not situation.problems and not situation.missing:
        yield from judge(look(situation.config_path))


def judge(state: ServiceState) -> Iterator[Finding]:
    """Everything that is wrong about it, or that nothing is."""
    if state.manager == "none":
        seen = state.problem or "there is no service manager here; `modelsvc up` runs the service without one"
        yield found("service_absent", seen)
    elif not state.files and not state.problem:
        seen = f"it is not installed in {state.manager}; `modelsvc service install` does it"
        yield found("service_absent", seen)
    else:
        troubles = list(_troubles(state))
        yield from troubles
        if not troubles:
            files = ", ".join(map(str, state.files))
            yield found("service_ok", f"{state.manager} has it installed, up to date and running: {files}")


def _troubles(state: ServiceState) -> Iterator[Finding]:
    files = ", ".join(map(str, state.files))
    if state.stale or (state.files and not state.installed):
        seen = f"{files}: not what this version would write"
        yield found("service_stale", seen, "`modelsvc service install` writes them anew")
    if state.installed and not state.running:
        yield found("service_stopped", f"{state.manager} does not run it", "`modelsvc service start`")
    if state.installed and not state.enabled:
        seen = f"{state.manager} does not start it by itself"
        yield found("service_not_enabled", seen, "`modelsvc service install` again")
    if state.installed and state.linger is False:
        yield found("service_no_linger", "it ends when you log out", "`loginctl enable-linger`")
    if not state.installed and state.problem:
        yield found("service_problem", f"{state.manager}: {state.problem}", "as it says; then look again")
