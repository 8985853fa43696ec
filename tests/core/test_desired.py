"""What the watch on files makes of them. The tables here are those of docs/design.md."""

from dataclasses import replace
from typing import Any

import pytest

from supervisor.core.desired import (
    Desired,
    Ended,
    Handled,
    ReleaseSpec,
    Retry,
    Verdict,
    VerdictKind,
    decide,
    differences,
    settle,
)
from supervisor.core.state import BOOT_REQUEST, WATCH_REQUEST, DeploymentKind, Outcome

DEPLOY, ROLLBACK, SWAP = DeploymentKind.DEPLOY, DeploymentKind.ROLLBACK, DeploymentKind.SWAP
SERVES = ReleaseSpec({"slots": 4, "kv_cache": "f16"}, "/m/current.gguf", "aa" * 32, "1.0", ("localhost",))
EDITED = replace(SERVES, settings={"slots": 2, "kv_cache": "f16"})
REPLACED = replace(SERVES, sha256="bb" * 32)
UPGRADED = replace(SERVES, package_version="2.0")
BUSY = "deployment 7 (deploy to green) is at step 4"


def desired(wanted: ReleaseSpec, circumstances: str = "c", **section: Any) -> Desired:
    """Its section is the one that is wanted, unless it is said to be another."""
    return Desired({**wanted.settings, "path": wanted.model_path, **section}, wanted, circumstances)


def failed(wanted: ReleaseSpec, outcome: Outcome = Outcome.ROLLED_BACK) -> Handled:
    return Handled(desired(wanted), outcome, 5, "the gate was not passed")


SETTLED_ALREADY = desired(SERVES)
TABLE = [
    ("what is wanted serves", desired(SERVES), SERVES, Handled(desired(EDITED), Outcome.REFUSED, 5), "", "in_accord"),
    ("what is wanted serves, in the first look ever", desired(SERVES), SERVES, None, "", "in_accord"),
    ("an edit", desired(EDITED), SERVES, Handled(SETTLED_ALREADY), "", "asks"),
    ("another model file", desired(REPLACED), SERVES, Handled(SETTLED_ALREADY), "", "asks"),
    ("another version of the package", desired(UPGRADED), SERVES, Handled(SETTLED_ALREADY), "", "asks"),
    ("a difference in the first look ever", desired(REPLACED), SERVES, None, "", "asks"),
    ("nothing serves", desired(SERVES), None, None, "", "asks"),
    ("an edit while something is in the way", desired(EDITED), SERVES, Handled(SETTLED_ALREADY), BUSY, "waits"),
    (
        "an edit that was taken back before it was tried",
        desired(SERVES),
        SERVES,
        Handled(SETTLED_ALREADY),
        BUSY,
        "in_accord",
    ),
    ("its own deployment is under way", desired(EDITED), SERVES, Handled(desired(EDITED), None, 7), BUSY, "deploys"),
    ("another edit meanwhile", desired(REPLACED), SERVES, Handled(desired(EDITED), None, 7), BUSY, "waits"),
    ("the edit was rolled back", desired(EDITED), SERVES, failed(EDITED), "", "settled"),
    ("the edit was refused", desired(EDITED), SERVES, failed(EDITED, Outcome.REFUSED), "", "settled"),
    (
        "its first deployment failed, and nothing serves",
        desired(EDITED),
        None,
        failed(EDITED, Outcome.FAILED),
        "",
        "settled",
    ),
    ("a further edit after that", desired(replace(EDITED, settings={"slots": 1})), SERVES, failed(EDITED), "", "asks"),
    ("other limits or another gate after that", desired(EDITED, "d"), SERVES, failed(EDITED), "", "asks"),
    ("a further model file after that", desired(replace(SERVES, sha256="cc")), SERVES, failed(REPLACED), "", "asks"),
    (
        "an operator went back to the release before the model file was replaced",
        desired(REPLACED),
        SERVES,
        Handled(desired(REPLACED), Outcome.SUCCEEDED, 6),
        "",
        "settled",
    ),
    (
        "other limits after an operator went back",
        desired(REPLACED, "d"),
        SERVES,
        Handled(desired(REPLACED), Outcome.SUCCEEDED, 6),
        "",
        "settled",
    ),
    (
        "an operator deployed another setting than the file has: the rule of deployments wants what serves",
        desired(EDITED, slots=4),
        EDITED,
        Handled(desired(EDITED, slots=4), Outcome.SUCCEEDED, 6),
        "",
        "settled",
    ),
    (
        "the same in the first look ever",
        desired(EDITED, slots=4),
        EDITED,
        None,
        "",
        "settled",
    ),
    (
        "the package was upgraded after that",
        desired(replace(EDITED, package_version="2.0"), slots=4),
        EDITED,
        Handled(desired(EDITED, slots=4), Outcome.SUCCEEDED, 6),
        "",
        "asks",
    ),
    (
        "a failover went to a release with another model file, which was replaced long ago",
        desired(replace(REPLACED, model_path="/m/old.gguf")),
        replace(SERVES, model_path="/m/old.gguf"),
        Handled(desired(replace(SERVES, model_path="/m/new.gguf"), path="/m/old.gguf"), Outcome.SUCCEEDED, 6),
        "",
        "settled",
    ),
]


