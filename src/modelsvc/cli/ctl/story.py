"""A deployment as a story for people: what was asked, what was found, what came of it. Pure: values in, text out.

Evidence is what steps of this and of earlier versions wrote down, so each figure may be absent: what is not known is
left out, never guessed.
"""

from collections.abc import Mapping
from typing import Any

from modelsvc.cli.ctl.describe import route, step_line
from modelsvc.cli.ctl.ledger import SHA_SHOWN, table
from modelsvc.cli.text import columns, duration, headline, mb
from supervisor.protocol import DeploymentStatus, Explanation, Outcome, StepReport, StepState

Evidence = Mapping[str, Any]

# What to do about a failure, by the step that failed.
NEXT = {
    "check_active": "make the active worker answer again, or go back with `modelsvc ctl rollback`",
    "check_edge": "see `modelsvc ctl logs edge`",
    "admit": "change what was asked as the reason says, and look at it first with `modelsvc ctl deploy --plan`",
    "start_standby": "see `modelsvc ctl logs {to}`",
    "await_ready": "see `modelsvc ctl logs {to}`; a big model may need a longer deploy.ready_timeout_s",
    "warm_up": "see `modelsvc ctl logs {to}` and the figures above; the release is not fit to serve as it is",
    "bake": "see `modelsvc ctl logs {to}`: the release failed under real requests",
}


def story_lines(told: Explanation) -> list[str]:
    """All of it, a paragraph a subject; subjects of which nothing is known are left out."""
    deployment = told.deployment
    evidence = {**told.earlier, **{step.name: step.evidence for step in deployment.steps if step.evidence}}
    subjects: list[tuple[str, list[str]]] = [
        ("asked", [f"by watch: {deployment.because}"] if deployment.because else _asked(evidence.get("admit", {}))),
        ("release", _release(told, evidence.get("admit", {}))),
        ("changed", _changed(told)),
        ("memory", _memory(evidence)),
        ("weights", _sharing(evidence.get("warm_up", {}).get("sharing", {}))),
        ("gate", _gate(evidence.get("warm_up", {}).get("gate"))),
        ("requests", requests(deployment)),
        ("drain", _drain(evidence.get("drain", {}))),
        ("bake", _bake(evidence.get("bake", {}).get("bake") or {})),
    ]
    facts = [[name if not i else "", line] for name, lines in subjects for i, line in enumerate(lines)]
    return [
        _headline(deployment),
        *columns(facts),
        "steps:",
        *(f"  {step_line(step)}" for step in deployment.steps),
        *_failure(deployment, told.retry_at),
    ]


def requests(deployment: DeploymentStatus) -> list[str]:
    """How many there were and how many failed, by the workers and by the edge."""
    step = next((step for step in deployment.steps if step.name == "record" and step.evidence), None)
    if step is None:
        return []
    found, edge = step.evidence.get("requests") or {}, step.evidence.get("edge") or {}
    lines = []
    if found.get("during") is not None:
        note = f" ({found['reason']})" if found.get("reason") else ""
        lines.append(
            f"{found['during']} during the deployment, {found.get('failed')} failed, by the workers' counters{note}"
        )
    elif found:
        lines.append(f"not counted: {found.get('reason')}")
    if edge.get("failed") is not None:
        lines.append(f"{edge.get('requests', edge.get('during'))} at the edge, {edge['failed']} failed")
    return lines


def _headline(deployment: DeploymentStatus) -> str:
    outcome = str(deployment.outcome or "running").replace("_", " ")
    took = "" if deployment.seconds is None else f" after {duration(deployment.seconds)}"
    where = route(deployment.from_color, deployment.to_color)
    return (
        f"deployment {deployment.deployment}: {deployment.kind} {where}, {outcome}{took}; begun {deployment.started_at}"
    )


def _asked(admission: Evidence) -> list[str]:
    asked = admission.get("asked")
    if asked is None:
        return []
    wishes = [f"model {asked['model']}"] if asked.get("model") else []
    wishes += [f"{key} = {value}" for key, value in sorted(asked.get("settings", {}).items())]
    wishes += ["in place"] if asked.get("in_place") else []
    return [", ".join(wishes) or "the configuration as it is, or the release again"]


def _release(told: Explanation, admission: Evidence) -> list[str]:
    """As it was recorded; of a refused one only what step 3 saw."""
    if told.release:
        release = told.release
        lines = [f"{release.number}, made by modelsvc {release.package_version}"]
        path, sha, size = release.model_path, release.model_sha256, release.model_size_bytes
    elif model := admission.get("model"):
        lines, path, sha, size = ["none was made"], model["path"], model["sha256"], model["size_bytes"]
    else:
        return []
    return [*lines, f"model {path}, {mb(size)}", f"sha256 {sha}"]


