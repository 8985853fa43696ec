"""What the watch on files makes of them. The tables here are those of docs/design.md."""

from dataclasses import replace
from typing import Any

import pytest

from supervisor.core.state import BOOT_REQUEST, WATCH_REQUEST, DeploymentKind, Outcome
from supervisor.core.wish import Ended, Heard, Verdict, VerdictKind, Wish, Word, decide, differences, settle

DEPLOY, ROLLBACK, SWAP = DeploymentKind.DEPLOY, DeploymentKind.ROLLBACK, DeploymentKind.SWAP
SERVES = Wish({"slots": 4, "kv_cache": "f16"}, "/m/current.gguf", "aa" * 32, "1.0", ("localhost",))
EDITED = replace(SERVES, settings={"slots": 2, "kv_cache": "f16"})
REPLACED = replace(SERVES, sha256="bb" * 32)
UPGRADED = replace(SERVES, package_version="2.0")
BUSY = "deployment 7 (deploy to green) is at step 4"


def word(wanted: Wish, circumstances: str = "c", **section: Any) -> Word:
    """A word whose section is the one that is wanted, unless it is said to be another."""
    return Word({**wanted.settings, "path": wanted.model_path, **section}, wanted, circumstances)


def failed(wanted: Wish, outcome: Outcome = Outcome.ROLLED_BACK) -> Heard:
    return Heard(word(wanted), outcome, 5, "the gate was not passed")


SETTLED_ALREADY = word(SERVES)
TABLE = [
    ("what is wanted serves", word(SERVES), SERVES, Heard(word(EDITED), Outcome.REFUSED, 5), "", "in_accord"),
    ("what is wanted serves, in the first look ever", word(SERVES), SERVES, None, "", "in_accord"),
    ("an edit", word(EDITED), SERVES, Heard(SETTLED_ALREADY), "", "asks"),
    ("another model file", word(REPLACED), SERVES, Heard(SETTLED_ALREADY), "", "asks"),
    ("another version of the package", word(UPGRADED), SERVES, Heard(SETTLED_ALREADY), "", "asks"),
    ("a difference in the first look ever", word(REPLACED), SERVES, None, "", "asks"),
    ("nothing serves", word(SERVES), None, None, "", "asks"),
    ("an edit while something is in the way", word(EDITED), SERVES, Heard(SETTLED_ALREADY), BUSY, "waits"),
    (
        "an edit that was taken back before it was tried",
        word(SERVES),
        SERVES,
        Heard(SETTLED_ALREADY),
        BUSY,
        "in_accord",
    ),
    ("its own deployment is under way", word(EDITED), SERVES, Heard(word(EDITED), None, 7), BUSY, "deploys"),
    ("another edit meanwhile", word(REPLACED), SERVES, Heard(word(EDITED), None, 7), BUSY, "waits"),
    ("the edit was rolled back", word(EDITED), SERVES, failed(EDITED), "", "settled"),
    ("the edit was refused", word(EDITED), SERVES, failed(EDITED, Outcome.REFUSED), "", "settled"),
    (
        "its first deployment failed, and nothing serves",
        word(EDITED),
        None,
        failed(EDITED, Outcome.FAILED),
        "",
        "settled",
    ),
    ("a further edit after that", word(replace(EDITED, settings={"slots": 1})), SERVES, failed(EDITED), "", "asks"),
    ("other limits or another gate after that", word(EDITED, "d"), SERVES, failed(EDITED), "", "asks"),
    ("a further model file after that", word(replace(SERVES, sha256="cc")), SERVES, failed(REPLACED), "", "asks"),
    (
        "an operator went back to the release before the model file was replaced",
        word(REPLACED),
        SERVES,
        Heard(word(REPLACED), Outcome.SUCCEEDED, 6),
        "",
        "settled",
    ),
    (
        "other limits after an operator went back",
        word(REPLACED, "d"),
        SERVES,
        Heard(word(REPLACED), Outcome.SUCCEEDED, 6),
        "",
        "settled",
    ),
    (
        "an operator deployed another setting than the file has: the rule of deployments wants what serves",
        word(EDITED, slots=4),
        EDITED,
        Heard(word(EDITED, slots=4), Outcome.SUCCEEDED, 6),
        "",
        "settled",
    ),
    (
        "the same in the first look ever",
        word(EDITED, slots=4),
        EDITED,
        None,
        "",
        "settled",
    ),
    (
        "the package was upgraded after that",
        word(replace(EDITED, package_version="2.0"), slots=4),
        EDITED,
        Heard(word(EDITED, slots=4), Outcome.SUCCEEDED, 6),
        "",
        "asks",
    ),
    (
        "a failover went to a release with another model file, which was replaced long ago",
        word(replace(REPLACED, model_path="/m/old.gguf")),
        replace(SERVES, model_path="/m/old.gguf"),
        Heard(word(replace(SERVES, model_path="/m/new.gguf"), path="/m/old.gguf"), Outcome.SUCCEEDED, 6),
        "",
        "settled",
    ),
]