@pytest.mark.parametrize(
    ("said", "serving", "handled", "obstacle", "kind"), [row[1:] for row in TABLE], ids=[r[0] for r in TABLE]
)
def test_what_is_decided(
    said: Desired, serving: ReleaseSpec | None, handled: Handled | None, obstacle: str, kind: str
) -> None:
    """Only a new desired state is asked for, and only where it differs from what serves."""
    verdict = decide(said, serving, handled, obstacle)
    assert verdict.kind == kind
    assert bool(verdict.changes) == (kind != "in_accord")
    assert bool(verdict.reason) == (kind in ("deploys", "waits", "settled"))


WAITING = Handled(desired(EDITED), Outcome.REFUSED, 5, "it is short of 9 MB", transient=True)


def test_what_was_refused_for_a_transient_reason_is_due_again_after_a_while() -> None:
    """Not before, not while something is in the way, and at once when anything was said since."""
    retry = Retry().put_off(1000.0)
    early = decide(desired(EDITED), SERVES, WAITING, "", retry, 1059.9)
    assert (early.kind, early.again_s) == (VerdictKind.WAITS, 1060.0)
    assert early.reason == "deployment 5 was refused: it is short of 9 MB; it is tried again by itself"
    assert decide(desired(EDITED), SERVES, WAITING, "", retry, 1060.0).kind is VerdictKind.ASKS
    blocked = decide(desired(EDITED), SERVES, WAITING, BUSY, retry, 1060.0)
    assert (blocked.kind, blocked.reason, blocked.again_s) == (VerdictKind.WAITS, BUSY, None)
    assert decide(desired(REPLACED), SERVES, WAITING, "", retry, 0.0).kind is VerdictKind.ASKS
    assert decide(desired(EDITED, "d"), SERVES, WAITING, "", retry, 0.0).kind is VerdictKind.ASKS
    assert decide(desired(SERVES), SERVES, WAITING, "", retry, 9999.0).kind is VerdictKind.IN_ACCORD


@pytest.mark.parametrize("outcome", [Outcome.ROLLED_BACK, Outcome.REFUSED, Outcome.FAILED])
def test_what_failed_for_a_lasting_reason_is_never_due_again(outcome: Outcome) -> None:
    """Whatever time it is."""
    assert decide(desired(EDITED), SERVES, failed(EDITED, outcome), "", Retry(), 1e9).kind is VerdictKind.SETTLED


def test_the_pauses_grow_up_to_a_limit() -> None:
    """So there is no storm, however long it lasts."""
    retry, pauses = Retry(), []
    for _ in range(7):
        pauses.append(retry.put_off(0.0).due_s)
        retry = retry.put_off(100.0)
    assert pauses == [60, 120, 300, 600, 600, 600, 600]
    assert retry.due_s == 700.0


def test_whether_a_reason_may_pass_is_kept_with_its_own_deployment_only() -> None:
    """A boot is tried again anyway, and an operator's is not ours to try."""
    asked = Handled(desired(EDITED), None, 7)
    own = settle(asked, replace(ended(DEPLOY, Outcome.REFUSED, WATCH_REQUEST), transient=True), desired(EDITED))
    assert own == Handled(desired(EDITED), Outcome.REFUSED, 7, "why", transient=True)
    boot = settle(None, replace(ended(DEPLOY, Outcome.REFUSED, BOOT_REQUEST), transient=True), desired(EDITED))
    assert boot and not boot.transient
    assert settle(BEFORE, replace(ended(DEPLOY, Outcome.REFUSED), transient=True), desired(EDITED)) == BEFORE