def _changed(told: Explanation) -> list[str]:
    """Against the release that served before."""
    now, before = told.release, told.previous
    if now is None or before is None:
        return []
    lines = [
        f"{key}: {before.settings.get(key, 'unset')} -> {value}"
        for key, value in sorted(now.settings.items())
        if before.settings.get(key, "unset") != value
    ]
    if now.model_sha256 != before.model_sha256:
        lines.append(f"model: {before.model_sha256[:SHA_SHOWN]} -> {now.model_sha256[:SHA_SHOWN]}")
    if now.package_version != before.package_version:
        lines.append(f"modelsvc: {before.package_version} -> {now.package_version}")
    return lines or [f"nothing against release {before.number}"]


def _memory(evidence: Mapping[str, Evidence]) -> list[str]:
    forecast = evidence.get("admit", {}).get("forecast", {}).get("private_bytes")
    measured = evidence.get("warm_up", {}).get("sharing", {}).get("private_bytes")
    lines = [f"forecast {mb(forecast)} of its own"] if forecast is not None else []
    if measured is not None:
        against = f", {100 * (measured - forecast) / forecast:+.1f} % against the forecast" if forecast else ""
        lines.append(f"measured {mb(measured)} after the warm-up{against}")
    account = evidence.get("admit", {}).get("account")
    return [*lines, *_account(account)] if account else lines


def _account(account: Evidence) -> list[str]:
    spare = account["limit_bytes"] - account["sum_bytes"]
    rows = [(row["what"], row["bytes"]) for row in account["rows"]]
    rows += [("sum", account["sum_bytes"]), (account["limit"], account["limit_bytes"])]
    rows += [("short of", -spare) if spare < 0 else ("left", spare)]
    return table([[what, mb(size)] for what, size in rows])


def _sharing(proof: Evidence) -> list[str]:
    if not proof:
        return []
    others = proof.get("shared_with") or []
    shared = f"shared with {' and '.join(others)}" if others else "no other worker maps the file"
    device = f", {mb(proof['device_bytes'])} on the GPU" if proof.get("device_bytes") else ""
    pss = "" if proof.get("pss_bytes") is None else f"; PSS {mb(proof['pss_bytes'])}"
    return [f"{mb(proof['mapped_bytes'])} mapped, {mb(proof['copied_bytes'])} copied{device}; {shared}{pss}"]


def _gate(gate: object) -> list[str]:
    """Whatever the gate wrote down: its words when it has some, else its figures."""
    if not gate:
        return []
    match gate:
        case str():
            return [gate]
        case {"detail": str(detail)}:
            return [detail]
        case dict():
            return [f"{key}: {value}" for key, value in gate.items()]
        case list():
            return [_check(entry) if isinstance(entry, dict) else str(entry) for entry in gate]
    return [str(gate)]


def _check(check: Evidence) -> str:
    """One prompt: passed or not, and the figures, in the order in which they were written down."""
    told = "passed" if check.get("passed") else "failed"
    facts = ", ".join(f"{key} {value}" for key, value in check.items() if key not in ("prompt", "passed") and value)
    return f"{check.get('prompt')!r}: {told}{', ' if facts else ''}{facts}"


def _bake(bake: Evidence) -> list[str]:
    if not bake:
        return []
    lines = [f"{bake.get('failed')} of {bake.get('requests')} requests failed, {bake.get('looks')}"]
    medians = [bake.get("latency_before") or {}, bake.get("latency_after") or {}]
    for key, name in (("first_token_s", "to first token"), ("inter_token_s", "between tokens")):
        before, after = (each.get(key) for each in medians)
        if before is not None and after is not None:
            lines.append(f"{name}: {before:.3f} s before, {after:.3f} s after")
    return lines


def _drain(drain: Evidence) -> list[str]:
    if "seconds" not in drain:
        return []
    left = f", then still {drain['left']}" if drain.get("left") else ", nothing was left"
    return [f"{duration(drain['seconds'])}{left}"]


def _failure(deployment: DeploymentStatus, retry_at: str | None) -> list[str]:
    """Where it failed, why, what was undone, and what to do next."""
    if deployment.outcome in (None, Outcome.SUCCEEDED):
        return []
    failed = next((step for step in deployment.steps if step.state is StepState.FAILED), None)
    undone = [step.title for step in deployment.steps if step.state is StepState.UNDONE]
    where = f" at step {failed.number} ({failed.title})" if failed else ""
    reason = deployment.reason or (failed.detail if failed else "the reason was not written down")
    return [
        f"why: it failed{where}: {headline(reason)}",
        *([f"undone: {'; '.join(undone)}"] if undone else []),
        *([f"again: the watch on files tries it at {retry_at}, if the reason is gone by then"] if retry_at else []),
        f"next: {_next(deployment, failed)}",
    ]


def _next(deployment: DeploymentStatus, failed: StepReport | None) -> str:
    advice = NEXT.get(failed.name, "see `modelsvc ctl logs edge` and `modelsvc ctl logs`") if failed else ""
    return (advice or "see `modelsvc ctl status`").format(to=deployment.to_color)
