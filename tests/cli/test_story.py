"""`ctl explain`: the story of a deployment, told from what was written down, and only from that."""

from typing import Any

import pytest
from tests.cli.conftest import Run
from tests.cli.scripted import Script

from modelsvc.cli.ctl.story import story_lines
from supervisor.core.steps import Step
from supervisor.protocol import (
    Color,
    DeploymentKind,
    DeploymentStatus,
    ExitCode,
    Explanation,
    Outcome,
    ReleaseStatus,
    StepReport,
    StepState,
)

MB = 10**6
ACCOUNT = {
    "rows": [{"what": "supervisor", "bytes": 60 * MB}, {"what": "standby: KV cache", "bytes": 400 * MB}],
    "sum_bytes": 460 * MB,
    "limit": "memory.budget_gb",
    "limit_bytes": 8000 * MB,
    "short_bytes": 0,
}
SHORT = {**ACCOUNT, "limit_bytes": 450 * MB, "short_bytes": 10 * MB}
ADMISSION: dict[str, Any] = {
    "asked": {"model": "/m/new.gguf", "settings": {"model.slots": 2}, "in_place": True},
    "release": 7,
    "model": {"path": "/m/new.gguf", "sha256": "ab" * 32, "size_bytes": 1055 * MB},
    "forecast": {"private_bytes": 500 * MB},
    "account": ACCOUNT,
}
SHARING: dict[str, Any] = {
    "mapped_bytes": 1054 * MB,
    "copied_bytes": 0,
    "device_bytes": 0,
    "private_bytes": 475 * MB,
    "pss_bytes": 1000 * MB,
    "shared_with": ["blue"],
}
COUNTED: dict[str, Any] = {
    "requests": {"during": 40, "failed": 0, "reason": ""},
    "edge": {"during": None, "failed": None},
}


def release(number: int, sha: str, version: str = "0.1.0", **settings: Any) -> ReleaseStatus:
    return ReleaseStatus(
        number=number,
        model_path="/m/new.gguf",
        model_sha256=sha * 32,
        model_size_bytes=1055 * MB,
        settings=settings,
        package_version=version,
    )


def step(which: Step, state: StepState = StepState.DONE, detail: str = "", **evidence: Any) -> StepReport:
    return StepReport(
        number=which, name=which.key, title=which.title, state=state, seconds=0.5, detail=detail, evidence=evidence
    )


def deployment(outcome: Outcome | None, *steps: StepReport, reason: str = "") -> DeploymentStatus:
    return DeploymentStatus(
        deployment=4,
        kind=DeploymentKind.DEPLOY,
        release=7,
        from_color=Color.BLUE,
        to_color=Color.GREEN,
        started_at="2031-05-04T10:00:00Z",
        outcome=outcome,
        reason=reason,
        seconds=4.0,
        steps=list(steps),
    )


DONE = Explanation(
    deployment=deployment(
        Outcome.SUCCEEDED,
        step(Step.ADMIT, detail="release 7", **ADMISSION),
        step(Step.WARM_UP, sharing=SHARING, gate={"detail": "3 of 3 prompts answered as expected"}),
        step(Step.DRAIN, seconds=1.25, left=""),
        step(Step.RECORD, **COUNTED),
    ),
    release=release(7, "ab", slots=2, kv_cache="f16"),
    previous=release(6, "cd", "0.0.9", slots=4, kv_cache="f16"),
)


def test_a_success_from_what_was_asked_to_what_came_of_it() -> None:
    """Each subject once, with its numbers."""
    told = " ".join(" ".join(story_lines(DONE)).split())

    for fact in (
        "deployment 4: deploy blue -> green, succeeded after 4.0 s; begun 2031-05-04T10:00:00Z",
        "asked model /m/new.gguf, model.slots = 2, in place",
        "release 7, made by modelsvc 0.1.0",
        f"sha256 {'ab' * 32}",
        "slots: 4 -> 2",
        "model: cdcdcdcdcdcd -> abababababab",
        "modelsvc: 0.0.9 -> 0.1.0",
        "forecast 500 MB of its own",
        "measured 475 MB after the warm-up, -5.0 % against the forecast",
        "1,054 MB mapped, 0 MB copied; shared with blue; PSS 1,000 MB",
        "gate 3 of 3 prompts answered as expected",
        "40 during the deployment, 0 failed, by the workers' counters",
        "drain 1.2 s, nothing was left",
        " 6/13 done standby warmed up",
    ):
        assert fact in told
    assert "kv_cache" not in told
    assert "next:" not in told


