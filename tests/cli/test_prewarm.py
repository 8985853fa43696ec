"""How the command line tells of what is prewarmed, or is not any more."""

import pytest
from msgspec.structs import replace
from tests.cli import samples
from tests.cli.conftest import Run
from tests.cli.scripted import Script

from supervisor.protocol import Color, Finished, Outcome

LOST = "release 3 is not prewarmed any more: it is short of 9 MB; `modelsvc ctl prewarm` does it again"


@pytest.mark.parametrize(
    ("prewarmed", "lost", "in_status", "asked"),
    [
        (None, "", None, "nothing is prewarmed"),
        (3, "", "release 3", "release 3 is prewarmed: `modelsvc ctl deploy` switches to it"),
        (None, LOST, f"nothing: {LOST}", f"nothing is prewarmed: {LOST}"),
    ],
)
def test_what_is_prewarmed_is_told_and_why_it_is_not_any_more(
    daemon: Script, run: Run, prewarmed: int | None, lost: str, in_status: str | None, asked: str
) -> None:
    """A standby that somebody asked for does not vanish in silence."""
    status = replace(samples.STATUS, prewarmed=prewarmed, prewarm_lost=lost, deployment=None)
    daemon.reply("GET /v1/status", status)
    lines = dict(line.split(maxsplit=1) for line in run("ctl", "status").stdout.splitlines())
    assert lines.get("prewarmed") == in_status
    assert run("ctl", "prewarm", "--status").stdout.splitlines() == [asked]


def test_what_was_cancelled_is_told_as_that(daemon: Script, run: Run) -> None:
    """Nobody would look for what is ready in `done, release 6`."""
    finished = Finished(outcome=Outcome.SUCCEEDED, deployment=None, release=6, active=Color.BLUE, seconds=1.2)
    daemon.stream("POST /v1/prewarm/cancel", [finished])
    assert run("ctl", "prewarm", "--cancel").stdout == "prewarm --cancel: release 6 is prewarmed no more, 1.2 s\n"