def test_a_reason_is_told_in_words() -> None:
    """What became of it, and what to do."""
    tried = decide(desired(EDITED), SERVES, failed(EDITED))
    assert "deployment 5 was tried for it, and rolled back: the gate was not passed" in tried.reason
    assert tried.changes == ("model.slots 4 -> 2",)
    overruled = decide(desired(REPLACED), SERVES, Handled(desired(REPLACED), Outcome.SUCCEEDED, 6))
    assert "`modelsvc ctl deploy` brings it" in overruled.reason


def test_each_difference_is_a_phrase() -> None:
    """As operators name these things; sums of files in short."""
    other = ReleaseSpec(
        {"slots": 2, "kv_cache": "f16", "new": 1}, "/m/b.gguf", "bb" * 32, "2.0", ("a", "b"), ("http://c",)
    )
    assert differences(SERVES, other) == (
        "model.slots 4 -> 2",
        "model.new unset -> 1",
        "model.path /m/current.gguf -> /m/b.gguf",
        "model file aaaaaaaaaaaa -> bbbbbbbbbbbb",
        "modelsvc 1.0 -> 2.0",
        "security.allowed_hosts localhost -> a, b",
        "security.allowed_origins none -> http://c",
    )


# --- what has been dealt with once a deployment is over ---------------------------------------------------------------

BEFORE = Handled(desired(SERVES), Outcome.SUCCEEDED, 3)


def ended(kind: DeploymentKind, outcome: Outcome, request: str = "x", number: int = 7) -> Ended:
    return Ended(number, kind, request, outcome, "why", desired(EDITED))


@pytest.mark.parametrize("outcome", Outcome)
def test_its_own_deployment_is_settled_however_it_ended(outcome: Outcome) -> None:
    """So that it is not tried twice."""
    asked = Handled(desired(EDITED), None, 7)
    assert settle(asked, ended(DEPLOY, outcome, WATCH_REQUEST), desired(EDITED)) == Handled(
        desired(EDITED), outcome, 7, "why"
    )


@pytest.mark.parametrize("kind", [DEPLOY, ROLLBACK, SWAP])
def test_what_an_operator_brought_about_counts_more_than_the_files_before_it(kind: DeploymentKind) -> None:
    """Their command was the latest desired."""
    after = settle(BEFORE, ended(kind, Outcome.SUCCEEDED), desired(EDITED))
    assert after == Handled(desired(EDITED), Outcome.SUCCEEDED, 7, "why")


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.ROLLED_BACK, Outcome.FAILED])
def test_what_an_operator_tried_in_vain_settles_nothing(outcome: Outcome) -> None:
    """What the files say is still to come."""
    assert settle(BEFORE, ended(DEPLOY, outcome), desired(EDITED)) == BEFORE


@pytest.mark.parametrize("kind", [DeploymentKind.PREWARM, DeploymentKind.FAILOVER, DeploymentKind.REPLACE])
def test_what_nobody_asked_to_serve_settles_nothing(kind: DeploymentKind) -> None:
    """Nor does what the supervisor does by itself."""
    assert settle(BEFORE, ended(kind, Outcome.SUCCEEDED), desired(EDITED)) == BEFORE


def test_a_boot_that_failed_is_not_tried_beside_itself() -> None:
    """It is tried again with growing pauses anyway."""
    after = settle(None, ended(DEPLOY, Outcome.FAILED, BOOT_REQUEST), desired(EDITED))
    assert after == Handled(desired(EDITED), Outcome.FAILED, 7, "why")


def test_a_file_that_was_replaced_during_an_operators_deployment_is_news() -> None:
    """It came later than the command; the edit that was there before is settled."""
    now = desired(replace(EDITED, sha256="cc" * 32))
    after = settle(BEFORE, ended(DEPLOY, Outcome.SUCCEEDED), now)
    assert decide(now, EDITED, after) == Verdict(VerdictKind.ASKS, ("model file aaaaaaaaaaaa -> cccccccccccc",))


def test_where_nobody_had_looked_all_is_news() -> None:
    """A deployment in the first moments of a supervisor settles nothing that it may not have known."""
    unseen = Ended(7, DEPLOY, "x", Outcome.SUCCEEDED)
    assert settle(None, unseen, desired(EDITED)) is None