@pytest.mark.parametrize(
    ("said", "serving", "heard", "obstacle", "kind"), [row[1:] for row in TABLE], ids=[r[0] for r in TABLE]
)
def test_what_is_decided(said: Word, serving: Wish | None, heard: Heard | None, obstacle: str, kind: str) -> None:
    """Only a new word is asked for, and only where it differs from what serves."""
    verdict = decide(said, serving, heard, obstacle)
    assert verdict.kind == kind
    assert bool(verdict.changes) == (kind != "in_accord")
    assert bool(verdict.reason) == (kind in ("deploys", "waits", "settled"))


def test_a_reason_is_told_in_words() -> None:
    """What became of the word, and what to do."""
    tried = decide(word(EDITED), SERVES, failed(EDITED))
    assert "deployment 5 was tried for it, and rolled back: the gate was not passed" in tried.reason
    assert tried.changes == ("model.slots 4 -> 2",)
    overruled = decide(word(REPLACED), SERVES, Heard(word(REPLACED), Outcome.SUCCEEDED, 6))
    assert "`modelsvc ctl deploy` brings it" in overruled.reason


def test_each_difference_is_a_phrase() -> None:
    """As operators name these things; sums of files in short."""
    other = Wish({"slots": 2, "kv_cache": "f16", "new": 1}, "/m/b.gguf", "bb" * 32, "2.0", ("a", "b"))
    assert differences(SERVES, other) == (
        "model.slots 4 -> 2",
        "model.new unset -> 1",
        "model.path /m/current.gguf -> /m/b.gguf",
        "model file aaaaaaaaaaaa -> bbbbbbbbbbbb",
        "modelsvc 1.0 -> 2.0",
        "security.allowed_hosts localhost -> a, b",
    )


# --- what has been dealt with once a deployment is over ---------------------------------------------------------------

BEFORE = Heard(word(SERVES), Outcome.SUCCEEDED, 3)


def ended(kind: DeploymentKind, outcome: Outcome, request: str = "x", number: int = 7) -> Ended:
    return Ended(number, kind, request, outcome, "why", word(EDITED))


@pytest.mark.parametrize("outcome", Outcome)
def test_its_own_deployment_is_settled_however_it_ended(outcome: Outcome) -> None:
    """So that it is not tried twice."""
    asked = Heard(word(EDITED), None, 7)
    assert settle(asked, ended(DEPLOY, outcome, WATCH_REQUEST), word(EDITED)) == Heard(word(EDITED), outcome, 7, "why")


@pytest.mark.parametrize("kind", [DEPLOY, ROLLBACK, SWAP])
def test_what_an_operator_brought_about_counts_more_than_the_files_before_it(kind: DeploymentKind) -> None:
    """Their command was the latest word."""
    after = settle(BEFORE, ended(kind, Outcome.SUCCEEDED), word(EDITED))
    assert after == Heard(word(EDITED), Outcome.SUCCEEDED, 7, "why")


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.ROLLED_BACK, Outcome.FAILED])
def test_what_an_operator_tried_in_vain_settles_nothing(outcome: Outcome) -> None:
    """What the files say is still to come."""
    assert settle(BEFORE, ended(DEPLOY, outcome), word(EDITED)) == BEFORE


@pytest.mark.parametrize("kind", [DeploymentKind.PREWARM, DeploymentKind.FAILOVER, DeploymentKind.REPLACE])
def test_what_nobody_asked_to_serve_settles_nothing(kind: DeploymentKind) -> None:
    """Nor does what the supervisor does by itself."""
    assert settle(BEFORE, ended(kind, Outcome.SUCCEEDED), word(EDITED)) == BEFORE


def test_a_boot_that_failed_is_not_tried_beside_itself() -> None:
    """It is tried again with growing pauses anyway."""
    after = settle(None, ended(DEPLOY, Outcome.FAILED, BOOT_REQUEST), word(EDITED))
    assert after == Heard(word(EDITED), Outcome.FAILED, 7, "why")


def test_a_file_that_was_replaced_during_an_operators_deployment_is_news() -> None:
    """It came later than the command; the edit that was there before is settled."""
    now = word(replace(EDITED, sha256="cc" * 32))
    after = settle(BEFORE, ended(DEPLOY, Outcome.SUCCEEDED), now)
    assert decide(now, EDITED, after) == Verdict(VerdictKind.ASKS, ("model file aaaaaaaaaaaa -> cccccccccccc",))


def test_where_nobody_had_looked_all_is_news() -> None:
    """A deployment in the first moments of a supervisor settles nothing that it may not have known."""
    unseen = Ended(7, DEPLOY, "x", Outcome.SUCCEEDED)
    assert settle(None, unseen, word(EDITED)) is None
