"""How the command line tells of the watch on files."""

from typing import Any

import pytest
from msgspec.structs import replace
from tests.cli import samples
from tests.cli.conftest import Run
from tests.cli.scripted import Script

from modelsvc.cli.ctl.happening import happening_line
from modelsvc.cli.ctl.story import story_lines
from supervisor.core.state import Color, DeploymentKind, Outcome
from supervisor.protocol import Explanation, History, WatchStatus
from supervisor.protocol import happenings as hp

BECAUSE = "model.context_tokens 4096 -> 8192"


@pytest.mark.parametrize(
    ("watch", "line"),
    [
        ({"verdict": ""}, "has not looked yet"),
        ({"verdict": "in_accord"}, "what serves is what the files say"),
        (
            {"verdict": "in_accord", "needs_restart": ["edge.listen"]},
            "what serves is what the files say; after a restart: edge.listen",
        ),
        ({"verdict": "deploys", "changes": [BECAUSE], "reason": "deployment 7 brings it"}, f"deploys {BECAUSE}"),
        ({"verdict": "settled", "changes": [BECAUSE], "reason": "it failed"}, f"does not deploy {BECAUSE}: it failed"),
        (
            {
                "verdict": "waits",
                "changes": [BECAUSE],
                "reason": "short of 9 MB",
                "retry_at": "2026-01-02T03:04:05.678Z",
            },
            f"does not deploy {BECAUSE}: short of 9 MB; next look 2026-01-02T03:04:05.678Z",
        ),
        (
            {"verdict": "rejected", "reason": "c.toml has 1 problem(s):\n  model.slots: wrong"},
            "nothing is changed, for c.toml has 1 problem(s): model.slots: wrong",
        ),
    ],
)
def test_the_status_has_a_line_for_it(daemon: Script, run: Run, watch: dict[str, Any], line: str) -> None:
    """Where it is enabled: what it made of the files, and why that is not deployed."""
    daemon.reply("GET /v1/status", replace(samples.STATUS, watch=WatchStatus(**watch)))
    assert ["watch", line] in [told.split(maxsplit=1) for told in run("ctl", "status").stdout.splitlines()]


def test_who_asked_is_told_wherever_a_deployment_is(daemon: Script, run: Run) -> None:
    """In the history, in its own page and story, and among the events."""
    asked = replace(samples.PAST, because=BECAUSE)
    daemon.reply("GET /v1/history?limit=20", History(deployments=[asked]))
    assert f"asked by watch: {BECAUSE}" in run("ctl", "history").stdout
    story = story_lines(Explanation(deployment=asked, release=None, previous=None))
    assert ["asked", f"by watch: {BECAUSE}"] in [line.split(maxsplit=1) for line in story]
    began = hp.DeploymentBegan(
        id=1, at="t", deployment=7, kind=DeploymentKind.DEPLOY, from_color=None, to_color=Color.BLUE, because=BECAUSE
    )
    assert happening_line(began).endswith(f"deployment 7: deploy blue, asked by watch: {BECAUSE}")


def test_a_story_tells_when_it_is_tried_again() -> None:
    """Of a deployment that was refused for a reason that may pass; another one is not."""
    refused = replace(samples.PAST, because=BECAUSE, outcome=Outcome.REFUSED, reason="short of 9 MB")
    told = story_lines(Explanation(deployment=refused, release=None, previous=None, retry_at="2026-01-02T03:04:05Z"))
    assert "again: the watch on files tries it at 2026-01-02T03:04:05Z, if the reason is gone by then" in told
    lasting = story_lines(Explanation(deployment=refused, release=None, previous=None))
    assert not any(line.startswith("again:") for line in lasting)


def test_an_operators_deployment_has_no_such_line(daemon: Script, run: Run) -> None:
    """The control case."""
    daemon.reply("GET /v1/history?limit=20", History(deployments=[samples.PAST]))
    daemon.reply("GET /v1/status", samples.STATUS)
    assert "asked by" not in run("ctl", "history").stdout
    assert "watch" not in run("ctl", "status").stdout