def test_a_refusal_has_its_table_once_and_what_to_do() -> None:
    """The reason has the table too; it is told where memory is."""
    reason = "it would all need 460 MB\n  supervisor  60 MB"
    refused = deployment(
        Outcome.REFUSED, step(Step.ADMIT, StepState.FAILED, reason, **{**ADMISSION, "account": SHORT}), reason=reason
    )
    lines = story_lines(Explanation(deployment=refused, release=None, previous=None))
    told = "\n".join(lines)

    assert "release  none was made" in told
    assert len([line for line in lines if "supervisor" in line]) == 1
    assert any(line.split()[-4:] == ["short", "of", "10", "MB"] for line in lines)
    assert "why: it failed at step 3 (model, disk and memory admitted): it would all need 460 MB" in lines
    assert lines[-1].startswith("next: change what was asked") and "--plan" in lines[-1]


def test_a_rollback_tells_what_was_undone_and_where_to_look() -> None:
    """In the log of the colour that failed."""
    spoilt = deployment(
        Outcome.ROLLED_BACK,
        step(Step.START_STANDBY, StepState.UNDONE),
        step(Step.WARM_UP, StepState.FAILED, "it said 41"),
        reason="it said 41",
    )
    lines = story_lines(Explanation(deployment=spoilt, release=None, previous=None))

    assert "why: it failed at step 6 (standby warmed up): it said 41" in lines
    assert "undone: standby started" in lines
    assert "`modelsvc ctl logs green`" in lines[-1]


@pytest.mark.parametrize("outcome", [None, *Outcome])
def test_what_is_not_known_is_left_out(outcome: Outcome | None) -> None:
    """A deployment of an earlier version has no evidence, one under way not yet."""
    lines = story_lines(Explanation(deployment=deployment(outcome), release=None, previous=None))

    assert not any(line.startswith(("asked", "memory", "weights", "requests", "drain")) for line in lines)
    assert any(line.startswith("next:") for line in lines) is (outcome not in (None, Outcome.SUCCEEDED))


def test_what_could_not_be_counted_says_why() -> None:
    """Never zero."""
    unknown = {"during": None, "failed": None, "reason": "no worker told its counters"}
    told = deployment(Outcome.SUCCEEDED, step(Step.RECORD, requests=unknown, edge={"requests": 9, "failed": 1}))
    lines = story_lines(Explanation(deployment=told, release=None, previous=None))

    assert "requests  not counted: no worker told its counters" in lines
    assert any("9 at the edge, 1 failed" in line for line in lines)


@pytest.mark.parametrize(
    ("gate", "told"),
    [("passed", "passed"), ({"passed": 3}, "passed: 3"), (["a", 2], "a"), (7, "7")],
)
def test_whatever_the_gate_wrote_is_shown(gate: object, told: str) -> None:
    """It has a form of its own."""
    lines = story_lines(
        Explanation(
            deployment=deployment(Outcome.SUCCEEDED, step(Step.WARM_UP, gate=gate)), release=None, previous=None
        )
    )
    assert f"gate  {told}" in lines


def test_each_check_of_the_gate_is_a_line() -> None:
    """With its prompt, whether it passed, and what was expected and got."""
    gate = [
        {"prompt": "Hello", "passed": True, "expected": "hi", "got": "hi there"},
        {"prompt": "2+2?", "passed": False, "expected": "4", "got": "5", "skipped": ""},
    ]
    lines = story_lines(
        Explanation(
            deployment=deployment(Outcome.SUCCEEDED, step(Step.WARM_UP, gate=gate)), release=None, previous=None
        )
    )

    assert "gate  'Hello': passed, expected hi, got hi there" in lines
    assert "      '2+2?': failed, expected 4, got 5" in lines


def test_the_bake_tells_what_it_compared() -> None:
    """Errors always; latency where both sides had any."""
    bake = {
        "looks": "ready in 4 of 4 looks",
        "requests": 20,
        "failed": 1,
        "latency_before": {"first_token_s": 0.1, "inter_token_s": None},
        "latency_after": {"first_token_s": 0.2, "inter_token_s": 0.01},
    }
    told = Explanation(
        deployment=deployment(Outcome.SUCCEEDED, step(Step.BAKE, bake=bake)), release=None, previous=None
    )
    lines = story_lines(told)

    assert "bake  1 of 20 requests failed, ready in 4 of 4 looks" in lines
    assert "      to first token: 0.100 s before, 0.200 s after" in lines
    assert not any("between tokens" in line for line in lines)


def test_a_warm_release_is_told_with_what_was_found_before() -> None:
    """Its own deployment skipped the steps that look."""
    told = Explanation(
        deployment=deployment(Outcome.SUCCEEDED, step(Step.RECORD)),
        release=None,
        previous=None,
        earlier={"warm_up": {"sharing": SHARING}},
    )

    assert any(line.startswith("weights") for line in story_lines(told))


def test_the_command_asks_for_the_explanation(daemon: Script, run: Run) -> None:
    """As text, or as it came."""
    daemon.reply("GET /v1/deployments/4/explanation", DONE)

    assert run("ctl", "explain", "4").stdout.splitlines() == story_lines(DONE)
    assert '"previous":{"number":6' in run("ctl", "explain", "4", "--json").stdout
    assert run("ctl", "explain", "zero").exit_code == ExitCode.MISUSE
